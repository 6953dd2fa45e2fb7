"""Dense operations that are given a sparse tensor: they answer, or refuse by name; and dense tensors refuse sparse questions."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cutaway
from cutaway import nn, optim
from cutaway.core.errors import NotForSparse
from cutaway.nn import functional as F


def matrix(**options):
    return cutaway.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3), **options)


REFUSED = {
    "exp": lambda s, x: cutaway.exp(s),
    "softmax": lambda s, x: F.softmax(s, 1),
    "cross_entropy": lambda s, x: F.cross_entropy(s, cutaway.tensor([0, 1])),
    "eq": lambda s, x: s == s,
    "maximum": lambda s, x: x.maximum(s),
    "mean": lambda s, x: s.mean(),
    "logsumexp": lambda s, x: s.logsumexp(0),
    "layer_norm": lambda s, x: F.layer_norm(s, (3,)),
    "add": lambda s, x: s + x,
    "Parameter": lambda s, x: nn.Parameter(s),
    "einsum": lambda s, x: cutaway.einsum("ij,kj->ik", s, x),
    "cumsum": lambda s, x: cutaway.cumsum(s, 0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_operation_that_knows_none_is_named(name):
    with pytest.raises(NotImplementedError, match=rf"{name}.*not written for sparse tensors; call .to_dense\(\) first") as e:
        REFUSED[name](matrix(), cutaway.ones(2, 3))
    assert type(e.value) is NotForSparse


ANSWERED = {
    "x + s": lambda s, x, p: x + s,
    "x - s": lambda s, x, p: x - s,
    "x * s": lambda s, x, p: x * s,
    "parameter + s": lambda s, x, p: p + s,
    "parameter * s": lambda s, x, p: p * s,
    "parameter @ s": lambda s, x, p: p @ s.t(),
    "x.matmul(s)": lambda s, x, p: x.matmul(s.t()),
    "x.mm(s)": lambda s, x, p: x.mm(s.t()),
    "linear(x, s)": lambda s, x, p: F.linear(x, s),
    "linear(s, p)": lambda s, x, p: F.linear(s, p, cutaway.ones(2)),
    "relu": lambda s, x, p: F.relu(s),
    "sqrt": lambda s, x, p: s.sqrt(),
    "add_": lambda s, x, p: x.clone().add_(s, alpha=2),
    "mul_": lambda s, x, p: x.clone().mul_(s),
    "cat": lambda s, x, p: cutaway.cat([s, s.to_sparse_csr() if s.is_sparse else s]),
    "addmm": lambda s, x, p: cutaway.addmm(cutaway.ones(2, 2), s, x.t(), alpha=3),
    "keywords": lambda s, x, p: cutaway.mm(input=s, mat2=x.t()),
    "csr": lambda s, x, p: x @ s.to_sparse_csr().t() + (s.to_sparse_csr() @ x.t()),
    "csc": lambda s, x, p: s.to_sparse_csc() @ p.t(),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_the_answer_is_that_of_the_dense_tensor(name):
    x = cutaway.tensor([[1.0, 2.0, 0.5], [0.5, 3.0, 1.5]])

    s, p = matrix(), nn.Parameter(x * 2)
    y, expected = (ANSWERED[name](a, x, p).to_dense().detach().numpy() for a in (s, s.to_dense()))
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_dense_tensors_have_no_entries():
    x = cutaway.ones(2, 2)
    assert not x.is_sparse and x.layout is cutaway.strided and x.sparse_dim() == 0 and x.dense_dim() == 2
    for ask in ("indices", "values", "coalesce", "is_coalesced", "crow_indices"):
        with pytest.raises(RuntimeError, match=rf"{ask}: needs a tensor of cutaway.sparse"):
            getattr(x, ask)()


def test_it_is_a_tensor_and_can_be_copied_pickled_and_kept_by_modules():
    s = matrix()
    assert isinstance(s, cutaway.Tensor) and cutaway.is_tensor(s) and not isinstance(s, cutaway.FloatTensor)
    assert not hasattr(s, "_data") and not hasattr(s, "no_such_thing")
    for kind in (s, s.coalesce(), s.to_sparse_csr(), s.to_sparse_csc(), matrix(requires_grad=True)):
        for twin in (copy.deepcopy(kind), pickle.loads(pickle.dumps(kind)), copy.copy(kind), kind.clone()):
            assert twin.layout is kind.layout and twin.requires_grad == kind.requires_grad
            assert twin.to_dense().equal(s.to_dense())
    m = nn.Linear(2, 2)
    m.register_buffer("adj", s)
    assert "Linear" in str(cutaway.inspect.summary(m, cutaway.ones(1, 2)))
    assert m.state_dict()["adj"].layout is cutaway.sparse_coo and m.double().adj.dtype is cutaway.float64
    other = nn.Linear(2, 2)
    other.register_buffer("adj", matrix() * 0)
    other.load_state_dict(m.state_dict())
    assert other.adj.to_dense().equal(s.to_dense()) and copy.deepcopy(m).adj._nnz() == 3


def test_indices_outside_the_size_are_refused():
    with pytest.raises(IndexError, match="index 5 is out of range for dimension 0 of size 2"):
        cutaway.sparse_coo_tensor([[0, 5], [1, 0]], [1.0, 2.0], (2, 2))
    with pytest.raises(IndexError, match="-1 is out of range"):
        cutaway.sparse_csr_tensor([0, 1], [-1], [1.0], (1, 1))


def test_the_gradient_towards_a_leaf_with_repeated_places_counts_each_once():
    s = cutaway.sparse_coo_tensor([[0, 0, 1], [1, 1, 0]], [1.0, 2.0, 3.0], (2, 2), requires_grad=True)
    x = cutaway.tensor([[1.0], [5.0]])
    for n in (1, 2):
        (s @ x).sum().backward()
        assert s.grad.to_dense().tolist() == [[0, 5 * n], [1 * n, 0]]
    assert s.grad is s.grad
    with pytest.raises(RuntimeError, match="leaf"):
        s.mul_(2)
    optim.SGD([s], lr=0.5).step()
    assert s.to_dense().tolist() == [[0, 3 - 0.5 * 10], [3 - 0.5 * 2, 0]] and s.is_leaf
    s.grad = None
    assert s.grad is None


def test_a_stretched_factor_gets_its_gradient_without_being_laid_out():
    n = 200_000  # laid out, an n x n gradient would not fit anywhere
    s = cutaway.sparse_coo_tensor([[0, n - 1, 7], [5, 5, 0]], [1.0, 2.0, 3.0], (n, n))
    d = cutaway.ones(n, 1).requires_grad_()
    (s * d * cutaway.ones(n)).coalesce().values().sum().backward()
    assert d.grad[[0, 7, n - 1], 0].tolist() == [1, 3, 2] and d.grad.sum().item() == 6


def test_values_are_a_handle_of_their_own_on_the_same_memory():
    s = matrix().coalesce()
    s.values().requires_grad_()
    assert not s.requires_grad
    s.values()[0] = 9
    assert s.to_dense()[0, 2].item() == 9
