"""report.html: what it shows, and that a browser opens it without a request or a complaint."""

import re
import shutil
import struct
import zlib

import numpy as np
import pytest

from cutaway.core.errors import ShapeError
from cutaway.train.report import Evidence, Histogram, Mistake, Plate, Weights, render, scale
from cutaway.train.report.page import signed_colours
from cutaway.train.report.png import encode_png

FLAGS = (
    "--no-sandbox --headless --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def evidence(**changes):
    rng = np.random.default_rng(0)
    confusion = np.diag(rng.integers(900, 1000, 10))
    confusion[7, 2], confusion[4, 9] = 31, 12
    edges = np.linspace(0, 4, 11)
    after = rng.random(10) / 20
    spike = np.zeros(10)
    spike[0] = 0.9
    given = {
        "title": "mnist-<test>",
        "summary": "A network & its report.",
        "settings": {"recipe": "mnist-<test>", "lr": 0.001, "limit": None},
        "metrics": [
            {"step": s, "epoch": s / 10, "train_loss": 2.3 / (1 + s), "train_accuracy": 1 - 0.9 / (1 + s)}
            | {"test_loss": 2.3 / (1 + s) + 0.01, "test_accuracy": 1 - 0.9 / (1 + s) - 0.001, "seconds": 7.5 * s}
            for s in (0, 10, 20)
        ],
        "steps_per_epoch": 10,
        "batch_loss": 2.3 / (1 + np.arange(20)),
        "classes": list("0123456789"),
        "confusion": confusion,
        "mistakes": [Mistake(rng.random((1, 28, 28)), 7, 2, 0.9 - i / 100, i) for i in range(43)],
        "filters": (rng.normal(size=(16, 1, 3, 3)), rng.normal(size=(16, 1, 3, 3))),
        "histograms": [Histogram("convolution 1 → ReLU", edges, spike, after, 0.1, 0.62)],
        "parameters": [Weights("0.weight", (16, 1, 3, 3), 0.5, 0.61), Weights("0.bias", (16,), 0.0, 0.02)],
        "plates": [Plate("XOR", rng.random((9, 9)), rng.random((9, 9)))],
    }
    return Evidence(**(given | changes))


def test_the_page_says_what_the_evidence_says():
    page = render(evidence())
    assert "95.61 %" in page  # 1 - 0.9 / 21 - 0.001
    assert "160</b>parameters" in page  # 16 * 9 + 16
    assert "43</b>of 9," in page
    assert "All 43 misread test images" in page
    assert "10 % before, 62 % after" in page
    assert "up to 90 %" in page  # the spike that is cut off says how high it was
    assert "31 x 7 taken for 2" in page
    assert "2 (31 times)" in page
    assert page.count('<img alt="filter ') == 32
    assert page.count(" read as <b>") == 43


def test_names_are_escaped():
    page = render(evidence())
    assert "mnist-<test>" not in page
    assert "mnist-&lt;test&gt;" in page
    assert "A network &amp; its report." in page


def test_the_surest_mistakes_come_first_and_are_limited():
    many = [Mistake(np.zeros((28, 28)), 4, 9, (i % 97) / 97, i) for i in range(200)]
    confusion = np.zeros((10, 10), int)
    confusion[4, 9] = 200
    page = render(evidence(mistakes=many, confusion=confusion))
    shown = [int(p) for p in re.findall(r"</b>, (\d+) %</figcaption>", page)]
    assert len(shown) == 60
    assert shown == sorted(shown, reverse=True)
    assert "60 of the 200 misread" in page


def test_sections_without_evidence_are_left_out():
    page = render(evidence(filters=None, histograms=[], plates=[], mistakes=[], confusion=np.diag([3] * 10)))
    assert "first layer" not in page
    assert "each layer says" not in page
    assert "every test example was read right" in page


def test_the_page_holds_no_address():
    page = render(evidence())
    assert not re.search(r"https?:|[\"'=(]//", page)
    assert "url(" not in page
    assert "<script" not in page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_browser_opens_it_without_a_request(tmp_path, width, scheme):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: it opens the report to see that nothing is requested")
    sync = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser")
    file = tmp_path / "report.html"
    file.write_text(render(evidence()), encoding="utf-8")
    requests, complaints = [], []
    with sync.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("request", lambda r: requests.append(r.url))
        page.on("console", lambda m: complaints.append(m.text))
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(file.as_uri())
        broken = page.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length")
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        headings = page.locator("h2").all_inner_texts()
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        browser.close()
    assert [r for r in requests if not r.startswith("data:")] == [file.as_uri()]
    assert complaints == []
    assert broken == 0
    assert overflow == 0
    assert "What it confuses" in headings
    assert (sum(map(int, re.findall(r"\d+", paper))) > 600) == (scheme == "light")


def test_png_decodes_to_the_pixels():
    pixels = np.arange(5 * 3 * 3, dtype=np.uint8).reshape(5, 3, 3)
    data = encode_png(pixels)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (size,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + size
    assert chunks[b"IHDR"] == struct.pack(">IIBBBBB", 3, 5, 8, 2, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(5, 1 + 9)
    np.testing.assert_array_equal(rows[:, 1:].reshape(5, 3, 3), pixels)


def test_png_refuses_other_shapes():
    with pytest.raises(ShapeError, match=r"\[2, 2, 4\]"):
        encode_png(np.zeros((2, 2, 4), np.uint8))


def test_accuracy_axis_divides_errors():
    axis = scale.accuracy([0.9, 0.999], finest=5e-5)
    steps = [axis.place(v) for v in (0.9, 0.99, 0.999)]
    assert steps[1] - steps[0] == pytest.approx(steps[2] - steps[1])
    assert steps[0] == pytest.approx(0.0)
    assert "99 %" in [label for _, label in axis.ticks]
    wide = scale.accuracy([0.1, 0.9936], finest=5e-5)
    assert [label for _, label in wide.ticks] == ["0 %", "50 %", "90 %", "95 %", "99 %", "99.5 %"]


def test_no_error_at_all_is_labelled_100_percent():
    axis = scale.accuracy([0.5, 1.0], finest=0.5 / 16)
    assert axis.ticks[-1] == (1.0, "100 %")
    assert axis.place(1.0) == pytest.approx(1.0)
    assert [label for _, label in axis.ticks] == ["50 %", "80 %", "90 %", "95 %", "100 %"]


def test_a_test_on_the_training_set_is_called_that():
    assert "never trained on" in render(evidence())
    page = render(evidence(test_is_training_set=True))
    assert "never trained on" not in page
    assert "The test is the training set here" in page


def test_logarithmic_axis_has_round_ends():
    axis = scale.log(0.03, 2.4)
    assert axis.place(0.02) == pytest.approx(0.0)
    assert axis.place(5.0) == pytest.approx(1.0)


def test_smoothing_keeps_the_mean():
    at, mean = scale.smooth(np.arange(1000.0), points=10)
    assert len(mean) == 10
    assert mean[0] == pytest.approx(49.5)
    assert (mean.mean(), at[-1]) == (pytest.approx(499.5), 950.5)


def test_signed_colours_are_symmetric_about_paper():
    blue, paper, red = signed_colours(np.array([-2.0, 0.0, 2.0]), 2.0)
    assert blue.tolist() == [0, 114, 178]
    assert red.tolist() == [213, 94, 0]
    assert paper.min() > 230
