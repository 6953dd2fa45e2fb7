"""Autograd: no history, freed graphs, leaves and views written in place, hooks, Functions, unused inputs."""

from copy import deepcopy

from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, GradError, NotWritten, ShapeError

from .table import bad


def leaf(t, *shape):
    return t.ones(*(shape or (2,)), requires_grad=True)


def twice(t, y):
    y.backward()
    y.backward()


def overwritten(t, op):
    x = leaf(t)
    a = x * 1
    y = op(a)
    with t.no_grad():
        a.mul_(2)
    y.sum().backward()


def double(t, backward=None, forward=None):
    class Double(t.autograd.Function):
        pass

    if forward:
        Double.forward = staticmethod(forward)
    if backward:
        Double.backward = staticmethod(backward)
    return Double.apply


def keep(ctx, x):
    ctx.save_for_backward(x)
    return x * 2


def stale_view(t):
    x = leaf(t, 3) * 1
    view = x[:2]
    x.unsqueeze_(0).mul_(2)
    return (view * 2).sum().backward()


def unrecorded_view(t):
    x = leaf(t, 3) * 1
    with t.no_grad():
        view = x[:2]
    return view.mul_(2)


def hooked(t, hook):
    x = leaf(t)
    x.register_hook(hook)
    (x * 2).sum().backward()


