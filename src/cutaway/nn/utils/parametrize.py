"""A parameter as a function of others: reading module.weight computes it of what module.parametrizations.weight holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.tensor import Tensor
from cutaway.nn.container import ModuleDict, ModuleList
from cutaway.nn.module import Module
from cutaway.nn.parameter import Parameter

_cache: ContextVar[dict[tuple[int, str], Tensor] | None] = ContextVar("parametrized", default=None)


class ParametrizationList(ModuleList):
    """What a tensor is made of: `original`, or `original0`, `original1` ..., and the modules that make it."""

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        value: Any = original
        with no_grad():
            for m in reversed(modules):
                if hasattr(m, "right_inverse"):
                    value = m.right_inverse(value)
        self.is_tensor = isinstance(value, Tensor)
        self.ntensors = 1 if self.is_tensor else len(value)
        for i, part in enumerate([value] if self.is_tensor else value):
            name = "original" if self.is_tensor else f"original{i}"
            if isinstance(original, Parameter):
                same = part is original
                setattr(self, name, original if same else Parameter(part.detach(), original.requires_grad))
            else:
                self.register_buffer(name, part)

    def forward(self) -> Tensor:
        if self.is_tensor:
            first: tuple[Any, ...] = (self.original,)
        else:
            first = tuple(getattr(self, f"original{i}") for i in range(self.ntensors))
        x: Any = self[0](*first)
        for m in [*self][1:]:
            x = m(x)
        made: Tensor = x
        return made

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that they make `value`.  Raises ArgumentError where a part cannot be inverted."""
        inner: Any = value
        with no_grad():
            for m in reversed([*self]):
                if not hasattr(m, "right_inverse"):
                    raise ArgumentError(
                        f"parametrize: {type(m).__name__} has no right_inverse, so nothing can be assigned"
                    )
                inner = m.right_inverse(inner)
            if self.is_tensor:
                self.original.copy_(inner)
            else:
                for i, part in enumerate(inner):
                    getattr(self, f"original{i}").copy_(part)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """From now on module.<tensor_name> is `parametrization(original)`; a further one is applied to the result; the module.

    `parametrization.right_inverse(value)`, if it is there, gives the original that makes the value of now (tuple: several).
    Raises ArgumentError for an unknown name, or if the shape or dtype changes and not `unsafe`.
    """
    if is_parametrized(module, tensor_name):
        parts = module.parametrizations[tensor_name]
        if not unsafe:
            _same(tensor_name, getattr(module, tensor_name), parametrization(getattr(module, tensor_name)))
        parts.append(parametrization)
        return module
    table: Any = next((t for t in (module._parameters, module._buffers) if t.get(tensor_name) is not None), None)
    if table is None:
        raise ArgumentError(
            f"register_parametrization: {type(module).__name__} has no parameter or buffer {tensor_name!r}; it has "
            f"{[*module._parameters, *module._buffers]}"
        )
    original = table[tensor_name]
    parts = ParametrizationList([parametrization], original, unsafe)
    parametrization.train(module.training)
    if not unsafe:
        with no_grad():
            _same(tensor_name, original, parts())
    del table[tensor_name]
    if not is_parametrized(module):
        _give_class(module)
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = parts
    return module


def _same(name: str, before: Tensor, after: Any) -> None:
    if not isinstance(after, Tensor):
        raise ArgumentTypeError(f"register_parametrization: {name!r} became a {type(after).__name__}, not a Tensor")
    if after.dtype != before.dtype or tuple(after.shape) != tuple(before.shape):
        raise ArgumentError(
            f"register_parametrization: {name!r} {show(before)} would become {show(after)}; unsafe=True allows it"
        )


def _give_class(module: Module) -> None:
    """A class of its own, where properties can stand that other objects of the class do not have."""
    cls = type(module)
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), {"__module__": cls.__module__})


def _property(name: str) -> property:
    def get(self: Any) -> Tensor:
        known = _cache.get()
        if known is None:
            made: Tensor = self.parametrizations[name]()
            return made
        key = (id(self), name)
        if key not in known:
            known[key] = self.parametrizations[name]()
        return known[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """True if a tensor of the module, or this one, is parametrized."""
    parts = module._modules.get("parametrizations")
    if not isinstance(parts, ModuleDict):
        return False
    return bool(len(parts)) if tensor_name is None else tensor_name in parts


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """`module` with a plain tensor again: the value of now, or the original with leave_parametrized=False.

    Raises ArgumentError if it is not parametrized, or has several originals of which none is the value.
    """
    if not is_parametrized(module, tensor_name):
        raise ArgumentError(f"remove_parametrizations: {type(module).__name__}.{tensor_name} is not parametrized")
    parts = module.parametrizations[tensor_name]
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach()
        first = parts.original if parts.is_tensor else parts.original0
        kept: Any = Parameter(value, first.requires_grad) if isinstance(first, Parameter) else value
    elif parts.is_tensor:
        kept = parts.original
    else:
        raise ArgumentError("remove_parametrizations: there are several originals; leave_parametrized=True keeps the value")
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    if isinstance(kept, Parameter):
        module.register_parameter(tensor_name, kept)
    else:
        module.register_buffer(tensor_name, kept)
    return module


@contextmanager
def cached() -> Iterator[None]:
    """Inside the `with` block each parametrized tensor is computed once."""
    before = _cache.set({})
    try:
        yield
    finally:
        _cache.reset(before)
