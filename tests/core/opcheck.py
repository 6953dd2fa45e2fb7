"""The checks that every op of the table passes, made from its record alone.

forward   against PyTorch, and for elementwise ops against the same formula read over Python's own numbers
shape     eager results against the shape rule
gradient  <w, f(x + hv) - f(x - hv)> / 2h against <backward(w), v>, one input at a time, in float64
second    the same for the gradient <u, backward(w)> as a function of the inputs and of w
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import cutaway
from cutaway.core.autograd import grad
from cutaway.core.aval import Aval
from cutaway.core.op import OPS, Op, Sample
from cutaway.core.promote import coerce

STEP = 1e-5
CLOSE = {"rtol": 1e-6, "atol": 1e-8}


class Wrong(AssertionError):
    """A check failed."""


def cases() -> list[tuple[Op, int]]:
    """(op, number of the sample) for the whole table."""
    return [(op, k) for op in OPS.values() for k in range(len(op.samples() if op.samples else ()))]


def arrays(op: Op, sample: Sample, seed: int = 0) -> list[np.ndarray]:
    """The sample's inputs: shapes are filled from the op's domain, in float64."""
    rng = np.random.default_rng([seed, *op.name.encode()])
    return [np.asarray(rng.uniform(*op.domain, x)) if isinstance(x, tuple) else np.asarray(x) for x in sample.inputs]


def tensors(values: list[np.ndarray], recorded: bool = True) -> list[cutaway.Tensor]:
    """Each array as a leaf; floating ones ask for a gradient."""
    made = [cutaway.tensor(a) for a in values]
    for t in made:
        if recorded and t.is_floating_point():
            t.requires_grad_()
    return made


def run(op: Op, values: list[np.ndarray], sample: Sample) -> np.ndarray:
    """The op's values, without recording."""
    return op(*tensors(values, recorded=False), **sample.attrs).numpy()


# --- forward ----------------------------------------------------------------------------------------------------------


def check_forward(op: Op, sample: Sample, torch: Any) -> None:
    """Values, shape and dtype as PyTorch's; so is the gradient."""
    values = arrays(op, sample)
    ours, theirs = tensors(values), [torch.tensor(a) for a in values]
    for t in theirs:
        t.requires_grad_(t.dtype.is_floating_point)
    y, z = op(*ours, **sample.attrs), op.oracle(torch, *theirs, **sample.attrs)
    assert tuple(y.shape) == tuple(z.shape)
    assert y.dtype.name == str(z.dtype).removeprefix("torch.")
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-12, atol=1e-12)
    if not y.requires_grad:
        return
    w = np.asarray(np.random.default_rng(1).standard_normal(z.shape))
    mine = grad(y, [t for t in ours if t.requires_grad], cutaway.tensor(w), materialize_grads=True)
    other = torch.autograd.grad(z, [t for t in theirs if t.requires_grad], torch.tensor(w), materialize_grads=True)
    for a, b in zip(mine, other, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)


class PYTHON:
    """The scalar vocabulary over Python's own numbers: the slow, obvious version."""

    exp, expm1, log, log1p, sqrt = math.exp, math.expm1, math.log, math.log1p, math.sqrt
    sin, cos, tan, tanh, sinh, cosh = math.sin, math.cos, math.tan, math.tanh, math.sinh, math.cosh
    asin, acos, atan, atan2, erf = math.asin, math.acos, math.atan, math.atan2, math.erf
    abs, maximum, minimum, floor, ceil, trunc, round = abs, max, min, math.floor, math.ceil, math.trunc, round
    isnan, isfinite, pow = math.isnan, math.isfinite, math.pow

    @staticmethod
    def sigmoid(a: Any) -> Any:
        return 1 / (1 + math.exp(-a))

    @staticmethod
    def sign(a: Any) -> Any:
        return (a > 0) - (a < 0)

    @staticmethod
    def where(condition: bool, a: Any, b: Any) -> Any:
        return a if condition else b

    @staticmethod
    def floor_divide(a: Any, b: Any) -> Any:
        return a // b

    @staticmethod
    def remainder(a: Any, b: Any) -> Any:
        return a % b

    @staticmethod
    def logical_and(a: Any, b: Any) -> bool:
        return bool(a) and bool(b)

    @staticmethod
    def logical_or(a: Any, b: Any) -> bool:
        return bool(a) or bool(b)

    @staticmethod
    def logical_not(a: Any) -> bool:
        return not a

    @staticmethod
    def bitwise_and(a: Any, b: Any) -> Any:
        return a & b

    @staticmethod
    def bitwise_or(a: Any, b: Any) -> Any:
        return a | b

    @staticmethod
    def bitwise_xor(a: Any, b: Any) -> Any:
        return a ^ b

    @staticmethod
    def bitwise_not(a: Any) -> Any:
        return not a if isinstance(a, bool) else ~a


def check_scalar(op: Op, sample: Sample) -> None:
    """An elementwise op, one element after the other, by Python's own arithmetic."""
    values = arrays(op, sample)
    y = run(op, values, sample)
    wide = np.broadcast_arrays(*values)
    slow = [op.scalar(PYTHON, *numbers, **sample.attrs) for numbers in zip(*(a.reshape(-1).tolist() for a in wide))]
    np.testing.assert_allclose(y.reshape(-1), np.array(slow, y.dtype), rtol=1e-13, atol=1e-15)


def check_shape(op: Op, sample: Sample) -> None:
    """The shape rule foretells shape and dtype."""
    inputs = coerce(op, tuple(tensors(arrays(op, sample))))
    y = op(*inputs, **sample.attrs)
    told = op.shape(*[Aval(t._data.shape, t._data.dtype) for t in inputs], **sample.attrs)
    assert told == Aval(y._data.shape, y._data.dtype)


