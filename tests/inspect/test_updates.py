"""An optimiser's step in a recording: what its rule computed, term by term, and where it stands among the other steps."""

from __future__ import annotations

import re

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core import accelerate
from cutaway.inspect import followed, record

torch = pytest.importorskip("torch")


def numbers(data: dict, value: int) -> np.ndarray:
    v = data["values"][value]
    return np.array(v["data"], np.float64).reshape(v["shape"])


def three_steps(library, make, native=False):
    """The parameter after three steps, its optimiser, and a recording of them where the library is Cutaway."""
    w = library.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True)
    optimizer, r = make(library.optim)([w]), None

    def steps():
        for n in range(3):
            optimizer.zero_grad()
            ((w * w * (n + 1)).sum() + w[0, 1] * 3).backward()
            optimizer.step()

    if library is torch:
        steps()
    else:
        with accelerate.at_once() if native else accelerate.numpy_only(), record() as r:
            steps()
    return w, optimizer, r


RULES = {
    "sgd": lambda o: lambda p: o.SGD(p, lr=0.1),
    "momentum": lambda o: lambda p: o.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda o: lambda p: o.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda o: lambda p: o.Adam(p, lr=0.1, weight_decay=0.2),
    "amsgrad": lambda o: lambda p: o.Adam(p, lr=0.1, amsgrad=True, maximize=True),
    "adamw": lambda o: lambda p: o.AdamW(p, lr=0.1, weight_decay=0.2),
    "adagrad": lambda o: lambda p: o.Adagrad(p, lr=0.1, lr_decay=0.3),
    "rmsprop": lambda o: lambda p: o.RMSprop(p, lr=0.1),
    "rmsprop, all": lambda o: lambda p: o.RMSprop(p, lr=0.1, centered=True, momentum=0.5, weight_decay=0.1),
}  # fmt: skip
STATE = {"m": "exp_avg", "v": "exp_avg_sq", "b": "momentum_buffer", "G": "sum"}


@pytest.mark.parametrize("name", RULES)
def test_the_terms_are_pytorchs_memory_and_lead_to_where_the_step_led(name):
    want, theirs, _ = three_steps(torch, RULES[name])
    w, _, r = three_steps(cutaway, RULES[name], native=name in ("adam", "momentum"))
    data = r.data
    updates = [n for n in data["nodes"] if n["kind"] == "update"]
    assert len(updates) == 3
    for n in updates:
        before, after = numbers(data, n["inputs"][0]), numbers(data, n["outputs"][0])
        assert n["terms"] and all(t["formula"] for t in n["terms"])
        np.testing.assert_allclose(before + numbers(data, n["terms"][-1]["value"]), after, rtol=1e-5, atol=1e-6)
        change = numbers(data, n["change"])
        np.testing.assert_array_equal(change, after - before)
        assert n["moved"]["raised"] == (change > 0).sum() and n["moved"]["lowered"] == (change < 0).sum()
        assert abs(n["moved"]["largest"]) == abs(change).max() == abs(change[tuple(n["moved"]["element"])])
    np.testing.assert_allclose(numbers(data, updates[-1]["outputs"][0]), want.detach().numpy(), rtol=1e-4)
    state = theirs.state[want]
    if name.startswith("rms"):
        state = {"exp_avg_sq": state["square_avg"], **state} if name == "rmsprop" else state
    found = {t["name"]: t["value"] for t in reversed(updates[-1]["terms"])}  # of v, before the maximum is taken
    for term, of in STATE.items():
        if term in found and of in state:
            np.testing.assert_allclose(numbers(data, found[term]), state[of].numpy(), rtol=1e-4)
    if name.startswith("adam"):
        np.testing.assert_allclose(numbers(data, found[r"\hat{m}"]), numbers(data, found["m"]) / (1 - 0.9**3), rtol=1e-12)
    np.testing.assert_allclose(w.detach().numpy(), numbers(data, updates[-1]["outputs"][0]), rtol=1e-6)


