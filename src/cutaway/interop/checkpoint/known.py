"""What the names in a checkpoint's pickle stand for: a closed list of makers, none of which runs code from the file.

`find("torch._utils", "_rebuild_tensor_v2")` gives a Maker; the unpickler calls Makers and nothing else. Classes that the
user vouches for (`add_safe_globals`) join the list: an object is then made without its `__init__`, and given its state.
Under `load(f, weights_only=False)` so do all classes in modules that the program has imported, and functions may be held,
not called.
"""

from __future__ import annotations

import codecs
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

import numpy as np

from cutaway.core.dtypes import ALL, UNSIGNED, device, dtype, uint8
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileFormatError,
    IndexOutOfRange,
    ShapeError,
    UnsafeFileError,
)
from cutaway.core.layouts import sparse_coo, sparse_csc, sparse_csr
from cutaway.core.overriding.subclass import FIELDS, attributes, make_subclass
from cutaway.core.package import home_of
from cutaway.core.refusal import describe
from cutaway.core.tensor import Size, Tensor
from cutaway.interop.checkpoint.storage import DTYPES, Storage, StorageClass, lacking, view
from cutaway.nn.parameter import Buffer, Parameter


class Maker:
    """A function that may be called with values from a file."""

    __slots__ = ("make", "name")

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name, self.make = name, make


class DType:
    """A NumPy dtype on its way: its code, and the byte order that follows as state."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "="

    def get(self) -> np.dtype:
        """The dtype."""
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


def find(module: str, name: str) -> Any:
    """What `module.name` stands for: a Maker, a class, a function, a dtype, a storage's dtype.

    Raises UnsafeFileError for whatever is not on the list, DTypeError for a dtype that does not exist here.
    """
    module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
    full = f"{module}.{name}"
    if full in _user:
        return _user[full]
    if full in _table and "." not in name:
        return _table[full]
    if _user and (ours := _ours(module, name)) in _user.values():
        return ours
    if module in ("torch", "torch.storage"):
        problem = lacking(name)
        if problem is not None:
            raise problem
    if _whole.get() is not None:
        return _imported(module, name, full)
    raise UnsafeFileError(
        f"load: the checkpoint names {_shown(full)}, which is not among the tensors, plain containers and numbers that are "
        "loaded; nothing was executed. Save a state_dict() and plain values instead of whole objects, or, if you trust it, "
        "call cutaway.serialization.add_safe_globals([the class]) before, or load(f, weights_only=False)"
    )


def _imported(module: str, name: str, full: str) -> Any:
    """A class or a function of a module that the program has imported, or of ours where the file names PyTorch's."""
    found: Any = _ours(module, name)
    if found is None:
        found = sys.modules.get(module)
        if found is None:
            raise UnsafeFileError(
                f"load: the checkpoint names {_shown(full)}, and the program has not imported {_shown(module)}; do so before"
            )
        found = _below(found, name)
    if isinstance(found, type):
        _vouched().add(found)
    elif not callable(found):
        raise UnsafeFileError(f"load: the checkpoint names {_shown(full)}, which is neither a class nor a function here")
    return found


def _ours(module: str, name: str) -> Any:
    """What PyTorch's `module.name` is here, as `torch.nn.modules.conv`, `Conv2d`; None if there is none."""
    top, *rest = module.split(".")
    if top not in ("torch", "torchvision") or not rest or not all(part.isidentifier() for part in rest):
        return None
    from cutaway.interop.pytorch.names import home

    place = home(module)
    return None if place is None else _below(import_module(place), name)


def _below(found: Any, name: str) -> Any:
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _shown(full: str) -> str:
    return repr(full if len(full) <= 100 else full[:97] + "...")


# --- makers -----------------------------------------------------------------------------------------------------------


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, *hooks: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise FileFormatError(f"load: a tensor is said to lie in a {type(storage).__name__}; the file is damaged")
    t = view(storage, offset, size, stride)
    if len(hooks) > 1 and type(hooks[1]) is dict and hooks[1].get("conj") is True:  # PyTorch has not computed these yet
        t = t.conj()
    return _grad(t, requires_grad)


