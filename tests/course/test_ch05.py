"""Chapter 5: the answers stand in the place of the library's optimisers, and race even if they are loops."""

import numpy as np
import pytest

import cutaway
from cutaway import nn, optim
from cutaway.core.errors import ArgumentError
from cutaway.course.ch05_optimisers import check, exercises
from cutaway.course.ch05_optimisers.problems import VALLEY, race

NAMES = {e.name: e for e in check.EXERCISES}
MAKERS = {
    "plain": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.1),
    "adam": lambda p: optim.Adam(p, lr=0.1),
}


def steps(make):
    w = nn.Parameter(cutaway.tensor([[-7.0, 2.0], [0.5, 3.0]]))
    optimizer = make([w])
    for _ in range(4):
        optimizer.zero_grad()
        (w * w * cutaway.tensor([0.1, 2.0])).sum().backward()
        optimizer.step()
    return w.detach().numpy()


@pytest.mark.parametrize("name", MAKERS)
def test_a_plugged_rule_steps_as_the_library_does(name):
    theirs = steps(MAKERS[name])
    parts = {}
    for plug in check.PLUGS:
        parts |= plug.make(*(NAMES[n].reference for n in plug.names))
    with cutaway.use(**parts) as used:
        mine = steps(MAKERS[name])
    assert sum(used.calls.values()) == 1
    assert np.allclose(mine, theirs, rtol=1e-5)


@pytest.mark.parametrize("name", ["plain", "nesterov", "adam"])
def test_a_plugged_rule_is_compiled_with_the_step(name):
    found = []
    for compiled in (False, True):
        w = nn.Parameter(cutaway.tensor([[-7.0, 2.0], [0.5, 3.0]]))
        parts = {}
        for plug in check.PLUGS:
            parts |= plug.make(*(NAMES[n].reference for n in plug.names))
        with cutaway.use(**parts):
            optimizer = MAKERS[name]([w])

        def step(x, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (w * w * x).sum()
            loss.backward()
            optimizer.step()
            return loss

        run = cutaway.compile(step) if compiled else step
        for _ in range(3):
            run(cutaway.tensor([0.1, 2.0]))
        found.append(w.detach().numpy())
    assert np.allclose(*found, rtol=1e-5)


def test_a_rule_that_has_not_passed_is_not_stood_in_for():
    with cutaway.use(SGD=check.descent(check.sgd)), pytest.raises(ArgumentError, match="write 5.momentum"):
        optim.SGD([nn.Parameter(cutaway.zeros(1))], lr=0.1, momentum=0.9)


def test_a_loop_races_as_a_formula_does():
    problem = VALLEY._replace(steps=5)
    formula = race(lambda p, g, v, lr, t: check.momentum(p, g, v, lr, 0.9), 1, problem)
    loop = race(lambda p, g, v, lr, t: exercises.momentum_spec(p, g, v, lr, 0.9), 1, problem)
    assert np.array_equal(formula.path, loop.path)
