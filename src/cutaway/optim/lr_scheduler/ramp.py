"""Rates that go from one level to another within `total_iters` epochs and stay there."""

from __future__ import annotations

from math import inf

from cutaway.optim.lr_scheduler.schedule import LRScheduler, check_between
from cutaway.optim.optimizer import Optimizer


class ConstantLR(LRScheduler):
    """lr = base factor for e < total_iters, then base."""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: float = 5, last_epoch: int = -1) -> None:
        self.factor = check_between("ConstantLR", "factor", factor, 0, 1, open_low=True)
        self.total_iters = check_between("ConstantLR", "total_iters", total_iters, 0, inf)
        super().__init__(optimizer, last_epoch)

    def follow(self, lr: float) -> float:
        """Times the factor at the start, divided by it at the end."""
        if self.last_epoch == 0:
            return lr * self.factor
        return lr * (1 / self.factor) if self.last_epoch == self.total_iters else lr

    def at(self, base: float) -> float:
        """The formula."""
        return base * (self.factor if self.last_epoch < self.total_iters else 1)


class LinearLR(LRScheduler):
    """lr = base (start + (end - start) e / total_iters) for e <= total_iters, then base end: a warm-up."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: float = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = check_between("LinearLR", "start_factor", start_factor, 0, 1, open_low=True)
        self.end_factor = check_between("LinearLR", "end_factor", end_factor, 0, 1)
        self.total_iters = check_between("LinearLR", "total_iters", total_iters, 0, inf)
        super().__init__(optimizer, last_epoch)

    def follow(self, lr: float) -> float:
        """Times the ratio of this epoch's factor to the last one's."""
        e, n, rise = self.last_epoch, self.total_iters, self.end_factor - self.start_factor
        if e == 0:
            return lr * self.start_factor
        if self._is_initial or e > n:
            return lr
        return lr * (1 + rise / (n * self.start_factor + (e - 1) * rise))

    def at(self, base: float) -> float:
        """The formula."""
        e = min(self.total_iters, self.last_epoch)
        return base * (self.start_factor + (self.end_factor - self.start_factor) * e / (self.total_iters or 1))


class PolynomialLR(LRScheduler):
    """lr = base (1 - e / total_iters)^power for e <= total_iters, then 0."""

    def __init__(self, optimizer: Optimizer, total_iters: float = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = check_between("PolynomialLR", "total_iters", total_iters, 0, inf)
        self.power = check_between("PolynomialLR", "power", power, -inf, inf)
        super().__init__(optimizer, last_epoch)

    def follow(self, lr: float) -> float:
        """Times the ratio of this epoch's factor to the last one's."""
        e, n = self.last_epoch, self.total_iters
        if self._is_initial or e > n:
            return lr
        return lr * ((1 - e / n) / (1 - (e - 1) / n)) ** self.power

    def at(self, base: float) -> float:
        """The formula."""
        return base * (1 - min(self.total_iters, self.last_epoch) / (self.total_iters or 1)) ** self.power
