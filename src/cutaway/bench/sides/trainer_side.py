"""Cutaway's side of `train`: the trainer of `cutaway train`, mnist-deep with its own settings; `compiled` or `eager`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

import cutaway
from cutaway.bench.sides.cutaway_side import contraction_flops
from cutaway.core.errors import StateError
from cutaway.train import recipe
from cutaway.train.trainer import Trainer

EPOCHS = 1000  # more than will be run: the schedule has an end


class Train:
    """A trainer, stepped."""

    def __init__(self, variant: str, workload: ModuleType) -> None:
        r = recipe.find("mnist-deep")
        s = r.config(compile=variant == "compiled", epochs=EPOCHS)
        self.trainer, self._workload = Trainer(r, r.data(s), s), workload
        self.trainer.say = self._refuse
        examples: Any = self.trainer.task.train
        self._data = {"d:0": examples.images, "d:1": examples.labels}

    def _refuse(self, text: str) -> None:
        raise StateError(text)

    def state(self) -> dict[str, np.ndarray]:
        """Weights, images and labels."""
        return {f"w:{k}": t.detach().numpy() for k, t in self.trainer.model.state_dict().items()} | self._data

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Take weights over; the images are the trainer's own."""
        weights = {k[2:]: cutaway.from_numpy(a) for k, a in arrays.items() if k.startswith("w:")}
        self.trainer.model.load_state_dict(weights)

    def step(self) -> float:
        """One batch."""
        return self.trainer.train_step()

    def wait(self, result: float) -> None:
        """Nothing to wait for."""

    def loss(self, result: float) -> float:
        """The batch loss."""
        return result

    def probe(self) -> float:
        """The loss by which sides are compared."""
        images, labels = (cutaway.from_numpy(a) for a in self._data.values())
        return self._workload.probe(cutaway, self.trainer.model, images, labels)

    def about(self) -> dict[str, Any]:
        """FLOP of a compiled step's contractions."""
        update: Any = getattr(self.trainer, "_update", None)  # made at the first step
        return contraction_flops(update) if hasattr(update, "graph") else {}


def make(variant: str, workload: ModuleType, threads: int) -> Train:
    """The side; the number of threads comes from the environment."""
    return Train(variant, workload)
