"""Containers: modules and parameters in order, or by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cutaway.core.errors import ArgumentError, ArgumentTypeError, IndexOutOfRange, KindError, MissingKey
from cutaway.core.package import package
from cutaway.core.tensor import Tensor
from cutaway.nn.module import Module, _indent
from cutaway.nn.parameter import Parameter


class _Numbered(Module):
    """Children named "0", "1", ...: what Sequential and ModuleList share."""

    def _at(self, index: int) -> int:
        """`index` counted from the front.  Raises IndexOutOfRange."""
        n = len(self)
        if not hasattr(index, "__index__"):
            raise ArgumentTypeError(f"{type(self).__name__}: an index must be an int or a slice, got {index!r}")
        i = index.__index__()
        if not -n <= i < n:
            raise IndexOutOfRange(f"{type(self).__name__}: index {i} is out of range, it holds {n} modules")
        return i % n

    def _renumber(self, modules: Iterable[Module]) -> None:
        self._modules.clear()
        for i, m in enumerate(modules):
            self.register_module(str(i), m)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            part = list(self._modules.items())[index]
            return self._made_of(part)
        return list(self._modules.values())[self._at(index)]

    def _made_of(self, part: list[tuple[str, Any]]) -> Any:
        return type(self)(*(m for _, m in part))

    def __setitem__(self, index: int, module: Module) -> None:
        self.register_module(list(self._modules)[self._at(index)], module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [names[self._at(index)]]:
            delattr(self, name)
        self._renumber(list(self))

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns the container."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add several modules at the end; returns the container.  Raises ArgumentTypeError for what is not iterable."""
        if not isinstance(modules, Iterable):
            raise ArgumentTypeError(
                f"{type(self).__name__}.extend: expected several modules, got {type(modules).__name__}"
            )
        for m in list(modules):
            self.append(m)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before position `index`; the later ones move up."""
        n = len(self)
        if not -n <= index <= n:
            raise IndexOutOfRange(f"{type(self).__name__}.insert: index {index} is out of range, it holds {n} modules")
        if not isinstance(module, Module):
            raise ArgumentTypeError(f"{type(self).__name__}.insert: expected a Module, got {type(module).__name__}")
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, index: int | slice = -1) -> Any:
        """Take a module out and return it."""
        taken = self[index]
        del self[index]
        return taken

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


class Sequential(_Numbered):
    """Modules one after the other: each gets what the one before gave.

    `Sequential(a, b, c)` or `Sequential(OrderedDict(first=a, second=b))`; indexing and slicing as a list.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.register_module(name, module)
        else:
            for i, module in enumerate(args):
                self.register_module(str(i), module)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input

    def _made_of(self, part: list[tuple[str, Any]]) -> Any:
        return type(self)(dict(part))

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise KindError(
                f"Sequential: can only be joined with another Sequential, got {type(other).__name__}"
            )
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Any:
        return self.extend(other)

    def __mul__(self, other: int) -> Sequential:
        return Sequential(*(list(self) * self._times(other)))

    def __rmul__(self, other: int) -> Sequential:
        return self * other

    def __imul__(self, other: int) -> Any:
        return self.extend(list(self) * (self._times(other) - 1))

    @staticmethod
    def _times(n: int) -> int:
        """How often to repeat.  Raises ArgumentTypeError, ArgumentError."""
        if not isinstance(n, int):
            raise ArgumentTypeError(f"Sequential: can only be repeated an int number of times, got {n!r}")
        if n < 1:
            raise ArgumentError(f"Sequential: can be repeated once or more, got {n}")
        return n


