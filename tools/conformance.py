"""Makes docs/conformance.md of the tables in tests/conformance: how many cases a name has, and what differs.

python tools/conformance.py            writes the page
python tools/conformance.py --check    exits with 1 if the page is not what would be written, or a name has too few cases
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conformance.md"


def loaded(path: Path) -> Any:
    """A file as a module."""
    spec = spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = sys.modules[path.stem] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


frame = loaded(ROOT / "tests" / "conformance" / "frame.py")
parity = loaded(ROOT / "tools" / "parity.py")


def names() -> list[tuple[str, str]]:
    """(section, name) of each of PyTorch's names that is here."""
    return [
        (section, name)
        for section, name, mark, _ in parity.listed(parity.NAMES.read_text(encoding="utf-8"))
        if mark != "!"
    ]


def complaints() -> list[str]:
    """Names with too few cases and no reason for it."""
    said: list[str] = frame.lacking(frame.tables(), names())
    return said


def page() -> str:
    """The text of docs/conformance.md."""
    found = frame.tables()
    counts = found.counts()
    listed: dict[str, list[str]] = {}
    for section, name in names():
        listed.setdefault(section, []).append(name)
    refused = sum(case.mark == "!" for case in found.cases)
    lines = [
        "# Conformance with PyTorch",
        "",
        "Made from the tables in `tests/conformance` by `python tools/conformance.py`.",
        f"{len(found.cases)} expressions are read once with Cutaway and once with PyTorch. Types, dtypes, shapes, values,",
        f"first and second gradients must agree; {refused} of them both must refuse, with the same class of exception.",
        f"In brackets is the number of cases about a name: {frame.ENOUGH} at least, but for the reasons given.",
    ]
    for section in sorted({section for section, _ in counts} | set(listed)):
        lines += ["", f"## {section}", ""]
        if section in found.sections:
            lines += [found.sections[section]]
            continue
        here = sorted({name for where, name in counts if where == section} | set(listed.get(section, [])))
        some = [f"`{name}` ({counts[section, name]})" for name in here if (section, name) in counts]
        if some:
            lines += [" ".join(some), ""]
        few = [(name, found.reasons[section, name]) for name in here if (section, name) in found.reasons]
        if few:
            lines += ["| name | why it has few |", "|---|---|", *[f"| `{name}` | {why} |" for name, why in few], ""]
        lines.pop()
    differ = [case for case in found.cases if case.mark == "~"]
    if differ:
        lines += ["", "## Where Cutaway differs", "", "| expression | why |", "|---|---|"]
        lines += sorted({f"| `{case.source.replace('|', chr(92) + '|')}` | {case.note} |" for case in differ})
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    text = page()
    if arguments == ["--check"]:
        said = complaints()
        print("\n".join(said))
        return int(bool(said) or not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
