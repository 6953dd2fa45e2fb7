"""Activations that ONNX knows by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.functional.activation import SELU_ALPHA, SELU_SCALE
from cutaway.interop.onnx.graph import Composite, Term
from cutaway.interop.onnx.write import Declined, Writer


def _floating(c: Composite) -> Term:
    x: Term = c["input"]
    if x.dtype.kind != "f":
        raise Declined("whole numbers")
    return x


def named(op_type: str, since: int = 1, **constants: Any) -> Callable[[Writer, Composite], str]:
    """One node; attributes are constants, or read from the argument of the given name."""

    def convert(w: Writer, c: Composite) -> str:
        w.need(since, op_type)
        x = _floating(c)
        attributes: dict[str, Any] = {k: float(c[v] if isinstance(v, str) else v) for k, v in constants.items()}
        return w.node(op_type, w.name(x), **attributes)

    return convert


def gelu(w: Writer, c: Composite) -> str:
    """Gelu; before opset 20 the formula that others read as one."""
    x = _floating(c)
    if w.opset >= 20:
        return w.node("Gelu", w.name(x), approximate=c["approximate"])
    if c["approximate"] != "none":
        raise Declined("the tanh formula as it is")
    held = w.name(x)
    inner = w.node("Erf", w.node("Div", held, w.scalar(math.sqrt(2.0), x)))
    return w.node("Mul", w.node("Mul", held, w.node("Add", inner, w.scalar(1.0, x))), w.scalar(0.5, x))


def prelu(w: Writer, c: Composite) -> str:
    """PRelu, whose slopes broadcast from the right."""
    x, slope = _floating(c), c["weight"]
    array = slope.alike()
    shape = [-1, *[1] * (x.ndim - 2)] if x.ndim > 1 else []
    if array is None:
        return w.node("PRelu", w.name(x), w.node("Reshape", w.name(slope), w.ints(shape)))
    name = slope.source.name if slope.source is not None and slope.source.name else "slope"
    shaped = array.reshape(shape)
    return w.node("PRelu", w.name(x), w.name(slope) if shaped.shape == array.shape else w.constant(shaped, hint=name))


def softplus(w: Writer, c: Composite) -> str:
    """Softplus, where the switch to x lies beyond what float32 can tell."""
    x, beta, threshold = _floating(c), float(c["beta"]), float(c["threshold"])
    if threshold < 20 or x.dtype.itemsize > 4 or beta <= 0:
        raise Declined("a switch that shows")
    if beta == 1.0:
        return w.node("Softplus", w.name(x))
    held = w.node("Softplus", w.node("Mul", w.name(x), w.scalar(beta, x)))
    return w.node("Div", held, w.scalar(beta, x))


def logsigmoid(w: Writer, c: Composite) -> str:
    """-softplus(-x)."""
    x = _floating(c)
    return w.node("Neg", w.node("Softplus", w.node("Neg", w.name(x))))


def clipped(low: Any, high: Any) -> Callable[[Writer, Composite], str]:
    """Clip between two numbers, or the arguments of these names."""

    def convert(w: Writer, c: Composite) -> str:
        x = c["input"]
        ends = (c[v] if isinstance(v, str) else v for v in (low, high))
        return w.node("Clip", w.name(x), *(w.scalar(v, x) for v in ends))

    return convert


def hard_sigmoid(w: Writer, c: Composite) -> str:
    """HardSigmoid with the slope 1 / 6."""
    return w.node("HardSigmoid", w.name(_floating(c)), alpha=float(np.float32(1.0) / np.float32(6.0)), beta=0.5)


COMPOSITES: dict[str, Callable[[Writer, Composite], Any]] = {
    "leaky_relu": named("LeakyRelu", alpha="negative_slope"), "elu": named("Elu", alpha="alpha"),
    "selu": named("Selu", alpha=SELU_ALPHA, gamma=SELU_SCALE), "celu": named("Celu", 12, alpha="alpha"),
    "mish": named("Mish", 18), "hardswish": named("HardSwish", 14), "softsign": named("Softsign"), "gelu": gelu,
    "prelu": prelu, "softplus": softplus, "logsigmoid": logsigmoid, "hardtanh": clipped("min_val", "max_val"),
    "relu6": clipped(0, 6), "hardsigmoid": hard_sigmoid,
}  # fmt: skip
