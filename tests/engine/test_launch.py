"""The quick way into a compiled function: whatever changes around it between two calls is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway import nn, optim
from cutaway.core.tensor import Tensor
from cutaway.engine.compile import Compiled, compile

from .stepping import stepping


def net() -> nn.Module:
    """Two layers and dropout."""
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))


class Setting:
    """A model, its optimiser, a compiled step and an eager twin of all three that must go the same way."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.models, self.optimizers, self.steps = [], [], []
        for _ in range(2):
            cutaway.manual_seed(3)
            model = net()
            self.models.append(model)
            self.optimizers.append(make(model.parameters()))
            self.steps.append(stepping(model, self.optimizers[-1]))
        self.compiled = compile(self.steps[0])
        self.x, self.t = cutaway.randn(5, 3), cutaway.tensor([0, 1, 1, 0, 1])

    def go(self, n: int = 2) -> None:
        """Some steps of both, which must give the same losses and parameters."""
        for _ in range(n):
            cutaway.manual_seed(11)
            got = self.compiled(self.x, self.t).item()
            cutaway.manual_seed(11)
            assert got == pytest.approx(self.steps[1](self.x, self.t).item(), rel=1e-5)
        for a, b in zip(*(m.state_dict().values() for m in self.models), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)

    def each(self, change: Callable[[nn.Module, Any], None]) -> None:
        """The same change to both."""
        for model, optimizer in zip(self.models, self.optimizers, strict=True):
            cutaway.manual_seed(5)
            change(model, optimizer)


def replace_parameter(m: Any, o: Any) -> None:
    m[2].bias = nn.Parameter(cutaway.tensor([3.0, -3.0]))


def replace_layer(m: Any, o: Any) -> None:
    m[0] = nn.Linear(3, 4)


def append_layer(m: Any, o: Any) -> None:
    m.append(nn.Linear(2, 2))


def other_memory(m: Any, o: Any) -> None:
    m[0].weight.data = cutaway.ones(4, 3)


def freeze(m: Any, o: Any) -> None:
    m[0].weight.requires_grad_(False)
    m[0].weight.grad = None


def evaluate(m: Any, o: Any) -> None:
    m.eval()


def one_in_eval(m: Any, o: Any) -> None:
    m[1].eval()


def learning_rate(m: Any, o: Any) -> None:
    o.param_groups[0]["lr"] = 0.5


def weight_decay(m: Any, o: Any) -> None:
    o.param_groups[0]["weight_decay"] = 0.25


def maximize(m: Any, o: Any) -> None:
    o.param_groups[0]["maximize"] = True


def load_state(m: Any, o: Any) -> None:
    state = o.state_dict()
    for remembered in state["state"].values():
        for name in remembered:
            remembered[name] = remembered[name] * 0 + (1.0 if name == "step" else 0.0)
    o.load_state_dict(state)


def forget_one(m: Any, o: Any) -> None:
    del o.state[m[0].weight]


def remember_another(m: Any, o: Any) -> None:
    for remembered in o.state.values():
        for name in remembered:
            remembered[name] = cutaway.ones(remembered[name].shape)


def more_parameters(m: Any, o: Any) -> None:
    m.append(nn.Linear(2, 2))
    o.add_param_group({"params": m[3].parameters()})


def fewer_parameters(m: Any, o: Any) -> None:
    o.param_groups[0]["params"].pop()


