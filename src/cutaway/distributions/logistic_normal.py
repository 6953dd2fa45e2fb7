"""The logistic normal distribution: normal vectors put onto the simplex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.tensor import Tensor
from cutaway.distributions.constraints import simplex
from cutaway.distributions.distribution import POSITIVE, REAL
from cutaway.distributions.normal import Normal
from cutaway.distributions.transformed import TransformedDistribution
from cutaway.distributions.vector_transforms import StickBreakingTransform


class LogisticNormal(TransformedDistribution):
    """Vectors of K + 1 numbers that sum to 1, by sticks broken at normal numbers loc[.., K], scale[.., K].

    Raises ArgumentError unless scale > 0.
    """

    arg_constraints = {"loc": REAL, "scale": POSITIVE}
    support = simplex  # type: ignore[assignment]
    has_rsample = True  # type: ignore[assignment]

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args)
        if not base.batch_shape:
            base = base.expand((1,))
        super().__init__(base, StickBreakingTransform(), validate_args)

    @property
    def loc(self) -> Tensor:
        """The means of the normal numbers."""
        return self.base_dist.base_dist.loc  # type: ignore[attr-defined, no-any-return]

    @property
    def scale(self) -> Tensor:
        """Their standard deviations."""
        return self.base_dist.base_dist.scale  # type: ignore[attr-defined, no-any-return]

    def expand(self, batch_shape: Sequence[int]) -> LogisticNormal:
        """The same distributions in a larger batch."""
        shape = (*batch_shape, self.loc.shape[-1])
        return LogisticNormal(self.loc.expand(shape), self.scale.expand(shape), validate_args=False)
