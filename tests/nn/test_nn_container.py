"""Containers behave as PyTorch's lists and dicts do."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError, ArgumentTypeError, CutawayError, IndexOutOfRange, MissingKey

torch = pytest.importorskip("torch")

BOTH = pytest.mark.parametrize("nn", [cutaway.nn, torch.nn], ids=["cutaway", "pytorch"])


def kinds(modules):
    return [type(m).__name__ for m in modules]


@BOTH
def test_sequential_is_a_list_that_can_be_called(nn):
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    s = nn.Sequential(a, b)
    assert len(s) == 2 and s[0] is a and s[-1] is b and list(s) == [a, b]
    assert s.append(c) is s
    assert kinds(s[1:]) == ["Tanh", "Sigmoid"] and isinstance(s[1:], nn.Sequential)
    s[1] = nn.ELU()
    assert kinds(s) == ["ReLU", "ELU", "Sigmoid"]
    s.insert(0, b)
    assert kinds(s) == ["Tanh", "ReLU", "ELU", "Sigmoid"] and list(s._modules) == ["0", "1", "2", "3"]
    del s[1]
    assert kinds(s) == ["Tanh", "ELU", "Sigmoid"] and list(s._modules) == ["0", "1", "2"]
    assert kinds([s.pop(0)]) == ["Tanh"]
    assert kinds(s.extend([a, b])) == ["ELU", "Sigmoid", "ReLU", "Tanh"]
    assert kinds(s + nn.Sequential(c)) == ["ELU", "Sigmoid", "ReLU", "Tanh", "Sigmoid"]
    s += nn.Sequential(c)
    assert len(s) == 5
    del s[1:4]
    assert kinds(s) == ["ELU", "Sigmoid"]


@BOTH
def test_sequential_with_names(nn):
    s = nn.Sequential(OrderedDict(first=nn.ReLU(), second=nn.Tanh()))
    assert kinds([s.first, s[1]]) == ["ReLU", "Tanh"]
    assert list(s[:1]._modules) == ["first"]
    s.add_module("third", nn.ELU())
    assert [n for n, _ in s.named_children()] == ["first", "second", "third"]


def test_sequential_calls_one_after_the_other():
    s = nn.Sequential(nn.ReLU(), nn.Flatten(0), nn.Softplus(beta=2.0))
    x = cutaway.tensor([[-1.0, 2.0]])
    assert s(x).tolist() == s[2](cutaway.tensor([0.0, 2.0])).tolist()
    assert nn.Sequential()(x) is x


@BOTH
def test_module_list(nn):
    layers = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    layers.append(nn.ELU()).extend(nn.ModuleList([nn.Sigmoid()]))
    layers.insert(1, nn.Identity())
    assert kinds(layers) == ["ReLU", "Identity", "Tanh", "ELU", "Sigmoid"]
    assert kinds(layers[::2]) == ["ReLU", "Tanh", "Sigmoid"] and isinstance(layers[:1], nn.ModuleList)
    assert kinds([layers.pop(-1)]) == ["Sigmoid"]
    layers[0] = nn.Mish()
    del layers[1]
    layers += [nn.GELU()]
    assert kinds(layers + [nn.ReLU()]) == ["Mish", "Tanh", "ELU", "GELU", "ReLU"]
    assert kinds(reversed(list(layers))) == ["GELU", "ELU", "Tanh", "Mish"]
    assert len(nn.ModuleList(nn.Linear(1, 1) for _ in range(3))) == 3


@BOTH
def test_module_dict(nn):
    d = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
    d["elu"] = nn.ELU()
    assert list(d) == list(d.keys()) == ["relu", "tanh", "elu"] and "tanh" in d and len(d) == 3
    assert kinds(d.values()) == ["ReLU", "Tanh", "ELU"] and [k for k, _ in d.items()] == list(d)
    assert kinds([d.pop("relu")]) == ["ReLU"]
    del d["tanh"]
    d.update([("mish", nn.Mish())])
    d.update(nn.ModuleDict({"gelu": nn.GELU()}))
    assert list(d) == ["elu", "mish", "gelu"]
    d.clear()
    assert len(d) == 0
    assert kinds([nn.ModuleDict([["x", nn.ReLU()]])["x"]]) == ["ReLU"]


@pytest.mark.parametrize("lib", [cutaway, torch], ids=["cutaway", "pytorch"])
def test_parameter_list_and_dict(lib):
    p = lib.nn.ParameterList([lib.nn.Parameter(lib.ones(2)), lib.zeros(3)])
    p.append(lib.nn.Parameter(lib.ones(1)))
    p[0] = lib.nn.Parameter(lib.zeros(4))
    p += [lib.zeros(5)]
    assert [tuple(t.shape) for t in p] == [(4,), (3,), (1,), (5,)]
    assert all(isinstance(t, lib.nn.Parameter) for t in p)
    assert len(p[1:3]) == 2 and tuple(p[-1].shape) == (5,)
    assert [n for n, _ in p.named_parameters()] == ["0", "1", "2", "3"]
    d = lib.nn.ParameterDict({"a": lib.ones(2)})
    d["b"] = lib.nn.Parameter(lib.zeros(1))
    d.update({"c": lib.ones(3)})
    assert list(d) == list(d.keys()) == ["a", "b", "c"] and "b" in d and len(d) == 3
    assert [n for n, _ in d.named_parameters()] == ["a", "b", "c"]
    assert tuple(d.pop("a").shape) == (2,)
    del d["b"]
    assert [(k, tuple(v.shape)) for k, v in d.items()] == [("c", (3,))]
    assert d.get("x", 7) == 7 and tuple(d.get("c").shape) == (3,) and len(list(d.values())) == 1


def test_reprs():
    for build in (
        lambda nn: nn.ModuleList([nn.Linear(1, 2), nn.Linear(1, 2), nn.ReLU(), nn.Linear(1, 2)]),
        lambda nn: nn.ModuleList([nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU())]),
        lambda nn: nn.ModuleList(),
        lambda nn: nn.Sequential(),
        lambda nn: nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ModuleDict({"x": nn.Identity()}))),
        lambda nn: nn.ModuleDict(),
    ):
        assert repr(build(nn)) == repr(build(torch.nn))
    p = repr(nn.ParameterList([cutaway.ones(2, 3), 4]))
    assert p == (
        "ParameterList(\n    (0): Parameter containing: [cutaway.float32 of size 2x3]\n    (1): Object of type: int\n)"
    )
    assert "(a): Parameter containing: [cutaway.FloatTensor of size 2]" in repr(nn.ParameterDict({"a": cutaway.ones(2)}))


def test_data_parallel_is_the_module_itself():
    inner = nn.Linear(2, 3)
    outer = nn.DataParallel(inner)
    x = cutaway.randn(4, 2)
    assert (outer(x) == inner(x)).all()
    assert list(outer.state_dict()) == ["module.weight", "module.bias"]
    distributed = nn.parallel.DistributedDataParallel(inner, find_unused_parameters=True)
    with distributed.no_sync():
        assert (distributed(x) == inner(x)).all()


def test_distributed_refuses_several_processes(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(CutawayError, match="WORLD_SIZE=2, but gradients are not exchanged"):
        nn.parallel.DistributedDataParallel(nn.Linear(1, 1))


S = nn.Sequential(nn.ReLU())
ERRORS = [
    (lambda: S[1], IndexOutOfRange, "Sequential: index 1 is out of range, it holds 1 modules"),
    (lambda: S["x"], ArgumentTypeError, "an index must be an int or a slice, got 'x'"),
    (lambda: S.insert(5, nn.ReLU()), IndexOutOfRange, "insert: index 5 is out of range"),
    (lambda: S.insert(0, 3), ArgumentTypeError, "expected a Module, got int"),
    (lambda: nn.Sequential(3), ArgumentTypeError, "'0' must be a Module or None, got int"),
    (lambda: S + [nn.ReLU()], ArgumentTypeError, "only be joined with another Sequential, got list"),
    (lambda: nn.ModuleList([nn.ReLU(), 3]), ArgumentTypeError, "'1' must be a Module or None, got int"),
    (lambda: nn.ModuleList(3), ArgumentTypeError, "expected several modules, got int"),
    (lambda: nn.ModuleDict({"a": nn.ReLU()})["b"], MissingKey, "^ModuleDict: no module 'b'; it holds 'a'$"),
    (lambda: nn.ModuleDict().pop("b"), MissingKey, "it holds none"),
    (lambda: nn.ModuleDict(3), ArgumentTypeError, r"a dict or \(name, value\) pairs, got int"),
    (lambda: nn.ModuleDict({"keys": nn.ReLU()}), ArgumentError, "already has an attribute 'keys'"),
    (lambda: nn.ParameterList()[0], IndexOutOfRange, "ParameterList: index 0 is out of range, it holds 0"),
    (lambda: nn.ParameterList(cutaway.ones(2)), ArgumentTypeError, "several parameters, got Tensor"),
    (lambda: nn.ParameterDict()["w"], MissingKey, "no parameter 'w'; it holds none"),
    (lambda: nn.ParameterDict({"keys": cutaway.ones(1)}), ArgumentError, "'keys' is the name of one of its methods"),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=range(len(ERRORS)))
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
