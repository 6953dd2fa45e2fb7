"""The loop's body: one step, one evaluation, and all the state that the next step depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import cutaway
from cutaway import nn
from cutaway.core.accelerate import at_once
from cutaway.core.errors import TraceError
from cutaway.core.random import default_generator
from cutaway.core.tensor import Tensor
from cutaway.nn import functional as F
from cutaway.optim import Optimizer
from cutaway.train import build
from cutaway.train.batches import Batches
from cutaway.train.recipe import Recipe
from cutaway.train.resident import Pick, resident
from cutaway.train.settings import Settings
from cutaway.train.task import Examples, Task

EVALUATION_BATCH = 100
TRAIN_SAMPLE = 5_000
"""Training images that an evaluation looks at: enough to compare with the test, at half its cost."""

_MOVING = ("last_epoch", "_step_count", "_last_lr")  # of a schedule's state; the rest follows from the settings


class Interrupted(Exception):
    """An evaluation was given up because a stop was asked for."""


@dataclass(frozen=True)
class Score:
    """What an evaluation found: mean loss (nats), accuracy, and the class probabilities `[N, C]`."""

    loss: float
    accuracy: float
    probabilities: np.ndarray


def new_model(recipe: Recipe, task: Task, s: Settings) -> nn.Module:
    """The network before its first step.  The same seed gives the same weights."""
    cutaway.manual_seed(s.seed)
    model = recipe.model(task.shape, len(task.classes), s)
    build.initialize(model, s.init)
    return model


def _update(model: nn.Module, optimizer: Optimizer, pick: Pick) -> Callable[..., Tensor]:
    """One batch, as `pick` gives it: forward, backward, update.  Gives the batch loss (nats)."""

    def update(*places: Tensor) -> Tensor:
        x, y = pick(*places)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return update


def _scores(model: nn.Module) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """Of a batch: losses[B] (nats), whether each guess is right[B], class probabilities[B, C]."""

    def scores(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = model(x)
        return F.cross_entropy(logits, y, reduction="none"), logits.argmax(1) == y, F.softmax(logits, dim=1)

    return scores


def _given(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The pick of those who have fetched the batch already."""
    return x, y


