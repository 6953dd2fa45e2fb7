"""Does compiled code agree with the reference interpreter? A case is a function of Tensors and the arrays to call it on.

How far apart two right answers may lie is measured, not guessed: the graph is interpreted again several times with the
results of inexact ops moved by a few units in the last place (random rounding, Vignes 1993, "A stochastic arithmetic for
reliable scientific computation"). What the runs disagree about by is the tolerance; an integer that they disagree about
says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

import cutaway
from cutaway.core.dtypes import FLOATING, is_narrow, limits
from cutaway.core.narrow import moves
from cutaway.core.tensor import Tensor
from cutaway.engine.graph import Graph, Value, interpret
from cutaway.engine.trace import trace

RUNS = 3
MARGIN = 16.0
ULPS = 4.0  # each inexact op moves its result by up to so many units in the last place

# Every element of the result is one of the inputs', or exact.
EXACT = frozenset(
    "abs all amax amin any argmax argmin argsort bitwise_and bitwise_not bitwise_or bitwise_xor ceil clamp concatenate copy "
    "eq expand flip floor full gate gather ge gt index isfinite isnan layout le logical_and logical_not logical_or lt "
    "maximum minimum ne neg pad permute philox_uniform relu reshape round scatter sign slice trunc where window_argmax "
    "window_gather windows cast".split()
)
# Many terms, added or multiplied in an order of the machine's own.
MANY = frozenset("sum prod cumsum logsumexp matmul einsum fold window_scatter scatter_add index_put".split())

WHOLE = MANY - {"logsumexp"} | {"add", "sub", "mul"}  # exact on small whole numbers


class Case(NamedTuple):
    """`fn(*tensors)` gives a tuple of Tensors; `text` says what it is when it fails."""

    text: str
    fn: Callable[..., tuple[Tensor, ...]]
    arrays: list[np.ndarray]


def on(array: np.ndarray) -> Tensor:
    """A Tensor on this memory, bfloat16's too."""
    return Tensor._wrap(array) if array.dtype.kind == "V" else cutaway.from_numpy(array)


class Mismatch(AssertionError):
    """Compiled code and interpreter disagree."""


def moved(a: np.ndarray, rng: np.random.Generator, ulps: float) -> np.ndarray:
    """The array moved by some units in the last place, but for whole numbers (of which all digits are there) and infinities."""
    if a.dtype.kind not in FLOATING or not a.size:
        return a
    if is_narrow(a.dtype):
        return moved(a.astype(np.float32), rng, ulps).astype(a.dtype)
    way = rng.choice([-1.0, 1.0], a.shape) * rng.uniform(0.5, 1.0, a.shape)
    step = 1.0 + ulps * float(np.finfo(a.dtype).eps) * way
    exact = (a == np.rint(a)) & (np.abs(a) * np.finfo(a.dtype).eps < 1.0)
    return np.asarray(np.where(exact | ~np.isfinite(a), a, (a * step).astype(a.dtype)))