def _tensor_v3(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, kind: Any, *more: Any
) -> Tensor:
    """A tensor of a dtype that has no storage class in PyTorch: the storage is bytes, and the dtype stands here."""
    if not isinstance(storage, Storage) or storage.dtype is not uint8 or not isinstance(kind, dtype):
        raise FileFormatError("load: a tensor of unknown dtype; the file is damaged")
    typed = Storage(storage.data, kind, storage.numel // kind.itemsize, storage.location)
    typed.cell = storage.cell
    return _tensor(typed, offset, size, stride, requires_grad, hooks)


def _grad(t: Tensor, requires_grad: Any) -> Tensor:
    if type(requires_grad) is not bool:
        raise FileFormatError("load: a tensor's requires_grad is neither True nor False; the file is damaged")
    return t.requires_grad_() if requires_grad else t


def _parameter(data: Any, requires_grad: Any, hooks: Any = None, state: Any = None) -> Parameter:
    p = Parameter(_of(Tensor, data, "a parameter's data"), False)
    _attributes(p, state)
    return _grad(p, requires_grad)  # type: ignore[return-value]


def _sparse(layout: Any, parts: Any) -> Tensor:
    from cutaway.core.sparse import making

    given: list[Any] = list(_of(tuple, parts, "a sparse tensor"))
    if layout not in LAYOUTS.values() or len(given) != 4:
        raise FileFormatError("load: a sparse tensor has no known layout, or not its four parts; the file is damaged")
    coalesced = _of(bool, given.pop(), "is_coalesced") if layout is sparse_coo else None
    *tensors, size = given
    for t in tensors:
        _of(Tensor, t, "a part of a sparse tensor")
    size = _size(tuple(_of(tuple, size, "a sparse tensor's size")))
    make: Callable[..., Tensor] = {
        sparse_coo: making.sparse_coo_tensor, sparse_csr: making.sparse_csr_tensor, sparse_csc: making.sparse_csc_tensor
    }[layout]  # fmt: skip
    try:
        if layout is sparse_coo:
            return make(*tensors, size, is_coalesced=coalesced, check_invariants=True)
        return make(*tensors, size)
    except (ArgumentError, ShapeError, IndexOutOfRange, ArgumentTypeError) as wrong:
        raise FileFormatError(f"load: a sparse tensor makes no sense ({wrong}); the file is damaged") from None


def _layout(name: Any) -> Any:
    if name not in LAYOUTS:
        raise FileFormatError(f"load: the layout {name!r:.50} is not known here; sparse_coo, sparse_csr and sparse_csc are")
    return LAYOUTS[name]


LAYOUTS = {"torch.sparse_coo": sparse_coo, "torch.sparse_csr": sparse_csr, "torch.sparse_csc": sparse_csc}


def _buffer(data: Any, requires_grad: Any = False, persistent: Any = True) -> Buffer:
    return Buffer(_of(Tensor, data, "a buffer's data"), persistent=bool(_of(bool, persistent, "persistent")))


def _from_type(function: Any, cls: Any, args: Any, state: Any) -> Any:
    """A tensor with attributes of its own, or of a class that the user vouched for."""
    maker, values = _of(Maker, function, "a function"), _of(tuple, args, "arguments")
    if maker.name not in ("_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_parameter_with_state"):
        raise FileFormatError(f"load: a tensor is said to be made by {maker.name}; the file is damaged")
    made = maker.make(*values)
    if isinstance(cls, type) and issubclass(cls, Tensor) and cls not in (Tensor, Parameter):
        made = make_subclass(cls, made, made.requires_grad)
    _attributes(made, state)
    return made


def _attributes(t: Tensor, state: Any) -> None:
    """Set attributes that were saved with a tensor, but none of the machine's."""
    plain, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    for part in (plain, slots):
        for name, value in (_of(dict, part, "attributes") if part else {}).items():
            if type(name) is str and name[:2] != "__" and name not in FIELDS and not hasattr(Tensor, name):
                attributes(t)[name] = value


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise FileFormatError("load: bytes are not written as Latin-1 text; the file is damaged")
    return codecs.latin_1_encode(text)[0]


def _bytearray(text: Any = b"", encoding: Any = "latin1") -> bytearray:
    return bytearray(text if type(text) in (bytes, bytearray) else _encode(text, encoding))


def _complex(real: Any, imaginary: Any) -> complex:
    if type(real) not in (float, int) or type(imaginary) not in (float, int):
        raise FileFormatError("load: the parts of a complex number are no numbers; the file is damaged")
    return complex(real, imaginary)


def _size(values: Any = ()) -> Size:
    if type(values) not in (tuple, list) or any(type(v) is not int for v in values):
        raise FileFormatError("load: a Size is not made of whole numbers; the file is damaged")
    return Size(values)


def _ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    made: OrderedDict[Any, Any] = OrderedDict()
    for pair in _of((list, tuple), pairs, "an OrderedDict's content"):
        key, value = _of((list, tuple), pair, "a pair")
        made[hashable(key)] = value
    return made


def _counter(values: Any = None) -> Counter[Any]:
    counts: Counter[Any] = Counter()
    for key, n in (_of(dict, values, "a Counter's content") if values else {}).items():
        counts[key] = n
    return counts


def _default(factory: Any = None) -> defaultdict[Any, Any]:
    if factory is not None and factory not in _FACTORIES:
        raise UnsafeFileError("load: a defaultdict makes its values by something else than a plain type; save dict(x)")
    return defaultdict(factory)


def _set(values: Any = ()) -> set[Any]:
    return {hashable(v) for v in _of((list, tuple), values, "a set's content")}


def _device(kind: Any, index: Any = None) -> device:
    return device(_of(str, kind, "a device"), None if index is None else _of(int, index, "a device's number"))


def _numpy_dtype(code: Any, *flags: Any) -> DType:
    if code not in _CODES:
        raise FileFormatError("load: a NumPy array holds something else than numbers; save numbers, or lists")
    return DType(code)


def _numpy_scalar(kind: Any, data: Any) -> Any:
    d, raw = _of(DType, kind, "a NumPy dtype").get(), _of(bytes, data, "a NumPy number")
    if len(raw) != d.itemsize:
        raise FileFormatError("load: a NumPy number has the wrong length; the file is damaged")
    return np.frombuffer(raw, d)[0]


def _numpy_empty(cls: Any, shape: Any, code: Any) -> np.ndarray:
    return np.zeros(0, np.int8)  # its state follows


def _path(*parts: Any) -> Any:
    from pathlib import Path

    return Path(*[_of(str, p, "a part of a path") for p in parts])


def _of(cls: Any, value: Any, what: str) -> Any:
    if not isinstance(value, cls):
        raise FileFormatError(f"load: {what} is a {type(value).__name__}; the file is damaged")
    return value


def hashable(key: Any) -> Any:
    """`key`, if it may be a key of a dict or a member of a set: plain, and quickly hashed.  Raises FileFormatError."""
    waiting, seen = [key], 0
    while waiting:
        x = waiting.pop()
        seen += 1
        if seen > _LARGEST_KEY:
            raise FileFormatError(
                f"load: a key of a dict is a tuple of over {_LARGEST_KEY} values; the file is damaged"
            )
        if type(x) in (tuple, frozenset, Size):
            waiting += list(x) if len(x) <= _LARGEST_KEY else [None] * _LARGEST_KEY
        elif type(x) is int:
            if not -(2**63) <= x < 2**64:  # larger ones can be chosen so that they all collide
                raise FileFormatError("load: a key of a dict is an integer of more than 64 bits; the file is damaged")
        elif type(x) not in _KEYS and not isinstance(x, (Tensor, np.generic)) and not _is_vouched(type(x)):
            raise FileFormatError(f"load: a key of a dict is a {type(x).__name__}; the file is damaged")
    return key


_LARGEST_KEY = 64  # values in a tuple, inner ones included: a short pickle could nest tuples that take years to hash
_KEYS = (str, float, bool, bytes, type(None), complex, dtype, device)
_CODES = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split())
_FACTORIES = (list, dict, set, int, float, str, bool)