CHANGES = [
    replace_parameter, replace_layer, append_layer, other_memory, freeze, evaluate, one_in_eval, learning_rate, weight_decay,
    maximize, load_state, forget_one, remember_another, more_parameters, fewer_parameters,
]  # fmt: skip
RULES: dict[str, Callable[[Any], Any]] = {
    "adam": lambda ps: optim.Adam(ps, lr=0.01),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_a_change_between_calls_counts(change, rule):
    s = Setting(RULES[rule])
    s.go(3)
    s.each(change)
    s.go(3)


def test_a_scheduler_costs_no_trace():
    s = Setting(RULES["adam"])
    schedules = [optim.lr_scheduler.StepLR(o, 1, gamma=0.5) for o in s.optimizers]
    for _ in range(4):
        s.go(1)
        for schedule in schedules:
            schedule.step()
    assert len(s.compiled.variants) == 1


def test_adam_is_traced_once_and_momentum_twice():
    for rule, traces in (("adam", 1), ("momentum", 2)):
        s = Setting(RULES[rule])
        s.go(4)
        assert len(s.compiled.variants) == traces


class Trainer:
    """Holds what its step uses."""

    def __init__(self) -> None:
        self.model, self.seen = nn.Linear(2, 2), 0

    def forward(self, x: Tensor) -> Tensor:
        """The model's answer."""
        return self.model(x)


def test_what_the_bound_object_holds_counts():
    trainer = Trainer()
    fn, x = compile(trainer.forward), cutaway.ones(1, 2)
    fn(x), fn(x)
    for _ in range(2):
        trainer.model = nn.Linear(2, 2)
        trainer.seen += 1
        assert fn(x).tolist() == trainer.model(x).tolist()


def test_a_name_that_stands_for_another_tensor_or_module():
    w, model = cutaway.tensor([1.0, 2.0]), nn.Linear(2, 2)

    def fn(x: Tensor) -> Tensor:
        return model(x) * w

    compiled, x = compile(fn), cutaway.ones(1, 2)
    for _ in range(2):
        assert compiled(x).tolist() == fn(x).tolist()
    w = cutaway.tensor([5.0, 6.0])
    assert compiled(x).tolist() == fn(x).tolist()
    model = nn.Linear(2, 2)
    assert compiled(x).tolist() == fn(x).tolist()
    assert compiled(x).tolist() == fn(x).tolist()


def test_numbers_of_equal_value_and_different_type():
    fn = compile(lambda x, n: x * n)
    x = cutaway.tensor([1, 2])
    assert [fn(x, n).dtype.name for n in (1, 1.0, True, 1)] == [(x * n).dtype.name for n in (1, 1.0, True, 1)]


def test_recording_counts():
    w = cutaway.ones(2, requires_grad=True)
    fn: Compiled = compile(lambda x: cutaway.is_grad_enabled() and (x * w).requires_grad)
    assert fn(cutaway.ones(2)) is True
    with cutaway.no_grad():
        assert fn(cutaway.ones(2)) is False
    assert fn(cutaway.ones(2)) is True


def test_results_are_fresh_memory():
    fn = compile(lambda x: x + 1)
    x = cutaway.zeros(3)
    first = fn(x)
    x.fill_(5)
    second = fn(x)
    assert (first.tolist(), second.tolist()) == ([1.0] * 3, [6.0] * 3)


def test_arguments_in_other_memory_layouts():
    fn = compile(lambda x: x * 2)
    x = cutaway.arange(6.0).reshape(2, 3)
    for y in (x.T.contiguous(), x.T, x[:, ::2].T.expand(2, 2), cutaway.from_numpy(np.arange(6.0, dtype=np.float32)[::-2])):
        assert fn(y).tolist() == (y * 2).tolist()


def test_an_argument_that_is_also_written():
    w = cutaway.tensor([1.0, 2.0])

    @compile
    def fn(x):
        w.add_(x)
        return x * 1

    assert fn(w).tolist() == [1.0, 2.0] and w.tolist() == [2.0, 4.0]
    assert fn(w).tolist() == [2.0, 4.0] and w.tolist() == [4.0, 8.0]


def test_denormals_count_as_zero_on_any_number_of_threads():
    fn = compile(lambda x: x * 0.5)
    tiny = cutaway.tensor([1e-39, 2e-38])
    assert fn(tiny).tolist() == [0.0, 0.0]
