"""`cutaway run --compile`: finds the training step in a program's loops, and hands it to `steps.py`.

A step is a run of statements in the body of a loop: from the first call of a model or `zero_grad()` to `optimizer.step()`,
with `loss.backward()` in between. It becomes one call

    loss, output = STEP(0, {"data": data, "target": target, "model": model, ...})

and what stands before and after it in the loop stays as it is. Names that are read elsewhere come back.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

from cutaway.interop.pytorch.purity import stored

STEP = "__cutaway_step__"
SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Pass)
NEVER = (ast.Return, ast.Break, ast.Continue, ast.Raise, ast.Yield, ast.Await, ast.Global, ast.Nonlocal, ast.FunctionDef)
WITHIN = (ast.For, ast.While, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Say = Callable[[int, str], None]


class Segment:
    """A training step: its statements, the names it reads, and the names that it gives."""

    def __init__(self, statements: list[ast.stmt], reads: list[str], gives: list[str]) -> None:
        self.statements, self.reads, self.gives = statements, reads, gives
        self.line = statements[0].lineno


def rewrite(tree: ast.Module, say: Say) -> list[Segment]:
    """Put calls of STEP into the tree.  `say(line, why)` is told of each loop that trains and does not fit."""
    segments: list[Segment] = []
    grads = [
        n.lineno
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and n.attr == "grad" and not _called(tree, n) and isinstance(n.ctx, ast.Load)
    ]
    models = _models(tree)
    everywhere = {id(c): c for s in tree.body for c in _calls(s, "backward")}
    for scope, loop in _loops(tree):
        body = loop.body
        own = [c for s in body if not isinstance(s, WITHIN) for c in _calls(s, "backward")]
        if not own:
            continue
        for call in own:
            everywhere.pop(id(call), None)
        if grads:
            say(loop.lineno, f".grad is read in line {grads[0]}, and a compiled step keeps none")
            continue
        try:
            first, last = _bounds(body, models)
            kept, later = _deferred(body[first : last + 1], stored([loop.target]) if isinstance(loop, ast.For) else set())
            for s in kept:
                _check(s)
            segment = _segment(kept, scope)
        except _Unfit as e:
            say(loop.lineno, str(e))
            continue
        body[first : last + 1] = [_call(len(segments), segment), *later]
        segments.append(segment)
    ast.fix_missing_locations(tree)
    for call in everywhere.values():
        say(call.lineno, "backward() stands in no loop; give the function to torch.compile, if it can be traced")
    return segments


class _Unfit(Exception):
    """Why a loop stays as it is."""


def _loops(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.For | ast.While]]:
    """Each loop with the function, or the module, whose names it uses; inner ones first."""

    def visit(node: ast.AST, scope: ast.AST) -> Iterator[tuple[ast.AST, ast.For | ast.While]]:
        inside = node if isinstance(node, (ast.FunctionDef, ast.Module)) else scope
        if isinstance(node, (ast.ClassDef, ast.AsyncFunctionDef, ast.Lambda)):
            inside = scope
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)
        if isinstance(node, (ast.For, ast.While)):
            yield scope, node

    yield from visit(tree, tree)


def _models(tree: ast.Module) -> set[str]:
    """The names whose `.parameters()`, `.train()` or `.eval()` the program calls."""
    return {
        n.func.value.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Call)
        and isinstance(n.func, ast.Attribute)
        and n.func.attr in ("parameters", "train", "eval", "named_parameters")
        and isinstance(n.func.value, ast.Name)
    }


def _calls(statement: ast.stmt, method: str) -> list[ast.Call]:
    """The calls `x.method(...)` in a statement."""
    return [
        n
        for n in ast.walk(statement)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == method
    ]


def _called(tree: ast.Module, attribute: ast.Attribute) -> bool:
    return any(isinstance(n, ast.Call) and n.func is attribute for n in ast.walk(tree))


def _bounds(body: Sequence[ast.stmt], models: set[str]) -> tuple[int, int]:
    """The first and last statement of the step.  Raises _Unfit."""
    backwards = [n for n, s in enumerate(body) if not isinstance(s, WITHIN) and _calls(s, "backward")]
    if not all(isinstance(body[n], ast.Expr) for n in backwards):
        raise _Unfit(f"backward() in line {body[backwards[0]].lineno} stands inside another statement")
    zeros = {ast.unparse(c.func.value) for s in body if isinstance(s, ast.Expr) for c in _calls(s, "zero_grad")}  # type: ignore[attr-defined]
    if not zeros:
        raise _Unfit("there is no zero_grad() of its own in the loop: gradients of several steps may be added up")
    steps = [n for n, s in enumerate(body) if isinstance(s, ast.Expr) and _is_step(s)]
    if not steps or max(steps) < max(backwards):
        raise _Unfit("there is no optimizer.step() of its own behind backward()")
    last = next(n for n in steps if n > max(backwards))
    while last + 1 < len(body) and isinstance(body[last + 1], ast.Expr) and (
        _calls(body[last + 1], "zero_grad") or _is_step(body[last + 1], True)
    ):
        last += 1
    starts = [n for n, s in enumerate(body[:last]) if _uses(s, models)]
    if not starts:
        raise _Unfit("no call of a model was found before backward()")
    return starts[0], last


def _deferred(statements: Sequence[ast.stmt], given: set[str]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The statements of the step, and those that may as well stand behind it: `total += loss.item()`.

    Such a one reads nothing but what the step has computed until then, or the loop's own variables (`given`), which the rest
    of the step does not assign anew; and the rest does not read what it assigns.
    """
    kept: list[ast.stmt] = []
    later: list[ast.stmt] = []
    for n, s in enumerate(statements):
        rest = statements[n + 1 :]
        simple = isinstance(s, (ast.AugAssign, ast.Assign)) and any(_calls(s, m) for m in ("item", "tolist"))
        value = s.value if isinstance(s, (ast.AugAssign, ast.Assign)) else None
        if simple and value is not None:
            reads, own = _loads([value]), stored([s], outside=True)
            plain = (isinstance(s, ast.AugAssign) and isinstance(s.target, ast.Name)) or isinstance(s, ast.Assign)
            computed = stored(kept, outside=True) | given
            if plain and own and reads <= computed and not reads & stored(rest) and not own & (_loads(rest) | stored(rest)):
                later.append(s)
                continue
        kept.append(s)
    return kept, later


