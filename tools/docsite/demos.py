"""Pages that Cutaway makes, made while the site is built: the README's programs are run, and what they save is kept."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from functools import cache
from pathlib import Path

from docsite import ROOT


@cache
def pages() -> dict[str, str]:
    """The pages by name: a recording, and what the compiler made."""
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    held: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        for text in programs:
            exec(compile(text, "README.md", "exec"), held)
        held["fast"].save("engine.html")  # type: ignore[attr-defined]
        return {name: Path(name).read_text(encoding="utf-8") for name in ("step.html", "engine.html")}
