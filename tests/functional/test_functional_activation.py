"""Activations against PyTorch, in values, first and second gradients; and what they refuse."""

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import cutaway
import cutaway.functional as F
from cutaway.core.errors import ArgumentError, DTypeError, IndexOutOfRange, ShapeError

SHAPES = [(3, 4), (1,), (), (0, 3), (2, 1, 5)]

ELEMENTWISE = {
    "identity": (F.identity, lambda x: x * 1),
    "sigmoid": (F.sigmoid, torch.sigmoid),
    "tanh": (F.tanh, torch.tanh),
    "relu": (F.relu, TF.relu),
    "leaky_relu": (F.leaky_relu, TF.leaky_relu),
    "leaky_relu-slope": (lambda x: F.leaky_relu(x, 0.3), lambda x: TF.leaky_relu(x, 0.3)),
    "leaky_relu-negative": (lambda x: F.leaky_relu(x, -0.5), lambda x: TF.leaky_relu(x, -0.5)),
    "elu": (F.elu, TF.elu),
    "elu-alpha": (lambda x: F.elu(x, 2.5), lambda x: TF.elu(x, 2.5)),
    "selu": (F.selu, TF.selu),
    "celu": (lambda x: F.celu(x, 0.75), lambda x: TF.celu(x, 0.75)),  # PyTorch keeps alpha in float32
    "gelu": (F.gelu, TF.gelu),
    "gelu-tanh": (lambda x: F.gelu(x, approximate="tanh"), lambda x: TF.gelu(x, approximate="tanh")),
    "silu": (F.silu, TF.silu),
    "mish": (F.mish, TF.mish),
    "softplus": (F.softplus, TF.softplus),
    "softplus-beta": (lambda x: F.softplus(x, 3.0, 2.0), lambda x: TF.softplus(x, 3.0, 2.0)),
    "logsigmoid": (F.logsigmoid, TF.logsigmoid),
    "hardtanh": (lambda x: F.hardtanh(x, -0.5, 1.5), lambda x: TF.hardtanh(x, -0.5, 1.5)),
    "relu6": (lambda x: F.relu6(x * 5), lambda x: TF.relu6(x * 5)),
    "hardsigmoid": (lambda x: F.hardsigmoid(x * 3), lambda x: TF.hardsigmoid(x * 3)),
    "hardswish": (lambda x: F.hardswish(x * 3), lambda x: TF.hardswish(x * 3)),
    "softsign": (F.softsign, TF.softsign),
    "tanhshrink": (F.tanhshrink, TF.tanhshrink),
    "threshold": (lambda x: F.threshold(x, 0.2, -3.0), lambda x: TF.threshold(x, 0.2, -3.0)),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name, shape, agree, rng):
    ours, theirs = ELEMENTWISE[name]
    rounded = 1e-7 if name == "hardsigmoid" else 1e-10  # PyTorch has 1/6 in float32 there
    agree(ours, theirs, np.asarray(rng.standard_normal(shape) * 2), second=name != "hardsigmoid", atol=rounded)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_far_out_and_at_the_kinks(name, agree):
    ours, theirs = ELEMENTWISE[name]
    rounded = 1e-7 if name == "hardsigmoid" else 1e-10
    agree(ours, theirs, np.array([-800.0, -50.0, -1.0, -0.5, -0.0, 0.0, 0.2, 1.0, 1.5, 50.0, 800.0]), atol=rounded)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_not_contiguous_and_float32(name, agree, rng):
    ours, theirs = ELEMENTWISE[name]
    agree(ours, theirs, rng.standard_normal((4, 6))[:, ::2].T, atol=1e-7)
    agree(ours, theirs, rng.standard_normal((3, 4)).astype(np.float32), atol=1e-5)


