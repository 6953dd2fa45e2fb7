"""Parametrizations: orthogonal weights, weight and spectral normalisation."""

from __future__ import annotations

from typing import TypeVar

from cutaway.core.errors import ArgumentError
from cutaway.core.functions import randn
from cutaway.core.tensor import Tensor
from cutaway.functional import normalize
from cutaway.nn.module import Module
from cutaway.nn.utils import parametrize
from cutaway.nn.utils.orthogonal import orthogonal
from cutaway.nn.utils.spectral_norm import as_matrix, output_dim, power_iterations
from cutaway.nn.utils.weight_norm import length

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / length(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Lengths and directions."""
        return length(weight, self.dim), weight


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """module.<name> as length times direction (Salimans & Kingma 2016, arXiv 1602.07868), a length for each index of `dim`.

    The parameters are module.parametrizations.<name>.original0 and original1.  Raises ArgumentError for an unknown name.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    return module


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if n_power_iterations <= 0:
            raise ArgumentError(f"spectral_norm: n_power_iterations must be positive, got {n_power_iterations}")
        self.dim, self.eps, self.n_power_iterations = dim, eps, n_power_iterations
        if weight.ndim > 1:
            matrix = as_matrix(weight.detach(), dim)
            rows, columns = matrix.shape
            self.register_buffer("_u", normalize(randn(rows, dtype=weight.dtype), dim=0, eps=eps))
            self.register_buffer("_v", normalize(randn(columns, dtype=weight.dtype), dim=0, eps=eps))
            power_iterations(matrix, self._u, self._v, 15, eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            power_iterations(matrix.detach(), self._u, self._v, self.n_power_iterations, self.eps)
        u, v = self._u.clone(), self._v.clone()
        quotient: Tensor = weight / u.dot(matrix.mv(v))
        return quotient

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself: it has the largest singular value 1 or is given one."""
        return value


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """module.<name> over its largest singular value (Miyato et al. 2018, arXiv 1802.05957), found by power iteration.

    Each reading of it in training takes n_power_iterations steps.  Raises ArgumentError for an unknown name.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ArgumentError(f"spectral_norm: {type(module).__name__} has no parameter or buffer {name!r}")
    made = _SpectralNorm(weight, n_power_iterations, output_dim(module, dim), eps)
    parametrize.register_parametrization(module, name, made)
    return module
