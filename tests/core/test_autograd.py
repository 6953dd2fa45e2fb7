"""The graph: leaves and results, modes, backward and grad, hooks, retained gradients, second order, freed graphs."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np
import pytest

import cutaway
from cutaway import GradError

from .against import agree, raises, torch


def leaf(*values: float) -> cutaway.Tensor:
    return cutaway.tensor(values, dtype=cutaway.float64, requires_grad=True)


# --- what requires a gradient -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "a.requires_grad, a.is_leaf, a.grad_fn is None",
        "(a * 2).requires_grad, (a * 2).is_leaf, (a * 2).grad_fn is None",
        "a.detach().requires_grad, a.detach().is_leaf", "a.long().requires_grad", "(a > 0).requires_grad",
        "a.argmax().requires_grad",
        "t.ones(2).requires_grad, t.ones(2, requires_grad=True).requires_grad, t.ones(2).is_leaf",
        "t.ones(2).requires_grad_().is_leaf", "(t.ones(2) * 2).is_leaf", "a.clone().is_leaf", "a.data.requires_grad",
        "a.detach().requires_grad_(True).is_leaf",
        "a.sort()[0].requires_grad, a.sort()[1].requires_grad", "a.max(0)[0].requires_grad, a.max(0)[1].requires_grad",
        "t.zeros_like(a).requires_grad", "t.tensor([1.0], requires_grad=True).requires_grad_(False).requires_grad",
        "a.sign().requires_grad",
        "a.float().requires_grad", "a.to(a.dtype) is a", "a[0].requires_grad",
        "t.stack([a, t.ones(4).double()]).requires_grad", "t.where(a > 0, a, 0.0).requires_grad",
        "a.new_zeros(2).requires_grad", "a.retains_grad, (a * 2).retains_grad",
    ],
)  # fmt: skip
def test_who_requires_a_gradient(source):
    agree(source, np.array([1.0, -2.0, 3.0, 0.5]))


def test_requires_grad_can_be_set_on_leaves_only():
    x = leaf(1, 2)
    x.requires_grad = False
    assert not x.requires_grad
    x.requires_grad = True
    y = x * 2
    y.requires_grad_()  # already so: harmless
    for call in ("y.requires_grad_(False)", "y.requires_grad = False"):
        raises(f"y = a * 2; {call}", np.ones(2), match="leaf")
    raises("y = t.tensor([1, 2]); y.requires_grad_()", match="floating")
    raises("t.ones(2, dtype=t.int64, requires_grad=True)", match="floating")
    raises("t.tensor([True], requires_grad=True)", match="floating")


def test_a_reading_of_grad_on_a_result_warns():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning, match="retain_grad"):
        assert y.grad is None


# --- modes ------------------------------------------------------------------------------------------------------------


def recording(t) -> tuple[bool, bool]:
    return t.is_grad_enabled(), (t.ones(1, requires_grad=True) * 2).requires_grad


@pytest.mark.parametrize("t", [cutaway, torch], ids=["cutaway", "pytorch"])
def test_modes(t):
    assert recording(t) == (True, True)
    with t.no_grad():
        assert recording(t) == (False, False)
        with t.enable_grad():
            assert recording(t) == (True, True)
            with t.no_grad(), t.no_grad():
                assert recording(t) == (False, False)
            assert recording(t) == (True, True)
        assert recording(t) == (False, False)
    with t.inference_mode():
        assert not t.is_grad_enabled()
    with t.inference_mode(False):
        assert t.is_grad_enabled()
    with t.set_grad_enabled(False):
        assert recording(t) == (False, False)
    with t.no_grad(), t.set_grad_enabled(True):
        assert recording(t) == (True, True)
    assert recording(t) == (True, True)
    t.set_grad_enabled(False)
    assert recording(t) == (False, False)
    t.set_grad_enabled(True)
    with pytest.raises(KeyError), t.no_grad():
        raise KeyError
    assert recording(t) == (True, True)


def test_one_mode_may_be_entered_again():
    again = cutaway.no_grad()
    with again, again:
        assert recording(cutaway) == (False, False)
    assert recording(cutaway) == (True, True)


@pytest.mark.parametrize("t", [cutaway, torch], ids=["cutaway", "pytorch"])
def test_modes_as_decorators(t):
    @t.no_grad()
    def called():
        """Text."""
        return recording(t)

    @t.no_grad
    def bare():
        return recording(t)

    @t.inference_mode()
    def inferring():
        return t.is_grad_enabled()

    @t.enable_grad()
    def enabled():
        return recording(t)

    @t.set_grad_enabled(False)
    def off():
        return recording(t)

    class Model:
        @t.no_grad()
        def act(self, x):
            return (x * 2).requires_grad

    assert called() == bare() == off() == (False, False)
    assert called.__name__ == "called" and called.__doc__ == "Text."
    assert inferring() is False
    assert Model().act(t.ones(1, requires_grad=True)) is False
    with t.no_grad():
        assert enabled() == (True, True)
    assert recording(t) == (True, True)


@pytest.mark.parametrize("t", [cutaway, torch], ids=["cutaway", "pytorch"])
def test_a_generator_under_no_grad(t):
    seen = []

    @t.no_grad()
    def steps(n):
        try:
            for i in range(n):
                seen.append(t.is_grad_enabled())
                try:
                    got = yield i
                except KeyError:
                    got = "error"
                seen.append((got, t.is_grad_enabled()))
            return "end"
        finally:
            seen.append(("closed", t.is_grad_enabled()))

    g = steps(3)
    assert next(g) == 0 and t.is_grad_enabled()
    assert g.send("sent") == 1 and t.is_grad_enabled()
    assert g.throw(KeyError()) == 2 and t.is_grad_enabled()
    with pytest.raises(StopIteration) as stop:
        next(g)
    assert stop.value.value == "end"
    assert seen == [False, ("sent", False), False, ("error", False), False, (None, False), ("closed", False)]
    g = steps(3)
    next(g)
    g.close()
    assert seen[-1] == ("closed", False) and t.is_grad_enabled()
    assert list(steps(2)) == [0, 1]


def test_inference_results_may_be_read_afterwards_and_not_written():
    with cutaway.inference_mode():
        x = cutaway.ones(2)
    assert (x + 1).tolist() == [2.0, 2.0]
    with pytest.raises(GradError, match="make a clone"):
        x.add_(1)
    with pytest.raises(GradError, match="clone"):
        x.requires_grad_()
    assert x.tolist() == [1.0, 1.0] and x.clone().requires_grad_().requires_grad


def test_threads_have_their_own_mode_and_graphs():
    found, start = {}, threading.Barrier(2)

    def work(name, off):
        start.wait()
        for _ in range(50):
            with cutaway.set_grad_enabled(not off):
                x = leaf(1.0, 2.0)
                y = (x.exp() * x).sum()
                time.sleep(0)
                found.setdefault(name, set()).add((cutaway.is_grad_enabled(), y.requires_grad))
                if not off:
                    y.backward()
                    np.testing.assert_allclose(x.grad.numpy(), np.exp([1, 2]) * [2, 3])

    with cutaway.no_grad():  # the mode of this thread is not that of the others
        threads = [threading.Thread(target=work, args=(n, n == "off")) for n in ("on", "off")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not cutaway.is_grad_enabled()
    assert found == {"on": {(True, True)}, "off": {(False, False)}}


# --- backward ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "(a * b).sum().backward(); y = a.grad, b.grad", "(a * b).backward(b.detach()); y = a.grad, b.grad",
        "(a * a).sum().backward(); (a * 3).sum().backward(); y = a.grad",
        "(a * b).sum().backward(inputs=[a]); y = a.grad, b.grad is None",
        "(a * b).sum().backward(inputs=a); (a * b).sum().backward(inputs=a); y = a.grad",
        "y = (a * b).sum(); y.backward(); g = a.grad; (a * 2).sum().backward(); y = g, a.grad, g is a.grad",
        "t.autograd.backward([a.sum(), (b * b).sum()]); y = a.grad, b.grad",
        "t.autograd.backward([a * 2, b], [b.detach(), a.detach()]); y = a.grad, b.grad",
        "z = a * 2; t.autograd.backward([z, z], [b.detach(), b.detach()]); y = a.grad",
        "t.autograd.backward([a.sum(), a * 1], [None, b.detach()]); y = a.grad",
        "a.sum().backward(); a.grad = None; (a * 5).sum().backward(); y = a.grad",
        "a.sum().backward(); a.grad.zero_(); (a * 5).sum().backward(); y = a.grad",
        "a.backward(b.detach()); y = a.grad", "(a + a).sum().backward(); y = a.grad",
        "z = a * 2; (z + z * z).sum().backward(); y = a.grad",
        "(a + b[0]).sum().backward(); y = a.grad, b.grad",
        "(a.unsqueeze(0) * b.unsqueeze(1)).sum().backward(); y = a.grad, b.grad",
        "a.expand(3, 4).sum().backward(); y = a.grad, a.grad.is_contiguous()",
        "a.sum().backward(t.tensor(2.0).double()); y = a.grad",
        "a.sum().backward(t.tensor(3)); y = a.grad",
        "(a.float() * 2).sum().backward(); y = a.grad, a.grad.dtype == t.float64",
        "del a.grad; a.sum().backward(); del a.grad; y = a.grad is None",
        "a.grad = t.ones(4).double(); (a * b).sum().backward(); y = a.grad",
        "(a * b).sum().backward(retain_graph=True); y = a.grad",
        "y = (a * b).sum(); y.backward(retain_graph=True); y.backward(); y = a.grad",
        "y = (a * 2).exp().sum(); y.backward(retain_graph=True); y.backward(retain_graph=True); y = a.grad",
        "a.sum().backward(); y = a.grad.requires_grad, a.grad.is_leaf",
        "z = (a * b).sum(); z.backward(create_graph=False); y = a.grad",
        "[(a[i] * b).sum().backward() for i in range(4)]; y = a.grad, b.grad", "a.prod().backward(); y = a.grad",
    ],
)  # fmt: skip
def test_backward(source):
    agree(
        "y = None\n" + source.replace("; ", "\n"),
        np.array([1.0, -2.0, 3.0, 0.5]),
        np.array([0.3, 1.5, -1.0, 2.0]),
        gradient=False,
    )


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("y = a * 2; y.backward()", "scalar"), ("y = a.detach().sum(); y.backward()", "does not require grad"),
        ("y = (a > 0).sum(); y.backward()", "does not require grad"),
        ("y = t.ones(1); y.backward()", "does not require grad"),
        ("y = a * 2; y.backward(t.ones(3))", "differs from the output's"),
        ("y = a.sum(); y.backward([1.0])", "must be a Tensor"),
        ("y = t.autograd.backward([a.sum(), a.sum()], [None])", "2 outputs but 1"),
        ("y = t.autograd.backward(3)", "Tensor or a sequence"),
        ("y = t.autograd.grad(a.sum(), [])", ""), ("y = t.autograd.grad(a.sum(), t.ones(2))", "does not require grad"),
        ("y = t.autograd.grad(a.sum(), a * 2)", "not to have been used"),
        ("y = t.autograd.grad(a.detach().sum(), a)", "does not require grad"),
        ("y = t.autograd.grad(a * 2, a)", "scalar"),
        ("y = t.autograd.grad(a * 2, a, t.ones(2))", "differs from the output's"),
        ("y = a.exp().sum(); y.backward(); y.backward()", "already used"),
        ("y = (a * a).sum(); y.backward(); y.backward()", "retain_graph=True"),
        ("y = a.exp().sum(); t.autograd.grad(y, a); t.autograd.grad(y, a)", "already used"),
        ("y = a.numpy()", "detach"), ("y = np.asarray(a)", "detach"), ("y = a.grad = t.ones(3)", "shape"),
        ("y = a.grad = t.ones(4, dtype=t.float32)", "float32"),
        ("y = a.grad = 3", "expected a Tensor"), ("y = t.ones(2); y.register_hook(print)", "does not require grad"),
        ("y = t.ones(2); y.retain_grad()", "does not require grad"), ("import copy; y = copy.deepcopy(a * 2)", "leaf"),
    ],
)  # fmt: skip
def test_bad_backward(source, match):
    if source == "y = t.autograd.grad(a.sum(), [])":
        assert cutaway.autograd.grad(leaf(1.0).sum(), []) == ()  # PyTorch refuses; nothing asked, nothing given
        return
    if source == "y = a.grad = 3":
        with pytest.raises(cutaway.ArgumentTypeError, match=match):
            leaf(1.0).grad = 3
        return
    raises(source.replace("import copy; ", "import copy\n"), np.array([1.0, -2.0, 3.0, 0.5]), match=match)


def test_a_second_backward_needs_only_what_was_saved():
    """The rule of add and sum reads no values, so nothing was freed; as PyTorch, which documents it so."""
    for t in (cutaway, torch):
        x = t.tensor([1.0, 2.0], requires_grad=True)
        y = (x + 1).sum()
        y.backward()
        y.backward()
        assert x.grad.tolist() == [2, 2]
        z = (x * 2).sum()
        z.backward()
        if t is torch:
            with pytest.raises(RuntimeError):
                z.backward()
        else:
            with pytest.raises(GradError, match="backward of mul: the graph was already used"):
                z.backward()


def test_freed_values_are_let_go():
    x = leaf(*range(1000))
    y = x.exp()
    memory = weakref.ref(y._data)
    loss = y.sum()
    del y
    gc.collect()
    assert memory() is not None
    loss.backward()
    assert memory() is None


def test_a_rule_that_needs_no_value_keeps_none():
    x = leaf(*range(1000))
    y = (x + 1) - x
    middle = weakref.ref((z := x + 1)._data)
    y = z - x
    del z
    assert middle() is None  # neither + nor - reads its inputs
    y.sum().backward()
    assert x.grad.abs().sum().item() == 0


def test_grad_leaves_grad_alone():
    x = leaf(1, 2)
    (g,) = cutaway.autograd.grad((x * x).sum(), x)
    assert g.tolist() == [2, 4] and x.grad is None and not g.requires_grad


@pytest.mark.parametrize(
    "source",
    [
        "t.autograd.grad((a * b).sum(), [a, b])", "t.autograd.grad((a * b).sum(), (b,))",
        "t.autograd.grad(a * b, a, b.detach())", "t.autograd.grad([a.sum(), (a * b).sum()], [a])",
        "t.autograd.grad([a * 1, b * 1], [a, b], [b.detach(), a.detach()])",
        "t.autograd.grad(a.sum(), [a, b], allow_unused=True)[0]",
        "t.autograd.grad(a.sum(), [a, b], materialize_grads=True)", "t.autograd.grad(a.sum(), a, retain_graph=True)",
        "y = a * 2\nz = y * b\ny = t.autograd.grad(z.sum(), [y, a, b])",
        "y = a * 2\nz = (y * y).sum()\ny = t.autograd.grad(z, y)", "y = a * a\ny = t.autograd.grad(y.sum(), [y])",
        "y = a.sum()\ny = t.autograd.grad(y, y)", "t.autograd.grad(a.sum(), [a, a])",
        "t.autograd.grad((a ** 3).sum(), a, create_graph=True)",
        "t.autograd.grad(t.autograd.grad((a ** 3 * b).sum(), a, create_graph=True)[0].sum(), [a, b])",
        "y = t.autograd.grad((a ** 4).sum(), a, create_graph=True)[0]\ny = t.autograd.grad(y.sum(), a, create_graph=True)[0]\ny = t.autograd.grad(y.sum(), a)",
        "y = t.autograd.grad(a.exp().sum(), a, create_graph=True)[0]\n(y ** 2).sum().backward()\ny = a.grad",
        "y = (a * b).tanh().sum()\ng = t.autograd.grad(y, a, create_graph=True)[0]\n(y + g.norm()).backward()\ny = a.grad, b.grad",
    ],
)  # fmt: skip
def test_grad(source):
    agree(source, np.array([1.0, -2.0, 3.0, 0.5]), np.array([0.3, 1.5, -1.0, 2.0]))


def test_backward_with_create_graph():
    x = leaf(1, 2, 3)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    g = x.grad
    x.grad = None
    g.sum().backward()
    assert x.grad.tolist() == [6, 12, 18]


def test_gradients_of_any_order():
    x = leaf(0.3)
    y = x.sin()
    for k in range(1, 9):
        (y,) = cutaway.autograd.grad(y.sum(), x, create_graph=True)
        np.testing.assert_allclose(y.item(), np.sin(0.3 + k * np.pi / 2), rtol=1e-12)


def test_unused_input_is_named():
    with pytest.raises(
        GradError,
        match=r"input 1, cutaway.float64\[1\], appears not to have been used in the graph; pass allow_unused=True",
    ):
        x = leaf(1.0)
        cutaway.autograd.grad(x.sum(), [x, leaf(2.0)])


# --- hooks and retained gradients -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "seen = []\na.register_hook(lambda g: seen.append(g.tolist()))\n(a * b).sum().backward()\ny = seen",
        "a.register_hook(lambda g: g * 2)\n(a * b).sum().backward()\ny = a.grad",
        "a.register_hook(lambda g: g * 2)\na.register_hook(lambda g: g + 1)\n(a * b).sum().backward()\ny = a.grad",
        "h = a.register_hook(lambda g: g * 2)\nh.remove()\nh.remove()\n(a * b).sum().backward()\ny = a.grad",
        "z = a * 2\nz.register_hook(lambda g: g * 10)\n(z * b).sum().backward()\ny = a.grad, b.grad",
        "z = a * 2\nz.retain_grad()\n(z * b).sum().backward()\ny = z.grad, z.retains_grad",
        "z = a * 2\nz.retain_grad()\n(z * b).sum().backward(retain_graph=True)\n(z * b).sum().backward()\ny = z.grad",
        "z = a * 2\nz.retain_grad()\nz.register_hook(lambda g: g * 10)\n(z * b).sum().backward()\ny = z.grad, a.grad",
        "a.retain_grad()\n(a * b).sum().backward()\ny = a.grad",
        "n = [0]\nz = a * 2\nz.register_hook(lambda g: n.__setitem__(0, n[0] + 1))\n(z + z * z).sum().backward()\ny = n",
        "with a.register_hook(lambda g: g * 3):\n    (a * b).sum().backward()\n(a * b).sum().backward()\ny = a.grad",
        "z = a * 2\nz.register_hook(lambda g: g * 5)\ny = t.autograd.grad((z * b).sum(), z)",
        "a.register_hook(lambda g: g * 5)\ny = t.autograd.grad((a * b).sum(), a)",
        "z = a.exp()\nz.register_hook(lambda g: g.clamp(max=0.5))\ny = t.autograd.grad(z.sum(), a, create_graph=True)[0]\ny = t.autograd.grad(y.sum(), a)",
        "a.register_hook(lambda g: None)\n(a * b).sum().backward()\ny = a.grad",
        "z = a * 2\nz.retain_grad()\nz.add_(1)\n(z * b).sum().backward()\ny = a.grad",
    ],
)  # fmt: skip
def test_hooks(source):
    agree("y = None\n" + source, np.array([1.0, -2.0, 3.0, 0.5]), np.array([0.3, 1.5, -1.0, 2.0]), gradient=False)


def test_grad_sees_what_hooks_made():
    """Of a result on the way to another input PyTorch gives the gradient before its hooks; here it is always after."""
    x = leaf(1, 2)
    y = x * 2
    y.register_hook(lambda g: g * 5)
    assert [g.tolist() for g in cutaway.autograd.grad(y.sum(), [x, y])] == [[10, 10], [5, 5]]


def test_a_hook_must_return_a_gradient():
    with pytest.raises(cutaway.ArgumentTypeError, match="must be a function"):
        leaf(1.0).register_hook(3)
    for bad, kind, match in (
        (lambda g: 3, cutaway.ArgumentTypeError, "Tensor or None"),
        (lambda g: g[:1], cutaway.ShapeError, "shape"),
    ):
        x = leaf(1, 2)
        x.register_hook(bad)
        with pytest.raises(kind, match=match):
            x.sum().backward()


# --- size and speed of the graph --------------------------------------------------------------------------------------


def test_a_long_chain_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y * 1.0001
    y.backward()
    np.testing.assert_allclose(x.grad.item(), 1.0001**100_000, rtol=1e-9)
    del y  # deleting the chain does not recurse either
    gc.collect()


def test_a_diamond_of_many_paths_is_walked_once():
    x = leaf(1.0)
    y = x
    for _ in range(200):  # 2^200 paths
        y = y + y * 0.01
    y.backward()
    np.testing.assert_allclose(x.grad.item(), 1.01**200, rtol=1e-12)


def test_graphs_do_not_keep_each_other_alive():
    x = leaf(1.0)
    state = x
    nodes = weakref.WeakSet()
    for _ in range(10):
        state = (state * 1.5).tanh()
        nodes.add(state._node)
        state = state.detach().requires_grad_()
    gc.collect()
    assert len(nodes) == 0


def test_nodes_can_be_read():
    x = leaf(1.0, 2.0)
    y = (x * 2).sum()
    assert y.grad_fn.name == "sum" and repr(y.grad_fn) == "<sum node>"
    ((below, number),) = y.grad_fn.next_functions
    assert below.name == "mul" and number == 0
    (end, _), (constant, _) = below.next_functions
    assert end.name == "AccumulateGrad" and end.variable is x and constant is None


def test_memory_falls_while_backward_climbs():
    """The values of the last layers are gone before the first layers are reached."""
    x = leaf(*np.linspace(-1, 1, 100))
    first = x * 0.1
    memory = []
    y = first
    for _ in range(5):
        e = y.exp()  # both exp and log keep it
        memory.append(weakref.ref(e._data))
        y = e.log()
    del e
    assert sum(m() is not None for m in memory) == 5
    alive = []
    first.register_hook(lambda g: alive.append(sum(m() is not None for m in memory)))
    y.sum().backward()
    assert alive == [0]


def test_inference_mode_is_a_threads_own_and_programs_run_in_it():
    from threading import Thread

    from cutaway.core.accelerate import at_once

    seen = []
    net = cutaway.nn.Sequential(cutaway.nn.Linear(3, 4), cutaway.nn.Softmax(1))
    compiled = cutaway.compile(net)
    with at_once(), cutaway.inference_mode():
        x = cutaway.ones(2, 3)
        y = net(x)
        z = compiled(x)
        worker = Thread(target=lambda: seen.append((cutaway.ones(2).is_inference(), cutaway.is_inference_mode_enabled())))
        worker.start()
        worker.join()
    assert x.is_inference() and y.is_inference() and seen == [(False, False)]
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-6)
    np.testing.assert_allclose(compiled(x).detach().numpy(), net(x).detach().numpy(), rtol=1e-6)
    assert not cutaway.ones(2).is_inference()
    net(cutaway.ones(2, 3)).sum().backward()