# --- gradients by random projection -----------------------------------------------------------------------------------


def directions(values: list[np.ndarray], seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """For each floating input, a random direction of unit-sized steps."""
    rng = np.random.default_rng(seed)
    for k, a in enumerate(values):
        if a.dtype.kind == "f":
            yield k, np.asarray(rng.choice([-1.0, 1.0], a.shape) * rng.uniform(0.5, 1.0, a.shape))


def moved(values: list[np.ndarray], k: int, step: np.ndarray) -> list[np.ndarray]:
    """The values with input `k` moved by a step."""
    return [a + step if j == k else a for j, a in enumerate(values)]


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """The inner product."""
    return float((a * b).sum())


def first_order(op: Op, values: list[np.ndarray], w: np.ndarray, sample: Sample) -> list[np.ndarray]:
    """The gradient of <w, op(values)> for each floating input. Nothing but the rules of this op takes part."""
    inputs = tensors(values)
    y = op(*inputs, **sample.attrs)
    wanted = [t for t in inputs if t.requires_grad]
    if not y.requires_grad:
        return [np.zeros(t.shape) for t in wanted]
    return [g.numpy() for g in grad(y, wanted, cutaway.tensor(w), materialize_grads=True)]


def check_gradient(op: Op, sample: Sample) -> None:
    """Each rule, and each missing rule (which says zero), against central differences."""
    values = arrays(op, sample)
    y = run(op, values, sample)
    if y.dtype.kind != "f":
        return
    w = np.asarray(np.random.default_rng(2).standard_normal(y.shape))
    found = iter(first_order(op, values, w, sample))
    for k, v in directions(values, 3):
        if not v.size:
            assert next(found).shape == v.shape
            continue
        up, down = (dot(w, run(op, moved(values, k, s * STEP * v), sample)) for s in (1, -1))
        expected, got = (up - down) / (2 * STEP), dot(next(found), v)
        if not np.isclose(got, expected, **CLOSE):
            raise Wrong(
                f"{op.name}: the gradient towards input {k} is {got} along a direction, the slope is {expected}"
            )


def second_order(op: Op, values: list[np.ndarray], w: np.ndarray, u: list[np.ndarray], sample: Sample) -> Any:
    """sum_k <u_k, gradient_k of <w, op(values)>> as a Tensor, with the leaves that it depends on."""
    inputs, weight = tensors(values), cutaway.tensor(w, requires_grad=True)
    wanted = [t for t in inputs if t.requires_grad]
    gradients = grad(op(*inputs, **sample.attrs), wanted, weight, create_graph=True, allow_unused=True)
    parts = [(g * cutaway.tensor(uk)).sum() for g, uk in zip(gradients, u, strict=True) if g is not None]
    return sum(parts[1:], parts[0]), [*wanted, weight]


def check_second(op: Op, sample: Sample) -> set[str]:
    """The gradient of the gradient, towards every input and the arriving gradient, against central differences.

    Returns the names of the other ops whose rules took part.
    """
    values = arrays(op, sample)
    w = np.asarray(np.random.default_rng(4).standard_normal(run(op, values, sample).shape))
    u = [v for _, v in directions(values, 5)]
    total, leaves = second_order(op, values, w, u, sample)
    used = ops_below(total)
    error = None
    for leaf, g, (k, v) in zip(
        leaves, grad(total, leaves, materialize_grads=True), directions([*_floats(values), w], 6)
    ):

        def slope(s: float, k: int = k, v: np.ndarray = v) -> float:
            at = moved([*_floats(values), w], k, s * STEP * v)
            found = first_order(op, _put_back(values, at[:-1]), at[-1], sample)
            return sum(dot(a, b) for a, b in zip(u, found))

        expected, got = (slope(1) - slope(-1)) / (2 * STEP), dot(g.numpy(), v)
        if error is None and not np.isclose(got, expected, **CLOSE):
            error = Wrong(
                f"{op.name}: the second gradient towards {list(leaf.shape)} is {got}, the slope is {expected}"
            )
    if error:
        error.used = used
        raise error
    return used


def _floats(values: list[np.ndarray]) -> list[np.ndarray]:
    return [a for a in values if a.dtype.kind == "f"]


def _put_back(values: list[np.ndarray], floats: list[np.ndarray]) -> list[np.ndarray]:
    rest = iter(floats)
    return [next(rest) if a.dtype.kind == "f" else a for a in values]


def ops_below(y: cutaway.Tensor) -> set[str]:
    """The names of all ops recorded below `y`."""
    seen, stack = set(), [y._node]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack.extend(node.parents)
    return {node.name for node in seen} - {"AccumulateGrad"}


def differentiable(op: Op, sample: Sample) -> bool:
    """True if a gradient flows through the op for this sample."""
    return bool(op.rules) and op(*tensors(arrays(op, sample)), **sample.attrs).requires_grad


# --- errors -----------------------------------------------------------------------------------------------------------


def check_error(op: Op, sample: Sample) -> None:
    """The bad call raises one of our errors; its text names the op and holds what the sample says."""
    inputs = [x if isinstance(x, str) else cutaway.tensor(a) for x, a in zip(sample.inputs, arrays(op, sample))]
    try:
        op(*inputs, **sample.attrs)
    except cutaway.CutawayError as error:
        text = str(error)
        assert sample.error in text, text
        assert op.name.split("_")[0] in text, text
    else:
        raise Wrong(f"{op.name}: no error for {sample}")
