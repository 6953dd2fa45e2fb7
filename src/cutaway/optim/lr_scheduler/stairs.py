"""Rates that fall by a factor: every epoch, every few epochs, at milestones."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from math import inf

from cutaway.core.errors import ArgumentTypeError
from cutaway.optim.lr_scheduler.schedule import LRScheduler, check_between
from cutaway.optim.optimizer import Optimizer


class StepLR(LRScheduler):
    """lr = base gamma^floor(e / step_size)."""

    def __init__(self, optimizer: Optimizer, step_size: float, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = check_between("StepLR", "step_size", step_size, 0, inf, open_low=True)
        self.gamma = check_between("StepLR", "gamma", gamma, 0, inf)
        super().__init__(optimizer, last_epoch)

    def follow(self, lr: float) -> float:
        """Times gamma at the multiples of step_size."""
        return lr * self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else lr

    def at(self, base: float) -> float:
        """The formula."""
        return base * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """lr = base gamma^(number of milestones up to e)."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[float], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise ArgumentTypeError(
                f"MultiStepLR: milestones must be a list of epochs, got {milestones!r}; write [30, 80]"
            )
        self.milestones = Counter(check_between("MultiStepLR", "a milestone", m, 0, inf) for m in milestones)
        self.gamma = check_between("MultiStepLR", "gamma", gamma, 0, inf)
        super().__init__(optimizer, last_epoch)

    def follow(self, lr: float) -> float:
        """Times gamma at a milestone, as often as it is listed."""
        times = self.milestones.get(self.last_epoch, 0)
        return lr * self.gamma**times if times else lr

    def at(self, base: float) -> float:
        """The formula."""
        return base * self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ExponentialLR(LRScheduler):
    """lr = base gamma^e."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = check_between("ExponentialLR", "gamma", gamma, 0, inf)
        super().__init__(optimizer, last_epoch)

    def follow(self, lr: float) -> float:
        """Times gamma."""
        return lr if self._is_initial else lr * self.gamma

    def at(self, base: float) -> float:
        """The formula."""
        return base * self.gamma**self.last_epoch
