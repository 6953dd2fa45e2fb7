"""state_dict and load_state_dict: keys, sharing, strictness, old versions, and what is said when things do not fit."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentTypeError, StateError

torch = pytest.importorskip("torch")


def net():
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3), bn=nn.BatchNorm2d(2), out=nn.Linear(2, 3)))


def test_keys_order_and_metadata():
    ours = net().state_dict()
    theirs = torch.nn.Sequential(
        OrderedDict(conv=torch.nn.Conv2d(1, 2, 3), bn=torch.nn.BatchNorm2d(2), out=torch.nn.Linear(2, 3))
    ).state_dict()
    assert list(ours) == list(theirs)
    assert ours._metadata == theirs._metadata
    assert list(net().state_dict(prefix="model.")) == [f"model.{k}" for k in theirs]


def test_values_share_memory_and_carry_no_gradient():
    model = net()
    state = model.state_dict()
    assert not state["out.weight"].requires_grad
    with cutaway.no_grad():
        model.out.weight.fill_(5.0)
    assert (state["out.weight"] == 5.0).all()
    assert model.state_dict(keep_vars=True)["out.weight"] is model.out.weight


def test_a_destination_is_filled():
    given = OrderedDict(first=1)
    assert nn.Linear(1, 1).state_dict(given, "x.") is given
    assert list(given) == ["first", "x.weight", "x.bias"]


def test_loading_copies_values_in_place():
    a, b = net(), net()
    a(cutaway.randn(4, 1, 3, 3).expand(4, 1, 3, 3)) if False else a.bn(cutaway.randn(4, 2, 3, 3))
    before = b.out.weight
    result = b.load_state_dict(a.state_dict())
    assert (result.missing_keys, result.unexpected_keys) == ([], []) and str(
        result
    ) == "<All keys matched successfully>"
    assert b.out.weight is before
    for key, value in a.state_dict().items():
        assert (b.state_dict()[key] == value).all(), key
    with cutaway.no_grad():
        a.out.weight.zero_()
    assert b.out.weight.any()


def test_assign_puts_the_tensors_themselves_in_place():
    state = {k: v.double() for k, v in net().state_dict().items()}
    model = net()
    model.out.weight.requires_grad_(False)
    model.load_state_dict(state, assign=True)
    assert model.out.weight.dtype is cutaway.float64
    assert isinstance(model.out.weight, nn.Parameter) and not model.out.weight.requires_grad
    assert model.conv.weight.requires_grad
    state["out.weight"].fill_(3.0)
    assert (model.out.weight == 3.0).all()


def test_values_are_converted_and_numpy_is_taken():
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": np.array([[1.0, 2.0]]), "bias": cutaway.tensor([3])})
    assert layer.weight.dtype is cutaway.float32
    assert layer.weight.tolist() == [[1.0, 2.0]] and layer.bias.tolist() == [3.0]


def test_loose_loading_reports():
    state = net().state_dict()
    del state["conv.bias"], state["bn.running_mean"]
    state["out.gain"] = state["head.weight"] = cutaway.zeros(1)
    result = net().load_state_dict(state, strict=False)
    assert result.missing_keys == ["conv.bias", "bn.running_mean"]
    assert result.unexpected_keys == ["head.weight", "out.gain"] or result.unexpected_keys == [
        "out.gain",
        "head.weight",
    ]
    assert repr(result).startswith("_IncompatibleKeys(missing_keys=['conv.bias', 'bn.running_mean'], unexpected_keys=[")


def test_strict_loading_lists_every_problem():
    state = net().state_dict()
    del state["conv.bias"]
    state["out.gain"] = cutaway.zeros(1)
    state["out.weight"] = cutaway.zeros(3, 5)
    model = net()
    with pytest.raises(StateError) as caught:
        model.load_state_dict(state)
    assert "strict=False" in str(caught.value)
    assert isinstance(caught.value, RuntimeError)


def test_the_lines_of_a_refusal_are_pytorchs():
    texts = []
    for t in (cutaway, torch):
        model = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4), t.nn.Linear(4, 2))
        state = model.state_dict()
        state.update({"0.weight": t.ones(5, 3), "2.weight": t.ones(1), "q": t.ones(1), "1.extra": t.ones(1)})
        del state["2.bias"], state["1.running_mean"]
        for strict in (True, False):
            with pytest.raises(RuntimeError) as caught:
                model.load_state_dict(state, strict=strict)
            texts.append(str(caught.value).replace("cutaway.Size", "torch.Size").split("\n"))
    for ours, theirs in zip(texts[:2], texts[2:], strict=True):
        assert len(ours) == len(theirs) and ours[:-1] == theirs[:-1]
        assert ours[-1].startswith(theirs[-1])  # what to do stands behind


def test_a_shape_that_differs_is_refused_loosely_too():
    with pytest.raises(StateError, match=r"size mismatch for weight: .*\[3, 5\].*\[3, 2\]"):
        nn.Linear(2, 3).load_state_dict({"weight": cutaway.zeros(3, 5)}, strict=False)


def test_a_state_saved_from_a_wrapper_is_recognised():
    with pytest.raises(StateError, match=r"Every key begins with 'module\.'.*removeprefix"):
        nn.Linear(2, 3).load_state_dict(nn.DataParallel(nn.Linear(2, 3)).state_dict())


@pytest.mark.parametrize(
    ("state", "error", "text"),
    [
        ([1, 2], ArgumentTypeError, "expected a dict of tensors, got list"),
        ({"weight": "text", "bias": cutaway.zeros(3)}, StateError, '"weight", expected .*Tensor.* but received .*str'),
        ({"weight": None, "bias": cutaway.zeros(3)}, StateError, '"weight", expected .*Tensor.* but received .*NoneType'),
    ],
)
def test_what_is_no_state(state, error, text):
    with pytest.raises(error, match=text):
        nn.Linear(2, 3).load_state_dict(state)


def test_a_bias_that_the_layer_lacks_is_unexpected():
    with pytest.raises(StateError, match='Unexpected key.*"bias"'):
        nn.Linear(2, 3, bias=False).load_state_dict(nn.Linear(2, 3).state_dict())


def test_a_state_from_before_batches_were_counted():
    layer = nn.BatchNorm1d(2)
    layer(cutaway.randn(3, 2))
    state = {k: v for k, v in layer.state_dict().items() if k != "num_batches_tracked"}
    fresh = nn.BatchNorm1d(2)
    fresh.load_state_dict(state)  # without a version it is an old one
    assert fresh.num_batches_tracked.item() == 0
    with pytest.raises(StateError, match="num_batches_tracked"):
        new = layer.state_dict()
        del new["num_batches_tracked"]
        fresh.load_state_dict(new)


class Extra(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = 0

    def get_extra_state(self):
        return {"seen": self.seen}

    def set_extra_state(self, state):
        self.seen = state["seen"]


def test_extra_state():
    a = nn.Sequential(Extra())
    a[0].seen = 3
    state = a.state_dict()
    assert state["0._extra_state"] == {"seen": 3}
    b = nn.Sequential(Extra())
    b.load_state_dict(state)
    assert b[0].seen == 3
    with pytest.raises(StateError, match=r"Missing key.*0\._extra_state"):
        b.load_state_dict({})
    with pytest.raises(StateError, match=r"Unexpected key.*0\._extra_state"):
        nn.Sequential(nn.ReLU()).load_state_dict(state)


def test_states_travel_to_pytorch_and_back():
    ours, theirs = net(), torch.nn.Sequential(
        OrderedDict(conv=torch.nn.Conv2d(1, 2, 3), bn=torch.nn.BatchNorm2d(2), out=torch.nn.Linear(2, 3))
    )  # fmt: skip
    theirs.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()})
    other = net()
    other.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for key, value in ours.state_dict().items():
        assert (other.state_dict()[key] == value).all()
