"""Values as a pickle of protocol 2 that PyTorch's weights-only loader accepts. Only what can be loaded is written."""

from __future__ import annotations

import struct
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from cutaway.core.dtypes import FROM_NUMPY, UNSIGNED, device, dtype
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.layouts import sparse_coo
from cutaway.core.overriding.subclass import attributes
from cutaway.core.package import home_of
from cutaway.core.tensor import Size, Tensor
from cutaway.core.watched import Watched, WatchedGroup, WatchedList, WatchedMemories
from cutaway.interop.checkpoint import known
from cutaway.interop.checkpoint.storage import NAMES, divide, plain
from cutaway.nn.parameter import Buffer, Parameter, UninitializedParameter

_BATCH = 1000  # values between two marks, as Python's pickle does it


def pickle(value: Any) -> tuple[bytes, list[np.ndarray]]:
    """(the pickle, the storages that its tensors lie in, as contiguous 1-d arrays).

    Raises ArgumentTypeError for objects that could not be loaded again.
    """
    p = Pickler()
    try:
        p.save(value)
    except RecursionError:
        raise ArgumentError("save: the value is nested too deeply; flatten it") from None
    return p.finish()


class Pickler:
    """Parts of the pickle in order; a tensor's place in a storage is known only when all tensors are."""

    def __init__(self) -> None:
        self.parts: list[bytes | int] = [b"\x80\x02"]  # an int: the number of an array, whose place is put here
        self.arrays: list[np.ndarray] = []
        self.memo: dict[int, int] = {}
        self.texts: dict[str, int] = {}
        self.kept: list[Any] = []  # what the memo knows by its id must live on
        self.count = 0

    def finish(self) -> tuple[bytes, list[np.ndarray]]:
        """The pickle, now that the storages can be laid out."""
        places, storages = divide(self.arrays)
        done, self.parts = self.parts, []
        self.texts = {}  # what stands later in the file cannot be recalled
        for part in done:
            if isinstance(part, bytes):
                self.parts.append(part)
                continue
            place, array = places[part], self.arrays[part]
            self.emit(b"(")
            self.text("storage")
            named = NAMES.get(FROM_NUMPY[array.dtype])
            self.name(*(("torch", named) if named else ("torch.storage", "UntypedStorage")))
            self.text(str(place.key))
            self.text("cpu")
            self.integer(place.numel if named else place.numel * array.itemsize)
            self.emit(b"tQ")
            self.integer(place.offset)
            self.plain_tuple(array.shape)
            self.plain_tuple(place.stride)
        return b"".join(self.parts) + b".", storages  # type: ignore[arg-type]

    def save(self, value: Any) -> None:
        """Write one value."""
        kind = type(value)
        if kind is str:
            self.text(value)
        elif kind in SIMPLE:
            SIMPLE[kind](self, value)
        elif id(value) in self.memo:
            self.recall(self.memo[id(value)])
        elif kind in COMPOUND:
            COMPOUND[kind](self, value)
        elif isinstance(value, Tensor):
            self.tensor(value)
        elif isinstance(value, np.generic):
            self.numpy_number(value)
        else:
            self.object_(value)

    # --- instructions -------------------------------------------------------------------------------------------------

    def emit(self, code: bytes) -> None:
        """Add bytes."""
        self.parts.append(code)

    def remember(self, value: Any) -> None:
        """Put the topmost value into the memo."""
        self.memo[id(value)] = self.put()
        self.kept.append(value)

    def put(self) -> int:
        """Number the topmost value; gives the number."""
        n = self.count
        self.count += 1
        self.emit(b"q" + bytes([n]) if n < 256 else b"r" + struct.pack("<I", n))
        return n

    def recall(self, n: int) -> None:
        """Push a remembered value."""
        self.emit(b"h" + bytes([n]) if n < 256 else b"j" + struct.pack("<I", n))

    def text(self, value: str) -> None:
        """A str; equal ones are written once."""
        if value in self.texts:
            self.recall(self.texts[value])
            return
        data = value.encode("utf-8", "surrogatepass")
        if len(data) > 0xFFFFFFFF:
            raise ArgumentError("save: a text of more than 4 GB")
        self.emit(b"X" + struct.pack("<I", len(data)) + data)
        self.texts[value] = self.put()

    def integer(self, value: int) -> None:
        """An int of any size below 2040 bits."""
        if 0 <= value < 256:
            self.emit(b"K" + bytes([value]))
        elif 0 <= value < 65536:
            self.emit(b"M" + struct.pack("<H", value))
        elif -(2**31) <= value < 2**31:
            self.emit(b"J" + struct.pack("<i", value))
        else:
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            if len(data) > 255:
                raise ArgumentError("save: an integer of more than 2040 bits; save str(x)")
            self.emit(b"\x8a" + bytes([len(data)]) + data)

    def name(self, module: str, name: str) -> None:
        """A name that the reader looks up."""
        key = f"{module}\n{name}"
        n = self.texts.get("\0" + key)
        if n is not None:
            self.recall(n)
            return
        self.emit(f"c{key}\n".encode())
        self.texts["\0" + key] = self.put()

    def plain_tuple(self, values: Iterable[int]) -> None:
        """A tuple of ints."""
        self.emit(b"(")
        for v in values:
            self.integer(v)
        self.emit(b"t")

    def made(self, module: str, name: str, args: tuple[Any, ...]) -> None:
        """The result of a function that the reader knows."""
        self.name(module, name)
        self.arguments(args)
        self.emit(b"R")

    def arguments(self, args: Iterable[Any]) -> None:
        """A tuple that nothing refers to."""
        self.emit(b"(")
        for a in args:
            self.save(a)
        self.emit(b"t")

    # --- values -------------------------------------------------------------------------------------------------------

    def tuple_(self, value: tuple[Any, ...]) -> None:
        """A tuple, which may contain itself by way of a list."""
        if not value:
            self.emit(b")")
            return
        self.emit(b"(")
        for v in value:
            self.save(v)
        if id(value) in self.memo:  # written meanwhile, by something inside
            self.emit(b"1")
            self.recall(self.memo[id(value)])
        else:
            self.emit(b"t")
            self.remember(value)

    def list_(self, value: list[Any]) -> None:
        """A list."""
        self.emit(b"]")
        self.remember(value)
        for i in range(0, len(value), _BATCH):
            self.emit(b"(")
            for v in value[i : i + _BATCH]:
                self.save(v)
            self.emit(b"e")

    def dict_(self, value: dict[Any, Any]) -> None:
        """A dict."""
        self.emit(b"}")
        self.remember(value)
        self.items(value)

    def ordered(self, value: OrderedDict[Any, Any]) -> None:
        """An OrderedDict, with its attributes (a state_dict's `_metadata`)."""
        self.made("collections", "OrderedDict", ())
        self.remember(value)
        self.items(value)
        if value.__dict__:
            self.dict_(dict(value.__dict__))
            self.emit(b"b")

    def counter(self, value: Counter[Any]) -> None:
        """A Counter."""
        self.made("collections", "Counter", (dict(value),))
        self.remember(value)

    def defaultdict_(self, value: defaultdict[Any, Any]) -> None:
        """A defaultdict whose values start as a plain type."""
        factory = dict if type(value) is WatchedMemories else value.default_factory
        if factory is not None and factory not in known._FACTORIES:
            raise ArgumentTypeError(f"save: a defaultdict of {factory!r} could not be loaded again; save dict(x)")
        self.name("collections", "defaultdict")
        self.emit(b"(")
        if factory is not None:
            self.name("__builtin__", factory.__name__)  # type: ignore[attr-defined]
        self.emit(b"tR")
        self.remember(value)
        self.items(value)

    def items(self, value: dict[Any, Any]) -> None:
        """The pairs of a dict."""
        pairs = [*value.items()]
        for i in range(0, len(pairs), _BATCH):
            self.emit(b"(")
            for k, v in pairs[i : i + _BATCH]:
                try:
                    known.hashable(k)
                except RuntimeError:
                    raise ArgumentTypeError(
                        f"save: the key {k!r} of a dict could not be loaded again; use text or numbers"
                    ) from None
                self.save(k)
                self.save(v)
            self.emit(b"u")

    def bytes_(self, value: bytes) -> None:
        """Bytes, as protocol 2 has them: text and its encoding."""
        self.made("_codecs", "encode", (value.decode("latin1"), "latin1"))
        self.remember(value)

    # --- tensors and arrays -------------------------------------------------------------------------------------------

    def tensor(self, t: Tensor) -> None:
        """A tensor, a Parameter or a Buffer, with attributes of its own if it has any."""
        if not t._strided:
            self.sparse(t)
            return
        if isinstance(t, UninitializedParameter):
            raise ArgumentTypeError("save: a parameter of a lazy layer has no values yet; call the model once before")
        extra = {k: v for k, v in attributes(t).items() if k[:2] != "__" and not hasattr(Tensor, k)}
        if isinstance(t, Buffer):
            persistent = extra.pop("persistent", True)
            self.name("torch._utils", "_rebuild_buffer")
            self.emit(b"(")
            self.memory(t, False)
            self.save(t.requires_grad)
            self.save(persistent)
            self.emit(b"tR")
        elif isinstance(t, Parameter):
            self.name("torch._utils", "_rebuild_parameter_with_state" if extra else "_rebuild_parameter")
            self.emit(b"(")
            self.memory(t, t.requires_grad)
            self.save(t.requires_grad)
            self.save(OrderedDict())
            if extra:
                self.save(extra)
            self.emit(b"tR")
        else:
            self.memory(t, t.requires_grad, extra)
        self.remember(t)

    def sparse(self, t: Any) -> None:
        """A sparse tensor: its layout, and the tensors that it consists of; as in PyTorch, without requires_grad."""
        parts = [part for _, part in t._parts()]
        known_coalesced = (t.is_coalesced(),) if t.layout is sparse_coo else ()
        self.name("torch._utils", "_rebuild_sparse_tensor")
        self.emit(b"(")
        self.made("torch.serialization", "_get_layout", (f"torch.{t.layout._name}",))
        self.save((*parts, t.shape, *known_coalesced))
        self.emit(b"tR")
        self.remember(t)

    def memory(self, t: Tensor, requires_grad: bool, extra: dict[str, Any] | None = None) -> None:
        """The call that makes a tensor of a storage; `extra` is its state, where it may be of a class of a program's own."""
        own = extra is not None and type(t) is not Tensor
        maker = "_rebuild_tensor_v3" if t.dtype in UNSIGNED else "_rebuild_tensor_v2"
        if extra or own:
            self.name("torch._tensor", "_rebuild_from_type_v2")
            self.emit(b"(")
            self.name("torch._utils", maker)
            self.name(*(_place(type(t)) if own else ("torch", "Tensor")))
        else:
            self.name("torch._utils", maker)
        self.emit(b"(")
        self.parts.append(len(self.arrays))
        self.arrays.append(plain(t))
        self.save(requires_grad)
        self.save(OrderedDict())
        if t.dtype in UNSIGNED:
            self.save(t.dtype)
        self.emit(b"t")
        if extra or own:
            self.save(extra)
            self.emit(b"t")
        self.emit(b"R")

    def numpy_dtype(self, d: np.dtype) -> None:
        """A NumPy dtype, as NumPy pickles it."""
        if d.str[1:] not in known._CODES:
            raise ArgumentTypeError(f"save: a NumPy array of {d} could not be loaded again; save numbers, or lists")
        self.made("numpy", "dtype", (d.str[1:], False, True))
        self.save((3, d.str[0], None, None, None, -1, -1, 0))
        self.emit(b"b")

    def numpy_array(self, a: np.ndarray) -> None:
        """A NumPy array, as NumPy pickles it."""
        self.name("numpy._core.multiarray", "_reconstruct")
        self.emit(b"(")
        self.name("numpy", "ndarray")
        self.plain_tuple((0,))
        self.save(b"b")
        self.emit(b"tR")
        self.remember(a)
        fortran = a.flags.f_contiguous and not a.flags.c_contiguous
        self.emit(b"(")
        self.integer(1)
        self.plain_tuple(a.shape)
        self.numpy_dtype(a.dtype)
        self.save(bool(fortran))
        self.save(a.tobytes("F" if fortran else "C"))
        self.emit(b"tb")

    def numpy_number(self, x: np.generic) -> None:
        """A NumPy number, as NumPy pickles it."""
        self.name("numpy._core.multiarray", "scalar")
        self.emit(b"(")
        self.numpy_dtype(x.dtype)
        self.save(x.tobytes())
        self.emit(b"tR")

    # --- anything else ------------------------------------------------------------------------------------------------

    def object_(self, value: Any) -> None:
        """A whole object, by the name of its class and its state; a class or a function, by its name."""
        cls = type(value)
        if _is_path(value):
            self.made("pathlib", cls.__name__, value.parts)
            return
        if isinstance(value, type) or cls in _FUNCTIONS:
            self.name(*_place(value))
            return
        if cls in known._user.values():
            full = next(name for name, c in known._user.items() if c is cls)
            module, _, name = full.rpartition(".")
        else:
            module, name = _place(cls)
        made = value.__reduce_ex__(2)
        make, args, state, items, pairs = (*made, None, None, None)[:5] if isinstance(made, tuple) else (made, *[None] * 4)
        if make is cls and (known._is_enum(cls) or known.full_name(cls) in known.STANDARD):
            self.made(module, name, args)
        elif getattr(make, "__name__", "") == "__newobj__" and args[0] is cls:
            self.name(module, name)
            self.arguments(args[1:])
            self.emit(b"\x81")
        else:
            raise ArgumentTypeError(f"save: {_advice(value)}")
        self.remember(value)
        for item in items or ():
            self.save(item)
            self.emit(b"a")
        if pairs is not None:
            self.items(dict(pairs))
        if state is not None:
            self.save(state)
            self.emit(b"b")


