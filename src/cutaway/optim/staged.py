"""A step while a program is staged: the rule runs on Tensors, and what changes between calls becomes an input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.autograd import no_grad
from cutaway.core.dtypes import is_narrow
from cutaway.core.op import Stage
from cutaway.core.tensor import Tensor
from cutaway.core.watched import WatchedGroup
from cutaway.optim.check import plain

if TYPE_CHECKING:
    from cutaway.optim.optimizer import Group, Optimizer

FLOAT64 = np.dtype(np.float64)
LIFTED = ("lr", "betas")  # what schedules change; any other hyper-parameter is fixed when the step is traced


def hyperparameters(group: Group, stage: Stage) -> Group:
    """The group's hyper-parameters, those that schedules change as numbers that are read anew at each call."""
    h: dict[str, Any] = {name: plain(value) for name, value in group.items() if name != "params"}

    def lift(name: str, part: int | None = None) -> Any:
        def read() -> float:
            value = group[name] if part is None else group[name][part]
            return value if type(value) is float else float(plain(value))

        def steady() -> bool:
            value = group[name]
            return isinstance(group, WatchedGroup) and all(type(v) in (float, int) for v in _parts(value))

        return stage.number(read, FLOAT64, name if part is None else f"{name}[{part}]", steady=steady)

    for name in LIFTED:
        if name in h:
            value = h[name]
            h[name] = tuple(lift(name, i) for i in range(len(value))) if isinstance(value, tuple) else lift(name)
    return h


def _parts(value: Any) -> tuple[Any, ...]:
    """What cannot change inside a number or a tuple of them; of anything else, itself."""
    return value if type(value) is tuple else (value,)


def staged_step(optimizer: Optimizer, stage: Stage) -> None:
    """One step of all groups in Tensor operations; parameters and memory are written in place."""
    with no_grad():
        for group in optimizer.param_groups:
            h = hyperparameters(group, stage)
            for p in group["params"]:
                if p._grad is not None:
                    _advance(optimizer, stage, p, h)


def _advance(optimizer: Optimizer, stage: Stage, p: Tensor, h: Group) -> None:
    memory = optimizer.memory_of(p)
    for held in memory.values():
        stage.adopt(held)
    t: Any = 0
    if optimizer.counts:
        memory["step"].add_(1)
        t = memory["step"].double()
    narrow = is_narrow(p._data.dtype)  # computed with in float32, rounded once a step
    state = {name: held.float() if narrow else held for name, held in memory.items() if name != "step"}
    assert p._grad is not None
    here, gradient = (p.detach().float(), p._grad.float()) if narrow else (p.detach(), p._grad)
    new_p, new_state = optimizer.apply(here, gradient, state, t, h)
    for name, value in new_state.items():
        if name not in memory:
            memory[name] = Tensor._wrap(np.zeros(value._data.shape, p._data.dtype if narrow else value._data.dtype))
            stage.adopt(memory[name])
        memory[name]._assign(value, f"{type(optimizer).__name__}.step")
    p._assign(new_p, f"{type(optimizer).__name__}.step")
