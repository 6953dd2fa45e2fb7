"""Cells: what the reader of a notebook calls the text that Python knows by a made-up file name."""

from __future__ import annotations

import ast
import linecache
import os
import re
import sys
from functools import lru_cache
from pathlib import Path

MARIMO = re.compile(r"__marimo__cell_\w*\.py$")
IPYTHON = re.compile(r"^<ipython-input-(\d+)-|[/\\]ipykernel_\d+[/\\]\d+\.py$")  # terminal; Jupyter


def named(name: str, file: str) -> str:
    """`train.py`, or `cell 3` for code of a notebook's cell, by the name that it was compiled under.

    IPython, Jupyter   the number that stands beside the cell
    marimo             its place in the notebook, which is the module's `file`; `cell` while it is not saved there
    """
    if MARIMO.search(name):
        return _marimo("".join(linecache.getlines(name)), file, _changed(file))
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    known = getattr(getattr(shell, "compile", None), "format_code_name", lambda name: None)(name)
    found = re.search(r"\d+", known[1]) if known else None
    if found is not None:
        return f"cell {found[0]}"
    if found := IPYTHON.search(name):
        return f"cell {found[1]}" if found[1] else "cell"
    return os.path.basename(name)


def _changed(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return 0


@lru_cache(256)
def _marimo(text: str, file: str, changed: int) -> str:
    """`cell 3` if the notebook's third cell has this text; `changed`: when it was saved."""
    try:
        cells = _cells(file) if changed else []
        return f"cell {cells.index(ast.dump(ast.parse(text))) + 1}"
    except (ValueError, SyntaxError, OSError):
        return "cell"


def _cells(file: str) -> list[str]:
    """The syntax trees of a marimo notebook's cells, in their order: functions under @app.cell without their last return,
    definitions under @app.function and @app.class_definition, and what stands in `with app.setup:`.
    """
    found = []
    for x in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        if isinstance(x, ast.With) and _said(x.items[0].context_expr) == "setup":
            found.append(x.body)
        elif isinstance(x, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and x.decorator_list:
            what = _said(x.decorator_list.pop(0))
            if what == "cell":
                found.append(x.body[:-1] if isinstance(x.body[-1], ast.Return) else x.body)
            elif what in ("function", "class_definition"):
                found.append([x])
    return [ast.dump(ast.Module(body, [])) for body in found]


def _said(x: ast.expr) -> str:
    """`cell` of `app.cell` and of `app.cell(hide_code=True)`."""
    x = x.func if isinstance(x, ast.Call) else x
    return x.attr if isinstance(x, ast.Attribute) else ""
