"""Rates by a function of the epoch."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from cutaway.core.errors import ArgumentTypeError
from cutaway.optim.lr_scheduler.schedule import LRScheduler, check_optimizer, per_group
from cutaway.optim.optimizer import Optimizer

Factor = Callable[[int], float]


class LambdaLR(LRScheduler):
    """lr = base f(e), with one function or one a group.

    A state_dict holds the attributes of callable objects; functions are code and are not saved.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1) -> None:
        self.lr_lambdas = per_group(self._name, "lr_lambda", lr_lambda, check_optimizer(self._name, optimizer))
        for f in self.lr_lambdas:
            if not callable(f):
                raise ArgumentTypeError(f"{self._name}: lr_lambda must be a function of the epoch, got {f!r}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula."""
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; of the functions only the attributes of callable objects."""
        kept = [None if isinstance(f, FunctionType) else dict(vars(f)) for f in self.lr_lambdas]
        state = super().state_dict()
        del state["lr_lambdas"]
        return {**state, "lr_lambdas": kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state_dict; the functions are those given to the constructor.  Raises StateError on a misfit."""
        functions = self.lr_lambdas
        super().load_state_dict(state_dict)
        for f, attributes in zip(functions, self.lr_lambdas):
            if attributes is not None:
                vars(f).update(attributes)
        self.lr_lambdas = functions


class MultiplicativeLR(LambdaLR):
    """lr = (the last lr) f(e), with one function or one a group."""

    def get_lr(self) -> list[float]:
        """The formula."""
        rates = self._rates()
        return rates if self._is_initial else [lr * f(self.last_epoch) for lr, f in zip(rates, self.lr_lambdas)]
