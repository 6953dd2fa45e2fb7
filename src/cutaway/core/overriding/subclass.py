"""Tensors of classes of a program's own: how they are made, what they keep, and what functions do with them by default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from cutaway.core.errors import ArgumentTypeError, NotWritten
from cutaway.core.overriding.asked import DISABLED, DisableTorchFunctionSubclass, install

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

# What a Tensor consists of; all else in its `__dict__` is the program's.
FIELDS = frozenset("_data _cell _node _grad _view _epoch _base _path".split())


class Attributes(dict[str, Any]):
    """A Tensor's `__dict__` as a program sees it: what it has set.  Writing here writes there."""

    __slots__ = ("_all",)

    def __init__(self, everything: dict[str, Any]) -> None:
        super().__init__({k: v for k, v in everything.items() if k not in FIELDS})
        self._all = everything

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


def _both(name: str) -> Callable[..., Any]:
    change = getattr(dict, name)

    def method(self: Attributes, *args: Any, **kwargs: Any) -> Any:
        result = change(self, *args, **kwargs)
        for gone in [k for k in self._all if k not in self and k not in FIELDS]:
            del self._all[gone]
        self._all.update(self)
        return result

    method.__name__ = name
    return method


for _name in "__delitem__ __ior__ __setitem__ clear pop popitem setdefault update".split():
    setattr(Attributes, _name, _both(_name))


def attributes(t: Tensor) -> Attributes:
    """What a program has set on a tensor.

    It is `t.__dict__`, too, but of a class that has another base before Tensor, whose `__dict__` Python finds first.
    """
    return Attributes(fields(t))


def replace(t: Tensor, given: dict[str, Any]) -> None:
    """`t.__dict__ = given`."""
    own = attributes(t)
    own.clear()
    own.update({k: v for k, v in given.items() if k not in FIELDS})


# --- making -----------------------------------------------------------------------------------------------------------


def defined(cls: type) -> None:
    """A subclass of Tensor has been defined: functions ask from now on, unless it wants to count as any other."""
    if getattr(cls, "__torch_function__", DISABLED) is not DISABLED:
        install()


def check(name: str, cls: Any) -> None:
    """Raise for what is no subclass of Tensor, or one that asks for more than there is."""
    from cutaway.core.tensor import Tensor

    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise ArgumentTypeError(f"{name}: cls must be a subclass of Tensor, got {cls!r}")
    if getattr(cls, "__torch_dispatch__", DISABLED) not in (DISABLED, None):
        raise NotWritten(
            f"{name}: {cls.__name__} defines __torch_dispatch__, and Cutaway has no level of operations below its functions "
            "that could ask it; define __torch_function__"
        )


def as_subclass(t: Tensor, cls: Any) -> Any:
    """`t` as a tensor of class `cls`: the same memory, a part of the same history."""
    from cutaway.core.grad_names import tell
    from cutaway.core.ops import movement

    check("as_subclass", cls)
    return handle(cls, tell(movement.permute(t, dims=tuple(range(t._data.ndim))), "Alias", (), {}))


def make_subclass(cls: Any, data: Any, requires_grad: bool = False) -> Any:
    """A leaf of class `cls` on the memory of `data`."""
    from cutaway.core.tensor import Tensor

    check("_make_subclass", cls)
    if not isinstance(data, Tensor):
        raise ArgumentTypeError(f"_make_subclass: data must be a Tensor, got {type(data).__name__}")
    with DisableTorchFunctionSubclass():
        made = handle(cls, data.detach())
        return made.requires_grad_() if requires_grad else made


def handle(cls: Any, t: Tensor) -> Any:
    """Another handle on what `t` is, of class `cls`."""
    made = object.__new__(cls)
    fields(made).update({k: v for k, v in fields(t).items() if k in FIELDS and k != "_grad"})
    return made


def fields(t: Tensor) -> dict[str, Any]:
    """All that a Tensor holds."""
    from cutaway.core.methods import Methods

    held: dict[str, Any] = vars(Methods)["__dict__"].__get__(t)
    return held


# --- what functions do by default -------------------------------------------------------------------------------------


def default(cls: Any, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """`Tensor.__torch_function__`: the result of `func`, its tensors of class `cls`.

    NotImplemented if `types` holds a class that is no base of `cls`.
    """
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        with as_plain((*args, *(kwargs or {}).values()), func):
            y = func(*args, **(kwargs or {}))
        return y if func in nowrap() else converted(y, cls)


@contextmanager
def as_plain(values: tuple[Any, ...], func: Any) -> Iterator[None]:
    """Inside, tensors among `values` whose class has methods that Tensor has, too, are plain Tensors.

    Cutaway's functions are written in terms of Tensor's methods, where PyTorch's are not, and must not meet a program's.
    """
    from cutaway.core.tensor import Tensor

    found = [] if getattr(func, "__name__", "") in OF_THE_CLASS else [x for x in _flat(values) if overrides(x.__class__)]
    kinds = [type(x) for x in found]
    try:
        for x in found:
            x.__class__ = Tensor
        yield
    finally:
        for x, kind in zip(found, kinds, strict=True):
            x.__class__ = kind


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for x in values:
        if type(x) is list or type(x) is tuple:
            yield from _flat(x)
        else:
            yield x


@cache
def overrides(kind: Any) -> bool:
    """True for a subclass of Tensor with methods that Tensor has, too."""
    from cutaway.core.tensor import Tensor

    if not issubclass(kind, Tensor) or kind.__basicsize__ != Tensor.__basicsize__:  # with slots it must stay what it is
        return False
    own = kind.__mro__[: kind.__mro__.index(Tensor)]
    return any(name not in HARMLESS and hasattr(Tensor, name) for base in own for name in vars(base))


OF_THE_CLASS = frozenset("__deepcopy__ __format__ __reduce_ex__ __repr__".split())  # these look at it
HARMLESS = OF_THE_CLASS | frozenset(
    """
    __annotations__ __class__ __dict__ __dir__ __doc__ __getattr__ __getattribute__ __getstate__ __hash__ __init__
    __init_subclass__ __module__ __new__ __qualname__ __setattr__ __setstate__ __slots__ __str__ __torch_function__
    __weakref__
    """.split()
)


def converted(y: Any, cls: Any) -> Any:
    """Tensors in `y` as tensors of class `cls`."""
    from cutaway.core.tensor import Tensor

    if cls is Tensor:
        return y
    if isinstance(y, Tensor):
        return y if isinstance(y, cls) else as_subclass(y, cls)
    if isinstance(y, (tuple, list)):
        parts = [converted(part, cls) for part in y]
        if all(a is b for a, b in zip(parts, y, strict=True)):
            return y
        return type(y)(*parts) if hasattr(y, "_fields") else type(y)(parts)
    return y


def nowrap() -> set[Any]:
    """Getters whose tensors stay what they are."""
    from cutaway.core.tensor import Tensor

    return {Tensor.grad.__get__}
