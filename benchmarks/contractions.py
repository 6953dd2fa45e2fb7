"""How fast the contraction generator's code runs: GF/s on one thread, as a share of the peak measured beside it.

    python benchmarks/contractions.py [--isa avx2] [--only conv] [--plans]

Convolutions count nominal operations: those that padding's clipped taps would have are not done, so a share may pass 100 %.
Times are the process's CPU time, the best of several runs, so that other jobs on the machine disturb little.
"""

from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import argparse
import ctypes
import time
from collections.abc import Callable

import llvmlite.ir as ir
import numpy as np

from cutaway.engine.contract import Convolution, Problem, emit, matmul, plan, scratch_bytes
from cutaway.engine.llvm.emit import F32, I64, PTR, Function, constant
from cutaway.engine.llvm.jit import Code, compile_object
from cutaway.engine.llvm.target import Target, target


def conv(n: int, side: int, ic: int, oc: int, k: int, pad: int, stride: int = 1) -> Convolution:
    """Square images, channels last, weights [kh, kw, ic, oc]."""
    out = (side + 2 * pad - k) // stride + 1
    x = {"n": side * side * ic, "g": 0, "i0": side * ic, "i1": ic, "ic": 1}
    y = {"n": out * out * oc, "g": 0, "o0": out * oc, "o1": oc, "oc": 1}
    w = {"g": 0, "k0": k * ic * oc, "k1": ic * oc, "ic": oc, "oc": 1}
    return Convolution(
        n, 1, ic, oc, (side,) * 2, (k,) * 2, (stride,) * 2, (pad,) * 2, (1, 1), (out,) * 2,
        {q: s or 1 for q, s in x.items()}, {q: s or 1 for q, s in w.items()}, {q: s or 1 for q, s in y.items()},
    )  # fmt: skip


def depthwise(n: int, side: int, channels: int, k: int, pad: int) -> Convolution:
    """A kernel for each channel, channels last, weights [kh, kw, c]."""
    out = side + 2 * pad - k + 1
    x = {"n": side * side * channels, "g": 1, "i0": side * channels, "i1": channels, "ic": 1}
    y = {"n": out * out * channels, "g": 1, "o0": out * channels, "o1": channels, "oc": 1}
    w = {"g": 1, "k0": k * channels, "k1": channels, "ic": 1, "oc": 1}
    return Convolution(
        n, channels, 1, 1, (side,) * 2, (k,) * 2, (1, 1), (pad,) * 2, (1, 1), (out,) * 2, x, w, y,
    )  # fmt: skip


def channels_first(n: int, side: int, ic: int, oc: int, k: int, pad: int) -> Convolution:
    """PyTorch's layout: x[n, c, h, w], weights [oc, ic, kh, kw]."""
    out = side + 2 * pad - k + 1
    x = {"n": side * side * ic, "g": 1, "ic": side * side, "i0": side, "i1": 1}
    y = {"n": out * out * oc, "g": 1, "oc": out * out, "o0": out, "o1": 1}
    w = {"g": 1, "oc": ic * k * k, "ic": k * k, "k0": k, "k1": 1}
    return Convolution(n, 1, ic, oc, (side,) * 2, (k,) * 2, (1, 1), (pad,) * 2, (1, 1), (out,) * 2, x, w, y)


def cases() -> list[tuple[str, list[Problem]]]:
    """Names and problems."""
    out: list[tuple[str, list[Problem]]] = [
        ("gemm 128x512x784", [matmul(128, 512, 784)]),
        ("gemm 128x512x512 NT", [matmul(128, 512, 512, tb=True)]),
        ("gemm 784x512x128 TN", [matmul(784, 512, 128, ta=True)]),
        ("gemm 512x10x128 TN", [matmul(512, 10, 128, ta=True)]),
        ("gemm 128x10x512", [matmul(128, 10, 512)]),
        ("gemm 100x50x784", [matmul(100, 50, 784)]),
        ("gemm 784x50x100 TN", [matmul(784, 50, 100, ta=True)]),
        ("gemm 512x512x512", [matmul(512, 512, 512)]),
        ("gemm 100x100x4320", [matmul(100, 100, 4320)]),
        ("gemm 1024x1024x1024", [matmul(1024, 1024, 1024)]),
        ("gemm 1x512x784", [matmul(1, 512, 784)]),
        ("gemm 1x512x784 NT", [matmul(1, 512, 784, tb=True)]),
        ("gemm 3x2x4", [matmul(3, 2, 4)]),
        ("gemm batch 64 64x32x64", [matmul(64, 32, 64, batch=64)]),
        ("gemm batch 64 64x64x32 NT", [matmul(64, 64, 32, tb=True, batch=64)]),
    ]
    images = [
        (28, 1, 16, 3, 1),
        (28, 16, 16, 3, 1),
        (14, 16, 32, 3, 1),
        (14, 32, 32, 3, 2),
        (8, 64, 64, 3, 1),
        (28, 1, 30, 5, 0),
    ]
    for side, ic, oc, k, pad in images:
        c = conv(100, side, ic, oc, k, pad)
        name = f"conv {ic}->{oc} {k}x{k} @{side}"
        out += [(f"{name} forward", [c.forward()]), (f"{name} grad-weight", [c.grad_weight()])]
        if ic > 1:
            out.append((f"{name} grad-input", c.grad_input()))
    c = conv(100, 28, 16, 32, 3, 1, stride=2)
    out += [
        ("conv 16->32 @28 stride 2 forward", [c.forward()]),
        ("conv 16->32 @28 stride 2 grad-input", c.grad_input()),
    ]
    out += [("conv 16->32 @28 stride 2 grad-weight", [c.grad_weight()])]
    c = depthwise(100, 14, 64, 3, 1)
    out += [("conv depthwise 64 @14 forward", [c.forward()]), ("conv depthwise 64 @14 grad-input", c.grad_input())]
    out += [("conv depthwise 64 @14 grad-weight", [c.grad_weight()])]
    out += [("conv 64->128 1x1 @14 forward", [conv(100, 14, 64, 128, 1, 0).forward()])]
    c = channels_first(100, 28, 16, 16, 3, 1)
    out += [("conv NCHW 16->16 @28 forward", [c.forward()]), ("conv NCHW 16->16 @28 grad-input", c.grad_input())]
    out += [("conv NCHW 16->16 @28 grad-weight", [c.grad_weight()])]
    return out


