"""Marks in a page of docs/ in whose place the site has something that is written, or made, elsewhere.

    <!-- README.md: See inside -->    the part of that name of README.md
    <!-- made: step.html -->          a page that Cutaway makes while the site is built (demos.py)
"""

from __future__ import annotations

import re

from docsite import ROOT, sources


def replaced(markdown: str, here: str) -> str:
    """A page with what its marks stand for.  `here` is the page's place in the repository: links are led from there."""
    markdown = re.sub(r"<!-- (\w+\.md): (.+?) -->", lambda m: _part(m[1], m[2], here), markdown)
    return re.sub(r"<!-- made: (\w+\.html) -->", lambda m: _frame(m[1]), markdown)


def _part(file: str, title: str, here: str) -> str:
    found = re.search(rf"(?ms)^## {re.escape(title)}\n(.*?)(?=^## |\Z)", (ROOT / file).read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{here}: {file} has no part {title!r}")
    return sources.mended(found[1].strip(), file, here)


def _frame(name: str) -> str:
    return (
        f'<figure class="made" markdown="0"><iframe src="../made/{name}" title="{name}" loading="lazy"></iframe>'
        f'<figcaption><a href="../made/{name}">{name}, alone</a></figcaption></figure>'
    )
