"""A module called with other parameters than its own: what an inner loop of meta-learning needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cutaway.core.errors import ArgumentTypeError, MissingAttribute, StateError
from cutaway.core.tensor import Tensor
from cutaway.nn.module import Module


def functional_call(
    module: Module,
    parameters_and_buffers: Mapping[str, Tensor],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """`module(*args, **kwargs)` with the tensors given by name (as in named_parameters()) in place of its own.

    Names that are not given keep the module's tensors; gradients flow to what is given. A tensor that the module has under
    several names is replaced under all, unless `tie_weights` is False. The module's own come back afterwards, also after
    an error. Raises ArgumentTypeError for what is no Tensor, MissingAttribute for a path to no module, and, with `strict`,
    StateError unless the names are exactly the module's; without it a name that a module does not have is passed over.
    """
    modules = dict(module.named_modules(remove_duplicate=False))
    tables = [table for m in module.modules() for table in (m._parameters, m._buffers)]
    names = {name for name, _ in [*module.named_parameters(), *module.named_buffers()]}
    if strict and (wrong := names ^ {*parameters_and_buffers}):
        raise StateError(f"functional_call: missing or unknown with strict=True: {', '.join(sorted(wrong))}")
    found: list[tuple[dict[str, Any], str, Any]] = []  # a module's table, the name in it, the tensor for it
    for name, value in parameters_and_buffers.items():
        if not isinstance(value, Tensor):
            raise ArgumentTypeError(f"functional_call: {name!r} must be a Tensor, got {type(value).__name__}")
        path, _, last = name.rpartition(".")
        if path not in modules:
            raise MissingAttribute(f"functional_call: {type(module).__name__} has no module {path!r}, for {name!r}")
        for table in (modules[path]._parameters, modules[path]._buffers):
            own = table.get(last)
            if own is not None and tie_weights:
                found += [(t, k, value) for t in tables for k in t if t[k] is own]
            elif last in table:
                found.append((table, last, value))
    before = [(table, name, table[name]) for table, name, _ in found]
    try:
        for table, name, value in found:
            table[name] = value
        inputs = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*inputs, **(kwargs or {}))
    finally:
        for table, name, value in before:
            table[name] = value


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.nn.utils.stateless", name, ["functional_call"])
