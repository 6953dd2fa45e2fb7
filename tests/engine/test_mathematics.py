"""Mathematics in IR against NumPy at higher precision: errors in units of the last place, special values, packed code."""

from __future__ import annotations

import ctypes
import math
import re
from functools import lru_cache

import llvmlite.ir as ir
import numpy as np
import pytest

from cutaway.core.errors import ArgumentError
from cutaway.engine.llvm import mathematics
from cutaway.engine.llvm.emit import F16, F32, F64, I64, PTR, Function, constant, memory_type
from cutaway.engine.llvm.jit import Code, assemble
from cutaway.engine.llvm.target import machine, target

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)
CHUNK = 64  # arrays are multiples of it, so that no vector has a tail


def by_element(function):
    """A function of math over arrays."""
    return lambda x: np.array([function(v) for v in x.astype(np.float64).tolist()], np.longdouble).astype(x.dtype)


def sigmoid(x):
    return np.where(
        x < 0, np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, 0))), 1 / (1 + np.exp(-np.maximum(x, 0)))
    )


# name: (reference, ulp in float32, ulp in float64, intervals that get points besides the random bit patterns)
UNARY = {
    "exp": (np.exp, 1.5, 2, [(-104, 89), (-1, 1), (-746, 710)]),
    "expm1": (np.expm1, 3, 4, [(-18, 89), (-1, 1), (-40, 710)]),
    "log": (np.log, 1.5, 2, [(0, 4), (0.7, 1.5)]),
    "log1p": (np.log1p, 3, 4, [(-1, 3), (-0.5, 0.5)]),
    "sqrt": (np.sqrt, 0.51, 0.51, [(0, 4)]),
    "sin": (np.sin, 2, 3, [(-10, 10), (-1e5, 1e5)]),
    "cos": (np.cos, 2, 3, [(-10, 10), (-1e5, 1e5)]),
    "tan": (np.tan, 4, 4, [(-10, 10), (-1e5, 1e5)]),
    "tanh": (np.tanh, 2, 3, [(-1, 1), (-12, 12), (-25, 25)]),
    "sinh": (np.sinh, 4, 4, [(-1, 1), (-90, 90), (-711, 711)]),
    "cosh": (np.cosh, 4, 4, [(-1, 1), (-90, 90), (-711, 711)]),
    "sigmoid": (sigmoid, 2.5, 4, [(-2, 2), (-104, 40), (-745, 40)]),
    "asin": (np.arcsin, 4, 4, [(-1.01, 1.01), (0.98, 1)]),
    "acos": (np.arccos, 4, 4, [(-1.01, 1.01), (0.98, 1)]),
    "atan": (np.arctan, 4, 4, [(-3, 3), (-30, 30)]),
    "erf": (by_element(math.erf), 3, 8, [(-1.2, 1.2), (-6.2, 6.2)]),
}
BINARY = {"pow": (np.power, 4, 8), "atan2": (np.arctan2, 4, 4)}
REDUCED = {"sin", "cos", "tan"}  # accurate up to 1e5 only
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 2.5, 1e-3, 1e9, -1e9, math.inf, -math.inf, math.nan]
FORMS = ["loop", "vector"]
# Where long double is no longer than double, the reference itself errs by so much.
SLACK = {F4: 0.0, F8: 0.0 if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else 1.0}


def runnable(isa: str) -> bool:
    try:
        return target(isa).isa == isa
    except ArgumentError:
        return False


ISAS = [isa for isa in ("avx512", "avx2", "sse", "neon") if runnable(isa)]


