"""PyTorch's functions that are no methods of Tensor, in one place: those that create tensors and those that join them."""

from cutaway.core.creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    logspace,
    normal,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    tensor,
    zeros,
    zeros_like,
)  # fmt: skip
from cutaway.core.derived import cat, einsum, hstack, meshgrid, stack, vstack, where

__all__ = [
    "arange", "as_tensor", "cat", "einsum", "empty", "empty_like", "eye", "from_numpy", "full", "full_like", "hstack",
    "linspace", "logspace", "meshgrid", "normal", "ones", "ones_like", "rand", "rand_like", "randint", "randint_like",
    "randn", "randn_like", "randperm", "stack", "tensor", "vstack", "where", "zeros", "zeros_like",
]  # fmt: skip
