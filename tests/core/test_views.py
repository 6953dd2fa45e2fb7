"""Views share memory as PyTorch's do; what would need view tracking is refused, never silently different."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import GradError

from .against import torch

VIEWS = [
    "a[0]", "a[1:]", "a[:, ::2]", "a[..., -1]", "a[None]", "a[1, 2]", "a.view(4, 3)", "a.view(-1)", "a.reshape(2, 6)",
    "a.t()", "a.T", "a.mT", "a.transpose(0, 1)", "a.permute(1, 0)", "a.unsqueeze(0)", "a[:1].squeeze()", "a.flatten()",
    "a.ravel()", "a.expand(3, 4)", "a.narrow(1, 1, 2)",
    "a.select(0, 1)", "a.split(2)[1]", "a.chunk(2, 1)[0]", "a.unbind(1)[2]", "a.swapaxes(0, 1)", "a.movedim(0, 1)",
    "a.unflatten(1, (2, 2))", "a.detach()", "a.data", "a.view_as(a)", "a.t()[1:].t()", "list(a)[1]", "a[1:][:, 1:]",
    "a.contiguous()", "a.double()", "a.to('cpu')", "a.expand_as(a)",
    "a.diagonal()",
]  # fmt: skip
COPIES = [
    "a.clone()", "a.t().reshape(-1)", "a.t().contiguous()", "a + 0", "a[[0, 1]]", "a[a > 0]", "a.repeat(1, 1)",
    "a.flip(0)", "a.roll(1, 0)", "a.float()", "a.gather(0, a.long() * 0)", "a.index_select(0, t.tensor([0]))",
    "t.cat([a])", "t.stack([a])", "a.tril()", "a.sort()[0]", "a.masked_select(a > 0)",
    "a.t().flatten()", "t.tensor(a.tolist())", "a.new_tensor(a.tolist())",
]  # fmt: skip


def base(t):
    return t.tensor(np.arange(12.0).reshape(3, 4) + 1)


@pytest.mark.parametrize("source", VIEWS)
def test_writing_to_a_view_writes_to_the_base(source):
    found = []
    for t in (cutaway, torch):
        a = base(t)
        view = eval(source, {"a": a, "t": t})
        view.mul_(-2)
        found.append(a.numpy())
        a.add_(100)
        found.append(view.detach().numpy())
    if source == "a.diagonal()":  # a copy here: no view of ours has a diagonal's strides
        assert (found[0] > 0).all()
        return
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[3])
    assert (found[0] < 100 + 13).all() and (found[0] != base(cutaway).numpy()).any()


@pytest.mark.parametrize("source", COPIES)
def test_writing_to_a_copy_leaves_the_base(source):
    for t in (cutaway, torch):
        a = base(t)
        eval(source, {"a": a, "t": t}).fill_(-1)
        np.testing.assert_array_equal(a.numpy(), base(t).numpy())


@pytest.mark.parametrize("source", VIEWS)
def test_views_of_a_leaf_under_no_grad(source):
    for t in (cutaway, torch):
        w = base(t).requires_grad_()
        with t.no_grad():
            eval(source, {"a": w, "t": t}).fill_(7) if source != "a.diagonal()" else w.fill_(7)
        assert w.requires_grad and 7 in w.detach().numpy()


@pytest.mark.parametrize(
    "source", ["a[0]", "a.view(-1)", "a.t()", "a.expand(3, 4)", "a[..., :2]", "a.squeeze()", "a.unbind(0)[1]"]
)
def test_a_stale_view_is_refused(source):
    """PyTorch would rewrite the view's history. Here: an error that says to take the view again."""
    x = base(cutaway).requires_grad_()
    y = x * 1
    view = eval(source, {"a": y})
    y.mul_(2)
    for use in (
        lambda: view * 1,
        lambda: view.sum(),
        lambda: view.backward(cutaway.ones_like(view)),
        lambda: cutaway.autograd.grad(y.sum(), view),
        lambda: cutaway.cat([view, view]),
    ):
        with pytest.raises(
            GradError,
            match="taken before its base was modified in place while gradients are recorded; take the view again",
        ):
            use()
    again = eval(source, {"a": y})
    again.sum().backward()
    assert set(x.grad.unique().tolist()) <= {0, 2}
    with cutaway.no_grad():  # the numbers may be read
        np.testing.assert_array_equal((view * 1).numpy(), again.detach().numpy())


def test_a_view_of_a_constant_that_gets_a_history():
    """The view itself knows of no gradient, and yet what it shows depends on w."""
    w = cutaway.tensor(3.0, requires_grad=True)
    buffer = cutaway.zeros(4)
    view = buffer[:2]
    buffer[0] = w
    with pytest.raises(GradError, match="take the view again"):
        view.sum()
    (buffer[:2] * 2).sum().backward()
    assert w.grad.item() == 2


@pytest.mark.parametrize("write", ["v.add_(1)", "v[0] = 1", "v.zero_()", "v.copy_(v * 2)", "v += 1", "v.relu_()"])
def test_writing_to_a_view_while_recording_is_refused(write):
    y = base(cutaway).requires_grad_() * 2
    for view in (y[0], y.view(-1), y.t(), y[:, 1:]):
        with pytest.raises(
            GradError, match="in-place write to a view while gradients are recorded; write to the whole tensor instead"
        ):
            exec(write, {"v": view})


def test_a_detached_tensor_shares_memory_and_version():
    for t in (cutaway, torch):
        x = t.tensor([1.0, 2.0], requires_grad=True)
        y = x.exp()
        d = y.detach()
        assert d._version == y._version == 0
        d.mul_(2)
        assert d._version == y._version == 1
        with pytest.raises(RuntimeError):
            y.sum().backward()


def test_a_detached_view_is_never_stale():
    """It is numbers, whatever becomes of their history."""
    for t in (cutaway, torch):
        y = t.tensor([1.0, 2.0], requires_grad=True) * 1
        head, whole = y[:1].detach(), y.detach()
        y.mul_(3)
        assert (head * 2).tolist() == [6] and (whole[1:] * 2).tolist() == [12] and not (head * 2).requires_grad
        assert (y.data[:1] * 2).tolist() == [6] and (y.detach()[1] + 1).item() == 7
        y.sum().backward()


def test_versions_are_counted():
    for t in (cutaway, torch):
        x = t.zeros(3)
        v = x[1:]
        x.add_(1)
        v.mul_(2)
        x[0] = 5
        assert x._version == v._version == 3 and x.clone()._version == 0


@pytest.mark.parametrize("source", [*VIEWS, *COPIES])
def test_strides(source):
    if source in ("a.diagonal()", "a.to('cpu')"):
        return
    y, z = (eval(source, {"a": base(t), "t": t}) for t in (cutaway, torch))
    assert y.is_contiguous() == z.is_contiguous()
    if y.numel():
        assert [s for s, n in zip(y.stride(), y.shape) if n > 1] == [s for s, n in zip(z.stride(), z.shape) if n > 1]


def test_pointers():
    for t in (cutaway, torch):
        x = base(t)
        assert (
            x.data_ptr() == x.view(-1).data_ptr() == x.detach().data_ptr() == x.t().data_ptr() != x.clone().data_ptr()
        )
        assert x[1].data_ptr() == x.data_ptr() + 4 * 8


def test_view_as_another_dtype():
    for t in (cutaway, torch):
        x = t.tensor([1.0, -2.0])
        bits = x.view(t.int32)
        assert bits.tolist() == [0x3F800000, -0x40000000]
        bits[0] = 0x40400000
        assert x.tolist() == [3, -2]
