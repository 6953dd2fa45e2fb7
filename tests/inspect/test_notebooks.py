"""Lines in notebooks: cells are compiled under made-up file names, and a reader sees `cell 3:2`."""

from __future__ import annotations

import linecache
import os
import shutil
import sys
from types import SimpleNamespace

import pytest

import cutaway
from cutaway.core import diary
from cutaway.engine.cells import named
from cutaway.inspect import record, why

TEXT = "a = cutaway.tensor(2.0, requires_grad=True)\nwith record() as seen:\n    b = (\n        a * 3)\n"

NOTEBOOK = '''import marimo

app = marimo.App()

with app.setup:
    import cutaway


@app.cell(hide_code=True)
def _():
    a = cutaway.tensor(2.0, requires_grad=True)
    with record() as seen:
        b = (
            a * 3)  # whatever
    return a, b, seen


@app.function
def double(x):
    return x * 2


@app.cell
async def named_cell(b):
    double(b)
    return
'''


@pytest.fixture
def run(monkeypatch):
    """run(text, name, file) -> what the text defines, compiled as a notebook does it."""

    def run(text, name, file=None):
        monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
        space = {"cutaway": cutaway, "record": record, "why": why, "__file__": file}
        exec(compile(text, name, "exec"), space)
        return space

    return run


def shown(space):
    node = next(n for n in space["seen"].data["nodes"] if n["op"] == "mul")
    return node["line"], node["source"]


def test_a_cell_of_marimo_is_told_by_its_place_in_the_notebook(run, tmp_path):
    file = tmp_path / "book.py"
    name = "/tmp/marimo_99/__marimo__cell_MJUe_.py"
    assert shown(run(TEXT, name, str(file))) == ("cell:4", "a * 3)")  # it is not saved
    file.write_text(NOTEBOOK)
    space = run(TEXT, name, str(file))
    assert shown(space) == ("cell 2:4", "a * 3)")
    for number, text in ((1, "import cutaway"), (3, "def double(x):\n    return x * 2\n"), (4, "double(b)")):
        other = f"/tmp/marimo_99/__marimo__cell_x{number}_.py"
        run("", other)
        linecache.cache[other] = len(text), None, text.splitlines(keepends=True), other
        assert named(other, str(file)) == f"cell {number}"
    moved = NOTEBOOK.replace("@app.cell(hide", "@app.cell\ndef _():\n    x = 1\n    return\n\n\n@app.cell(hide")
    file.write_text(moved)
    assert shown(space) == ("cell 2:4", "a * 3)")  # what a recording has told, it goes on telling
    assert named(name, str(file)) == "cell 3"


def test_a_cell_of_jupyter_is_told_by_the_number_beside_it(run, monkeypatch):
    name = "/tmp/ipykernel_5488/429034214.py"
    compiler = SimpleNamespace(format_code_name=lambda n: ("Cell", "In[7]") if n == name else None)
    shell = SimpleNamespace(compile=compiler)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert shown(run(TEXT, name)) == ("cell 7:4", "a * 3)")
    assert named("/home/me/train.py", "/home/me/train.py") == "train.py"
    space = run("w = cutaway.ones(2, requires_grad=True)\nv = w.detach()\nanswer = why(v)", name)
    assert "cell 7:2: v = w.detach()" in space["answer"].text


def test_without_its_shell_a_cell_of_ipython_still_is_one(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert named("<ipython-input-12-0a1b2c>", "") == "cell 12"
    assert named("/tmp/ipykernel_5488/429034214.py", "") == "cell"
    assert named("/tmp/ipykernel_5488/tool.py", "") == "tool.py"


def test_ipython_itself(monkeypatch):
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()
    name = shell.compile.cache("x = 1", 5)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    assert named(name, "") == "cell 5"


def test_a_chapter_is_a_program_though_it_lies_in_the_package(run):
    name = os.path.join(diary.INSIDE, "course", "ch99_none", "chapter.py")
    space = run(TEXT + "b.backward()\nc = a.detach()\nanswer = why(c)", name, name)
    assert shown(space) == ("chapter.py:4", "a * 3)")
    assert "chapter.py:6: c = a.detach()" in space["answer"].text
    assert diary.ours(name.replace("chapter.py", "chapters.py"))


@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_frame_is_light_or_dark_as_the_notebook_around_it_is(tmp_path, system):
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium")
    with record() as r:
        cutaway.ones(2, requires_grad=True) * 2
    style = "<style>body { color: #111 } body.dark { color: oklch(0.9 0 0) }</style>"
    (tmp_path / "book.html").write_text(f"<!doctype html>{style}<body><div>{r._repr_html_()}</div>")
    paper = "getComputedStyle(document.body).backgroundColor"
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=system)
        alone = browser.new_page(color_scheme=system)
        alone.goto(r.save(tmp_path / "alone.html").as_uri())
        page.goto((tmp_path / "book.html").as_uri())
        frame = page.frames[1]
        frame.wait_for_function("window.recording")
        seen = [frame.evaluate(paper)]
        page.evaluate("document.body.classList.add('dark')")
        frame.wait_for_function(f"{paper} !== '{seen[0]}'")
        seen.append(frame.evaluate(paper))
        assert alone.evaluate(paper) == seen[system == "dark"]
        browser.close()
