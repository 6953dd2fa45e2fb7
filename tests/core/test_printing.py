"""`repr` and `format` of tensors: PyTorch's text, with `cutaway.` for `torch.` in the names of dtypes."""

from __future__ import annotations

import re

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import cutaway

from .against import torch

rng = np.random.default_rng(0)


FLOATS = st.floats(-1e10, 1e10, width=32) | st.sampled_from([0.0, 1.0, 2.0, 1e-5, 0.5, 100.0])


def same_text(array: np.ndarray, **kwargs: object) -> None:
    ours, theirs = cutaway.tensor(array, **kwargs), torch.tensor(array, **kwargs)
    # Our dtypes' names are longer, so a line may be full earlier.
    lines = [re.sub(r",\s+dtype", ", dtype", text) for text in (repr(ours), repr(theirs).replace("torch.", "cutaway."))]
    assert lines[0] == lines[1]
    assert str(ours) == repr(ours)


ARRAYS = {
    "scalar": np.float32(3.5),
    "whole scalar": np.float32(3),
    "integer scalar": np.array(7),
    "bool scalar": np.array(True),
    "vector": np.float32([1, 2.5, -3]),
    "whole": np.float32([1, 2, -3]),
    "large whole": np.float32([1, 2e7]),
    "science": np.float32([1e-5, 1, 1e5]),
    "small": np.float32([1e-6, 2e-6]),
    "large": np.float32([1e9, 2.5]),
    "huge whole": np.float32([1e10, 1]),
    "ratio": np.float32([0.001, 100.5]),
    "nan": np.float32([np.nan, 1, np.inf]),
    "only nan": np.float32([np.nan, np.nan]),
    "only inf": np.float32([np.inf, -np.inf]),
    "nan and fractions": np.float32([np.nan, 1.5, -np.inf]),
    "zeros": np.zeros(3, np.float32),
    "minus zero": np.float32([-0.0, 0.0]),
    "empty": np.zeros(0, np.float32),
    "empty matrix": np.zeros((0, 3), np.float32),
    "empty cube": np.zeros((2, 0, 3), np.float32),
    "empty integers": np.zeros((0,), np.int64),
    "empty half": np.zeros((2, 0), np.float16),
    "matrix": rng.standard_normal((3, 4)).astype(np.float32),
    "cube": rng.standard_normal((2, 3, 4)).astype(np.float32),
    "four": rng.standard_normal((2, 2, 2, 2)).astype(np.float32),
    "double": rng.standard_normal((2, 3)),
    "half": np.float16([1.5, 2.25]),
    "integers": np.array([[1, -20], [300, 4]]),
    "int32": np.int32([1, 2]),
    "uint8": np.uint8([0, 255]),
    "bools": np.array([[True, False], [False, False]]),
    "all true": np.array([True, True]),
    "long line": np.arange(40),
    "long line of floats": np.linspace(0, 1, 50, dtype=np.float32),
    "long rows": rng.standard_normal((3, 30)).astype(np.float32),
    "thousand": np.arange(1000),
    "over a thousand": np.arange(1001),
    "long float": np.linspace(0, 1, 2000, dtype=np.float32),
    "large matrix": np.arange(10000).reshape(100, 100),
    "tall": np.arange(3000).reshape(1000, 3),
    "wide": np.arange(3000).reshape(3, 1000),
    "large cube": np.arange(8000).reshape(20, 20, 20),
    "large bools": np.arange(2000) > 5,
    "a big one hidden in the middle": np.r_[np.zeros(1000), 1e12, np.zeros(1000)].astype(np.float32),
    "column": np.arange(5.0).reshape(5, 1).astype(np.float32),
    "six in a large tensor": rng.standard_normal((6, 1000)).astype(np.float32),
    "seven in a large tensor": rng.standard_normal((7, 1000)).astype(np.float32),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_repr(name):
    same_text(ARRAYS[name])


@given(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=5), elements=FLOATS)
)  # fmt: skip
def test_repr_of_floats(array):
    same_text(array)


@given(
    hnp.arrays(
        np.float64, hnp.array_shapes(max_dims=2, max_side=4), elements=st.floats(allow_nan=True, allow_infinity=True)
    )
)
def test_repr_of_any_doubles(array):
    same_text(array)


@given(
    hnp.arrays(
        st.sampled_from([np.int64, np.int32, np.int8, np.uint8, np.bool_]),
        hnp.array_shapes(max_dims=3, min_side=0, max_side=5),
    )
)
def test_repr_of_integers(array):
    same_text(array)


def test_repr_says_what_is_special():
    same_text(np.float32([1.5]), requires_grad=True)
    same_text(np.float64([1.5]), requires_grad=True)
    x = cutaway.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x * 2) == "tensor([2., 4.], grad_fn=<mul>)"
    assert repr((x * 2).detach()) == "tensor([2., 4.])"
    assert repr(x.long()) == "tensor([1, 2])"
    assert (
        repr(x.shape) == "cutaway.Size([2])"
        and repr(x.dtype) == "cutaway.float32"
        and repr(x.device) == "device(type='cpu')"
    )
    assert repr(cutaway.bool) == "cutaway.bool" and repr(cutaway.half) == "cutaway.float16"
    assert "tensor([1., 2.], requires_grad=True)" in str([x])


def test_default_dtype_is_not_named():
    before = cutaway.get_default_dtype()
    try:
        cutaway.set_default_dtype(cutaway.float64)
        assert repr(cutaway.tensor([1.5])) == "tensor([1.5000])"
        assert repr(cutaway.tensor([1.5], dtype=cutaway.float32)) == "tensor([1.5000], dtype=cutaway.float32)"
    finally:
        cutaway.set_default_dtype(before)


@pytest.mark.parametrize("spec", ["", ".3f", "8.2f", ".1e", "g", ">10.4f", "+.2f", ".0%"])
def test_format(spec):
    assert format(cutaway.tensor(0.25), spec) == format(torch.tensor(0.25), spec)


def test_format_of_others():
    assert f"{cutaway.tensor(7):03d}" == "007" and f"{cutaway.tensor(True)}" == f"{torch.tensor(True)}"
    assert (
        f"{cutaway.tensor([1, 2])}" == "tensor([1, 2])" and f"{cutaway.tensor(0.5, requires_grad=True):.2f}" == "0.50"
    )
    assert f"{cutaway.tensor(2.0)}" == f"{torch.tensor(2.0)}"
    with pytest.raises(TypeError):
        format(cutaway.tensor([1.0, 2.0]), ".2f")
    with pytest.raises(TypeError):
        format(torch.tensor([1.0, 2.0]), ".2f")
