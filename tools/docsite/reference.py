"""The pages of the reference: one for each public package, and for a large one a page for each group of names."""

from __future__ import annotations

import inspect
import re
from functools import cache
from importlib import import_module
from typing import Any

from docsite import names, prose
from docsite.names import Name

LARGE, OWN_PAGE = 40, 5  # from so many names on a package has pages of groups; a group of so many has a page of its own

def page(package: str) -> str:
    """The file of a package's page."""
    return f"reference/{short(package)}/index.md" if _alone(package) else f"reference/{short(package)}.md"


def short(package: str) -> str:
    """A package's name as pages say it: nn.functional."""
    return package.removeprefix("cutaway.")


def pages(package: str) -> dict[str, str]:
    """The pages of a package, the first of which is the package's own: file -> Markdown."""
    groups = names.groups(package)
    alone = _alone(package)
    lines = [f"# {package}", "", _about(package), ""]
    for title, found in groups.items():
        if title in alone:
            lines += [f"## [{title}]({_slug(title)}.md)", "", *_table(found), ""]
    rest = [name for title, found in groups.items() if title not in alone for name in found]
    if rest:
        lines += (["## Further names" if alone else "## Names", "", *_table(rest), "", *_entries(rest)])
    made = {page(package): "\n".join(lines) + "\n"}
    for title in alone:
        words = [f"# {_titled(package, title)}", "", *_of_module(package, title), *_entries(groups[title])]
        made[_file(package, title)] = "\n".join(words) + "\n"
    return made


def navigation() -> list[Any]:
    """The part of the navigation that these pages are."""
    found: list[Any] = ["reference/index.md"]
    for heading, packages in names.HEADINGS.items():
        found.append({heading: [_place("cutaway" if p == "cutaway" else f"cutaway.{p}") for p in packages.split()]})
    return found


def _place(package: str) -> dict[str, Any]:
    below = [{title.removeprefix(f"{short(package)}."): _file(package, title)} for title in _alone(package)]
    return {short(package): [page(package), *below] if below else page(package)}


def linked(markdown: str) -> str:
    """A page with parts such as `## torch.nn`, in which names that stand as code lead to our entries of them."""
    paths = {n.path for package in names.PACKAGES for n in names.names(package) if not n.is_value}
    first, *parts = re.split(r"(?m)^(?=## torch)", markdown)
    return first + "".join(_linked(part, paths) for part in parts)


def _linked(part: str, paths: set[str]) -> str:
    module = re.sub("^torchvision", "torch.vision", part.partition("\n")[0].removeprefix("## "))
    ours = re.sub("^torch", "cutaway", module)

    def link(match: re.Match[str]) -> str:
        path = f"{ours}.{match[1]}"
        return f"[{match[0]}][{path}]" if path in paths else match[0]

    return re.sub(r"(?<![`\[])`(\w+)`(?!`)", link, part)


def index() -> str:
    """The page that leads to all others."""
    lines = ["# Reference", "", "Made from the docstrings. Names are PyTorch's, and so is what they do. Where Cutaway"]
    lines += ["differs is listed in [parity](../parity.md) and, call by call, in [conformance](../conformance.md).", ""]
    for heading, packages in names.HEADINGS.items():
        lines += [f"## {heading}", "", "| package | what it is | names |", "|---|---|---|"]
        for package in ("cutaway" if p == "cutaway" else f"cutaway.{p}" for p in packages.split()):
            about = names.sentence(_docstring(package))
            about = prose.markdown(about).replace("\n", " ").replace("|", "\\|")
            count = len(names.names(package))
            lines += [f"| [`{package}`]({page(package).removeprefix('reference/')}) | {about} | {count} |"]
        lines += [""]
    return "\n".join(lines)


@cache
def _alone(package: str) -> list[str]:
    """The titles of the groups that have a page of their own."""
    if len(names.names(package)) <= LARGE:
        return []
    groups = names.groups(package)
    large = [title for title, found in groups.items() if len(found) >= OWN_PAGE and title != "Values"]
    return list(groups) if package in names.MODULES else large


def _titled(package: str, title: str) -> str:
    return f"{short(package)}: {title}" if package not in names.MODULES else title


def _file(package: str, title: str) -> str:
    return f"reference/{short(package)}/{_slug(title)}.md"


def _slug(title: str) -> str:
    slug = re.sub(r"\W+", "-", title.lower()).strip("-")
    return "indexing" if slug == "index" else slug  # index.md is the package's own page


def _docstring(package: str) -> str:
    if package == "cutaway.Tensor":
        import cutaway

        return inspect.getdoc(cutaway.Tensor) or ""
    return inspect.cleandoc(import_module(package).__doc__ or "")


def _about(package: str) -> str:
    if package == "cutaway.Tensor":
        return "::: cutaway.Tensor\n" + _options(2, "Tensor", "members: false")
    return prose.markdown(_docstring(package))


def _of_module(package: str, title: str) -> list[str]:
    """What a module of a package says of itself."""
    return [prose.markdown(_docstring(f"cutaway.{title}")), ""] if package in names.MODULES else []


def _table(found: list[Name]) -> list[str]:
    """Names with their first sentences."""
    lines = ["| name | what it is |", "|---|---|"]
    for name in found:
        if name.is_value:
            lines.append(f"| `{name.name}` | {_value(name)} |")
        else:
            about = prose.markdown(name.about).replace("\n", " ").replace("|", "\\|")
            lines.append(f"| [`{name.name}`][{name.path}] | {about} |")
    return lines


def _value(name: Name) -> str:
    text = repr(name.value)
    return f"`{text}`" if len(text) < 60 and " at 0x" not in text and "|" not in text else type(name.value).__name__


def _entries(found: list[Name]) -> list[str]:
    """The place of each name, which mkdocstrings fills."""
    lines = []
    for name in found:
        if not name.is_value and name.path != "cutaway.Tensor":  # which has pages of its own
            heading = f"{_known_as(name)}.{name.name}"
            lines += [f"::: {name.path}", _options(2, heading, f"toc_label: {name.name}"), ""]
    return lines


def _known_as(name: Name) -> str:
    """The package that a heading says: the shortest that has the name."""
    import cutaway

    return "cutaway" if getattr(cutaway, name.name, None) is name.value else short(name.package)


def _options(level: int, heading: str, *more: str) -> str:
    lines = [f"heading_level: {level}", f"heading: {heading}", *more]
    return "    options:\n" + "\n".join(f"      {line}" for line in lines)
