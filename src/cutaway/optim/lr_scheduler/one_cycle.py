"""OneCycleLR: up to a large rate and down to a tiny one, the momentum the other way round."""

from __future__ import annotations

from math import cos, inf, pi
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.optim.lr_scheduler.schedule import LRScheduler, check_between, check_count, check_optimizer, per_group
from cutaway.optim.optimizer import Optimizer

Phase = dict[str, Any]  # until "end_step", between which values of the group rate and momentum go; as PyTorch saves it


def _phase(end: float, lr: tuple[str, str], momentum: tuple[str, str]) -> Phase:
    return {
        "end_step": end,
        "start_lr": lr[0],
        "end_lr": lr[1],
        "start_momentum": momentum[0],
        "end_momentum": momentum[1],
    }


UP = (("initial_lr", "max_lr"), ("max_momentum", "base_momentum"))
DOWN = (("max_lr", "initial_lr"), ("base_momentum", "max_momentum"))
OUT = (("initial_lr", "min_lr"), ("max_momentum", "max_momentum"))
DOWN_AND_OUT = (("max_lr", "min_lr"), ("base_momentum", "max_momentum"))


class OneCycleLR(LRScheduler):
    """One cycle over a whole training; call step() after every batch.

    The rate rises from max_lr / div_factor to max_lr in the first `pct_start` of the steps, then falls to
    max_lr / div_factor / final_div_factor; with three_phase it first falls as slowly as it rose. Momentum (or beta1)
    goes from max_momentum to base_momentum and back.

    total_steps         or epochs and steps_per_epoch
    anneal_strategy     "cos" or "linear"
    max_lr, base_momentum, max_momentum     one value, or a list of one a group
    Smith & Topin 2018; the two phases and the cosine are those of fast.ai.
    Raises ArgumentError for impossible values, for an optimiser without momentum, and by step() after the last step.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        op, groups = "OneCycleLR", check_optimizer("OneCycleLR", optimizer).param_groups
        if total_steps is not None:
            self.total_steps = check_count(op, "total_steps", total_steps)
        elif epochs is not None and steps_per_epoch is not None:
            self.total_steps = check_count(op, "epochs", epochs) * check_count(op, "steps_per_epoch", steps_per_epoch)
        else:
            raise ArgumentError(f"{op}: needs total_steps, or epochs and steps_per_epoch")
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"{op}: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self._schedule_phases = _phases(self.total_steps, check_between(op, "pct_start", pct_start, 0, 1), three_phase)
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum

        top = per_group(op, "max_lr", max_lr, optimizer)
        div = check_between(op, "div_factor", div_factor, 0, inf, open_low=True)
        final = check_between(op, "final_div_factor", final_div_factor, 0, inf, open_low=True)
        if last_epoch == -1:
            for group, high in zip(groups, top):
                group["initial_lr"] = check_between(op, "max_lr", high, 0, inf) / div
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final
        if cycle_momentum:
            if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
                raise ArgumentError(
                    f"{op}: {type(optimizer).__name__} has no momentum or betas to cycle; pass cycle_momentum=False"
                )
            self.use_beta1 = "betas" in optimizer.defaults
            highest = per_group(op, "max_momentum", max_momentum, optimizer)
            lowest = per_group(op, "base_momentum", base_momentum, optimizer)
            if last_epoch == -1:
                for group, low, high in zip(groups, lowest, highest):
                    group["max_momentum"] = check_between(op, "max_momentum", high, 0, 1)
                    group["base_momentum"] = check_between(op, "base_momentum", low, 0, 1)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates of this step; sets the momenta, too."""
        e = self.last_epoch
        if e > self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: step {e} is past total_steps={self.total_steps}; "
                "construct it with the number of batches of the whole training"
            )
        start = 0.0
        for phase in self._schedule_phases:
            if e <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            start = self._schedule_phases[-2]["end_step"]
        done = (e - start) / (phase["end_step"] - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group, phase, "lr", done))
            if self.cycle_momentum:
                momentum = self._between(group, phase, "momentum", done)
                if self.use_beta1:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return rates

    def _between(self, group: dict[str, Any], phase: Phase, what: str, done: float) -> float:
        a, b = group[phase[f"start_{what}"]], group[phase[f"end_{what}"]]
        return b + (a - b) / 2 * (1 + cos(pi * done)) if self._anneal_func_type == "cos" else a + (b - a) * done


def _phases(steps: int, rise: float, three: bool) -> list[Phase]:
    """The phases; step `steps - 1` is the last."""
    up = _phase(float(rise * steps) - 1, *UP)
    if three:
        return [up, _phase(float(2 * rise * steps) - 2, *DOWN), _phase(steps - 1, *OUT)]
    return [up, _phase(steps - 1, *DOWN_AND_OUT)]
