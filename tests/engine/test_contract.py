"""The contraction generator: its maps against plain NumPy, epilogues, threads, empty sums, registers."""

from __future__ import annotations

import re
from typing import Any

import llvmlite.ir as ir
import numpy as np
import pytest

from cutaway.engine.contract import Convolution, Problem, emit, matmul, plan, scratch_bytes, split
from cutaway.engine.llvm.emit import Function, constant
from cutaway.engine.llvm.jit import Code, assemble, compile_object
from cutaway.engine.llvm.target import machine, target

from .contracting import Batch, isas, run

rng = np.random.default_rng(7)


def random(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def strides(axes: dict[str, int]) -> dict[str, int]:
    """Row-major steps of named axes."""
    out, step = {}, 1
    for label in reversed(list(axes)):
        out[label] = step
        step *= axes[label]
    return out


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_matmul(ta: bool, tb: bool) -> None:
    m, n, k = 37, 45, 70
    a, b, c = random(3, m, k), random(3, k, n), np.empty((3, m, n), np.float32)
    x = np.ascontiguousarray(a.swapaxes(1, 2)) if ta else a
    y = np.ascontiguousarray(b.swapaxes(1, 2)) if tb else b
    Batch([matmul(m, n, k, ta=ta, tb=tb, batch=3)]).run(0, x, y, c)
    np.testing.assert_allclose(c, a @ b, rtol=1e-5, atol=1e-4)


def naive(x: np.ndarray, w: np.ndarray, stride: int, pad: int, dilation: int) -> np.ndarray:
    """y[n, g, oc, h, w] of x[n, g, ic, h, w] and w[g, oc, ic, kh, kw]: the taps one by one over a padded copy."""
    k = w.shape[-1]
    x = np.pad(x, [(0, 0)] * 3 + [(pad, pad)] * 2)
    oh, ow = ((s - dilation * (k - 1) - 1) // stride + 1 for s in x.shape[3:])
    y = 0
    for i in range(k):
        for j in range(k):
            part = x[..., i * dilation :, j * dilation :][
                ..., : stride * (oh - 1) + 1 : stride, : stride * (ow - 1) + 1 : stride
            ]
            y = y + np.einsum("ngihw,goi->ngohw", part, w[..., i, j])
    return y


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(
    ("stride", "pad", "dilation", "groups"),
    [(1, 1, 1, 1), (2, 1, 1, 1), (1, 0, 2, 1), (3, 2, 2, 2), (2, 3, 1, 2), (4, 0, 1, 1)],
)
def test_convolution_and_its_gradients(stride: int, pad: int, dilation: int, groups: int, last: bool) -> None:
    n, ic, oc, h, w, k = 2, 3, 5, 9, 11, 3
    oh, ow = ((s + 2 * pad - dilation * (k - 1) - 1) // stride + 1 for s in (h, w))
    c = {"g": groups, "ic": ic}
    d = {"g": groups, "oc": oc}
    image = {"i0": h, "i1": w}
    result = {"o0": oh, "o1": ow}
    spec = Convolution(
        n, groups, ic, oc, (h, w), (k, k), (stride,) * 2, (pad,) * 2, (dilation,) * 2, (oh, ow),
        strides({"n": n, **image, **c} if last else {"n": n, **c, **image}),
        strides({"g": groups, "oc": oc, "ic": ic, "k0": k, "k1": k}),
        strides({"n": n, **result, **d} if last else {"n": n, **d, **result}),
    )  # fmt: skip

    def lay(x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(x.transpose(0, 3, 4, 1, 2)) if last else x

    x, f = random(n, groups, ic, h, w), random(groups, oc, ic, k, k)
    want = naive(x, f, stride, pad, dilation)
    dy = random(*want.shape)
    backward = spec.grad_input()
    batch = Batch([spec.forward(), spec.grad_weight(), *backward])
    y = np.empty_like(lay(want), np.float32)
    batch.run(0, lay(x), f, y)
    np.testing.assert_allclose(y, lay(want), rtol=1e-4, atol=1e-4)
    # The gradients by their definition: the adjoint of a map that is linear in x and in the weights.
    dw, dx = np.empty_like(f), np.full_like(lay(x), np.nan)
    batch.run(1, lay(x), lay(dy), dw)
    for i in range(len(backward)):
        batch.run(2 + i, lay(dy), f, dx)
    other_x, other_f = random(*x.shape), random(*f.shape)
    np.testing.assert_allclose((dw * other_f).sum(), (dy * naive(x, other_f, stride, pad, dilation)).sum(), rtol=1e-3)
    np.testing.assert_allclose(
        (dx * lay(other_x)).sum(), (dy * naive(other_x, f, stride, pad, dilation)).sum(), rtol=1e-3, atol=1e-2
    )
    assert np.isfinite(dx).all(), "every input's gradient is written, those that no tap reaches too"


def compiled(p: Problem, epilogue: Any, extra: int, isa: str = "") -> Code:
    module = ir.Module()
    emit(module, "f", p, target(isa), epilogue, extra)
    return Code(compile_object(module, target(isa), optimise=False))


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize("k", [0, 9, 2500])
def test_an_epilogue_sees_each_sum_once_and_knows_where_it_belongs(isa: str, k: int) -> None:
    b, t, n = 3, 7, 21  # batch and time become one label inside; the epilogue still asks for both
    labels = {"b": b, "t": t, "n": n}
    p = matmul(t, n, k, batch=b)
    p = Problem(
        {"b": b, "t": t, "n": n, "k": k},
        type(p.a)({"b": t * k, "t": k, "k": 1}),
        type(p.a)({"k": n, "n": 1}),
        type(p.a)(strides(labels)),
        p.dtype,
    )

    def relu_of_bias_and_residual(f: Function, value: Any, place: Any) -> Any:
        bias, residual, scale = place.extra
        value = f.b.fadd(value, place.load(bias, {"n": 1}))
        value = f.b.fadd(value, place.load(residual, {"b": 1, "t": b, "n": b * t}))
        value = f.b.fmul(value, place.load(scale, {"b": 1}))
        return f.binary("maxnum", value, constant(value.type, 0))

    code = compiled(p, relu_of_bias_and_residual, 3, isa)
    x, w, bias, residual, scale = random(b, t, k), random(k, n), random(n), random(n, t, b), random(b)
    y = np.empty((b, t, n), np.float32)
    run(code, "f", (x, w, y, bias, residual, scale), scratch_bytes(p, target(isa), epilogue=True), 2)
    want = np.maximum((x @ w + bias + residual.transpose(2, 1, 0)) * scale[:, None, None], 0)
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=3e-4)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    x, w = random(61, 300), random(300, 90)
    p = matmul(61, 90, 300)
    batch = Batch([p])
    found = []
    for threads in (1, 2, 3, 5, 16, 64):
        y = np.full((61, 90), np.nan, np.float32)
        batch.run(0, x, w, y, threads)
        found.append(y.tobytes())
    assert len(set(found)) == 1


def test_a_sum_split_into_copies_adds_up() -> None:
    x, dy = random(12, 40, 3), random(12, 40, 17)
    p = matmul(3, 17, 12 * 40, ta=True)
    p = Problem(
        {"n": 12, "t": 40, "i": 3, "o": 17},
        type(p.a)({"n": 120, "t": 3, "i": 1}),
        type(p.a)({"n": 680, "t": 17, "o": 1}),
        type(p.a)({"i": 17, "o": 1}),
        p.dtype,
    )
    parts = np.empty((4, 3, 17), np.float32)
    Batch([split(p, "n", 4)]).run(0, x, dy, parts)
    np.testing.assert_allclose(parts.sum(0), np.einsum("nti,nto->io", x, dy), rtol=1e-4, atol=1e-4)


def test_nothing_to_sum_writes_zeros_or_leaves_what_is_there() -> None:
    y = np.full((4, 5), 3, np.float32)
    nothing = np.empty(0, np.float32)
    batch = Batch([matmul(4, 5, 0), matmul(4, 5, 0, accumulate=True)])
    batch.run(1, nothing, nothing, y)
    assert (y == 3).all()
    batch.run(0, nothing, nothing, y)
    assert (y == 0).all()


@pytest.mark.parametrize("isa", [isa for isa in isas() if target(isa).fma])
def test_the_accumulators_stay_in_registers(isa: str) -> None:
    c = Convolution(
        4, 1, 16, 32, (14, 14), (3, 3), (1, 1), (1, 1), (1, 1), (14, 14), strides({"n": 4, "i0": 14, "i1": 14, "g": 1, "ic": 16}),
        strides({"g": 1, "k0": 3, "k1": 3, "ic": 16, "oc": 32}), strides({"n": 4, "o0": 14, "o1": 14, "g": 1, "oc": 32}),
    )  # fmt: skip
    problems = [matmul(128, 512, 784), matmul(128, 512, 512, tb=True), matmul(784, 512, 128, ta=True)]
    problems += [c.forward(), c.grad_weight(), *c.grad_input()]
    t = target(isa)
    for p in problems:
        module = ir.Module()
        emit(module, "f", p, t)
        text = machine(t).emit_assembly(assemble(module, t, optimise=False))
        assert not re.findall(r"mov[au]p[sd]\s+%[xyz]mm\d+, [-\d]*\(%rsp\)|str\s+q\d+, \[sp", text), (
            f"spills: {plan(p, t)}"
        )
