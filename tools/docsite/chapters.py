"""The course's notebooks as pages: each is run from top to bottom, as its test runs it, its sliders where they begin.

A text of a notebook is Markdown and stays it. What another cell shows is HTML of the library's own figures; it is put
into the finished page, above a line that opens the cell's code. `python -m docsite.chapters ch01_perceptron` runs one
chapter and writes what its cells say and show as JSON.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from html import escape, unescape
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from docsite import ROOT, SRC, formulas

CARD = re.compile(r'<h3>(?:(?!</h3>).)*<small>exercise \d+\.(\w+)</small></h3>')


# --- a chapter is run -------------------------------------------------------------------------------------------------


def run(folder: str) -> list[dict[str, str]]:
    """What the cells of a chapter say (Markdown) or show (HTML), with their code.  Raises what a cell raises."""
    app = import_module(f"cutaway.course.{folder}.chapter").app
    outputs, _ = app.run()
    cells = []
    for code, output in zip(app._cell_manager.codes(), outputs, strict=True):
        text = getattr(output, "_markdown_text", "")
        if text and "<marimo" not in text:
            cells.append({"says": text, "shows": "", "code": ""})
        else:
            html = getattr(output, "_repr_html_", None)
            shown = getattr(output, "text", "") or (html() if html else "" if output is None else str(output))
            cells.append({"says": "", "shows": shown, "code": "" if _only_cards(code) else code.strip()})
    return cells


def _only_cards(code: str) -> bool:
    """True for a cell that shows exercises and does nothing else."""
    return "card(" in code and not re.search(r"(?m)^\w.* = ", code)


@cache
def cells() -> dict[str, list[dict[str, str]]]:
    """The cells of all chapters by folder.  Each runs in a process of its own, as many at a time as there are processors."""
    from cutaway.course.chapters import chapters

    folders = [c.folder for c in chapters()]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return dict(zip(folders, pool.map(_run_beside, folders), strict=True))


def _run_beside(folder: str) -> list[dict[str, str]]:
    path = os.pathsep.join([str(SRC), str(ROOT / "tools")])
    with tempfile.TemporaryDirectory() as empty:  # no answers of whoever builds the site
        done = subprocess.run(
            [sys.executable, "-m", "docsite.chapters", folder],
            capture_output=True, text=True, check=False, cwd=empty, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"chapter {folder} does not run:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.rpartition("\n\0")[2])  # type: ignore[no-any-return]


# --- its page ---------------------------------------------------------------------------------------------------------


def page(folder: str) -> str:
    """The file of a chapter's page."""
    return f"course/{folder[:4]}.md"


def pages() -> dict[str, str]:
    """The pages of all chapters: file -> Markdown, with a mark for each thing that is shown."""
    return {page(folder): _page(folder, found) for folder, found in cells().items()}


def navigation() -> list[dict[str, str]]:
    """The part of the navigation that these pages are."""
    from cutaway.course.chapters import chapters

    return [{f"{c.number} · {c.title}": page(c.folder)} for c in chapters()]


def _page(folder: str, found: list[dict[str, str]]) -> str:
    title = next(n for n, cell in enumerate(found) if cell["says"].lstrip().startswith("# "))
    heading, _, text = found[title]["says"].strip().partition("\n")
    live = f"`cutaway learn {int(folder[2:4])}` opens this chapter with sliders that move, and with your own parts in it."
    above = [_cell(folder, n, cell) for n, cell in enumerate(found[:title])]
    below = [_cell(folder, n, cell) for n, cell in enumerate(found) if n > title]
    return "\n\n".join([heading, f"*{live}*", *above, text.strip(), *below]) + "\n"


