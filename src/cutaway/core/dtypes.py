"""dtype, device, and how two dtypes become one.

Promotion follows PyTorch: among tensors with dimensions the widest category (bool < integer < floating < complex) wins;
zero-dimensional tensors, and below them Python numbers, only count when they raise the category. A complex number keeps the
precision of the floats that it meets: float64[3] * 1j is complex128.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentTypeError, DeviceError, DTypeError, MissingLibrary
from cutaway.core.package import package
from cutaway.core.refusal import describe
from cutaway.core.strict import refuse_or_warn


class dtype:
    """The type of a tensor's elements: `cutaway.float32`, `cutaway.int64`, ..."""

    __slots__ = ("alias", "category", "name", "np")

    def __init__(self, name: str, category: int, alias: str = "") -> None:
        self.name = name
        self.np = np.dtype(name)
        self.category = category  # 0 bool, 1 integer, 2 floating, 3 complex
        self.alias = alias

    @property
    def is_floating_point(self) -> bool:
        """True for float16, bfloat16, float32 and float64."""
        return self.category == 2

    @property
    def is_complex(self) -> bool:
        """True for complex64 and complex128."""
        return self.category == 3

    def to_complex(self) -> dtype:
        """The complex dtype whose parts have this precision.  Raises DTypeError for float16, which has none here."""
        return as_complex(self)

    def to_real(self) -> dtype:
        """The dtype of a complex dtype's parts; any other as it is."""
        return PARTS.get(self, self)

    @property
    def is_signed(self) -> bool:
        """True if the type can hold a negative number."""
        return self.np.kind in "ifc"

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.np.itemsize

    def __repr__(self) -> str:
        return f"{package()}.{self.name}"

    def __reduce__(self) -> str:
        return self.name if self.name != "bool" else "bool_"


bool_ = dtype("bool", 0)
uint8 = dtype("uint8", 1, "byte")
int8 = dtype("int8", 1, "char")
int16 = dtype("int16", 1, "short")
int32 = dtype("int32", 1, "int")
int64 = dtype("int64", 1, "long")
uint16, uint32, uint64 = (dtype(name, 1) for name in ("uint16", "uint32", "uint64"))
float16 = dtype("float16", 2, "half")
float32 = dtype("float32", 2, "float")
float64 = dtype("float64", 2, "double")
complex64 = dtype("complex64", 3, "cfloat")
complex128 = dtype("complex128", 3, "cdouble")


class _Borrowed(dtype):
    """bfloat16, which NumPy lacks: `ml_dtypes` adds it to NumPy, and is loaded when the first array of it is to be made."""

    __slots__ = ()

    def __init__(self, name: str, category: int, alias: str = "") -> None:
        self.name, self.category, self.alias = name, category, alias

    @property
    def np(self) -> np.dtype:  # type: ignore[override]
        """NumPy's dtype.  Raises MissingLibrary where there is no ml_dtypes."""
        found: np.dtype = _borrowed(self)
        return found

    @property
    def is_signed(self) -> bool:
        """True."""
        return True

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return 2


@lru_cache
def _borrowed(d: dtype) -> np.dtype:
    try:
        found: np.dtype = np.dtype(getattr(import_module("ml_dtypes"), d.name))
    except ImportError:
        raise MissingLibrary(
            f"{d.name}: NumPy has no such numbers, the library ml_dtypes adds them; install it with pip install ml_dtypes"
        ) from None
    FROM_NUMPY[found] = d
    return found


bfloat16 = _Borrowed("bfloat16", 2, "bfloat16")

ALL = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64, complex128)
# Of these PyTorch has little but memory: they meet no other integer dtype, and have no old names of types and storages.
UNSIGNED = (uint16, uint32, uint64)
# bfloat16 comes with its first use
FROM_NUMPY: dict[np.dtype, dtype] = {d.np: d for d in (*ALL, *UNSIGNED) if d is not bfloat16}
FLOATING = "fV"  # NumPy's kinds of floating dtypes: those of ml_dtypes are of kind V
INEXACT = "fVc"  # and of complex ones: numbers that have gradients
PARTS = {complex64: float32, complex128: float64}  # what the two parts of a complex number are
_SIGNED_RANK = {int8.np: 1, int16.np: 2, int32.np: 3, int64.np: 4}

_default = float32


def get_default_dtype() -> dtype:
    """The floating dtype given to Python floats: float32 unless `set_default_dtype` changed it."""
    return _default


def default_complex() -> dtype:
    """The dtype given to Python's complex numbers: its parts are of the default floating dtype."""
    return as_complex(_default)


