"""Everything compiles: every op of the table, every sample, and their gradients, against the reference interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway.core.autograd import grad
from cutaway.core.op import OPS, Op, Sample
from cutaway.core.tensor import Tensor

from .agreement import Case, failures, on

DTYPES = ("float32", "float64", "float16", "bfloat16")
GROUPS = sorted({op.kind for op in OPS.values()})


def arrays(op: Op, sample: Sample, dtype: str) -> list[np.ndarray]:
    """The sample's inputs: shapes are filled from the op's domain."""
    rng, d = np.random.default_rng([*op.name.encode()]), getattr(cutaway, dtype).np
    out = []
    for x in sample.inputs:
        if isinstance(x, tuple):
            out.append(np.asarray(rng.uniform(*op.domain, x)).astype(d))
        else:
            a = np.asarray(x)
            out.append(a.astype(d) if a.dtype.kind == "f" else a)
    return out


def forward(op: Op, sample: Sample, dtype: str, number: int) -> Case:
    """The op itself."""
    return Case(
        f"{op.name} sample {number} {dtype}", lambda *ts: (op(*ts, **sample.attrs),), arrays(op, sample, dtype)
    )


def backward(op: Op, sample: Sample, dtype: str, number: int) -> Case:
    """Its gradients towards all floating inputs, for an arriving gradient of cos(1, 2, 3, ...)."""
    values = arrays(op, sample, dtype)
    y = op(*[on(a) for a in values], **sample.attrs)
    w = np.cos(np.arange(1.0, y.numel() + 1)).reshape(tuple(y.shape)).astype(y.dtype.np)

    def fn(*ts: Tensor) -> tuple[Tensor, ...]:
        *inputs, weight = ts
        leaves = [t.detach().requires_grad_() if t.is_floating_point() else t for t in inputs]
        out: tuple[Any, ...] = grad(
            op(*leaves, **sample.attrs),
            [t for t in leaves if t.requires_grad],
            weight,
            materialize_grads=True,
        )
        return out

    return Case(f"gradient of {op.name} sample {number} {dtype}", fn, [*values, w])


def differentiable(op: Op, sample: Sample) -> bool:
    """True if a gradient flows through the op for this sample."""
    inputs = [cutaway.tensor(a) for a in arrays(op, sample, "float64")]
    for t in inputs:
        if t.is_floating_point():
            t.requires_grad_()
    return bool(op.rules) and op(*inputs, **sample.attrs).requires_grad


def samples(kind: str) -> list[tuple[Op, Sample, int]]:
    """(op, sample, its number) of a kind of op."""
    return [(op, s, k) for op in OPS.values() if op.kind == kind and op.samples for k, s in enumerate(op.samples())]


def test_no_op_is_without_a_sample():
    assert {op.name for kind in GROUPS for op, _, _ in samples(kind)} == set(OPS)


def chosen(kind: str, dtype: str, whole: str = "float32") -> list[tuple[Op, Sample, int]]:
    """All samples in the dtype `whole`; elementwise ops, whose samples differ in their shapes only, once in the others."""
    return [c for c in samples(kind) if dtype == whole or kind != "elementwise" or c[2] == 0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", GROUPS)
def test_every_op_compiles(kind, dtype):
    assert failures([forward(op, s, dtype, k) for op, s, k in chosen(kind, dtype)]) == []


@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("kind", [k for k in GROUPS if k != "random"])
def test_every_gradient_compiles(kind, dtype):
    assert failures([backward(op, s, dtype, k) for op, s, k in chosen(kind, dtype, "") if differentiable(op, s)]) == []
