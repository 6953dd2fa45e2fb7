"""Sparse products, natively: a row of the matrix after the other, without the copies of rows that NumPy makes on the way."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from itertools import product
from typing import Any

import llvmlite.ir as ir
import numpy as np

from cutaway.engine.llvm import jit
from cutaway.engine.llvm.emit import F32, F64, I64, PTR, Function, constant
from cutaway.engine.llvm.target import target

VERSION = 1  # of the code made here: part of the cache's key
LEAST = 1 << 13  # multiplications of a product, below which NumPy is as quick
WARM = 1 << 22  # and of all products so far: before, making the code would cost more than it has saved
KINDS = {"float32": F32, "float64": F64}
_done = [0]


def run(name: str, places: tuple[np.ndarray, np.ndarray], factors: tuple[np.ndarray, np.ndarray], y: np.ndarray) -> bool:
    """True if y was filled.

    spmm     y[N, D] += values[nnz] at (starts[N + 1], columns[nnz]) times x[M, D], entries by row
    sddmm    y[nnz] = a[rows] . b[cols] of a[N, D], b[M, D]
    """
    a, b = factors
    work = len(places[1]) * b.shape[1]
    _done[0] += work
    if work < LEAST or _done[0] < WARM or y.dtype.name not in KINDS or not a.dtype == b.dtype == y.dtype:
        return False
    held = [np.ascontiguousarray(p, np.int64) for p in places] + [np.ascontiguousarray(f) for f in factors]
    sizes = (y.shape[0], b.shape[1])
    _functions()[name, y.dtype.name](*(p.ctypes.data for p in held), y.ctypes.data, *sizes)
    return True


@lru_cache(1)
def _functions() -> dict[tuple[str, str], Callable[..., None]]:
    code = jit.build(f"entries {VERSION}", generate, target(), optimise=True)
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, ctypes.c_int64, ctypes.c_int64)
    found: dict[tuple[str, str], Callable[..., None]] = {}
    for name, dtype in product(EMIT, KINDS):
        f = found[name, dtype] = kind(code.address(f"{name}_{dtype}"))
        f.code = code  # type: ignore[attr-defined]  # lives as long as they do
    return found


def generate() -> ir.Module:
    """The module of `spmm_float32(starts, columns, values, x, y, n, d)` and its like."""
    module = ir.Module("entries")
    for name, emit in EMIT.items():
        for dtype, t in KINDS.items():
            f = Function(module, f"{name}_{dtype}", [*[PTR] * 5, I64, I64])
            for a in f.args[:5]:
                a.add_attribute("noalias")
            emit(f, t)
            f.b.ret_void()
    return module


def _spmm(f: Function, t: ir.Type) -> None:
    starts, columns, values, x, y, n, d = f.args

    def row(i: Any, _: list[Any]) -> None:
        out = f.at(y, f.mul(i, d), t)

        def entry(k: Any, _: list[Any]) -> None:
            v, there = f.load(values, k, t), f.at(x, f.mul(f.load(columns, k, I64), d), t)

            def one(j: Any, _: list[Any]) -> None:
                f.store(f.b.fadd(f.load(out, j, t), f.b.fmul(v, f.load(there, j, t))), out, j)

            f.loop(0, d, body=one, name="j")

        f.loop(f.load(starts, i, I64), f.load(starts, f.add(i, 1), I64), body=entry, name="k")

    f.loop(0, n, body=row, name="i")


def _sddmm(f: Function, t: ir.Type) -> None:
    rows, cols, a, b, y, n, d = f.args

    def entry(k: Any, _: list[Any]) -> None:
        left, right = (f.at(p, f.mul(f.load(at, k, I64), d), t) for p, at in ((a, rows), (b, cols)))

        def one(j: Any, carried: list[Any]) -> list[Any]:
            both = f.b.fmul(f.load(left, j, t), f.load(right, j, t))
            return [f.b.fadd(carried[0], both, flags=("reassoc", "contract"))]  # several sums at once

        (total,) = f.loop(0, d, carry=[constant(t, 0.0)], body=one, name="j")
        f.store(total, y, k)

    f.loop(0, n, body=entry, name="k")


EMIT = {"spmm": _spmm, "sddmm": _sddmm}
