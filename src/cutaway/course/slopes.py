"""Numerical gradients, for specs of backward exercises: slow, obvious, and by other means than any rule. And what else
layers with a forward and a backward need in a check.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cutaway
from cutaway.course.judge import plain


def slope(f: Callable[[np.ndarray], Any], x: Any, g: Any = 1.0, h: float = 1e-5) -> np.ndarray:
    """The gradient of (f(x) * g).sum() with respect to x, by central differences: shape of x; g has the shape of f(x).

    With inputs about 1 and h = 1e-5 it is right to about nine digits, where f has no corner within h.
    """
    x = np.array(x, float)
    out = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        kept = x[at]
        x[at] = kept + h
        above = np.sum(np.asarray(f(x)) * g)
        x[at] = kept - h
        below = np.sum(np.asarray(f(x)) * g)
        x[at] = kept
        out[at] = (above - below) / (2 * h)
    return out


def slopes(f: Callable[..., Any], inputs: tuple[Any, ...], g: Any = 1.0) -> tuple[np.ndarray, ...]:
    """`slope` towards each of several inputs."""
    return tuple(
        slope(lambda v, i=i: f(*inputs[:i], v, *inputs[i + 1 :]), x, g)  # type: ignore[misc]
        for i, x in enumerate(inputs)
    )


def numerical(forward: Callable[..., Any]) -> type:
    """A spec: the class with this forward, whose backward is the numerical gradient."""

    def backward(g: Any, y: Any, *inputs: Any) -> Any:
        found = slopes(forward, inputs, g)
        return found if len(found) > 1 else found[0]

    return layer(forward, backward)


def layer(forward: Callable[..., Any], backward: Callable[..., Any]) -> type:
    """A class with `forward(*inputs)` and `backward(g)`, of two functions: forward(*inputs), backward(g, y, *inputs)."""

    class Layer:
        """forward and backward."""

        def forward(self, *inputs: Any) -> Any:
            """Compute, and keep what backward needs."""
            self.inputs, self.y = inputs, forward(*inputs)
            return self.y

        def backward(self, g: Any) -> Any:
            """The gradient towards each input."""
            return backward(g, self.y, *self.inputs)

    return Layer


def both(answer: Callable[[], Any], *inputs: Any) -> tuple[Any, Any]:
    """A `play`: forward of all inputs but the last, then backward of the last."""
    made = answer()
    y = made.forward(*inputs[:-1])
    return y, made.backward(inputs[-1])


def library(f: Callable[..., Any]) -> Callable[..., Any]:
    """An oracle beside `both`: f of Tensors, and the gradients that Cutaway finds."""

    def ask(*inputs: Any) -> tuple[Any, Any]:
        x = [cutaway.tensor(np.asarray(a, float), requires_grad=True) for a in inputs[:-1]]
        y = f(*x)
        found = cutaway.autograd.grad(y, x, cutaway.tensor(np.asarray(inputs[-1], float)))
        grads = tuple(map(plain, found))
        return plain(y), grads if len(grads) > 1 else grads[0]

    return ask
