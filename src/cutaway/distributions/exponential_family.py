"""Exponential families: density exp(<t(x), natural parameters> - F(natural parameters) + k(x))."""

from __future__ import annotations

from typing import Any

from cutaway.core.autograd import grad
from cutaway.core.errors import NotWritten
from cutaway.core.tensor import Tensor
from cutaway.distributions.distribution import Distribution


class ExponentialFamily(Distribution):
    """A subclass defines _natural_params, _log_normalizer (F) and _mean_carrier_measure (E[k(x)]); the entropy follows."""

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotWritten(f"{type(self).__name__} has no _natural_params")

    def _log_normalizer(self, *natural: Tensor) -> Tensor:
        raise NotWritten(f"{type(self).__name__} has no _log_normalizer")

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotWritten(f"{type(self).__name__} has no _mean_carrier_measure")

    def entropy(self) -> Tensor:
        """F - <natural parameters, gradient of F> - E[k]."""
        result: Any = -self._mean_carrier_measure
        natural = [p.detach().requires_grad_() for p in self._natural_params]
        f = self._log_normalizer(*natural)
        result = result + f
        for p, g in zip(natural, grad(f.sum(), natural, create_graph=True), strict=True):
            result = result - (p * g).reshape((*self.batch_shape, -1)).sum(-1)
        return result  # type: ignore[no-any-return]
