"""What is alive: which modules own a tensor and under which path, which optimisers step it. Asked once a question is put."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any

from cutaway.core.aval import Aval
from cutaway.core.tensor import Tensor
from cutaway.nn.module import Module
from cutaway.nn.parameter import Parameter
from cutaway.optim.optimizer import Optimizer


def alive(*kinds: type) -> list[Any]:
    """All objects of these classes that Python knows of. (By type: `isinstance` would ask proxies, which do things then.)"""
    everything = gc.get_objects()
    wanted = {t for t in set(map(type, everything)) if issubclass(t, kinds)}
    return [x for x in everything if type(x) in wanted]


class Facts:
    """One look around."""

    def __init__(self) -> None:
        found = alive(Module, Optimizer)
        self.modules: list[Module] = [m for m in found if "_modules" in m.__dict__]  # as far as they are set up
        self.optimizers: list[Optimizer] = [o for o in found if "param_groups" in o.__dict__]
        children = {id(c) for m in self.modules for c in m._modules.values() if c is not None}
        self.roots = [m for m in self.modules if id(m) not in children]
        self._names: dict[int, tuple[str, str]] = {}
        self._paths: dict[int, str] = {}
        self._root: dict[int, Module] = {}
        for root in self.roots:
            for path, m in root.named_modules():
                self._paths.setdefault(id(m), path)
                for name, t in [*m._parameters.items(), *m._buffers.items()]:
                    if t is not None:
                        self._root.setdefault(id(t), root)
                        self._names.setdefault(id(t), (f"{path}.{name}" if path else name, type(root).__name__))

    def name(self, t: Tensor | None) -> str:
        """The path of a parameter or buffer in its model; "" for another tensor."""
        return "" if t is None else self._names.get(id(t), ("", ""))[0]

    def owned(self, t: Tensor) -> bool:
        """True if a module that is alive holds the tensor."""
        return id(t) in self._names

    def path(self, m: Module) -> str:
        """`fc1 (Linear)`; of the outermost module, its class alone."""
        path = self._paths.get(id(m), "")
        return f"{path} ({type(m).__name__})" if path else type(m).__name__

    def described(self, t: Tensor) -> str:
        """`fc1.weight float32[64, 10]`."""
        kind = "parameter" if issubclass(type(t), Parameter) else "tensor"
        return f"{self.name(t) or kind} {Aval(tuple(t._data.shape), t._data.dtype)}"

    def holders(self, t: Tensor) -> Iterator[tuple[Optimizer, int, int]]:
        """(optimiser, group, place) wherever an optimiser holds the tensor."""
        for o in self.optimizers:
            for g, group in enumerate(o.param_groups):
                for k, p in enumerate(group["params"]):
                    if p is t:
                        yield o, g, k

    def orphans(self, like: Tensor | None = None) -> Iterator[tuple[Optimizer, Tensor]]:
        """(optimiser, tensor) of parameters that it steps and no module holds, where it also steps some that one holds.

        like    only optimisers that step something of the model which holds this tensor
        """
        root = None if like is None else self._root.get(id(like))
        for o in self.optimizers:
            held = [p for group in o.param_groups for p in group["params"]]
            models = [self._root[id(p)] for p in held if id(p) in self._root]
            if models and (root is None or any(m is root for m in models)):
                yield from ((o, p) for p in held if not self.owned(p) and issubclass(type(p), Parameter))

    def successors(self, t: Tensor, o: Optimizer) -> list[Tensor]:
        """Parameters of t's shape in models that `o` steps, which no optimiser holds."""
        held = {id(p) for other in self.optimizers for group in other.param_groups for p in group["params"]}
        models = {id(m): m for group in o.param_groups for p in group["params"] if (m := self._root.get(id(p))) is not None}
        return [
            p for m in models.values() for p in m.parameters() if id(p) not in held and p._data.shape == t._data.shape
        ]  # fmt: skip

    def compiled_step(self, t: Tensor) -> bool:
        """True if a compiled function writes the tensor: a compiled training step, which keeps no `.grad`."""
        return any(w is t for w in self._written())

    def compiled_steps(self) -> bool:
        """True if a compiled function writes some parameter."""
        return any(self.owned(w) for w in self._written())

    def _written(self) -> Iterator[Tensor]:
        engine = sys.modules.get("cutaway.engine.compile")
        if engine is not None:
            variants = [v for c in alive(engine.Compiled) for v in getattr(c, "variants", {}).values()]
            yield from (w.tensor for v in variants for w in v.traced.writes)
