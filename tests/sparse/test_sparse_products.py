"""Sparse times dense: the two ops against PyTorch and differences, rows of every length, and how they are traced."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import autograd, nn
from cutaway.core.sparse.pattern import LONG
from cutaway.core.sparse.product import sddmm, spmm

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Sparse:UserWarning")  # PyTorch's

RNG = np.random.default_rng(5)


def inputs(sample):
    return [RNG.standard_normal(x) for x in sample.inputs]


SAMPLES = [pytest.param(op, k, id=f"{op.name}-{k}") for op in (spmm, sddmm) for k in range(len(op.samples()))]


@pytest.mark.parametrize(("op", "k"), SAMPLES)
def test_the_ops_of_the_table(op, k):
    sample = op.samples()[k]
    arrays = inputs(sample)
    ours = [cutaway.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = op(*ours, **sample.attrs), op.oracle(torch, *theirs, **sample.attrs)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-12)
    for g, h in zip(autograd.grad(y.sin().sum(), ours), torch.autograd.grad(z.sin().sum(), theirs), strict=True):
        np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=1e-12)
    assert autograd.gradgradcheck(lambda *a: op(*a, **sample.attrs), ours)


@pytest.mark.parametrize("op", [spmm, sddmm], ids=str)
def test_their_refusals(op):
    for sample in op.errors():
        with pytest.raises(RuntimeError, match=sample.error):
            op(*map(cutaway.tensor, inputs(sample)), **sample.attrs)


def matrix(t, rows, cols, values, shape):
    return t.sparse_coo_tensor(t.tensor(np.stack([rows, cols])), t.tensor(values), shape)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex128"])
@pytest.mark.parametrize("width", [1, 7])
def test_rows_of_every_length(dtype, width):
    lengths = [0, 1, 2, LONG - 1, LONG, LONG + 1, 0, 5 * LONG, 3]
    rows = np.repeat(np.arange(len(lengths)), lengths)
    cols = RNG.integers(0, 11, len(rows))
    order = RNG.permutation(len(rows))
    values = (RNG.standard_normal(len(rows)) * 5).astype(dtype)
    x = (RNG.standard_normal((11, width)) * 5).astype(dtype)
    for places in (slice(None), order):
        s = matrix(cutaway, rows[places], cols[places], values[places], (len(lengths), 11))
        z = matrix(torch, rows[places], cols[places], values[places], (len(lengths), 11)).to_dense() @ torch.tensor(x)
        y = s @ cutaway.tensor(x)
        assert y.dtype.name == dtype
        np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose((s.t() @ y).numpy(), (s.to_dense().t() @ y).numpy(), rtol=1e-3, atol=0.1)


def test_gradients_of_all_products():
    i = np.stack([RNG.integers(0, 4, 9), RNG.integers(0, 3, 9)])

    def f(v, x, b):
        s = cutaway.sparse_coo_tensor(i, v, (4, 3))
        both = cutaway.sparse.mm(s, s.t()).to_dense()
        soft = cutaway.sparse.softmax(s, 1)
        stacked = cutaway.stack([s, s * 2]).bmm(cutaway.stack([x, x.sin()]))
        return s @ x, b @ s, s.mv(x[:, 0]), both, cutaway.sparse.mm(soft, x), stacked, (s * s).sum(0).to_dense(), s.to_sparse_csr() @ x

    args = [cutaway.tensor(RNG.standard_normal(n), requires_grad=True) for n in ((9,), (3, 2), (2, 4))]
    assert autograd.gradcheck(f, args) and autograd.gradgradcheck(f, args)


def test_a_compiled_step_has_the_same_numbers_and_sees_new_values():
    i = cutaway.tensor(RNG.integers(0, 8, (2, 20)))
    v = cutaway.tensor(RNG.random(20))
    adj = cutaway.sparse_coo_tensor(i, v, (8, 8))
    x, layer = cutaway.tensor(RNG.random((8, 3))), nn.Linear(3, 2).double()
    f = lambda x, adj: (adj @ layer(cutaway.sparse.mm(adj, x))).sin().sum()
    c = cutaway.compile(f)
    for _ in range(2):
        found = []
        for g in (f, c):
            layer.zero_grad()
            y = g(x, adj)
            y.backward()
            found.append((y.item(), layer.weight.grad.clone()))
        assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
        np.testing.assert_allclose(found[0][1].numpy(), found[1][1].numpy(), rtol=1e-10)
        with cutaway.no_grad():
            v.mul_(1.5)  # in the memory that adj shows
    with pytest.raises(RuntimeError, match="a sparse tensor cannot be a result"):
        cutaway.compile(lambda x: adj * x.sum())(x)
