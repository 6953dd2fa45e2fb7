"""A small builder over llvmlite.ir: counted loops, addresses, vectors with masked tails.

Integers may be Python ints until they meet the IR, so that addresses fold while they are built.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import llvmlite.ir as ir
import numpy as np

I1, I8, I16, I32, I64 = (ir.IntType(n) for n in (1, 8, 16, 32, 64))
F16, F32, F64, VOID = ir.HalfType(), ir.FloatType(), ir.DoubleType(), ir.VoidType()
PTR = ir.PointerType()  # opaque: every load and address names its element type

_OF_NUMPY = {
    "bool": I8, "uint8": I8, "int8": I8, "int16": I16, "int32": I32, "int64": I64, "float16": F16, "bfloat16": I16,
    "float32": F32, "float64": F64,
}  # fmt: skip
_SUFFIX = {"half": "f16", "float": "f32", "double": "f64"}

Int = Any  # a Python int or an i64 in the IR


def memory_type(dtype: np.dtype) -> ir.Type:
    """The IR type of an array's elements; a bool takes a byte, a bfloat16 is 16 bits without a meaning to LLVM."""
    return _OF_NUMPY[dtype.name]


def is_float(t: ir.Type) -> bool:
    """True for a floating type or a vector of one."""
    return isinstance(element(t), (ir.HalfType, ir.FloatType, ir.DoubleType))


def element(t: ir.Type) -> ir.Type:
    """The type of a vector's elements, or the scalar type itself."""
    return t.element if isinstance(t, ir.VectorType) else t


def like(t: ir.Type, scalar: ir.Type) -> ir.Type:
    """`scalar` in the shape of `t`: a vector of as many lanes, or the scalar."""
    return ir.VectorType(scalar, t.count) if isinstance(t, ir.VectorType) else scalar


class Zeros(ir.Constant):  # type: ignore[misc]
    """A vector of zeros, written as one word: a kernel has hundreds."""

    def _get_reference(self) -> str:
        return "zeroinitializer"


def constant(t: ir.Type, value: Any) -> ir.Constant:
    """A constant of type `t`, repeated in every lane of a vector; floats are rounded to their type first."""
    key = str(t), repr(value)  # 0.0 and -0.0 are equal and not the same
    found = _CONSTANTS.get(key)
    if found is None:
        found = _CONSTANTS[key] = _constant(t, value)
    return found


_CONSTANTS: dict[tuple[str, str], ir.Constant] = {}  # an object keeps the text it was written as


@lru_cache(256)
def each_lane(which: tuple[int, ...], t: ir.Type) -> ir.Constant:
    """A vector of different numbers: the places that a shuffle takes, the lanes of a mask."""
    return ir.Constant(ir.VectorType(t, len(which)), list(which))


def _constant(t: ir.Type, value: Any) -> ir.Constant:
    e = element(t)
    if isinstance(e, (ir.FloatType, ir.HalfType)):
        with np.errstate(over="ignore"):
            value = float((np.float32 if isinstance(e, ir.FloatType) else np.float16)(value))
    elif isinstance(e, ir.DoubleType):
        value = float(value)
    else:
        value = int(bool(value) if e == I1 else value)
    if isinstance(t, ir.VectorType) and value == 0 and str(value) != "-0.0":
        return Zeros(t, None)
    return ir.Constant(t, [ir.Constant(e, value)] * t.count) if isinstance(t, ir.VectorType) else ir.Constant(t, value)


def mangle(t: ir.Type) -> str:
    """A type as intrinsics spell it: f32, v16f32, i64, v8i32."""
    if isinstance(t, ir.VectorType):
        return f"v{t.count}{mangle(t.element)}"
    return f"i{t.width}" if isinstance(t, ir.IntType) else _SUFFIX[str(t)]


class Pointed:
    """A function behind a pointer value, as IRBuilder.call wants to see it."""

    def __init__(self, value: Any, function_type: ir.FunctionType) -> None:
        self.value, self.function_type, self.type = value, function_type, PTR

    def get_reference(self) -> str:
        """The pointer's name."""
        return str(self.value.get_reference())


