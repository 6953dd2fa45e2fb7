"""Views share memory as PyTorch's do, and what is written to one while recording has PyTorch's gradients."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import GradError

from .against import agree, raises, torch

rng = np.random.default_rng(0)
A, B = rng.uniform(0.2, 2, (3, 4)), rng.uniform(0.2, 2, (3, 4))
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


PLACES = ["y[0]", "y.view(-1)", "y.t()", "y[:, 1:]", "y[1:][:, ::2]", "y.t()[1:].unsqueeze(0)", "y[1, 2]", "y[:1].squeeze()"]
WRITES = ["v.add_(1)", "v.mul_(3)", "v.zero_()", "v.copy_(v + b[0, 0])", "v += b[0, 0]", "v.relu_()", "v.fill_(b[1, 1])", "v.exp_()", "v[...] = 1"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("write", WRITES)
def test_writing_to_a_view_while_recording(place, write):
    """Values and both gradients, of the base, of the view that was written to, of one from before and one from after."""
    agree(
        f"y = a * b; old = y[1:]; v = {place}; {write}; y = y * 1, v * 2, old * b[1:], y[1:] * y.sum()",
        A, B,
    )  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        "y = a * 2; y[:, 0] += 1; y[0] *= b[0]; y[:, 1:] -= y[:, :-1].clone(); y = y * y",
        "y = a * 2; y[a > 1] = 0; y = y * b", "y = a * 2; y[a > 1] *= b[a > 1]; y = y * 1",
        "y = a * 2; y.view(-1)[a.view(-1) > 1] = 0; y = y * b", "y = a * 2; y[0][1:] = b[1, 1:] * a[0, 0]; y = y * y",
        "y = t.zeros(3, 4, dtype=t.float64); y[0][1] = a[0, 0]; y[1][...] = b[1]; y.view(-1)[11] = b[0, 0]; y = y * y",
        "y = t.zeros(3, 4, dtype=t.float64)\nh = a[0]\nfor k in range(3):\n    h = t.tanh(h * b[k] + a[k])\n    y[k] = h",
        "y = t.empty(3, 4, dtype=t.float64)\nfor i in range(3):\n    for j in range(4):\n        y[i, j] = a[i].sum() * b[i, j]",
        "y = t.zeros(2, 3, 4, dtype=t.float64); y[0], y[1] = a, b; y = y * a",
        "z = a * 2; v = z[0]; z.mul_(b); y = v * v, z", "z = a * 2; v = z.t(); z[0] = 0; y = v * 3",
        "z = a * 2; v = z[0]; w = v[1:]; w.mul_(2); y = v * v, z * z, w * 1",
        "z = a * 1; p, q = z[0], z[1]; p.add_(q); q.add_(p); p.mul_(2); y = z * z, p * q",
        "z = t.zeros(4, dtype=t.float64); v = z[:2]; z[0] = a[0, 0]; y = v * 2, v.sum()",
        "z = t.zeros(4, dtype=t.float64); v = z[:2]; v[0] = a[0, 0]; z[:2] *= 3; y = z * z",
        "z = t.zeros(3, 4, dtype=t.float64); z.t().copy_(a.t() * b.t()); y = z * 1",
        "z = a * 1; d = z[0].detach(); d2 = d[1:]; d[1:] *= b[0, 1:]; y = d2 * 1, d * d",
        "z = a * 1; z[1:] = z[:-1].clone(); y = z * z", "z = a.clone(); z[:, [0, 2]] = b[:, :2]; z[0] = 1; y = z * a",
        "z = a.clone(); z.unsqueeze_(0); z[0, 1] = b[1]; z.add_(1); y = z * z",
        "z = a.exp(); u = z.clone(); u[0] = 0; y = u * z", "y = t.zeros(3, dtype=t.float32); y[0] = a[0, 0]; y = y.double() * a[0, 1]",
        "z = a * 1; v = z.expand(3, 4); z.add_(b); y = v * 2", "z = a * 1; v = z.flatten(); v[3] = 0; y = z * z",
        "z = a * 1; z.narrow(1, 1, 2).mul_(b[:, 1:3]); z.select(0, 1).zero_(); y = z * z",
        "y = a * 1; y[0], y[1] = y[1].clone(), y[0].clone(); y = y * b",
        "z = a * 1; z[..., :2] = z[..., :2].sort(-1)[0]; y = z * b",
    ],
)  # fmt: skip
def test_programs_that_write_to_parts(source):
    agree(source, A, B)


def test_a_fresh_view_of_what_was_written_has_the_gradient():
    x = base(cutaway).requires_grad_()
    y = x * 1
    view = y[0]
    y.mul_(2)
    for use in (lambda: view.sum(), lambda: cutaway.cat([view, view])[:4].sum(), lambda: (view @ cutaway.ones(4).double())):
        (g,) = cutaway.autograd.grad(use(), x, retain_graph=True)
        assert g.tolist() == [[2.0] * 4, [0.0] * 4, [0.0] * 4]
    (g,) = cutaway.autograd.grad(view, x, cutaway.ones_like(view), retain_graph=True)
    assert g[0].tolist() == [2.0] * 4
    with cutaway.no_grad():
        np.testing.assert_array_equal((view * 1).numpy(), y[0].detach().numpy())


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("y = a[0]; y.add_(1)", "view of a leaf"), ("y = a.view(-1); y[0] = 0", "view of a leaf"),
        ("y = a; y[0] = 0", "view of a leaf"), ("y = a; y[0][1:] += 1", "view of a leaf"),
        ("y = a * 1\nwith t.no_grad():\n    v = y[0]\nv.add_(1)", "taken under no_grad"),
        ("y = a.exp(); y[0] *= 2; y.sum().backward()", "overwritten by an in-place operation"),
        ("y = a * 1; z = y[0] * y[1]; y[1, 0] = 0; z.sum().backward()", "overwritten by an in-place operation"),
        ("y = (a * 1)[:1].expand(3, 4); y.add_(1)", "share one place"),
    ],
)  # fmt: skip
def test_what_pytorch_refuses_too(source, match):
    raises(source, A, B, match=match)


def test_a_view_whose_base_changed_its_shape_is_refused():
    """PyTorch knows strides and goes on; here the way to the view is lost, and that is said."""
    y = base(cutaway).requires_grad_() * 1
    view = y[0]
    y.unsqueeze_(0)
    y.add_(1)
    with pytest.raises(GradError, match="taken before its base was modified in place .*take the view again"):
        view.sum()
    z = base(cutaway).requires_grad_() * 1
    view = z[0]
    z.unsqueeze_(0)
    with pytest.raises(GradError, match="add_: .* has another shape .*take the view again"):
        view.add_(1)


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