def _cell(folder: str, n: int, cell: dict[str, str]) -> str:
    if cell["says"]:
        return cell["says"].strip()
    title = "Imports" if cell["code"].startswith(("import ", "from ")) else "Code"
    code = f'??? code "{title}"\n\n{_indented(cell["code"])}' if cell["code"] else ""
    places = "".join(f'<a id="exercise-{name}"></a>' for name in CARD.findall(cell["shows"]))
    shown = f'<div data-cell="{folder}/{n}">{places}</div>' if cell["shows"] else ""
    return "\n\n".join(filter(None, [shown, code]))


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in ["```python", *code.split("\n"), "```"])


def filled(html: str) -> str:
    """A chapter's page with what its cells show."""
    return re.sub(r'<div data-cell="(\w+)/(\d+)">.*?</div>', lambda m: _shown(cells()[m[1]][int(m[2])]["shows"]), html)


def with_links(course: str) -> str:
    """docs/course.md with the way from each chapter's heading to its page, and from each exercise to its place there."""
    at = {str(int(folder[2:4])): page(folder) for folder in cells()}
    course = re.sub(r"(?m)^## (\d+) .*$", lambda m: f"{m[0]}\n\n[Read the chapter]({at[m[1]]})", course)
    return re.sub(r"(?m)^\| (`(\d+)\.(\w+)`) \|", lambda m: f"| [{m[1]}]({at[m[2]]}#exercise-{m[3]}) |", course)


# --- what a cell shows ------------------------------------------------------------------------------------------------


def _shown(html: str) -> str:
    """A cell's HTML without marimo: its controls stand still, its formulas are MathML, the style sheet is the site's."""
    html = re.sub(r"(?s)<style>.*?</style>", "", html) if "srcdoc" not in html else html
    html = re.sub(r"</?marimo-ui-element[^>]*>", "", html)
    html = re.sub(r"(?s)<marimo-tex[^>]*>(.*?)</marimo-tex>", lambda m: _tex(m[1]), html)
    html = re.sub(r"<marimo-([\w-]+) ([^>]*)></marimo-\1>", lambda m: _control(m[1], _data(m[2])), html)
    html = CARD.sub(lambda m: m[0].replace("<h3>", f'<h3 id="exercise-{m[1]}">', 1), html)
    return f'<div class="shown">{html}</div>'


def _tex(text: str) -> str:
    text = unescape(text.strip())
    return formulas.mathml(text[3:-3], block=text.startswith("||["))


def _data(attributes: str) -> dict[str, Any]:
    """What a control of marimo's says of itself."""
    return {name: json.loads(unescape(value)) for name, value in re.findall(r"data-([\w-]+)='([^']*)'", attributes)}


def _control(kind: str, data: dict[str, Any]) -> str:
    """A control as it stands at the beginning; it does not move."""
    label, value = re.sub(r"<span[^>]*>|</span>", "", data.get("label") or ""), data.get("initial-value")
    label = re.sub(r"(?s)<marimo-tex[^>]*>(.*?)</marimo-tex>", lambda m: _tex(m[1]), label)
    if kind == "slider":
        steps = data.get("steps") or []
        low, high, at = (0, len(steps) - 1, value) if steps else (data["start"], data["stop"], value)
        said = steps[value] if steps else value
        made = f'<input type="range" disabled min="{low}" max="{high}" step="any" value="{at}"> <output>{said:g}</output>'
    elif kind == "dropdown":
        made = f"<b>{escape(str((value or [''])[0]))}</b>"
    elif kind == "checkbox":
        made = f'<input type="checkbox" disabled{" checked" if value else ""}>'
    elif kind == "button":
        return f'<span class="control"><button disabled>{label}</button></span>'
    else:
        made = f"<code>{escape(str(value))}</code>"
    return f'<label class="control">{label} {made}</label>'


def style() -> str:
    """The style sheet of the figures, which goes by the site's colours."""
    text = resources.files("cutaway.course").joinpath("figures.css").read_text(encoding="utf-8")
    assert ".dark .cutaway-course" in text
    return text.replace(".dark .cutaway-course", '[data-md-color-scheme="slate"] .cutaway-course')


if __name__ == "__main__":
    sys.stdout.write("\n\0" + json.dumps(run(Path(sys.argv[1]).name)))
