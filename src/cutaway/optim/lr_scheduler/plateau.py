"""ReduceLROnPlateau: a smaller rate once a measure has stopped improving."""

from __future__ import annotations

from math import inf
from typing import Any

from cutaway.core.errors import ArgumentError, StateError
from cutaway.optim.lr_scheduler.schedule import LRScheduler, check_between, check_optimizer, per_group
from cutaway.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """lr <- max(lr factor, min_lr) after more than `patience` epochs without improvement.

    Call step(measure) each epoch.

    mode                    "min" when less is better, as of a loss, or "max"
    threshold, _mode        what counts as better: by this part of the best ("rel"), or by this much ("abs")
    cooldown                epochs after a reduction that are not counted
    min_lr                  one value, or a list of one a group
    eps                     a change of the rate that is not larger is not made
    Raises ArgumentError for impossible values.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        op = "ReduceLROnPlateau"
        self.optimizer = check_optimizer(op, optimizer)
        if mode not in ("min", "max"):
            raise ArgumentError(f"{op}: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ArgumentError(f"{op}: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        self.factor = check_between(op, "factor", factor, 0, inf)
        if self.factor >= 1:
            raise ArgumentError(f"{op}: factor must be below 1, as the rate is multiplied by it, got factor={factor}")
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = per_group(op, "min_lr", min_lr, optimizer)
        self.patience = check_between(op, "patience", patience, 0, inf)
        self.cooldown = check_between(op, "cooldown", cooldown, 0, inf)
        self.eps = check_between(op, "eps", eps, 0, inf)
        self.last_epoch = 0
        self._last_lr = self._rates()
        self.mode_worse = inf if mode == "min" else -inf
        self.mode, self.threshold = mode, check_between(op, "threshold", threshold, 0, inf)
        self.threshold_mode = threshold_mode
        self.best = self.mode_worse
        self.cooldown_counter: float = 0
        self.num_bad_epochs = 0

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Tell this epoch's measure: a number, or a Tensor of one element."""
        value = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    @property
    def in_cooldown(self) -> bool:
        """True while epochs are not counted."""
        return self.cooldown_counter > 0

    def _better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        margin = self.threshold if self.threshold_mode == "abs" else None
        goal = self.best + sign * margin if margin is not None else self.best * (1 + sign * self.threshold)
        return value > goal if self.mode == "max" else value < goal

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise StateError(
                    f"ReduceLROnPlateau: min_lr was given for {len(self.min_lrs)} groups, "
                    f"the optimiser has {len(groups)} by now; append to min_lrs after add_param_group"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lr, lowest in zip(groups, self._rates(), self.min_lrs):
            reduced = max(lr * self.factor, lowest)
            if lr - reduced > self.eps:
                group["lr"] = reduced
