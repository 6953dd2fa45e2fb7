"""Mathematics in IR beside NumPy: elements per nanosecond on one thread, arrays of 4,096 in the first-level cache.

    python benchmarks/mathematics.py [--isa avx2]

"loop" is a scalar loop that LLVM widened, "vector" one over whole registers. Wants a quiet machine.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
from time import perf_counter

import llvmlite.ir as ir
import numpy as np

from cutaway.core.vocabulary import NUMPY
from cutaway.engine.llvm import mathematics
from cutaway.engine.llvm.emit import I64, PTR, Function, memory_type
from cutaway.engine.llvm.jit import Code, compile_object
from cutaway.engine.llvm.target import target

N, REPEAT, ROUNDS = 4096, 20, 50
NAMES = [n for n in mathematics.__all__ if n != "integer_pow"]


def emit(module: ir.Module, name: str, kind: ir.Type, lanes: int, wide: int) -> None:
    """`name` over arrays, REPEAT times: (x, y, out, n)."""
    f = Function(module, f"{name}_{lanes}_{kind}", [PTR, PTR, PTR, I64], wide=wide)
    for a in f.args[:3]:
        a.add_attribute("noalias")
    x, y, out, n = f.args
    t = kind if lanes == 1 else ir.VectorType(kind, lanes)
    arrays = (x, y) if name in ("pow", "atan2") else (x,)
    function = getattr(mathematics, name)

    def turn(i: ir.Value, _: list[ir.Value]) -> None:
        f.store(function(f, *[f.load(p, i, t) for p in arrays]), out, i)

    f.loop(0, REPEAT, body=lambda _i, _c: f.loop(0, n, lanes, body=turn))
    f.b.ret_void()


def seconds(call: object) -> float:
    """The median duration."""
    assert callable(call)
    times = []
    for _ in range(ROUNDS):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--isa", default="", help="avx512, avx2, sse or neon (default: the best there is)")
    t = target(parser.parse_args().isa)
    rng = np.random.default_rng(0)
    print(f"{t.cpu}, {t.isa}; elements / ns\n{'':10}{'':9}{'loop':>8}{'vector':>8}{'NumPy':>8}")
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        kind, lanes = memory_type(dtype), t.lanes(dtype.itemsize)
        module = ir.Module()
        for name in NAMES:
            for width in (1, lanes):
                emit(module, name, kind, width, t.bits)
        code = Code(compile_object(module, t, True))
        for name in NAMES:
            x, y = (rng.uniform(0.05, 0.95, N).astype(dtype) for _ in range(2))
            out = np.empty_like(x)
            rates = []
            for width in (1, lanes):
                prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)
                native = prototype(code.address(f"{name}_{width}_{kind}"))
                addresses = (x.ctypes.data, y.ctypes.data, out.ctypes.data, N)
                rates.append(N * REPEAT / seconds(lambda native=native, a=addresses: native(*a)) / 1e9)
            numpy = getattr(NUMPY, name, None)
            if numpy is not None:
                given = (x, y) if name in ("pow", "atan2") else (x,)
                rates.append(N / seconds(lambda numpy=numpy, given=given: numpy(*given)) / 1e9)
            print(f"{name:10}{dtype!s:9}" + "".join(f"{r:8.2f}" for r in rates))


if __name__ == "__main__":
    main()