_FUNCTIONS = (FunctionType, BuiltinFunctionType, np.ufunc)


def _is_path(value: Any) -> bool:
    return type(value).__module__.startswith("pathlib")


def _place(what: Any) -> tuple[str, str]:
    """Module and name under which loading will find a class or a function.  Raises ArgumentTypeError if there are none."""
    own, full = home_of(what) or "builtins", getattr(what, "__qualname__", what.__name__)
    for module, name in ((own, full), ("cutaway", what.__name__)):  # cutaway.tanh is a method that stands there, too
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is what:
            return module, name
    raise ArgumentTypeError(
        f"save: {own}.{full} could not be found again under this name; define it at the top of a module, not inside a "
        "function, or save a state_dict() and plain values"
    )


def _advice(value: Any) -> str:
    kind = type(value).__qualname__
    if hasattr(value, "state_dict"):
        return f"a whole {kind} could not be loaded again; save its state_dict()"
    return (
        f"a {kind} could not be loaded again, as it is pickled by calling a function; save its values as numbers, text, "
        "lists and dicts"
    )


SIMPLE: dict[type, Callable[[Pickler, Any], None]] = {
    type(None): lambda p, v: p.emit(b"N"),
    bool: lambda p, v: p.emit(b"\x88" if v else b"\x89"),
    int: Pickler.integer,
    float: lambda p, v: p.emit(b"G" + struct.pack(">d", v)),
    complex: lambda p, v: p.made("__builtin__", "complex", (v.real, v.imag)),
    Size: lambda p, v: p.made("torch", "Size", (tuple(v),)),
    dtype: lambda p, v: p.name("torch", v.name),
    device: lambda p, v: p.made("torch", "device", (v.type,) if v.index is None else (v.type, v.index)),
}


def _remembered(save: Callable[[Pickler, Any], None]) -> Callable[[Pickler, Any], None]:
    def both(p: Pickler, value: Any) -> None:
        save(p, value)
        p.remember(value)

    return both


COMPOUND: dict[type, Callable[[Pickler, Any], None]] = {
    tuple: Pickler.tuple_,
    list: Pickler.list_,
    dict: Pickler.dict_,
    OrderedDict: Pickler.ordered,
    Counter: Pickler.counter,
    defaultdict: Pickler.defaultdict_,
    Watched: Pickler.dict_,
    WatchedGroup: Pickler.dict_,
    WatchedList: Pickler.list_,
    WatchedMemories: Pickler.defaultdict_,
    bytes: Pickler.bytes_,
    np.ndarray: Pickler.numpy_array,
    set: _remembered(lambda p, v: p.made("__builtin__", "set", ([*v],))),
    frozenset: _remembered(lambda p, v: p.made("__builtin__", "frozenset", ([*v],))),
    bytearray: _remembered(lambda p, v: p.made("__builtin__", "bytearray", (v.decode("latin1"), "latin1"))),
}
