"""PyTorch's `_foreach_*`: a method of Tensor, called on each tensor of a list. Optimisers and averages in programs use them.

`_foreach_exp(xs)` gives a tuple; `_foreach_exp_(xs)` writes in place and gives the list back. A second argument is one
number or 0-d tensor for all, or a list: of tensors or of numbers, one for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

from cutaway.core.errors import ArgumentTypeError, ShapeError
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor

UNARY = """abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round
    rsqrt sigmoid sign sin sinh sqrt tan tanh trunc""".split()
BINARY = "add clamp_max clamp_min div maximum minimum mul sub".split()
OF_NUMBERS = {"maximum": "clamp_min", "minimum": "clamp_max"}  # these methods take numbers, too, and write in place

Each = Callable[..., Any]


def _tensors(name: str, xs: Any) -> list[Tensor]:
    if not isinstance(xs, list | tuple) or not all(isinstance(x, Tensor) for x in xs):
        raise ArgumentTypeError(f"{name}: needs a list of Tensors, got {describe(xs)}")
    if not xs:
        raise ShapeError(f"{name}: the Tensor list must have at least one tensor")
    return list(xs)


def _beside(name: str, xs: list[Tensor], other: Any) -> list[Any]:
    """One of `other` for each of `xs`.  A tensor that stands for all must have no dimensions."""
    if isinstance(other, Tensor) and other.ndim:
        raise ShapeError(f"{name}: a tensor beside a list must have 0 dimensions, got {describe(other)}; give a list")
    if isinstance(other, Tensor | Real):
        return [other] * len(xs)
    if not isinstance(other, list | tuple):
        raise ArgumentTypeError(f"{name}: needs a number, a Tensor or a list of them, got {describe(other)}")
    if len(other) != len(xs):
        raise ShapeError(f"{name}: {len(xs)} tensors and a list of {len(other)}; both must have the same number")
    return list(other)


def _unary(name: str, method: str) -> Each:
    def each(self: Sequence[Tensor]) -> Any:
        return _result(name, self, [getattr(x, method)() for x in _tensors(name, self)])

    return each


def _binary(name: str, method: str) -> Each:
    plain = method.removesuffix("_")
    method = OF_NUMBERS.get(plain, plain) + method[len(plain) :]

    def each(self: Sequence[Tensor], other: Any, **alpha: Any) -> Any:
        xs = _tensors(name, self)
        pairs = zip(xs, _beside(name, xs, other), strict=True)
        return _result(name, self, [getattr(x, method)(y, **alpha) for x, y in pairs])

    return each


def _ternary(name: str, method: str) -> Each:
    def each(self: Sequence[Tensor], tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
        xs = _tensors(name, self)
        values = value.tolist() if isinstance(value, Tensor) else value
        rows = zip(xs, *(_beside(name, xs, y) for y in (tensor1, tensor2, values)), strict=True)
        return _result(name, self, [getattr(x, method)(a, b, value=v) for x, a, b, v in rows])

    return each


def _between(name: str, method: str) -> Each:
    def each(self: Sequence[Tensor], tensors1: Any, weight: Any) -> Any:
        xs = _tensors(name, self)
        rows = zip(xs, _beside(name, xs, tensors1), _beside(name, xs, weight), strict=True)
        return _result(name, self, [getattr(x, method)(y, w) for x, y, w in rows])

    return each


def _result(name: str, given: Any, made: list[Tensor]) -> Any:
    return given if name.endswith("_") else tuple(made)


def _foreach_pow(self: Any, exponent: Any) -> tuple[Tensor, ...]:
    """x ** exponent for each; the first argument may be one number, the exponents then a list of tensors."""
    if isinstance(self, Real):
        return tuple(Tensor.__rpow__(x, self) for x in _tensors("_foreach_pow", exponent))
    xs = _tensors("_foreach_pow", self)
    return tuple(x.pow(y) for x, y in zip(xs, _beside("_foreach_pow", xs, exponent), strict=True))


def _foreach_pow_(self: Any, exponent: Any) -> Any:
    """In place."""
    xs = _tensors("_foreach_pow_", self)
    for x, y in zip(xs, _beside("_foreach_pow_", xs, exponent), strict=True):
        x.pow_(y)
    return self


def _foreach_norm(self: Any, ord: float = 2, dtype: Any = None) -> tuple[Tensor, ...]:
    """The norm of each as a vector; what clipping by the norm of all gradients begins with."""
    return tuple(x.norm(ord, dtype=dtype) for x in _tensors("_foreach_norm", self))


def _foreach_max(self: Any) -> tuple[Tensor, ...]:
    """The greatest element of each."""
    return tuple(x.max() for x in _tensors("_foreach_max", self))


def _foreach_clone(self: Any) -> tuple[Tensor, ...]:
    """A copy of each."""
    return tuple(x.clone() for x in _tensors("_foreach_clone", self))


def _foreach_zero_(self: Any) -> Any:
    """Zeros in each, in place."""
    for x in _tensors("_foreach_zero_", self):
        x.zero_()
    return self


def _foreach_copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
    """src[i] into self[i]."""
    xs = _tensors("_foreach_copy_", self)
    for x, y in zip(xs, _beside("_foreach_copy_", xs, src), strict=True):
        x.copy_(y)
    return self


for _make, _methods in (
    (_unary, UNARY),
    (_binary, BINARY),
    (_ternary, ["addcdiv", "addcmul"]),
    (_between, ["lerp"]),
):
    for _method in _methods:
        for _end in ("", "_"):
            _name = f"_foreach_{_method}{_end}"
            globals()[_name] = _each = _make(_name, _method + _end)
            _each.__name__ = _each.__qualname__ = _name
            _each.__doc__ = f"`Tensor.{_method}{_end}` for each tensor of a list."
