"""CyclicLR: up and down between two rates, again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.optim.lr_scheduler.schedule import LRScheduler, check_optimizer, per_group
from cutaway.optim.optimizer import Optimizer

# How far the peaks reach: by the number of the cycle, or of the step.
SCALES: dict[str, tuple[Callable[[float, float], float], str]] = {
    "triangular": (lambda x, gamma: 1.0, "cycle"),
    "triangular2": (lambda x, gamma: 1 / 2.0 ** (x - 1), "cycle"),
    "exp_range": (lambda x, gamma: gamma**x, "iterations"),
}


class CyclicLR(LRScheduler):
    """lr = base_lr + (max_lr - base_lr) max(0, 1 - |x|) scale, up for step_size_up steps and down for step_size_down.

    Momentum (or beta1) goes the other way, from max_momentum to base_momentum; call step() after every batch.
    mode        "triangular": every peak as high; "triangular2": half as high each cycle; "exp_range": gamma^step
    scale_fn    a function of the cycle or of the step (scale_mode "cycle" or "iterations"), in place of mode
    base_lr, max_lr, base_momentum, max_momentum    one value, or a list of one a group
    Smith 2017 (arXiv 1506.01186).  Raises ArgumentError for an unknown mode and for an optimiser without momentum.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        op, groups = "CyclicLR", check_optimizer("CyclicLR", optimizer).param_groups
        if mode not in SCALES and scale_fn is None:
            raise ArgumentError(f"{op}: mode {mode!r} is unknown; use one of {', '.join(SCALES)}, or give scale_fn")
        if last_epoch == -1:
            for group, lr in zip(groups, per_group(op, "base_lr", base_lr, optimizer), strict=True):
                group["lr"] = lr
        self.max_lrs = per_group(op, "max_lr", max_lr, optimizer)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up) + float(down)
        self.step_ratio = float(step_size_up) / self.total_size
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = SCALES[mode][1] if scale_fn is None else scale_mode
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._momentum = next((name for name in ("momentum", "betas") if name in optimizer.defaults), "")
            if not self._momentum:
                raise ArgumentError(f"{op}: {optimizer._name} has neither momentum nor betas; pass cycle_momentum=False")
            self.use_beta1 = self._momentum == "betas"
            self.base_momentums = per_group(op, "base_momentum", base_momentum, optimizer)
            self.max_momentums = per_group(op, "max_momentum", max_momentum, optimizer)
            for group, low, high in zip(groups, self.base_momentums, self.max_momentums, strict=True):
                if last_epoch == -1:
                    self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = per_group(op, "base_lr", base_lr, optimizer)

    def scale_fn(self, x: float) -> float:
        """How far the peak of cycle, or of step, x reaches."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return SCALES[self.mode][0](x, self.gamma)

    def get_lr(self) -> list[float]:
        """The formula; momentum is set on the way."""
        cycle = (1 + self.last_epoch / self.total_size) // 1
        x = 1.0 + self.last_epoch / self.total_size - cycle
        part = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        part *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                self._set_momentum(group, high - (high - low) * part)
        return [low + (high - low) * part for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; of a scale_fn only the attributes of a callable object."""
        state = super().state_dict()
        fn = state.pop("_scale_fn_custom")
        state.pop("_momentum", None)
        return {**state, "_scale_fn_custom": dict(vars(fn)) if fn is not None and not _is_code(fn) else None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state_dict; scale_fn is the one given to the constructor."""
        state = dict(state_dict)
        attributes = state.pop("_scale_fn_custom", None)
        super().load_state_dict(state)
        if attributes is not None and self._scale_fn_custom is not None:
            vars(self._scale_fn_custom).update(attributes)


def _is_code(fn: Any) -> bool:
    return hasattr(fn, "__code__")
