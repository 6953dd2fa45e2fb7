"""The page about a compiled program: it shows Python's numbers, in a browser, without a request or a complaint."""

from __future__ import annotations

import json
import os
import re
import shutil
from math import log
from pathlib import Path
from types import SimpleNamespace

import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError
from cutaway.engine.compile import compile
from cutaway.engine.look import page as pages
from cutaway.nn import functional as F
from cutaway.optim import SGD

FLAGS = (
    "--no-sandbox --headless --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def compiled_step():
    """A training step of a small network, called once."""
    cutaway.manual_seed(0)
    model = nn.Sequential(nn.Linear(40, 400), nn.Tanh(), nn.Linear(400, 10))
    optimizer = SGD(model.parameters(), lr=0.1)

    def step(x, y):
        loss = F.cross_entropy(model(x), y)  # </script> & <b> in a comment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    fast = compile(step)
    fast(cutaway.randn(128, 40), cutaway.randint(0, 10, (128,)))
    return fast


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The compiled step, its page's file and text, and the data embedded there."""
    fast = compiled_step()
    path = tmp_path_factory.mktemp("page") / "step.html"
    fast.save(path)
    text = path.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="cutaway-data">(.*?)</script>', text, re.DOTALL)
    return SimpleNamespace(fast=fast, path=path, text=text, data=json.loads(data))


def test_the_page_holds_the_kernels(saved):
    kernels = saved.fast.kernels()
    assert saved.data["name"] == "step"
    shown = saved.data["kernels"]
    exact = ("number", "name", "kind", "flops", "read", "written", "line", "source")
    assert [tuple(k[f] for f in exact) for k in shown] == [tuple(getattr(r, f) for f in exact) for r in kernels]
    assert [k["result"] for k in shown] == [str(r.result) for r in kernels]
    assert all(k["seconds"] > 0 for k in shown)
    for k in shown:
        row = re.search(rf'<tr data-kernel="{k["number"]}">(.*?)</tr>', saved.text).group(1)
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
        assert cells[2:5] == [
            f"{k['flops'] / 1e6:.2f}", f"{(k['read'] + k['written']) / 1024:.0f}", f"{k['seconds'] * 1e6:.1f}",
        ]  # fmt: skip


def test_the_users_lines_are_shown_and_escaped(saved):
    assert "&lt;/script&gt; &amp; &lt;b&gt; in a comment" in saved.text
    assert saved.text.count("</script>") == 2  # the data's and the module's own ends
    assert "optimizer.step()" in saved.text
    assert pages.embedded({"a": "</script><!--"}) == '{"a":"\\u003c/script>\\u003c!--"}'


def test_the_page_holds_no_address(saved):
    assert not re.search(r"https?:|[\"'=(]//", saved.text)
    assert set(re.findall(r"url\((.*?)\)", saved.text)) == {"#cutaway-wait"}
    assert "default-src 'none'" in saved.text


def test_a_page_is_written_whole_or_not_at_all(saved, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space")

    with monkeypatch.context() as m:
        m.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="no space"):
            saved.fast.save(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ArgumentError, match="call the function once"):
        compile(lambda x: x).save(tmp_path / "page.html")
    for nowhere in (tmp_path, tmp_path / "missing" / "page.html"):
        with pytest.raises(ArgumentError, match="give the name of a file"):
            saved.fast.save(nowhere)
    if os.name == "posix":
        plain = tmp_path / "plain"
        plain.touch()
        assert saved.path.stat().st_mode == plain.stat().st_mode


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: it opens the page to see that nothing is requested")
    sync = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser")
    with sync.sync_playwright() as p:
        opened = p.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_browser_opens_it_without_a_request(saved, browser, width, scheme):
    requests, complaints = [], []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.on("request", lambda r: requests.append(r.url))
    page.on("console", lambda m: complaints.append(m.text))
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.goto(Path(saved.path).as_uri())
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_function("() => [...document.querySelectorAll('details.code pre')].every(p => p.textContent)")
    assert page.evaluate(overflow) == 0  # with everything unfolded, too
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) > 600) == (scheme == "light")
    headings = page.locator("h2").all_inner_texts()
    assert headings == ["Time", "Roofline", "Kernels", "Memory", "Passes", "Graph", "Program"]
    page.close()
    assert [r for r in requests if not r.startswith("data:")] == [Path(saved.path).as_uri()]
    assert complaints == []


