"""What MkDocs calls while it builds: pages that are made, links and formulas of all pages."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docsite import ROOT, SRC, chapters, demos, formulas, marks, names, reference, sources

_SOURCE = re.compile(r'href="source:([^"#]+)#(\d+)"')


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation gets the pages that are made."""
    if str(SRC) not in sys.path:
        sys.path.insert(0, str(SRC))  # the package of this checkout, installed or not
    config.nav = [_filled(item) for item in config.nav or []]
    return config


def _filled(item: Any) -> Any:
    if item == {"Reference": "reference/index.md"}:
        return {"Reference": reference.navigation()}
    if isinstance(item, dict) and "Course" in item:
        first, *rest = item["Course"]
        return {"Course": [first, {"Chapters": chapters.navigation()}, *rest]}
    return item


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that are made."""
    made = {"reference/index.md": reference.index(), **sources.pages(), **chapters.pages()}
    for package in names.PACKAGES:
        made |= reference.pages(package)
    for file, page in sources.PAGES.items():
        if page.endswith(".md") and (ROOT / file).is_file():
            text = (ROOT / file).read_text(encoding="utf-8")
            made[page] = f"# License\n\n```text\n{text}```\n" if file == "LICENSE" else text
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    for name, html in demos.pages().items():
        files.append(File.generated(config, f"made/{name}", content=html))
    files.append(File.generated(config, "math.ttf", content=formulas.font()))
    files.append(File.generated(config, "figures.css", content=chapters.style()))
    for name in ("style.css", "icon.svg"):
        files.append(File.generated(config, name, content=Path(__file__).with_name(name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links to files of the repository lead to their pages."""
    uri = page.file.src_uri
    outside = {page: file for file, page in sources.PAGES.items() if (ROOT / file).is_file()}
    if uri in outside:
        return sources.mended(markdown, outside[uri])
    if uri.startswith("source/") and uri.endswith("/index.md"):
        return sources.mended(markdown, f"{uri.removeprefix('source/').removesuffix('index.md')}README.md")
    if uri == "course.md":
        markdown = chapters.with_links(markdown)
    if uri in ("parity.md", "conformance.md"):
        markdown = reference.linked(markdown)
    if uri.startswith(("source/", "reference/", "course/")):
        return markdown
    return marks.replaced(sources.mended(markdown, f"docs/{uri}"), f"docs/{uri}")


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Formulas are drawn; the links to source that stand in docstrings lead there."""
    html = _SOURCE.sub(lambda m: f'href="{_to_line(m[1], m[2], page)}"', html)
    return formulas.drawn(chapters.filled(html) if page.file.src_uri.startswith("course/") else html)


def _to_line(file: str, line: str, page: Page) -> str:
    to = sources.page(file).removesuffix(".md")
    return f"{posixpath.relpath(to, page.url or '.')}/#__codelineno-0-{line}"