CALLS = [
    # roots
    bad("backward-no-history", lambda t: t.ones(()).backward(), GradError, "backward", "float32[]", "requires_grad=True"),
    bad("backward-not-scalar", lambda t: (leaf(t, 2, 3) * 2).backward(), GradError, "backward", "[2, 3]", ".sum()"),
    bad("backward-detached", lambda t: leaf(t).sum().detach().backward(), GradError, "backward", "detach()"),
    bad("backward-under-no-grad", lambda t: t.no_grad()(lambda: leaf(t).sum())().backward(), GradError, "backward", "no_grad()"),
    bad("backward-int", lambda t: leaf(t).sum().long().backward(), GradError, "backward", "int64", "grad"),
    bad("backward-gradient-shape", lambda t: (leaf(t) * 2).backward(t.ones(3)), ShapeError, "backward", "[3]", "[2]"),
    bad("backward-gradient-number", lambda t: (leaf(t) * 2).backward(1.0), ArgumentTypeError, "backward", "gradient", "1.0"),
    bad("backward-gradient-list", lambda t: (leaf(t) * 2).backward([1.0, 1.0]), ArgumentTypeError, "backward", "gradient", torch=...),
    bad("backward-twice", lambda t: twice(t, leaf(t).exp().sum()), GradError, "backward", "exp", "retain_graph=True"),
    bad("backward-twice-square", lambda t: twice(t, (leaf(t) ** 2).sum()), GradError, "backward", "mul", "retain_graph=True"),
    bad("backward-inputs-number", lambda t: leaf(t).sum().backward(inputs=3), ArgumentTypeError, "backward", "inputs", "Tensor"),
    bad("backward-inputs-empty", lambda t: leaf(t).sum().backward(inputs=[]), ArgumentError, "backward", "inputs", "empty"),
    bad("backward-inputs-no-grad", lambda t: leaf(t).sum().backward(inputs=[t.ones(2)]), GradError, "backward", "require"),
    bad("backward-of-list", lambda t: t.autograd.backward([1.0]), ArgumentTypeError, "backward", "Tensor", torch=AssertionError),
    # autograd.grad
    bad("grad-unused", lambda t: t.autograd.grad(leaf(t).sum(), leaf(t)), GradError, "grad", "allow_unused=True"),
    bad("grad-no-grad-input", lambda t: t.autograd.grad(leaf(t).sum(), t.ones(2)), GradError, "grad", "requires_grad"),
    bad("grad-no-history", lambda t: t.autograd.grad(t.ones(()), leaf(t)), GradError, "grad", "requires_grad=True"),
    bad("grad-not-scalar", lambda t: (lambda x: t.autograd.grad(x * 2, x))(leaf(t)), GradError, "grad", "[2]", ".sum()"),
    bad("grad-number", lambda t: t.autograd.grad(leaf(t).sum(), 3), ArgumentTypeError, "grad", "inputs", "Tensor"),
    bad("grad-of-number", lambda t: t.autograd.grad(3.0, leaf(t)), ArgumentTypeError, "grad", "outputs", "Tensor"),
    bad("grad-outputs-count", lambda t: (lambda x: t.autograd.grad([x * 2], [x], [t.ones(2), t.ones(2)]))(leaf(t)), ArgumentTypeError, "grad", "1 outputs", "2 gradients", torch=None),
    bad("grad-outputs-shape", lambda t: (lambda x: t.autograd.grad(x * 2, x, t.ones(3)))(leaf(t)), ShapeError, "grad", "[3]", "[2]"),
    bad("grad-second-order-not-recorded", lambda t: (lambda x: t.autograd.grad(t.autograd.grad((x**3).sum(), x)[0].sum(), x))(leaf(t)), GradError, "grad", "requires_grad"),
    # leaves and views
    bad("requires-grad-int", lambda t: t.arange(3).requires_grad_(), GradError, "requires_grad", "int64", ".float()"),
    bad("requires-grad-off-result", lambda t: (leaf(t) * 2).requires_grad_(False), GradError, "requires_grad", "detach()"),
    bad("requires-grad-off-by-attribute", lambda t: setattr(leaf(t) * 2, "requires_grad", False), GradError, "requires_grad", "detach()"),
    bad("leaf-add", lambda t: leaf(t).add_(1), GradError, "add_", "leaf", "no_grad"),
    bad("leaf-zero", lambda t: leaf(t).zero_(), GradError, "leaf", "no_grad"),
    bad("leaf-iadd", lambda t: exec("x += 1", {"x": leaf(t)}), GradError, "add_", "leaf", "x = x + 1"),
    bad("leaf-normal", lambda t: leaf(t).normal_(), GradError, "normal_", "leaf", "no_grad"),
    bad("leaf-set", lambda t: leaf(t).__setitem__(0, 1.0), GradError, "setitem", "leaf", "no_grad"),
    bad("leaf-view", lambda t: leaf(t)[:1].add_(1), GradError, "add_", "view"),
    bad("overwritten-result", lambda t: overwritten(t, lambda a: a * a), GradError, "mul", "overwritten", "clone()"),
    bad("overwritten-input", lambda t: overwritten(t, lambda a: a.sin()), GradError, "sin", "version", "clone()"),
    bad("view-in-place", unrecorded_view, GradError, "mul_", "view", "no_grad"),
    bad("stale-view", stale_view, GradError, "view", "take the view again", torch=None),
    bad("detach-in-place-view", lambda t: (leaf(t, 3) * 1)[:2].detach_(), GradError, "detach_", "view", "detach()"),
    bad("deepcopy-result", lambda t: deepcopy(leaf(t) * 2), GradError, "deepcopy", "detach().clone()"),
    # .grad
    bad("grad-wrong-shape", lambda t: setattr(leaf(t), "grad", t.ones(3)), ShapeError, "grad", "[3]", "[2]"),
    bad("grad-wrong-type", lambda t: setattr(leaf(t), "grad", 1.0), ArgumentTypeError, "grad", "float", "Tensor"),
    bad("grad-wrong-dtype", lambda t: setattr(leaf(t), "grad", t.ones(2, dtype=t.float64)), DTypeError, "grad", "float64", "float32"),
    bad("data-list", lambda t: setattr(leaf(t), "data", [1.0]), ArgumentTypeError, "data", "list", "Tensor"),
    bad("retain-grad-none", lambda t: t.ones(2).retain_grad(), GradError, "retain_grad", "requires_grad=True"),
    # hooks
    bad("hook-no-grad", lambda t: t.ones(2).register_hook(print), GradError, "register_hook", "require grad"),
    bad("hook-number", lambda t: leaf(t).register_hook(3), ArgumentTypeError, "register_hook", "3", "function", torch=None),
    bad("hook-returns-number", lambda t: hooked(t, lambda g: 1.0), ArgumentTypeError, "hook", "Tensor", "float"),
    bad("hook-returns-shape", lambda t: hooked(t, lambda g: g.sum()), ShapeError, "hook", "[]", "[2]"),
    # Functions
    bad("function-no-forward", lambda t: double(t)(leaf(t)), NotWritten, "forward", "staticmethod"),
    bad("function-no-backward", lambda t: double(t, forward=keep)(leaf(t)).sum().backward(), NotWritten, "backward", "staticmethod"),
    bad("function-few-gradients", lambda t: double(t, lambda ctx, g: g, lambda ctx, a, b: a * b)(leaf(t), leaf(t)).sum().backward(), GradError, "Double", "1 gradients", "2 inputs"),
    bad("function-many-gradients", lambda t: double(t, lambda ctx, g: (g, g), keep)(leaf(t)).sum().backward(), GradError, "Double", "2 gradients", "1 inputs"),
    bad("function-number", lambda t: double(t, lambda ctx, g: 2.0, keep)(leaf(t)).sum().backward(), ArgumentTypeError, "Double", "Tensor", "float", torch=RuntimeError),
    bad("function-shape", lambda t: double(t, lambda ctx, g: t.ones(3), keep)(leaf(t)).sum().backward(), ShapeError, "Double", "[3]", "[2]"),
    bad("function-saves-number", lambda t: double(t, lambda ctx, g: g, lambda ctx, x: ctx.save_for_backward(3.0) or x)(leaf(t)), ArgumentTypeError, "save_for_backward", "float", "ctx"),
    bad("function-called", lambda t: type("Own", (t.autograd.Function,), {})()(leaf(t)), GradError, "Own", "apply"),
    # modes
    bad("grad-mode-text", lambda t: t.set_grad_enabled("no"), ArgumentTypeError, "set_grad_enabled", "'no'", "True"),
]
