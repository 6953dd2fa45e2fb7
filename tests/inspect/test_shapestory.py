"""A ShapeError that leaves a model tells the shapes layer by layer; nothing runs twice for it."""

from __future__ import annotations

import pytest

import cutaway
from cutaway import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.MaxPool2d(2)
        )
        self.fc1, self.fc2 = nn.Linear(400, 32), nn.Linear(32, 10)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.fc2(self.fc1(self.features(x).flatten(1)).relu())


def told(call):
    with pytest.raises(cutaway.ShapeError) as caught:
        call()
    head, *rows = str(caught.value).split("\n")
    return head, [tuple(part for part in row.split("  ") if part.strip()) for row in rows]


def test_the_story_up_to_the_layer_that_failed():
    net, x = Net(), cutaway.randn(4, 1, 28, 28)
    head, rows = told(lambda: net(x))
    assert head.endswith("in layer fc1 (Linear)") and net.calls == 1
    lines = {name.strip(): shapes.strip() for name, shapes in rows[1:]}
    assert lines["Net is given"] == "[4, 1, 28, 28]"
    real = {name: list(m.weight.shape) for name, m in net.named_modules() if hasattr(m, "weight")}
    h = x
    for k, layer in enumerate(net.features):
        before, h = h, layer(h)
        if f"features.{k}" in real:
            shown = lines[f"features.{k} ({type(layer).__name__})"]
            assert shown.endswith(f"-> {list(h.shape)}")
            assert k == 0 or shown == f"{list(before.shape)} -> {list(h.shape)}"
    assert lines["reshape"] == f"{list(h.shape)} -> {list(h.flatten(1).shape)}"
    assert lines["fc1 (Linear)"] == f"{list(h.flatten(1).shape)} -> fails here"
    assert "fc2 (Linear)" not in lines


def test_native_composites_tell_it_too():
    from cutaway.core.accelerate import at_once

    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Flatten(0), nn.Linear(5, 2))
    with at_once():
        _, rows = told(lambda: net(cutaway.randn(4, 2)))
    names = [row[0].strip() for row in rows[1:]]
    assert names == ["Sequential is given", "0 (Linear)", "reshape", "3 (Linear)"]
    assert rows[3][-1].strip() == "[4, 3] -> [12]"


def test_without_gradients_the_calls_around_are_told():
    with cutaway.no_grad():
        head, rows = told(lambda: Net()(cutaway.randn(4, 1, 28, 28)))
    assert head.endswith("in layer fc1 (Linear)")
    assert [row[0].strip() for row in rows[1:]] == ["Net is given", "fc1 (Linear)"]
    _, rows = told(lambda: nn.Sequential(nn.Sequential(nn.Linear(2, 3)))(cutaway.ones(1, 5)))
    assert [row[0].strip() for row in rows[1:]] == ["Sequential is given", "0 (Sequential)", "0.0 (Linear)"]


def test_a_layer_alone_has_no_story():
    _, rows = told(lambda: nn.Linear(3, 2)(cutaway.ones(1, 4)))
    assert not rows


def test_it_stops_at_the_models_input():
    first, second = nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 3), nn.Linear(5, 2))
    _, rows = told(lambda: second(first(cutaway.ones(2, 4))))
    assert [row[0].strip() for row in rows[1:]] == ["Sequential is given", "0 (Linear)", "1 (Linear)"]
    assert rows[2][1].strip() == "[2, 6] -> [2, 3]"
