"""SWALR: from each group's rate to one that stays, for the average of the weights on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cutaway.core.errors import ArgumentError
from cutaway.optim.lr_scheduler.schedule import LRScheduler
from cutaway.optim.optimizer import Optimizer

RISE = {"cos": lambda t: (1 - math.cos(math.pi * t)) / 2, "linear": lambda t: t}


class SWALR(LRScheduler):
    """The rate goes to `swa_lr` in `anneal_epochs` epochs, along a cosine or a line, and stays there (Izmailov et al. 2018).

    swa_lr: one rate, or one for each group.  Raises ArgumentError for an unknown strategy, a negative number of epochs, or
    another number of rates than of groups.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in RISE:
            raise ArgumentError(f"SWALR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ArgumentError(f"SWALR: anneal_epochs must be an int >= 0, got {anneal_epochs!r}")
        groups = optimizer.param_groups
        rates = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else [swa_lr] * len(groups)
        if len(rates) != len(groups):
            raise ArgumentError(f"SWALR: swa_lr has {len(rates)} rates for {len(groups)} groups of parameters")
        for group, rate in zip(groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs, self._strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rate before is (1 - a) lr + a swa_lr of some lr; the same with this epoch's a."""
        step = self._step_count - 1
        if not self.anneal_epochs:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group, lr in zip(self.optimizer.param_groups, self._rates(), strict=True):
            goal = group["swa_lr"]
            start = lr if before == 1 else (lr - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates

    def _part(self, step: int) -> float:
        """How much of the way is done after `step` epochs."""
        return RISE[self._strategy](min(1.0, max(0.0, step / max(1, self.anneal_epochs))))