def _classes() -> dict[str, Any]:
    import argparse
    import types

    return {
        "argparse.Namespace": argparse.Namespace,
        "types.SimpleNamespace": types.SimpleNamespace,
        **{f"builtins.{c.__name__}": c for c in _FACTORIES},
    }


def _makers() -> dict[str, Any]:
    made: dict[str, Callable[..., Any]] = {
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_tensor_v3": _tensor_v3,
        "torch._utils._rebuild_parameter": _parameter,
        "torch._utils._rebuild_parameter_with_state": _parameter,
        "torch._utils._rebuild_buffer": _buffer,
        "torch._utils._rebuild_sparse_tensor": _sparse,
        "torch.serialization._get_layout": _layout,
        "torch._tensor._rebuild_from_type_v2": _from_type,
        "torch.Size": _size,
        "torch.device": _device,
        "collections.OrderedDict": _ordered,
        "collections.Counter": _counter,
        "collections.defaultdict": _default,
        "_codecs.encode": _encode,
        "builtins.bytearray": _bytearray,
        "builtins.complex": _complex,
        "builtins.set": _set,
        "builtins.frozenset": lambda values=(): frozenset(_set(values)),
        "numpy.dtype": _numpy_dtype,
    }
    for core in ("numpy.core.multiarray", "numpy._core.multiarray"):
        made[f"{core}.scalar"] = _numpy_scalar
        made[f"{core}._reconstruct"] = _numpy_empty
    for kind in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath"):
        made[f"pathlib.{kind}"] = made[f"pathlib._local.{kind}"] = _path
    return {full: Maker(full.rpartition(".")[2], make) for full, make in made.items()}


