"""Spectral normalisation by hooks: a weight divided by its largest singular value (Miyato et al. 2018, arXiv 1802.05957).

`nn.utils.parametrizations.spectral_norm` does the same without hooks.
"""

from __future__ import annotations

from typing import Any, TypeVar

from cutaway.core.autograd import no_grad
from cutaway.core.errors import ArgumentError
from cutaway.core.functions import randn
from cutaway.core.refusal import guarded
from cutaway.core.tensor import Tensor
from cutaway.functional import normalize
from cutaway.nn.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from cutaway.nn.module import Module
from cutaway.nn.parameter import Parameter
from cutaway.nn.utils.weight_norm import found, refuse_twice, taken

M = TypeVar("M", bound=Module)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """weight with `dim` in front and the others in one: [rows, columns]."""
    if dim:
        weight = weight.permute(dim, *[d for d in range(weight.ndim) if d != dim])
    return weight.reshape(weight.shape[0], -1)


def output_dim(module: Module, dim: int | None) -> int:
    """The dimension that counts a layer's outputs, if none is given."""
    if dim is not None:
        return dim
    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0


@no_grad()
def power_iterations(matrix: Tensor, first: Tensor, second: Tensor, count: int, eps: float) -> None:
    """Turn first[rows] and second[columns], in place, towards the singular vectors of the largest singular value."""
    for _ in range(count):
        first.copy_(normalize(matrix.mv(second), dim=0, eps=eps))
        second.copy_(normalize(matrix.t().mv(first), dim=0, eps=eps))


class SpectralNorm:
    """The hook that makes module.weight of module.weight_orig before each call."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise ArgumentError(f"spectral_norm: n_power_iterations must be positive, got {n_power_iterations}")
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute_weight(self, module: Module, train: bool) -> Tensor:
        """W / (u W v); in training u and v take a step before."""
        weight, u, v = (getattr(module, self.name + part) for part in ("_orig", "_u", "_v"))
        matrix = as_matrix(weight, self.dim)
        if train:
            power_iterations(matrix.detach().t(), v, u, self.n_power_iterations, self.eps)
            u, v = u.clone(), v.clone()  # the next step overwrites them before this one's gradient
        sigma: Tensor = u.dot(matrix.mv(v))
        quotient: Tensor = weight / sigma
        return quotient

    def __call__(self, module: Module, inputs: Any) -> None:
        """Make the weight anew."""
        setattr(module, self.name, self.compute_weight(module, module.training))


@guarded
def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """`module` with its parameter `name` divided by its largest singular value, found by power iteration; the module.

    The parameter is kept as name_orig, the singular vectors as buffers name_u and name_v; dim counts the outputs (0, in
    transposed convolutions 1).  Raises ArgumentError if the parameter is normalised already or is none.
    """
    norm = SpectralNorm(name, n_power_iterations, output_dim(module, dim), eps)
    refuse_twice(module, name, SpectralNorm, "spectral_norm")
    weight = taken(module, name, "spectral_norm")
    rows, columns = as_matrix(weight, norm.dim).shape
    u = normalize(randn(rows, dtype=weight.dtype), dim=0, eps=eps)
    v = normalize(randn(columns, dtype=weight.dtype), dim=0, eps=eps)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(norm)
    return module


@guarded
def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """`module` with a plain parameter `name` again.  Raises ArgumentError if it is not normalised."""
    norm = found(module, name, SpectralNorm, "remove_spectral_norm")
    with no_grad():
        weight = norm.compute_weight(module, False)
    for part in ("", "_u", "_v", "_orig"):
        delattr(module, name + part)
    setattr(module, name, Parameter(weight.detach()))
    return module
