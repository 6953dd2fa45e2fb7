"""Numerical differentiation: the slope of a function from two of its values.

Slow and simple, so it is the judge of backprop (book, sections 4.3 and 5.7.4).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from cutaway.core.aval import Aval
from cutaway.core.dtypes import FLOATING, limits
from cutaway.core.errors import ArgumentError, ArgumentTypeError, IndexOutOfRange, ShapeError
from cutaway.core.refusal import guarded
from cutaway.core.tensor import Tensor

Index = tuple[int, ...]


@guarded
def numerical_gradient(f: Callable[..., Any], x: Any, h: float | None = None) -> Any:
    r"""The gradient of a scalar function by central differences (book, sections 4.3 and 4.4).

    $\frac{\partial f}{\partial x_i} \approx \frac{f(x + h e_i) - f(x - h e_i)}{2h}$, with an error of $O(h^2)$ for the
    step and $O(\epsilon / h)$ for rounding.

    `f` takes x and returns one number (a Tensor of one element or a float). If it takes no argument, it is called
    without: `numerical_gradient(lambda: loss(), params)`; each element of x is moved in place and put back bit by bit.

    x    a Tensor -> a Tensor of its shape and dtype; a dict of Tensors -> a dict; a sequence of Tensors -> a tuple
    h    the step. By default the cube root of the dtype's epsilon, where both errors balance: 6e-6 for float64, 5e-3
         for float32. The book takes 1e-4.

    It calls `f` twice per element: for learning, and for checking backprop, not for training.

    Raises ArgumentTypeError for what is no floating Tensor, ShapeError if f gives more than one number or elements of x
    share memory, ArgumentError for a step that vanishes beside x.
    """
    if isinstance(x, Mapping):
        return dict(zip(x, numerical_gradient(f, tuple(x.values()), h), strict=True))
    xs = _tensors((x,) if isinstance(x, Tensor) else x)
    value = _caller(f, xs)
    grads = tuple(_gradient(value, t, h) for t in xs)
    return grads[0] if isinstance(x, Tensor) else grads


@guarded
def numerical_derivative(f: Callable[..., Any], x: Tensor, index: int | Index = (), h: float | None = None) -> float:
    """The derivative of a scalar function towards one element, x[index] (book, section 4.3.1).

    It is an element of `numerical_gradient`, with the same arguments.

    Raises IndexOutOfRange for an index that x does not have, and what `numerical_gradient` raises.
    """
    (x,) = _tensors((x,))
    at = tuple(np.atleast_1d(np.asarray(index, int)).tolist())
    if len(at) != x.ndim or not all(-n <= i < n for i, n in zip(at, x.shape, strict=False)):
        raise IndexOutOfRange(
            f"numerical_derivative: {list(at)} is no element of {name_of(x)}; give one index for each dimension"
        )
    movable(x, "numerical_derivative")
    return _derivative(_caller(f, (x,)), x, at, h)


def _gradient(value: Callable[[], float], t: Tensor, h: float | None) -> Tensor:
    movable(t, "numerical_gradient")
    g = np.zeros(t._data.shape, t._data.dtype)
    for index in np.ndindex(g.shape):
        g[index] = _derivative(value, t, index, h)
    return Tensor._wrap(g)


def _derivative(value: Callable[[], float], t: Tensor, index: Index, h: float | None) -> float:
    h = float(np.cbrt(limits(t._data.dtype).eps)) if h is None else h
    right, up = moved(t, index, h, value)
    left, down = moved(t, index, -h, value)
    if not up - down > 0:
        raise ArgumentError(
            f"numerical_gradient: the step h={h:g} vanishes beside the {t._data.dtype.name} value {t._data[index]:g}; "
            "take a larger h"
        )
    slope: float = (right - left) / (up - down)
    return slope


def moved(t: Tensor, index: Index, h: float, value: Callable[[], Any]) -> tuple[Any, float]:
    """value() while t[index] is moved by h, and the step that rounding to t's dtype left of h.

    The version counter stays: the value is put back bit by bit, and a graph recorded before is still right.
    """
    before = t._data[index]
    try:
        t._data[index] = before + h
        return value(), float(t._data[index]) - float(before)
    finally:
        t._data[index] = before


def movable(t: Tensor, op: str) -> None:
    """Raise ShapeError if moving one element of t would move others, or cannot be done."""
    t._settle()
    expanded = t._data.size > 0 and any(s == 0 and n > 1 for s, n in zip(t._data.strides, t._data.shape, strict=True))
    if expanded or not t._data.flags.writeable:
        raise ShapeError(
            f"{op}: several elements of {name_of(t)} share one place in memory (it was expanded), or it is read-only, "
            "so they cannot be moved one by one; pass x.clone()"
        )


def name_of(t: Tensor) -> str:
    """Its dtype and shape, as errors write them: float64[3, 4]."""
    return str(Aval(t._data.shape, t._data.dtype))


def _tensors(x: Any) -> tuple[Tensor, ...]:
    xs = tuple(x) if isinstance(x, Iterable) else (x,)
    for k, t in enumerate(xs):
        if not isinstance(t, Tensor):
            raise ArgumentTypeError(
                f"numerical_gradient: x must be a Tensor, or a sequence or dict of Tensors; element {k} is of type "
                f"{type(t).__name__}"
            )
        if t._data.dtype.kind not in FLOATING:
            raise ArgumentTypeError(
                f"numerical_gradient: element {k} is {name_of(t)}; only floats can move by h, use .double()"
            )
    return xs


def _caller(f: Callable[..., Any], xs: tuple[Tensor, ...]) -> Callable[[], float]:
    """f as a function of nothing that gives a float."""
    args = xs if _takes_arguments(f) else ()

    def value() -> float:
        y = f(*args)
        if isinstance(y, Tensor) and y._data.size != 1:
            raise ShapeError(
                f"numerical_gradient: f must return one number, got {name_of(y)}; reduce it with .sum(), "
                "or check all its outputs with gradcheck"
            )
        try:
            return float(y)
        except (TypeError, ValueError):
            raise ArgumentTypeError(f"numerical_gradient: f must return one number, got {type(y).__name__}") from None

    return value


def _takes_arguments(f: Callable[..., Any]) -> bool:
    """Whether f cannot be called without arguments, or takes any number of them."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # a builtin
        return True
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(
        p.kind is inspect.Parameter.VAR_POSITIONAL or (p.kind in positional and p.default is inspect.Parameter.empty)
        for p in parameters
    )