def far_moved(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Numbers beyond 1e6 moved by a part in 10^15, in float64: so much of their angle is lost."""
    return np.asarray(np.where(np.abs(a) > 1e6, a * (1 + 1e-15 * rng.uniform(-1, 1, a.shape)), a), np.float64)


def whole(arrays: Iterable[np.ndarray]) -> bool:
    """True if all numbers are whole and small, so that sums and products of them are exact."""
    return all(a.dtype.kind not in FLOATING or bool(np.all((a == np.rint(a)) & (np.abs(a) < 1e3))) for a in arrays)


def rounded_anew(graph: Graph, arguments: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """The interpreter with random rounding: outputs, then values to write."""
    values: dict[Value, np.ndarray] = {}
    with np.errstate(all="ignore"):
        for v in graph.values:
            if v.op is None:
                assert v.source is not None
                values[v] = v.source.read(arguments, v.aval.dtype)
                continue
            inputs = [values[i] for i in v.inputs]
            exact = v.op.name in EXACT or (v.op.name in WHOLE and whole(inputs))
            if v.op.name in ("sin", "cos", "tan"):  # reduced by a pi of limited length: wrong where |x| is huge
                inputs = [far_moved(a, rng) for a in inputs]
            wide = inputs
            if not moves(v.op, v.attrs):  # float16 and bfloat16 are computed with in float32 and rounded once
                wide = [a.astype(np.float32) if is_narrow(a.dtype) else a for a in inputs]
            if v.op.name in MANY and not exact:
                wide = [moved(a, rng, ULPS) for a in wide]
            y = np.asarray(v.op.forward(*wide, **v.attrs))
            if v.op.name == "cast" and v.aval.dtype.kind in "iu" and inputs[0].dtype.kind in FLOATING:
                y = unknown_where_out_of_range(inputs[0], y, rng)
            if not is_narrow(v.aval.dtype):
                y = y.astype(v.aval.dtype, copy=False)  # an angle came in float64
            y = y if exact else moved(y, rng, ULPS)
            values[v] = y.astype(v.aval.dtype, copy=False)
    return [values[v] for v in graph.roots]


def unknown_where_out_of_range(a: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A conversion of a float that does not fit is undefined: any number will do."""
    bounds = np.iinfo(y.dtype)
    wide = a.astype(np.float64)
    fits = np.isfinite(wide) & (wide > float(bounds.min) - 1) & (wide < float(bounds.max))
    return np.asarray(np.where(fits, y, rng.integers(1, 100, y.shape).astype(y.dtype)))


def disagreement(got: np.ndarray, want: np.ndarray, others: Sequence[np.ndarray]) -> str:
    """Why `got` is not `want`, in one line; empty if it is, as far as the other runs can tell."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype.name}{list(got.shape)} instead of {want.dtype.name}{list(want.shape)}"
    with np.errstate(all="ignore"):
        if want.dtype.kind not in FLOATING:
            doubtful = np.zeros(want.shape, bool)
            for o in others:
                doubtful |= o != want
            wrong = (got != want) & ~doubtful
        else:
            a, b = got.astype(np.float64), want.astype(np.float64)
            spread = np.zeros(b.shape)
            for o in others:
                o = o.astype(np.float64)
                same = (o == b) | (np.isnan(o) & np.isnan(b))
                spread = np.maximum(spread, np.where(same, 0.0, np.nan_to_num(np.abs(o - b), nan=np.inf)))
            info, ulps = limits(want.dtype), 1.0 if is_narrow(want.dtype) else ULPS
            allowed = MARGIN * spread + ulps * float(info.eps) * np.abs(b) + 4 * float(info.tiny)
            same = (a == b) | (np.isnan(a) & np.isnan(b))
            wrong = ~same & ~(np.abs(a - b) <= allowed) & ~np.isinf(spread)
    if not wrong.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {wrong.size} wrong; at {list(at)}: {got[at]!r} instead of {want[at]!r}"


def check(case: Case, got: Sequence[np.ndarray], seed: int = 0) -> str:
    """What is wrong with these compiled results of a case; empty if nothing."""
    graph, _ = trace(case.fn, [on(a) for a in case.arrays])
    want = interpret(graph, case.arrays)[0]
    rng = np.random.default_rng(seed)
    others = [rounded_anew(graph, case.arrays, rng) for _ in range(RUNS)]
    for n, (g, w) in enumerate(zip(got, want, strict=True)):
        found = disagreement(g, w, [o[n] for o in others])
        if found:
            return f"output {n}: {found}"
    return ""


def compiled(cases: Sequence[Case]) -> list[list[np.ndarray]]:
    """The results of several cases, computed by one program."""

    def all_of_them(*groups: Any) -> Any:
        return tuple(case.fn(*group) for case, group in zip(cases, groups, strict=True))

    groups = [[on(a.copy()) for a in case.arrays] for case in cases]
    return [[t.detach()._data for t in result] for result in cutaway_compile(all_of_them)(*groups)]


def cutaway_compile(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`cutaway.compile`."""
    from cutaway.engine.compile import compile

    return compile(fn)


def failures(cases: Sequence[Case]) -> list[str]:
    """One line for each case that is wrong."""
    out = []
    for case, got in zip(cases, compiled(cases), strict=True):
        found = check(case, got)
        if found:
            out.append(f"{case.text}: {found}")
    return out
