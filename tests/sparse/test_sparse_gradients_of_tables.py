"""nn.Embedding(sparse=True) and the optimisers that take its gradients, against PyTorch; and those that do not."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Sparse:UserWarning")  # PyTorch's

RULES = {
    "SGD": {"lr": 0.1},
    "SGD momentum": {"lr": 0.1, "momentum": 0.9, "dampening": 0.1},
    "SGD nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "SGD maximize": {"lr": 0.1, "maximize": True},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.2},
    "SparseAdam": {"lr": 0.1},
    "SparseAdam maximize": {"lr": 0.1, "betas": (0.5, 0.8), "maximize": True},
}
IDS = [[[1, 2], [2, 5]], [[0, 0], [3, 2]], [[5, 5], [5, 5]], [[4, 1], [2, 2]]]


def net(t):
    e, bag = t.nn.Embedding(6, 3, sparse=True, padding_idx=1), t.nn.EmbeddingBag(6, 2, sparse=True, mode="mean")
    with t.no_grad():
        e.weight.copy_(t.arange(18.0).reshape(6, 3) / 10)
        bag.weight.copy_(t.arange(12.0).reshape(6, 2) / 7 - 1)
    return e, bag


def trained(t, rule, options):
    e, bag = net(t)
    o = getattr(t.optim, rule)([e.weight, bag.weight], **options)
    seen = []
    for ids in IDS:
        o.zero_grad()
        x = t.tensor(ids)
        (e(x).sin().sum() + (bag(x.reshape(-1), t.tensor([0, 3])) ** 2).sum()).backward()
        seen += [e.weight.grad.to_dense().clone(), bag.weight.grad.coalesce().indices().clone()]
        o.step()
    held = [v for p in (e.weight, bag.weight) for k, v in sorted(o.state[p].items()) if k != "step" and v is not None]
    return [*seen, e.weight, bag.weight, *(v.to_dense() for v in held)], o.state_dict()


@pytest.mark.parametrize("name", RULES)
def test_takes_the_entries_as_pytorch(name):
    (ours, state), (theirs, _) = (trained(t, name.split()[0], RULES[name]) for t in (cutaway, torch))
    for y, z in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-6)
    e, bag = net(cutaway)
    again = getattr(cutaway.optim, name.split()[0])([e.weight, bag.weight], **RULES[name])
    again.load_state_dict(state)
    assert again.state_dict()["state"].keys() == state["state"].keys()


@pytest.mark.parametrize("rule", ["Adam", "AdamW", "RMSprop", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD"])
def test_other_rules_refuse(rule):
    e, _ = net(cutaway)
    before = e.weight.clone()
    o = getattr(cutaway.optim, rule)(e.parameters())
    e(cutaway.tensor([1, 2])).sum().backward()
    with pytest.raises(RuntimeError, match=f"{rule}: does not support sparse gradients"):
        o.step()
    assert e.weight.equal(before)


def test_what_goes_with_sparse_gradients_and_what_does_not():
    e, _ = net(cutaway)
    e(cutaway.tensor([1, 2])).sum().backward()
    for o in (cutaway.optim.SGD(e.parameters(), 0.1, weight_decay=0.1), cutaway.optim.Adagrad(e.parameters(), weight_decay=1)):
        with pytest.raises(RuntimeError, match="weight_decay"):
            o.step()
    dense = cutaway.nn.Embedding(6, 3)
    o = cutaway.optim.SparseAdam(dense.parameters())
    dense(cutaway.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="does not support dense gradients"):
        o.step()
    with pytest.raises(ValueError, match="are sparse"):
        cutaway.optim.SparseAdam([e.weight.grad.detach().requires_grad_()])
    with pytest.raises(RuntimeError, match="scale_grad_by_freq"):
        cutaway.nn.functional.embedding(cutaway.tensor([1]), e.weight, scale_grad_by_freq=True, sparse=True)


def mixed(t):
    """One weight looked up and used whole, in either order, over two backwards, beside a dense layer."""
    e, layer = net(t)[0], t.nn.Linear(3, 2)
    with t.no_grad():
        layer.weight.copy_(t.arange(6.0).reshape(2, 3))
        layer.bias.zero_()
    o = t.optim.SGD([*e.parameters(), *layer.parameters()], 0.01)
    kinds = []
    for uses in ((0, 1), (1, 0), (0,), (0, 0), (1,)):
        o.zero_grad()
        for use in uses:
            (layer(e(t.tensor([2, 3]))).pow(2).sum() if not use else (e.weight @ layer.weight.t()).sin().sum()).backward()
        kinds.append(e.weight.grad.is_sparse)
        o.step()
    h = e(t.tensor([2, 5, 2]))
    ((h @ e.weight.t()).sum() + h.sum()).backward()
    return kinds, e.weight, layer.weight, e.weight.grad.to_dense()


def test_sparse_and_dense_gradients_of_one_weight_add_up():
    (kinds, *ours), (theirs_kinds, *theirs) = mixed(cutaway), mixed(torch)
    assert kinds == theirs_kinds
    for y, z in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_hooks_and_grad_see_a_sparse_tensor():
    e, _ = net(cutaway)
    seen = []
    e.weight.register_hook(lambda g: seen.append(g.layout) or g * 2)
    e(cutaway.tensor([2, 2, 4])).sum().backward()
    assert seen == [cutaway.sparse_coo] and e.weight.grad.to_dense()[2].tolist() == [4, 4, 4]
    (g,) = cutaway.autograd.grad(e(cutaway.tensor([0])).sum(), e.weight)
    assert g.is_sparse and g._indices().tolist() == [[0]]


def test_the_gradient_is_dense_where_the_table_was_computed():
    w = cutaway.ones(4, 2).requires_grad_()
    cutaway.nn.functional.embedding(cutaway.tensor([1, 1]), w * 2, sparse=True).sum().backward()
    assert not w.grad.is_sparse and w.grad.tolist() == [[0, 0], [4, 4], [0, 0], [0, 0]]


def beside(t):
    """A sparse gradient under detect_anomaly, in LBFGS, and scaled."""
    e = net(t)[0]
    with t.autograd.detect_anomaly(check_nan=True):
        o = t.optim.SparseAdam(e.parameters(), lr=0.1)
        e(t.tensor([2, 3])).sin().sum().backward()
        o.step()
    kind, start = e.weight.grad.is_sparse, e.weight.detach().clone()
    o = t.optim.LBFGS(e.parameters(), lr=0.5, max_iter=2)

    def closure():
        o.zero_grad()
        loss = (e(t.tensor([2, 5])) - 1).pow(2).sum()
        loss.backward()
        return loss

    o.step(closure)
    after = e.weight.detach().clone()
    scaler, o = t.amp.GradScaler("cpu", init_scale=8.0), t.optim.SGD(e.parameters(), lr=0.1)
    o.zero_grad()
    scaler.scale(e(t.tensor([0, 0, 4])).sum()).backward()
    scaler.step(o)
    return kind, start, after, e.weight, e.weight.grad.to_dense()


@pytest.mark.filterwarnings("ignore:Anomaly Detection:UserWarning")
def test_beside_anomaly_detection_lbfgs_and_a_scaler():
    (kind, *ours), (_, *theirs) = beside(cutaway), beside(torch)
    assert kind
    for y, z in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-5)
