"""Makes docs/parity.md of tools/parity_names.txt and the code: each PyTorch name is the same, differs or is absent.

python tools/parity.py            writes the page
python tools/parity.py --check    exits with 1 if the page is not what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NAMES, PAGE = ROOT / "tools" / "parity_names.txt", ROOT / "docs" / "parity.md"
SAME, DIFFERS, ABSENT = "same", "differs", "absent"
# Where a module of PyTorch's is here.
OURS = {"torch": "cutaway", "torchvision": "cutaway.vision", "torch.nn.modules.module": "cutaway.nn.module"}


def listed(text: str) -> Iterator[tuple[str, str, str, str]]:
    """(module, name, "=" or "!" or "", note) of each name in the list."""
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            for mark in ("=", "!"):
                name, found, note = line.partition(f" {mark} ")
                if found:
                    yield section, name, mark, note
                    break
            else:
                for name in line.split():
                    yield section, name, "", ""


def find(section: str) -> Any:
    """Our counterpart of a module, or class, of PyTorch's; None if there is none."""
    top, *rest = [section] if section in OURS else section.split(".")
    try:
        here = import_module(OURS[top])
        for part in rest:
            here = getattr(here, part)
    except (ImportError, AttributeError):
        return None
    return here


def rows() -> Iterator[tuple[str, str, str, str]]:
    """(module, name, status, note) of each name.  Raises SystemExit where the list says "absent" of what is there."""
    for section, name, mark, note in listed(NAMES.read_text(encoding="utf-8")):
        there = hasattr(find(section), name)
        if mark == "!":
            if there:
                raise SystemExit(f"{NAMES.name}: {section}.{name} is said to be absent, but is there")
            yield section, name, ABSENT, note
        elif not there:
            yield section, name, ABSENT, "not written yet"
        else:
            yield section, name, DIFFERS if mark else SAME, note


def page() -> str:
    """The text of docs/parity.md."""
    table: dict[str, list[tuple[str, str, str]]] = {}
    count = {SAME: 0, DIFFERS: 0, ABSENT: 0}
    for section, name, status, note in rows():
        table.setdefault(section, []).append((name, status, note))
        count[status] += 1
    same, differs, absent = count.values()
    lines = [
        "# PyTorch's names in Cutaway",
        "",
        "Made from the code by `python tools/parity.py`; the names are those that programs use most.",
        f"Of {sum(count.values())} names {same} are the same, {differs} differ and {absent} are absent.",
        "Same means that it exists and no difference is known; the tests compare behaviour with PyTorch's.",
        "An absent name raises an AttributeError that names the nearest one that exists.",
    ]
    for section, names in table.items():
        lines += ["", f"## {section}", ""]
        same = [f"`{name}`" for name, status, _ in names if status == SAME]
        if same:
            lines += [f"Same: {' '.join(same)}", ""]
        other = [f"| `{name}` | {status} | {note} |" for name, status, note in names if status != SAME]
        if other:
            lines += ["| name | status | how |", "|---|---|---|", *other, ""]
        if not lines[-1]:
            lines.pop()
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    text = page()
    if arguments == ["--check"]:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    raise SystemExit(main(sys.argv[1:]))
