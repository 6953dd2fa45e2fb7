"""Eager mode on native programs: the same as op by op on NumPy, in numbers, gradients, refusals and random numbers."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import shutil
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import cutaway
from cutaway import nn, optim
from cutaway.core import accelerate
from cutaway.core.errors import CutawayError, GradError, IndexOutOfRange, ShapeError
from cutaway.core.tensor import Tensor
from cutaway.engine import program
from cutaway.engine.eager import blocks, composite, contraction, record, request, update
from cutaway.engine.eager.native import Native
from cutaway.engine.eager.plan import Plan
from cutaway.nn import functional as F


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Programs from the first call on, and none of another test's."""
    monkeypatch.setattr(contraction, "WORK", 0)
    composite.CALLS.clear()
    contraction.KERNELS.clear()
    token = accelerate.AT_ONCE.set(True)
    accelerate.load()
    yield
    accelerate.AT_ONCE.reset(token)
    composite.CALLS.clear()
    contraction.KERNELS.clear()


def plans() -> list[str]:
    """The names of the composites that have a program."""
    return [p.label for p in composite.CALLS.values() if isinstance(p, Plan)]


class Case(NamedTuple):
    """A composite's call: shapes of its Tensors, and the function of them."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    call: Callable[..., Any]
    grads: int = 9  # how many of the Tensors want a gradient
    second: bool = True


CASES = [
    Case("linear", ((5, 3), (4, 3), (4,)), F.linear),
    Case("linear", ((1, 1), (1, 1)), F.linear),
    Case("linear", ((2, 3, 4), (6, 4), (6,)), F.linear),
    Case("linear", ((0, 4), (6, 4), (6,)), F.linear),
    Case("linear", ((129, 65), (33, 65), (33,)), F.linear),
    Case("bilinear", ((5, 3), (5, 4), (2, 3, 4), (2,)), F.bilinear),
    Case("conv1d", ((2, 3, 9), (4, 3, 3), (4,)), lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1)),
    Case("conv2d", ((2, 3, 6, 5), (4, 3, 3, 3), (4,)), F.conv2d),
    Case("conv2d", ((3, 2, 7, 7), (5, 2, 3, 2)), lambda x, w: F.conv2d(x, w, stride=2, padding=1)),
    Case("conv2d", ((2, 4, 6, 6), (4, 2, 3, 3), (4,)), lambda x, w, b: F.conv2d(x, w, b, padding="same", groups=2)),
    Case("conv2d", ((1, 1, 5, 5), (1, 1, 2, 2)), lambda x, w: F.conv2d(x, w, dilation=2)),
    Case("conv_transpose2d", ((2, 3, 4, 4), (3, 2, 3, 3), (2,)), lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2)),
    Case("max_pool2d", ((2, 3, 6, 6),), lambda x: F.max_pool2d(x, 2)),
    Case("max_pool2d", ((2, 1, 7, 5),), lambda x: F.max_pool2d(x, 3, 2, 1)),
    Case("avg_pool2d", ((2, 3, 6, 6),), lambda x: F.avg_pool2d(x, 2)),
    Case("relu", ((4, 5),), F.relu),
    Case("relu", ((),), F.relu),
    Case("sigmoid", ((4, 5),), F.sigmoid),
    Case("tanh", ((33,),), F.tanh),
    Case("gelu", ((4, 5),), F.gelu),
    Case("silu", ((4, 5),), F.silu),
    Case("softplus", ((4, 5),), F.softplus),
    Case("leaky_relu", ((4, 5),), F.leaky_relu),
    Case("softmax", ((4, 5),), lambda x: F.softmax(x, 1)),
    Case("log_softmax", ((2, 4, 5),), lambda x: F.log_softmax(x, 1)),
    Case("layer_norm", ((4, 6), (6,), (6,)), lambda x, w, b: F.layer_norm(x, (6,), w, b)),
    Case("group_norm", ((3, 4, 5), (4,), (4,)), lambda x, w, b: F.group_norm(x, 2, w, b)),
    Case("surprise", ((6, 3),), lambda x: F.cross_entropy(x, cutaway.tensor([0, 2, 1, 1, 0, 2]))),
    Case("surprise", ((2, 3, 4),), lambda x: F.cross_entropy(x, cutaway.ones(2, 4).long(), reduction="sum")),
    Case("mse_loss", ((4, 3), (4, 3)), F.mse_loss),
    Case("smooth_l1_loss", ((4, 3), (4, 3)), F.smooth_l1_loss),
    Case("binary_cross_entropy_with_logits", ((4, 3), (4, 3)), F.binary_cross_entropy_with_logits, 1),
    Case("dropout", ((40, 3),), lambda x: F.dropout(x, 0.3)),
    Case("scaled_dot_product_attention", ((2, 5, 4), (2, 6, 4), (2, 6, 3)), F.scaled_dot_product_attention),
]


def tensors(case: Case, dtype: str = "float32") -> list[Tensor]:
    """The arguments, the same at each call."""
    rng = np.random.default_rng(7)
    return [
        cutaway.from_numpy(np.asarray(rng.standard_normal(s), dtype)).requires_grad_(n < case.grads)
        for n, s in enumerate(case.shapes)
    ]


def everything(case: Case, dtype: str = "float32") -> list[np.ndarray]:
    """Result, gradients, and the gradients of a function of the gradients; then gradients again, from the same graph."""
    cutaway.manual_seed(5)
    ts = tensors(case, dtype)
    wanted = [t for t in ts if t.requires_grad]
    y = case.call(*ts)
    g = cutaway.from_numpy(np.asarray(np.random.default_rng(8).standard_normal(y.shape), dtype)).requires_grad_()
    first = cutaway.autograd.grad(y, wanted, g, create_graph=True, allow_unused=True)
    total = sum([(gi * gi).sum() for gi in first if gi is not None and gi.requires_grad], cutaway.tensor(0.0))
    second = cutaway.autograd.grad(total, [*wanted, g], allow_unused=True, retain_graph=True) if total.requires_grad else ()
    again = cutaway.autograd.grad(y, wanted, g.detach())
    drawn = cutaway.rand(1)
    return [np.zeros(0) if t is None else t.detach().numpy() for t in (y, *first, *second, *again, drawn)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.name}-{'-'.join(map(str, c.shapes))}")
def test_as_op_by_op(case, dtype):
    with accelerate.numpy_only():
        want = everything(case, dtype)
    got = everything(case, dtype)
    assert case.name in plans()
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    for a, b in zip(got, want, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        largest = float(np.abs(b).max(initial=1.0))  # of the terms that a small number may be the difference of
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, 0.02 * largest))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.name}-{'-'.join(map(str, c.shapes))}")
def test_a_plan_of_a_record_is_the_plan(case, monkeypatch):
    """Written down, read, and run: the same bits, without a trace, unless a gradient comes in an order not met before."""
    want = everything(case)
    traced: list[str] = []
    trace = Plan.trace
    monkeypatch.setattr(Plan, "trace", lambda self: traced.append(self.label) or trace(self))
    read = 0
    for signature, plan in composite.CALLS.items():
        text = record.write(plan) if isinstance(plan, Plan) else b""
        if text:
            composite.CALLS[signature] = again = Plan(plan.label, plan.call, plan.inputs)
            assert record.read(again, text)
            read += 1
    assert read or case.name == "dropout"  # whose numbers are drawn anew at each call
    for a, b in zip(everything(case), want, strict=True):
        assert a.tobytes() == b.tobytes()
    assert not traced


def test_a_plan_of_a_record_traces_for_what_it_does_not_know(tmp_path, monkeypatch):
    x, w = cutaway.randn(9, 200, 200, requires_grad=True), cutaway.randn(3, 200)
    y = F.linear(x, w)
    y.sum().backward()
    (plan,) = [p for p in composite.CALLS.values() if isinstance(p, Plan) and p.label == "linear"]
    text = record.write(plan)
    again = Plan(plan.label, plan.call, plan.inputs)
    assert record.read(again, text)
    arrays = [x._data, w._data]
    g = cutaway.randn(200, 3, 9)._data  # arrives in another order
    arrays += again.forward(arrays)
    with cutaway.no_grad():  # as in a backward
        got, want = (p.backward((2, 0, 1))([*arrays, g]) for p in (again, plan))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(got, want, strict=True)) and again._whole is not None
    assert record.write(again) == record.write(plan)  # both know both orders
    monkeypatch.setenv("CUTAWAY_OBJECT_CACHE", str(tmp_path))  # where nothing is
    assert not record.read(Plan(plan.label, plan.call, plan.inputs), text)


@pytest.mark.parametrize("folder", ["engine", "core", "functional", "vision"])
def test_a_record_is_of_the_files_that_it_was_made_by(folder, tmp_path, monkeypatch):
    """A function that was changed is traced again."""
    package = Path(program.__file__).parents[1]
    for part in ("engine", "core", "functional", "vision"):
        (tmp_path / part).mkdir()
        for f in package.joinpath(part).glob("*.py"):
            shutil.copy(f, tmp_path / part)
    monkeypatch.setattr(program, "__file__", str(tmp_path / "engine" / "program.py"))
    one = request.Request("cutaway.vision.ops.boxes", "f", (), {}, (), False, cutaway.float32)
    names = []
    for text in ("", "# changed"):
        program._files.cache_clear()
        with open(tmp_path / folder / "__init__.py", "a") as f:
            f.write(text)
        names.append(one.name())
    monkeypatch.undo()
    program._files.cache_clear()
    assert names[0] != names[1]


PRODUCTS: dict[str, tuple[tuple[tuple[int, ...], ...], Callable[[Tensor, Tensor], Tensor]]] = {
    "matrices": (((5, 7), (7, 3)), lambda a, b: a @ b),
    "transposed": (((5, 7), (3, 7)), lambda a, b: a @ b.T),
    "both": (((7, 5), (3, 7)), lambda a, b: a.T @ b.T),
    "batch": (((2, 5, 7), (2, 7, 3)), lambda a, b: a @ b),
    "stretched": (((2, 5, 7), (7, 3)), lambda a, b: a @ b),
    "vector": (((5, 7), (7,)), lambda a, b: a @ b),
    "part": (((5, 14), (7, 3)), lambda a, b: a[:, ::2] @ b),
    "einsum": (((2, 3, 4), (5, 3, 2)), lambda a, b: cutaway.einsum("ijk,ljm->ilk", a, b)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_and_their_gradients(name):
    shapes, product = PRODUCTS[name]

    def go() -> list[np.ndarray]:
        cutaway.manual_seed(1)
        ts = [cutaway.randn(*s, requires_grad=True) for s in shapes]
        y = product(*ts)
        first = cutaway.autograd.grad((y * y).sum(), ts, create_graph=True)
        return [t.detach().numpy() for t in (y, *first, *cutaway.autograd.grad(sum((g**3).sum() for g in first), ts))]

    with accelerate.numpy_only():
        want = go()
    for a, b in zip(go(), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert any(isinstance(k, Native) for k in contraction.KERNELS.values())


# --- memory order -----------------------------------------------------------------------------------------------------


def test_images_stay_as_the_convolution_makes_them():
    x, w = cutaway.randn(2, 3, 8, 8), cutaway.randn(4, 3, 3, 3, requires_grad=True)
    v = cutaway.randn(4, 4, 3, 3, requires_grad=True)
    y = F.max_pool2d(F.relu(F.conv2d(F.relu(F.conv2d(x, w, padding=1)), v)), 2)
    assert not y._data.flags.c_contiguous and y.is_contiguous() and y.stride() == (36, 9, 3, 1)
    y.sum().backward()
    got = [y.tolist(), w.grad.numpy().copy(), v.grad.numpy().copy()]
    w.grad = v.grad = None
    with accelerate.numpy_only():
        y = F.max_pool2d(F.relu(F.conv2d(F.relu(F.conv2d(x, w, padding=1)), v)), 2)
        y.sum().backward()
    for a, b in zip(got, [y.tolist(), w.grad.numpy(), v.grad.numpy()], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert w.grad.numpy().flags.c_contiguous


@pytest.mark.parametrize("view", [lambda x: x.T, lambda x: x[::2, 1:5], lambda x: x[:1].expand(6, 6), lambda x: x.flip(0)])
def test_arguments_that_are_views(view):
    x, w = cutaway.randn(6, 6), cutaway.randn(6, 6)
    x = view(x).detach().requires_grad_()
    y = F.linear(x, w[:, : x.shape[1]])
    y.backward(cutaway.ones(1, 1).expand(*y.shape))
    np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy() @ w.numpy()[:, : x.shape[1]].T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(x.grad.numpy(), np.ones(y.shape) @ w.numpy()[:, : x.shape[1]], rtol=1e-4, atol=1e-5)


# --- what autograd promises -------------------------------------------------------------------------------------------


def test_a_saved_argument_that_was_overwritten():
    x, w = cutaway.randn(2, 3, requires_grad=True), cutaway.randn(4, 3, requires_grad=True)
    y = F.linear(x, w).sum()
    with cutaway.no_grad():
        w.mul_(2)
    with pytest.raises(GradError, match=r"backward of linear: input 1, float32\[4, 3\], was overwritten by an in-place"):
        y.backward()


def test_an_argument_that_no_rule_reads_may_be_overwritten():
    x, w, b = (cutaway.randn(*s, requires_grad=True) for s in ((2, 3), (4, 3), (4,)))
    y = F.linear(x, w, b).sum()
    with cutaway.no_grad():
        b.mul_(2)
    y.backward()
    assert b.grad.tolist() == [2.0] * 4
    z = x * 1
    y = F.softmax(z, 1)
    with cutaway.no_grad():
        z.mul_(2)  # softmax keeps its exponentials, not its argument
    y[0, 0].backward()
    assert x.grad is not None


def test_a_result_that_was_overwritten():
    x = cutaway.randn(3, requires_grad=True)
    y = F.sigmoid(x)
    with cutaway.no_grad():
        y.mul_(2)
    with pytest.raises(GradError, match="backward of sigmoid: its result"):
        y.sum().backward()


def test_a_graph_is_used_once_unless_it_is_kept():
    x, w = cutaway.randn(2, 3), cutaway.randn(4, 3, requires_grad=True)
    y = F.linear(x, w).sum()
    y.backward(retain_graph=True)
    first = w.grad.clone()
    y.backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * first.numpy())
    with pytest.raises(GradError, match="already used"):
        y.backward()


def test_a_gradient_that_reads_nothing_can_be_asked_for_again():
    x = cutaway.randn(1, 1, 4, 4, requires_grad=True)
    y = F.avg_pool2d(x, 2).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [[[[0.5] * 4] * 4]] and plans() == ["avg_pool2d"]


def test_hooks_retained_gradients_and_partial_walks():
    x, w = cutaway.randn(2, 3, requires_grad=True), cutaway.randn(3, 3, requires_grad=True)
    h = F.relu(F.linear(x, w))
    seen = []
    h.register_hook(lambda g: seen.append(g.tolist()) or g * 2)
    h.retain_grad()
    F.linear(h, w).sum().backward(inputs=[x], retain_graph=True)
    assert seen and h.grad.tolist() == (2 * cutaway.tensor(seen[0])).tolist() and w.grad is None
    (alone,) = cutaway.autograd.grad(h.sum(), [x])
    np.testing.assert_allclose(alone.numpy(), 2 * ((x @ w.T > 0).float() @ w).detach().numpy(), rtol=1e-5)


def test_the_node_has_the_composites_name():
    x = cutaway.randn(2, 3, requires_grad=True)
    y = F.linear(x, cutaway.randn(4, 3))
    assert y.grad_fn.name == "linear" and y.grad_fn.next_functions[0][0].name == "AccumulateGrad"


def test_recording_is_asked_for_each_call():
    x = cutaway.randn(2, 3, requires_grad=True)
    for _ in range(2):
        assert F.gelu(x).requires_grad
        with cutaway.no_grad():
            assert not F.gelu(x).requires_grad
        assert not F.gelu(x.detach()).requires_grad


def test_gradient_of_an_input_used_twice():
    x = cutaway.randn(4, 4, requires_grad=True)
    F.linear(x, x, x[0]).sum().backward()
    got = x.grad.numpy().copy()
    x.grad = None
    with accelerate.numpy_only():
        F.linear(x, x, x[0]).sum().backward()
    np.testing.assert_allclose(got, x.grad.numpy(), rtol=1e-5)


def test_second_order_through_an_input_that_depends_on_another():
    x = cutaway.tensor([[0.3, -0.7]], requires_grad=True)

    def fn(x: Tensor) -> Any:
        h = F.linear(x, cutaway.ones(2, 2)) * x
        y = F.linear(h, h).sum()
        (g,) = cutaway.autograd.grad(y, [x], create_graph=True)
        return cutaway.autograd.grad((g * g).sum(), [x])[0].tolist()

    got = fn(x)
    with accelerate.numpy_only():
        assert got == [pytest.approx(row, rel=1e-5) for row in fn(x)]


# --- what only Python can do ------------------------------------------------------------------------------------------


def test_errors_are_those_of_op_by_op():
    for call in (
        lambda: F.linear(cutaway.ones(2, 3), cutaway.ones(4, 5)),
        lambda: F.conv2d(cutaway.ones(1, 2, 5, 5), cutaway.ones(4, 3, 3, 3)),
        lambda: F.cross_entropy(cutaway.ones(2, 3), cutaway.tensor([0, 3])),
        lambda: F.linear(cutaway.ones(2, 3), [1.0]),
    ):
        texts = []
        for _ in range(3):
            with pytest.raises(CutawayError) as caught:
                call()
            texts.append((type(caught.value), str(caught.value)))
        with accelerate.numpy_only(), pytest.raises(CutawayError) as caught:
            call()
        assert set(texts) == {(type(caught.value), str(caught.value))}


def test_values_are_looked_at_in_each_call():
    z = cutaway.randn(3, 4)
    for target in ([0, 1, 2], [3, 3, 3], [0, 1, 2]):
        F.cross_entropy(z, cutaway.tensor(target))
    with pytest.raises(IndexOutOfRange, match="there are 4 classes"):
        F.cross_entropy(z, cutaway.tensor([0, 1, 4]))
    ignoring = F.cross_entropy(z, cutaway.tensor([0, 1, -100])).item()
    assert ignoring == pytest.approx(F.cross_entropy(z[:2], cutaway.tensor([0, 1])).item(), rel=1e-6)


def test_writes_and_arguments_given_back_stay_as_they_are():
    x = cutaway.tensor([-1.0, 2.0])
    assert F.relu(x, inplace=True) is x and x.tolist() == [0.0, 2.0]
    assert F.dropout(x, 0.5, training=False) is x
    norm = nn.BatchNorm1d(2)
    before = norm.running_mean.clone()
    norm(cutaway.randn(4, 2))
    assert norm.running_mean.tolist() != before.tolist() and norm.num_batches_tracked.item() == 1


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5, 5)])
def test_batch_norm_is_one_program_that_moves_its_statistics_once(shape):
    """Also where a gradient of the gradient does it again, and as it is without programs."""

    def run():
        rng = np.random.default_rng(0)
        norm = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(3)
        found = []
        for _ in range(2):
            x = cutaway.tensor(rng.standard_normal(shape), dtype=cutaway.float32, requires_grad=True)
            (g,) = cutaway.autograd.grad((norm(x) ** 3).sum(), x, create_graph=True)
            (g**2).sum().backward()
            found += [g, x.grad, norm.weight.grad, norm.running_mean, norm.running_var]
        return [t.numpy(force=True).copy() for t in found], norm.running_mean._version

    ours, version = run()
    assert plans() == ["batch_norm"]
    with accelerate.numpy_only():
        theirs, expected = run()
    assert version == expected
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


def test_statistics_that_cannot_be_written_are_refused_by_the_op_that_would():
    x, fixed = cutaway.randn(4, 2), cutaway.zeros(1).expand(2)
    with pytest.raises(ShapeError, match="clone"):
        F.batch_norm(x, fixed, None, training=True)


def test_numbers_of_equal_value_are_told_apart():
    x = cutaway.ones(2, 2)
    assert [F.leaky_relu(-x, s)[0, 0].item() for s in (1, 0.5, 1.0)] == [-1.0, -0.5, -1.0]
    a, b = cutaway.ones(1, 2), cutaway.zeros(3, 2)
    assert F.linear(a, weight=b).shape == (1, 3) and F.linear(input=b, weight=a).shape == (3, 1)


def test_a_users_own_tensor_class_stays_op_by_op():
    class Mine(Tensor):
        pass

    x = Mine([1.0, -2.0])
    assert F.relu(x).tolist() == [1.0, 0.0] and plans() == []


def test_a_view_from_before_a_recorded_write_has_the_new_history():
    w = cutaway.ones(4, requires_grad=True)
    x = w * 1
    view = x.reshape(2, 2)
    x.mul_(3.0)
    for _ in range(2):
        w.grad = None
        F.gelu(view).sum().backward(retain_graph=True)
        again = cutaway.full((4,), 3.0, requires_grad=True)
        F.gelu(again).sum().backward()
        np.testing.assert_allclose(w.grad.numpy(), 3 * again.grad.numpy(), rtol=1e-6)


# --- random numbers, threads, bounds ----------------------------------------------------------------------------------


def test_dropout_draws_the_same_numbers():
    x = cutaway.ones(1000)
    masks = []
    for native in (False, True):
        cutaway.manual_seed(9)
        if native:
            masks.append([F.dropout(x, 0.4).tolist() for _ in range(3)] + [cutaway.rand(2).tolist()])
        else:
            with accelerate.numpy_only():
                masks.append([F.dropout(x, 0.4).tolist() for _ in range(3)] + [cutaway.rand(2).tolist()])
    assert masks[0] == masks[1] and masks[0][0] != masks[0][1]


def test_many_threads_at_once():
    x, w = cutaway.randn(64, 32), cutaway.randn(48, 32)
    want = [F.linear(x + n, w).numpy().copy() for n in range(8)]
    wrong: list[int] = []

    def work(n: int) -> None:
        accelerate.AT_ONCE.set(True)
        for _ in range(200):
            v = w.detach().requires_grad_()
            y = F.linear(x + n, v)
            y.sum().backward()
            if not np.array_equal(y.detach().numpy(), want[n]) or v.grad is None:
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_signatures_are_bounded_and_the_used_ones_stay(monkeypatch):
    monkeypatch.setattr(composite, "MOST", 8)
    w = cutaway.ones(3, 3)
    first = F.linear(w, w)
    plan = next(p for p in composite.CALLS.values() if isinstance(p, Plan))
    for n in range(1, 30):
        F.relu(cutaway.ones(n))
        F.linear(w, w)
    assert len(composite.CALLS) <= 8 and plan in composite.CALLS.values()
    assert F.linear(w, w).tolist() == first.tolist()


def test_no_memory_is_left_behind():
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    optimizer = optim.Adam(model.parameters())
    x, t = cutaway.randn(128, 64), cutaway.randint(0, 4, (128,))

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), t).backward()
        optimizer.step()

    for _ in range(5):
        step()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(5):
            step()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            step()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 8_000  # one activation is 32 kB
    finally:
        tracemalloc.stop()


def test_large_memory_is_used_again_and_not_before_it_is_free(monkeypatch):
    monkeypatch.setattr(blocks, "_spare", {})
    x = cutaway.ones(300, 400)
    y = F.relu(x)
    where, row = y.data_ptr(), y.detach()[7]
    del y
    assert F.relu(x).data_ptr() != where and row.tolist() == [1.0] * 400
    del row
    assert blocks.idle() >= 480_000
    kept = [F.relu(x) for _ in range(4)]
    assert where in [t.data_ptr() for t in kept] and len({t.data_ptr() for t in kept}) == 4
    monkeypatch.setattr(blocks, "KEPT", 1_000_000)
    del kept
    assert blocks.idle() <= 1_000_000


@pytest.mark.parametrize(("setting", "calls", "native"), [("numpy", 300, False), ("", 10, False), ("", 300, True), ("native", 1, True)])
def test_the_setting_and_what_import_costs(setting, calls, native):
    program = (
        "import sys, cutaway; from cutaway.nn import functional as F; from cutaway.core import accelerate\n"
        "assert 'llvmlite' not in sys.modules\n"
        "x = cutaway.ones(2, 2)\n"
        f"for _ in range({calls}): y = F.gelu(x)\n"
        "print('llvmlite' in sys.modules, y[0, 0].item())"
    )
    environment = {**os.environ, "CUTAWAY_EAGER": setting}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    loaded, value = done.stdout.split()
    assert loaded == str(native) and float(value) == pytest.approx(0.8413447, rel=1e-6)


def test_without_llvmlite_it_is_numpy():
    program = (
        "import sys; sys.modules['llvmlite'] = None\n"
        "import cutaway; from cutaway import nn, optim; from cutaway.core import accelerate\n"
        "model = nn.Linear(3, 2); optimizer = optim.Adam(model.parameters())\n"
        "for _ in range(3): model(cutaway.ones(2, 3)).sum().backward(); optimizer.step()\n"
        "print(accelerate.composite, accelerate.contraction, accelerate.step, optimizer.state[model.bias]['step'].item())"
    )
    environment = {**os.environ, "CUTAWAY_EAGER": "native"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "None", "None", "3.0"]


# --- optimisers -------------------------------------------------------------------------------------------------------

RULES: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda ps: optim.Adam(ps, lr=0.05, amsgrad=True),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.05),
    "rmsprop": lambda ps: optim.RMSprop(ps, lr=0.05, momentum=0.5, centered=True),
    "adagrad": lambda ps: optim.Adagrad(ps, lr=0.05),
    "adadelta": lambda ps: optim.Adadelta(ps, lr=0.5),
    "nadam": lambda ps: optim.NAdam(ps, lr=0.05),
    "radam": lambda ps: optim.RAdam(ps, lr=0.05),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_step_as_on_numpy(rule):
    def go() -> tuple[list[list[Any]], Any]:
        cutaway.manual_seed(2)
        ps = [cutaway.randn(4, 3, requires_grad=True), cutaway.randn(5, requires_grad=True), cutaway.randn((), requires_grad=True)]
        optimizer = RULES[rule](ps)
        schedule = optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
        for n in range(8):
            optimizer.zero_grad()
            used = ps if n != 4 else ps[:2]
            sum([((p - 1) ** 2).sum() for p in used], cutaway.tensor(0.0)).backward()
            if n == 5:
                optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            optimizer.step()
            schedule.step()
        remembered = [v.tolist() for p in ps for v in optimizer.state[p].values()]
        return [p.tolist() for p in ps] + remembered, optimizer

    with accelerate.numpy_only():
        want, _ = go()
    got, optimizer = go()
    assert any(v is not update.REFUSED and not isinstance(v, int) for v in optimizer._native.values())
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def test_a_step_counts_as_a_write_and_sees_views():
    p = cutaway.ones(3, requires_grad=True)
    view = p.detach()[1:]
    optimizer = optim.SGD([p], lr=1.0)
    for n in range(3):
        p.grad = cutaway.ones(3)
        version = p._version
        optimizer.step()
        assert p._version == version + 1 and view.tolist() == [-float(n)] * 2


def test_a_parameter_that_cannot_be_written():
    p = cutaway.ones(3, requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = cutaway.ones(3)
    optimizer.step()
    p.data = cutaway.ones(1).expand(3)
    with pytest.raises(ShapeError, match="share one place in memory"):
        optimizer.step()


def test_a_users_own_rule_runs_as_it_is_written():
    calls = []

    class Mine(optim.SGD):
        def update(self, p: Any, g: Any, s: Any, t: int, h: Any) -> Any:
            calls.append(1)
            return super().update(p, g, s, t, h)

    p = cutaway.ones(3, requires_grad=True)
    optimizer = Mine([p], lr=1.0)
    p.grad = cutaway.ones(3)
    optimizer.step()
    assert calls == [1] and optimizer._native == {} and p.tolist() == [0.0] * 3


def test_an_optimiser_with_a_program_can_be_copied_and_stored():
    p = cutaway.ones(3, requires_grad=True)
    optimizer = optim.Adam([p])
    p.grad = cutaway.ones(3)
    optimizer.step()
    assert optimizer._native
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        (q,) = other.param_groups[0]["params"]
        q.grad = cutaway.ones(3)
        other.step()
        assert q.tolist() != p.tolist() and other.state[q]["step"].item() == 2


def test_training_as_on_numpy():
    def go() -> list[float]:
        cutaway.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 20), nn.Dropout(0.2), nn.Linear(20, 4)
        )  # fmt: skip
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        x, t = cutaway.randn(16, 1, 8, 8), cutaway.randint(0, 4, (16,))
        losses = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), t)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    with accelerate.numpy_only():
        want = go()
    np.testing.assert_allclose(go(), want, rtol=1e-4)
    assert {"conv2d", "relu", "max_pool2d", "linear", "dropout", "surprise"} <= set(plans())


# --- when -------------------------------------------------------------------------------------------------------------


def calls_until_native(work: Callable[[], Any], made: Callable[[], bool], most: int) -> int:
    """How many calls it takes until there is a program."""
    token = accelerate.AT_ONCE.set(False)
    try:
        for n in range(1, most):
            work()
            if made():
                return n
    finally:
        accelerate.AT_ONCE.reset(token)
    return most


def test_the_more_there_is_to_do_the_sooner_there_is_a_program(monkeypatch):
    monkeypatch.setattr(composite.ahead, "ON", False)
    monkeypatch.setattr(request, "PARTS", [0])  # as if no test had put anything in the place of the library's parts

    def first(fn: Callable[..., Any], *shapes: tuple[int, ...]) -> int:
        composite.CALLS.clear()
        given = [cutaway.ones(*s) for s in shapes]
        return calls_until_native(lambda: fn(*given), lambda: bool(plans()), 4000)

    monkeypatch.setattr(composite.ahead, "known", lambda name: None)
    small, large, huge = (3, 4), (64, 64, 16), (1024, 1024, 64)
    assert 3000 < first(F.softplus, small) < 4000  # when NumPy has taken on it, by estimate, what compiling takes
    assert 50 < first(F.softplus, large) < 150
    assert first(F.softplus, huge) == 1  # one call takes longer
    image, kernel = (8, 16, 32, 32), (16, 16, 3, 3)
    assert 10 < first(F.conv2d, image, kernel) < 100 < first(lambda x, w: F.conv2d(x, w, stride=4), image, kernel)
    monkeypatch.setattr(composite.ahead, "known", lambda name: b"")
    assert first(F.softplus, small) < 30  # an earlier run has left its machine code
    assert first(F.conv2d, image, kernel) == 2


def test_products_become_kernels_when_they_have_cost_as_much():
    a, b = cutaway.ones(512, 512), cutaway.ones(512, 1024)
    made = lambda: any(isinstance(k, Native) for k in contraction.KERNELS.values())
    n = calls_until_native(lambda: cutaway.einsum("ij,jk->ik", a, b), made, 99)
    assert n == -(-contraction.OPERATIONS // (2 * 512 * 512 * 1024))
