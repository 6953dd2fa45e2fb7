"""Which kernels a thread can do for its own rows: element i of the result's first dimension from element i of what it reads.

Images of a batch go through a network without meeting each other until gradients of weights are summed. Kernels that are
divided by rows in the same way need no barrier between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cutaway.engine.graph import Value
from cutaway.engine.loops.affine import splits_first
from cutaway.engine.loops.kernels import reduced
from cutaway.engine.loops.read import unit_reshape
from cutaway.engine.tiles import labels

Dim = int | None  # the dimension along which a value is read at the row; None: it is read elsewhere too


def read_by_row(outputs: Sequence[Value], in_memory: Callable[[Value], bool]) -> dict[Value, int] | None:
    """For each memory that is read to compute row i of `outputs`: r if only its rows r i to r i + r - 1 are, else 0.

    None if the outputs cannot be computed row by row.
    """
    rows = outputs[0].aval.shape[:1]
    if not rows or rows[0] < 2 or any(v.aval.shape[:1] != rows for v in outputs):
        return None
    if not all(_apart(v) for v in outputs):
        return None
    found: dict[Value, int] = {}
    seen: set[tuple[Value, Dim, int]] = set()
    stack: list[tuple[Value, Dim, int]] = [(i, dim, 1) for v in outputs for i, dim in parts(v, 0)]
    while stack:
        here = stack.pop()
        if here in seen:
            continue
        seen.add(here)
        v, dim, each = here
        if v in outputs or in_memory(v):
            own = each if dim == 0 and v.aval.shape[0] == rows[0] * each else 0
            found[v] = own if found.get(v, own) == own else 0
            continue
        if splits_first(v) and dim == 0:
            each *= v.aval.shape[1]
            stack.append((v.inputs[0], 0, each))
        elif v.op is not None and v.op.name == "reshape" and in_memory(v.inputs[0]):
            together = dim == 0 and v.inputs[0].aval.shape[:1] == v.aval.shape[:1]
            stack.append((v.inputs[0], 0 if together else None, each))
        else:
            stack += [(i, at, each) for i, at in parts(v, dim)]
    return found


def _apart(v: Value) -> bool:
    """True if the loops over `v` can be cut along its first dimension."""
    assert v.op is not None
    name = v.op.name
    if name in ("sum", "prod", "amax", "amin", "any", "all"):
        return 0 not in reduced(v)
    if name in ("argmax", "argmin", "cumsum", "argsort", "concatenate"):
        return v.attrs["dim"] % max(v.inputs[0].aval.ndim, 1) != 0
    if name in ("scatter", "scatter_add"):
        return v.attrs["dim"] != 0 and all(i.aval.shape[:1] == v.aval.shape[:1] for i in v.inputs)
    if name == "pad":
        return v.attrs["low"][0] == 0 and v.inputs[0].aval.shape[0] == v.aval.shape[0]
    if name in ("window_argmax", "window_scatter", "fold"):
        return v.attrs["dims"][0] > 0
    return name != "index_put"


def parts(v: Value, dim: Dim) -> list[tuple[Value, Dim]]:
    """The inputs of `v`, and along which dimension each is read at the row if `v` is along `dim`."""
    op, inputs, attrs = v.op, v.inputs, v.attrs
    if op is None or not inputs:
        return []
    if dim is None:
        return [(i, None) for i in inputs]
    first = inputs[0]
    n = v.aval.shape[dim]

    def same(at: Dim) -> Dim:
        return at if at is not None and 0 <= at < first.aval.ndim and first.aval.shape[at] == n else None

    name = op.name
    if op.kind == "elementwise" or name in ("copy", "expand"):
        places = [(i, dim - (v.aval.ndim - i.aval.ndim)) for i in inputs]
        return [(i, at if at >= 0 and i.aval.shape[at] == n else None) for i, at in places]
    if name in ("permute", "layout"):
        return [(first, attrs["dims"][dim])]
    if name == "slice":
        return [(first, same(dim) if attrs["start"][dim] == 0 and attrs["step"][dim] == 1 else None)]
    if name == "flip":
        return [(first, None if dim in attrs["dims"] else dim)]
    if name == "reshape":
        return [(first, _reshaped(v, dim))]
    if name == "pad":
        return [(first, same(dim) if attrs["low"][dim] == 0 else None)]
    if name in ("windows", "window_gather", "window_argmax", "window_scatter", "fold"):
        return _windowed(v, dim)
    if name == "gather":
        return [(i, dim if dim != attrs["dim"] and i.aval.shape[dim] == n else None) for i in inputs]
    if name in ("scatter", "scatter_add", "argsort", "cumsum", "concatenate"):
        along = attrs["dim"] % v.aval.ndim
        return [(i, dim if dim != along and i.aval.shape[dim] == n else None) for i in inputs]
    if name in ("argmax", "argmin"):
        return [(first, dim if dim < attrs["dim"] else dim + 1)]
    if op.kind == "reduce":
        dims = reduced(v)
        kept = [d for d in range(first.aval.ndim) if d not in dims]
        return [(first, (None if dim in dims else dim) if attrs.get("keepdim") else kept[dim])]
    if op.kind == "contract":
        la, lb, lc = labels(v)
        return [
            (i, names.index(lc[dim]) if lc[dim] in names and i.aval.shape[names.index(lc[dim])] == n else None)
            for i, names in zip(inputs, (la, lb), strict=True)
        ]
    return [(i, None) for i in inputs]


def _reshaped(v: Value, dim: int) -> Dim:
    a, b = v.inputs[0].aval.shape, v.aval.shape
    if dim == 0 and a[:1] == b[:1]:
        return 0
    if unit_reshape(a, b) and b[dim] != 1:
        wide = [d for d, n in enumerate(a) if n != 1]
        return wide[sum(n != 1 for n in b[:dim])]
    return None


def _windowed(v: Value, dim: int) -> list[tuple[Value, Dim]]:
    assert v.op is not None
    first, n = v.attrs["dims"][0], len(v.attrs["dims"])
    if dim < first:
        return [(i, dim) for i in v.inputs]
    if dim in v.attrs["dims"] or (v.op.name == "windows" and dim < first + 2 * n):
        return [(i, None) for i in v.inputs]
    shift = {"windows": -n, "fold": n}.get(v.op.name, 0)
    return [(i, dim + shift) for i in v.inputs]
