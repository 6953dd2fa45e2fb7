"""The page of a recording, in a browser: what it shows is what the program computed."""

from __future__ import annotations

import inspect
import shutil
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core import accelerate
from cutaway.inspect import followed, record
from cutaway.nn import functional as F

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        found = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def show(browser, tmp_path):
    """show(recording, width=1280, link="") -> the page, opened from disk; errors and requests fail the test."""
    wrong: list[str] = []
    pages = []

    def opened(r, width=1280, link=""):
        path = r.save(tmp_path / "recording.html")
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.on("request", lambda q: None if q.url.startswith(("file:", "data:")) else wrong.append(q.url))
        page.goto(path.as_uri() + link)
        page.wait_for_function("window.recording")
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert not wrong


def groceries():
    apple, apples, orange, oranges, tax = (cutaway.tensor(x, requires_grad=True) for x in (100.0, 2.0, 150.0, 3.0, 1.1))
    with record() as r:
        price = (apple * apples + orange * oranges) * tax
        price.backward()
    return r


def a_network():
    cutaway.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3))
    x, t = cutaway.randn(2, 1, 8, 8), cutaway.tensor([0, 2])
    with accelerate.at_once(), record() as r:
        F.cross_entropy(model(x), t).backward()
    return r


TWO_LAYERS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}


def two_layers(between):
    """A whole training step of the plainest net, and what it holds afterwards: gradients, parameters."""
    cutaway.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), TWO_LAYERS[between](), nn.Linear(4, 3))
    optimizer = cutaway.optim.SGD(model.parameters(), lr=0.1)
    x, t = cutaway.randn(5, 3), cutaway.tensor([0, 2, 1, 1, 0])
    with record() as r:
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
    return r, model, x, t, loss


class Halved(cutaway.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x / 2

    @staticmethod
    def backward(ctx, g):
        return g / 2


def own_function():
    x = cutaway.tensor([3.0, -1.0], requires_grad=True)
    with record() as r:
        (Halved.apply(x) ** 2).sum().backward()
    return r


def one_time_of_an_lstm():
    cutaway.manual_seed(0)
    layer, x = nn.LSTM(2, 3), cutaway.randn(1, 2, 2)
    with record() as r:
        layer(x)[0].sum().backward()
    return r


def a_loop():
    w, h = cutaway.tensor(0.9, requires_grad=True), cutaway.tensor(1.0)
    with record() as r:
        for _ in range(4):
            h = cutaway.tanh(w * h + 0.1)
        h.backward()
    return r


def written_in_place():
    x = cutaway.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with record() as r:
        y = x * 2
        y[0] = 7.0
        y.mul_(3)
        y.sum().backward()
    return r


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.n1, self.qkv, self.out, self.n2 = nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d), nn.LayerNorm(d)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = (y.view(n, t, self.heads, -1).transpose(1, 2) for y in self.qkv(self.n1(x)).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, d))
        return x + self.mlp(self.n2(x))


def a_gpt():
    """A step of 1,000 operations."""
    cutaway.manual_seed(0)
    model = nn.Sequential(nn.Embedding(8, 8), *[Block(8, 2) for _ in range(14)], nn.LayerNorm(8), nn.Linear(8, 8))
    optimizer, tokens = cutaway.optim.AdamW(model.parameters()), cutaway.randint(0, 8, (2, 5))
    with record() as r:
        F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).backward()
        optimizer.step()
    return r


def numbers_on(page) -> list[float]:
    """All digits of the numbers beside the graph."""
    return as_numbers(page.eval_on_selector_all(".detail td", "cells => cells.map(c => c.title)"))


def as_numbers(titles) -> list[float]:
    return [float({"NaN": "nan", "∞": "inf", "−∞": "-inf", "true": "1", "false": "0"}.get(t, t)) for t in titles]


def small(data, *values) -> list[float]:
    return [float(x) for v in values for x in data["values"][v].get("data", [])]


