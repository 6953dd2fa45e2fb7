"""Chapters 6 and 7: the answers stand in the place of the library's layers, forward and backward."""

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError
from cutaway.course import exercise
from cutaway.course.ch06_training import check as six
from cutaway.course.ch07_convolution import check as seven
from cutaway.nn import functional as F


def plugged(chapter):
    answers = {e.name: e.reference for e in chapter.EXERCISES}
    parts = {}
    for plug in chapter.PLUGS:
        assert isinstance(plug, exercise.Plug)
        parts |= plug.make(*(answers[n] for n in plug.names))
    return cutaway.use(**parts)


def of(net, x):
    """The result of a net, all gradients, and what it remembers."""
    y = net(x)
    (y * y * y).sum().backward()
    return [y.detach().numpy(), *(p.grad.numpy() for p in net.parameters()), *(b.numpy() for b in net.buffers())]


NETS = {
    "normalised": (six, "batch_norm", lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Tanh()), (5, 6)),
    "normalised planes": (six, "batch_norm", lambda: nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3)), (2, 1, 4, 4)),
    "convolved": (seven, "conv2d", lambda: nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.Tanh()), (2, 2, 7, 7)),
    "pooled": (seven, "max_pool2d", lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.MaxPool2d(2)), (2, 1, 8, 8)),
}


@pytest.mark.parametrize("name", NETS)
def test_a_plugged_layer_computes_as_the_librarys(name):
    chapter, part, make, shape = NETS[name]
    x = cutaway.tensor(np.random.default_rng(0).normal(size=shape)).float()
    found = []
    for mine in (False, True):
        cutaway.manual_seed(0)
        net = make()
        if mine:
            with plugged(chapter) as used:
                found.append([of(net, x), net.eval()(x).detach().numpy()])
            assert used.calls[part] == 2
        else:
            found.append([of(net, x), net.eval()(x).detach().numpy()])
    for theirs, mine in zip(found[0][0], found[1][0], strict=True):
        assert np.allclose(mine, theirs, rtol=1e-4, atol=1e-4)
    assert np.allclose(found[1][1], found[0][1], rtol=1e-4, atol=1e-5)


def test_plugged_dropout_drops_the_same_forward_and_backward():
    x = cutaway.ones(4000).requires_grad_()
    with plugged(six):
        y = F.dropout(x, 0.25)
        y.sum().backward()
        assert F.dropout(x, 0.25, training=False) is x
    assert set(np.unique(y.detach().numpy()).tolist()) == {0.0, np.float32(1 / 0.75).item()}
    assert np.array_equal(x.grad.numpy(), y.detach().numpy()) and 0.22 < (y.detach().numpy() == 0).mean() < 0.28


def test_what_a_plugged_layer_cannot_do_is_said():
    with plugged(seven):
        with pytest.raises(ArgumentError, match="one number for the stride"):
            F.conv2d(cutaway.zeros(1, 1, 4, 4), cutaway.zeros(1, 1, 2, 2), stride=(1, 2))
        with pytest.raises(ArgumentError, match="dilation of 1"):
            F.conv2d(cutaway.zeros(1, 1, 4, 4), cutaway.zeros(1, 1, 2, 2), dilation=2)
        with pytest.raises(ArgumentError, match="overlap"):
            F.max_pool2d(cutaway.zeros(1, 1, 4, 4), 2, 1)