def test_step_is_heavisides_with_gradient_zero():
    x = cutaway.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    y = F.step(x)
    y.sum().backward()
    assert y.tolist() == [0.0, 0.0, 1.0]
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_prelu(agree, rng):
    agree(F.prelu, TF.prelu, rng.standard_normal((3, 4, 2)), np.array([0.1, 0.2, 0.3, -0.4]))
    agree(F.prelu, TF.prelu, rng.standard_normal((3, 4)), np.array([0.25]))
    with pytest.raises(ShapeError, match="one a channel"):
        F.prelu(cutaway.zeros(3, 4), cutaway.zeros(3))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_glu(dim, agree, rng):
    agree(lambda x: F.glu(x, dim), lambda x: TF.glu(x, dim), rng.standard_normal((4, 6)), second=True)


def test_glu_refuses_an_odd_dimension():
    with pytest.raises(ShapeError, match="must be even"):
        F.glu(cutaway.zeros(4, 5))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((3, 5), 1), ((3, 5), 0), ((2, 3, 4), 1), ((4,), -1), ((1, 1), 1), ((0, 3), 1), ((3, 0), 1), ((), 0)],
)
def test_softmax(name, shape, dim, agree, rng):
    ours, theirs = getattr(F, name), getattr(TF, name)
    agree(lambda x: ours(x, dim=dim), lambda x: theirs(x, dim=dim), rng.standard_normal(shape) * 3, second=True)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_scores_that_overflow(name, agree):
    ours, theirs = getattr(F, name), getattr(TF, name)
    z = np.array([[1e4, 0.0, -1e4], [-1e300, 1e300, 0.0], [-np.inf, 0.0, 1.0]])
    agree(lambda x: ours(x, dim=1), lambda x: theirs(x, dim=1), z)


def test_log_softmax_keeps_the_digits_of_large_scores():
    y = F.log_softmax(cutaway.tensor([10000.0, 10000.0]), dim=0)
    np.testing.assert_allclose(y.numpy(), np.log(0.5), rtol=1e-6)


def test_softmax_dtype():
    y = F.softmax(cutaway.tensor([1, 2, 3]), dim=0, dtype=cutaway.float64)
    assert y.dtype is cutaway.float64
    np.testing.assert_allclose(y.numpy(), torch.softmax(torch.tensor([1, 2, 3]), 0, dtype=torch.float64).numpy())
    with pytest.raises(DTypeError, match=r"softmax.*int64\[3\].*dtype="):
        F.softmax(cutaway.tensor([1, 2, 3]), dim=0)


def test_softmax_without_dim_warns():
    with pytest.warns(UserWarning, match="dim=1 is assumed"):
        y = F.softmax(cutaway.zeros(2, 4))
    assert y.tolist() == [[0.25] * 4] * 2


def test_inplace_writes_the_input():
    with cutaway.no_grad():
        x = cutaway.tensor([-1.0, 2.0])
        y = F.relu(x, inplace=True)
    assert y is x and x.tolist() == [0.0, 2.0]


def test_inplace_while_recording():
    w = cutaway.tensor([-1.0, 2.0], requires_grad=True)
    x = w * 3
    F.leaky_relu(x, 0.5, inplace=True)
    x.sum().backward()
    assert x.tolist() == [-1.5, 6.0] and w.grad.tolist() == [1.5, 3.0]


@pytest.mark.parametrize("x", [cutaway.tensor([1, -2]), cutaway.tensor([3, 7])])
def test_integers_stay_integers(x):
    assert F.relu(x).dtype is cutaway.int64
    assert F.relu6(x).tolist() == np.clip(x.numpy(), 0, 6).tolist()


BAD = {
    "gelu-approximate": (lambda: F.gelu(cutaway.zeros(2), approximate="erf"), ArgumentError, "gelu.*'none' or 'tanh'"),
    "gelu-integer": (lambda: F.gelu(cutaway.tensor([1])), DTypeError, r"gelu.*int64\[1\].*\.float\(\)"),
    "hardtanh-swapped": (lambda: F.hardtanh(cutaway.zeros(2), 1, -1), ArgumentError, "hardtanh.*swap"),
    "softmax-dim": (lambda: F.softmax(cutaway.zeros(2, 3), dim=2), IndexOutOfRange, "softmax: dim 2"),
    "celu-zero": (lambda: F.celu(cutaway.zeros(2), 0.0), ArgumentError, "celu: alpha"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    call, error, text = BAD[name]
    with pytest.raises(error, match=text):
        call()
