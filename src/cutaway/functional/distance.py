"""Distances and angles between vectors, and the losses that compare pairs and triples by them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cutaway.core.aval import broadcast_shapes, normalize_dim, show
from cutaway.core.derived import constant
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError
from cutaway.core.narrow import in_single
from cutaway.core.op import composite
from cutaway.core.ops.elementwise import where
from cutaway.functional._check import floating, inexact, is_tensor, reduced, reduction_name, same_shape

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor


@composite(r"\frac{x \cdot y}{\max(\|x\|, \epsilon)\,\max(\|y\|, \epsilon)}")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between vectors along `dim`.  x1[..., D, ...], x2 broadcast against it -> [..., ...].

    Raises ShapeError when the two do not broadcast, DTypeError for integers.
    """
    is_tensor("cosine_similarity", x1=x1, x2=x2)
    floating("cosine_similarity", x1)
    floating("cosine_similarity", x2)
    shape = broadcast_shapes(tuple(x1.shape), tuple(x2.shape), op="cosine_similarity")
    dim = normalize_dim(dim, len(shape), "cosine_similarity")
    return (_unit(x1.expand(shape), dim, eps) * _unit(x2.expand(shape), dim, eps)).sum(dim)


def _unit(x: Tensor, dim: int, eps: float) -> Tensor:
    """x over its length. A length below eps counts as eps, without hiding the length from the gradient."""
    length = x.norm(2, dim, keepdim=True)
    fixed = length.detach()
    return x / (length + (fixed.clamp(min=eps) - fixed))


@composite(r"\frac{x}{\max(\|x\|_p, \epsilon)}")
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """Each vector along `dim` scaled to length 1 in the p-norm.  x[..., D, ...] -> same shape.

    `out` is not taken (ArgumentTypeError): assign the result.  Raises IndexOutOfRange for a bad dim.
    """
    if out is not None:
        raise ArgumentTypeError("normalize: out= is not supported; assign the result instead")
    inexact("normalize", input)
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)


@composite(r"\|x - y + \epsilon\|_p")
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """Distance of each pair of vectors.  x1[N, D], x2[N, D] -> [N].  Raises ShapeError when they do not broadcast."""
    is_tensor("pairwise_distance", x1=x1, x2=x2)
    broadcast_shapes(tuple(x1.shape), tuple(x2.shape), op="pairwise_distance")
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


@composite(r"\|x_i - x_j\|_p")
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Distances of all pairs of rows by the p-norm, pair (0, 1) first.  x[N, M] -> [N (N - 1) / 2].

    Raises ShapeError unless x is a matrix.
    """
    is_tensor("pdist", input=input)
    floating("pdist", input)
    if input.ndim != 2:
        raise ShapeError(f"pdist: needs a matrix, got {show(input)}")
    above = np.triu_indices(input.shape[0], 1)
    i, j = (constant(k.astype(np.int64)) for k in above)
    return (input[i] - input[j]).norm(p, -1)


@composite(r"\tfrac1N \sum_i \begin{cases} x_i & y_i = 1 \\ \max(0, m - x_i) & y_i = -1 \end{cases}")
@in_single
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Pulls the distances of similar pairs (target 1) to 0, pushes those of others (target -1) past the margin.

    input[...], target[...] -> scalar.  Raises ShapeError where the shapes would broadcast to more than either.
    """
    reduction = reduction_name("hinge_embedding_loss", reduction, size_average, reduce)
    same_shape("hinge_embedding_loss", input, target)
    # As in PyTorch, both terms count for a target that is neither 1 nor -1.
    # At the kink the gradient is 1, as PyTorch's clamp has it.
    far = where(target != 1, (margin - input).clamp(min=0), 0.0)
    near = where(target != -1, input, 0.0)
    return reduced(far + near, reduction)


