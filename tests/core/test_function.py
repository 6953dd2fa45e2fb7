"""`autograd.Function`: operations with a gradient of one's own, as in PyTorch."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import cutaway

from .against import torch

BOTH = pytest.mark.parametrize("t", [cutaway, torch], ids=["cutaway", "pytorch"])


def data(t, *values):
    return t.tensor(values, dtype=t.float64, requires_grad=True)


def cube(t):
    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.save_for_backward(x)
            ctx.scale = scale
            assert not t.is_grad_enabled()
            return scale * x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * ctx.scale * 3 * x**2, None

    return Cube


@BOTH
def test_first_and_second_order(t):
    x = data(t, 1, 2)
    y = cube(t).apply(x, 2.0)
    assert y.requires_grad and y.tolist() == [2, 16]
    (g,) = t.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [6, 24]
    (h,) = t.autograd.grad(g.sum(), x)
    assert h.tolist() == [12, 24]


@BOTH
def test_without_gradients_nothing_is_recorded(t):
    x = data(t, 1, 2)
    with t.no_grad():
        assert not cube(t).apply(x, 2.0).requires_grad
    assert not cube(t).apply(x.detach(), 2.0).requires_grad


@BOTH
def test_several_outputs(t):
    class Both(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y, x + y

        @staticmethod
        def backward(ctx, g, h):
            x, y = ctx.saved_tensors
            return g * y + h, g * x + h

    x, y = data(t, 1, 2), data(t, 5, 7)
    p, s = Both.apply(x, y)
    (p + 10 * s).sum().backward()
    assert x.grad.tolist() == [15, 17] and y.grad.tolist() == [11, 12]
    x.grad = y.grad = None
    p, s = Both.apply(x, y)
    p.sum().backward()  # nothing arrives at the other: zeros
    assert x.grad.tolist() == [5, 7]
    p, s = Both.apply(x, y)
    gx, _ = t.autograd.grad((p * s).sum(), [x, y], create_graph=True)
    assert gx.tolist() == [y0 * (2 * x0 + y0) for x0, y0 in zip([1, 2], [5, 7])]
    (hx,) = t.autograd.grad(gx.sum(), x)
    assert hx.tolist() == [10, 14]


@BOTH
def test_integer_and_marked_outputs(t):
    class Top(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            values, at = x.max(0)
            flat = x.detach() * 0
            ctx.mark_non_differentiable(at, flat)
            ctx.save_for_backward(at)
            ctx.size = x.shape
            return values, at, flat

        @staticmethod
        def backward(ctx, g, g_at, g_flat):
            assert g_at is None or not g_at.any()
            (at,) = ctx.saved_tensors
            out = t.zeros(ctx.size, dtype=g.dtype)
            out[at] = g
            return out

    x = data(t, 1, 5, 2)
    values, at, flat = Top.apply(x)
    assert values.requires_grad and not at.requires_grad and not flat.requires_grad and at.item() == 1
    (values * 3).backward()
    assert x.grad.tolist() == [0, 3, 0]


@BOTH
def test_what_ctx_tells(t):
    seen = []

    class Look(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, flag):
            seen.append(tuple(ctx.needs_input_grad))
            ctx.set_materialize_grads(False)
            return x * 2, y * 3

        @staticmethod
        def backward(ctx, g, h):
            seen.append((g is None, h is None))
            return (None if g is None else g * 2), (None if h is None else h * 3), None

    x, y = data(t, 1.0), t.tensor([2.0], dtype=t.float64)
    a, _ = Look.apply(x, y, True)
    a.sum().backward()
    assert seen == [(True, False, False), (False, True)] and x.grad.tolist() == [2]


@BOTH
def test_straight_through(t):
    class Round(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, g):
            return g

    x = data(t, 0.4, 1.6)
    (Round.apply(x) * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


@BOTH
def test_a_numpy_operation(t):
    class Sort(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.order = np.argsort(x.numpy())
            return t.from_numpy(x.numpy()[ctx.order])

        @staticmethod
        def backward(ctx, g):
            out = np.empty_like(g.numpy())
            out[ctx.order] = g.numpy()
            return t.from_numpy(out)

    x = data(t, 3, 1, 2)
    (Sort.apply(x) * t.tensor([1.0, 10.0, 100.0], dtype=t.float64)).sum().backward()
    assert x.grad.tolist() == [100, 1, 10]


@BOTH
def test_wrong_number_of_gradients(t):
    class Wrong(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match="gradients"):
        Wrong.apply(data(t, 1.0), data(t, 1.0)).sum().backward()


@BOTH
def test_wrong_shape_of_a_gradient(t):
    class Wrong(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return t.ones(7, dtype=t.float64)

    with pytest.raises(RuntimeError, match="shape"):
        Wrong.apply(data(t, 1.0, 2.0)).sum().backward()


@BOTH
def test_a_gradient_that_is_no_tensor(t):
    class Wrong(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return 3

    with pytest.raises((TypeError, RuntimeError)):
        Wrong.apply(data(t, 1.0)).sum().backward()


@BOTH
def test_used_twice(t):
    y = cube(t).apply(data(t, 1, 2), 1.0).sum()
    y.backward()
    with pytest.raises(RuntimeError):
        y.backward()
    x = data(t, 1, 2)
    y = cube(t).apply(x, 1.0).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [6, 24]


@BOTH
def test_a_saved_tensor_that_was_overwritten(t):
    x = data(t, 1, 2)
    z = x * 1
    y = cube(t).apply(z, 1.0)
    z.add_(1)
    with pytest.raises(RuntimeError, match=r"in.?place"):
        y.sum().backward()


@BOTH
def test_a_saved_output(t):
    class Exp(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y

    x = data(t, 0.5)
    y = Exp.apply(x)
    for _ in range(3):
        (y,) = t.autograd.grad(y.sum(), x, create_graph=True)
        np.testing.assert_allclose(y.item(), np.exp(0.5), rtol=1e-14)


@BOTH
def test_an_input_returned_as_it_is(t):
    class Same(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = data(t, 1.0)
    y = Same.apply(x)
    assert y is not x
    y.sum().backward()
    assert x.grad.item() == 5


@BOTH
def test_gradient_reversal_inside_a_network(t):
    class Reverse(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, strength):
            ctx.strength = strength
            return x.view_as(x)

        @staticmethod
        def backward(ctx, g):
            return -ctx.strength * g, None

    w = data(t, 2.0)
    (Reverse.apply(w * 3, 0.5) ** 2).sum().backward()
    assert w.grad.item() == -0.5 * 2 * 6 * 3


@BOTH
def test_no_gradient_for_an_input(t):
    class Half(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g, None

    x, y = data(t, 1.0), data(t, 2.0)
    Half.apply(x, y).sum().backward()
    assert x.grad.item() == 1 and y.grad is None


def test_what_is_not_written_is_named():
    class Nothing(cutaway.autograd.Function):
        pass

    with pytest.raises(cutaway.CutawayError, match="forward"):
        Nothing.apply(cutaway.ones(1))

    class NoBackward(cutaway.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with pytest.raises(cutaway.CutawayError, match="backward"):
        NoBackward.apply(cutaway.ones(1, requires_grad=True)).sum().backward()


def test_the_context_is_let_go():
    x = cutaway.ones(3, requires_grad=True)
    y = cube(cutaway).apply(x, 1.0)
    node = weakref.ref(y.grad_fn)
    del y
    gc.collect()
    assert node() is None


def of_both(define):
    """What `define(t)` gives with Cutaway and with PyTorch."""
    ours, theirs = define(cutaway), define(torch)
    assert ours == theirs
    return ours


def test_setup_context_sees_the_defaults_of_forward():
    def define(t):
        class Scale(t.autograd.Function):
            @staticmethod
            def forward(x, factor=3.0, shift=0.5):
                return x * factor + shift

            @staticmethod
            def setup_context(ctx, inputs, output):
                _, ctx.factor, ctx.shift = inputs

            @staticmethod
            def backward(ctx, g):
                return g * ctx.factor, None, None

        x = t.ones(2, requires_grad=True)
        y = Scale.apply(x, 2.0)
        y.sum().backward()
        return y.tolist(), x.grad.tolist()

    of_both(define)


@pytest.mark.parametrize("kind", ["result", "view", "saved", "leaf", "not recorded"])
def test_what_is_marked_dirty_becomes_the_result(kind):
    def define(t):
        class Squared(t.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.mark_dirty(x)
                x.mul_(x)
                ctx.save_for_backward(x)
                return x

            @staticmethod
            def backward(ctx, g):
                (y,) = ctx.saved_tensors
                return g * 2 * y.sqrt()

        a = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
        if kind == "leaf":
            try:
                Squared.apply(a)
            except RuntimeError:
                return "refused"
        if kind == "not recorded":
            with t.no_grad():
                b = a * 1
                return Squared.apply(b) is b, b.tolist()
        b = a * 2
        given = b[1:] if kind == "view" else b
        c = Squared.apply(given)
        (c.sum() + (b * t.arange(3.0)).sum()).backward()
        return c is given, b.tolist(), a.grad.tolist(), b.requires_grad

    of_both(define)


def test_once_differentiable_runs_without_recording_and_is_refused_twice():
    def define(t):
        from importlib import import_module

        once = import_module(f"{t.__name__}.autograd.function").once_differentiable

        class Cube(t.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3

            @staticmethod
            @once
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                recorded.append((t.is_grad_enabled(), (x * g).requires_grad))
                return 3 * x**2 * g

        recorded = []
        x = t.tensor([2.0], requires_grad=True)
        (g,) = t.autograd.grad(Cube.apply(x).sum(), x)
        (h,) = t.autograd.grad(Cube.apply(x).pow(2).sum(), x, create_graph=True)
        try:
            h.sum().backward()
        except RuntimeError as error:
            return g.tolist(), h.tolist(), recorded, "marked with @once_differentiable" in str(error)

    assert of_both(define)[-1] is True
