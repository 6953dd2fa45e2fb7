"""cutaway.utils.benchmark beside PyTorch's: fields, arithmetic over given times, what is told, tables."""

from __future__ import annotations

import statistics

import pytest

import cutaway
from cutaway.utils import benchmark as ours

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torch.utils.benchmark")

SIDES = (ours, theirs)
TIMES = [3e-4, 1e-4, 2e-4, 5e-4, 4e-4]


def given(b, times=TIMES, **task):
    """A measurement of 100 runs each."""
    spec = {"stmt": "f(x)", "setup": "pass", **task}
    return b.Measurement(100, times, b.TaskSpec(**spec))


def test_arithmetic():
    mine, other = (given(b) for b in SIDES)
    for name in ("mean", "median", "iqr", "times", "title", "stmt", "num_threads", "label"):
        assert getattr(mine, name) == pytest.approx(getattr(other, name)), name
    assert mine.has_warnings is other.has_warnings is True


@pytest.mark.parametrize(
    "task", [{"label": "L"}, {"label": "L", "sub_label": "s"}, {"sub_label": "s"}, {"stmt": "a\nb"}, {"description": "d"}]
)
def test_titles(task):
    mine, other = (given(b, **task) for b in SIDES)
    assert mine.title == other.title
    assert mine.as_row_name == other.as_row_name


def test_merge():
    merged = [b.Measurement.merge([given(b), given(b, [7e-4]), given(b, stmt="g(x)")]) for b in SIDES]
    counts, sums = ([[f(m.times) for m in side] for side in merged] for f in (len, sum))
    assert counts[0] == counts[1] and sums[0] == pytest.approx(sums[1])


def test_one_measurement_is_told_as_pytorch_tells_it():
    mine, other = (str(given(b, [3e-4], label="L", description="d")).split("\n")[1:] for b in SIDES)
    assert mine == other


def test_a_timer_times():
    x, calls = cutaway.ones(3), []
    timer = ours.Timer("calls.append(0); y = x + one", "one = 1", globals={"x": x, "calls": calls}, label="add")
    found = timer.timeit(20)
    assert len(calls) == 22 and found.number_per_run == 20 and found.mean > 0
    blocked = timer.blocked_autorange(min_run_time=0.002)
    assert sum(blocked.raw_times) >= 0.002 and blocked.median == statistics.median(blocked.times)
    assert timer.adaptive_autorange(max_run_time=0.01).title == "add"


def test_tables_have_pytorch_s_cells():
    def table(b):
        rows = [
            given(b, [t], label="L", sub_label=row, description=column)
            for t, row, column in [(3e-4, "a", "one"), (6e-4, "a", "two"), (9e-4, "b", "one")]
        ]
        return [[cell.strip() for cell in line.split("|")] for line in str(b.Compare(rows)).split("\n") if "--" not in line]

    assert table(ours) == table(theirs)


def test_refusals():
    with pytest.raises(TypeError, match="as text"):
        ours.Timer(lambda: 1)
    with pytest.raises(ValueError, match="Measurement"):
        ours.Compare([3])
    with pytest.raises(SyntaxError):
        ours.Timer("x +").timeit(1)
