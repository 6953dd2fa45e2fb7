"""From names to parts: optimisers, schedules and initial weights, a table each where there are several."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cutaway import nn, optim
from cutaway.optim import lr_scheduler
from cutaway.train.settings import Settings, unknown

# (parameters, learning rate, weight decay) -> optimiser
OPTIMIZERS: dict[str, Callable[[Any, float, float], Any]] = {
    "sgd": lambda p, lr, wd: optim.SGD(p, lr=lr, weight_decay=wd),
    "momentum": lambda p, lr, wd: optim.SGD(p, lr=lr, momentum=0.9, weight_decay=wd),
    "nesterov": lambda p, lr, wd: optim.SGD(p, lr=lr, momentum=0.9, nesterov=True, weight_decay=wd),
    "adagrad": lambda p, lr, wd: optim.Adagrad(p, lr=lr, weight_decay=wd),
    "rmsprop": lambda p, lr, wd: optim.RMSprop(p, lr=lr, weight_decay=wd),
    "adadelta": lambda p, lr, wd: optim.Adadelta(p, lr=lr, weight_decay=wd),
    "adam": lambda p, lr, wd: optim.Adam(p, lr=lr, weight_decay=wd),
    "adamw": lambda p, lr, wd: optim.AdamW(p, lr=lr, weight_decay=wd),
}

# (optimiser, highest learning rate, steps of the run) -> schedule, to be stepped after every batch
SCHEDULES: dict[str, Callable[[Any, float, int], Any]] = {
    "constant": lambda o, lr, steps: lr_scheduler.LambdaLR(o, lambda step: 1.0),
    "cosine": lambda o, lr, steps: lr_scheduler.LambdaLR(o, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / steps)),
    "one-cycle": lambda o, lr, steps: lr_scheduler.OneCycleLR(o, lr, total_steps=steps + 1, cycle_momentum=False),
}


def optimizer(model: nn.Module, s: Settings) -> Any:
    """The optimiser that `s` names, over all parameters in order.  Raises ArgumentError for an unknown name."""
    if s.optimizer not in OPTIMIZERS:
        raise unknown("--optimizer", s.optimizer, OPTIMIZERS)
    return OPTIMIZERS[s.optimizer](model.parameters(), s.lr, s.weight_decay)


def schedule(opt: Any, s: Settings, steps: int) -> Any:
    """The schedule that `s` names, for a run of `steps`.  Raises ArgumentError for an unknown name."""
    if s.schedule not in SCHEDULES:
        raise unknown("--schedule", s.schedule, SCHEDULES)
    return SCHEDULES[s.schedule](opt, s.lr, steps)


def initialize(model: nn.Module, init: str) -> None:
    """Give every weight its initial values and every bias zero, by a name that `nn.init.by_name` knows.

    `default` leaves what the layers chose themselves.  Raises ArgumentError for an unknown name.
    """
    if init != "default":
        nn.init.apply_(model, init)
