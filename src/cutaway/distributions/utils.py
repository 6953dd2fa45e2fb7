"""PyTorch's `torch.distributions.utils`: what distributions of users' own are written with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cutaway.core.aval import broadcast_shapes
from cutaway.core.derived import stack
from cutaway.core.errors import ArgumentError
from cutaway.core.limits import finfo
from cutaway.core.tensor import Tensor
from cutaway.distributions.distribution import computed_once, expanded, parameter
from cutaway.distributions.vector_transforms import below, flat_below

euler_constant = 0.57721566490153286060
lazy_property: Callable[[Callable[[Any], Any]], Any] = computed_once


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors and numbers as tensors of one shape; numbers take the dtype of the first tensor.

    Raises ArgumentError for anything else, ShapeError for shapes that do not broadcast.
    """
    if not all(isinstance(v, (Tensor, int, float)) for v in values):
        raise ArgumentError("Input arguments must all be instances of Number, torch.Tensor or objects implementing them")
    like = next((v for v in values if isinstance(v, Tensor)), None)
    made = [v if isinstance(v, Tensor) or like is None else like.new_tensor(v) for v in values]
    given = [parameter(v, "broadcast_all") for v in made]
    shape = broadcast_shapes(*(tuple(v.shape) for v in given), op="broadcast_all")
    return tuple(expanded(v, shape) for v in given)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities, a rounding away from 0 and 1."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """softmax over the last dimension; of two classes, one of which is 0, the sigmoid."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """log p; of two classes log(p / (1 - p))."""
    p = clamp_probs(probs)
    return p.log() - (-p).log1p() if is_binary else p.log()


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Vectors of the numbers on and below a diagonal, row by row, as lower triangles [.., D, D].  Raises ArgumentError."""
    n = vec.shape[-1]
    d = (-(1 + 2 * diag) + math.sqrt((1 + 2 * diag) ** 2 + 8 * n + 4 * abs(diag) * (diag + 1))) / 2
    if round(d) - d > finfo(vec.dtype).eps:
        raise ArgumentError(f"The size of last dimension is {n}, which is no lower triangular part of a square matrix")
    if diag == -1:
        return below(vec)
    size, rows, at = round(d), [], 0
    for i in range(size):
        wide = min(max(i + 1 + diag, 0), size)
        part = vec[..., at : at + wide]
        rows.append(part.new_zeros((*vec.shape[:-1], size)) if not wide else _padded(part, size))
        at += wide
    return stack(rows, -2)


def _padded(x: Tensor, size: int) -> Tensor:
    from cutaway.functional import pad

    return pad(x, [0, size - x.shape[-1]])


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The numbers on and below a diagonal, row by row.  Raises ArgumentError for a diagonal outside."""
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ArgumentError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    return flat_below(mat, diag)
