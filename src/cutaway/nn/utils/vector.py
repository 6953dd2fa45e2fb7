"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentTypeError, ShapeError
from cutaway.core.functions import cat
from cutaway.core.refusal import guarded
from cutaway.core.tensor import Tensor


@guarded
def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters, in order, as one vector [P]; gradients flow through.  Raises ShapeError."""
    flat = [p.reshape(-1) for p in parameters]
    if not flat:
        raise ShapeError("parameters_to_vector: no parameters were given; a generator can be used only once")
    return cat(flat)


@guarded
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Set the values of the parameters, in order, from a vector [P].

    Raises ShapeError unless the vector holds exactly as many elements, ArgumentTypeError for what is no Tensor.
    """
    if not isinstance(vec, Tensor):
        raise ArgumentTypeError(f"vector_to_parameters: expected a Tensor, got {type(vec).__name__}")
    found = list(parameters)
    count = sum(p.numel() for p in found)
    if vec.ndim != 1 or vec.numel() != count:
        raise ShapeError(f"vector_to_parameters: the parameters hold {count} elements, got {show(vec)}")
    at = 0
    for p in found:
        p.data = vec[at : at + p.numel()].detach().reshape(p.shape).clone()
        at += p.numel()
