"""Mistakes that no exercise lists get a hint by what they give; those that nothing explains get none."""

import numpy as np
import pytest

from cutaway.course.exercise import Exercise, Numbers, Wrong
from cutaway.course.hints import hint
from cutaway.course.judge import judge

NEVER = [Wrong(lambda *a: None, "never")]
LAYER = Exercise(
    "layer", "x @ w", lambda x, w: x @ w, NEVER, spec=lambda x, w: np.einsum("nd,dm->nm", x, w),
    draw=lambda d, n: (d.array(n + 1, 2), d.array(2, n + 1)),
)  # fmt: skip
COLUMNS = Exercise("columns", "sums", lambda x: x.sum(0), NEVER, spec=lambda x: x.sum(0), draw=lambda d, n: (d.array(n + 1, 3),))
PAIR = Exercise(
    "pair", "two", lambda x: (x, x**2), NEVER, spec=lambda x: (x, x**2), draw=lambda d, n: (d.apart(n + 1),), parts=("x", "square")
)
LOGS = Exercise("logs", "log", lambda x: np.log(x + 1), NEVER, spec=lambda x: np.log(x + 1), draw=lambda d, n: (d.bits(n),))

CASES = [
    (LAYER, lambda x, w: -(x @ w), "sign is wrong"),
    (LAYER, lambda x, w: (x @ w).T, "transposed"),
    (LAYER, lambda x, w: 3 * (x @ w), "should be 0.3333 times"),
    (LAYER, lambda x, w: (x @ w) / len(x), "divides by the number of rows"),
    (LAYER, lambda x, w: (x @ w) * len(x), "divide by the number of rows"),
    (LAYER, lambda x, w: w.T @ x.T, "transposed"),
    (LAYER, lambda x, w: (x @ w).sum(0), "adds up over an axis that should stay"),
    (LAYER, lambda x, w: (x @ w).ravel(), "the shape is not"),
    (LAYER, lambda x, w: np.zeros((len(x), w.shape[1])), "zeros only"),
    (LAYER, lambda x, w: x @ w.T, "matrix product"),
    (LAYER, lambda x, w: layer_in_place(x, w), "writes into its input"),
    (LAYER, lambda x, w: x @ w + np.arange(w.shape[1]), ""),
    (COLUMNS, lambda x: x, "sum over an axis"),
    (COLUMNS, lambda x: x.mean(0), "divides by the number of rows"),
    (PAIR, lambda x: (x, -(x**2)), "square: the sign is wrong"),
    (PAIR, lambda x: (2 * x, x**2), "x: a factor is missing"),
    (LOGS, lambda x: np.log(x), ""),  # infinite at 0, and wrong elsewhere, too
    (LOGS, lambda x: np.where(x == 0, np.log(x), np.log(x + 1)), "NaN or infinity"),
]


def layer_in_place(x, w):
    x += 1
    return (x - 1) @ w


@pytest.mark.parametrize("e, answer, said", CASES)
def test_what_is_explained_and_what_is_not(e, answer, said):
    with np.errstate(all="ignore"):
        j = judge(e, answer)
        assert j.failure is not None
        found = hint(e, j)
    assert said in found if said else found == ""


def test_the_failing_input_is_small_and_simple():
    f = judge(LAYER, lambda x, w: x @ w * (1 + (abs(x).max() > 0.9))).failure
    assert [a.shape for a in f.inputs] == [(2, 2), (2, 2)]
    assert sorted(np.abs(f.inputs[0]).ravel()) == [0, 0, 0, 1] and sorted(np.abs(f.inputs[1]).ravel()) == [0, 0, 0, 1]


def test_spec_and_oracle_must_agree():
    e = Exercise("e", "e", abs, NEVER, spec=abs, oracle=lambda x: -x, draw=lambda d, n: (d.number(1, 2),))
    with pytest.raises(AssertionError, match="spec .* and oracle"):
        judge(e, abs)


def test_nan_is_nan_and_lists_and_tensors_count():
    import cutaway

    e = Exercise("e", "e", np.sqrt, NEVER, spec=np.sqrt, draw=lambda d, n: (d.array(n),))
    assert judge(e, lambda x: np.sqrt(x).tolist()).failure is None
    assert judge(e, lambda x: cutaway.tensor(x).sqrt()).failure is None
    assert judge(e, lambda x: np.sqrt(np.abs(x))).failure is not None
    assert Numbers(1).integer(2, 2) == 2
