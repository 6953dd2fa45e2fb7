"""PyTorch's `torch.utils.benchmark`: how long a statement takes, measured, told and laid side by side."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import floor, log10
from time import perf_counter
from timeit import Timer as PythonTimer
from typing import Any

from cutaway.core.absent import absent
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.package import package
from cutaway.engine.threads import get_num_threads, set_num_threads

__all__ = ["Compare", "Measurement", "TaskSpec", "Timer", "select_unit", "timer", "trim_sigfig"]

timer = perf_counter
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}
WORDS = {"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second"}
ENOUGH, SPREAD = 4, 0.1  # measurements below which, and a part of the median above which, a result is not to be trusted


def select_unit(t: float) -> tuple[str, float]:
    """The unit that reads best for a time in seconds, and how many seconds it has: ("us", 1e-6)."""
    for name, seconds in reversed(UNITS.items()):
        if t >= seconds:
            return name, seconds
    return "ns", UNITS["ns"]


def trim_sigfig(x: float, n: int) -> float:
    """`x` rounded to n significant figures."""
    return 0.0 if not x else round(x, n - 1 - floor(log10(abs(x))))


@dataclass(frozen=True, init=False, eq=True, repr=False)
class TaskSpec:
    """What is measured."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    def __init__(self, stmt: str, setup: str, global_setup: str = "", label: str | None = None,
                 sub_label: str | None = None, description: str | None = None, env: str | None = None,
                 num_threads: int = 1) -> None:  # fmt: skip
        given = dict(locals())
        for name in self.__dataclass_fields__:
            object.__setattr__(self, name, given[name])

    @property
    def title(self) -> str:
        """The labels, or the statement where there are none."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        if "\n" not in self.stmt:
            return self.stmt + (f": {self.sub_label}" if self.sub_label else "")
        return f"stmt:{f' ({self.sub_label})' if self.sub_label else ''}\n{textwrap.indent(self.stmt, '  ')}"

    def summarize(self) -> str:
        """The title, the description and the setup, a line each."""
        parts = [self.title]
        if self.description and "\n" not in self.description:
            parts.append(self.description)
        if self.setup and self.setup != "pass":
            one = "\n" not in self.setup
            parts.append(f"setup: {self.setup}" if one else f"setup:\n{textwrap.indent(self.setup, '  ')}")
        return "\n".join(parts)


@dataclass(repr=False)
class Measurement:
    """Times of a statement: `raw_times` of `number_per_run` runs each, in seconds."""

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None

    @property
    def times(self) -> list[float]:
        """Seconds a run."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        """The mean time of a run.  Raises ArgumentError for no measurement."""
        return statistics.fmean(self._some())

    @property
    def median(self) -> float:
        """The median time of a run.  Raises ArgumentError for no measurement."""
        return statistics.median(self._some())

    @property
    def iqr(self) -> float:
        """The distance of the quartiles: within it lies the middle half."""
        low, high = self._quartiles()
        return high - low

    @property
    def significant_figures(self) -> int:
        """How many figures of the median a repetition would give again, judged by the spread (at least 1)."""
        part = self.iqr / self.median if len(self.raw_times) > 1 else 0.0
        return 4 if part <= 0 else max(1, min(4, round(-log10(part)) + 1))

    @property
    def has_warnings(self) -> bool:
        """Whether there is reason not to trust the result: a wide spread."""
        return bool(self._doubts())

    title = property(lambda self: self.task_spec.title, doc="The task's title.")
    env = property(lambda self: self.task_spec.env or "Unspecified env", doc="The task's environment.")
    as_row_name = property(
        lambda self: self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]", doc="Its row in a table."
    )

    def __getattr__(self, name: str) -> Any:
        """What the task says: label, stmt, num_threads ..."""
        if name in TaskSpec.__dataclass_fields__:
            return getattr(self.task_spec, name)
        raise AttributeError(f"Measurement has no attribute {name!r}")

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Those of the same task as one, each weighted by its runs."""
        groups: dict[TaskSpec, list[Measurement]] = {}
        for m in measurements:
            groups.setdefault(m.task_spec, []).append(m)
        return [Measurement(1, [t for m in of for t in m.times], spec) for spec, of in groups.items()]

    def _some(self) -> list[float]:
        if not self.raw_times:
            raise ArgumentError("Measurement: there is no time in it; call timeit or blocked_autorange")
        return self.times

    def _quartiles(self) -> tuple[float, float]:
        times = self._some()
        if len(times) == 1:
            return times[0], times[0]
        low, _, high = statistics.quantiles(times, n=4, method="inclusive")
        return low, high

    def _doubts(self) -> list[str]:
        part = self.iqr / self.median
        if part > SPREAD:
            return [f"the middle half of the times spreads over {part:.1%} of the median"]
        return []

    def __repr__(self) -> str:
        unit, seconds = select_unit(self.median)
        n, runs = len(self.raw_times), self.number_per_run
        where = f"{package()}.utils.benchmark.utils.common.Measurement"
        lines = [f"<{where} object at {hex(id(self))}>", self.task_spec.summarize()]
        if n == 1:
            lines.append(f"  {self.median / seconds:.2f} {unit}")
        else:
            low, high = self._quartiles()
            lines.append(f"  Median: {self.median / seconds:.2f} {unit}")
            if n >= ENOUGH:
                span = f"{low / seconds:.2f} to {high / seconds:.2f}"
                lines.append(f"  IQR:    {self.iqr / seconds:.2f} {unit} ({span})")
        threads = self.task_spec.num_threads
        lines.append(
            f"  {n} measurement{'s' if n > 1 else ''}, {runs} runs {'per measurement' if n > 1 else ''}, "
            f"{threads} thread{'s' if threads > 1 else ''}"
        )
        return "\n".join(lines + [f"  WARNING: {doubt}" for doubt in self._doubts()])


