"""Sums over a batch are made part by part first: threads share the parts, and the sum over the parts is short.

    sum(x[N, H, W, C], dim=(0, 1, 2))    = sum(sum(x, dim=(1, 2)), dim=0)
    einsum("nhwijc,nhwo->ijco", x, g)    = sum(einsum("Nnhwijc,Nnhwo->Nijco", x in N parts, g in N parts), dim=0)

Which parts there are does not depend on the number of threads, so the numbers do not either.
"""

from __future__ import annotations

from cutaway.engine.graph import Graph, Value
from cutaway.engine.passes.rewrite import Builder, rewrite

LARGE = 1 << 14  # elements: less is summed at once
LONG = 1 << 21  # multiply-adds: a shorter contraction is made at once
NARROW = 4096  # elements of a result that has too few tiles to share among threads
PARTS = 16


def sums(graph: Graph) -> Graph:
    """Long sums in two stages."""
    return rewrite(graph, _rule)


def _rule(builder: Builder, v: Value, inputs: tuple[Value, ...]) -> Value | None:
    if v.op is None:
        return None
    if v.op.name == "sum":
        return _sum(builder, v, inputs[0])
    return _product(builder, v, *inputs) if v.op.name == "einsum" else None


def _sum(builder: Builder, v: Value, x: Value) -> Value | None:
    dims = tuple(sorted(v.attrs["dim"]))
    if x.aval.size < LARGE or x.aval.dtype.name not in ("float32", "float64"):
        return None
    rest = x.aval.size // (x.aval.shape[0] * max(v.aval.size, 1))
    if dims[:1] != (0,) or len(dims) < 2 or x.aval.shape[0] < 8 or rest < 8:
        return None
    parts = builder.op("sum", x, dim=dims[1:], keepdim=True)
    return builder.op("sum", parts, dim=dims, keepdim=v.attrs["keepdim"])


def _product(builder: Builder, v: Value, a: Value, b: Value) -> Value | None:
    if v.aval.dtype.name not in ("float32", "float64") or not 0 < v.aval.size <= NARROW:
        return None
    sides, _, out = v.attrs["spec"].partition("->")
    left, _, right = sides.partition(",")
    label = left[:1]
    n = a.aval.shape[0] if label else 0
    if not label or right[:1] != label or label in out or b.aval.shape[0] != n:
        return None
    terms = n
    for x, names in ((a, left), (b, right)):
        for c, size in zip(names, x.aval.shape, strict=True):
            terms *= size if c not in out and c != label and (x is a or c not in left) else 1
    parts = next((p for p in range(PARTS, 3, -1) if n % p == 0), 0)
    if not parts or terms * v.aval.size < LONG or terms < 64 * n:
        return None
    new = next(c for c in "NMPQRSTUVWXYZABCDEFGH" if c not in v.attrs["spec"])
    a, b = (builder.op("reshape", x, shape=(parts, n // parts, *x.aval.shape[1:])) for x in (a, b))
    shares = builder.op("einsum", a, b, spec=f"{new}{left},{new}{right}->{new}{out}")
    return builder.op("sum", shares, dim=(0,), keepdim=False)
