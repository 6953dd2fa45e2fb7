"""From a constraint to a transform onto it: `transform_to(constraints.positive)(x)` is positive for every x.

`biject_to` gives transforms that can be inverted, for sampling; `transform_to` those that are easy to optimise through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.errors import ArgumentTypeError, NotWritten
from cutaway.distributions import constraints as c
from cutaway.distributions.constraints import Constraint
from cutaway.distributions.transforms import (
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    SigmoidTransform,
    SoftmaxTransform,
    StackTransform,
    StickBreakingTransform,
    Transform,
    identity_transform,
)

Factory = Callable[[Any], Transform]


class ConstraintRegistry:
    """Functions that make a transform onto a constraint, by the constraint's class."""

    def __init__(self) -> None:
        self._registry: dict[type, Factory] = {}

    def register(self, constraint: Any, factory: Factory | None = None) -> Any:
        """Add one for a class of constraints, or that of an instance; without `factory` a decorator.

        Raises ArgumentTypeError for what is no constraint.
        """
        if factory is None:
            return lambda made: self.register(constraint, made)
        kind = type(constraint) if isinstance(constraint, Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, Constraint):
            raise ArgumentTypeError(f"register: needs a constraint or a class of them, got {constraint!r}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Constraint) -> Transform:
        """A transform onto the constraint.  Raises NotWritten where none is registered."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotWritten(f"no transform is registered for {type(constraint).__name__}; see register")
        return factory(constraint)


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _between(bounds: Any) -> Transform:
    low, high = bounds.lower_bound, bounds.upper_bound
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return SigmoidTransform()
    return ComposeTransform([SigmoidTransform(), AffineTransform(low, high - low)])


BOTH: dict[Any, Factory] = {
    c.real: lambda _: identity_transform,
    c.positive: lambda b: ComposeTransform([ExpTransform(), AffineTransform(b.lower_bound, 1)]),
    c.nonnegative: lambda b: ComposeTransform([ExpTransform(), AffineTransform(b.lower_bound, 1)]),
    c.less_than: lambda b: ComposeTransform([ExpTransform(), AffineTransform(b.upper_bound, -1)]),
    c.interval: _between,
    c.half_open_interval: _between,
    c.corr_cholesky: lambda _: CorrCholeskyTransform(),
}


def _of_parts(of: ConstraintRegistry) -> dict[Any, Factory]:
    """Constraints that are made of others."""
    return {
        c.independent: lambda i: IndependentTransform(of(i.base_constraint), i.reinterpreted_batch_ndims),
        c.cat: lambda s: CatTransform([of(part) for part in s.cseq], s.dim, s.lengths),
        c.stack: lambda s: StackTransform([of(part) for part in s.cseq], s.dim),
    }


for _registry in (biject_to, transform_to):
    for _constraint, _factory in BOTH.items():
        _registry.register(_constraint, _factory)
    for _constraint, _factory in _of_parts(_registry).items():
        _registry.register(_constraint, _factory)

biject_to.register(c.simplex, lambda _: StickBreakingTransform())
transform_to.register(c.simplex, lambda _: SoftmaxTransform())
transform_to.register(c.lower_cholesky, lambda _: LowerCholeskyTransform())
transform_to.register(c.positive_definite, lambda _: PositiveDefiniteTransform())
transform_to.register(c.positive_semidefinite, lambda _: PositiveDefiniteTransform())