def _loads(nodes: Sequence[ast.AST]) -> set[str]:
    return {n.id for root in nodes for n in ast.walk(root) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _is_step(s: ast.stmt, optimizer_only: bool = False) -> bool:
    """Whether it is `x.step()`; with `optimizer_only` the name must not be a scheduler's."""
    call = s.value if isinstance(s, ast.Expr) else None
    plain = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "step"
    if not plain or not isinstance(call, ast.Call) or call.args or call.keywords:
        return False
    return not optimizer_only or "opt" in ast.unparse(call.func)


def _uses(s: ast.stmt, models: set[str]) -> bool:
    """Whether the step may begin here: zero_grad(), or a model is called, or one of its methods, or handed on."""
    if isinstance(s, ast.Expr) and _calls(s, "zero_grad"):
        return True
    if not isinstance(s, SIMPLE):
        return False
    for n in ast.walk(s):
        if isinstance(n, ast.Call):
            if isinstance(n.func, ast.Name) and n.func.id in models:
                return True
            if any(isinstance(a, ast.Name) and a.id in models for a in n.args):
                return True
            if isinstance(n.func, ast.Attribute) and isinstance(n.func.value, ast.Name) and n.func.value.id in models:
                return n.func.attr not in ("train", "eval", "to", "parameters", "state_dict", "load_state_dict")
    return False


def _check(s: ast.stmt) -> None:
    """Raises _Unfit for a statement that cannot be part of a step."""
    if isinstance(s, (ast.If, ast.For)):
        for n in ast.walk(s):
            if isinstance(n, NEVER):
                raise _Unfit(f"line {n.lineno} leaves the step in the middle")  # type: ignore[attr-defined]
        if isinstance(s, ast.If) and stored([s], outside=True):
            raise _Unfit(f"line {s.lineno} assigns under a condition")
    elif not isinstance(s, SIMPLE):
        raise _Unfit(f"line {s.lineno}, {type(s).__name__.lower()}, stands in the middle of the step")
    for method in ("item", "tolist", "numpy"):
        for call in _calls(s, method):
            raise _Unfit(f".{method}() in line {call.lineno} asks for a value in the middle of the step; move it behind it")
    for n in ast.walk(s):
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in ("print", "input", "open"):
            raise _Unfit(f"{n.func.id}() in line {n.lineno} stands in the middle of the step; move it behind it")


def _segment(statements: list[ast.stmt], scope: ast.AST) -> Segment:
    """The statements with the names that come in and go out."""
    assigned: set[str] = set()
    loose: set[str] = set()  # that an inner loop assigns, perhaps never
    reads: dict[str, None] = {}
    for s in statements:
        own = {n.arg for n in ast.walk(s) if isinstance(n, ast.arg)}
        inner = {t for c in ast.walk(s) if isinstance(c, ast.comprehension) for t in stored([c.target])}
        inner |= stored([s], outside=True) if isinstance(s, ast.For) else set()
        for n in ast.walk(s):
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and n.id not in assigned | own | inner:
                reads[n.id] = None
        if isinstance(s, ast.AugAssign) and isinstance(s.target, ast.Name) and s.target.id not in assigned:
            reads[s.target.id] = None
        if isinstance(s, ast.For):
            loose |= stored([s], outside=True) - assigned
        else:
            assigned |= stored([s], outside=True)
    inside = {id(n) for s in statements for n in ast.walk(s)}
    elsewhere = {
        n.id for n in ast.walk(scope) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and id(n) not in inside
    }
    if lost := sorted(loose & elsewhere):
        raise _Unfit(f"{lost[0]} is assigned by a loop in the middle of the step, and read behind it")
    carried = assigned & reads.keys()  # from one round to the next
    return Segment(statements, list(reads), sorted(assigned & (elsewhere | carried)))


def _call(number: int, segment: Segment) -> ast.stmt:
    """The statement that stands for a segment."""
    values = ", ".join(f"{name!r}: {name}" for name in segment.reads)
    text = f"{STEP}({number}, {{{values}}}, globals())"
    if segment.gives:
        text = f"{', '.join(segment.gives)}, = {text}"
    (made,) = ast.parse(text).body
    for n in ast.walk(made):
        if hasattr(n, "lineno"):
            ast.copy_location(n, segment.statements[0])
    return made


__all__ = ["STEP", "Segment", "rewrite"]
