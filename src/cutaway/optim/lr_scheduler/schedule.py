"""LRScheduler: sets the learning rate of each group from the number of the epoch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from cutaway.core.errors import ArgumentError, ArgumentTypeError, NameRefused, NotWritten, StateError
from cutaway.core.refusal import guard_class, guarded
from cutaway.optim.check import plain
from cutaway.optim.optimizer import Optimizer


class LRScheduler:
    """Base of the schedules. `step()` goes to the next epoch; the constructor already sets the rate of epoch 0.

    A schedule tells the rate of epoch e = `last_epoch` in one or both of two ways, each for one group:

        at(base)        from the rate `base` that the group started with
        follow(lr)      from the rate of the epoch before; so schedules can be chained, and a rate set by hand lasts

    `follow` is used where there is one, `at` when an epoch is jumped to; a subclass may define `get_lr()` instead,
    which gives the rates of all groups.

    optimizer   whose groups' "lr" is set; "initial_lr" is added to the groups
    last_epoch  -1 to start; otherwise the epoch to go on from, for groups that have "initial_lr"
    Raises ArgumentTypeError without an Optimizer, ArgumentError when "initial_lr" is missing.
    """

    at: Callable[[float], float] | None = None
    follow: Callable[[float], float] | None = None

    last_epoch: int
    base_lrs: list[float]
    _get_lr_called_within_step = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        guard_class(cls, ("__init__", "step", "load_state_dict"))

    @guarded
    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = check_optimizer(self._name, optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", plain(group["lr"]))
            elif "initial_lr" not in group:
                raise NameRefused(
                    f"{self._name}: last_epoch={last_epoch} goes on with a schedule, but group {i} lacks "
                    "'initial_lr'; load the optimiser's state first, or start anew with last_epoch=-1"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._begin()

    def _begin(self) -> None:
        """Set the rate of the first epoch."""
        self._step_count = 0
        self._steps_before = getattr(self.optimizer, "_steps", 0)
        self._is_initial = True
        self.step()
        self._is_initial = False

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or jump to one."""
        counted = type(self.optimizer).step is Optimizer.step
        if self._step_count == 1 and counted and self.optimizer._steps == self._steps_before == 0:
            warnings.warn(
                f"{self._name}.step() was called before optimizer.step(): the first learning rate is never used; "
                "call optimizer.step() first",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        self._go(self.last_epoch + 1 if epoch is None else epoch, jump=epoch is not None)

    def _go(self, epoch: int, jump: bool) -> None:
        self.last_epoch = epoch
        if jump and self.at is not None:
            self._set([self.at(base) for base in self.base_lrs])
        else:
            self._set(self._asked())

    def _asked(self) -> list[float]:
        """get_lr(), within a step: that of programs' own classes may look."""
        self._get_lr_called_within_step = True
        try:
            return self.get_lr()
        finally:
            self._get_lr_called_within_step = False

    def _set(self, rates: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._rates()

    def _rates(self) -> list[float]:
        return [plain(group["lr"]) for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:
        """The rates of epoch `last_epoch`, a group each, computed anew; to look at a rate, get_last_lr()."""
        if self.follow is not None:
            return [self.follow(lr) for lr in self._rates()]
        if self.at is not None:
            return [self.at(base) for base in self.base_lrs]
        raise NotWritten(f"{self._name}: a subclass of LRScheduler must define at(base), follow(lr) or get_lr()")

    def get_last_lr(self) -> list[float]:
        """The rates that were set last, a group each."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser."""
        return {name: value for name, value in self.__dict__.items() if name not in ("optimizer", "_steps_before")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state_dict. The optimiser's rates are not touched: load its state, too.

        Raises StateError when it is that of another kind of schedule.
        """
        wrong = {name for name in self.state_dict() if not name.startswith("_")} ^ {
            name for name in state_dict if not name.startswith("_")
        }
        if wrong:
            raise StateError(
                f"{self._name}.load_state_dict: {', '.join(sorted(wrong))} does not fit; "
                "is it the state of another schedule?"
            )
        self.__dict__.update(deepcopy(state_dict))

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        return f"{self._name}(epoch {self.last_epoch}, lr {self._last_lr})"


def check_optimizer(op: str, optimizer: object) -> Optimizer:
    """Raise ArgumentTypeError unless it is an Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(f"{op}: the first argument must be an Optimizer, got {type(optimizer).__name__}")
    return optimizer


def check_count(op: str, name: str, value: Any, least: int = 1) -> int:
    """Raise ArgumentTypeError unless `value` is a number, ArgumentError unless it is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        kind = ArgumentError if isinstance(value, (int, float)) else ArgumentTypeError
        raise kind(f"{op}: {name} must be an integer of {least} or more, got {name}={value!r}")
    return value


def check_between(op: str, name: str, value: Any, low: float, high: float, open_low: bool = False) -> float:
    """Raise ArgumentTypeError for no number, ArgumentError unless it is finite and in [low, high], or (low, high]."""
    number = plain(value)
    is_number = isinstance(number, (int, float))
    fits = is_number and math.isfinite(number) and low <= number <= high
    if not fits or (open_low and number == low):
        interval = f"{'(' if open_low else '['}{low}, {high}]"
        raise (ArgumentError if is_number else ArgumentTypeError)(
            f"{op}: {name} must be a number in {interval}, got {name}={value!r}"
        )
    return float(number) if isinstance(number, float) else number


def per_group(op: str, name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """One value for each group: `value` itself if it is a list.  Raises ArgumentError for a list of another length."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ArgumentError(
            f"{op}: {name} has {len(value)} values, the optimiser {count} groups; give one value, or one a group"
        )
    return list(value)
