"""The settings of a run. A recipe gives its defaults; each is an option of `cutaway train`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass

from cutaway.core.errors import ArgumentError, ArgumentTypeError


@dataclass(frozen=True)
class Settings:
    """What a learner can turn.  A recipe's `Config` inherits from this and changes the defaults."""

    epochs: int = 10
    """Passes over the training images."""

    batch_size: int = 100
    """Training images per step."""

    optimizer: str = "adam"
    """The rule that turns gradients into steps: a name in `build.OPTIMIZERS`."""

    lr: float = 0.001
    """Learning rate; with a schedule, the highest one."""

    schedule: str = "constant"
    """The course of the learning rate: a name in `build.SCHEDULES`."""

    init: str = "he"
    """Initial weights: he, xavier, orthogonal, another name that `nn.init.by_name` knows, a number (the standard
    deviation itself), or default (what the layers choose themselves)."""

    weight_decay: float = 0.0
    """Strength of the pull of every parameter towards zero."""

    dropout: float = 0.0
    """Share of values that a dropout layer zeroes while training."""

    shift: int = 0
    """Each training image is moved at random by up to so many pixels in both directions."""

    seed: int = 0
    """Of initial weights, data order, shifts and dropout: the same seed gives the same numbers."""

    data: str = "mnist"
    """mnist, fashion_mnist, cifar10, or a folder that holds the files of one of them."""

    limit: int | None = None
    """Train on the first so many images only; None for all."""

    eval_every: int | None = None
    """Evaluate after so many steps; None for once an epoch."""

    compile: bool = True
    """Run each step as one native program made by `cutaway.compile`; else operation by operation."""

    def __post_init__(self) -> None:
        at_least("--epochs", self.epochs, 1)
        at_least("--batch-size", self.batch_size, 1)
        at_least("--seed", self.seed, 0)
        at_least("--shift", self.shift, 0)
        at_least("--weight-decay", self.weight_decay, 0)
        if not (self.lr > 0 and math.isfinite(self.lr)):
            raise ArgumentError(f"--lr must be a number above 0, got {self.lr:g}; 0.001 suits Adam, 0.1 plain SGD")
        if not 0 <= self.dropout < 1:
            raise ArgumentError(f"--dropout is the share to drop, from 0 to below 1, got {self.dropout:g}")
        if self.limit is not None:
            at_least("--limit", self.limit, 1)
        if self.eval_every is not None:
            at_least("--eval-every", self.eval_every, 1)


def at_least(option: str, value: float, least: int) -> None:
    """Raise ArgumentTypeError unless `value` is a number, ArgumentError unless it is finite and `least` or more."""
    if not isinstance(value, (int, float)):
        raise ArgumentTypeError(f"{option} must be a number, an int or a float, got {value!r}")
    if not (value >= least and math.isfinite(value)):
        raise ArgumentError(f"{option} must be {least} or more, got {value:g}")


def unknown(option: str, got: str, known: Iterable[str]) -> ArgumentError:
    """The error for a name that is not in a table, with the nearest name that is."""
    names = list(known)
    near = difflib.get_close_matches(got.lower(), names, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    return ArgumentError(f"{option}: there is no {got!r}{hint} There are: {', '.join(names)}")
