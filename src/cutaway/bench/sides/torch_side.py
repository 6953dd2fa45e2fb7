"""PyTorch's side: `contiguous` or `channels_last` images, or `compile` (torch.compile of the model)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch


class Torch:
    """A workload on PyTorch."""

    def __init__(self, variant: str, workload: ModuleType) -> None:
        torch.manual_seed(0)
        self.model, self._run, self.data = workload.build(torch)
        self.last = variant == "channels_last"
        if self.last:
            self.model.to(memory_format=torch.channels_last)
            self.data = self._placed(self.data)
        if variant == "compile":
            self.model.compile()
        if hasattr(workload, "probe"):
            self.probe = lambda: workload.probe(torch, self.model, *self.data)

    def _placed(self, data: Any) -> Any:
        if not self.last:
            return tuple(data)
        return tuple(t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for t in data)

    def state(self) -> dict[str, Any]:
        """Weights and data."""
        weights = {f"w:{name}": t.detach().numpy() for name, t in self.model.state_dict().items()}
        return weights | {f"d:{i}": t.numpy() for i, t in enumerate(self.data)}

    def load(self, arrays: dict[str, Any]) -> None:
        """Take weights and data over."""
        self.model.load_state_dict({k[2:]: torch.from_numpy(a) for k, a in arrays.items() if k.startswith("w:")})
        for i, t in enumerate(self.data):
            t.copy_(torch.from_numpy(arrays[f"d:{i}"]))

    def step(self) -> Any:
        """One step."""
        return self._run(*self.data)

    def wait(self, result: Any) -> None:
        """Nothing to wait for: a step on the CPU is done when it returns."""

    def loss(self, result: Any) -> float:
        """As a float."""
        return result.item()

    def train(self, on: bool) -> None:
        """Whether dropout acts."""
        self.model.train(on)

    def about(self) -> dict[str, Any]:
        """Which PyTorch it is."""
        return {"version": torch.__version__}


def make(variant: str, workload: ModuleType, threads: int) -> Torch:
    """The side."""
    torch.set_num_threads(threads)
    return Torch(variant, workload)
