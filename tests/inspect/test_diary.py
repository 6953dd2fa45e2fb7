"""The diary: what is noted, where, and that it costs no memory."""

from __future__ import annotations

import gc
import inspect
import weakref

import pytest

import cutaway
from cutaway import nn
from cutaway.core.diary import forget, notes


@pytest.fixture(autouse=True)
def fresh():
    forget()
    yield
    forget()


def test_what_a_person_does_is_noted_with_its_line():
    lines, first = inspect.getsourcelines(test_what_a_person_does_is_noted_with_its_line)
    net, x = nn.Linear(2, 2), cutaway.ones(1, 2)
    y = net(x)
    y.detach()  # detach
    cutaway.detach(y)  # detach
    _ = y.data  # detach
    with cutaway.no_grad():  # no_grad
        pass
    y.sum().backward()  # backward
    net.zero_grad()  # zero_grad
    net.requires_grad_(False)  # freeze
    net.weight = nn.Parameter(cutaway.ones(2, 2))  # assign
    expected = [(first + k, text.rsplit("# ", 1)[1].strip()) for k, text in enumerate(lines) if "  # " in text and k < len(lines) - 4]
    found = list(dict.fromkeys((n.place[1], n.kind) for n in notes()))
    assert found == expected
    assert [n.seq for n in notes()] == sorted(n.seq for n in notes())


def test_what_cutaway_does_inside_is_not_noted():
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Softmax(-1))
    opt = cutaway.optim.SGD(net.parameters(), lr=0.1)
    loss = net(cutaway.randn(3, 4)).square().sum()
    loss.backward()
    opt.step()
    net.state_dict()
    nn.init.zeros_(net[0].bias)
    assert [n.kind for n in notes()] == ["backward"]


def test_nothing_is_kept_alive():
    x = cutaway.ones(1000, requires_grad=True)
    y = x * 2
    d = y.detach()
    y.sum().backward()
    gone = [weakref.ref(a) for a in (x, y, d, y._data, y._node)]
    del x, y, d
    gc.collect()
    assert len(notes()) == 2 and all(r() is None for r in gone)


def test_a_trace_may_detach():
    w = cutaway.ones(3, requires_grad=True)

    @cutaway.compile
    def f(x):
        with cutaway.no_grad():
            scale = (x * w).amax()
        return cutaway.autograd.grad(((x * w).detach() * w / scale).sum(), [w])[0]

    assert (f(cutaway.ones(3)) == 1.0).all()


def test_a_loop_drives_nothing_out():
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    for _ in range(1000):
        y = net(cutaway.ones(1, 2))
        y.detach()
        y.sum().backward()
        net.zero_grad()
    kinds = [n.kind for n in notes()]
    assert kinds[0] == "freeze" and len(kinds) < 20
    assert kinds[-3:] == ["detach", "backward", "zero_grad"]
