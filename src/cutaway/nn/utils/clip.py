"""Gradient clipping: a step must not be larger than the region in which the slope can be trusted."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from cutaway.core.autograd import no_grad
from cutaway.core.dtypes import is_narrow
from cutaway.core.errors import ArgumentError, ArgumentTypeError, GradError, TraceError
from cutaway.core.functions import stack, tensor
from cutaway.core.op import STAGE
from cutaway.core.refusal import guarded
from cutaway.core.tensor import Tensor

Tensors = Tensor | Iterable[Tensor]


def _listed(op: str, tensors: Tensors) -> list[Tensor]:
    found = _tensors(op, tensors)
    if not found:
        warnings.warn(f"{op}: no parameters were given; a generator can be used only once", stacklevel=3)
    return found


def _tensors(op: str, tensors: Tensors) -> list[Tensor]:
    found = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for t in found:
        if not isinstance(t, Tensor):
            raise ArgumentTypeError(f"{op}: expected Tensors, got {type(t).__name__} among them; pass model.parameters()")
    return found


@guarded
def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm_type-norm of all elements of all tensors together, as a 0-d tensor.  math.inf is the largest magnitude.

    Raises ArgumentError for a norm_type that is not positive, GradError for an infinite or NaN norm when asked to.
    """
    found = _tensors("get_total_norm", tensors)
    norm_type = float(norm_type)
    if not norm_type > 0:
        raise ArgumentError(f"get_total_norm: norm_type must be positive or math.inf, got {norm_type}")
    if not found:
        return tensor(0.0)
    if STAGE.get() is not None:
        return _staged_norm(found, norm_type, error_if_nonfinite)
    norms = []
    for t in found:
        x = t._data.reshape(-1)
        x = np.abs(x) if x.dtype.kind == "c" else x.astype(np.float32) if is_narrow(x.dtype) else x
        if norm_type == 2.0:
            norms.append(math.sqrt(np.dot(x, x)))
        else:
            norms.append(float(np.linalg.norm(x, norm_type)) if x.size else 0.0)
    total = float(np.linalg.norm(np.array(norms), norm_type))
    if error_if_nonfinite and not math.isfinite(total):
        raise GradError(
            f"clip_grad_norm_: the total norm of the gradients is {total}; look for the first non-finite loss, "
            "lower the learning rate, or pass error_if_nonfinite=False to scale all the same"
        )
    return tensor(total, dtype=found[0].dtype.to_real())


def _staged_norm(found: list[Tensor], norm_type: float, error_if_nonfinite: bool) -> Tensor:
    """The same in Tensor operations, for a compiled step.  Raises TraceError if its value is to be looked at."""
    if error_if_nonfinite:
        raise TraceError(
            "get_total_norm: error_if_nonfinite looks at a value, which a compiled step does not know; leave it out"
        )
    wide = [t.float() if t.element_size() < 4 else t for t in found]
    if math.isinf(norm_type):
        total = stack([t.abs().max() for t in wide if t.numel()]).max()
    elif norm_type == 2.0:
        total = stack([(t * t).sum() for t in wide]).sum().sqrt()
    else:
        total = stack([t.abs().pow(norm_type).sum() for t in wide]).sum().pow(1 / norm_type)
    return total.to(found[0].dtype)


@guarded
@no_grad()
def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients in place by max_norm / total_norm where that is below 1."""
    grads = [p.grad for p in _listed("clip_grads_with_norm_", parameters) if p.grad is not None]
    factor: Any
    if STAGE.get() is not None:
        factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    else:
        factor = min(1.0, float(max_norm) / (float(total_norm) + 1e-6))
        if math.isnan(float(total_norm)):
            factor = math.nan
    for g in grads:
        g.mul_(factor)


@guarded
@no_grad()
def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients together so that their norm is at most max_norm; returns the norm that they had.

    The direction stays (Pascanu et al. 2013, arXiv 1211.5063, algorithm 1).  Gradients are changed in place.
    Raises GradError for a norm that is infinite or NaN with error_if_nonfinite=True, ArgumentError for a bad norm_type.
    """
    if not float(max_norm) >= 0:
        raise ArgumentError(f"clip_grad_norm_: max_norm must be 0 or more, got {max_norm}; below 0 gradients turn round")
    found = _listed("clip_grad_norm_", parameters)
    total = get_total_norm([p.grad for p in found if p.grad is not None], norm_type, error_if_nonfinite)
    clip_grads_with_norm_(found, max_norm, total)
    return total


@guarded
@no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Hold every element of every gradient between -clip_value and clip_value, in place."""
    clip_value = float(clip_value)
    if not clip_value >= 0:
        raise ArgumentError(f"clip_grad_value_: clip_value must be 0 or more, got {clip_value}")
    for p in _listed("clip_grad_value_", parameters):
        if p.grad is not None:
            p.grad.clamp_(-clip_value, clip_value)


def clip_grad_norm(*args: Any, **kwargs: Any) -> Any:
    """The old name of clip_grad_norm_."""
    warnings.warn("nn.utils.clip_grad_norm is the old name of nn.utils.clip_grad_norm_", FutureWarning, stacklevel=2)
    return clip_grad_norm_(*args, **kwargs)