def test_code_unfolds_to_pythons_text(saved, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(saved.path.as_uri() + "#k0")
    assert page.locator("#k0").get_attribute("open") is not None  # the address leads into the folded part
    listings = {"llvm": saved.fast.llvm(0), "best": saved.fast.llvm(0, optimised=True), "asm": saved.fast.asm(0)}
    for name, text in listings.items():
        block = page.locator(f'details[data-code="0.{name}"]')
        block.locator("summary").click()
        pre = block.locator("pre")
        page.wait_for_function("p => p.textContent.length > 0", arg=pre.element_handle())
        assert pre.text_content() == text
    page.close()


def test_keys_walk_the_marks_and_lead_to_the_code(saved, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(saved.path.as_uri())
    marks = page.locator("#roofline .mark")
    drawn = sorted((k for k in saved.data["kernels"] if k["flops"]), key=lambda k: -k["seconds"])
    assert [int(marks.nth(n).get_attribute("data-kernel")) for n in range(marks.count())] == [
        k["number"] for k in drawn
    ]
    marks.first.focus()
    tell = page.locator("#roofline .tell")
    assert tell.inner_text().startswith(f"{drawn[0]['number']} {drawn[0]['name']} {drawn[0]['result']}: ")
    assert f"{drawn[0]['flops'] / drawn[0]['seconds'] / 1e9:.1f} GF/s" in tell.inner_text()
    page.keyboard.press("ArrowRight")
    assert tell.inner_text().startswith(f"{drawn[1]['number']} {drawn[1]['name']} ")
    assert page.locator("#time .mark.on").count() > 0  # the same kernel, in the timeline
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.hash.startsWith('#k')")
    assert page.evaluate("location.hash") == f"#k{drawn[1]['number']}"
    assert page.locator(f"#k{drawn[1]['number']}").get_attribute("open") is not None
    page.close()


def test_a_mark_stands_where_its_numbers_are(saved, browser):
    """On logarithmic axes, equal distances are equal ratios."""
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(saved.path.as_uri())
    drawn = [k for k in saved.data["kernels"] if k["flops"]]
    place = {}
    for k in drawn:
        mark = page.locator(f'#roofline .mark[data-kernel="{k["number"]}"]')
        place[k["number"]] = tuple(float(mark.get_attribute(a).rstrip("%")) for a in "xy")
    page.close()
    intensity = {k["number"]: log(k["flops"] / (k["read"] + k["written"])) for k in drawn}
    speed = {k["number"]: log(k["flops"] / k["seconds"]) for k in drawn}
    for axis, value in ((0, intensity), (1, speed)):
        low, high = min(value, key=value.get), max(value, key=value.get)
        scale = (place[high][axis] - place[low][axis]) / (value[high] - value[low])
        assert (scale > 0) == (axis == 0)  # SVG counts downwards
        for n in value:
            assert place[n][axis] == pytest.approx(place[low][axis] + scale * (value[n] - value[low]), abs=0.01)


def test_the_timeline_widens_and_the_table_sorts(saved, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(saved.path.as_uri())
    strip = page.locator(".strip")
    width = strip.evaluate("s => s.scrollWidth")
    page.locator('[data-zoom="4"]').click()
    assert strip.evaluate("s => s.scrollWidth") == pytest.approx(4 * width, rel=0.02)
    strip.focus()
    page.keyboard.press("0")
    assert strip.evaluate("s => s.scrollWidth") == width
    page.locator('button[data-sort="4"]').click()
    order = page.evaluate("[...document.querySelectorAll('table.kernels tbody tr')].map(r => +r.dataset.kernel)")
    seconds = [saved.data["kernels"][n]["seconds"] for n in order]
    assert seconds == sorted(seconds, reverse=True)
    assert len(order) == len(saved.data["kernels"])
    page.locator('button[data-sort="0"]').click()
    assert page.locator("table.kernels tbody tr.from").count() > 0  # in the program's order, its lines stand above
    page.close()


def test_copies_at_the_end_are_shown_like_other_kernels(tmp_path):
    """Adam's step count is read by others after it was raised, and gets its value at the end."""
    model = nn.Linear(6, 5)
    optimizer = cutaway.optim.Adam(model.parameters())

    def step(x):
        loss = (model(x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    fast = compile(step)
    fast(cutaway.rand(8, 6))
    names = [k.name for k in fast.kernels()]
    fast.save(tmp_path / "adam.html")
    text = (tmp_path / "adam.html").read_text(encoding="utf-8")
    assert "map_copy" in names and all(name in text for name in names)