class Trainer:
    """Model, optimiser, schedule and position of a run.

    `step` counts the steps made, `evaluated` is the step of the last evaluation (-1: none yet), `losses` has the
    batch loss of every step, `seconds` is the time spent so far.
    """

    def __init__(self, recipe: Recipe, task: Task, s: Settings) -> None:
        self.task, self.settings = task, s
        self.model = new_model(recipe, task, s)
        self.batches = Batches(task.train, s)
        self.steps = s.epochs * self.batches.per_epoch
        self.optimizer = build.optimizer(self.model, s)
        self.schedule = build.schedule(self.optimizer, s, self.steps)
        self.step, self.evaluated, self.seconds = 0, -1, 0.0
        self.losses: list[float] = []
        self.test_score: Score | None = None
        self.say: Callable[[str], None] = lambda text: None
        self.compiled = s.compile
        self._ready = False

    @property
    def epoch(self) -> float:
        """Passes over the training data so far, in fractions."""
        return self.step / self.batches.per_epoch

    @property
    def finished(self) -> bool:
        """True after the last step."""
        return self.step >= self.steps

    @property
    def evaluation_due(self) -> bool:
        """True if this is a step to evaluate at (the first and the last always are) and that was not done yet."""
        every = self.settings.eval_every or self.batches.per_epoch
        return self.evaluated < self.step and (self.step % every == 0 or self.finished)

    def train_step(self) -> float:
        """One batch: forward, backward, update.  Gives the batch loss (nats)."""
        if not self.model.training:
            self.model.train()
        loss = self._attempt(lambda: self._update(*self._places(self.step)))
        self.schedule.step()
        self.step += 1
        self.losses.append(loss.item())
        return self.losses[-1]

    def evaluate(self, stop: Callable[[], bool] = lambda: False) -> dict[str, float]:
        """The line of this step for metrics.jsonl, less its `seconds`.  Raises Interrupted once `stop()` is true."""
        train = self._score(self.task.train, TRAIN_SAMPLE, stop)
        self.test_score = test = self._score(self.task.test, len(self.task.test), stop)
        self.evaluated = self.step
        return {
            "step": self.step,
            "epoch": round(self.epoch, 6),
            "train_loss": train.loss,
            "train_accuracy": train.accuracy,
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
            "lr": float(self.optimizer.param_groups[0]["lr"]),
        }

    def score_test(self) -> Score:
        """The score on the test set, from the last evaluation if nothing has changed since."""
        if self.test_score is None or self.evaluated != self.step:
            self.test_score = self._score(self.task.test, len(self.task.test), lambda: False)
        return self.test_score

    def _score(self, examples: Examples, count: int, stop: Callable[[], bool]) -> Score:
        self.model.eval()
        count = min(count, len(examples))
        size = min(EVALUATION_BATCH, count)
        total, right, probabilities = 0.0, 0, []
        with cutaway.no_grad():
            for start in range(0, count, size):
                if stop():
                    raise Interrupted
                rows = np.arange(start, start + size).clip(max=count - 1)  # one size, one program: the last may repeat
                batch = examples.gather(rows)
                found = self._attempt(partial(self._score_batch, *batch))
                losses, hits, p = (t.numpy()[: count - start] for t in found)
                total += float(losses.sum(dtype=np.float64))
                right += int(hits.sum())
                probabilities.append(p)
        return Score(total / count, right / count, np.concatenate(probabilities))

    def _score_batch(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self._scores(x, y)

    def _build(self) -> None:
        """The functions of a batch, as native programs or as they are.  Raises ImportError if there is no llvmlite."""
        pick = resident(self.task.train, self.settings.shift) if self.compiled else None
        made = cutaway.compile if self.compiled else lambda f: f
        self._places: Callable[[int], Sequence[Tensor]] = self.batches.places if pick else self.batches.__getitem__
        self._scores = made(_scores(self.model))
        self._update = made(_update(self.model, self.optimizer, pick or _given))
        self._ready = True

    def _attempt(self, call: Callable[[], Any]) -> Any:
        """What `call` gives. If it cannot be compiled, that is said, and it is done operation by operation."""
        try:
            if not self._ready:
                self._build()
            if self.compiled:
                return call()
            with at_once():  # so that a run and a resumed one compute the same
                return call()
        except (ImportError, TraceError) as e:
            if not self.compiled:
                raise
            self.say(f"not compiled, operation by operation instead: {str(e).splitlines()[0]}")
            self.compiled = self._ready = False
            if self.step == 0:
                self.optimizer.state.clear()  # what the attempt began
            return self._attempt(call)

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, less the model's own state, as a tree of dicts."""
        names = [name for name, _ in self.model.named_parameters()]
        optimizer = self.optimizer.state_dict()
        # By the parameter's path instead of its number, so that the file can be read by a person.
        optimizer["state"] = {names[i]: held for i, held in optimizer["state"].items()}
        return {
            "step": self.step,
            "evaluated": self.evaluated,
            "seconds": self.seconds,
            "losses": np.asarray(self.losses, np.float64),
            "optimizer": optimizer,
            "schedule": {name: self.schedule.state_dict()[name] for name in _MOVING},
            "random": default_generator.state_bytes(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        numbers = {name: i for i, (name, _) in enumerate(self.model.named_parameters())}
        optimizer = dict(state["optimizer"])
        optimizer["state"] = {numbers[name]: held for name, held in optimizer["state"].items()}
        self.optimizer.load_state_dict(optimizer)
        self.schedule.load_state_dict(self.schedule.state_dict() | state["schedule"])
        default_generator.set_state(state["random"])
        self.step, self.evaluated, self.seconds = state["step"], state["evaluated"], state["seconds"]
        self.losses = np.asarray(state["losses"]).tolist()
        self._ready = False  # programs know the optimiser's memory as it was
