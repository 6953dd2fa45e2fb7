"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from cutaway.core.errors import ArgumentError, ArgumentTypeError, StateError
from cutaway.optim.lr_scheduler.plateau import ReduceLROnPlateau
from cutaway.optim.lr_scheduler.schedule import LRScheduler, check_optimizer
from cutaway.optim.optimizer import Optimizer


class _Combined(LRScheduler):
    _schedulers: list[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; `_schedulers` holds the state_dict of each part."""
        state = super().state_dict()
        del state["_schedulers"]
        return {**state, "_schedulers": [part.state_dict() for part in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state_dict.  Raises StateError when the parts do not fit."""
        parts, states = self._schedulers, state_dict.get("_schedulers", ())
        if len(states) != len(parts):
            raise StateError(
                f"{self._name}.load_state_dict: the state has {len(states)} schedules, this one {len(parts)}"
            )
        for part, state in zip(parts, states):
            part.load_state_dict(state)
        super().load_state_dict(state_dict)
        self._schedulers = parts


class SequentialLR(_Combined):
    """The first schedule until epoch milestones[0], the second, from its epoch 0, until milestones[1], and so on.

    Raises ArgumentError unless there is one schedule more than milestones, all of this optimiser.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        self._schedulers = _check_parts("SequentialLR", schedulers, check_optimizer("SequentialLR", optimizer))
        self._milestones = list(milestones)
        if len(self._milestones) != len(self._schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR: {len(self._schedulers)} schedules need {len(self._schedulers) - 1} milestones, "
                f"got {len(self._milestones)}"
            )
        self.optimizer = optimizer
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for part in self._schedulers:  # each took a first step when it was made
            _undo(part)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._begin()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        part = self._schedulers[i]
        if i and self._milestones[i - 1] == self.last_epoch:
            part._go(0, jump=True)
        else:
            part.step()
        self._last_lr = part.get_last_lr()


class ChainedScheduler(_Combined):
    """Every schedule takes its step, one after the other: their factors are multiplied.

    Raises ArgumentError unless all belong to the same optimiser.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        parts = list(schedulers)
        owner = optimizer if optimizer is not None or not parts else getattr(parts[0], "optimizer", None)
        self._schedulers = _check_parts("ChainedScheduler", parts, owner)
        assert owner is not None
        self.optimizer = owner
        self._last_lr = self._rates()

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch."""
        for part in self._schedulers:
            part.step()
        self._last_lr = self._rates()

    def __repr__(self) -> str:
        return f"ChainedScheduler({self._schedulers})"


def _check_parts(op: str, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> list[LRScheduler]:
    parts = list(schedulers)
    if not parts:
        raise ArgumentError(f"{op}: needs at least one schedule")
    for i, part in enumerate(parts):
        if not isinstance(part, LRScheduler):
            raise ArgumentTypeError(f"{op}: schedule {i} is {type(part).__name__}, not an LRScheduler")
        if isinstance(part, ReduceLROnPlateau):
            raise ArgumentError(
                f"{op}: schedule {i} is ReduceLROnPlateau, whose step needs a measure; step it yourself"
            )
        if part.optimizer is not optimizer:
            raise ArgumentError(
                f"{op}: schedule {i}, {part._name}, belongs to another optimiser; make it with this one"
            )
    return parts


def _undo(schedule: LRScheduler) -> None:
    if isinstance(schedule, _Combined):
        for part in schedule._schedulers:
            _undo(part)
    else:
        schedule.last_epoch -= 1
