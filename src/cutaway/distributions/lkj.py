"""The distribution of correlation matrices of Lewandowski, Kurowicka and Joe (2009), of their Cholesky factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.creation import randn
from cutaway.core.derived import where
from cutaway.core.errors import ArgumentError
from cutaway.core.functions import arange
from cutaway.core.limits import finfo
from cutaway.core.tensor import Tensor
from cutaway.distributions.constraints import corr_cholesky
from cutaway.distributions.dirichlet import Beta
from cutaway.distributions.distribution import POSITIVE, Distribution, parameter


class LKJCholesky(Distribution):
    """Factors L[.., D, D] of correlations L L', of a density proportional to det(L L')^(concentration - 1).

    Raises ArgumentError unless dim >= 2 and concentration > 0.
    """

    arg_constraints = {"concentration": POSITIVE}
    support = corr_cholesky  # type: ignore[assignment]

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ArgumentError(f"LKJCholesky: dim must be 2 or more, got {dim}")
        self.dim, self.concentration = dim, parameter(concentration, "LKJCholesky")
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Row by row a direction and a length: the onion method of the paper, section 3.2."""
        with no_grad():
            c = self.concentration.detach()
            before = (arange(self.dim, dtype=c.dtype) - 1).clamp(min=0)
            rest = (c + 0.5 * (self.dim - 2)).unsqueeze(-1) - 0.5 * before
            length = Beta(before + 0.5, rest).sample(sample_shape).unsqueeze(-1)
            e = randn(self._extended(sample_shape), dtype=c.dtype).tril(-1)
            norm = e.norm(dim=-1, keepdim=True)
            w = length.sqrt() * where(norm == 0, 0.0, e / where(norm == 0, 1.0, norm))
            return w + (1 - (w**2).sum(-1)).clamp(min=finfo(w.dtype).tiny).sqrt().diag_embed()  # type: ignore[no-any-return]

    def log_prob(self, value: Tensor) -> Tensor:
        """sum (2 (concentration - 1) + D - i) log L_ii, i = 2 .. D, and the norm (page 1999 of the paper)."""
        x, n = self._checked(value), self.dim - 1
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - arange(2, self.dim + 1)
        alpha = self.concentration + 0.5 * n
        norm = 0.5 * n * math.log(math.pi) + (alpha - 0.5).mvlgamma(n) - alpha.lgamma() * n
        return (order * x.diagonal(0, -1, -2)[..., 1:].log()).sum(-1) - norm

    def expand(self, batch_shape: Sequence[int]) -> LKJCholesky:
        """The same distributions in a larger batch."""
        return LKJCholesky(self.dim, self.concentration.expand(tuple(batch_shape)), validate_args=False)
