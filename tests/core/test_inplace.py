"""In-place methods against PyTorch: the memory under no_grad, the history while recording, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import GradError

from .against import agree, raises, torch

rng = np.random.default_rng(0)
A, B = rng.uniform(0.2, 2, (3, 4)), rng.uniform(0.2, 2, (3, 4))
G = np.array([[0, 2, 1, 0], [1, 1, 0, 2], [2, 0, 2, 1]])

METHODS = [
    "add_(b)", "add_(2)", "add_(b, alpha=3)", "sub_(b)", "sub_(1, alpha=2)", "mul_(b)", "mul_(2)", "div_(b)", "div_(2)",
    "div_(b, rounding_mode='floor')", "pow_(2)", "pow_(3)", "pow_(b)", "pow_(0.5)", "clamp_(0.5, 1)", "clamp_(min=0.5)",
    "clamp_(max=b)",
    "masked_fill_(b > 1, 0.0)", "lerp_(b, 0.3)", "scatter_(1, c, b)", "scatter_(1, c[:, :1], 5.0)",
    "scatter_add_(1, c, b)", "index_add_(0, c[0], b[[0, 1, 2, 0]])", "neg_()", "abs_()", "exp_()", "log_()", "sqrt_()",
    "rsqrt_()", "reciprocal_()", "tanh_()", "sigmoid_()",
    "relu_()", "floor_()", "ceil_()", "round_()", "square_()", "tril_()", "triu_()", "fill_(3)", "fill_(t.tensor(2.5))",
    "fill_(b[0, 0])", "masked_fill_(c > 0, b[1, 1])", "zero_()", "copy_(b)", "copy_(b[0])", "copy_(b.float())",
    "remainder_(b)", "sin_()", "cos_()", "trunc_()", "sign_()", "erf_()", "clamp_(b, b + 1)",
]  # fmt: skip
RESHAPES = ["t_()", "squeeze_()", "unsqueeze_(1)", "unsqueeze_(0)"]
METHODS_WITHOUT_GRADIENT = ["floor_divide_(b)"]


@pytest.mark.parametrize("method", METHODS + METHODS_WITHOUT_GRADIENT)
def test_without_recording(method):
    for t in (cutaway, torch):
        with t.no_grad():
            a, b, c = t.tensor(A, requires_grad=True), t.tensor(B), t.tensor(G)
            alias = a.detach()
            same = eval(f"a.{method}", {"a": a, "b": b, "c": c, "t": t})
            assert same is a and a.requires_grad and a.is_leaf
            np.testing.assert_array_equal(alias.numpy(), a.detach().numpy())
    agree(f"y = a\ny.{method}", A, B, G, recorded=False, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS + RESHAPES)
def test_while_recording(method):
    """On a result: values, and the gradients towards both what stood there and what was written."""
    agree(f"y = a * 2\ny.{method}", A, B, G)
    agree(f"y = a.detach() * 2\ny.{method}\ny = y * b.view_as(y)", A, B, G)


@pytest.mark.parametrize("method", RESHAPES)
def test_another_shape_in_place(method):
    """Of plain numbers, yes. PyTorch does it to leaves under no_grad, too, and then mixes gradients of both shapes."""
    agree(f"y = a\ny.{method}", A[:1], recorded=False)
    raises(f"y = a\ny.{method}", A[:1], match="cannot change its shape in place")
    for x in (cutaway.tensor(A[:1], requires_grad=True), cutaway.tensor(A[:1], requires_grad=True) * 2):
        with cutaway.no_grad(), pytest.raises(GradError, match="cannot change its shape in place .* detach"):
            eval(f"x.{method}", {"x": x})


@pytest.mark.parametrize("method", METHODS)
def test_on_a_leaf(method):
    raises(f"y = a\ny.{method}", A, B, G, match="leaf")


@pytest.mark.parametrize(
    "source",
    [
        "y = a.clone(); y += b; y -= 0.5 * b; y *= b; y /= b + 1; y **= 2", "y = a * 1; y %= b; y += 1",
        "y = a * 2; y[0] = 0; y += b; y[1:] = b[1:] + y[1:]", "y = t.zeros(3, 4, dtype=t.float64); y += a; y += a * b",
        "y = a * 2; y.relu_(); y = y.add(0).add_(b).tanh_() * b", "y = a.detach().clone(); y.mul_(b); y.mul_(a)",
        "y = t.zeros(3, dtype=t.float64); y[0] = a[0, 0]; y[1] = a[0, 1] + y[0]; y[2] = y[0] + 1",
        "h = a * 1; y = h + b; h.zero_(); y = y + h", "y = a.exp() + 0; y.mul_(b)",
    ],
)  # fmt: skip
def test_programs(source):
    agree(source, A, B)


def test_integers_in_place():
    whole, other = np.array([5, 7, 9]), np.array([3, 2, 1])
    for method in (
        "y += b", "y -= 1", "y *= 2", "y //= 2", "y %= b", "y &= b", "y |= 8", "y ^= b", "y **= 2",
        "y.floor_divide_(b)", "y.bitwise_and_(b)", "y.bitwise_or_(1)", "y.bitwise_xor_(b)", "y.bitwise_not_()",
        "y.div_(b, rounding_mode='trunc')", "y.fill_(2.7)", "y.clamp_(6, 8)", "y.sign_()",
    ):  # fmt: skip
        agree(f"y = a.clone()\nz = y\n{method}\ny = y, z", whole, other)
    truth = np.array([True, False, True])
    for method in (
        "y &= b > 1", "y |= b > 1", "y ^= b > 1", "y.logical_and_(b > 1)", "y.logical_or_(b > 1)",
        "y.logical_xor_(b > 1)", "y.logical_not_()", "y.fill_(1)", "y.bitwise_not_()",
    ):  # fmt: skip
        agree(f"y = a.clone()\nz = y\n{method}\ny = y, z", truth, other)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("y = a.clone(); y.add_(t.ones(2, 3, 4))", "never change the shape"),
        ("y = a[0].clone(); y += a", "never change the shape"), ("y = t.tensor([1, 2]); y += 1.5", "cannot be stored"),
        ("y = t.tensor([1, 2]); y.div_(2)", "cannot be stored"), ("y = t.tensor([True]); y += 1", "cannot be stored"),
        ("y = t.tensor([1, 2]); y.sqrt_()", "cannot be stored"),
        ("y = t.ones(1).expand(3); y.add_(1)", "share one place"), ("y = a.clone(); y.copy_(t.ones(3))", "expand"),
        ("y = a.clone(); y.copy_([1])", "copy_"), ("y = a.clone(); y.masked_fill_(a, 0)", "bool"),
        ("y = a.exp(); y.add_(1); y.sum().backward()", "overwritten by an in-place operation"),
        ("y = a.clone(); z = y * b; y.zero_(); z.sum().backward()", "overwritten by an in-place operation"),
        ("y = a.clone(); z = y * b; y[0] = 0; z.sum().backward()", "overwritten by an in-place operation"),
        ("y = a ** 2; a.detach().zero_(); y.sum().backward()", "overwritten by an in-place operation"),
        ("y = a.tanh(); y[0] = 0; y.sum().backward()", "overwritten by an in-place operation"),
        ("y = a * 2; z = y.sigmoid(); z.mul_(z); z.sum().backward()", "overwritten by an in-place operation"),
        ("y = a * 2; y[1:] = b[1:] * y[1:]; y.sum().backward()", "overwritten by an in-place operation"),
        ("y = t.zeros(3, dtype=t.float64); y[0] = a[0, 0]; y[1] = a[0, 1] * y[0]; y.sum().backward()", "overwritten by an in-place operation"),
        ("y = t.zeros(2, dtype=t.uint8); y.fill_(300)", "does not fit uint8"),
        ("y = t.zeros(2, dtype=t.int64); y.fill_(nan)", "does not fit int64"),
        ("y = a.clone(); y.fill_(b[0])", "0-d tensor"), ("y = a.clone(); y.masked_fill_(a > 0, b[0])", "0-d tensor"),
    ],
)  # fmt: skip
def test_refused(source, match):
    raises(source, A, B, match=match)


def test_what_an_in_place_method_needs_is_kept():
    """PyTorch refuses these: a product in place keeps one factor only, and relu_ only what add_ overwrites."""
    x = cutaway.tensor([2.0, -3.0], requires_grad=True)
    y = x * 1
    y.relu_().add_(1)
    y.sum().backward()
    assert x.grad.tolist() == [1, 0]
    x = cutaway.tensor([2.0, 3.0], requires_grad=True)
    y = x.clone()
    y.mul_(y).add_(y)
    y.sum().backward()
    assert y.tolist() == [8, 18] and x.grad.tolist() == [8, 12]


def test_written_under_no_grad_after_it_was_saved():
    for t in (cutaway, torch):
        w = t.tensor([1.0, 2.0], requires_grad=True)
        loss = (w * w).sum()
        with t.no_grad():
            w -= 0.1
        with pytest.raises(RuntimeError):
            loss.backward()
        loss = (w * w).sum()
        loss.backward()  # computed anew: fine
        with t.no_grad():
            w -= 0.1 * w.grad
            w.grad.zero_()
        np.testing.assert_allclose(w.detach().numpy(), [0.72, 1.52], rtol=1e-6)
    with pytest.raises(
        GradError, match=r"backward of mul: input \d, float32\[2\], was overwritten .* \(version 1, expected 0\)"
    ):
        w = cutaway.tensor([1.0, 2.0], requires_grad=True)
        loss = (w * w).sum()
        with cutaway.no_grad():
            w.add_(1)
        loss.backward()


def test_writes_through_data_are_not_counted():
    for t in (cutaway, torch):
        w = t.tensor([1.0, 2.0], requires_grad=True)
        loss = (w * w).sum()
        w.data[0] = 9
        loss.backward()
        assert w.grad.tolist() == [18, 4]
        w.data = t.tensor([5.0, 6.0])
        assert w.tolist() == [5, 6] and w.requires_grad and w.is_leaf
        w.data.mul_(2)
        assert w.tolist() == [10, 12]


def test_what_needs_no_old_value_may_be_overwritten():
    for t in (cutaway, torch):
        x = t.tensor([1.0, 2.0], requires_grad=True)
        y = x * 3
        z = y + 1  # + saves nothing
        y.zero_()
        z.sum().backward()
        assert x.grad.tolist() == [3, 3]
        x = t.tensor([1.0, 2.0], requires_grad=True)
        y = x * 3  # saves nothing of y
        y.add_(1)
        y.sum().backward()
        assert x.grad.tolist() == [3, 3]


def test_a_new_leaf_from_a_written_tensor():
    for t in (cutaway, torch):
        w = t.empty(3)
        with t.no_grad():
            w.fill_(2.0)
        w.requires_grad_()
        (w * w).sum().backward()
        assert w.grad.tolist() == [4, 4, 4]


def test_detach_in_place():
    for t in (cutaway, torch):
        y = t.tensor([1.0], requires_grad=True) * 2
        assert y.detach_() is y and y.is_leaf and not y.requires_grad
        with pytest.raises(RuntimeError):
            (t.ones(2, requires_grad=True) * 1)[:1].detach_()


def test_random_fillings_have_no_gradient():
    for t in (cutaway, torch):
        x = t.tensor([1.0, 2.0], requires_grad=True)
        y = x * 2
        y.normal_()
        assert y.requires_grad
        y.sum().backward()
        assert x.grad.tolist() == [0, 0]
        with pytest.raises(RuntimeError):
            x.uniform_()
        with t.no_grad():
            assert x.uniform_(3, 4) is x and 3 <= x[0] < 4
