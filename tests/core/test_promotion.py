"""How two dtypes become one: the whole table, with tensors that have dimensions, that have none, and Python numbers."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway.core.dtypes import ALL

from .against import torch

OPERATORS = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "floor_divide": operator.floordiv, "remainder": operator.mod,
    "pow": operator.pow, "eq": operator.eq, "lt": operator.lt, "and": operator.and_, "or": operator.or_,
    "xor": operator.xor,
}  # fmt: skip
TENSORS_ONLY = {
    "maximum": lambda t, a, b: t.maximum(a, b), "atan2": lambda t, a, b: t.atan2(a, b), "where": lambda t, a,
    b: t.where(a == a, a, b), "logical_or": lambda t, a, b: t.logical_or(a, b),
    "trunc": lambda t, a, b: t.div(a, b, rounding_mode="trunc"),
}  # fmt: skip
NUMBERS = [True, 3, 2.5, np.float32(2.5), np.int64(3), np.float64(2.5), 2 - 1j]


def compare(ours: Any, theirs: Any, what: tuple[object, ...]) -> None:
    """The same dtype and values, or an error on both sides."""
    try:
        z = theirs()
    except (RuntimeError, NotImplementedError, TypeError):
        with pytest.raises(cutaway.CutawayError):
            print(what, ours())
        return
    y = ours()
    assert y.dtype.name == str(z.dtype).removeprefix("torch."), what
    rtol = 8e-3 if y.dtype.name == "bfloat16" else 2e-3
    np.testing.assert_allclose(y.tolist(), z.tolist(), rtol=rtol, err_msg=str(what))


def theirs(x: np.ndarray) -> Any:
    """The array as a tensor of PyTorch's, which takes no bfloat16 from NumPy."""
    return torch.tensor(x) if x.dtype.kind != "V" else torch.tensor(x.astype(np.float32)).bfloat16()


def half_complex(a: Any, b: Any) -> bool:
    """True if together they are complex32, which is experimental in PyTorch and does not exist here."""
    return {a.name, b.name} in ({"float16", "complex64"}, {"float16", "complex128"})


def operand(dtype: Any, dimensions: int, value: int) -> np.ndarray:
    return np.full((2,) * dimensions, value).astype(dtype.np)


@pytest.mark.parametrize("name", [*OPERATORS, *TENSORS_ONLY])
def test_two_tensors(name):
    f = (lambda t, a, b: OPERATORS[name](a, b)) if name in OPERATORS else TENSORS_ONLY[name]
    for a, b, m, n in itertools.product(ALL, ALL, (0, 1), (0, 1)):
        if name == "trunc" and (a.name == "bool") != (b.name == "bool"):
            continue  # PyTorch makes the bool an integer; here it is an error that says to do so
        if half_complex(a, b):
            continue
        x, y = operand(a, m, 2), operand(b, n, 1)
        compare(
            lambda: f(cutaway, cutaway.tensor(x), cutaway.tensor(y)),
            lambda: f(torch, theirs(x), theirs(y)),
            (a, m, b, n),
        )


@pytest.mark.parametrize("name", OPERATORS)
def test_a_tensor_and_a_number(name):
    f = OPERATORS[name]
    for a, m, number in itertools.product(ALL, (0, 1), NUMBERS):
        if name == "pow" and a.name == "bool" and number is True:
            continue  # PyTorch copies instead of refusing
        if a.name == "float16" and isinstance(number, complex):
            continue  # complex32
        x = operand(a, m, 2)
        compare(lambda: f(cutaway.tensor(x), number), lambda: f(theirs(x), number), (a, m, number))
        if not isinstance(number, np.generic):
            compare(lambda: f(number, cutaway.tensor(x)), lambda: f(number, theirs(x)), (number, a, m))


def test_cat_and_stack():
    for a, b in itertools.product(ALL, ALL):
        if half_complex(a, b):
            continue
        x, y = operand(a, 1, 2), operand(b, 1, 1)
        for f in ("cat", "stack"):
            compare(
                lambda: getattr(cutaway, f)([cutaway.tensor(x), cutaway.tensor(y)]),
                lambda: getattr(torch, f)([theirs(x), theirs(y)]),
                (f, a, b),
            )


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_in_place_keeps_the_dtype():
    for a, b in itertools.product(ALL, ALL):
        if half_complex(a, b):
            continue
        x, y = operand(a, 1, 2), operand(b, 1, 1)
        for name in ("add_", "mul_", "div_", "copy_"):
            compare(
                lambda: getattr(cutaway.tensor(x), name)(cutaway.tensor(y)),
                lambda: getattr(theirs(x), name)(theirs(y)),
                (name, a, b),
            )


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_casts():
    values = np.array([-2.7, -1.0, 0.0, 0.4, 1.0, 3.9])
    for a, b in itertools.product(ALL, ALL):
        x = np.abs(values).astype(a.np) if "uint8" in (a.name, b.name) else values.astype(a.np)
        compare(lambda: cutaway.tensor(x).to(b), lambda: theirs(x).to(getattr(torch, b.name)), (a, b))