_table: dict[str, Any] = {
    **_classes(),
    **_makers(),
    **{f"torch.{d.name}": d for d in (*ALL, *UNSIGNED)},
    **{f"torch.{name}": StorageClass(d) for name, d in DTYPES.items()},
    "torch.storage.UntypedStorage": StorageClass(uint8),
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
    "numpy.ndarray": np.ndarray,
}


def give_state(made: Any, state: Any) -> Any:
    """What an object becomes when its state arrives (BUILD); the object itself, but changed.

    Raises UnsafeFileError for objects that take none.
    """
    if type(made) is OrderedDict:
        made.__dict__.update({k: v for k, v in _of(dict, state, "an attribute list").items() if type(k) is str})
    elif type(made) is DType:
        _, order, *rest = _of(tuple, state, "a NumPy dtype's state")
        if order not in ("<", ">", "=", "|") or any(r is not None for r in rest[:3]):
            raise FileFormatError("load: a NumPy array holds something else than numbers; save numbers, or lists")
        made.order = order
    elif type(made) is np.ndarray:
        _fill(made, state)
    elif isinstance(made, Tensor) and type(state) is dict:
        _attributes(made, state)
    elif type(made) in _SPACES or _is_vouched(type(made)):
        _set_attributes(made, state)
    else:
        raise UnsafeFileError(
            f"load: a {type(made).__name__} is given a state, which it cannot take; nothing was executed"
        )
    return made


def _fill(array: np.ndarray, state: Any) -> None:
    _, shape, kind, fortran, raw = _of(tuple, state, "a NumPy array's state")
    d, data, size = _of(DType, kind, "a NumPy dtype").get(), _of(bytes, raw, "a NumPy array's data"), _size(shape)
    if array.size or min(size, default=0) < 0 or len(size) > 32:
        raise FileFormatError("load: a NumPy array makes no sense; the file is damaged")
    count = 1
    for n in size:
        count *= n
    if count * d.itemsize != len(data):
        raise FileFormatError("load: a NumPy array has another size than its data; the file is damaged")
    array.__setstate__((1, tuple(size), d, bool(fortran), data))  # type: ignore[arg-type]


def _set_attributes(made: Any, state: Any) -> None:
    own = getattr(type(made), "__setstate__", None)
    if own is not None and _is_vouched(type(made)):
        own(made, state)
        return
    plain, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    for name, value in (_of(dict, plain, "a state") if plain else {}).items():
        made.__dict__[_of(str, name, "an attribute's name")] = value
    for name, value in (_of(dict, slots, "a state") if slots else {}).items():
        object.__setattr__(made, _of(str, name, "an attribute's name"), value)


def new(what: Any, args: tuple[Any, ...]) -> Any:
    """An object of a class on the list (NEWOBJ), without its `__init__`.  Raises UnsafeFileError for any other."""
    if isinstance(what, Maker):
        return what.make(*args)
    if isinstance(what, type) and (what in _SPACES or what in _user.values()):
        return what.__new__(what, *args)
    if isinstance(what, type) and what in _vouched():
        return _blank(what, args)
    if what is Parameter:
        data, requires_grad = args
        return _parameter(data, requires_grad)
    raise UnsafeFileError(f"load: an object of {_kind(what)} is asked for; nothing was executed")


def call(what: Any, args: tuple[Any, ...]) -> Any:
    """The result of a maker (REDUCE).  Raises UnsafeFileError for anything else: no other function is ever called."""
    if isinstance(what, Maker):
        return what.make(*args)
    if isinstance(what, type) and what in _user.values() and _is_enum(what) and len(args) == 1:
        return what(hashable(args[0]))
    if isinstance(what, type) and what in _vouched() and (_is_enum(what) or full_name(what) in STANDARD):
        return what(*args)
    raise UnsafeFileError(
        f"load: the checkpoint wants to call {_kind(what)}, and only functions that rebuild tensors and containers are "
        "called; nothing was executed"
    )


