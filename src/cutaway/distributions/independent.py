"""Several distributions of a batch taken as one of vectors."""

from __future__ import annotations

from collections.abc import Sequence

from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.distributions.constraints import independent
from cutaway.distributions.distribution import Check, Distribution


class Independent(Distribution):
    """The last `reinterpreted_batch_ndims` dimensions of base's batch become dimensions of one draw.

    log_prob and entropy are summed over them: Independent(Normal(loc[N, D], scale[N, D]), 1) is a batch of N vectors.
    Raises ArgumentError where the batch has fewer dimensions.
    """

    def __init__(
        self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None
    ) -> None:
        n, batch = reinterpreted_batch_ndims, tuple(base_distribution.batch_shape)
        if n > len(batch):
            raise ArgumentError(
                f"Independent: reinterpreted_batch_ndims={n}, but the batch {list(batch)} has {len(batch)} dimensions"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        cut = len(batch) - n
        super().__init__(batch[:cut], (*batch[cut:], *base_distribution.event_shape), validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Check:
        """As the base, of all elements."""
        return independent(self.base_dist.support, self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> Tensor:
        """That of the base."""
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        """That of the base."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """That of the base."""
        return self.base_dist.variance

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of the base."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of the base, with history."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum over the dimensions that were taken together."""
        return sum_last(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        """The sum over the dimensions that were taken together."""
        return sum_last(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Raises NotWritten: there are too many."""
        if self.reinterpreted_batch_ndims:
            raise self._missing("enumerate_support")
        return self.base_dist.enumerate_support(expand)

    def expand(self, batch_shape: Sequence[int]) -> Independent:
        """The same distributions in a larger batch."""
        n = self.reinterpreted_batch_ndims
        inner = (*batch_shape, *self.event_shape[:n])
        return Independent(self.base_dist.expand(inner), n, validate_args=False)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


def sum_last(x: Tensor, n: int) -> Tensor:
    """The sum over the last n dimensions."""
    return x.sum(tuple(range(-n, 0))) if n else x
