"""Recordings: what they hold is what the program computed, whoever computed it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core import accelerate
from cutaway.core.op import OPS
from cutaway.inspect import record, rules
from cutaway.inspect.values import heat, to_json
from cutaway.inspect.weight import walk
from cutaway.nn import functional as F


def found(data: dict, value: int) -> np.ndarray:
    """A small value's numbers."""
    v = data["values"][value]
    return np.array([float(x) for x in v["data"]]).reshape(v["shape"])


def leaf_gradients(data: dict) -> dict[str, np.ndarray]:
    """The sum of what arrived at each named leaf."""
    sums: dict[str, np.ndarray] = {}
    for step in data["backward"]:
        for part in step["parts"]:
            if part.get("leaf") and "node" in step:
                name = data["values"][data["nodes"][step["node"]]["inputs"][part["input"]]].get("name", "?")
                sums[name] = sums.get(name, 0.0) + found(data, part["gradient"])
    return sums


def groceries():
    apple, apples, orange, oranges, tax = (
        cutaway.tensor(x, dtype=cutaway.float64, requires_grad=True) for x in (100.0, 2.0, 150.0, 3.0, 1.1)
    )
    with record() as r:
        price = (apple * apples + orange * oranges) * tax
        price.backward()
    return r


def test_apples_and_oranges_are_the_books():
    data = groceries().data
    assert [n["op"] for n in data["nodes"]] == ["mul", "mul", "add", "mul"]
    assert [found(data, n["outputs"][0]).item() for n in data["nodes"]] == pytest.approx([200.0, 450.0, 650.0, 715.0])
    gradients = {name: g.item() for name, g in leaf_gradients(data).items()}
    assert gradients == pytest.approx({"apple": 2.2, "apples": 110.0, "orange": 3.3, "oranges": 165.0, "tax": 650.0})
    assert all("price = (apple" in n["source"] for n in data["nodes"])
    first = data["backward"][0]
    assert data["nodes"][first["node"]]["rules"] == [
        {"text": "g * b", "reads": [["b", 1]]}, {"text": "g * a", "reads": [["a", 0]]}
    ]  # fmt: skip
    assert [found(data, p["local"]).item() for p in first["parts"]] == pytest.approx([1.1, 650.0])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 2, 3), nn.Linear(2 * 3 * 3, 3)

    def forward(self, x):
        return self.fc(F.max_pool2d(self.conv(x).relu(), 2).flatten(1))


def step_of(native: bool):
    """A recording of a step of a small ConvNet, the gradients that the step left, and the loss."""
    cutaway.manual_seed(1)
    model, x, t = Net(), cutaway.randn(4, 1, 8, 8), cutaway.tensor([0, 2, 1, 1])
    optimizer = cutaway.optim.Adam(model.parameters(), lr=0.01)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        return loss

    with accelerate.at_once() if native else accelerate.numpy_only():
        step()
    with (accelerate.at_once() if native else accelerate.numpy_only()), record() as r:
        loss = step()
        gradients = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
        optimizer.step()
    return r, gradients, loss


@pytest.mark.parametrize("native", [True, False])
def test_a_network_is_seen_through_layers_and_composites_native_or_not(native):
    r, gradients, loss = step_of(native)
    assert any(e.call is not None for e in r.recorder.events) == native
    data = r.data
    json.dumps(data, allow_nan=False)
    ops = {n["op"] for n in data["nodes"]}
    assert {"einsum", "windows", "relu", "gather"} <= ops or {"matmul", "windows", "relu"} <= ops
    layers = {s["path"]: s for s in data["scopes"] if s["kind"] == "layer"}
    assert {p: s["name"] for p, s in layers.items()} == {"": "Net", "conv": "Conv2d", "fc": "Linear"}
    assert {"conv2d", "linear", "max_pool2d", "cross_entropy"} <= {s["name"] for s in data["scopes"] if s["kind"] == "composite"}
    assert [s["name"] for s in data["scopes"] if s["kind"] == "step"] == ["Adam.step"]
    for name, g in leaf_gradients(data).items():
        if name in gradients:
            np.testing.assert_allclose(g, gradients.pop(name), rtol=1e-5, atol=1e-7)
    assert set(gradients) <= {"fc.weight"} | {k for k, g in gradients.items() if g.size > 64}
    forward = [n for n in data["nodes"] if n["kind"] != "update"]
    last = [n for n in forward if found_or_none(data, n["outputs"][0]) is not None][-1]
    assert last["source"] in ("loss = F.cross_entropy(model(x), t)",)
    values = [found_or_none(data, n["outputs"][0]) for n in data["nodes"]]
    assert any(v is not None and v.shape == () and np.isclose(v, loss.item(), rtol=1e-6) for v in values)