def _kind(what: Any) -> str:
    if isinstance(what, type) and what in _user.values():
        return full_name(what)
    return what.__name__ if isinstance(what, type) else f"a {type(what).__name__}"


def _blank(cls: type, args: tuple[Any, ...]) -> Any:
    """An object without `__init__`. A class's own `__new__` may do anything (NumPy has one that makes files): not called."""
    if issubclass(cls, tuple):
        return tuple.__new__(cls, args if hasattr(cls, "_fields") else args[0] if args else ())
    make = cls.__new__
    if make not in _PLAIN_NEW:
        raise UnsafeFileError(
            f"load: the checkpoint holds an object of {_shown(full_name(cls))}, a class with a __new__ of its own, which is "
            "not called; save its values instead"
        )
    return make(cls, *args)


_PLAIN_NEW = frozenset(c.__new__ for c in (object, dict, list, set, frozenset, int, float, str, bytes))


def _is_enum(cls: type) -> bool:
    from enum import Enum

    return issubclass(cls, Enum)


def takes(target: Any, *kinds: type) -> bool:
    """True for an object of a class that is vouched for and is one of these kinds."""
    return isinstance(target, kinds) and _is_vouched(type(target))


def full_name(cls: type) -> str:
    """As `collections.deque`."""
    return f"{cls.__module__}.{cls.__qualname__}"


# Classes of Python's own that are pickled by calling them, which does nothing but make a value.
STANDARD = frozenset(
    "collections.deque functools.partial datetime.date datetime.time datetime.datetime datetime.timedelta builtins.slice "
    "builtins.range fractions.Fraction decimal.Decimal".split()
)


# --- what the user vouches for ----------------------------------------------------------------------------------------

_whole: ContextVar[set[type] | None] = ContextVar("whole", default=None)  # classes met under weights_only=False


@contextmanager
def whole_objects() -> Iterator[None]:
    """Inside the `with` block, all classes in modules that the program has imported are vouched for."""
    before = _whole.set(set())
    try:
        yield
    finally:
        _whole.reset(before)


def _vouched() -> set[type]:
    classes = _whole.get()
    return set() if classes is None else classes


def _is_vouched(cls: type) -> bool:
    return cls in _user.values() or cls in _vouched()


_user: dict[str, Any] = {}  # classes and functions
_SPACES = tuple(c for full, c in _classes().items() if not full.startswith("builtins."))


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Let checkpoints hold objects of these classes, and these functions; (class, "module.name") says how the file calls it.

    An object is made by `__new__`, without `__init__`, and given its attributes, by `__setstate__` where the class has
    one; members of an Enum are looked up. A function may be held by an object (an activation, say); a file that wants it
    called is refused, as that would be to execute the file. Raises ArgumentTypeError for what is neither, and Python's own.
    """
    _user.update(_named(safe_globals))


def get_safe_globals() -> list[Any]:
    """The classes and functions that `add_safe_globals` was given."""
    return list(dict.fromkeys(_user.values()))


def clear_safe_globals() -> None:
    """Forget the classes and functions that `add_safe_globals` was given."""
    _user.clear()


@contextmanager
def safe_globals(safe_globals: Iterable[Any]) -> Iterator[None]:
    """`add_safe_globals`, inside a `with` block only."""
    before = dict(_user)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _user.clear()
        _user.update(before)


def _named(given: Iterable[Any]) -> dict[str, Any]:
    if not isinstance(given, (list, tuple, set, frozenset)):
        raise ArgumentTypeError(f"add_safe_globals: expected a list of classes, got {type(given).__name__}")
    classes: dict[str, Any] = {}
    for entry in given:
        what, full = entry if type(entry) is tuple and len(entry) == 2 else (entry, "")
        full = full or f"{home_of(what) or '?'}.{getattr(what, '__qualname__', '?')}"
        if full in _table or full.rpartition(".")[0] in ("numpy", "numpy.dtypes", "numpy.core.multiarray", _CORE):
            continue
        if not callable(what):
            raise ArgumentTypeError(f"add_safe_globals: expected classes and functions, got {describe(what)}")
        if what.__module__ == "builtins":
            raise ArgumentTypeError(f"add_safe_globals: {full} is Python's own and has no place in a checkpoint")
        classes[full] = what
    return classes


_CORE = "numpy._core.multiarray"
