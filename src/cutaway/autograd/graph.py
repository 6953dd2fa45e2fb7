"""PyTorch's `torch.autograd.graph`: hooks around saved values, the nodes of the graph, and hooks on several tensors."""

from __future__ import annotations

from typing import Any

from cutaway.core.absent import absent
from cutaway.core.autograd import Node
from cutaway.core.nodes import GradientEdge, get_gradient_edge, increment_version, register_multi_grad_hook
from cutaway.core.saved import (
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    save_on_cpu,
    saved_tensors_hooks,
)  # fmt: skip

__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge",
    "increment_version", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise absent("cutaway.autograd.graph", name, __all__)
