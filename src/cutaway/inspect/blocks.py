"""The text of a `with no_grad():` block that was entered: which names it assigns to, and whether results leave it."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache

from cutaway.core.diary import Note

Text = tuple[ast.stmt, ...]


def assigned(n: Note) -> set[str]:
    """The names that the block assigns to."""
    found = [x for b in _body(n) or () for x in ast.walk(b)]
    return {x.id for x in found if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)}


def assigned_elsewhere(n: Note) -> set[str]:
    """The names that the function around the block assigns to outside of it, its parameters among them."""
    code, line, _ = n.place
    try:
        tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        return set()
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    around = [x for x in ast.walk(tree) if isinstance(x, kinds) and x.lineno <= line <= (x.end_lineno or 0)]
    inside = {k for b in _body(n) or () for k in range(b.lineno, (b.end_lineno or b.lineno) + 1)}
    everything = [x for x in ast.walk(around[-1] if around else tree) if getattr(x, "lineno", 0) not in inside]
    stored = {x.id for x in everything if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)}
    return stored | {x.arg for x in everything if isinstance(x, ast.arg)}


def hands_out(n: Note) -> bool:
    """False if the block only writes in place and calls: nothing that it computes can be used after it."""
    body = _body(n)
    if body is None:
        return True
    for x in [x for b in body for x in ast.walk(b)]:
        if isinstance(x, (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.Yield)) or (isinstance(x, ast.Return) and x.value):
            return True
        if isinstance(x, ast.Call) and isinstance(x.func, ast.Attribute) and x.func.attr in ("append", "extend", "put"):
            return True
    return False


def _body(n: Note) -> Text | None:
    """The statements of the block, or of the function that runs without gradients; None if the text cannot be had."""
    code, line, _ = n.place
    if n.detail:  # a function, by name: its text may be anywhere
        return None
    return _blocks("".join(linecache.getlines(code.co_filename))).get(line)


@lru_cache(32)
def _blocks(text: str) -> dict[int, Text]:
    """The bodies of all `with` statements, by each line of their heads."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return {}
    found: dict[int, Text] = {}
    for block in ast.walk(tree):
        if isinstance(block, (ast.With, ast.AsyncWith)):
            for line in range(block.lineno, max(block.body[0].lineno, block.lineno + 1)):
                found[line] = tuple(block.body)
    return found