def best(f: Callable[[], object], seconds: float = 0.15) -> float:
    """CPU seconds of one call: the least over rounds of about 5 ms."""
    f()
    start = time.process_time()
    f()
    count = max(1, int(0.005 / max(time.process_time() - start, 1e-7)))
    least, until = 1e9, time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.process_time()
        for _ in range(count):
            f()
        least = min(least, (time.process_time() - start) / count)
    return least


def peak(t: Target) -> float:
    """GF/s of multiply-adds between registers."""
    module = ir.Module()
    f = Function(module, "peak", [I64, PTR], wide=t.bits)
    lanes, chains = t.lanes(4), 12
    v = ir.VectorType(F32, lanes)
    x = f.load(f.args[1], 0, v)

    def turn(i: object, acc: list[object]) -> list[object]:
        for _ in range(4):
            acc = [f.fma(a, x, x) if t.fma else f.b.fadd(f.b.fmul(a, x), x) for a in acc]
        return acc

    acc = f.loop(0, f.args[0], 1, [constant(v, 0)] * chains, turn)
    total = acc[0]
    for a in acc[1:]:
        total = f.b.fadd(total, a)
    f.store(total, f.args[1], 0)
    f.b.ret_void()
    code = Code(compile_object(module, t, optimise=False))
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(code.address("peak"))
    memory = np.zeros(64, np.float32)
    n = 20_000
    return n * chains * 4 * lanes * 2 / best(lambda: call(n, memory.ctypes.data)) / 1e9


def aligned(n: int, at: int) -> np.ndarray:
    """n random float32 at a 64-byte boundary; arrays are staggered, so that none meets another at a multiple of 4 KiB."""
    raw = np.random.default_rng(0).standard_normal(n + 4096).astype(np.float32)
    start = (-raw.ctypes.data % 4096) // 4 + 16 * (5 * at + 1)
    return raw[start : start + n]


def reach(problems: list[Problem], which: str) -> int:
    """Elements of an operand; clipped ones lie within the others' reach or before the start."""
    return 1 + max(
        o.offset + sum(max(s, 0) * (p.sizes[x] - 1) for x, s in o.strides.items())
        for p in problems
        for o in [getattr(p, which)]
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--isa", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--plans", action="store_true")
    options = parser.parse_args()
    t = target(options.isa)
    top = peak(t)
    print(f"{t.isa}: {top:.0f} GF/s multiply-add peak, one thread, float32")
    for name, problems in cases():
        if options.only not in name:
            continue
        started = time.perf_counter()
        module = ir.Module()
        for i, p in enumerate(problems):
            emit(module, f"f{i}", p, t)
        code = Code(compile_object(module, t, optimise=False))
        built = time.perf_counter() - started
        a, b, c = (aligned(reach(problems, which), i) for i, which in enumerate("abc"))
        scratch = aligned(max(scratch_bytes(p, t) for p in problems) // 4 + 16, 3)
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_int64)
        calls = [kind(code.address(f"f{i}")) for i in range(len(problems))]
        places = (a.ctypes.data, b.ctypes.data, c.ctypes.data, scratch.ctypes.data, 0, 1)

        def run(calls: list = calls, places: tuple = places) -> None:
            for call in calls:
                call(*places)

        flops = sum(p.flops for p in problems)
        rate = flops / best(run) / 1e9
        line = f"{name:38} {rate:6.0f} GF/s {rate / top:5.0%}  {built * 1e3:4.0f} ms"
        if name.startswith("gemm"):
            n = problems[0].sizes
            x, y = np.ones((n["batch"], n["m"], n["k"]), "f"), np.ones((n["batch"], n["k"], n["n"]), "f")
            if "TN" in name:
                x = np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)
            if "NT" in name:
                y = np.ascontiguousarray(y.swapaxes(1, 2)).swapaxes(1, 2)
            z = np.empty((n["batch"], n["m"], n["n"]), "f")
            line += f"  NumPy {flops / best(lambda x=x, y=y, z=z: np.matmul(x, y, out=z)) / 1e9:4.0f}"
        print(line, flush=True)
        if options.plans:
            for p in problems[:1]:
                s = plan(p, t)
                print(
                    f"    {'B x A' if s.swapped else 'A x B'} tile {s.tile} blocks {s.blocks} order {s.order} sums {s.sums}"
                    f" pack {s.pack_at} share {s.share}"
                )


if __name__ == "__main__":
    main()
