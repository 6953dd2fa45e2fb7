"""Argument checks that several composites share. Each raises an error that names the function, the shapes and a fix."""

from __future__ import annotations

import warnings
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.aval import broadcast_shapes, show
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from cutaway.core.op import STAGE
from cutaway.core.strict import refuse_or_warn

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

REDUCTIONS = ("mean", "sum", "none")


def reduction_name(op: str, reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """The reduction asked for, through `reduction` or through PyTorch's two older flags.  Raises ArgumentError."""
    if size_average is not None or reduce is not None:
        whole, averaged = reduce is None or bool(reduce), size_average is None or bool(size_average)
        return "none" if not whole else "mean" if averaged else "sum"
    if reduction not in REDUCTIONS:
        more = ", 'batchmean'" if op == "kl_div" else ""
        raise ArgumentError(f"{op}: reduction {reduction!r} is unknown; use one of 'mean', 'sum', 'none'{more}")
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or the loss of each element."""
    if reduction == "mean":
        return loss.mean()
    return loss.sum() if reduction == "sum" else loss


def is_tensor(op: str, **arguments: Any) -> None:
    """Raise ArgumentTypeError unless each argument is a Tensor."""
    for name, value in arguments.items():
        if not hasattr(value, "requires_grad"):
            raise ArgumentTypeError(
                f"{op}: {name} must be a Tensor, got {type(value).__name__}; wrap it with cutaway.tensor(...)"
            )


def same_shape(op: str, input: Tensor, target: Tensor, may_stretch: bool = True) -> None:
    """Refuse a pair of shapes that would grow into an outer difference; warn, as PyTorch does, where one stretches to
    the other (unless that is to be refused too: may_stretch=False).

    (N, 1) against (N,) broadcasts to (N, N): every prediction would be compared with every target, and training would
    quietly go wrong.
    """
    is_tensor(op, input=input, target=target)
    a, b = tuple(input.shape), tuple(target.shape)
    if a == b:
        return
    try:
        stretched = broadcast_shapes(a, b, op=op)
    except ShapeError:
        stretched = ()
    if not may_stretch or stretched not in (a, b) or not stretched:
        error = ShapeError(
            f"{op}: input {show(input)} and target {show(target)} must have the same shape{_outer(stretched, a, b)}. "
            f"{_fix(a, b)}"
        )
        if not may_stretch or not stretched:
            raise error
        refuse_or_warn(error, f"the loss is taken over {list(stretched)}")
        return
    warnings.warn(
        f"{op}: target {show(target)} differs in shape from input {show(input)} and is broadcast; "
        "give both the same shape if that is not meant",
        stacklevel=4,
    )


def _outer(stretched: tuple[int, ...], *given: tuple[int, ...]) -> str:
    if not stretched or stretched in given:
        return ""
    return f": they would broadcast to {list(stretched)} and compare every row with every other"


def _fix(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    if a == (*b, 1):
        return f"Write input.squeeze({len(b)}) or target.unsqueeze({len(b)})"
    if b == (*a, 1):
        return f"Write target.squeeze({len(a)}) or input.unsqueeze({len(a)})"
    return "Bring one to the shape of the other with reshape, squeeze or unsqueeze"


def floating(op: str, x: Tensor, fix: str = "convert it with .float()") -> None:
    """Raise DTypeError unless `x` has a floating dtype."""
    if not x.dtype.is_floating_point:
        raise DTypeError(f"{op}: needs a floating dtype, got {show(x)}; {fix}")


def inexact(op: str, x: Tensor) -> None:
    """Raise DTypeError unless `x` has a floating or complex dtype."""
    if x.dtype.category < 2:
        raise DTypeError(f"{op}: needs a floating or complex dtype, got {show(x)}; convert it with .float()")


def integer(op: str, name: str, x: Tensor) -> None:
    """Raise DTypeError unless `x` has an integer dtype (bool and floats are refused)."""
    if x.dtype.category != 1:
        raise DTypeError(f"{op}: {name} must hold integers, got {show(x)}; convert it with .long()")


def probability(op: str, p: float) -> None:
    """Raise ArgumentError unless 0 <= p <= 1."""
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(f"{op}: p={p} is not a probability; choose it between 0 and 1")


def n_tuple(op: str, name: str, value: Any, n: int, least: int) -> tuple[int, ...]:
    """`value` once a spatial dimension: an int stands for all of them.  Raises ArgumentError or ArgumentTypeError."""
    out: tuple[int, ...]
    if value.__class__ is int:
        out = (value,) * n
    else:
        try:
            out = tuple(map(index, value)) if hasattr(value, "__len__") else (index(value),) * n
        except (TypeError, ValueError):
            raise ArgumentTypeError(f"{op}: {name} must be an int or {n} ints, got {value!r}") from None
        if len(out) == 1:
            out *= n
        if len(out) != n:
            raise ArgumentError(
                f"{op}: {name} {value!r} has {len(out)} numbers; give one, or {n}: one a spatial dimension"
            )
    if min(out) < least:
        raise ArgumentError(f"{op}: {name} {value!r} must be at least {least}")
    return out


def batched(op: str, x: Tensor, n: int, layout: str) -> tuple[Tensor, bool]:
    """`x` with a batch dimension, and whether it had one.  Raises ShapeError naming the layout that is expected."""
    ndim = len(x.shape)
    if ndim == n + 2:
        return x, True
    if ndim == n + 1:
        return x.unsqueeze(0), False
    raise ShapeError(
        f"{op}: expected input {layout} ({n + 2} dimensions, or {n + 1} without the batch), got {show(x)}; "
        + ("add the missing dimension with unsqueeze" if ndim < n + 1 else "merge dimensions with flatten or reshape")
    )


def known(x: Tensor) -> Any:
    """The NumPy array of a tensor that has been computed; None for one that is only being traced.

    What depends on values (an index out of range, a shortcut for the usual case) is looked at only when they are there.
    """
    if type(x._data) is np.ndarray:
        return x._data
    stage = STAGE.get()
    if stage is not None:
        stage.unknown()
    return None
