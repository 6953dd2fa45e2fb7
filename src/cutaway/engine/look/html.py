"""Pieces of HTML that the page and the notebook share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from importlib import resources


@lru_cache(4)
def asset(name: str) -> str:
    """A file that lies beside this one."""
    return resources.files("cutaway.engine.look").joinpath(name).read_text(encoding="utf-8")


def notebook(inner: str) -> str:
    """A piece by itself, with the style that it needs."""
    return f'<div class="cutaway"><style>{asset("page.css")}</style>{inner}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], foot: Sequence[str] = (), kind: str = "") -> str:
    """A table that scrolls by itself; `#` before a heading sets its column to the right. Cells are text, and escaped."""
    right = [h.startswith("#") for h in head]

    def row(cells: Sequence[str], tag: str) -> str:
        kinds = (' class="number"' if r else "" for r in right)
        return "<tr>" + "".join(f"<{tag}{k}>{escape(c)}</{tag}>" for c, k in zip(cells, kinds, strict=True)) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    below = f"<tfoot>{row(foot, 'td')}</tfoot>" if foot else ""
    names = row([h.lstrip("#") for h in head], "th")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(kind or head[0])}">'
        f"<table><thead>{names}</thead><tbody>{body}</tbody>{below}</table></div>"
    )


def size(nbytes: float) -> str:
    """Bytes as a reader likes them: 640 B, 12.5 KiB, 3.1 MiB."""
    if nbytes < 1024:
        return f"{nbytes:.0f} B"
    return f"{nbytes / 1024:.4g} KiB" if nbytes < 1024 * 1000 else f"{nbytes / 1024**2:.4g} MiB"


def duration(seconds: float) -> str:
    """Seconds as a reader likes them: 85 ns, 1.7 µs, 12.3 ms."""
    for unit, scale in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.3g} s"
