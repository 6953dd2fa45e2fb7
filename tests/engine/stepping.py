"""The usual training step, for the tests that compile it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway import nn
from cutaway.core.tensor import Tensor
from cutaway.nn import functional as F


def stepping(model: nn.Module, optimizer: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """(x, classes) -> the loss, after one step of the optimiser."""

    def step(x: Tensor, t: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step
