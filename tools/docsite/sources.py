"""The source files as pages, and links to them: a page links to a file of the repository, and so it does on the site."""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

from docsite import ROOT

FOLDERS = ("src", "examples", "tools", "benchmarks")
SHOWN = {".py": "python", ".css": "css", ".js": "javascript"}
_LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")
_CODE = re.compile(r"(?ms)^```.*?^```|`[^`\n]*`")


@cache
def files() -> tuple[str, ...]:
    """The files that have a page, by their path in the repository."""
    found = [p for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*")) if p.suffix in SHOWN]
    return tuple(p.relative_to(ROOT).as_posix() for p in found if "__pycache__" not in p.parts)


@cache
def folders() -> frozenset[str]:
    """Their folders."""
    return frozenset(str(parent) for file in files() for parent in Path(file).parents if str(parent) != ".")


def page(path: str) -> str:
    """The page of a file or folder of the repository; "" if it has none."""
    path = path.rstrip("/")
    if path in files():
        return f"source/{path}.md"
    return f"source/{path}/index.md" if path in folders() else ""


def pages() -> dict[str, str]:
    """Every page: file -> Markdown."""
    return {page(path): _file(path) for path in files()} | {page(path): _folder(path) for path in folders()}


def _file(path: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8")
    fence = "`" * (3 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{_head(path)}{fence}{SHOWN[Path(path).suffix]} linenums=\"1\"\n{text.rstrip()}\n{fence}\n"


def _folder(path: str) -> str:
    lines = ["| file | what it is |", "|---|---|"]
    for p in sorted((ROOT / path).iterdir(), key=lambda p: (p.is_file(), p.name)):
        to = page(p.relative_to(ROOT).as_posix())
        if to:
            about = _first_line(p if p.is_file() else p / "__init__.py").replace("|", "\\|")
            name = p.name if p.is_file() else f"{p.name}/"
            lines.append(f"| [`{name}`]({posixpath.relpath(to, f'source/{path}')}) | {about} |")
    readme = ROOT / path / "README.md"
    return _head(path) + (readme.read_text(encoding="utf-8") + "\n" if readme.exists() else "") + "\n".join(lines) + "\n"


def _first_line(file: Path) -> str:
    """The first sentence of a file's docstring."""
    if file.suffix != ".py" or not file.exists():
        return ""
    match = re.match(r'(?s)(?:#!.*?\n)?r?"""(.+?)(?:"""|\n\n|(?<=[.])\s)', file.read_text(encoding="utf-8"))
    text = re.sub(r"\s+", " ", match[1]).strip() if match else ""
    return re.sub(r"[*_<>\[\]]", lambda m: "\\" + m[0] if m[0] not in "<>" else {"<": "&lt;", ">": "&gt;"}[m[0]], text)


def _head(path: str) -> str:
    """The title of a page, the folders above it, and that search leaves it out."""
    *above, name = Path(path).parts
    way = [f"[{part}]({posixpath.relpath(page('/'.join(above[: n + 1])), posixpath.dirname(page(path)))})"
           for n, part in enumerate(above)]  # fmt: skip
    matter = f"---\ntitle: {path}\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n"
    return f"{matter}\n# `{name}`\n\n{' / '.join([*way, name])}\n\n"


def mended(text: str, file: str, shown: str = "") -> str:
    """A page's links to files of the repository, led to where these are on the site.

    file   where the text lies in the repository: "docs/glossary.md"
    shown  in which file's page it is shown, if in another one
    """
    kept: list[str] = []

    def away(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\x00{len(kept) - 1}\x00"

    hidden = _CODE.sub(away, text)
    led = _LINK.sub(lambda m: m[1] + _led(m[2], file, shown or file) + (m[3] or "") + m[4], hidden)
    while "\x00" in led:
        led = re.sub("\x00(\\d+)\x00", lambda m: kept[int(m[1])], led)
    return led


def _led(target: str, file: str, shown: str) -> str:
    where = on_site(posixpath.normpath(posixpath.join(posixpath.dirname(file), target)))
    return posixpath.relpath(where, posixpath.dirname(on_site(shown))) if where else target


def on_site(path: str) -> str:
    """Where a file or folder of the repository is on the site, "" if it is not there."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/") and path.endswith(".md"):
        return path.removeprefix("docs/")
    return page(path)


# Files outside docs/ that have a page of another name, and folders.
PAGES = {
    "README.md": "readme.md", "README.zh.md": "zh/index.md", "CHANGELOG.md": "changelog.md", "LICENSE": "license.md",
    "docs/zh": "zh/index.md", "docs": "index.md", "src/cutaway": "reference/index.md",
}  # fmt: skip