def as_complex(d: dtype) -> dtype:
    """The complex dtype that a floating one becomes.  Raises DTypeError for float16: there is no complex32 here."""
    if d is float16:
        raise DTypeError("complex numbers of two float16 (complex32) do not exist here; convert with .float() first")
    return d if d.category == 3 else complex128 if d is float64 else complex64


def set_default_dtype(d: dtype) -> None:
    """Choose the floating dtype that Python floats become.  Raises DTypeError for a non-floating one."""
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise DTypeError(f"set_default_dtype: only floating dtypes can be the default, got {d!r}; use cutaway.float32")
    _default = d


def as_dtype(d: object, op: str = "dtype") -> dtype:
    """Read a dtype from a Cutaway dtype, a NumPy one, or Python's bool / int / float / complex."""
    if isinstance(d, dtype):
        return d
    if d is bool:
        return bool_
    if d is int:
        return int64
    if d is float:
        return float64
    if d is complex:
        return complex128
    if isinstance(getattr(d, "dtype", None), dtype):  # cutaway.FloatTensor
        return d.dtype  # type: ignore[attr-defined, no-any-return]
    if isinstance(d, (np.dtype, type)):
        try:
            return FROM_NUMPY[np.dtype(d)]
        except (KeyError, TypeError):
            pass
    raise ArgumentTypeError(f"{op}: {describe(d)} is not a dtype; use one such as cutaway.float32 or cutaway.int64")


def from_type_name(name: str) -> dtype:
    """The dtype of an old type name: `torch.FloatTensor`, `cutaway.LongTensor`.  Raises ArgumentTypeError."""
    word = name.rpartition(".")[2].removesuffix("Tensor").lower()
    for d in ALL:
        if word in (d.alias, d.name, type_name(d).lower()):
            return d
    raise ArgumentTypeError(f"type: {name!r} names no tensor type; use a dtype such as cutaway.float32")


def type_name(d: dtype) -> str:
    """What old names of types and storages begin with: Float, Long, BFloat16, ComplexFloat."""
    if d.category == 3:
        return f"Complex{type_name(PARTS[d])}"
    if d in UNSIGNED:
        return f"UInt{d.name[4:]}"
    return "BFloat16" if d is bfloat16 else (d.alias or d.name).capitalize()


def from_numpy_dtype(d: np.dtype, op: str = "tensor") -> dtype:
    """The Cutaway dtype of a NumPy dtype.  Raises DTypeError where there is none (strings, objects)."""
    try:
        return FROM_NUMPY[d]
    except KeyError:
        if d.kind == "V" and d.name == "bfloat16" and d == bfloat16.np:
            return bfloat16
        native = FROM_NUMPY.get(d.newbyteorder("="))
        if native is not None:
            return native
        raise ArgumentTypeError(
            f"{op}: NumPy dtype {d} has no counterpart; supported are {', '.join(x.name for x in ALL)}"
        ) from None


def fitting(op: str, value: Any, d: np.dtype) -> Any:
    """`value` as a number of this dtype.  Raises DTypeError where an integer dtype cannot hold it."""
    if isinstance(value, (complex, np.complexfloating)) and d.kind != "c":
        if value.imag:
            raise DTypeError(f"{op}: the complex number {value} does not fit {d.name}; convert the tensor with .cfloat()")
        value = value.real
    if d.kind not in "iu" or isinstance(value, (bool, np.bool_)):
        return value
    limits = np.iinfo(d)
    if not limits.min <= value <= limits.max:  # NaN is neither
        error = DTypeError(f"{op}: the number {value} does not fit {d.name}; convert the tensor to a wider dtype")
        if d.kind != "u" or not -limits.max <= value < 0:
            raise error
        refuse_or_warn(error, "a negative number is taken modulo the dtype's range")
    return wrapped(int(value), d)


def wrapped(value: int, d: np.dtype) -> int:
    """What is left of an integer in memory of this integer dtype."""
    least = int(np.iinfo(d).min)
    found: int = (value - least) % 2 ** (8 * d.itemsize) + least
    return found


def promote_np(a: np.dtype, b: np.dtype) -> np.dtype:
    """The dtype of `a op b` for two tensors of equal standing (PyTorch's table: floats absorb integers)."""
    if a == b:
        return a
    ca, cb = FROM_NUMPY[a].category, FROM_NUMPY[b].category
    if ca != cb:
        return met(a, b) if ca > cb else met(b, a)
    if ca == 1 and (a.kind, b.kind) != ("i", "i") and (FROM_NUMPY[a] in UNSIGNED or FROM_NUMPY[b] in UNSIGNED):
        raise DTypeError(f"promotion: {a} and {b} have no common dtype; convert both, as with .to(cutaway.int64)")
    if ca == 1 and (a == uint8.np) != (b == uint8.np):
        signed = b if a == uint8.np else a
        return int16.np if signed == int8.np else signed
    if a.itemsize == b.itemsize:  # float16 and bfloat16: neither holds the other
        return float32.np
    return a if a.itemsize > b.itemsize else b


