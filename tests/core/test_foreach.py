"""`_foreach_*`: names, values, what is given back and what is refused are PyTorch's."""

import pytest

import cutaway
from cutaway.core import foreach

torch = pytest.importorskip("torch")

UNARY = [f"_foreach_{name}{end}" for name in foreach.UNARY for end in ("", "_")]
CALLS = {
    "_foreach_add": ["x, 1.5", "x, [1, 2.5]", "x, y", "x, y, alpha=2", "x, zero, alpha=3"],
    "_foreach_sub": ["x, 1.5", "x, y, alpha=2"],
    "_foreach_mul": ["x, 2", "x, zero", "x, y", "x, [2, 3]"],
    "_foreach_div": ["x, 2", "x, zero", "x, y"],
    "_foreach_maximum": ["x, y", "x, 0.5", "x, [0.4, 0.6]"],
    "_foreach_minimum": ["x, y", "x, 0.5"],
    "_foreach_clamp_min": ["x, y", "x, 0.5", "x, [0.4, 0.6]"],
    "_foreach_clamp_max": ["x, 0.5"],
    "_foreach_lerp": ["x, y, 0.25", "x, y, x", "x, y, [0.25, 2]"],
    "_foreach_addcmul": ["x, y, x", "x, y, x, 2", "x, y, x, value=3", "x, y, x, [2, 3]"],
    "_foreach_addcdiv": ["x, y, x, 2", "x, y, x, pair"],
    "_foreach_pow": ["x, 2", "x, [2, 3]", "x, y"],
}
MORE = ["_foreach_pow(2, x)", "_foreach_norm(x)", "_foreach_norm(x, 1)", "_foreach_norm(x, float('inf'))", "_foreach_max(x)",
        "_foreach_clone(x)", "_foreach_copy_(x, y)", "_foreach_zero_(x)"]  # fmt: skip
REFUSED = ["_foreach_add(x, y[:1])", "_foreach_add(x, [1.0])", "_foreach_add([], 1)", "_foreach_add(x, pair)",
           "_foreach_sqrt(x[0])", "_foreach_add(x, 'a')", "_foreach_lerp(x, y)"]  # fmt: skip


def names(t):
    x = [t.tensor([0.25, 0.5]), t.tensor([[0.75]])]
    y = [t.tensor([0.5, 0.125]), t.tensor([[0.625]])]
    return {"t": t, "x": x, "y": y, "zero": t.tensor(2.0), "pair": t.tensor([1.0, 2.0])}


@pytest.mark.parametrize(
    "call",
    [f"{n}(x)" for n in UNARY] + [f"{n}{end}({a})" for n, given in CALLS.items() for a in given for end in ("", "_")] + MORE,
)  # fmt: skip
def test_as_pytorch(call):
    (a, xa), (b, xb) = ((eval(f"t.{call}", n := names(t)), n["x"]) for t in (cutaway, torch))
    assert type(a) is type(b) and (a is xa) == (b is xb)
    for ours, theirs in zip([*a, *xa], [*b, *xb], strict=True):
        torch.testing.assert_close(torch.tensor(ours.tolist()), theirs)


@pytest.mark.parametrize("call", REFUSED)
def test_refused_as_by_pytorch(call):
    for t in (cutaway, torch):
        with pytest.raises((RuntimeError, TypeError)):
            eval(f"t.{call}", names(t))


def test_an_unknown_one_is_absent():
    assert not hasattr(cutaway, "_foreach_nothing")
