"""`cutaway bench`: from options to a table and a JSON file."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cutaway.bench import table
from cutaway.bench.measure import PEERS, Result, measure
from cutaway.bench.workloads import TRAINING, WORKLOADS
from cutaway.core.errors import ArgumentError
from cutaway.core.replace import replacing
from cutaway.train.settings import unknown

INTERRUPTED = 130
ALL = WORKLOADS | TRAINING
BUSY = 0.7  # load average from which on a warning is due


def show_list(console: Console) -> None:
    """The workloads, one a line."""
    for name, w in ALL.items():
        console.print(f"{name:<5}  {w.summary}", soft_wrap=True)


def start(
    names: Sequence[str],
    peers: str,
    json_file: Path | None,
    steps: int | None,
    seconds: float,
    threads: int,
    console: Console,
) -> int:
    """Measure the workloads `names` (W1 to W8 if none) and print; the exit code.  Raises ArgumentError for bad options."""
    chosen = [_named(name) for name in names] or list(WORKLOADS)
    wanted = _peers(peers, console)
    if steps is not None and steps < 1:
        raise ArgumentError(f"--steps must be 1 or more, got {steps}")
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ArgumentError(f"--seconds must be a number above 0, got {seconds:g}")
    if not 1 <= threads <= 256:
        raise ArgumentError(f"--threads must be from 1 to 256, got {threads}")
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise ArgumentError(f"--json {json_file}: there is no folder {json_file.parent}; make it first")

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a kill prints what has been measured, too
    results: list[Result] = []
    code, load = 0, busy()
    if load > BUSY:
        console.print(
            f"other programs are busy here (load average {load:.1f}): do not trust these times",
            style="yellow",
            soft_wrap=True,
        )
    # Drawn only between blocks: a display that moves by itself would take time from what is measured.
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[doing]}", style="dim"), TimeElapsedColumn(),
        console=console, transient=True, auto_refresh=False, disable=not console.is_terminal,
    )  # fmt: skip
    try:
        with bar:
            task = bar.add_task("", total=len(chosen), doing="")
            for n, name in enumerate(chosen):
                result = Result(name, ALL[name], threads)
                results.append(result)

                def say(what: str, share: float, n: int = n, name: str = name) -> None:
                    bar.update(task, description=name, completed=n + share, doing=what, refresh=True)

                measure(result, wanted, seconds, steps or 0, say)
                if not console.is_terminal:
                    console.print(f"{name} measured", soft_wrap=True)
    except KeyboardInterrupt:
        code = INTERRUPTED
    table.show(results, console)
    if json_file is not None:
        write({r.name: {**r.record(), "load_average_before": load} for r in results}, json_file)
    return code


def busy() -> float:
    """How many threads of other programs ran at once in the last minute; 0 where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0


def _named(name: str) -> str:
    found = {known.lower(): known for known in ALL}
    if name.lower() not in found:
        raise unknown("bench", name, ALL)
    return found[name.lower()]


def _peers(text: str, console: Console) -> list[str]:
    """The peers that are installed; a line for each that is not."""
    wanted = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name not in PEERS:
            raise unknown("--peers", name, PEERS)
        package = name.partition(".")[0]
        if importlib.util.find_spec(package) is None:
            console.print(
                f"{name} is not installed, so it is left out; pip install {package} would add it", soft_wrap=True
            )
        else:
            wanted.append(name)
    return wanted


def write(record: dict[str, Any], path: Path) -> None:
    """Put the JSON file in place, whole."""
    with replacing(path, "bench") as f:
        f.write((json.dumps(record, indent=2) + "\n").encode())
