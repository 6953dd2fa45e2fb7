"""A rule becomes the program that one would write by hand: few instructions, results straight into memory."""

import numpy as np
import pytest

import cutaway
from cutaway import optim
from cutaway.optim.record import NotRecordable, record


def program(name, remembered, t=5, **options):
    """The program as text: p, g, and what is remembered by name; constants as numbers; scratch a, b, c."""
    rule = getattr(optim, name)([cutaway.zeros(1, requires_grad=True)], **options)
    made = record(rule.apply, remembered, {}, t, rule.param_groups[0], np.dtype("float64"))
    names = ["p", "g", *remembered, *made.fresh, *[f"{c:.4g}" for c in made.constants], *"abc"[: made.scratch]]
    return [
        " ".join([f.__name__, *[names[i] for i in operands if i >= 0], "->", names[result]])
        for f, *operands, result in made.code
    ]


def test_sgd():
    assert program("SGD", [], lr=0.1) == ["multiply 0.1 g -> a", "subtract p a -> p"]


def test_momentum_first_and_later():
    assert program("SGD", [], lr=0.1, momentum=0.9) == [
        "multiply 0.1 g -> a",
        "subtract p a -> p",
        "positive g -> momentum_buffer",
    ]
    assert program("SGD", ["momentum_buffer"], lr=0.1, momentum=0.9) == [
        "multiply 0.9 momentum_buffer -> a",
        "add a g -> momentum_buffer",
        "multiply 0.1 momentum_buffer -> a",
        "subtract p a -> p",
    ]


def test_adam():
    made = program("Adam", ["exp_avg", "exp_avg_sq"], lr=0.1)
    assert len(made) == 13
    assert made[2] == "add exp_avg a -> exp_avg"
    assert made[-1].startswith("subtract p ") and made[-1].endswith("-> p")
    assert sum("sqrt" in line for line in made) == 1
    assert not any(" c" in line for line in made)  # two scratch arrays are enough


def run(rule, p, g, s=None):
    arrays = {k: v.copy() for k, v in (s or {}).items()}
    made = record(rule, list(arrays), {}, 1, {}, p.dtype)
    p = p.copy()
    arrays |= {name: np.full_like(p, np.nan) for name in made.fresh}
    made.run([p, g, *arrays.values()], [])
    return p, arrays


RULES = {
    "exchange": lambda p, g, s, t, h: (s["a"], {"a": p}),
    "rotate": lambda p, g, s, t, h: (s["b"], {"a": p, "b": s["a"]}),
    "the old value is read after the new one is there": lambda p, g, s, t, h: (p + g, {"a": 2 * p, "b": p - s["a"]}),
    "one value in two places": lambda p, g, s, t, h: (p * g, {"a": p * g, "b": (v := p + 1), "c": v, "d": v}),
    "nothing changes": lambda p, g, s, t, h: (p, s),
    "a result that is also used": lambda p, g, s, t, h: (
        (m := p + g) / (1 + m * m),
        {"a": m, "b": -m, "c": abs(m) ** 0.5},
    ),
    "numbers on either side": lambda p, g, s, t, h: (
        2 - p * 3 / (4 + g**2) - 1 / (5 + g * g),
        {"a": s["b"] ** 3, "b": -s["a"]},
    ),
    "ufuncs": lambda p, g, s, t, h: (
        np.maximum(p, g) + np.sign(g) * np.exp(-p * p),
        {"a": np.minimum(s["a"], 0), "b": s["b"]},
    ),
}


@pytest.mark.parametrize("n", [3, 40_000])
@pytest.mark.parametrize("name", RULES)
def test_replayed_is_evaluated(name, n):
    rng = np.random.RandomState(0)
    p, g = rng.randn(2, n)
    s = {"a": rng.randn(n), "b": rng.randn(n)}
    new_p, new_s = RULES[name](p, g, s, 1, {})
    got_p, got_s = run(RULES[name], p, g, s)
    np.testing.assert_allclose(got_p, new_p, rtol=1e-15)
    assert got_s.keys() == s.keys() | new_s.keys()
    for k, v in new_s.items():
        np.testing.assert_allclose(got_s[k], v, rtol=1e-15)


@pytest.mark.parametrize(
    "rule",
    [
        lambda p, g, s, t, h: (p - g if g else p, s),
        lambda p, g, s, t, h: (p - g.mean(), s),
        lambda p, g, s, t, h: (np.where(g > 0, p, g), s),
        lambda p, g, s, t, h: (p - np.add.reduce(g), s),
        lambda p, g, s, t, h: (p - np.clip(g, -1, 1), s),
        lambda p, g, s, t, h: (p + [1, 2], s),
        lambda p, g, s, t, h: (0.0, s),
    ],
)
def test_what_cannot_be_recorded(rule):
    with pytest.raises(NotRecordable):
        record(rule, [], {}, 1, {}, np.dtype("float64"))