def emit_all(isa: str) -> ir.Module:
    """`<function>_<form>_<dtype>(x, y, out, n)` for each: out[i] = function(x[i], y[i])."""
    t, module = target(isa), ir.Module()
    for dtype in (F4, F8):
        for name in [*UNARY, *BINARY]:
            for form in FORMS:
                f = Function(
                    module, f"{name}_{form}_{dtype}", [PTR, PTR, PTR, I64], names=["x", "y", "out", "n"], wide=t.bits
                )
                for a in f.args[:3]:
                    a.add_attribute("noalias")
                lanes = t.lanes(dtype.itemsize) if form == "vector" else 1
                kind = memory_type(dtype) if lanes == 1 else ir.VectorType(memory_type(dtype), lanes)

                def body(i, _, f=f, kind=kind, name=name):
                    x, y, out, _n = f.args
                    values = [f.load(p, i, kind) for p in ((x, y) if name in BINARY else (x,))]
                    f.store(getattr(mathematics, name)(f, *values), out, i)

                f.loop(0, f.args[3], lanes, body=body)
                f.b.ret_void()
    return module


@lru_cache
def compiled(isa: str) -> tuple[Code, str]:
    """Code for one instruction set, and its assembly."""
    t = target(isa)
    parsed = assemble(emit_all(isa), t, True)
    return Code(machine(t).emit_object(parsed)), machine(t).emit_assembly(parsed)