class Timer:
    """Measures `stmt`, Python code that is run again and again after `setup`, with the names in `globals`.

    label, sub_label, description and env stand in what is told of it, and say where a table has it. The library's threads
    are `num_threads` while it runs.  Raises ArgumentTypeError for code that is no string, SyntaxError for no Python.
    """

    def __init__(
        self, stmt: str = "pass", setup: str = "pass", global_setup: str = "", timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None, label: str | None = None, sub_label: str | None = None,
        description: str | None = None, env: str | None = None, num_threads: int = 1, language: Any = "python",
    ) -> None:  # fmt: skip
        if not isinstance(stmt, str) or not isinstance(setup, str):
            raise ArgumentTypeError(f"Timer: stmt and setup are code, as text; got {type(stmt).__name__}; pass 'f(x)'")
        if str(language).lower() not in ("python", "py"):
            raise ArgumentError(f"Timer: language {language!r} is not run here; pass Python code")
        stmt, setup = (textwrap.dedent(code).strip() for code in (stmt, setup))
        names = {**(globals or {}), package(): __import__(package())}
        self._globals = names
        self._timer = PythonTimer(stmt, setup, timer, names)
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)

    def _time(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)

    def _threaded(self, measure: Callable[[], Measurement]) -> Measurement:
        before = get_num_threads()
        set_num_threads(self._task_spec.num_threads)
        try:
            return measure()
        finally:
            set_num_threads(before)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """One measurement of `number` runs, after some to warm up."""

        def measure() -> Measurement:
            self._time(max(number // 100, 2))
            return Measurement(number, [self._time(number)], self._task_spec)

        return self._threaded(measure)

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Measurements for `min_run_time` seconds, of so many runs each that reading the clock does not count."""

        def measure() -> Measurement:
            return self._until(self._block(min_run_time), min_run_time, callback, lambda found: False)

        return self._threaded(measure)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:  # fmt: skip
        """Measurements until the quartiles are within `threshold` of the median, or for `max_run_time` seconds."""

        def steady(found: Measurement) -> bool:
            times = found.raw_times
            return len(times) > 3 and sum(times) >= min_run_time and found.iqr / found.median < threshold

        def measure() -> Measurement:
            return self._until(self._block(min_run_time), max_run_time, callback, steady)

        return self._threaded(measure)

    def _until(
        self, number: int, seconds: float, callback: Callable[[int, float], Any] | None,
        enough: Callable[[Measurement], bool],
    ) -> Measurement:  # fmt: skip
        """Times of `number` runs each, until they fill so many seconds, or are `enough`."""
        times: list[float] = []
        while sum(times) < seconds:
            times.append(self._time(number))
            if callback is not None:
                callback(number, times[-1])
            if enough(Measurement(number, times, self._task_spec)):
                break
        return Measurement(number, times, self._task_spec)

    def _block(self, min_run_time: float) -> int:
        """Runs for one measurement: a thousand readings of the clock, or a thousandth of the time that there is."""
        clock = statistics.median([self._clock() for _ in range(5)])
        number = 1
        while True:
            took = self._time(number)
            if (clock / took <= 1e-4 and took >= min_run_time / 1000) or took > min_run_time:
                return number
            number *= 10

    def _clock(self) -> float:
        start = timer()
        return max(timer() - start, 1e-9)


class Compare:
    """Measurements as tables: one a label, a row a sub_label, a column a description.  `print()` shows them."""

    def __init__(self, results: Sequence[Measurement]) -> None:
        self._results: list[Measurement] = []
        self._trim = False
        self.extend_results(results)

    def __str__(self) -> str:
        merged = Measurement.merge(self._results)
        labels = list(dict.fromkeys(m.label for m in merged))
        return "\n".join(self._table([m for m in merged if m.label == label]) for label in labels)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """More of them.  Raises ArgumentError for what is no Measurement."""
        for r in results:
            if not isinstance(r, Measurement):
                raise ArgumentError(f"Compare: expected an instance of Measurement, got {type(r).__name__}")
            self._results.append(r)

    def trim_significant_figures(self) -> None:
        """Show only the figures that a repetition would give again."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Accepted: tables are plain text."""

    def highlight_warnings(self) -> None:
        """Accepted: a Measurement tells of its own."""

    def print(self) -> None:
        """Show the tables."""
        print(str(self))

    def _table(self, found: list[Measurement]) -> str:
        unit, seconds = select_unit(min(m.median for m in found))
        columns = list(dict.fromkeys(m.description for m in found))
        rows = list(dict.fromkeys((m.num_threads, m.as_row_name) for m in found))
        of = {(m.num_threads, m.as_row_name, m.description): m for m in found}

        def cell(row: tuple[int, str], column: str | None) -> str:
            m = of.get((*row, column))
            if m is None:
                return ""
            return f"{(trim_sigfig(m.median, m.significant_figures) if self._trim else m.median) / seconds:.1f}"

        body = [[row[1], *(cell(row, c) for c in columns)] for row in rows]
        head = ["", *(c or "" for c in columns)]
        widths = [max(map(len, line)) for line in zip(head, *body, strict=True)]

        def line(cells: list[str]) -> str:
            rest = [f"{c:>{w}}" for c, w in zip(cells[1:], widths[1:], strict=True)]
            return "  |  ".join([f"      {cells[0]:<{widths[0]}}", *rest])

        first = line(head)
        title = f" {found[0].label} " if found[0].label else ""
        text = [f"[{title:-^{max(len(first), len(title) + 2)}}]", first]
        for k, (threads, _) in enumerate(rows):
            if not k or rows[k - 1][0] != threads:
                text.append(f"{threads} threads: ".ljust(len(first) + 2, "-"))
            text.append(line(body[k]))
        return "\n".join([*text, "", f"Times are in {WORDS[unit]}s ({unit}).", ""])


def __getattr__(name: str) -> object:
    raise absent("cutaway.utils.benchmark", name, __all__)
