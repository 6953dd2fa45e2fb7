"""Contractions: sums of products. Matrix products and the two-operand einsum that convolution and attention use."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.aval import Aval, Shape, broadcast_shapes, numel, show
from cutaway.core.errors import ShapeError
from cutaway.core.op import Op, Sample


def _matmul_shape(a: Aval, b: Aval) -> Aval:
    if a.ndim < 2 or b.ndim < 2:
        raise ShapeError(f"matmul: needs matrices, got {show(a, b)}; add a dimension with unsqueeze")
    if a.shape[-1] != b.shape[-2]:
        hint = "; did you mean b.T?" if a.shape[-1] == b.shape[-1] else ""
        raise ShapeError(
            f"matmul: {show(a, b)} do not fit: the last dimension of the first ({a.shape[-1]}) "
            f"must equal the second-to-last of the second ({b.shape[-2]}){hint}"
        )
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2], op="matmul (batch dimensions)")
    return Aval((*batch, a.shape[-2], b.shape[-1]), a.dtype)


def _matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError("matmul of less than matrices")
    y: np.ndarray = np.matmul(a, b)
    return y


matmul: Op = Op(
    "matmul",
    "contract",
    _matmul,
    _matmul_shape,
    (lambda g, b: matmul(g, b.mT), lambda g, a: matmul(a.mT, g)),
    promote="equal",
    formula="a b",
    onnx="MatMul",
    oracle=lambda t, a, b: t.matmul(a, b),
    samples=lambda: [
        Sample(((3, 4), (4, 2))),
        Sample(((2, 3, 4), (2, 4, 5))),
        Sample(((2, 1, 3, 4), (5, 4, 2))),
        Sample(((0, 4), (4, 2))),
        Sample(((2, 0), (0, 3))),
    ],
    errors=lambda: [
        Sample(((3, 4), (3, 4)), error="did you mean b.T"),
        Sample(((3, 4), (4,)), error="needs matrices"),
        Sample(((2, 3, 4), (3, 4, 5)), error="do not broadcast"),
        Sample(((3, 4), np.ones((4, 2), np.float16)), error="dtype"),
    ],
)

# --- einsum -----------------------------------------------------------------------------------------------------------


class Plan(NamedTuple):
    """How an einsum becomes one batched matrix product. Fields hold labels; axes are positions in an operand."""

    batch: str
    rows: str
    columns: str
    summed: str
    out_axes: Shape  # from batch + rows + columns to the order of the output
    turns: tuple[bool, bool, bool] | None  # a plain matrix product: which of a, b and the output are transposed


@lru_cache(1024)
def plan(spec: str) -> Plan:
    """Read `spec`: each label is batch (in both and out), row, column, or summed.  Raises ShapeError."""
    sides, _, out = spec.partition("->")
    a, _, b = sides.partition(",")
    for labels in (a, b, out):
        if len(set(labels)) != len(labels):
            raise ShapeError(f"einsum {spec!r}: a label stands twice in {labels!r}")
    lone = [c for c in a + b if (c in a) + (c in b) == 1 and c not in out]
    if lone or set(out) - set(a + b):
        raise ShapeError(
            f"einsum {spec!r}: label {(lone or sorted(set(out) - set(a + b)))[0]!r} has no partner; sum it first"
        )
    batch = "".join(c for c in out if c in a and c in b)
    rows = "".join(c for c in a if c in out and c not in b)
    columns = "".join(c for c in b if c in out and c not in a)
    summed = "".join(c for c in b if c in a and c not in out)
    natural = batch + rows + columns
    turns = None
    if not batch and len(rows) == len(columns) == len(summed) == 1:
        turns = (a[0] == summed, b[0] == columns, out[0] == columns)
    return Plan(batch, rows, columns, summed, tuple(natural.index(c) for c in out), turns)


def sizes(spec: str, a: Aval, b: Aval) -> dict[str, int]:
    """The size of each label.  Raises ShapeError where the operands disagree."""
    sides, _, _ = spec.partition("->")
    found: dict[str, int] = {}
    for labels, aval in zip(sides.split(","), (a, b), strict=True):
        if len(labels) != aval.ndim:
            raise ShapeError(
                f"einsum {spec!r}: {labels!r} names {len(labels)} dimensions, but the operand is {show(aval)}"
            )
        for label, n in zip(labels, aval.shape, strict=True):
            if found.setdefault(label, n) != n:
                raise ShapeError(f"einsum {spec!r}: {show(a, b)} disagree at label {label!r} ({found[label]} and {n})")
    return found


def _einsum_shape(a: Aval, b: Aval, spec: str) -> Aval:
    plan(spec)
    found = sizes(spec, a, b)
    return Aval(tuple(found[c] for c in spec.partition("->")[2]), a.dtype)


def _as_matrix(x: np.ndarray, labels: str, batch: str, rows: str, columns: str) -> np.ndarray:
    """x as [*batch, rows, columns]; if memory must be copied, in the order in which it lies."""
    group = {c: x.shape[labels.index(c)] for c in labels}
    lead = tuple(group[c] for c in batch)
    r, c = numel([group[k] for k in rows]), numel([group[k] for k in columns])
    innermost = min(
        (k for k in rows + columns if group[k] > 1), key=lambda k: abs(x.strides[labels.index(k)]), default=""
    )
    if innermost and innermost in rows:
        turned = x.transpose([labels.index(k) for k in batch + columns + rows]).reshape((*lead, c, r))
        return turned.swapaxes(-1, -2)
    return x.transpose([labels.index(k) for k in batch + rows + columns]).reshape((*lead, r, c))


# A copied operand larger than this is copied and multiplied in blocks of its leading label, which stay in the cache.
BLOCK_BYTES = 1 << 20


def _blocks(x: np.ndarray, labels: str, p: Plan) -> int:
    """How many entries of the leading label make a block; 0 for no blocks: x is small, or needs no copy."""
    if x.nbytes <= 2 * BLOCK_BYTES or x.flags.c_contiguous or labels[0] in p.batch:
        return 0
    innermost = x.strides[-1] == x.itemsize
    dense = innermost and all(x.strides[d] == x.strides[d + 1] * x.shape[d + 1] for d in range(x.ndim - 1))
    return 0 if dense else max(1, BLOCK_BYTES * len(x) // x.nbytes)


def _einsum(a: np.ndarray, b: np.ndarray, spec: str) -> np.ndarray:
    p = plan(spec)
    if p.turns is not None and a.ndim == b.ndim == 2:
        a, b = a.T if p.turns[0] else a, b.T if p.turns[1] else b
        product: np.ndarray = np.matmul(b.T, a.T) if p.turns[2] else np.matmul(a, b)
        return product
    la, lb, _ = _spec(spec)
    size = dict(zip(la, a.shape, strict=True))
    for label, n in zip(lb, b.shape, strict=True):
        if size.setdefault(label, n) != n:
            raise ValueError("einsum sizes")
    block = 0 if p.batch else _blocks(a, la, p)
    natural = [size[c] for c in p.batch + p.rows + p.columns]
    if not block:
        left, right = _as_matrix(a, la, p.batch, p.rows, p.summed), _as_matrix(b, lb, p.batch, p.summed, p.columns)
        y: np.ndarray = np.matmul(left, right)
        return y.reshape(natural).transpose(p.out_axes)
    lead, n = la[0], len(a)
    if lead in p.rows:
        y = np.empty((n, numel(natural[: len(p.rows)]) // n, numel([size[c] for c in p.columns])), a.dtype)
        right = _as_matrix(b, lb, "", p.summed, p.columns)
        for i in range(0, n, block):
            left = _as_matrix(a[i : i + block], la, "", p.rows, p.summed)
            np.matmul(left, right, out=y[i : i + block].reshape(len(left), -1))
        return y.reshape(natural).transpose(p.out_axes)
    total: np.ndarray | None = None
    at = lb.index(lead)
    for i in range(0, n, block):
        left = _as_matrix(a[i : i + block], la, "", p.rows, p.summed)
        part = b[(slice(None),) * at + (slice(i, i + block),)]
        product = np.matmul(left, _as_matrix(part, lb, "", p.summed, p.columns))
        total = product if total is None else np.add(total, product, out=total)
    assert total is not None
    return total.reshape(natural).transpose(p.out_axes)


@lru_cache(1024)
def _spec(spec: str) -> tuple[str, str, str]:
    sides, _, out = spec.partition("->")
    a, _, b = sides.partition(",")
    return a, b, out


@lru_cache(1024)
def _adjoints(spec: str) -> tuple[str, str]:
    """The specs of the gradients towards a (from g and b) and towards b (from a and g)."""
    la, lb, out = _spec(spec)
    return f"{out},{lb}->{la}", f"{la},{out}->{lb}"


def _towards_a(g: Any, b: Any, spec: str) -> Any:
    return einsum(g, b, spec=_adjoints(spec)[0])


def _towards_b(g: Any, a: Any, spec: str) -> Any:
    return einsum(a, g, spec=_adjoints(spec)[1])


einsum: Op = Op(
    "einsum",
    "contract",
    _einsum,
    _einsum_shape,
    (_towards_a, _towards_b),
    promote="equal",
    formula=r"\sum_k a_{\dots k} b_{k \dots}",
    onnx="Einsum",
    oracle=lambda t, a, b, spec: t.einsum(spec, a, b),
    samples=lambda: [
        Sample(((3, 4), (4, 2)), {"spec": "mk,kn->mn"}),
        Sample(((2, 3, 4), (2, 5, 4)), {"spec": "bmk,bnk->nbm"}),
        Sample(((2, 3, 2, 2), (2, 2, 3, 4)), {"spec": "ncij,ijco->no"}),
        Sample(((3,), (4,)), {"spec": "i,j->ij"}),
        Sample(((2, 3), (2, 3)), {"spec": "ij,ij->"}),
        Sample(((0, 3), (3, 2)), {"spec": "mk,kn->mn"}),
    ],
    errors=lambda: [
        Sample(((3, 4), (5, 2)), {"spec": "mk,kn->mn"}, error="disagree at label 'k'"),
        Sample(((3, 4), (4,)), {"spec": "mk,kn->mn"}, error="names 2 dimensions"),
        Sample(((3, 4), (4, 2)), {"spec": "mk,kn->m"}, error="no partner"),
        Sample(((3, 3), (3, 2)), {"spec": "kk,kn->n"}, error="twice"),
    ],
)
