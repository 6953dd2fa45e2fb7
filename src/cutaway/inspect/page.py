"""One HTML page of a recording, which needs nothing else and asks no network: the views' modules travel inside it."""

from __future__ import annotations

import base64
import html
import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

MODULES = ("theme", "tensor", "formula", "graph", "weight", "view")  # each after those that it imports


def page(data: dict[str, Any], walks: list[dict[str, Any]], rest: str, title: str) -> str:
    """The whole page; `rest`: what it does not follow, in words."""
    updates = sum(node["kind"] == "update" for node in data["nodes"])
    counts = [(len(data["nodes"]) - updates, "operation{} forward"), (len(data["backward"]), "step{} backward")]
    counts += [(updates, "update{}")] * bool(updates)
    about = ", ".join(f"{n} {what.format('s' * (n != 1))}" for n, what in counts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>\n'
        f"{import_map()}\n<style>{style()}</style>\n</head>\n"
        f'<body class="inspect page">\n<h1>{html.escape(title)}<small>{about}</small></h1>\n'
        f"{script(data, walks, rest, 'document.body')}\n</body>\n</html>\n"
    )


def fragment(data: dict[str, Any], walks: list[dict[str, Any]], rest: str) -> str:
    """For a notebook's cell: a page of its own in a frame, so that nothing of it meets the notebook."""
    return framed(page(data, walks, rest, "Recording"), "recording")


def framed(whole: str, title: str) -> str:
    """A page in a frame of a notebook's cell."""
    inside = html.escape(whole, quote=True)
    return f'<iframe srcdoc="{inside}" style="width:100%;height:640px;border:0" title="{html.escape(title)}"></iframe>'


def script(data: dict[str, Any], walks: list[dict[str, Any]], rest: str, host: str) -> str:
    """The data, and the call that shows it in `host`."""
    held = {"data": data, "walks": walks, "rest": rest}
    text = json.dumps(held, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    return (
        f'<script type="application/json" id="recording">{text}</script>\n'
        '<script type="module">import { show } from "cutaway/view.js";\n'
        'const { data, walks, rest } = JSON.parse(document.getElementById("recording").textContent);\n'
        f"window.recording = show({host}, data, walks, rest);</script>"
    )


@lru_cache(1)
def import_map() -> str:
    """Where the page finds the modules: in itself."""
    urls = {}
    for name in MODULES:
        text = _read(f"{name}.js").replace('from "./', 'from "cutaway/')
        urls[f"cutaway/{name}.js"] = "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()
    return f'<script type="importmap">{json.dumps({"imports": urls})}</script>'


@lru_cache(1)
def style() -> str:
    """The style sheet."""
    return _read("style.css")


def _read(name: str) -> str:
    return files("cutaway.inspect.views").joinpath(name).read_text(encoding="utf-8")
