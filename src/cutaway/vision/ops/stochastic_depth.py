"""Stochastic depth (Huang et al. 2016, arXiv 1603.09382): a residual branch that is left out now and then."""

from __future__ import annotations

from cutaway.core.creation import empty
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import Module

__all__ = ["StochasticDepth", "stochastic_depth"]


def _checked(p: float, mode: str) -> None:
    if not 0 <= p <= 1:
        raise ArgumentError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ArgumentError(f"mode has to be either 'batch' or 'row', but got {mode}")


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """In training 0 with probability p, else x / (1 - p): the whole batch ("batch") or each row of x[N, ...] ("row").

    Raises ArgumentError unless 0 <= p <= 1 and mode is "batch" or "row".
    """
    _checked(p, mode)
    if not training or p == 0:
        return input
    kept = 1.0 - p
    rows = [input.shape[0] if mode == "row" else 1]
    noise = empty((*rows, *[1] * (input.ndim - 1)), dtype=input.dtype).bernoulli_(kept)
    return input * (noise / kept if kept > 0 else noise)


class StochasticDepth(Module):
    """stochastic_depth with these options, in training.  Raises ArgumentError as it does, at once."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        _checked(p, mode)
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
