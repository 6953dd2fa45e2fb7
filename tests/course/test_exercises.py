"""Every exercise of every chapter: the stub fails, the reference passes, each listed wrong answer fails with its own hint."""

import pytest

from cutaway.course.chapters import chapters
from cutaway.course.child import check
from cutaway.course.draw import ansi, draw
from cutaway.course.hints import hint
from cutaway.course.judge import judge

EXERCISES = [pytest.param(c, e, id=f"{c.number}.{e.name}") for c in chapters() for e in c.exercises.values()]


def stub_of(chapter, name):
    space = {}
    exec(compile(chapter.stubs, f"{chapter.folder}.py", "exec"), space)
    return space[name]


@pytest.mark.parametrize("chapter, e", EXERCISES)
def test_the_stub_fails_the_reference_passes_and_each_mistake_gets_its_hint(chapter, e):
    stub = stub_of(chapter, e.name)
    assert stub.__doc__, "the docstring is the task"
    assert not judge(e, stub).begun
    passed = judge(e, e.reference)
    assert passed.begun and passed.failure is None, passed.failure
    assert len(e.wrong) >= 5
    assert len({w.hint for w in e.wrong}) == len(e.wrong), "each mistake has a hint of its own"
    for answer, said in e.wrong:
        j = judge(e, answer)
        assert j.failure is not None, f"passes, but should get: {said}"
        assert hint(e, j) == said
        assert len(said) <= 160


@pytest.mark.parametrize("chapter, e", EXERCISES)
def test_it_is_drawn(chapter, e):
    both = draw(e, e.wrong[0].answer)
    assert ansi(both.terminal, 90, False).strip() and "target" in both.html
    assert "yours" not in draw(e, None).html
    assert check(e, e.reference, chapter.path / "exercises.py", lambda **k: None, 90, False)["status"] == "passed"