class Careful(cutaway.optim.Optimizer):
    """A rule of the user's own."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    def start(self, h):
        return {"seen": 0.0}

    def update(self, p, g, s, t, h):
        seen = s["seen"] + g * g
        step = h["lr"] * g / (1 + seen)
        return p - step, {"seen": seen}


def test_a_rule_of_the_users_own_shows_its_variables():
    w, _, r = three_steps(cutaway, lambda o: lambda p: Careful(p, 0.5))
    last = [n for n in r.data["nodes"] if n["kind"] == "update"][-1]
    terms = {t["name"]: t for t in last["terms"]}
    assert last["op"] == "Careful" and list(terms) == ["seen", "step"]
    assert terms["step"]["code"] == "h['lr'] * g / (1 + seen)"
    moved = numbers(r.data, terms["step"]["value"])
    np.testing.assert_allclose(numbers(r.data, last["inputs"][0]) - moved, w.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_is_told_from_its_first_evaluation_to_its_end(search):
    w = cutaway.tensor([1.0, -2.0], requires_grad=True)
    optimizer = cutaway.optim.LBFGS([w], max_iter=3, line_search_fn=search)

    def closure():
        optimizer.zero_grad()
        loss = ((w - 3) ** 4).sum()
        loss.backward()
        return loss

    with record() as r:
        optimizer.step(closure)
    (update,) = (n for n in r.data["nodes"] if n["kind"] == "update")
    assert numbers(r.data, update["inputs"][0]).tolist() == [1.0, -2.0]
    assert numbers(r.data, update["outputs"][0]).tolist() == w.tolist() and not update["terms"]


def test_steps_stand_in_the_order_in_which_they_ran():
    _, _, r = three_steps(cutaway, RULES["sgd"])
    data = r.data
    updates = [n for n, node in enumerate(data["nodes"]) if node["kind"] == "update"]
    passes = [s["walk"] for s in data["backward"]]
    assert sorted(set(passes)) == [0, 1, 2] and passes == sorted(passes)
    for walk, update in enumerate(updates):
        assert {s["after"] for s in data["backward"] if s["walk"] == walk} == {update}
    before = [data["nodes"][n]["inputs"][0] for n in updates]
    after = [data["nodes"][n]["outputs"][0] for n in updates]
    assert before[1:] == after[:-1]  # what a step leaves is what the next reads
    assert data["nodes"][updates[0] + 1]["inputs"][0] == after[0]


def test_passes_are_told_apart_through_a_native_box_that_two_of_them_cross():
    cutaway.manual_seed(0)
    layer, x = nn.Linear(3, 2), cutaway.randn(4, 3)
    with accelerate.at_once():
        layer(x).sum().backward()
        layer.zero_grad()
        with record() as r:
            y = layer(x)
            (y * 2).sum().backward(retain_graph=True)
            (y * 5).sum().backward()
    data = r.data
    assert any(e.call is not None for e in r.recorder.events)
    arrived = {0: [], 1: []}
    for s in data["backward"]:
        for p in s["parts"]:
            if p.get("leaf") and data["values"][p["gradient"]]["shape"] == [2]:
                arrived[s["walk"]].append(numbers(data, p["gradient"]).tolist())
    assert arrived == {0: [[8.0, 8.0]], 1: [[20.0, 20.0]]}


def test_a_weight_is_followed_to_the_loss_of_its_own_pass():
    a, b = (cutaway.tensor(x, requires_grad=True) for x in (2.0, 3.0))
    optimizer = cutaway.optim.SGD([a, b], lr=0.1)
    with record() as r:
        (a * a).backward()
        optimizer.step()
        optimizer.zero_grad()
        (a * b * b).backward()
    first, second = r.walk(a), r.walk(b)
    assert (first.step, second.step) == (0, 1)
    assert first.total == pytest.approx(4.0) == first.gradient
    assert second.total == pytest.approx(2 * 1.6 * 3) and second.gradient == pytest.approx(2 * 1.6 * 3)
    walks, rest = r._walks
    assert [(w["name"], w["pass"]) for w in walks] == [("a", 0), ("a", 1), ("b", 1)] and rest == ""


def test_a_page_says_which_weights_it_does_not_follow_and_what_to_do(monkeypatch):
    w = cutaway.zeros(300, 40, requires_grad=True)
    with record() as r:
        (w * 2).sum().backward()
    walks, rest = r._walks
    assert len(walks) == 3 and re.search(r'3 of 12,000 weights.*r\.walk\("w", 0, 0\)', rest)
    with record() as r:
        w * 2
    assert r._walks[0] == [] and "loss.backward()" in r._walks[1]
    monkeypatch.setattr(followed, "MOST", 1.0)
    with record() as r:
        (w * 2).sum().backward()
    walks, rest = r._walks
    assert walks == [] and "smaller batch" in rest


def test_a_weight_is_not_followed_through_what_was_detached():
    w = cutaway.tensor(3.0, requires_grad=True)
    with record() as r:
        y = w * 2
        (y * y.detach()).backward()
    found = r.walk(w)
    assert found.total == pytest.approx(12.0) == found.gradient == w.grad.item()
    assert all(loss == pytest.approx(12 * x, rel=1e-6) for x, loss in found.nudged)


def test_a_generators_weight_is_followed_past_the_discriminators_pass():
    cutaway.manual_seed(0)
    g, d = nn.Linear(2, 2), nn.Linear(2, 1)
    with record() as r:
        fake = g(cutaway.ones(3, 2))
        d(fake.detach()).mean().backward()
        d.zero_grad()
        d(fake).mean().backward()
    found = r.walk(g.weight, 0, 1)
    assert found.step == 1 and found.total == pytest.approx(g.weight.grad[0, 1].item(), rel=1e-5)
    assert sum(p.product for p in found.paths) == pytest.approx(found.total) and all(p.product for p in found.paths)


def test_a_weight_is_followed_through_a_mask_of_infinities():
    cutaway.manual_seed(0)
    project, x = nn.Linear(4, 12), cutaway.randn(1, 3, 4)
    with record() as r:
        q, k, v = project(x).chunk(3, -1)
        nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).square().sum().backward()
    for index in ((0, 1), (5, 2), (9, 3)):
        found = r.walk(project.weight, *index)
        assert found.total == pytest.approx(project.weight.grad[index].item(), rel=1e-4, abs=1e-7)


def test_hooks_are_told():
    x = cutaway.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: g + 1)
    with record() as r:
        y = x * 3
        y.register_hook(lambda g: g * 10)
        y.sum().backward()
    first, second = r.data["backward"]
    assert "hook" not in first and second["hook"] and second["parts"][0]["hook"]
    assert numbers(r.data, next(iter(second["arrived"].values()))).tolist() == [10.0, 10.0] and x.grad.tolist() == [31.0, 31.0]