@composite(r"\tfrac1N \sum_i \max(0,\, -y_i (a_i - b_i) + m)")
@in_single
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Where target is 1, input1 should exceed input2 by the margin; where it is -1, the other way.  All [N].

    Raises ShapeError when the shapes differ.
    """
    op = "margin_ranking_loss"
    reduction = reduction_name(op, reduction, size_average, reduce)
    is_tensor(op, input1=input1, input2=input2, target=target)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            f"{op}: input1 {show(input1)}, input2 {show(input2)} and target {show(target)} must have the same "
            "number of "
            "dimensions; use squeeze or unsqueeze"
        )
    return reduced((target * (input2 - input1) + margin).clamp_min(0), reduction)


@composite(
    r"\tfrac1N \sum_i \begin{cases} 1 - \cos(a_i, b_i) & y_i = 1 \\ \max(0, \cos(a_i, b_i) - m) & y_i = -1 \end{cases}"
)
@in_single
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Pulls similar pairs (target 1) to the same direction, pushes dissimilar ones (target -1) apart.

    input1[N, D], input2[N, D], target[N] -> scalar; or [D], [D] and [].
    Raises ShapeError unless the shapes are those.
    """
    op = "cosine_embedding_loss"
    reduction = reduction_name(op, reduction, size_average, reduce)
    is_tensor(op, input1=input1, input2=input2, target=target)
    batch = tuple(input1.shape[:-1])
    if input1.ndim not in (1, 2) or tuple(input1.shape) != tuple(input2.shape) or tuple(target.shape) != batch:
        raise ShapeError(
            f"{op}: expected input1[N, D], input2[N, D], target[N] (or [D], [D], []), got "
            f"{show(input1, input2, target)}; "
            "reshape them"
        )
    # PyTorch adds epsilon to the squared lengths here, unlike in cosine_similarity.
    eps = 1e-12
    squares = ((input1 * input1).sum(-1) + eps) * ((input2 * input2).sum(-1) + eps)
    cosine = (input1 * input2).sum(-1) / squares.sqrt()
    loss = where(target == 1, 1.0 - cosine, 0.0) + where(target == -1, (cosine - margin).clamp(min=0), 0.0)
    return reduced(loss, reduction)


@composite(r"\tfrac1N \sum_i \max(0,\, \|a_i - p_i\| - \|a_i - n_i\| + m)")
@in_single
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The anchor should be nearer to the positive than to the negative, by the margin.  All [N, D] or [D] -> scalar.

    swap=True measures the negative from the anchor or from the positive, whichever is nearer (Balntas et al. 2016).
    Raises ArgumentError unless the margin is positive, ShapeError when the shapes do not broadcast.
    """
    op = "triplet_margin_loss"
    reduction = reduction_name(op, reduction, size_average, reduce)
    distance = partial(pairwise_distance, p=p, eps=eps)
    return reduced(_triplets(op, anchor, positive, negative, distance, margin, swap), reduction)


@composite(r"\tfrac1N \sum_i \max(0,\, d(a_i, p_i) - d(a_i, n_i) + m)")
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """triplet_margin_loss with a distance of your own, a function of two batches; pairwise_distance if it is None.

    Raises ArgumentError unless the margin is positive, ShapeError where the numbers of dimensions differ.
    """
    op = "triplet_margin_with_distance_loss"
    reduction = reduction_name(op, reduction)
    distance = pairwise_distance if distance_function is None else distance_function
    return reduced(_triplets(op, anchor, positive, negative, distance, margin, swap), reduction)


def _triplets(
    op: str,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
) -> Tensor:
    """The loss of each triplet."""
    is_tensor(op, anchor=anchor, positive=positive, negative=negative)
    if margin <= 0:
        raise ArgumentError(f"{op}: margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            f"{op}: anchor {show(anchor)}, positive {show(positive)} and negative {show(negative)} must have the same "
            "number of dimensions; use squeeze or unsqueeze"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return (near - far + margin).clamp_min(0)