class ModuleList(_Numbered):
    """A list of modules that the owner calls as it likes; it has no forward of its own."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _made_of(self, part: list[tuple[str, Any]]) -> Any:
        return type(self)(m for _, m in part)

    def insert(self, index: int, module: Module) -> None:
        """Put a module before position `index`, as a list does; the later ones move up."""
        super().insert(index, module)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, modules: Iterable[Module]) -> Any:
        return self.extend(modules)

    def __repr__(self) -> str:
        if not len(self):
            return f"{self._get_name()}()"
        # Neighbours that look alike are shown once: (0-2): 3 x Linear(...)
        runs: list[tuple[int, int, str]] = []
        for i, text in enumerate(map(repr, self)):
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], i, text)
            else:
                runs.append((i, i, text))
        lines = [
            f"({first}): {_indent(text)}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {_indent(text)}"
            for first, last, text in runs
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """Modules by name, in order of insertion.  Raises MissingKey for an unknown name."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        if key not in self._modules:
            raise MissingKey(f"ModuleDict: no module {key!r}; it holds {', '.join(map(repr, self._modules)) or 'none'}")
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        _ = self[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all."""
        for key in list(self):
            del self[key]

    def pop(self, key: str) -> Any:
        """Take a module out and return it."""
        module = self[key]
        del self[key]
        return module

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """(name, module) pairs."""
        return self._modules.items()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace several.  Raises ArgumentTypeError for what is neither a dict nor pairs."""
        for key, module in _pairs("ModuleDict.update", modules):
            self[key] = module


class ParameterList(Module):
    """Parameters in order; a plain Tensor that is put in becomes a Parameter."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _at(self, index: int) -> str:
        if not -self._size <= index < self._size:
            raise IndexOutOfRange(f"ParameterList: index {index} is out of range, it holds {self._size}")
        return str(index % self._size)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ParameterList(list(self)[index])
        return getattr(self, self._at(index))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._at(index), _as_parameter(value))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(self._size)])

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end."""
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add several values at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise ArgumentTypeError(f"ParameterList: expected several parameters, got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def extra_repr(self) -> str:
        return "\n".join(_line(str(i), p, repr(p.dtype) if isinstance(p, Tensor) else "") for i, p in enumerate(self))


class ParameterDict(Module):
    """Parameters by name; a plain Tensor that is put in becomes a Parameter.  Raises MissingKey for an unknown name."""

    def __init__(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise MissingKey(
                f"ParameterDict: no parameter {key!r}; it holds {', '.join(map(repr, self._keys)) or 'none'}"
            )
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self._keys and hasattr(self, key):
            raise ArgumentError(f"ParameterDict: {key!r} is the name of one of its methods; choose another name")
        self._keys[key] = None
        setattr(self, key, _as_parameter(value))

    def __delitem__(self, key: str) -> None:
        _ = self[key]
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def keys(self) -> Any:
        """The names."""
        return self._keys.keys()

    def values(self) -> Any:
        """The parameters."""
        return [self[k] for k in self._keys]

    def items(self) -> Any:
        """(name, parameter) pairs."""
        return [(k, self[k]) for k in self._keys]

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter, or `default`."""
        return self[key] if key in self._keys else default

    def pop(self, key: str) -> Any:
        """Take a parameter out and return it."""
        value = self[key]
        del self[key]
        return value

    def update(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add or replace several: those of a plain dict by the order of their names, which is PyTorch's."""
        pairs = _pairs("ParameterDict.update", parameters)
        ordered = not isinstance(parameters, Mapping) or isinstance(parameters, OrderedDict)
        for key, value in pairs if ordered else sorted(pairs, key=lambda pair: pair[0]):
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The parameter; it becomes `default` if there is none."""
        if key not in self._keys:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Take out the parameter that was put in last, with its name.  Raises MissingKey if there is none."""
        if not self._keys:
            raise MissingKey("ParameterDict.popitem: it is empty")
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def clear(self) -> None:
        """Remove all."""
        for key in list(self._keys):
            del self[key]

    def copy(self) -> ParameterDict:
        """Another ParameterDict with the same parameters."""
        return ParameterDict(self.items())

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another ParameterDict, with `default` under each of these names."""
        return ParameterDict((key, default) for key in keys)

    def __or__(self, other: ParameterDict) -> ParameterDict:
        both = self.copy()
        both.update(other.items())
        return both

    def __ior__(self, other: ParameterDict) -> ParameterDict:
        self.update(other.items())
        return self

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def extra_repr(self) -> str:
        return "\n".join(_line(k, p, _kind(p) if isinstance(p, Tensor) else "") for k, p in self.items())


def _pairs(op: str, source: Any) -> Any:
    if hasattr(source, "items"):
        return source.items()
    try:
        return [(key, value) for key, value in source]
    except (TypeError, ValueError):
        raise KindError(f"{op}: expected a dict or (name, value) pairs, got {type(source).__name__}") from None


def _as_parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _line(key: str, p: Any, kind: str) -> str:
    if not isinstance(p, Tensor):
        return f"  ({key}): Object of type: {type(p).__name__}"
    size = "x".join(map(str, p.shape))
    return f"  ({key}): {'Parameter' if isinstance(p, Parameter) else 'Tensor'} containing: [{kind} of size {size}]"


KINDS = {"float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long", "int32": "Int", "bool": "Bool"}


def _kind(p: Tensor) -> str:
    """The old name of its type: cutaway.FloatTensor."""
    return f"{package()}.{KINDS.get(p.dtype.name, p.dtype.name)}Tensor"