def a_step_of_two_layers():
    return two_layers("relu")[0]


@pytest.mark.parametrize("what", [groceries, a_step_of_two_layers, a_network, own_function, one_time_of_an_lstm, written_in_place])
def test_every_step_shows_pythons_numbers(show, what):
    r = what()
    page, data = show(r), r.data
    forward = [node for node in data["nodes"] if node["kind"] != "update"]
    for n, node in enumerate(forward):
        page.evaluate(f"recording.go({n + 1})")
        want = small(data, *node["inputs"], *node["outputs"])
        np.testing.assert_allclose(numbers_on(page), want, rtol=1e-6)
        assert page.text_content(".detail h2") == f"Forward: {node['op']}"
    for n, step in enumerate(data["backward"]):
        page.evaluate(f"recording.go({len(forward) + n + 1})")
        values = [*step["arrived"].values(), *[x["value"] for x in step.get("ran", [])]]
        for p in step["parts"]:
            node = data["nodes"][step["node"]] if "node" in step else None
            rule = node["rules"][p["input"]] if node and "rules" in node else None
            alone = "local" in p and all(len(small(data, v)) == 1 for v in (values[0], p["local"], p["gradient"]))
            values += [p["local"]] if "local" in p and not alone else []
            values += [node["outputs"][0] if w == "y" else node["inputs"][w] for _, w in rule["reads"]] if rule else []
            values += [p["gradient"]]
        np.testing.assert_allclose(numbers_on(page), small(data, *values), rtol=1e-6)
    for n, node in enumerate(data["nodes"][len(forward) :]):
        page.evaluate(f"recording.go({len(forward) + len(data['backward']) + n + 1})")
        terms = [t["value"] for t in node["terms"]]
        np.testing.assert_allclose(numbers_on(page), small(data, *node["inputs"], *terms, node["change"], *node["outputs"]), rtol=1e-6)


SEEN = """() => [...Array(Number(document.querySelector(".steps input").max)).keys()].map((n) => {
  recording.go(n + 1);
  return [document.querySelector(".steps output").textContent.split(" ")[0], [...document.querySelectorAll(".detail figure")].map((f) => [f.querySelector("b").textContent, [...f.querySelectorAll("td")].map((c) => c.title)]), [...document.querySelectorAll(".detail section")].map((s) => [s.querySelector("h3").textContent, [...s.querySelectorAll("figure:last-of-type td")].map((c) => c.title)])];
})"""


@pytest.mark.parametrize("between", TWO_LAYERS)
def test_a_two_layer_net_shows_what_python_has(show, between):
    """Beside the graph, against `.grad` and the parameters in Python, and against the formulas in NumPy."""
    r, model, x, t, loss = two_layers(between)
    steps = show(r).evaluate(SEEN)
    assert [k for k in ("forward", "backward", "update") if any(kind == k for kind, *_ in steps)] == ["forward", "backward", "update"]
    values = [as_numbers(titles) for kind, figures, _ in steps if kind == "forward" for _, titles in figures]
    gradients = {h.split(" = ")[1].split(" (")[0]: as_numbers(g) for _, _, parts in steps for h, g in parts if "added to its .grad" in h}
    after = {figures[0][0].split(" = ")[1]: as_numbers(figures[-1][1]) for kind, figures, _ in steps if kind == "update"}
    before = {figures[0][0].split(" = ")[1]: as_numbers(figures[0][1]) for kind, figures, _ in steps if kind == "update"}
    names = dict(model.named_parameters())
    assert set(gradients) == set(after) == set(names)
    for name, p in names.items():
        np.testing.assert_allclose(gradients[name], p.grad.numpy().ravel(), rtol=1e-6)
        np.testing.assert_allclose(after[name], p.detach().numpy().ravel(), rtol=1e-6)
    X = x.numpy().astype(np.float64)
    W1, b1, W2, b2 = (np.reshape(before[n], p.shape) for n, p in names.items())
    a = X @ W1.T + b1
    h = np.maximum(a, 0) if between == "relu" else 1 / (1 + np.exp(-a))
    z = h @ W2.T + b2
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    dz = (p - np.eye(3)[t.numpy()]) / 5
    da = dz @ W2 * ((a > 0) if between == "relu" else h * (1 - h))
    for name, g in zip(names, (da.T @ X, da.sum(0), dz.T @ h, dz.sum(0))):
        np.testing.assert_allclose(gradients[name], g.ravel(), rtol=2e-5, atol=1e-7)
    for want in (a, h, z, -np.log(p[np.arange(5), t.numpy()]).mean()):
        assert any(len(v) == np.size(want) and np.allclose(v, np.ravel(want), rtol=1e-5, atol=1e-6) for v in values)
    assert any(v == [loss.item()] for v in values)


