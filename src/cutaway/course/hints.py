"""What went wrong, by what the answer gave: first the exercise's own wrong answers, then mistakes that are made everywhere.

A hint is said only if it explains every case that failed, and no name in the learner's program is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from errno import EFBIG
from typing import Any

import numpy as np

from cutaway.course.exercise import Exercise
from cutaway.course.judge import Judgement, Outcome, alike, plain, run, wrong_with
from cutaway.course.words import leaves

CLOSE = 1e-6


def hint(e: Exercise, j: Judgement) -> str:
    """The hint for an answer that failed; "" if nothing known explains it."""
    for answer, text in e.wrong:
        if all(same(run(e, answer, inputs), got) for inputs, got in zip(j.cases, j.got)):
            return text
    failed = [
        (inputs, got, want)
        for inputs, got, want in zip(j.cases, j.got, j.expected)
        if wrong_with(e, inputs, got, want)
    ]
    for own in e.hints:
        said = {own(inputs, got.value, want) for inputs, got, want in failed}
        if len(said) == 1 and (text := said.pop()):
            return text
    if all(not alike(inputs, got.after, 0.0) for inputs, got, _ in failed) and not e.writes:
        return "It writes into its input, which the caller still needs: compute a new array (y = x + 1, not x += 1)."
    if any(got.error is not None for _, got, _ in failed):
        return _of_error(next(got.error for _, got, _ in failed if got.error is not None))
    return _of_parts(e, [(plain(got.value), plain(want), inputs) for inputs, got, want in failed])


def same(a: Outcome, b: Outcome) -> bool:
    """Whether two outcomes cannot be told apart: both raised the same kind of error, or gave and left the same."""
    if a.error is not None or b.error is not None:
        return type(a.error) is type(b.error)
    return alike(a.value, b.value, CLOSE) and alike(a.after, b.after, CLOSE)


def _of_error(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, ValueError) and ("matmul" in text or "aligned" in text or "mismatch" in text):
        return "Two shapes do not fit in a matrix product: write both shapes down; a transpose may be missing."
    if isinstance(error, ValueError) and "broadcast" in text:
        return "Two shapes do not fit together: write both down; a sum over the wrong axis or a missing keepdims makes this."
    if isinstance(error, OSError) and error.errno == EFBIG:
        return "It prints too much: the checker gives a program one megabyte of output."
    if isinstance(error, RecursionError):
        return "It calls itself without end."
    if isinstance(error, MemoryError):
        return "It asks for more memory than the checker gives: is an array far larger than its inputs?"
    return ""


def _of_parts(e: Exercise, cases: Sequence[tuple[Any, Any, tuple[Any, ...]]]) -> str:
    """The hint for a single array; or, of several, for the first that is wrong."""
    parts = [(leaves(got), leaves(want), inputs) for got, want, inputs in cases]
    if any(len(got) != len(want) for got, want, _ in parts):
        return ""
    for i in range(min(len(want) for _, want, _ in parts)):
        wrong = [(g[i], w[i], x) for g, w, x in parts if not alike(g[i], w[i], CLOSE)]
        if wrong:
            text = _of_arrays([(g, w) for g, w, _ in wrong], [x for _, _, x in wrong])
            several = len(parts[0][1]) > 1
            name = e.parts[i] if i < len(e.parts) else f"result {i + 1}"
            return f"{name}: {text[0].lower()}{text[1:]}" if several and text else text
    return ""


def _of_arrays(pairs: Sequence[tuple[Any, Any]], inputs: Sequence[tuple[Any, ...]]) -> str:
    try:
        arrays = [(np.asarray(g, float), np.asarray(w, float)) for g, w in pairs]
    except (TypeError, ValueError):
        return ""
    with np.errstate(all="ignore"):
        for rule, text in RULES:
            if all(rule(g, w) for g, w in arrays):
                return text
        return _factor(arrays, inputs)


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=CLOSE, atol=CLOSE, equal_nan=True)


def _reduced(big: np.ndarray, small: np.ndarray, by: Callable[..., Any]) -> bool:
    """Whether `small` is `big` summed (or averaged) over some axis."""
    return big.ndim > 0 and big.shape != small.shape and any(
        _equal(by(big, axis=k), small) or _equal(by(big, axis=k, keepdims=True), small) for k in (None, *range(big.ndim))
    )


# (got, expected) -> whether this mistake explains it; each must hold for every failing case
RULES: tuple[tuple[Callable[[np.ndarray, np.ndarray], bool], str], ...] = (
    (lambda g, w: _equal(-g, w), "The sign is wrong: it gives the negative of what is expected."),
    (lambda g, w: g.ndim == 2 and _equal(g.T, w), "It is transposed: rows and columns are swapped."),
    (lambda g, w: _reduced(g, w, np.sum), "A sum over an axis (the batch, perhaps) is missing."),
    (lambda g, w: _reduced(g, w, np.mean), "A mean over an axis (the batch, perhaps) is missing."),
    (lambda g, w: _reduced(w, g, np.sum) or _reduced(w, g, np.mean), "It adds up over an axis that should stay."),
    (lambda g, w: g.size == w.size and g.shape != w.shape and _equal(g.ravel(), w.ravel()),
     "The numbers are right, the shape is not."),
    (lambda g, w: bool((~np.isfinite(g)).any() and np.isfinite(w).all()),
     "It gives NaN or infinity where a finite number is expected: exp of a large number, log of 0 or a division by 0."),
    (lambda g, w: _equal(g, 1 - w) and bool(((w == 0) | (w == 1)).all()), "Yes and no are swapped: 0 and 1 change places."),
    (lambda g, w: g.shape == w.shape and not g.any(), "It gives zeros only."),
)  # fmt: skip


def _factor(arrays: Sequence[tuple[np.ndarray, np.ndarray]], inputs: Sequence[tuple[Any, ...]]) -> str:
    """The hint where all numbers are too large or too small by one factor."""
    factors = []
    for g, w in arrays:
        at = np.abs(g) > CLOSE
        ratios = w[at] / g[at] if g.shape == w.shape else np.array([])
        if not ratios.size or not np.allclose(ratios, ratios[0], rtol=1e-4) or not _equal(g * ratios[0], w):
            return ""
        factors.append(float(ratios[0]))
    if np.allclose(factors, factors[0], rtol=1e-4):
        return f"A factor is missing: all numbers should be {factors[0]:.4g} times as large."
    batch = [next((len(x) for x in case if np.ndim(x)), 0) for case in inputs]
    if np.allclose(factors, batch, rtol=1e-4):
        return "A factor is missing: it divides by the number of rows where it should not."
    if all(batch) and np.allclose(factors, [1 / n for n in batch], rtol=1e-4):
        return "A factor is missing: divide by the number of rows, so that it is a mean over the batch."
    return ""
