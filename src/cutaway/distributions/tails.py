"""Distributions of one real number made of normal and gamma numbers: Student's t, Cauchy, chi squared, Fisher's F."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.aval import broadcast_shapes
from cutaway.core.creation import randn
from cutaway.core.derived import where
from cutaway.core.functions import empty
from cutaway.core.limits import finfo
from cutaway.core.tensor import Tensor
from cutaway.distributions.distribution import POSITIVE, REAL, Distribution, both, parameter
from cutaway.distributions.gamma import Gamma


class Chi2(Gamma):
    """The sum of the squares of `df` standard normal numbers: Gamma(df / 2, 1 / 2)."""

    arg_constraints = {"df": POSITIVE}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        d = parameter(df, "Chi2")
        super().__init__(d * 0.5, 0.5, validate_args)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self.concentration * 2

    def expand(self, batch_shape: Sequence[int]) -> Chi2:
        """The same distributions in a larger batch."""
        return Chi2(self.df.expand(tuple(batch_shape)), validate_args=False)


class StudentT(Distribution):
    """Density proportional to (1 + y^2 / df)^(-(df + 1) / 2), y = (x - loc) / scale.

    Raises ArgumentError unless df and scale are above 0.
    """

    arg_constraints = {"df": POSITIVE, "loc": REAL, "scale": POSITIVE}
    support = REAL  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        given = [parameter(p, "StudentT") for p in (df, loc, scale)]
        shape = broadcast_shapes(*(tuple(p.shape) for p in given), op="StudentT")
        self.df, self.loc, self.scale = (p.expand(shape) for p in given)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """loc; NaN for df <= 1."""
        return where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale^2 df / (df - 2); infinite for df <= 2, NaN for df <= 1."""
        d = self.df
        finite = self.scale.pow(2) * d / where(d > 2, d - 2, 1.0)
        return where(d > 2, finite, where(d > 1, math.inf, math.nan))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + scale e sqrt(df / z): e normal, z of the chi squared distribution."""
        shape = self._extended(sample_shape)
        e = randn(shape, dtype=self.df.dtype)
        z = Chi2(self.df, validate_args=False).rsample(sample_shape)
        return self.loc + self.scale * (e * (z / self.df).rsqrt())  # type: ignore[no-any-return]

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        y, d = (self._checked(value) - self.loc) / self.scale, self.df
        norm = self.scale.log() + 0.5 * d.log() + 0.5 * math.log(math.pi) + (0.5 * d).lgamma() - (0.5 * (d + 1.0)).lgamma()
        return -0.5 * (d + 1.0) * (y**2.0 / d).log1p() - norm

    def entropy(self) -> Tensor:
        """In closed form."""
        d = self.df
        log_beta = (0.5 * d).lgamma() + math.lgamma(0.5) - (0.5 * (d + 1)).lgamma()
        slopes = (0.5 * (d + 1)).digamma() - (0.5 * d).digamma()
        return self.scale.log() + 0.5 * (d + 1) * slopes + 0.5 * d.log() + log_beta

    def expand(self, batch_shape: Sequence[int]) -> StudentT:
        """The same distributions in a larger batch."""
        s = tuple(batch_shape)
        return StudentT(self.df.expand(s), self.loc.expand(s), self.scale.expand(s), validate_args=False)


class Cauchy(Distribution):
    """Density 1 / (pi scale (1 + y^2)), y = (x - loc) / scale.  Raises ArgumentError unless scale > 0."""

    arg_constraints = {"loc": REAL, "scale": POSITIVE}
    support = REAL  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = both("Cauchy", loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """NaN: there is none."""
        return self.loc * math.nan

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Infinite."""
        return self.loc * 0 + math.inf

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + scale tan(pi (u - 1/2))."""
        y = empty(self._extended(sample_shape), dtype=self.loc.dtype).cauchy_()
        return self.loc + y * self.scale  # type: ignore[no-any-return]

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        y = (self._checked(value) - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - (y**2).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        """atan(y) / pi + 1/2."""
        return ((self._checked(value) - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale tan(pi (p - 1/2))."""
        return (math.pi * (value - 0.5)).tan() * self.scale + self.loc

    def entropy(self) -> Tensor:
        """log(4 pi scale)."""
        return math.log(4 * math.pi) + self.scale.log()

    def expand(self, batch_shape: Sequence[int]) -> Cauchy:
        """The same distributions in a larger batch."""
        return Cauchy(self.loc.expand(tuple(batch_shape)), self.scale.expand(tuple(batch_shape)), validate_args=False)


class FisherSnedecor(Distribution):
    """F(df1, df2): the ratio of two chi squared numbers, each divided by its degrees.  Raises ArgumentError."""

    arg_constraints = {"df1": POSITIVE, "df2": POSITIVE}
    support = POSITIVE  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = both("FisherSnedecor", df1, df2)
        super().__init__(self.df1.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """df2 / (df2 - 2); NaN for df2 <= 2."""
        n = where(self.df2 <= 2, math.nan, self.df2)
        return n / (n - 2)

    @property
    def mode(self) -> Tensor:
        """(df1 - 2) / df1 df2 / (df2 + 2); NaN for df1 <= 2."""
        return where(self.df1 <= 2, math.nan, (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2))

    @property
    def variance(self) -> Tensor:
        """2 df2^2 (df1 + df2 - 2) / (df1 (df2 - 2)^2 (df2 - 4)); NaN for df2 <= 4."""
        m, n = self.df1, where(self.df2 <= 4, math.nan, self.df2)
        return 2 * n.pow(2) * (m + n - 2) / (m * (n - 2).pow(2) * (n - 4))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """One gamma number divided by another."""
        tiny = finfo(self.df1.dtype).tiny
        above, under = (Gamma(d * 0.5, d, validate_args=False).rsample(sample_shape) for d in (self.df1, self.df2))
        return (above / under.clamp(min=tiny)).clamp(min=tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        x, a, b, ratio = self._checked(value), self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        norm = (a + b).lgamma() - a.lgamma() - b.lgamma()
        return norm + (a * ratio.log() + (a - 1) * x.log()) - (a + b) * (ratio * x).log1p()

    def expand(self, batch_shape: Sequence[int]) -> FisherSnedecor:
        """The same distributions in a larger batch."""
        return FisherSnedecor(self.df1.expand(tuple(batch_shape)), self.df2.expand(tuple(batch_shape)), False)