SHOWN = """(steps) => steps.map((n) => { recording.go(n); return [document.querySelector(".detail h2").textContent, [...document.querySelectorAll(".detail td")].map((c) => c.title), document.querySelectorAll(".stage .now[data-key]").length]; })"""
FRAMES = """async (from) => {
  const frame = () => new Promise((r) => requestAnimationFrame(r)), start = performance.now();
  for (let i = 0; i < 60; i++) { recording.go(from + i); await frame(); }
  return 60000 / (performance.now() - start);
}"""


def test_a_gpt_of_a_thousand_operations(show, monkeypatch):
    """What it shows is right; how fast it opens and steps is printed (`pytest -s`): a busy machine fails no test."""
    monkeypatch.setattr(followed, "WALKS", 3)
    r = a_gpt()
    data, _, start = r.data, r._walks, time.perf_counter()
    page = show(r)
    page.wait_for_selector(".stage [data-key]")
    opened = time.perf_counter() - start
    assert len(data["nodes"]) >= 1000
    closed = page.evaluate(FRAMES, 300)
    page.click("text=open all")
    boxes = page.locator(".stage [data-key]").count()
    assert boxes >= 1000
    print(f"\n{len(data['nodes'])} nodes: opened in {opened:.2f} s; frames/s: {closed:.0f}, all {boxes} boxes open {page.evaluate(FRAMES, 300):.0f}")
    order = [("node", n) for n, node in enumerate(data["nodes"]) if node["kind"] != "update"]
    order += [("step", n) for n in range(len(data["backward"]))]
    order += [("node", n) for n, node in enumerate(data["nodes"]) if node["kind"] == "update"]
    chosen = range(0, len(order), 23)
    for (what, n), (heading, titles, now) in zip([order[k] for k in chosen], page.evaluate(SHOWN, [k + 1 for k in chosen])):
        node = data["nodes"][n if what == "node" else data["backward"][n]["node"]]
        word = "Backward" if what == "step" else "Update" if node["kind"] == "update" else "Forward"
        assert heading == f"{word}: {node['op']}" and now == 1
        values = [*node["inputs"], *node["outputs"]]
        if word == "Update":
            values = [*node["inputs"], *[t["value"] for t in node["terms"]], node["change"], *node["outputs"]]
        elif word == "Backward":
            values = list(data["backward"][n]["arrived"].values())
        want = small(data, *values)
        np.testing.assert_allclose(as_numbers(titles)[: len(want)], want, rtol=1e-6)


ALL = """() => [...document.querySelectorAll(".stage g g")].map((g) => [g.getAttribute("class"), g.classList.contains("later") ? "" : g.textContent])"""
TOUCHED = """async (steps) => {
  const touched = [];
  const watch = new MutationObserver((list) => touched.push(new Set(list.map((x) => x.target.closest?.("g") ?? x.target.parentNode)).size));
  watch.observe(document.querySelector(".stage svg"), { subtree: true, attributes: true, characterData: true, childList: true });
  for (const n of steps) { recording.go(n); await new Promise((r) => setTimeout(r, 0)); }
  return touched;
}"""