class Function:
    """One function under construction, with the place where the next instruction goes."""

    def __init__(
        self,
        module: ir.Module,
        name: str,
        parameters: Sequence[ir.Type],
        returns: ir.Type = VOID,
        *,
        names: Sequence[str] = (),
        internal: bool = False,
        wide: int = 0,
    ) -> None:
        self.module = module
        self.fn = ir.Function(module, ir.FunctionType(returns, parameters), name)
        self.fn.attributes.add("nounwind")
        if internal:
            self.fn.linkage = "internal"
        if wide:  # else LLVM stays at 256 bits on machines with 512
            self.fn.attributes._known = self.fn.attributes._known | {f'"prefer-vector-width"="{wide}"'}
            self.fn.attributes.add(f'"prefer-vector-width"="{wide}"')
        for a, n in zip(self.fn.args, names, strict=False):
            a.name = n
        self.args = self.fn.args
        self.b = ir.IRBuilder(self.fn.append_basic_block("entry"))

    # --- integers: Python's while they can be ---------------------------------------------------------------------

    def int(self, v: Int) -> Any:
        """As an i64 value."""
        return v if isinstance(v, ir.Value) else ir.Constant(I64, int(v))

    def add(self, a: Int, b: Int) -> Int:
        """a + b."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if isinstance(b, int) and b == 0:
            return a
        if isinstance(a, int) and a == 0:
            return b
        return self.b.add(self.int(a), self.int(b), flags=("nsw",))

    def sub(self, a: Int, b: Int) -> Int:
        """a - b."""
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        return a if isinstance(b, int) and b == 0 else self.b.sub(self.int(a), self.int(b), flags=("nsw",))

    def mul(self, a: Int, b: Int) -> Int:
        """a * b."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        for x, y in ((a, b), (b, a)):
            if isinstance(x, int) and x in (0, 1):
                return 0 if x == 0 else y
        return self.b.mul(self.int(a), self.int(b), flags=("nsw",))

    def div(self, a: Int, b: Int) -> Int:
        """a // b of non-negative integers."""
        if isinstance(a, int) and isinstance(b, int):
            return a // b
        return a if isinstance(b, int) and b == 1 else self.b.udiv(self.int(a), self.int(b))

    def rem(self, a: Int, b: Int) -> Int:
        """a % b of non-negative integers."""
        if isinstance(a, int) and isinstance(b, int):
            return a % b
        return 0 if isinstance(b, int) and b == 1 else self.b.urem(self.int(a), self.int(b))

    def less(self, a: Int, b: Int) -> Any:
        """a < b, as an i1."""
        return self.b.icmp_signed("<", self.int(a), self.int(b))

    def min(self, a: Int, b: Int) -> Int:
        """The smaller one."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return self.b.select(self.less(a, b), self.int(a), self.int(b))

    def max(self, a: Int, b: Int) -> Int:
        """The larger one."""
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        return self.b.select(self.less(a, b), self.int(b), self.int(a))

    # --- control --------------------------------------------------------------------------------------------------

    def block(self, name: str = "") -> ir.Block:
        """A new block at the end of the function."""
        return self.fn.append_basic_block(name)

    def loop(
        self,
        start: Int,
        stop: Int,
        step: builtins.int = 1,
        carry: Sequence[Any] = (),
        body: Callable[[Any, list[Any]], Sequence[Any] | None] | None = None,
        name: str = "i",
    ) -> list[Any]:
        """`for i in range(start, stop, step)`: `body(i, carried)` returns the carried values of the next turn.

        Returns the carried values at the end (those before the loop, if it never runs).
        """
        assert body is not None
        before, head, inside, after = self.b.block, self.block(f"{name}.head"), self.block(name), self.block(f"{name}.end")
        start, stop = self.int(start), self.int(stop)
        self.b.branch(head)
        self.b.position_at_end(head)
        i = self.b.phi(I64, name)
        i.add_incoming(start, before)
        phis = []
        for v in carry:
            p = self.b.phi(v.type)
            p.add_incoming(v, before)
            phis.append(p)
        self.b.cbranch(self.b.icmp_signed("<", i, stop), inside, after)
        self.b.position_at_end(inside)
        out = body(i, list(phis)) or []
        i.add_incoming(self.b.add(i, ir.Constant(I64, step), flags=("nsw",)), self.b.block)
        for p, v in zip(phis, out, strict=True):
            p.add_incoming(v, self.b.block)
        self.b.branch(head)
        self.b.position_at_end(after)
        return list(phis)

    @contextmanager
    def when(self, condition: Any) -> Any:
        """`if condition:`."""
        with self.b.if_then(condition):
            yield

    # --- memory ---------------------------------------------------------------------------------------------------

    def at(self, pointer: Any, offset: Int, t: ir.Type) -> Any:
        """The address `offset` elements of type `t` behind `pointer`."""
        return self.b.gep(pointer, [self.int(offset)], source_etype=t)

    def load(self, pointer: Any, offset: Int, t: ir.Type, align: builtins.int | None = None) -> Any:
        """An element of type `t` (or a vector, at an element's alignment)."""
        place = self.at(pointer, offset, element(t))
        if isinstance(t, ir.VectorType):
            return self.b.load(place, align=align or _bytes(t.element), typ=t)
        return self.b.load(place, typ=t)

    def store(self, value: Any, pointer: Any, offset: Int) -> None:
        """Write an element or a vector."""
        t = value.type
        place = self.at(pointer, offset, element(t))
        self.b.store(value, place, align=_bytes(element(t)))

    def lanes_below(self, count: builtins.int, n: builtins.int) -> ir.Constant:
        """A mask: the first `n` lanes."""
        return each_lane(tuple(builtins.int(i < n) for i in range(count)), I1)

    def load_first(self, n: builtins.int, pointer: Any, offset: Int, t: ir.VectorType) -> Any:
        """The first `n` lanes of a vector, zeros in the others; nothing beyond is touched."""
        if n >= t.count:
            return self.load(pointer, offset, t)
        mask = ir.VectorType(I1, t.count)
        place = self.at(pointer, offset, t.element)
        if n == 1:
            zero = constant(t, 0)
            return self.b.insert_element(zero, self.b.load(place, typ=t.element), ir.Constant(I32, 0))
        chosen, zeros = self.lanes_below(t.count, n), constant(t, 0)
        return self.intrinsic(f"masked.load.{mangle(t)}.p0", t, [PTR, mask, t], place, chosen, zeros)

    def store_first(self, n: builtins.int, value: Any, pointer: Any, offset: Int) -> None:
        """Write the first `n` lanes only."""
        t = value.type
        if n >= t.count:
            self.store(value, pointer, offset)
            return
        if n == 1:  # LLVM 22 makes of a masked store of one truncated lane a store of the wide number: 4 bytes for 2
            self.store(self.b.extract_element(value, ir.Constant(I32, 0)), pointer, offset)
            return
        mask = ir.VectorType(I1, t.count)
        place = self.at(pointer, offset, t.element)
        self.intrinsic(f"masked.store.{mangle(t)}.p0", VOID, [t, PTR, mask], value, place, self.lanes_below(t.count, n))

    # --- arithmetic -----------------------------------------------------------------------------------------------

    def intrinsic(self, name: str, returns: ir.Type, parameters: Sequence[ir.Type], *values: Any) -> Any:
        """Call `llvm.<name>`."""
        full = f"llvm.{name}"
        found = self.module.globals.get(full)
        if found is None:
            found = ir.Function(self.module, ir.FunctionType(returns, parameters), full)
        return self.b.call(found, values)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a * b + c, rounded once."""
        return self.intrinsic(f"fma.{mangle(a.type)}", a.type, [a.type] * 3, a, b, c)

    def unary(self, name: str, a: Any) -> Any:
        """An intrinsic of one floating value: fabs, sqrt, floor, ceil, trunc, rint ..."""
        return self.intrinsic(f"{name}.{mangle(a.type)}", a.type, [a.type], a)

    def binary(self, name: str, a: Any, b: Any) -> Any:
        """An intrinsic of two values of one type: minnum, maximum, copysign, smax ..."""
        return self.intrinsic(f"{name}.{mangle(a.type)}", a.type, [a.type] * 2, a, b)

    def splat(self, scalar: Any, lanes: builtins.int) -> Any:
        """A scalar in every lane."""
        t = ir.VectorType(scalar.type, lanes)
        undefined = ir.Constant(t, ir.Undefined)
        first = self.b.insert_element(undefined, scalar, ir.Constant(I32, 0))
        return self.b.shuffle_vector(first, undefined, constant(ir.VectorType(I32, lanes), 0))


def _bytes(t: ir.Type) -> int:
    return {F16: 2, F32: 4, F64: 8}.get(t) or max(t.width // 8, 1)
