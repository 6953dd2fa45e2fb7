"""Hooks: before and after forward, and when gradients pass, against PyTorch's order and effect."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentTypeError

torch = pytest.importorskip("torch")

BOTH = pytest.mark.parametrize("lib", [cutaway, torch], ids=["cutaway", "pytorch"])


@BOTH
def test_order_arguments_and_removal(lib):
    log = []
    layer = lib.nn.Linear(2, 2)
    first = layer.register_forward_pre_hook(lambda m, args: log.append(("before", m is layer, len(args))))
    layer.register_forward_hook(lambda m, args, y: log.append(("after", m is layer, tuple(y.shape))))
    layer.register_forward_hook(lambda m, args, y: log.append("first of all"), prepend=True)
    layer(lib.zeros(3, 2))
    assert log == [("before", True, 1), "first of all", ("after", True, (3, 2))]
    first.remove()
    first.remove()
    log.clear()
    layer(lib.zeros(3, 2))
    assert log == ["first of all", ("after", True, (3, 2))]


@BOTH
def test_hooks_replace_inputs_and_outputs(lib):
    layer = lib.nn.Identity()
    with (
        layer.register_forward_pre_hook(lambda m, args: args[0] + 1),
        layer.register_forward_hook(lambda m, a, y: y * 10),
    ):
        assert layer(lib.ones(1)).tolist() == [20.0]
    assert layer(lib.ones(1)).tolist() == [1.0]


@BOTH
def test_hooks_with_keywords(lib):
    class Scaled(lib.nn.Module):
        def forward(self, x, scale=1.0):
            return x * scale

    layer = Scaled()
    seen = []
    layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"scale": kwargs["scale"] + 1}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kwargs, y: seen.append(kwargs["scale"]), with_kwargs=True)
    assert layer(lib.ones(1), scale=2.0).tolist() == [3.0]
    assert seen == [3.0]


@BOTH
def test_a_hook_that_is_always_called(lib):
    class Broken(lib.nn.Module):
        def forward(self, x):
            raise ValueError("broken")

    layer, seen = Broken(), []
    layer.register_forward_hook(lambda m, args, y: seen.append(("usual", y)))
    layer.register_forward_hook(lambda m, args, y: seen.append(("always", y)), always_call=True)
    with pytest.raises(ValueError, match="broken"):
        layer(lib.ones(1))
    assert seen == [("always", None)]


def backward_log(lib, requires_grad):
    """What the backward hooks of a two-input layer see, and the gradients that come out."""

    class Mix(lib.nn.Module):
        def forward(self, a, scale, b):
            return a * scale + b, b * 3

    layer, log = Mix(), []

    def as_list(grads):  # PyTorch shows zeros for an input that needs no gradient beside one that does
        return [None if g is None or not g.any() else g.tolist() for g in grads]

    layer.register_full_backward_pre_hook(lambda m, go: log.append(("output", as_list(go))))
    layer.register_full_backward_hook(lambda m, gi, go: log.append(("input", as_list(gi), as_list(go))))
    a = lib.ones(2, requires_grad=requires_grad[0])
    b = lib.ones(2, requires_grad=requires_grad[1])
    y, z = layer(a, 2.0, b)
    (y * lib.tensor([1.0, 2.0])).sum().backward(retain_graph=True)
    (y * lib.tensor([1.0, 2.0]) + z * 5).sum().backward()
    return log, as_list([a.grad, b.grad])


@pytest.mark.parametrize("requires_grad", [(True, True), (True, False), (False, True)])
def test_backward_hooks_see_both_ends(requires_grad):
    assert backward_log(cutaway, requires_grad) == backward_log(torch, requires_grad)


@BOTH
def test_backward_hooks_replace_gradients(lib):
    layer = lib.nn.Linear(1, 1, bias=False)
    with lib.no_grad():
        layer.weight.fill_(3.0)
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    x = lib.ones(1, 1, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.tolist() == [[60.0]]
    assert layer.weight.grad.tolist() == [[2.0]]


@BOTH
@pytest.mark.filterwarnings("ignore:Full backward hook")
def test_backward_hook_where_no_input_needs_a_gradient(lib):
    layer, log = lib.nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, gi, go: log.append((gi, go[0].tolist())))
    layer(lib.zeros(3, 2)).sum().backward()
    assert log == [((None,), [[1.0], [1.0], [1.0]])]


def test_hooks_do_not_change_the_numbers(rng):
    x = rng.standard_normal((3, 4))
    results = []
    for hooked in (False, True):
        cutaway.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()
        if hooked:
            for m in net.modules():
                m.register_forward_hook(lambda m, a, y: None)
                m.register_full_backward_hook(lambda m, gi, go: None)
        t = cutaway.from_numpy(x.copy()).requires_grad_()
        net(t).pow(2).sum().backward()
        results.append([t.grad.numpy(), *(p.grad.numpy() for p in net.parameters())])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_backward_hooks_and_named_tuples():
    layer = nn.LSTM(2, 3)
    seen = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(len(go)))
    y, (h, c) = layer(cutaway.zeros(4, 1, 2))
    (y.sum() + h.sum() + c.sum()).backward()
    assert seen and all(p.grad is not None for p in layer.parameters())


def test_what_hooks_may_not_return():
    layer = nn.Identity()
    layer.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(ArgumentTypeError, match=r"must return None or \(args, kwargs\), got int"):
        layer(cutaway.ones(1))
    layer = nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    y = layer(cutaway.ones(1, requires_grad=True))
    with pytest.raises(ArgumentTypeError, match="returned 2 gradients for 1"):
        y.sum().backward()


def test_hooks_of_all_modules_leave_nothing_behind():
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    plain = nn.Module.__call__
    handle = nn.module.register_module_forward_hook(lambda m, args, y: None)
    assert nn.Module.__call__ is not plain
    module(cutaway.ones(1, 2))
    handle.remove()
    handle.remove()
    assert nn.Module.__call__ is plain


def test_the_older_backward_hook_of_all_modules():
    seen = []
    with nn.module.register_module_backward_hook(lambda m, gi, go: seen.append(type(m).__name__)):
        nn.Tanh()(cutaway.ones(2, requires_grad=True)).sum().backward()
        with pytest.raises(RuntimeError, match="full ones only"):
            nn.module.register_module_full_backward_hook(lambda m, gi, go: None)
    assert seen == ["Tanh"]


def test_compile_in_place():
    import copy

    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    x = cutaway.ones(2, 3)
    y = module(x)
    y.sum().backward()
    before = module[0].weight.grad.clone()
    module.zero_grad()
    assert module.compile() is None
    z = module(x)
    z.sum().backward()
    np.testing.assert_allclose(z.detach().numpy(), y.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(module[0].weight.grad.numpy(), before.numpy(), rtol=1e-5)
    assert "compiled" in repr(module.forward) and list(module.state_dict()) == ["0.weight", "0.bias"]
    copied = copy.deepcopy(module)
    copied.load_state_dict({k: v * 0 for k, v in module.state_dict().items()})
    assert not copied(x).any() and module(x).any()


def test_tables_hold_the_functions_themselves():
    """As in PyTorch, whose programs look into the tables for a hook of their own class."""

    def seen(t):
        m = t.nn.Linear(2, 2)
        hooks = [print, repr, sorted]
        m.register_forward_pre_hook(hooks[0], with_kwargs=True)
        m.register_forward_hook(hooks[1], always_call=True, with_kwargs=True).remove()
        m.register_forward_hook(hooks[2], always_call=True)
        tables = "_forward_pre_hooks", "_forward_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks_always_called"
        return [list(getattr(m, name).values()) for name in tables]

    assert seen(cutaway) == seen(torch)
