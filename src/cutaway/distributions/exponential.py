"""The exponential and the Laplace distribution: waiting times, and their two-sided twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.creation import empty, rand, zeros_like
from cutaway.core.op import STAGE
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import EPSILON
from cutaway.distributions.constraints import nonnegative
from cutaway.distributions.distribution import POSITIVE, REAL, Distribution, both, parameter
from cutaway.distributions.exponential_family import ExponentialFamily


class Exponential(ExponentialFamily):
    """Density rate exp(-rate x) for x >= 0.  rate: a number or a Tensor.  Raises ArgumentError unless rate > 0."""

    arg_constraints = {"rate": POSITIVE}
    support = nonnegative  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self.rate = parameter(rate, "Exponential")
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """1 / rate."""
        return self.rate.reciprocal()

    stddev = mean

    @property
    def mode(self) -> Tensor:
        """0."""
        return zeros_like(self.rate)  # type: ignore[no-any-return]

    @property
    def variance(self) -> Tensor:
        """1 / rate^2."""
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """e / rate, where e is exponential with rate 1."""
        shape = self._extended(sample_shape)
        if STAGE.get() is not None:
            return -(-rand(shape, dtype=self.rate.dtype)).log1p() / self.rate
        noise: Tensor = empty(shape, dtype=self.rate.dtype).exponential_()
        return noise / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """log rate - rate x."""
        return self.rate.log() - self.rate * self._checked(value)

    def cdf(self, value: Tensor) -> Tensor:
        """1 - exp(-rate x)."""
        return 1 - (-self.rate * self._checked(value)).exp()

    def icdf(self, value: Tensor) -> Tensor:
        """-log(1 - p) / rate."""
        return -(-value).log1p() / self.rate

    def entropy(self) -> Tensor:
        """1 - log rate."""
        return 1.0 - self.rate.log()

    _mean_carrier_measure = 0

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (-self.rate,)

    def _log_normalizer(self, *natural: Tensor) -> Tensor:
        return -(-natural[0]).log()

    def expand(self, batch_shape: Sequence[int]) -> Exponential:
        """The same distributions in a larger batch."""
        return Exponential(self.rate.expand(tuple(batch_shape)), validate_args=False)


class Laplace(Distribution):
    """Density exp(-|x - loc| / scale) / (2 scale).  loc, scale: numbers or Tensors that broadcast.

    Raises ArgumentError unless scale > 0.
    """

    arg_constraints = {"loc": REAL, "scale": POSITIVE}
    support = REAL  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = both("Laplace", loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        """2 scale^2."""
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Tensor:
        """sqrt(2) scale."""
        return 2**0.5 * self.scale

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc - scale sign(u) log(1 - |u|), where u is uniform from -1 to 1."""
        shape, kind = self._extended(sample_shape), self.loc.dtype
        low = EPSILON[kind.name] - 1
        if STAGE.get() is None:
            u: Tensor = empty(shape, dtype=kind).uniform_(low, 1)
        else:
            u = rand(shape, dtype=kind) * (1 - low) + low
        return self.loc - self.scale * u.sign() * (-u.abs()).log1p()

    def log_prob(self, value: Tensor) -> Tensor:
        """-|x - loc| / scale - log(2 scale)."""
        return -(2 * self.scale).log() - (self._checked(value) - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """1/2 - sign(x - loc) (exp(-|x - loc| / scale) - 1) / 2."""
        d = self._checked(value) - self.loc
        return 0.5 - 0.5 * d.sign() * (-d.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        """loc - scale sign(p - 1/2) log(1 - 2 |p - 1/2|)."""
        d = value - 0.5
        return self.loc - self.scale * d.sign() * (-2 * d.abs()).log1p()

    def entropy(self) -> Tensor:
        """1 + log(2 scale)."""
        return 1 + (2 * self.scale).log()

    def expand(self, batch_shape: Sequence[int]) -> Laplace:
        """The same distributions in a larger batch."""
        return Laplace(self.loc.expand(tuple(batch_shape)), self.scale.expand(tuple(batch_shape)), validate_args=False)
