"""Rates that fall along half a cosine, once or again and again (Loshchilov & Hutter 2017)."""

from __future__ import annotations

import math
from math import cos, inf, pi
from typing import Any

from cutaway.optim.lr_scheduler.schedule import LRScheduler, check_between, check_count
from cutaway.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (base - eta_min) (1 + cos(pi e / T_max)) / 2: down in T_max epochs, then up again, and so on."""

    def __init__(self, optimizer: Optimizer, T_max: float, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = check_between("CosineAnnealingLR", "T_max", T_max, 0, inf, open_low=True)
        self.eta_min = check_between("CosineAnnealingLR", "eta_min", eta_min, -inf, inf)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """From the last rate by the ratio of the cosines; from 0, where there is no ratio, by their difference."""
        e, T = self.last_epoch, self.T_max
        rates = self._rates()
        if self._is_initial:
            return rates
        if self._step_count == 1 and e > 0:
            return [self.at(base) for base in self.base_lrs]
        if (e - 1 - T) % (2 * T) == 0:
            return [lr + (base - self.eta_min) * (1 - cos(pi / T)) / 2 for lr, base in zip(rates, self.base_lrs)]
        ratio = (1 + cos(pi * e / T)) / (1 + cos(pi * (e - 1) / T))
        return [ratio * (lr - self.eta_min) + self.eta_min for lr in rates]

    def at(self, base: float) -> float:
        """The formula."""
        return self.eta_min + (base - self.eta_min) * (1 + cos(pi * self.last_epoch / self.T_max)) / 2


class CosineAnnealingWarmRestarts(LRScheduler):
    """lr = eta_min + (base - eta_min) (1 + cos(pi T_cur / T_i)) / 2, T_cur epochs after the last restart.

    The first period T_i is T_0 epochs, each later one T_mult times the one before. `step(epoch)` takes fractions of an
    epoch, for `epoch + batch / batches`.  Loshchilov & Hutter 2017, equation 5.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_0 = self.T_i = check_count("CosineAnnealingWarmRestarts", "T_0", T_0)
        self.T_mult = check_count("CosineAnnealingWarmRestarts", "T_mult", T_mult)
        self.eta_min = check_between("CosineAnnealingWarmRestarts", "eta_min", eta_min, -inf, inf)
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def at(self, base: float) -> float:
        """The formula."""
        return self.eta_min + (base - self.eta_min) * (1 + cos(pi * self.T_cur / self.T_i)) / 2

    def step(self, epoch: Any = None) -> None:
        """Go to the next epoch, or to any, also between two."""
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = check_between("CosineAnnealingWarmRestarts", "epoch", 0 if epoch is None else epoch, 0, inf)
            self._jump(epoch)
        self.last_epoch = math.floor(epoch)
        self._set(self._asked())

    def _jump(self, epoch: float) -> None:
        """Find the period that the epoch lies in: periods before it sum to T_0 (T_mult^n - 1) / (T_mult - 1)."""
        if self.T_mult == 1 or epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch % self.T_0
        else:
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n

    def _go(self, epoch: int, jump: bool) -> None:
        self.last_epoch = epoch
        if jump:
            self._jump(epoch)
        self._set(self._asked())