def run(isa: str, name: str, form: str, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """The function over arrays of any length."""
    n = -len(x) % CHUNK
    x, y = np.pad(x, (0, n)), np.pad(x if y is None else y, (0, n))
    out = np.empty_like(x)
    address = compiled(isa)[0].address(f"{name}_{form}_{x.dtype}")
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(address)
    call(x.ctypes.data, y.ctypes.data, out.ctypes.data, len(x))
    return out[: len(x) - n]


def wide(x: np.ndarray) -> np.ndarray:
    """In the precision of the reference."""
    return x.astype(np.float64 if x.dtype == F4 else np.longdouble)


def assert_close(got: np.ndarray, exact: np.ndarray, bound: float, *inputs: np.ndarray) -> None:
    """At most `bound` units in the last place away; NaN, infinities and signs of zeros alike."""
    with np.errstate(all="ignore"):
        near = exact.astype(got.dtype)
        unit = wide(np.spacing(np.minimum(np.abs(near), np.finfo(got.dtype).max)))
        error = np.abs(wide(got) - exact) / unit
        error[(got == near) & (np.isinf(near) | (near == 0))] = 0
        error[np.isnan(got) & np.isnan(exact)] = 0
        error[np.isnan(got) != np.isnan(exact)] = np.inf
        error[(np.signbit(got) != np.signbit(near)) & ~np.isnan(near)] = np.inf
        worst = int(np.argmax(error))
    where = ", ".join(repr(v[worst]) for v in inputs)
    assert error[worst] <= bound, f"{float(error[worst]):.2f} ulp at {where}: {got[worst]!r}, exactly {exact[worst]!r}"


def patterns(rng: np.random.Generator, dtype: np.dtype, n: int) -> np.ndarray:
    """Numbers of every magnitude: random bits (NaNs among them)."""
    return rng.integers(0, 2 ** (8 * dtype.itemsize), n, f"u{dtype.itemsize}").view(dtype)


@lru_cache
def points(name: str, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Arguments of a function of one number, and its exact values there."""
    rng, n = np.random.default_rng(0), 250_000 if dtype == F4 else 50_000
    if name == "erf":
        n //= 2
    tiny = np.finfo(dtype).smallest_subnormal
    edges = np.array([*SPECIAL, tiny, -tiny, np.finfo(dtype).tiny, np.finfo(dtype).max, -np.finfo(dtype).max], dtype)
    x = np.concatenate([edges, patterns(rng, dtype, n), *[rng.uniform(*i, n).astype(dtype) for i in UNARY[name][3]]])
    if name in REDUCED:
        quadrants = (np.arange(0, 60_000) * (math.pi / 2)).astype(dtype)  # where digits cancel
        x = np.concatenate([x, quadrants, -quadrants])
        x = x[~(np.abs(x) > 1e5) | np.isinf(x)]
    with np.errstate(all="ignore"):
        return x, UNARY[name][0](wide(x))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_accuracy(name: str, dtype: np.dtype, isa: str) -> None:
    x, exact = points(name, dtype)
    for form in FORMS:
        assert_close(run(isa, name, form, x), exact, UNARY[name][1 if dtype == F4 else 2] + SLACK[dtype], x)


@lru_cache
def pairs(name: str, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arguments of a function of two numbers, and its exact values there."""
    rng, n = np.random.default_rng(1), 250_000 if dtype == F4 else 50_000
    grid = np.array(
        [*SPECIAL, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max, 2.0**24 + 2, 2.0**53 + 2], dtype
    )
    xs, ys = [np.repeat(grid, len(grid))], [np.tile(grid, len(grid))]
    if name == "pow":
        largest = math.log(float(np.finfo(dtype).max))
        base = np.exp(rng.uniform(-largest, largest, n)).astype(dtype)
        near = (1 + rng.uniform(-1e-3, 1e-3, n)).astype(dtype)
        for x in (base, near):  # results of every magnitude
            xs.append(x)
            with np.errstate(all="ignore"):
                ys.append((rng.uniform(-1.1, 1.1, n) * largest / np.log(x)).astype(dtype))
        xs.append(rng.uniform(-20, 20, n).astype(dtype))
        ys.append(rng.integers(-20, 20, n).astype(dtype))
        xs.append(rng.uniform(0, 3, n).astype(dtype))
        ys.append(rng.choice([0.5, 2.0, 3.0, -1.0, 1.5], n).astype(dtype))
    else:
        for scale in (1.0, 1e-3, 1e3):
            xs.append(rng.uniform(-1, 1, n).astype(dtype))
            ys.append((rng.uniform(-1, 1, n) * scale).astype(dtype))
    xs.append(patterns(rng, dtype, n))
    ys.append(patterns(rng, dtype, n))
    x, y = np.concatenate(xs), np.concatenate(ys)
    with np.errstate(all="ignore"):
        return x, y, BINARY[name][0](wide(x), wide(y))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_accuracy_of_two_arguments(name: str, dtype: np.dtype, isa: str) -> None:
    x, y, exact = pairs(name, dtype)
    for form in FORMS:
        assert_close(run(isa, name, form, x, y), exact, BINARY[name][1 if dtype == F4 else 2] + SLACK[dtype], x, y)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
def test_trigonometry_of_large_numbers(dtype: np.dtype, isa: str) -> None:
    """Sines of numbers beyond the reduction stay sines; up to 1e8 float32 is still right."""
    x = np.concatenate([np.geomspace(1e5, float(np.finfo(dtype).max) / 2, 10_000).astype(dtype), [np.finfo(dtype).max]])
    for name in ("sin", "cos"):
        for form in FORMS:
            assert np.all(np.abs(run(isa, name, form, x)) <= 1)
            right = x[x < (1e8 if dtype == F4 else 1e6)]
            assert_close(run(isa, name, form, right), UNARY[name][0](wide(right)), 3 + SLACK[dtype], right)


PACKED = {
    "avx512": r"\bv\w+p[sd]\b.*zmm",
    "avx2": r"\bv\w+p[sd]\b.*ymm",
    "sse": r"\b(mul|add|sub|div|sqrt)p[sd]\b.*xmm",
    "neon": r"\bf\w+(\.4s|\.2d)?\s+v\d+",
}


@pytest.mark.parametrize("isa", ISAS)
def test_loops_become_vectors(isa: str) -> None:
    """The scalar loop was widened to whole registers, and neither form calls anything."""
    assembly = compiled(isa)[1]
    for name in [*UNARY, *BINARY]:
        for dtype in (F4, F8):
            for form in FORMS:
                label = f"{name}_{form}_{dtype}"
                body = re.search(
                    rf"^_?{label}:(.*?)^(\.L?func_end|\s*\.(size|cfi_endproc|globl))", assembly, re.M | re.S
                )
                assert body, label
                if name != "sqrt":  # which LLVM may leave to scalars: baseline x86-64 prices four sqrtss like a sqrtps
                    assert re.search(PACKED[isa], body[1]), f"{label} was not vectorised"
                assert not re.search(r"^\s*(callq?|bl)\s", body[1], re.M), f"{label} calls a function"


def test_formulas_are_straight_lines() -> None:
    for name in [*UNARY, *BINARY]:
        for kind in (F16, F32, F64, ir.VectorType(F32, 16)):
            f = Function(ir.Module(), name, [kind, kind], kind)
            out = getattr(mathematics, name)(f, *f.args[: 2 if name in BINARY else 1])
            assert out.type == kind
            assert len(f.fn.blocks) == 1


@pytest.mark.parametrize("exponent", [-1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 2.5])
def test_pow_of_a_constant(exponent: float) -> None:
    def power(f, x):
        out = mathematics.pow(f, x, constant(x.type, exponent))
        short.append(len(f.fn.blocks[-2].instructions) < 12)
        return out

    short: list[bool] = []
    x = np.concatenate([np.array(SPECIAL, F4), patterns(np.random.default_rng(3), F4, 100_000)])
    got = compile_elementwise(F32, power, 1)(x)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), np.full(len(x), exponent))  # a number would make it take a root
        assert_close(got, exact, 2, x)
    assert short == [exponent != 2.5]


