"""numerical_gradient: right by formula, in place without a trace, and refused where it would be wrong."""

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import ArgumentError, ArgumentTypeError, IndexOutOfRange, ShapeError
from cutaway.gradcheck import numerical_derivative, numerical_gradient


def double(*values):
    return cutaway.tensor(values, dtype=cutaway.float64)


def test_the_book_s_example():
    # Section 4.4: f(x0, x1) = x0² + x1² has the gradient (6, 8) at (3, 4).
    g = numerical_gradient(lambda x: (x**2).sum(), double(3.0, 4.0), 1e-4)
    np.testing.assert_allclose(g.numpy(), [6.0, 8.0], atol=1e-9)
    assert g.dtype == cutaway.float64


@pytest.mark.parametrize(("h", "error"), [(1e-2, 5e-5), (1e-3, 5e-7), (None, 1e-9)])
def test_the_error_falls_with_the_square_of_h(h, error):
    x = double(0.3, 1.1)
    g = numerical_gradient(lambda x: x.exp().sum(), x, h)
    wrong = np.abs(g.numpy() - np.exp(x.numpy())) / np.exp(x.numpy())
    assert (wrong < error).all()
    assert h is None or (wrong > error / 10).all()


def test_float32_takes_a_step_of_its_own():
    x = cutaway.tensor([0.3, 1.1])
    g = numerical_gradient(lambda x: x.sin().sum(), x)
    assert g.dtype == cutaway.float32
    np.testing.assert_allclose(g.numpy(), np.cos(x.numpy()), atol=1e-4)
    rough = numerical_gradient(lambda x: x.sin().sum(), x, 1e-6)
    assert np.abs(rough.numpy() - np.cos(x.numpy())).max() > 1e-3


def test_the_step_that_was_really_taken_counts():
    # In float32 0.7 ± 1e-6 lie 2.027e-6 apart, not 2e-6; 2x is exact in it, so the quotient must be too.
    assert numerical_gradient(lambda x: x * 2, cutaway.tensor([0.7]), 1e-6).item() == 2.0


def test_several_tensors_dicts_and_parameters_moved_in_place():
    w, b = double(1.0, 2.0), double(0.5)
    both = numerical_gradient(lambda w, b: (w * w).sum() * b.sum(), (w, b))
    assert isinstance(both, tuple)
    np.testing.assert_allclose(both[0].numpy(), [1.0, 2.0], atol=1e-9)
    np.testing.assert_allclose(both[1].numpy(), [5.0], atol=1e-9)
    named = numerical_gradient(lambda: (w * w).sum() * b.sum(), {"w": w, "b": b})
    assert list(named) == ["w", "b"]
    np.testing.assert_array_equal(named["w"].numpy(), both[0].numpy())
    listed = numerical_gradient(lambda: (w * w).sum() * b.sum(), iter([w]))
    np.testing.assert_array_equal(listed[0].numpy(), both[0].numpy())


def test_f_is_called_with_x_only_if_it_must_have_arguments():
    x = double(2.0)
    ignoring = numerical_gradient(lambda scale=3.0: (x * scale).sum(), x)
    np.testing.assert_allclose(ignoring.numpy(), [3.0], atol=1e-9)
    anything = numerical_gradient(lambda *xs: (xs[0] * len(xs)).sum(), x)
    np.testing.assert_allclose(anything.numpy(), [1.0], atol=1e-9)


def test_x_comes_back_bit_by_bit_and_a_recorded_graph_stays_usable():
    x = double(0.1, 0.2, 0.3).requires_grad_()
    loss = x.exp().sum()
    before, version = x.detach().numpy().tobytes(), x._version
    numerical_gradient(lambda: x.sin().sum(), x)
    assert x.detach().numpy().tobytes() == before
    assert x._version == version
    assert x.grad is None
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([0.1, 0.2, 0.3]))


def test_x_comes_back_when_f_raises():
    x = double(1.0, 2.0)

    def f():
        raise KeyError("stop")

    with pytest.raises(KeyError):
        numerical_gradient(f, x)
    assert x.tolist() == [1.0, 2.0]


def test_views_and_transposed_memory():
    base = cutaway.arange(6, dtype=cutaway.float64).reshape(2, 3)
    x = base.T
    g = numerical_gradient(lambda: (base * base).sum(), x)
    np.testing.assert_allclose(g.numpy(), 2 * base.numpy().T, atol=1e-8)


def test_one_derivative():
    x = cutaway.arange(6, dtype=cutaway.float64).reshape(2, 3)
    assert numerical_derivative(lambda x: (x**2).sum(), x, (1, -1)) == pytest.approx(10.0)
    assert numerical_derivative(lambda x: (x**2).sum(), cutaway.tensor(3.0, dtype=cutaway.float64)) == pytest.approx(6)
    assert numerical_derivative(lambda x: float(x[1]) ** 3, double(1.0, 2.0), 1) == pytest.approx(12)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: numerical_gradient(lambda x: x, double(1.0, 2.0)), ShapeError, r"one number, got float64\[2\].*\.sum"),
        (lambda: numerical_gradient(lambda x: "a", double(1.0)), ArgumentTypeError, "one number, got str"),
        (lambda: numerical_gradient(lambda x: x.sum(), cutaway.tensor([1])), ArgumentTypeError, r"int64\[1\].*double"),
        (lambda: numerical_gradient(lambda x: x, [1.0]), ArgumentTypeError, "element 0 is of type float"),
        (lambda: numerical_gradient(lambda x: x.sum(), double(1.0).expand(3)), ShapeError, "share one place.*clone"),
        (lambda: numerical_gradient(lambda x: x.sum(), cutaway.tensor([1e6]), 1e-3), ArgumentError, "vanishes"),
        (lambda: numerical_derivative(lambda x: x.sum(), double(1.0, 2.0), 2), IndexOutOfRange, r"\[2\] is no element"),
        (lambda: numerical_derivative(lambda x: x.sum(), double(1.0)), IndexOutOfRange, r"\[\] is no element"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()