def met(a: np.dtype, b: np.dtype) -> np.dtype:
    """`a`, where it has met `b` of a lower category: complex64 and float64 are complex128."""
    return complex128.np if a == complex64.np and b == float64.np else a


def is_narrow(d: np.dtype) -> bool:
    """True for float16 and bfloat16, whose numbers are computed with in float32: an op's result is rounded, once."""
    return d.itemsize == 2 and d.kind in FLOATING


def limits(d: np.dtype) -> Any:
    """Limits of a floating NumPy dtype, as `np.finfo` gives them."""
    return np.finfo(d) if d.kind in "fc" else import_module("ml_dtypes").finfo(d)


def result_np(operands: Iterable[tuple[np.dtype, int]]) -> np.dtype:
    """The common dtype of (dtype, standing) pairs; standing 2: has dimensions, 1: zero-dimensional, 0: Python number."""
    best: list[np.dtype | None] = [None, None, None]
    for d, standing in operands:
        held = best[standing]
        best[standing] = d if held is None else promote_np(held, d)
    result: np.dtype | None = None
    for held in reversed(best):
        if held is not None and (result is None or FROM_NUMPY[held].category > FROM_NUMPY[result].category):
            floats = result is not None and held.kind == "c" and FROM_NUMPY[result].category == 2
            result = as_complex(FROM_NUMPY[result]).np if result is not None and floats else held
    assert result is not None
    return result


_NAMES = frozenset(d.name for d in (*ALL, *UNSIGNED))


_DEVICES = frozenset("cpu cuda hip hpu ipu lazy maia meta mps mtia xla xpu".split())


class device:
    """Where a tensor lives: `cpu`.  Others can be named, as "cuda:0", and compared; to use one raises DeviceError.

    Raises DeviceError for a name that PyTorch does not know.
    """

    __slots__ = ("index", "type")

    index: int | None
    type: str

    def __init__(self, type: str | device = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int) and not isinstance(type, bool):
            raise DeviceError(f"device: there is no accelerator {type}; Cutaway computes on the CPU. Write device='cpu'")
        if not isinstance(type, str):
            raise ArgumentTypeError(f"device: expected a name such as 'cpu', got {describe(type)}")
        name, colon, number = type.partition(":")
        if name not in _DEVICES or (colon and not number.isdigit()):
            raise DeviceError(
                f"device: {type!r} is not available; Cutaway computes on the CPU. "
                + (f"For a dtype write cutaway.{name}" if name in _NAMES else "Write device='cpu', or leave it out")
            )
        self.type = name
        self.index = int(number) if number else index

    def __enter__(self) -> device:
        """`with device("meta"):` gives tensors that are made inside a shape and no numbers; "cpu" is as everywhere.

        Raises DeviceError for any other.
        """
        is_meta = goes_to_meta(self)
        _AROUND.set((*_AROUND.get(), is_meta))
        return self

    def __exit__(self, *error: object) -> None:
        _AROUND.set(_AROUND.get()[:-1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (other.type, other.index) == (self.type, self.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + ("" if self.index is None else f", index={self.index}") + ")"


CPU, META = device("cpu"), device("meta")
# Of each device in a `with` around us, the outermost first, whether it is meta; the first is the default device.
_AROUND: ContextVar[tuple[bool, ...]] = ContextVar("around", default=(False,))


def goes_to_meta(d: object) -> bool:
    """Whether a tensor that is made for this device, or for the default one (None), is one of shape and dtype only.

    Raises DeviceError unless it is the CPU or meta.
    """
    if d is None:
        return _AROUND.get()[-1]
    if d is META or (d is not CPU and device(d).type == "meta"):  # type: ignore[arg-type]
        return True
    check_device(d)
    return False


def set_default_device(d: object) -> None:
    """Where tensors are made that are told no device: the CPU (None), or meta.  Raises DeviceError for another."""
    _AROUND.set((d is not None and goes_to_meta(d), *_AROUND.get()[1:]))


def get_default_device() -> device:
    """Where tensors are made that are told no device."""
    return META if _AROUND.get()[-1] else CPU


def check_device(d: object) -> None:
    """Raise DeviceError unless `d` names the CPU (or is None)."""
    if d is not None and d is not CPU:
        named = device(d)  # type: ignore[arg-type]
        if named.type != "cpu":
            raise DeviceError(
                f"device: {str(named)!r} is not available; Cutaway computes on the CPU. Write device='cpu', or leave it out"
            )
