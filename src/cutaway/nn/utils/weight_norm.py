"""Weight normalisation by hooks: a weight kept as direction and length (Salimans & Kingma 2016, arXiv 1602.07868).

`nn.utils.parametrizations.weight_norm` does the same without hooks.
"""

from __future__ import annotations

from typing import Any, TypeVar

from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.refusal import describe, guarded
from cutaway.core.tensor import Tensor
from cutaway.nn.module import Module
from cutaway.nn.parameter import Parameter

M = TypeVar("M", bound=Module)


def length(v: Tensor, dim: int | None) -> Tensor:
    """The 2-norm over all dimensions but `dim`, which are kept at size 1; over all for None or -1, as a scalar."""
    if dim is None or dim == -1:
        return v.norm()
    return v.norm(2, [d for d in range(v.ndim) if d != dim % v.ndim], keepdim=True)


class WeightNorm:
    """The hook that makes module.weight of module.weight_g and module.weight_v before each call."""

    def __init__(self, name: str, dim: int) -> None:
        self.name, self.dim = name, dim

    def compute_weight(self, module: Module) -> Tensor:
        """g v / |v|."""
        v: Tensor = getattr(module, self.name + "_v")
        return v * (getattr(module, self.name + "_g") / length(v, self.dim))

    def __call__(self, module: Module, inputs: Any) -> None:
        """Make the weight anew."""
        setattr(module, self.name, self.compute_weight(module))


@guarded
def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """`module` with its parameter `name` [...] replaced by name_g (lengths along `dim`) and name_v (directions); the module.

    dim=None: one length for all.  Raises ArgumentError if the parameter is normalised already or is none.
    """
    norm = WeightNorm(name, -1 if dim is None else dim)
    refuse_twice(module, name, WeightNorm, "weight_norm")
    weight = taken(module, name, "weight_norm")
    module.register_parameter(name + "_g", Parameter(length(weight.detach(), norm.dim)))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    setattr(module, name, norm.compute_weight(module))
    module.register_forward_pre_hook(norm)
    return module


@guarded
def remove_weight_norm(module: M, name: str = "weight") -> M:
    """`module` with a plain parameter `name` again.  Raises ArgumentError if it is not normalised."""
    norm = found(module, name, WeightNorm, "remove_weight_norm")
    weight = norm.compute_weight(module).detach()
    for part in (name, name + "_g", name + "_v"):
        delattr(module, part)
    setattr(module, name, Parameter(weight))
    return module


# --- for spectral_norm, too -------------------------------------------------------------------------------------------


def taken(module: Module, name: str, op: str) -> Parameter:
    """The parameter `name`, which the module no longer has.  Raises ArgumentError if there is none."""
    weight = module._parameters.get(name)
    if weight is None:
        raise ArgumentError(f"{op}: {type(module).__name__} has no parameter {name!r}; it has {list(module._parameters)}")
    del module._parameters[name]
    return weight


def need_module(op: str, module: Any) -> None:
    """Raise ArgumentTypeError for what is no module."""
    if not isinstance(module, Module):
        raise ArgumentTypeError(f"{op}: expected a Module, got {describe(module)}")


def hooks(module: Module, name: str, kind: type) -> list[tuple[int, Any]]:
    """The module's hooks of this kind for this parameter, with their numbers."""
    if module._hooks is None:
        return []
    calls: list[tuple[int, Any]] = [(number, hook) for number, hook in module._hooks.before.items()]
    return [(number, call) for number, call in calls if isinstance(call, kind) and call.name == name]  # type: ignore[attr-defined]


def refuse_twice(module: Module, name: str, kind: type, op: str) -> None:
    """Raise ArgumentError if the module has such a hook already, ArgumentTypeError if it is no module."""
    need_module(op, module)
    if hooks(module, name, kind):
        raise ArgumentError(f"{op}: the parameter {name!r} of {type(module).__name__} is normalised already")


def found(module: Module, name: str, kind: type, op: str) -> Any:
    """The module's hook of this kind, which is taken off.  Raises ArgumentError if there is none."""
    need_module(op, module)
    for number, call in hooks(module, name, kind):
        del module._hooks.before[number]  # type: ignore[union-attr]
        return call
    raise ArgumentError(f"{op}: the parameter {name!r} of {type(module).__name__} is not normalised")
