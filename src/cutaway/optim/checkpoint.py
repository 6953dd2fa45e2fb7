"""An optimiser's state as plain dicts, parameters replaced by their numbers; and back."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from cutaway.core.errors import StateError
from cutaway.core.tensor import Tensor
from cutaway.core.watched import WatchedGroup, WatchedList, WatchedMemories

Group = dict[str, Any]


def pack(groups: list[Group], state: dict[Tensor, dict[str, Any]]) -> dict[str, Any]:
    """{"state": {number: memory}, "param_groups": [hyper-parameters and the numbers of the parameters]}."""
    number: dict[int, int] = {}
    packed = []
    for group in groups:
        for p in group["params"]:
            number[id(p)] = len(number)
        packed.append(
            {
                **{name: v for name, v in group.items() if name != "params"},
                "params": [number[id(p)] for p in group["params"]],
            }
        )
    return {"state": {number[id(p)]: memory for p, memory in state.items() if memory}, "param_groups": packed}


ShapeOf = Callable[[str, Tensor], tuple[int, ...] | None]


def unpack(
    op: str, saved: Any, groups: list[Group], shape_of: ShapeOf, counted: bool
) -> tuple[list[Group], WatchedMemories]:
    """The groups and the state that `saved` holds, about the parameters of `groups`.  Raises StateError on a misfit.

    `shape_of` tells the shape of what is remembered under a name of a parameter; None for any.  `counted`: the optimiser is
    one whose `step` is a Tensor, which was a number in old files; in a program's own it is what the program keeps there.
    """
    try:
        saved_groups, saved_state = list(saved["param_groups"]), dict(saved["state"])
        numbers = [list(group["params"]) for group in saved_groups]
    except (TypeError, KeyError, ValueError):
        raise StateError(
            f"{op}.load_state_dict: expected a dict with 'state' and 'param_groups', as state_dict() gives it"
        ) from None
    sizes, saved_sizes = [len(group["params"]) for group in groups], [len(n) for n in numbers]
    if sizes != saved_sizes:
        raise StateError(
            f"{op}.load_state_dict: the saved optimiser had {_tell(saved_sizes)}, this one has {_tell(sizes)}; "
            "build it over the same parameters in the same groups"
        )
    parameter = {n: p for group, own in zip(groups, numbers) for n, p in zip(own, group["params"])}
    state = WatchedMemories()
    for n, memory in saved_state.items():
        if n not in parameter:
            raise StateError(f"{op}.load_state_dict: there is state for parameter {n!r}, which no group names")
        if counted and isinstance(memory.get("step"), (int, float)):
            memory = {**memory, "step": np.array(memory["step"], np.float32)}
        state[parameter[n]].update(
            (name, _fit(op, f"{name!r} of parameter {n}", name, value, parameter[n], shape_of(name, parameter[n])))
            for name, value in memory.items()
            if value is not None
        )
    merged = WatchedList()
    for group, own in zip(groups, saved_groups):
        loaded = {name: deepcopy(v) for name, v in own.items() if name != "params"}
        if "param_names" in group:
            loaded.setdefault("param_names", group["param_names"])
        merged.append(WatchedGroup(loaded, params=group["params"]))
    return merged, state


def _fit(op: str, what: str, name: str, value: Any, p: Tensor, shape: tuple[int, ...] | None) -> Any:
    """A saved value as a Tensor of its own; numbers and lists stay what they are."""
    if isinstance(value, list):
        return [_fit(op, what, name, v, p, shape) for v in value]
    if not hasattr(value, "__array__"):
        return value
    if isinstance(value, Tensor) and not value._strided:
        return value.detach().to(p.dtype).clone()
    array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    if name == "step" or (array.ndim == 0 and p._data.ndim):
        return Tensor._wrap(array.copy())
    if shape is not None and array.shape != shape:
        raise StateError(
            f"{op}.load_state_dict: {what} has shape {list(array.shape)}, the parameter {list(p.shape)}"
            f"{'' if shape == p._data.shape else f' has it in {list(shape)}'}; was the state saved from another model?"
        )
    return Tensor._wrap(array.astype(p._data.dtype))


def _tell(sizes: list[int]) -> str:
    """`2 groups of 3 and 1 parameters`."""
    return f"{len(sizes)} group{'s' * (len(sizes) != 1)} of {' and '.join(map(str, sizes))} parameters"