def found_or_none(data: dict, value: int) -> np.ndarray | None:
    return found(data, value) if "data" in data["values"][value] else None


def test_parameters_are_shown_as_they_were_before_the_optimiser_changed_them():
    w = cutaway.tensor([1.0, 2.0], requires_grad=True)
    optimizer = cutaway.optim.SGD([w], lr=0.5)
    with record() as r:
        (w * w).sum().backward()
        optimizer.step()
    assert w.tolist() == [0.0, 0.0]
    before, after = (v for v in r.data["values"] if v.get("name") == "w")
    assert before["data"] == [1.0, 2.0] and before["given"]
    assert after["data"] == [0.0, 0.0] and "given" not in after


def test_what_a_closure_does_within_a_step_is_seen():
    w = cutaway.tensor([1.0, 2.0], requires_grad=True)
    optimizer = cutaway.optim.SGD([w], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with record() as r:
        optimizer.step(closure)
    assert w.tolist() == [0.0, 0.0]
    assert [n["op"] for n in r.data["nodes"]][:2] == ["mul", "sum"]
    assert leaf_gradients(r.data)["w"].tolist() == [2.0, 4.0]


def test_a_function_of_the_users_own_is_a_box():
    class Square(cutaway.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * 2

    x = cutaway.tensor([3.0], requires_grad=True)
    with record() as r:
        Square.apply(x).sum().backward()
    box = next(n for n, s in enumerate(r.data["scopes"]) if s["kind"] == "function")
    assert r.data["scopes"][box]["name"].endswith("Square")
    (step,) = (s for s in r.data["backward"] if s.get("scope") == box)
    assert found(r.data, step["parts"][0]["gradient"]).tolist() == [6.0]


def test_a_compiled_step_is_run_as_it_is_written():
    x = cutaway.randn(4, 3)
    compiled = cutaway.compile(lambda x: (x * 2).exp().sum())
    want = compiled(x).item()
    with record() as r:
        got = compiled(x)
    assert [n["op"] for n in r.data["nodes"]] == ["mul", "exp", "sum"]
    assert got.item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_open(kind):
    cutaway.manual_seed(0)
    layer, x = getattr(nn, kind)(2, 3), cutaway.randn(3, 1, 2)
    with accelerate.at_once():
        layer(x)[0].sum().backward()
        layer.zero_grad()
        with record() as r:
            layer(x)[0].sum().backward()
    assert any(e.call is not None and e.call.fn.__name__ == "recurrence" for e in r.recorder.events)
    sums = leaf_gradients(r.data)
    for name, p in layer.named_parameters():
        np.testing.assert_allclose(sums[name], p.grad.numpy(), rtol=1e-5, atol=1e-6)


# --- one weight -------------------------------------------------------------------------------------------------------


def test_a_weights_paths_add_up_to_its_gradient():
    r, gradients, loss = step_of(True)
    story = r.story
    for key in [k for k in story.arrays if story.names.get(k[0]) in gradients and k in story.copied]:
        g = gradients[story.names[key[0]]]
        index = tuple(int(i) for i in np.unravel_index(np.abs(g).argmax(), g.shape))
        w = walk(story, key, index)
        assert w.total == pytest.approx(g[index], rel=1e-4, abs=1e-7)
        assert w.gradient == pytest.approx(g[index], rel=1e-4, abs=1e-7)
        assert sum(p.product for p in w.paths) == pytest.approx(w.total, rel=1e-6)
        assert w.loss == pytest.approx(loss.item(), rel=1e-6)
        middle = w.nudged[len(w.nudged) // 2]
        assert middle == pytest.approx((w.weight, w.loss), rel=1e-5)
        (left, a), (right, b) = w.nudged[0], w.nudged[-1]
        assert left < w.weight < right and a != b


def test_the_tangent_touches_the_curve_of_losses():
    w = cutaway.tensor(0.7, dtype=cutaway.float64, requires_grad=True)
    with record() as r:
        ((w * 3).sin() + w * w).backward()
    key = next(k for k in r.story.arrays if r.story.names.get(k[0]) == "w")
    found = walk(r.story, key, (), span=0.5)
    for v, loss in found.nudged:
        assert loss == pytest.approx(np.sin(3 * v) + v * v, rel=1e-9)
    assert found.total == pytest.approx(3 * np.cos(2.1) + 1.4, rel=1e-8)
    assert len(found.paths) == 2


def test_there_must_be_a_way_to_the_loss():
    w, unused = cutaway.ones(2, requires_grad=True), cutaway.ones(2, requires_grad=True)
    with record() as r:
        unused * 2
        w.sum().backward()
    key = next(k for k in r.story.arrays if r.story.names.get(k[0]) == "unused")
    with pytest.raises(cutaway.ArgumentError, match="nothing that was recorded leads"):
        walk(r.story, key, (0,))
    with record() as r:
        w * 2
    with pytest.raises(cutaway.ArgumentError, match="no backward pass"):
        walk(r.story, next(iter(r.story.arrays)), (0,))


# --- values -----------------------------------------------------------------------------------------------------------


def test_values_as_data():
    assert to_json(np.array([1.5, np.nan, -np.inf]))["data"] == [1.5, "nan", "-inf"]
    a = np.linspace(-3, 3, 6000, dtype=np.float32).reshape(60, 100)
    a[30, 50] = 70.0
    made = to_json(a, 20)
    stats = made["stats"]
    assert stats["mean"] == pytest.approx(a.mean(dtype=np.float64), rel=1e-6)
    assert stats["std"] == pytest.approx(a.std(dtype=np.float64), rel=1e-5)
    picture = made["heat"]
    assert (picture["rows"], picture["columns"], picture["step"]) == (20, 20, [3, 5])
    import base64

    cells = np.frombuffer(base64.b64decode(picture["cells"]), np.uint8).reshape(20, 20)
    assert cells[10, 10] == 252 == cells.max() and picture["high"] == 70.0


@pytest.mark.parametrize("shape", [(65,), (200,), (3, 4, 5, 6), (2, 0, 5), (100, 1, 1, 1), (7, 11, 2)])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "float16"])
def test_pictures_of_any_shape(shape, dtype):
    a = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    if a.size:
        made = heat(a, 16)
        assert 0 < made["rows"] <= 16 and 0 < made["columns"] <= 16
    else:
        assert to_json(a)["data"] == []


def test_infinities_and_nan_keep_their_places():
    a = np.zeros((10, 10), np.float32)
    a[0, 0], a[1, 1], a[2, 2] = np.nan, np.inf, -np.inf
    made = to_json(a)
    assert (made["stats"]["nan"], made["stats"]["inf"]) == (1, 2)
    import base64

    cells = np.frombuffer(base64.b64decode(made["heat"]["cells"]), np.uint8).reshape(10, 10)
    assert (cells[0, 0], cells[1, 1], cells[2, 2]) == (253, 254, 255)


def test_a_write_in_place_leaves_what_was_recorded_before_it():
    x = cutaway.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with record() as r:
        y = x * 2
        y[0] = 7.0
        y.mul_(3)
        y.sum().backward()
    data = r.data
    made = {n["op"]: data["values"][n["outputs"][0]]["data"] for n in data["nodes"] if n["op"] in ("slice", "write", "sum")}
    assert made == {"slice": [2.0], "write": [7.0, 4.0, 6.0], "sum": [51.0]}
    first, second = (n for n in data["nodes"] if n["op"] == "mul")
    write = next(n for n in data["nodes"] if n["op"] == "write")
    assert data["values"][first["outputs"][0]]["data"] == [2.0, 4.0, 6.0]
    assert write["inputs"][0] == first["outputs"][0] and second["inputs"][0] == write["outputs"][0]
    assert data["nodes"][-1]["inputs"] == second["outputs"]  # the sum reads what was written
    last = data["backward"][-1]["parts"][0]
    assert last["leaf"] and data["values"][last["gradient"]]["data"] == x.grad.tolist() == [0.0, 6.0, 6.0]


def test_what_an_optimiser_writes_later_does_not_change_what_was_recorded():
    w = nn.Parameter(cutaway.tensor([[1.0, 2.0], [3.0, 4.0]]))
    optimizer = cutaway.optim.SGD([w], lr=1.0)
    with record() as r:
        (w.t() * 2).sum().backward()
        g = w.grad.tolist()
        optimizer.step()
        w.grad.mul_(10)
    data = r.data
    turned = data["values"][data["nodes"][0]["outputs"][0]]["data"]
    assert turned == [1.0, 3.0, 2.0, 4.0] and w.tolist() == [[-1.0, 0.0], [1.0, 2.0]]
    arrived = [data["values"][p["gradient"]]["data"] for s in data["backward"] for p in s["parts"] if p.get("leaf")]
    assert arrived == [[x for row in g for x in row]]


def test_a_weight_is_followed_through_a_write_in_place():
    x = cutaway.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with record() as r:
        y = x * x
        y[1:] = y[:2] * 5
        y.sum().backward()
    for n in range(3):
        found = r.walk(x, n)
        assert found.total == pytest.approx(x.grad[n].item(), rel=1e-5) and found.gradient == x.grad[n].item()


# --- rules as they are read ---------------------------------------------------------------------------------------------

SPECS = ["mk,kn->mn", "mk,nk->mn", "km,kn->mn", "km,nk->mn", "mk,kn->nm", "bmk,bkn->bmn", "mk,k->m"]


def test_rules_are_told_in_public_names():
    told = {}
    for name, op in OPS.items():
        for i in range(4):
            try:
                rule = op.rule(i)
            except IndexError:
                break
            if rule is not None:
                told[name, i] = rules.said(op, i, {"spec": SPECS[0]})
    assert len(told) > 70
    assert {k: t for k, t in told.items() if re.search(r"(?<!\w)_\w|\._|slice_|backward", t)} == {}


@pytest.mark.parametrize("key", [k for k in rules.SAID if OPS[k[0]].kind == "elementwise" and k[0] != "gate"], ids=str)
def test_a_rule_that_is_told_otherwise_says_the_same(key):
    name, i = key
    a, b = np.array([-1.5, -0.3, 0.4, 0.4, 2.0]), np.array([0.5, -0.3, 0.4, 1.0, -2.0])
    given = [cutaway.tensor(x, requires_grad=True) for x in ((a, b) if name in ("atan2", "maximum", "minimum") else (a,))]
    y = getattr(cutaway, name)(*given, **({"min": -1.0, "max": 1.0} if name == "clamp" else {}))
    g = cutaway.tensor([1.0, 2.0, -3.0, 0.5, 4.0], dtype=cutaway.float64)
    (want,) = cutaway.autograd.grad(y, given[i], g)
    space = {"g": g, "y": y.detach(), "where": cutaway.where, "low": -1.0, "high": 1.0, **dict(zip("ab", [t.detach() for t in given]))}
    np.testing.assert_allclose((eval(rules.SAID[key], space) * cutaway.ones(5)).numpy(), want.numpy(), rtol=1e-12)


@pytest.mark.parametrize("spec", SPECS)
def test_the_rules_of_a_product_are_products(spec):
    sizes = dict(zip("bmkn", (2, 3, 4, 5)))
    left, right = spec.partition("->")[0].split(",")
    a, b = (np.random.default_rng(0).normal(size=[sizes[c] for c in labels]) for labels in (left, right))
    x, w = (cutaway.tensor(v, requires_grad=True) for v in (a, b))
    y = cutaway.einsum(spec, x, w)
    g = np.random.default_rng(1).normal(size=tuple(y.shape))
    for i, want in enumerate(cutaway.autograd.grad(y, (x, w), cutaway.tensor(g))):
        text = rules.said(OPS["einsum"], i, {"spec": spec})
        assert ("@" in text) == (len(spec) == 9)
        space = {"g": g, "a": a, "b": b, "einsum": np.einsum}
        np.testing.assert_allclose(eval(text.replace("ᵀ", ".T"), space), want.numpy(), rtol=1e-12)