def compile_elementwise(kind: ir.Type, emit, arguments: int):
    """out[i] = emit(x[i], ...), as a function of arrays, for the host."""
    t, module = target(), ir.Module()
    f = Function(module, "f", [*[PTR] * (arguments + 1), I64])
    values = f.args[:arguments]
    f.loop(
        0, f.args[-1], body=lambda i, _: f.store(emit(f, *[f.load(p, i, kind) for p in values]), f.args[arguments], i)
    )
    f.b.ret_void()
    code = Code(machine(t).emit_object(assemble(module, t, True)))

    def call(*arrays: np.ndarray) -> np.ndarray:
        out = np.empty_like(arrays[0])
        prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arguments + 1), ctypes.c_int64)
        prototype(code.address("f"))(*[a.ctypes.data for a in arrays], out.ctypes.data, out.size)
        return out

    return call


@pytest.mark.skipif(target().isa == "sse", reason="half precision needs F16C")
@pytest.mark.parametrize("name", UNARY)
def test_half(name: str) -> None:
    """float16 is computed in float32 and rounded once: all 65,536 numbers."""
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    got = compile_elementwise(F16, getattr(mathematics, name), 1)(x)
    with np.errstate(all="ignore"):
        assert_close(got, UNARY[name][0](x.astype(np.float64)), 0.51, x)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8"])
def test_integer_pow(dtype: str) -> None:
    """Modulo 2**bits, as NumPy multiplies; negative exponents as PyTorch has them."""
    d, rng = np.dtype(dtype), np.random.default_rng(2)
    signed = d.kind == "i"
    bases, exponents = np.arange(-6, 7)[0 if signed else 6 :], np.arange(-4, 20)[0 if signed else 4 :]
    some = rng.integers(0, np.iinfo(d).max, 200, d, endpoint=True)
    x = np.concatenate([np.repeat(bases, len(exponents)), some]).astype(d)
    y = np.concatenate([np.tile(exponents, len(bases)), some[::-1]]).astype(d)
    call = compile_elementwise(memory_type(d), lambda f, a, b: mathematics.integer_pow(f, a, b, signed), 2)
    bits = 8 * d.itemsize
    expected = []
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        whole = pow(a, b, 1 << bits) if b >= 0 else {1: 1, -1: -1 if b % 2 else 1}.get(a, 0)
        expected.append(whole % (1 << bits))
    unsigned = np.dtype(f"u{d.itemsize}")
    assert call(x, y).view(unsigned).tolist() == expected


def test_integer_pow_of_a_constant_is_a_short_chain() -> None:
    f = Function(ir.Module(), "cube", [I64], I64)
    mathematics.integer_pow(f, f.args[0], constant(I64, 3))
    assert [i.opname for i in f.fn.blocks[0].instructions] == ["mul", "mul"]
    call = compile_elementwise(I64, lambda f, a: mathematics.integer_pow(f, a, constant(I64, 13)), 1)
    x = np.array([-3, 0, 1, 7], np.int64)
    assert call(x).tolist() == [-1594323, 0, 1, 96889010407]
