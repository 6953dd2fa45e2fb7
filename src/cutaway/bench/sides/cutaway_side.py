"""Cutaway's side: `compiled` or `eager`."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np

import cutaway


class Cutaway:
    """A workload on Cutaway."""

    def __init__(self, variant: str, workload: ModuleType) -> None:
        cutaway.manual_seed(0)
        self.model, self._plain, self.data = workload.build(cutaway)
        self.compiled = variant == "compiled"
        self._run: Any = None if self.compiled else self._plain

    def state(self) -> dict[str, np.ndarray]:
        """Weights and data."""
        weights = {f"w:{name}": t.detach().numpy() for name, t in self.model.state_dict().items()}
        return weights | {f"d:{i}": t.numpy() for i, t in enumerate(self.data)}

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Take weights and data over; tensors keep their memory."""
        self.model.load_state_dict({k[2:]: cutaway.from_numpy(a) for k, a in arrays.items() if k.startswith("w:")})
        with cutaway.no_grad():
            for i, t in enumerate(self.data):
                t.copy_(cutaway.from_numpy(arrays[f"d:{i}"]))

    def step(self) -> Any:
        """One step. The first call of a compiled one loads the compiler."""
        if self._run is None:
            self._run = cutaway.compile(self._plain)
        return self._run(*self.data)

    def wait(self, result: Any) -> None:
        """Nothing to wait for: a step is done when it returns."""

    def loss(self, result: Any) -> float:
        """As a float."""
        return result.item()

    def train(self, on: bool) -> None:
        """Whether dropout acts."""
        self.model.train(on)

    def about(self) -> dict[str, Any]:
        """FLOP of the compiled step's contractions."""
        return contraction_flops(self._run) if self.compiled and self._run is not None else {}


def contraction_flops(compiled: Any) -> dict[str, int]:
    """Multiplications and additions of the latest program's contractions, a step.

    flops          those that are done
    nominal_flops  those of the definition: a padded image's border counts, as is the custom in papers
    """
    from cutaway.engine.look.cost import terms
    from cutaway.engine.program import contractions

    program = compiled._latest().program
    tiled = contractions(program.schedule, program.memory)
    done = sum(2 * terms(p) for c in tiled.values() for p in c.problems)
    return {"flops": done, "nominal_flops": nominal_flops(compiled.graph())}


def nominal_flops(graph: Any) -> int:
    """Of a graph's contractions by their definition."""
    from cutaway.engine.tiles import labels

    total = 0
    for v in graph.values:
        if v.op is not None and v.op.kind == "contract":
            sizes: dict[str, int] = {}
            for names, value in zip(labels(v), (*v.inputs, v), strict=True):
                for name, n in zip(names, value.aval.shape, strict=True):
                    sizes[name] = max(n, sizes.get(name, 1))
            total += 2 * math.prod(sizes.values())
    return total


def make(variant: str, workload: ModuleType, threads: int) -> Cutaway:
    """The side; the number of threads comes from the environment, so that eager code need not load the engine."""
    return Cutaway(variant, workload)
