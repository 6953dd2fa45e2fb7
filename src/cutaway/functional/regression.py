"""Losses between numbers: how far a prediction lies from a target of the same shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cutaway.core.aval import show
from cutaway.core.dtypes import bool_
from cutaway.core.errors import ArgumentError, ComplexError, ShapeError
from cutaway.core.narrow import in_single
from cutaway.core.op import composite
from cutaway.core.ops.elementwise import where
from cutaway.functional._check import known, reduced, reduction_name, same_shape

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor


def _weighted(op: str, loss: Tensor, weight: Tensor | None) -> Tensor:
    """The loss times `weight`, of the same shape.  Raises ShapeError for another one."""
    if weight is None:
        return loss
    if tuple(weight.shape) != tuple(loss.shape):
        raise ShapeError(f"{op}: weight {show(weight)} must have the shape of the loss, {show(loss)}; expand it")
    return loss * weight


def _averaged(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The reduction; a weighted mean is divided by the sum of the weights."""
    if weight is not None and reduction == "mean":
        return loss.sum() / weight.sum()
    return reduced(loss, reduction)


def _apart(op: str, input: Tensor, target: Tensor) -> Tensor:
    """input - target.  Raises ComplexError for complex numbers, whose squares are no distances."""
    if target.dtype is bool_ or input.dtype is bool_:  # a mask beside numbers counts as 0 and 1
        target, input = (x.to(y.dtype) if x.dtype is bool_ else x for x, y in ((target, input), (input, target)))
    d = input - target
    if d.is_complex():
        raise ComplexError(f"{op}: not defined for complex numbers, got {show(input, target)}; use (x - t).abs().square()")
    return d


@composite(r"\tfrac1N \sum_i (x_i - t_i)^2")
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Mean squared error.  input[...], target[...] -> scalar, or [...] for reduction="none".

    Unlike PyTorch it refuses (ShapeError) shapes such as (N, 1) against (N,), which would broadcast to (N, N).
    """
    reduction = reduction_name("mse_loss", reduction, size_average, reduce)
    same_shape("mse_loss", input, target)
    d = _apart("mse_loss", input, target)
    return _averaged(_weighted("mse_loss", d * d, weight), weight, reduction)


@composite(r"\tfrac12 \sum_i (x_i - t_i)^2")
def sum_squared_error(input: Tensor, target: Tensor) -> Tensor:
    """Half the sum of squared differences (book, section 4.2.1), whose gradient is x - t.

    input[...], target[...] -> scalar.

    Raises ShapeError when the shapes differ in a way that would compare every row with every other.
    """
    same_shape("sum_squared_error", input, target)
    d = input - target
    return (d * d).sum() * 0.5


@composite(r"\tfrac1N \sum_i |x_i - t_i|")
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Mean absolute error.  input[...], target[...] -> scalar, or [...] for reduction="none".

    Unlike PyTorch it refuses (ShapeError) shapes such as (N, 1) against (N,).
    """
    reduction = reduction_name("l1_loss", reduction, size_average, reduce)
    same_shape("l1_loss", input, target)
    return _averaged(_weighted("l1_loss", (input - target).abs(), weight), weight, reduction)


@composite(
    r"\tfrac1N \sum_i \begin{cases} d_i^2 / 2\beta & |d_i| < \beta \\ |d_i| - \beta/2 & |d_i| \ge \beta \end{cases}"
)
@in_single
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """A parabola near zero, a slope of 1 far away, d = x - t (Girshick 2015, arXiv 1504.08083).

    beta = 0 is l1_loss.  Raises ArgumentError for a negative beta, ShapeError as mse_loss does.
    """
    reduction = reduction_name("smooth_l1_loss", reduction, size_average, reduce)
    if beta < 0:
        raise ArgumentError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    same_shape("smooth_l1_loss", input, target)
    d = _apart("smooth_l1_loss", input, target)
    size = d.abs()
    if beta == 0:
        return reduced(size, reduction)
    near = where(size > beta, beta, size)  # d^2 would be infinite far out, and its slope NaN though it is not taken
    return reduced(near * near * (0.5 / beta) + (size - near), reduction)


@composite(
    r"\tfrac1N \sum_i \begin{cases} d_i^2 / 2 & |d_i| \le \delta \\ \delta\,(|d_i| - \delta/2) & |d_i| > \delta "
    r"\end{cases}"
)
@in_single
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """A parabola near zero, a slope of delta far away, d = x - t (Huber 1964).

    Raises ArgumentError unless delta is positive, ShapeError as mse_loss does.
    """
    reduction = reduction_name("huber_loss", reduction)
    if delta <= 0:
        raise ArgumentError(f"huber_loss: delta must be positive, got {delta}")
    same_shape("huber_loss", input, target)
    d = _apart("huber_loss", input, target)
    size = d.abs()
    near = where(size > delta, delta, size)
    loss = near * near * 0.5 + (size - near) * delta
    return reduced(_weighted("huber_loss", loss, weight), reduction)  # unlike mse_loss: divided by N (so does PyTorch)


@composite(r"\tfrac1N \sum_i e^{x_i} - t_i x_i")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-ln of the Poisson probability of the counts `target`, without ln t!.  input[...] is the logarithm of the rate, or
    the rate itself (log_input=False, eps keeps its logarithm finite); target[...] -> scalar.

    full=True adds Stirling's approximation of ln t! where t > 1.
    Raises ShapeError where the shapes would broadcast to more than either.
    """
    op = "poisson_nll_loss"
    reduction = reduction_name(op, reduction, size_average, reduce)
    same_shape(op, input, target)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        many = target.clamp(min=1.0)
        stirling = many * many.log() - many + 0.5 * (many * (2 * math.pi)).log()
        loss = loss + where(target > 1, stirling, 0.0)
    return reduced(loss, reduction)


@composite(r"\tfrac1N \sum_i \tfrac12 (\ln \sigma_i^2 + (x_i - t_i)^2 / \sigma_i^2)")
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """-ln of the normal density of `target`, without ln(2 pi) / 2 unless full.  input[..., D], target[..., D]; var[..., D],
    [..., 1], [...] or a number, taken as at least eps -> scalar.

    Nix & Weigend 1994.  Raises ArgumentError for a negative variance, ShapeError for another shape.
    """
    op = "gaussian_nll_loss"
    reduction = reduction_name(op, reduction)
    same_shape(op, input, target)
    spread: Tensor = var if hasattr(var, "requires_grad") else input.detach() * 0.0 + var  # type: ignore[assignment]
    shape = tuple(input.shape)
    if tuple(spread.shape) != shape:
        if tuple(spread.shape) == shape[:-1]:
            spread = spread.unsqueeze(-1)
        elif spread.ndim != len(shape) or any(v not in (1, n) for v, n in zip(spread.shape, shape, strict=True)):
            raise ShapeError(f"{op}: spread {show(spread)} must be {list(shape)}, or with 1 in place of the last size")
    values = known(spread)
    if values is not None and values.size and values.min() < 0:
        raise ArgumentError(f"{op}: var must not be negative, got values from {values.min():.4g}")
    spread = spread + (spread.detach().clamp(min=eps) - spread.detach())  # the gradient passes, as in PyTorch
    loss = 0.5 * (spread.log() + (input - target) ** 2 / spread)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