def test_integer_arithmetic_wraps():
    big = cutaway.tensor([2**31 - 1], dtype=cutaway.int32)
    assert (big + 1).item() == -(2**31) and (cutaway.tensor([200], dtype=cutaway.uint8) + 100).item() == 44
    assert cutaway.tensor([2**31 - 1] * 4, dtype=cutaway.int32).sum().item() == 4 * (2**31 - 1)  # sums are int64


def test_a_number_that_does_not_fit_is_refused():
    """PyTorch wraps it around without a word: `uint8 == -1` is never true, and `uint8 < -1` always."""
    x = cutaway.tensor([1, 255], dtype=cutaway.uint8)
    for f in (lambda: x + 300, lambda: x == -1, lambda: x < -1, lambda: x * 1000):
        with pytest.raises(cutaway.DTypeError, match="does not fit uint8; convert the tensor to a wider dtype"):
            f()


def test_gradients_pass_through_promotion():
    half = cutaway.tensor([1.0, 2.0], dtype=cutaway.float16, requires_grad=True)
    double = cutaway.tensor([3.0, 4.0], dtype=cutaway.float64, requires_grad=True)
    y = half * double
    assert y.dtype == cutaway.float64
    y.sum().backward()
    assert half.grad.dtype == cutaway.float16 and half.grad.tolist() == [3, 4]
    assert double.grad.dtype == cutaway.float64 and double.grad.tolist() == [1, 2]


def test_default_dtype():
    for t in (cutaway, torch):
        before = t.get_default_dtype()
        try:
            t.set_default_dtype(t.float64)
            assert (
                t.tensor(1.5).dtype
                == t.ones(1).dtype
                == (t.tensor([1]) * 0.5).dtype
                == (t.tensor([1]) / 2).dtype
                == t.tensor([1]).exp().dtype
                == t.float64
            )
            assert t.tensor([1.0], dtype=t.float32).mul(0.5).dtype == t.float32 and t.rand(2).dtype == t.float64
        finally:
            t.set_default_dtype(before)
        assert t.tensor(1.5).dtype == t.float32
    with pytest.raises(cutaway.DTypeError, match="floating"):
        cutaway.set_default_dtype(cutaway.int64)


OUTSIDE = """
u + 300 | u - 300 | 300 - u | u * -1 | u == 300 | u > -1 | u <= 256 | u & -1 | u ^ -1 | u // 300 | u % 300 | i + 200 | i == -129
s + 2**31 | s + 2**40 | w + 2**63 | u.add(300) | u.clone().add_(300) | t.tensor(-1, dtype=t.uint8) | t.full((2,), -255, dtype=t.uint8)
u.clone().fill_(-1) | u[True] | u[False] | u[None, True] | u[:, None][t.tensor([1, 0, 1], dtype=t.uint8)]
""".replace("\n", "|")


@pytest.mark.parametrize("source", [s.strip() for s in OUTSIDE.split("|") if s.strip()])
def test_what_is_refused_elsewhere_is_pytorch_s_where_its_programs_run(source):
    from cutaway.core.strict import set_lenient

    def value(t):
        names = {"u": "uint8", "i": "int8", "s": "int32", "w": "int64"}
        return eval(source, {"t": t, **{k: t.tensor([1, 2, 100], dtype=getattr(t, d)) for k, d in names.items()}})

    theirs = value(torch) if "uint8)]" not in source else torch.tensor([[1], [100]], dtype=torch.uint8)
    set_lenient(True)
    try:
        with pytest.warns(UserWarning):
            ours = value(cutaway)
    finally:
        set_lenient(False)
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("source", ["u + 300", "u > -1", "i == 200", "u.new_tensor([300])", "u.__setitem__(0, 300)"])
def test_numbers_outside_the_dtype_are_refused(source):
    names = {"u": cutaway.tensor([1], dtype=cutaway.uint8), "i": cutaway.tensor([1], dtype=cutaway.int8)}
    with pytest.raises(cutaway.DTypeError, match="does not fit"):
        eval(source, names)
