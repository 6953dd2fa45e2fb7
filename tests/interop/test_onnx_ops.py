"""Each op of the table as an ONNX file, run by onnxruntime on the inputs of its record's samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway.core.op import OPS, Op
from cutaway.interop.onnx.nodes import OPS as CONVERTERS

from ..core.opcheck import arrays, cases
from .exported import check, exported

ALL = [(op, k) for op, k in cases() if op.name != "philox_uniform"]
ADDS_UP = {"scatter_add", "index_put", "fold", "window_scatter"}
MISSING = {"erf", "cos", "tan", "sinh", "cosh", "asin", "acos", "atan", "atan2"}  # of float64, under onnxruntime


def _inputs(op: Op, k: int, dtype: str) -> list[Any]:
    """The sample's inputs; those that are filled with numbers in this dtype, integers positive."""
    sample = op.samples()[k]
    made = []
    for x, a in zip(sample.inputs, arrays(op, sample)):
        a = np.abs(a * 3) + 1 if "int" in dtype and isinstance(x, tuple) else a
        made.append(cutaway.tensor(a.astype(dtype) if isinstance(x, tuple) else a))
    return made


def _check_all(some: list[tuple[Op, int]], dtype: str = "float32", **options: Any) -> Any:
    """All of these in one file, one result each."""
    inputs = [_inputs(op, k, dtype) for op, k in some]

    def model(*tensors):
        rest = iter(tensors)
        return [op(*(next(rest) for _ in given), **op.samples()[k].attrs) for (op, k), given in zip(some, inputs)]

    what = [f"{op.name} {k}" for op, k in some]
    return check(model, *(t for given in inputs for t in given), what=what, **options)


def _defined(op: Op, k: int, dtype: str) -> bool:
    """True if the op takes this dtype, by its samples' attributes and inputs."""
    if not any(isinstance(x, tuple) for x in op.samples()[k].inputs) or (op.name == "clamp" and dtype[:5] != "float"):
        return False
    try:
        op(*_inputs(op, k, dtype), **op.samples()[k].attrs)
    except (cutaway.CutawayError, TypeError):
        return False
    return True


def test_all_ops():
    _check_all(ALL)


def test_every_op_has_a_node():
    assert [op.name for op in OPS.values() if not op.onnx and op.name not in CONVERTERS] == []


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "int8", "uint8", "bool", "float16", "float64"])
def test_dtypes(dtype):
    some = [(op, k) for op, k in ALL if k < 2 and _defined(op, k, dtype)]
    some = [(op, k) for op, k in some if dtype != "float64" or op.name not in MISSING]
    _check_all(some, dtype, **({"rtol": 4e-3, "atol": 4e-3} if dtype == "float16" else {}))
    assert len(some) > (30 if dtype == "bool" else 70)


@pytest.mark.parametrize("opset", [13, 15, 20, 23])
def test_opsets(opset):
    some = [
        (op, k) for op, k in ALL
        if not (op.name.startswith("bitwise") and opset < 18) and not (op.name in ADDS_UP and opset < 16)
        and not (opset < 14 and any(0 in t.shape for t in _inputs(op, k, "float32")))
    ]  # fmt: skip
    assert _check_all(some, opset_version=opset).opset_import[0].version == opset


def test_an_opset_that_is_too_old_is_said():
    x = cutaway.tensor([1, 2])
    with pytest.raises(cutaway.ExportError, match=r"bitwise_and .*needs opset 18; pass opset_version=18") as caught:
        exported(lambda a: a & 3, x, opset_version=13)
    assert "exported(lambda a: a & 3" in str(caught.value)


@pytest.mark.parametrize("value", [1e-6, -1e-4, 0.0, 3.0, -30.0, 80.0])
def test_small_and_large_arguments_keep_their_digits(value):
    x = cutaway.tensor([value, value / 3], dtype=cutaway.float32)
    check(lambda a: a.expm1(), x, rtol=1e-6, atol=0.0)
    if value > -1:
        check(lambda a: a.log1p(), x, rtol=1e-6, atol=0.0)


def test_what_no_number_is():
    inf, nan = float("inf"), float("nan")
    x = cutaway.tensor([inf, -inf, nan, 1.0])
    check(lambda a: (a.isnan(), a.isfinite(), a.isinf(), a.log1p(), a.expm1(), a.relu(), a.abs()), x)


def test_atan2_in_every_quadrant():
    y, x = (cutaway.tensor(a) for a in np.meshgrid([-1.0, 0.0, 2.0], [-3.0, 0.0, 1.0]))
    check(lambda a, b: cutaway.atan2(a, b), y.float(), x.float())


def test_signs_of_divisions():
    a, b = (cutaway.tensor(v) for v in np.meshgrid([-7, -1, 0, 5, 8], [-3, 2, 4]))
    for convert in (lambda t: t, lambda t: t.float()):
        check(lambda p, q: (p // q, p % q, p / q, cutaway.fmod(p, q)), convert(a), convert(b))
