"""PyTorch's profiler by name: named spans and steps are timed, and make a table and a trace.

Single operations are not recorded here: `cutaway.compile(f)` has `kernels()` and `timeline()`, which measure them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Any

from cutaway.core.absent import absent

__all__ = [
    "ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(Enum):
    """What may be observed; only the CPU is there."""

    CPU = 0
    CUDA = 1


class ProfilerAction(Enum):
    """What a schedule wants done with a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def schedule(
    *, wait: int = 0, warmup: int = 0, active: int = 1, repeat: int = 0, skip_first: int = 0
) -> Callable[[int], ProfilerAction]:
    """A function of the step's number: skip_first, then cycles of wait, warmup and active steps, `repeat` times (0: on)."""

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        cycle = wait + warmup + active
        if step < 0 or (repeat and step // cycle >= repeat):
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if at == cycle - 1 else ProfilerAction.RECORD

    return action


_running: list[profile] = []


class Row:
    """All spans of one name: how many, and their time in microseconds."""

    def __init__(self, key: str) -> None:
        self.key, self.count, self.cpu_time_total = key, 0, 0.0

    @property
    def name(self) -> str:
        """As `key`."""
        return self.key

    @property
    def cpu_time(self) -> float:
        """Microseconds a span."""
        return self.cpu_time_total / max(self.count, 1)


class Rows(list[Row]):
    """What `key_averages` gives; `table()` prints it."""

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """A table, the longest total first."""
        lines = [f"{'Name':40} {'Calls':>8} {'Total ms':>12} {'Mean ms':>12}"]
        for row in sorted(self, key=lambda r: -r.cpu_time_total)[: None if row_limit < 0 else row_limit]:
            lines.append(f"{row.key[:40]:40} {row.count:8} {row.cpu_time_total / 1e3:12.3f} {row.cpu_time / 1e3:12.3f}")
        return "\n".join(lines)


class profile:
    """Times what `record_function` names, and each `step()`, inside a `with` block.

    schedule        which steps count; `on_trace_ready(self)` is called after each active cycle, or at the end without one
    Other options of PyTorch's are taken and make no difference.
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        **options: Any,
    ) -> None:
        self.enabled = enabled  # of torch.autograd.profiler.profile
        self.schedule, self.on_trace_ready = schedule, on_trace_ready
        self.step_num = 0
        self.spans: list[tuple[str, float, float]] = []  # (name, begin, end) in seconds, of the last cycle
        self._told = False  # whether that cycle is over

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin."""
        if self.enabled:
            _running.append(self)
        self._began = time.perf_counter()

    def stop(self) -> None:
        """End."""
        if self in _running:
            _running.remove(self)
            self._finish_step()
            if self.on_trace_ready is not None and self.schedule is None:
                self.on_trace_ready(self)

    def step(self) -> None:
        """The next step begins."""
        saved = self._action() is ProfilerAction.RECORD_AND_SAVE
        self._finish_step()
        self.step_num += 1
        if saved and self.schedule is not None:
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)
            self._told = True

    def _action(self) -> ProfilerAction:
        return ProfilerAction.RECORD if self.schedule is None else self.schedule(self.step_num)

    def _finish_step(self) -> None:
        self.add(f"ProfilerStep#{self.step_num}", self._began, time.perf_counter())
        self._began = time.perf_counter()

    def add(self, name: str, begin: float, end: float) -> None:
        """Record a span, if the step is an active one."""
        if self._action() in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE):
            if self._told:
                self.spans, self._told = [], False
            self.spans.append((name, begin, end))

    def events(self) -> Rows:
        """The spans, one by one."""
        rows = Rows()
        for name, begin, end in self.spans:
            rows.append(Row(name))
            rows[-1].count, rows[-1].cpu_time_total = 1, (end - begin) * 1e6
        return rows

    function_events = property(events, doc="The spans, one by one.")

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> Rows:
        """The spans by name."""
        rows: dict[str, Row] = {}
        for name, begin, end in self.spans:
            name = "ProfilerStep*" if name.startswith("ProfilerStep#") else name
            row = rows.setdefault(name, Row(name))
            row.count += 1
            row.cpu_time_total += (end - begin) * 1e6
        return Rows(rows.values())

    def export_chrome_trace(self, path: str) -> None:
        """Write the spans as a trace that chrome://tracing and Perfetto open."""
        events = [
            {"name": name, "ph": "X", "ts": begin * 1e6, "dur": (end - begin) * 1e6, "pid": 0, "tid": 0}
            for name, begin, end in self.spans
        ]
        Path(path).write_text(json.dumps({"traceEvents": events}), encoding="utf-8")


class record_function:
    """Names a span: `with record_function("forward"):`, or a decorator."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name

    def __enter__(self) -> record_function:
        self._began = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        end = time.perf_counter()
        for p in _running:
            p.add(self.name, self._began, end)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, each call of which is a span."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return fn(*args, **kwargs)

        return call


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """An `on_trace_ready` that writes each trace to a file of its own in a folder."""

    def write(p: profile) -> None:
        folder = Path(dir_name)
        folder.mkdir(parents=True, exist_ok=True)
        p.export_chrome_trace(str(folder / f"{worker_name or 'worker'}.{time.time_ns()}.pt.trace.json"))

    return write


def __getattr__(name: str) -> Any:
    raise absent("cutaway.profiler", name, __all__)
