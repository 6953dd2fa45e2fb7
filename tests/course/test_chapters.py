"""Every chapter's notebook runs from top to bottom, and shows what it is about."""

import importlib.util
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import cutaway
from cutaway.course.chapters import chapters, find, source_of
from cutaway.course.exercise import Numbers
from cutaway.course.figures import Curve, Figure, bars, cells, contour, lines, pictures, plane, spread


@pytest.mark.parametrize("chapter", chapters(), ids=lambda c: c.folder)
def test_a_chapter_runs_headless(chapter, tmp_path, monkeypatch):
    pytest.importorskip("marimo")
    monkeypatch.chdir(tmp_path)
    app = import_module(f"cutaway.course.{chapter.folder}.chapter").app
    outputs, _ = app.run()  # raises what a cell raises
    shown = "".join(getattr(o, "text", str(o)) for o in outputs if o is not None)
    assert shown.count("<svg") >= 3 and "<img src=" not in shown.replace("<img src=\"data:", "")
    for name in chapter.exercises:
        assert f"{chapter.number}.{name}" in shown, f"the notebook has no card of {name}"


@pytest.mark.parametrize("chapter", chapters(), ids=lambda c: c.folder)
def test_a_chapter_is_whole(chapter):
    assert chapter.about.startswith(f"Chapter {chapter.number}, {chapter.title}: ")
    assert chapter.title and len(chapter.about) < 130
    for name in chapter.exercises:
        assert "raise NotImplementedError" in chapter.stub(name), name
    for plug in chapter.plugs:
        assert all(n in chapter.exercises for n in plug.names)
        made = plug.make(*(chapter.exercises[n].reference for n in plug.names))
        assert tuple(made) == plug.parts
        cutaway.use(**made).undo()


def test_the_page_of_the_course_is_up_to_date():
    spec = importlib.util.spec_from_file_location("course_tool", Path(__file__).parents[2] / "tools" / "course.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), "run: python tools/course.py"


def test_chapters_are_found_by_number_and_name():
    assert {find(n).folder for n in ("1", "01", "ch01", "perceptron", "ch01_perceptron", "ch01_perceptron.py")} == {"ch01_perceptron"}
    assert source_of("def f():\n    pass\n\nclass C:\n    x = 1\n", "C") == "class C:\n    x = 1"


def test_drawn_numbers_are_the_same_each_time_and_easy():
    assert (Numbers(3).array(4, 2) == Numbers(3).array(4, 2)).all()
    d = Numbers(1)
    assert (d.apart(50) != 0).all() and len(set(d.distinct(5, 5).ravel())) == 25 and (d.array(99) * 4 % 1 == 0).all()
    assert (d.one_hot(9, 4).sum(1) == 1).all() and abs(d.shares(5, 3).sum(1) - 1).max() < 1e-12


def test_figures_are_svg_and_html_of_our_own():
    x = np.linspace(-1, 1, 5)
    drawn = [
        lines("t", [Curve(x, x**2, "square"), Curve(x, x, "dots", "b", dots=True)], "x", "y"),
        lines("t", [Curve(x, np.array([0.1, np.nan, 1, 10, np.inf]), "with gaps")], log=True),
        plane("t", lambda p: p[:, 0] > 0, [[0, 0], [1, 1]], [0, 1]), bars("t", ["a", "b"], [1, 1000], log=True), spread("t", x),
        cells(np.eye(3), like=np.ones((3, 3))), pictures([np.eye(4)] * 2, ["a", "b"]),
        contour("t", lambda a, b: a**2 + b**2, [Curve([0, 1], [0, 1], "path")], arrows=lambda a, b: (-a, -b)),
    ]  # fmt: skip
    for figure in drawn:
        assert isinstance(figure, Figure) and figure._repr_html_().count("<style>") == 1
        assert "nan" not in figure and "http" not in figure
    assert drawn[1].count("<polyline") == 1 and drawn[5].count("class=off") == 6