def test_a_jump_touches_what_is_in_sight_and_the_rest_when_it_comes_into_sight(show):
    page = show(a_network(), 4000)
    page.click("text=open all")
    page.click("text=fit")
    assert not page.locator(".tiny").count()
    several, want, zoom = [31, 2, 40], {}, "e => { for (let i = 0; i < 12; i++) e.click(); }"
    for n in several:
        page.evaluate(f"recording.go({n})")
        want[n] = page.evaluate(ALL)
    assert len({str(w) for w in want.values()}) == len(several)
    whole = page.evaluate(TOUCHED, several)[1:]
    page.eval_on_selector("[title=larger]", zoom)
    assert max(page.evaluate(TOUCHED, several)) < 0.7 * min(whole)
    for n in several:
        page.evaluate(f"recording.go({n})")
        page.click("text=fit")
        assert page.evaluate(ALL) == want[n]
        page.eval_on_selector("[title=larger]", zoom)


def test_the_books_graph(show):
    page = show(groceries())
    texts = page.eval_on_selector_all(".edge text", "all => all.map(t => t.textContent)")
    assert set(texts) == {"100", "2", "200", "150", "3", "450", "650", "1.1", "2.2", "110", "3.3", "165"}
    assert page.eval_on_selector_all(".op text", "all => all.map(t => t.textContent)") == ["×", "×", "+", "×"]
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert page.text_content(".steps output") == "forward 0 of 4"
    assert not any(page.eval_on_selector_all(".edge .back", "all => all.map(t => t.textContent)"))
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert page.text_content(".steps output") == "backward 2 of 4"
    page.wait_for_function("location.hash === '#step=6'")


def test_boxes_open_and_close_and_links_lead_there(show):
    r = a_network()
    page = show(r)
    boxes = lambda: set(page.eval_on_selector_all(".stage [data-key]", "all => all.map(g => g.dataset.key)"))
    page.click("text=close")
    few = boxes()
    page.click("text=open all")
    assert len(boxes()) > len(few)
    assert {f"n{n}" for n in range(len(r.data["nodes"]))} <= boxes()
    n = next(n for n, node in enumerate(r.data["nodes"]) if node["op"] == "relu")
    page = show(r, link=f"#node={n}")
    assert page.text_content(".detail h2") == "Forward: relu"
    assert f"n{n}" in set(page.eval_on_selector_all(".stage [data-key]", "all => all.map(g => g.dataset.key)"))


