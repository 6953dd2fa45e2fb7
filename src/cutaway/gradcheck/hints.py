"""The usual slips in a gradient, recognised because what was got is a known distortion of the expected Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

Close = Callable[[np.ndarray, np.ndarray], bool]


def hint(expected: np.ndarray, got: np.ndarray, outputs: int, close: Close) -> str:
    """The first slip that turns `expected` into `got`, in words; "" if none does.

    Both are Jacobians J[*output shape, *input shape], with `outputs` dimensions of the output.
    close(a, b) says whether b is a within the tolerance of the check.
    """
    if not (np.isfinite(expected).all() and np.isfinite(got).all()):
        return ""
    for find in SLIPS:
        for candidate, text in find(expected, got, outputs):
            if not close(expected, candidate) and close(candidate, got):
                return text
    return ""


Found = Iterator[tuple[np.ndarray, str]]


def _missing(e: np.ndarray, g: np.ndarray, outputs: int) -> Found:
    yield np.zeros_like(e), (
        "missing: no gradient arrives at all; look for None or zeros returned by backward, or for detach(), .data, "
        ".item() or NumPy on the way"
    )


def _flat(e: np.ndarray, g: np.ndarray, outputs: int) -> Found:
    if not e.any():
        yield g, (
            "flat: the function does not change with this input (steps, comparisons, rounding), "
            "so a gradient that is not zero is made up, as in a straight-through estimator"
        )


def _factor(e: np.ndarray, g: np.ndarray, outputs: int) -> Found:
    big = np.abs(e) > 1e-3 * np.abs(e).max(initial=0)
    if not big.any():
        return
    c = float((g[big] * e[big]).sum() / (e[big] ** 2).sum())
    if abs(c + 1) < 0.01:
        yield -e, "sign: every element is -1 times the expected one; look for a lost minus"
        return
    nice = _nice(c)
    if nice:
        sizes = [d for d, n in enumerate(e.shape) if n > 1 and abs(nice) in (n, Fraction(1, n))]
        why = ""
        if sizes:
            n = e.shape[sizes[0]]
            side, d = ("output", sizes[0]) if sizes[0] < outputs else ("input", sizes[0] - outputs)
            why = f"; dimension {d} of the {side} has {n} elements: is a mean taken for a sum, or a sum for a mean?"
        yield float(nice) * e, f"factor {nice}: every element is {nice} times the expected one{why}"
    elif big.sum() >= 3:
        yield c * e, f"factor {c:.4g}: every element is {c:.4g} times the expected one; is a constant lost or doubled?"


def _nice(c: float) -> Fraction:
    """c as n or 1/n, if it is within 1 % of one; else 0."""
    if not c:
        return Fraction(0)
    n = round(c if abs(c) > 1 else 1 / c)
    nice = Fraction(n) if abs(c) > 1 else Fraction(1, n)
    return nice if abs(c / float(nice) - 1) < 0.01 else Fraction(0)


def _ignores_g(e: np.ndarray, g: np.ndarray, outputs: int) -> Found:
    rows = g.reshape(int(np.prod(g.shape[:outputs])), -1)
    if len(rows) > 1 and rows.any():
        same = np.broadcast_to(rows[:1], rows.shape).reshape(g.shape)
        yield same, "g unused: the same gradient comes back whatever gradient arrives; multiply by grad_output"


def _adjoint(e: np.ndarray, g: np.ndarray, outputs: int) -> Found:
    if e.shape[:outputs] == e.shape[outputs:]:
        yield np.moveaxis(e, range(outputs), range(outputs, e.ndim)), (
            "not transposed: backward applies the Jacobian where its transpose belongs; is a .T missing, as in g @ w.T?"
        )


def _transposed(e: np.ndarray, g: np.ndarray, outputs: int) -> Found:
    if e.ndim - outputs >= 2:
        yield np.swapaxes(e, -1, -2).reshape(e.shape), "transposed: the last two dimensions of the gradient are swapped"


def _summed(e: np.ndarray, g: np.ndarray, outputs: int) -> Found:
    for d in range(outputs, e.ndim):
        for name, reduce in (("summed", np.sum), ("averaged", np.mean)):
            candidate = np.broadcast_to(reduce(e, axis=d, keepdims=True), e.shape)
            yield candidate, f"{name}: the gradient is {name} over dimension {d - outputs} of the input, which is wrong"


def _unsummed(e: np.ndarray, g: np.ndarray, outputs: int) -> Found:
    for d in range(outputs):
        for k in (0, e.shape[d] - 1):
            only = np.zeros_like(e)
            at = (slice(None),) * d + (k,)
            only[at] = e[at]
            yield only, (
                f"not summed: only index {k} of the output's dimension {d} contributes; "
                "sum the gradient over that dimension (the batch?)"
            )


def _permuted(e: np.ndarray, g: np.ndarray, outputs: int) -> Found:
    n = int(np.prod(e.shape[:outputs]))
    a, b = e.reshape(n, -1), g.reshape(n, -1)
    order_e, order_g = np.argsort(a, axis=1), np.argsort(b, axis=1)
    candidate = np.empty_like(a)
    np.put_along_axis(candidate, order_g, np.take_along_axis(a, order_e, 1), 1)
    yield candidate.reshape(e.shape), (
        "order: the right values in the wrong places; does backward undo the permutation (flip, roll, sort) of forward?"
    )


SLIPS: tuple[Callable[[np.ndarray, np.ndarray, int], Found], ...] = (
    _missing, _flat, _factor, _ignores_g, _adjoint, _transposed, _summed, _unsummed, _permuted,
)  # fmt: skip
