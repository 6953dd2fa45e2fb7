"""Wishart's distribution of covariance matrices: sums of products x x' of normal vectors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from cutaway.core.aval import broadcast_shapes
from cutaway.core.creation import eye, randn, tensor
from cutaway.core.derived import where
from cutaway.core.errors import ArgumentError, AssertedError
from cutaway.core.functions import arange
from cutaway.core.limits import finfo
from cutaway.core.tensor import Tensor
from cutaway.core.topics.factors import cholesky_solve, solve_triangular
from cutaway.core.topics.linear import cholesky, slogdet
from cutaway.distributions.constraints import greater_than, lower_cholesky, positive_definite
from cutaway.distributions.exponential_family import ExponentialFamily
from cutaway.distributions.multivariate_normal import log_det
from cutaway.distributions.tails import Chi2
from cutaway.distributions.vector_transforms import below

LOG_2 = math.log(2)


class Wishart(ExponentialFamily):
    """df (a number or [..], above D - 1) and one of covariance_matrix, precision_matrix, scale_tril, [.., D, D].

    Raises AssertedError unless exactly one is given, ArgumentError for a df that is too small or a matrix that is none.
    """

    support = positive_definite  # type: ignore[assignment]
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> Any:  # type: ignore[override]
        """What must hold of the parameters; of df by the size of the matrices."""
        return {
            "covariance_matrix": positive_definite,
            "precision_matrix": positive_definite,
            "scale_tril": lower_cholesky,
            "df": greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        all_three = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, m) for name, m in all_three.items() if m is not None]
        if len(given) != 1:
            raise AssertedError("Wishart: give exactly one of covariance_matrix, precision_matrix and scale_tril")
        name, matrix = given[0]
        self._name = name
        if matrix.ndim < 2:
            raise ArgumentError(f"Wishart: {name} must be [.., D, D], got {list(matrix.shape)}")
        n = matrix.shape[-1]
        degrees = df if isinstance(df, Tensor) else tensor(df, dtype=matrix.dtype)
        batch = broadcast_shapes(tuple(matrix.shape[:-2]), tuple(degrees.shape), op="Wishart")
        self.df = degrees.expand(batch) if isinstance(df, Tensor) else degrees
        if bool((self.df <= n - 1).any()):
            raise ArgumentError(f"Wishart: df must be above {n - 1} for matrices of {n}, got {self.df.min().item()}")
        if bool((self.df < n).any()):
            warnings.warn(f"Wishart: with df between {n - 1} and {n} draws are likely to be singular", stacklevel=2)
        self.__dict__[name] = matrix.expand((*batch, n, n))
        super().__init__(batch, matrix.shape[-2:], validate_args)
        if name == "scale_tril":
            self._factor = matrix
        elif name == "covariance_matrix":
            self._factor = cholesky(matrix)
        else:
            backwards = cholesky(matrix.flip((-2, -1))).flip((-2, -1)).transpose(-2, -1)
            self._factor = solve_triangular(backwards, eye(n, dtype=matrix.dtype), upper=False)

    @cached_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the scale matrix."""
        return self._factor.expand((*self.batch_shape, *self.event_shape))

    @cached_property
    def covariance_matrix(self) -> Tensor:
        """The scale matrix, L L'."""
        return (self._factor @ self._factor.transpose(-2, -1)).expand((*self.batch_shape, *self.event_shape))

    @cached_property
    def precision_matrix(self) -> Tensor:
        """Its inverse."""
        one = eye(self.event_shape[-1], dtype=self._factor.dtype)
        return cholesky_solve(one, self._factor).expand((*self.batch_shape, *self.event_shape))  # type: ignore[no-any-return]

    def _df(self) -> Tensor:
        return self.df.expand(self.batch_shape)[..., None, None]

    @property
    def mean(self) -> Tensor:
        """df V, V the scale matrix."""
        return self._df() * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """(df - D - 1) V; NaN where that is not positive."""
        rest = self._df() - self.event_shape[-1] - 1
        return where(rest <= 0, math.nan, rest) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        """df (V_ij^2 + V_ii V_jj)."""
        v = self.covariance_matrix
        d = v.diagonal(0, -2, -1)
        return self._df() * (v.pow(2) + d.unsqueeze(-1) * d.unsqueeze(-2))

    def rsample(self, sample_shape: Sequence[int] = (), max_try_correction: int | None = None) -> Tensor:
        """L A A' L', A lower with roots of chi squared numbers on the diagonal (Bartlett's decomposition).

        PyTorch draws anew, up to ten times, where a draw is flagged; its flag is that of the *good* ones in the first round,
        so the numbers of one seed are those of a second draw.
        """
        x = self._drawn(sample_shape)
        bad = self._flagged(x)
        if bool(bad.any()):
            warnings.warn("Singular sample detected.", stacklevel=2)
            for _ in range(10 if max_try_correction is None else max_try_correction):
                fresh = self._drawn(tuple(bad[bad].shape))
                x = x.index_put((bad,), fresh)
                again = ~self.support.check(fresh)
                if self.batch_shape:
                    again = again.amax(tuple(range(-len(self.batch_shape), 0)))
                bad = bad.index_put((bad.clone(),), again)
                if not bool(bad.any()):
                    break
        return x

    def _flagged(self, x: Tensor) -> Tensor:
        good = self.support.check(x.detach())
        return good.amax(tuple(range(-len(self.batch_shape), 0))) if self.batch_shape else good

    def _drawn(self, sample_shape: Sequence[int]) -> Tensor:
        n = self.event_shape[-1]
        degrees = self.df.unsqueeze(-1) - arange(n, dtype=self._factor.dtype).expand((*self.batch_shape, n))
        roots = Chi2(degrees, validate_args=False).rsample(sample_shape).sqrt().clamp(min=finfo(self._factor.dtype).eps)
        e = randn((*sample_shape, *self.batch_shape, n * (n - 1) // 2), dtype=roots.dtype)
        a = self._factor @ (roots.diag_embed() + below(e))
        return a @ a.transpose(-2, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        x, df, n = self._checked(value), self.df, self.event_shape[-1]
        spread = cholesky_solve(x, self._factor).diagonal(0, -2, -1).sum(-1)
        norm = df * (n * LOG_2 / 2 + log_det(self._factor)) + (df / 2).mvlgamma(n)
        return (df - n - 1) / 2 * slogdet(x)[1] - spread / 2 - norm  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        """In closed form."""
        df, n = self.df, self.event_shape[-1]
        slopes = ((df / 2).unsqueeze(-1) - arange(n, dtype=df.dtype) / 2).digamma().sum(-1)
        norm = (n + 1) * (n * LOG_2 / 2 + log_det(self._factor)) + (df / 2).mvlgamma(n)
        return norm - (df - n - 1) / 2 * slopes + df * n / 2  # type: ignore[no-any-return]

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return -self.precision_matrix / 2, (self.df - self.event_shape[-1] - 1) / 2

    def _log_normalizer(self, *natural: Tensor) -> Tensor:
        (x, y), n = natural, self.event_shape[-1]
        half = y + (n + 1) / 2
        return half * (-slogdet(-2 * x)[1] + LOG_2 * n) + half.mvlgamma(n)  # type: ignore[no-any-return]

    def expand(self, batch_shape: Sequence[int]) -> Wishart:
        """The same distributions in a larger batch."""
        matrix = {self._name: getattr(self, self._name).expand((*batch_shape, *self.event_shape))}
        return Wishart(self.df.expand(tuple(batch_shape)), **matrix, validate_args=False)