OVERLAPS = """() => {
  const rects = (selector) => [...document.querySelectorAll(selector)].filter((x) => x.textContent !== "").map((x) => [x.textContent, x.getBoundingClientRect()]);
  const meet = ([, a], [, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 5;
  const words = rects(".edge text"), boxes = rects(".stage [data-key]"), found = [];
  words.forEach((a, i) => { for (const b of [...words.slice(i + 1), ...boxes]) if (meet(a, b)) found.push(`${a[0]} on ${b[0]}`); });
  return found;
}"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("what", [groceries, a_loop, own_function, written_in_place])
def test_numbers_cover_neither_boxes_nor_each_other(show, what, width):
    page = show(what(), width)
    assert page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("what", [a_loop, a_network, one_time_of_an_lstm])
def test_a_page_opens_readable_with_the_step_in_sight(show, what, width):
    page = show(what(), width)
    for step in (None, 3, 1):
        if step is not None:
            page.evaluate(f"recording.go({step})")
        now = page.locator(".stage [data-key].now").first.bounding_box()
        stage = page.locator(".stage").bounding_box()
        assert now["height"] > 24
        assert stage["x"] - 1 <= now["x"] and now["x"] + now["width"] <= stage["x"] + stage["width"] + 1
        assert stage["y"] - 1 <= now["y"] and now["y"] + now["height"] <= stage["y"] + stage["height"] + 1


def test_the_gradient_of_a_users_function_stands_on_the_line_to_its_input(show):
    page = show(own_function())
    page.click("text=close")
    assert page.eval_on_selector_all(".edge .back", "all => all.map(t => t.textContent)").count("[2]") == 3
    assert page.text_content(".detail h3") == "to a = x (added to its .grad)"
    page.evaluate("recording.go(recording.state.at - 1)")
    assert page.eval_on_selector_all(".edge .back", "all => all.map(t => t.textContent)").count("[2]") == 2


def test_a_users_backward_is_shown_line_by_line(show):
    page = show(own_function())
    page.evaluate("recording.go(recording.state.at)")
    found = page.eval_on_selector_all(".detail .term", "all => all.map(t => [t.querySelector('code').textContent, t.querySelector('.soft').textContent, ...[...t.querySelectorAll('td')].map(c => c.title)])")
    line = inspect.getsourcelines(Halved.backward)[1] + 2
    assert found == [["return g / 2", f"test_page.py:{line}, div", "1.5", "-0.5"]]


def test_edges_go_round_the_boxes_between(show):
    page = show(a_loop())
    through = page.evaluate("""() => {
      const boxes = [...document.querySelectorAll(".stage [data-key] > :first-child")].map((b) => b.getBBox());
      let found = 0;
      for (const path of document.querySelectorAll(".edge path"))
        for (let s = 3; s < path.getTotalLength() - 3; s += 2) {
          const p = path.getPointAtLength(s);
          if (boxes.some((b) => p.x > b.x + 2 && p.x < b.x + b.width - 2 && p.y > b.y + 2 && p.y < b.y + b.height - 2)) found += 1;
        }
      return found;
    }""")
    assert through == 0


def test_the_keyboard_opens_and_closes_boxes(show):
    page = show(a_network())
    page.click("text=close")
    box = page.locator(".stage .scope").first
    key = box.get_attribute("data-key")
    box.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(f"recording.state.open.has('{key}')")
    page.keyboard.press("Escape")
    assert not page.evaluate(f"recording.state.open.has('{key}')")
    assert page.evaluate("document.activeElement.dataset.key") == key
    page.click("text=open all")
    page.evaluate("recording.go(1); document.activeElement.blur()")
    many = page.evaluate("recording.state.open.size")
    page.locator(".stage").focus()
    page.keyboard.press("Escape")
    assert page.evaluate("recording.state.open.size") == many - 1


def test_stepping_draws_nothing_anew_and_the_legend_says_what_is_what(show):
    page = show(a_network())
    page.evaluate("window.before = document.querySelector('.stage svg')")
    page.evaluate("for (let n = 0; n < 9; n++) recording.go(n)")
    assert page.evaluate("document.querySelector('.stage svg') === window.before")
    legend = page.text_content(".legend")
    assert all(word in legend for word in ("blue", "orange", "Enter", "Esc", "→"))
    colour = "e => getComputedStyle(e).color"
    assert page.eval_on_selector(".legend .back", colour) != page.eval_on_selector(".legend .forward", colour)


def test_no_formula_of_the_library_shows_raw_tex(show):
    from cutaway.core.op import OPS

    found = {f"op {name}": op.formula for name, op in OPS.items()}
    found |= {name: f.formula for name, f in vars(F).items() if isinstance(getattr(f, "formula", None), str)}
    assert len(found) > 150
    page = show(groceries())
    shown = page.evaluate(
        """async (all) => { const { formula } = await import("cutaway/formula.js");
        return Object.fromEntries(Object.entries(all).map(([k, t]) => [k, formula(t).textContent])); }""", found,
    )  # fmt: skip
    assert {k: t for k, t in shown.items() if "\\" in t} == {}


@pytest.mark.parametrize("sandbox", [None, "allow-scripts", "allow-scripts allow-same-origin"])
def test_a_notebooks_frame_steps_too(browser, tmp_path, sandbox):
    cell = groceries()._repr_html_()
    if sandbox is not None:
        cell = cell.replace("<iframe ", f'<iframe sandbox="{sandbox}" ', 1)
    (tmp_path / "cell.html").write_text(f"<!doctype html>{cell}")
    page, wrong = browser.new_page(), []
    page.on("pageerror", lambda e: wrong.append(str(e)))
    page.goto((tmp_path / "cell.html").as_uri())
    frame = page.frames[1]
    frame.wait_for_function("window.recording")
    frame.evaluate("recording.go(2)")
    page.wait_for_timeout(300)
    assert frame.text_content(".steps output") == "forward 2 of 4" and not wrong
    page.close()


def training():
    w, x = cutaway.tensor([1.0, 2.0], requires_grad=True), cutaway.tensor([3.0, 1.0])
    optimizer = cutaway.optim.Adam([w], lr=0.1)
    with record() as r:
        for _ in range(2):
            optimizer.zero_grad()
            ((w * x).sum() - 1).square().backward()
            optimizer.step()
    return r


def test_an_update_shows_which_weight_is_raised_by_how_much(show):
    r = training()
    page, data = show(r), r.data
    words = page.evaluate("[...Array(Number(document.querySelector('.steps input').max)).keys()].map((n) => { recording.go(n + 1); return document.querySelector('.steps output').textContent; })")
    kinds = [w.split()[0] for w in words]
    assert kinds == [*["forward"] * 4, *["backward"] * 4, "update"] * 2 and words[8] == "update 1 of 2"
    page.evaluate("recording.go(9)")
    node = next(n for n in data["nodes"] if n["kind"] == "update")
    want = small(data, *node["inputs"], *[t["value"] for t in node["terms"]], node["change"], *node["outputs"])
    np.testing.assert_allclose(numbers_on(page), want, rtol=1e-6)
    text = page.text_content(".detail")
    assert "2 numbers in w: 0 raised ▲, 2 lowered ▼" in text and "η = lr = 0.1" in text and "t = step = 1" in text
    marks = page.eval_on_selector_all(".detail figure:nth-last-of-type(2) td", "cells => cells.map(c => c.textContent[0])")
    assert marks == ["▼", "▼"]
    assert page.locator(".detail .term math").count() == 5


def test_the_tab_of_one_weight_says_why_it_is_empty(show):
    with record() as r:
        cutaway.ones(2, requires_grad=True) * 2
    page = show(r)
    page.click("text=One weight")
    assert "call loss.backward()" in page.text_content(".detail")


def test_one_weight(show):
    r = groceries()
    page = show(r, link="#weight=0")
    found = r.walk("apple")
    assert page.text_content(".weight h2") == "apple = 100"
    assert "2.2" in page.text_content(".weight")
    page.eval_on_selector(".weight input", "s => { s.value = 40; s.dispatchEvent(new Event('input')); }")
    assert page.text_content(".readout") == "weight 150: loss 825, the tangent says 825"
    assert found.nudged[-1] == pytest.approx((150.0, 825.0))
    assert r.walk(next(iter(r.story.names.values()))).total == pytest.approx(2.2)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_a_narrow_page(show, width):
    page = show(a_network(), width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_page_is_small_and_a_notebook_gets_it_in_a_frame(tmp_path):
    r = a_network()
    path = r.save(tmp_path / "page.html", "A <step>")
    text = path.read_text()
    assert len(text) < 400_000 and "A &lt;step&gt;" in text
    assert r._repr_html_().startswith("<iframe srcdoc=")
    with pytest.raises(cutaway.ArgumentError, match="folder"):
        r.save(tmp_path / "none" / "page.html")


def test_another_weight_is_chosen_with_the_keyboard_and_the_focus_stays(show):
    page = show(groceries(), link="#weight=0")
    page.locator("select").focus()
    page.keyboard.press("ArrowDown")
    assert page.text_content(".weight h2") == "apples = 2"
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
