"""What a hyper-parameter may be, and what a list of parameters may hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.errors import ArgumentError, ArgumentTypeError, GradError, NameRefused
from cutaway.core.strict import refuse_or_warn
from cutaway.core.tensor import Tensor


class Limit(NamedTuple):
    """A condition on a number, and its words."""

    words: str
    holds: Callable[[float], bool]


NOT_NEGATIVE = Limit("0 or more, and finite", lambda x: 0 <= x < float("inf"))
POSITIVE = Limit("above 0", lambda x: x > 0)
BELOW_ONE = Limit("in [0, 1)", lambda x: 0 <= x < 1)
FRACTION = Limit("in [0, 1]", lambda x: 0 <= x <= 1)


def plain(value: Any) -> Any:
    """A hyper-parameter as a Python number: NumPy numbers and one-element Tensors would change the result's dtype."""
    kind = type(value)
    if kind is float or kind is int or kind is bool:
        return value
    if kind is tuple or kind is list:
        return tuple([plain(v) for v in value])
    return value.item() if isinstance(value, (Tensor, np.generic)) else value


def check_number(op: str, name: str, value: Any, limit: Limit) -> None:
    """Raise ArgumentTypeError unless `value` is a number, ArgumentError unless it is within the limit."""
    number = plain(value)
    if not isinstance(number, (int, float)):
        raise ArgumentTypeError(f"{op}: {name} must be a number, got {value!r}")
    if not limit.holds(number):
        raise ArgumentError(f"{op}: {name} must be {limit.words}, got {name}={value}")


def check_group(op: str, group: dict[str, Any], limits: dict[str, Limit]) -> None:
    """Check the hyper-parameters of a group; those that are pairs, such as betas, element by element."""
    for name, limit in limits.items():
        value = group[name]
        if isinstance(value, (tuple, list)):
            if len(value) != 2:
                raise ArgumentError(f"{op}: {name} must be a pair, got {name}={value}")
            for i, v in enumerate(value):
                check_number(op, f"{name}[{i}]", v, limit)
        elif name == "betas":
            raise ArgumentTypeError(f"{op}: betas must be a pair such as (0.9, 0.999), got {value!r}")
        else:
            check_number(op, name, value, limit)


def list_of_groups(op: str, params: Any) -> list[dict[str, Any]]:
    """What the user gave as `params`, as groups; each group is a new dict.

    Raises ArgumentTypeError for a single Tensor and for what cannot be iterated, ArgumentError for an empty list.
    """
    if isinstance(params, Tensor):
        raise ArgumentTypeError(
            f"{op}: params must be a list of Tensors or of dicts, got a single Tensor; write [tensor]"
        )
    if isinstance(params, dict):
        raise ArgumentTypeError(f"{op}: params must be a list, got a dict; write [group], or list(d.values())")
    if callable(params) and not isinstance(params, Iterable):
        raise ArgumentTypeError(
            f"{op}: params is a function or a module, not a list of Tensors; write model.parameters()"
        )
    _check_ordered(op, params)
    entries = list(params)
    if not entries:
        raise ArgumentError(
            f"{op}: got an empty parameter list; has the model parameters, "
            "and was its parameters() used up by an earlier loop?"
        )
    if not isinstance(entries[0], dict):
        entries = [{"params": entries}]
    return entries


def _described(i: int, p: Tensor) -> str:
    """A parameter in the words of an error; a lazy layer's has no shape yet."""
    try:
        shape = str(list(p.shape))
    except GradError:
        shape = ""
    return f"parameter {i} ({p.dtype.name}{shape})"


def tensors_of(op: str, group: Any) -> tuple[list[Tensor], list[str]]:
    """The parameters of a group, and their names where `named_parameters()` was given.

    Raises ArgumentTypeError for anything but Tensors, ArgumentError for a result of other operations or a repetition.
    """
    if not isinstance(group, dict):
        raise ArgumentTypeError(
            f"{op}: a parameter group must be a dict such as {{'params': [...], 'lr': 0.1}}, got {group!r}"
        )
    if "params" not in group:
        raise NameRefused(f"{op}: a parameter group needs the key 'params', got {sorted(group)}")
    listed = group["params"]
    if isinstance(listed, Tensor):
        listed = [listed]
    _check_ordered(op, listed)
    listed = list(listed)
    named = [isinstance(entry, tuple) for entry in listed]
    if any(named) and not all(named):
        raise ArgumentError(f"{op}: some parameters of a group have names and some have not; name all or none")
    names = [entry[0] for entry in listed] if any(named) else []
    tensors = [entry[1] for entry in listed] if names else listed
    seen: set[int] = set()
    for i, p in enumerate(tensors):
        if not isinstance(p, Tensor):
            hint = "; write model.parameters()" if hasattr(p, "parameters") else ""
            raise ArgumentTypeError(f"{op}: can only change Tensors, but parameter {i} is {type(p).__name__}{hint}")
        if not (p.is_leaf or p.retains_grad):
            raise ArgumentError(
                f"{op}: {_described(i, p)} is the result of {p.grad_fn.name}, not a leaf, and changing it would not last; "
                "pass the leaf it was computed from, or make it one: w = w.detach().requires_grad_()"
            )
        if id(p) in seen:
            twice = f"{op}: {_described(i, p)} is in the list twice and would take every step twice; list it once"
            refuse_or_warn(ArgumentError(twice), "it takes every step twice")
        seen.add(id(p))
    return tensors, names


def _check_ordered(op: str, params: Any) -> None:
    if isinstance(params, (set, frozenset)):
        raise ArgumentTypeError(f"{op}: params is a set, whose order changes from run to run; use a list")
    if not isinstance(params, Iterable) or isinstance(params, (str, bytes)):
        raise ArgumentTypeError(f"{op}: params must be a list of Tensors or of dicts, got {params!r}")
