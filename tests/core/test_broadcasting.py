"""Shapes that stretch to one another, for shapes that Hypothesis draws: values and gradients against PyTorch."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import cutaway
from cutaway.core.aval import broadcast_shapes

from .against import agree, torch

PAIRS = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0)
TRIPLES = hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3, min_side=0)
ANY_SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


def numbers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).uniform(0.3, 2.0, shape))


SOURCES = [
    "a + b", "a - b", "a * b", "a / b", "a ** b", "t.maximum(a, b)", "a > b", "t.atan2(a, b)", "a % b",
    "a.add(b, alpha=2)", "a.lerp(b, 0.3)", "t.where(a > b, a, b)",
]  # fmt: skip


@given(PAIRS, st.sampled_from(SOURCES))
def test_elementwise(shapes, source):
    agree(source, *(numbers(s, k) for k, s in enumerate(shapes.input_shapes)))


@given(TRIPLES)
def test_where(shapes):
    a, b, c = (numbers(s, k) for k, s in enumerate(shapes.input_shapes))
    agree("t.where(a, b, c)", a > 1, b, c)
    agree("b.masked_fill(a, c.sum())", a > 1, np.broadcast_to(b, np.broadcast_shapes(a.shape, b.shape)).copy(), c)
    agree("t.where(a, b, 2.0)", a > 1, b)


@given(ANY_SHAPES, ANY_SHAPES)
def test_the_rule(a, b):
    """`broadcast_shapes` against NumPy's; what it refuses, the ops refuse and name."""
    try:
        want = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(cutaway.ShapeError, match="axis -"):
            broadcast_shapes(a, b)
        for f in (lambda x, y: x + y, lambda x, y: x > y, lambda x, y: cutaway.where(x > 0, x, y)):
            with pytest.raises(cutaway.ShapeError, match="do not broadcast: axis -"):
                f(cutaway.zeros(a), cutaway.zeros(b))
        return
    assert broadcast_shapes(a, b) == want == (cutaway.zeros(a) * cutaway.zeros(b)).shape


@given(ANY_SHAPES, st.lists(st.integers(-1, 3), max_size=4))
def test_expand(shape, sizes):
    """The same answer as PyTorch, or an error on both sides."""
    x = numbers(shape, 0)
    try:
        torch.tensor(x).expand(sizes)
    except RuntimeError:
        with pytest.raises(cutaway.ShapeError):
            cutaway.tensor(x).expand(sizes)
        return
    agree(f"a.expand({sizes})", x)


@given(st.data())
def test_matmul(data: Any):
    """Batches broadcast, vectors become rows and columns."""
    shapes = data.draw(
        hnp.mutually_broadcastable_shapes(signature="(n?,k),(k,m?)->(n?,m?)", max_dims=2, max_side=3, min_side=0)
    )
    a, b = (numbers(s, k) for k, s in enumerate(shapes.input_shapes))
    agree("a @ b", a, b)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=2), st.lists(st.integers(0, 3), min_size=2, max_size=2))
def test_matmul_of_what_does_not_fit(a, b):
    if a[1] == b[0]:
        assert (cutaway.zeros(a) @ cutaway.zeros(b)).shape == (a[0], b[1])
    else:
        with pytest.raises(
            cutaway.ShapeError, match=rf"matmul: float32\[{a[0]}, {a[1]}\] and float32\[{b[0]}, {b[1]}\] do not fit"
        ):
            cutaway.zeros(a) @ cutaway.zeros(b)


@st.composite
def equations(draw: Any) -> tuple[str, list[tuple[int, ...]]]:
    """An einsum of one to three operands over labels of fixed sizes, or 1; a label may stand twice in an operand."""
    size = {"i": 2, "j": 3, "k": 1, "l": 2}
    terms = draw(st.lists(st.text("ijkl", max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    out = draw(st.permutations(used).map("".join))
    out = out[: draw(st.integers(0, len(out)))]
    equation = ",".join(terms) + draw(st.sampled_from(["", f"->{out}"]))
    ones = [draw(st.sets(st.sampled_from("ijkl"), max_size=2)) for _ in terms]
    return equation, [tuple(1 if c in one else size[c] for c in term) for term, one in zip(terms, ones, strict=True)]


@given(equations())
def test_einsum(case):
    equation, shapes = case
    agree(f"t.einsum('{equation}', {', '.join('abc'[: len(shapes)])})", *(numbers(s, k) for k, s in enumerate(shapes)))


@given(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3), st.data())
def test_reductions(shape, data):
    x = numbers(shape, 0) if np.prod(shape) else np.zeros(shape)
    dims = data.draw(
        st.lists(
            st.integers(-len(shape), len(shape) - 1), max_size=len(shape), unique_by=lambda d: d % max(len(shape), 1)
        )
        if shape
        else st.just([])
    )
    keep = data.draw(st.booleans())
    agree(f"a.sum(dim={dims}, keepdim={keep})", x)
    agree(f"a.logsumexp(dim={dims}, keepdim={keep})" if dims else "a.sum()", x)
    if all(shape):
        agree(f"a.amax(dim={dims}, keepdim={keep})", x)
        agree(f"a.mean(dim={dims}, keepdim={keep})", x)


@given(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4), st.data())
def test_movements(shape, data):
    x = numbers(shape, 0)
    order = data.draw(st.permutations(range(len(shape))))
    agree(f"a.permute({order})", x)
    agree(f"a.permute({order}).reshape(-1)", x)
    agree(f"a.permute({order}).contiguous().flatten()", x)
    d = data.draw(st.integers(-len(shape), len(shape) - 1))
    agree(f"a.flip({d})", x)
    agree(f"a.roll({data.draw(st.integers(-5, 5))}, {d})", x)
    agree(f"a.unsqueeze({d})", x)
    agree(f"a.squeeze({d})", x)
    agree(f"a.cumsum({d})", x)
    agree(f"t.cat([a, a * 2, a], {d})", x)
    agree(f"t.stack([a, a * 2], {d})", x)
    agree(f"a.split({data.draw(st.integers(1, 3))}, {d})", x)
    agree(f"a.chunk({data.draw(st.integers(1, 4))}, {d})", x)
    agree(f"a.repeat({data.draw(st.lists(st.integers(0, 2), min_size=len(shape), max_size=len(shape) + 1))})", x)


@given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5), st.data())
def test_order(shape, data):
    """Sorting and choosing, with ties: stable, and NaN last."""
    values = data.draw(
        hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0, 2.0, -1.0, np.nan, np.inf, -np.inf]))
    )
    d, down = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.booleans())
    agree(f"a.sort(dim={d}, descending={down}, stable=True)", values, recorded=False)
    agree(f"a.argsort(dim={d}, descending={down}, stable=True)", values, recorded=False)
    agree(
        f"a.max({d})[0], a.min({d})[0], a.amax({d}), a.argmax({d}), a.argmin({d}), a.max(), a.median()",
        values,
        recorded=False,
    )
    agree(f"a.topk({data.draw(st.integers(0, shape[d]))}, {d}, {down})[0]", values, recorded=False)
    agree(f"a.median({d})[0]", values, recorded=False)
