"""The table at the end, coloured by whether a target is met."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cutaway.bench.measure import COMPILED, EAGER, JAX, TORCH_COMPILE, TORCH_LAST, Result
from cutaway.bench.workloads import MEAN, MEMORY, PEER, WARM_FIRST, WORKLOADS

WIDTH = 132
_NOTHING = Text("-", style="dim")


def judged(text: str, met: bool) -> Text:
    """Green if the target is met, else red."""
    return Text(text, style="green" if met else "red")


def us(seconds: float | None) -> Text:
    """Microseconds."""
    if seconds is None:
        return _NOTHING
    return Text(f"{seconds * 1e6:,.0f}" if seconds >= 1e-4 else f"{seconds * 1e6:,.1f}")


def ratio(r: float | None, target: float) -> Text:
    """Such as 4.31 of 4."""
    return _NOTHING if r is None else Text.assemble(judged(f"{r:.2f}", r >= target), (f" of {target:g}", "dim"))


def within(value: float | None, limit: float, shown: str) -> Text:
    """A value that must not pass a limit."""
    return _NOTHING if value is None else judged(shown.format(value), value <= limit)


def row(r: Result) -> list[Text]:
    """The cells of one workload."""
    w, best = r.workload, r.torch
    theirs = us(r.seconds(best) if best else None)
    if best == TORCH_LAST:
        theirs = theirs + Text(" cl", style="dim")
    memory: Text = _NOTHING
    ours_mb, theirs_mb = r.rss.get(COMPILED), r.rss.get(best or "")
    if ours_mb is not None:
        share = ours_mb / theirs_mb if theirs_mb else None
        shown = f"{ours_mb / 2**20:.0f}" + (f" ({share:.2f})" if share else "")
        memory = judged(shown, share <= MEMORY) if share else Text(shown)
    first = within(r.cold, w.first, "{:.2f}") + Text(" / ", style="dim") + within(r.warm, WARM_FIRST, "{:.2f}")
    peak: Text = _NOTHING
    if r.peak_fraction is not None:
        peak = judged(f"{r.peak_fraction:.0%}", r.peak_fraction >= w.peak) if w.peak else Text(f"{r.peak_fraction:.0%}")
    return [
        Text(r.name, style="bold"), us(r.seconds(COMPILED)), us(r.seconds(EAGER)), theirs, ratio(r.ratio(best), w.target),
        ratio(r.ratio(best, EAGER), 1), ratio(r.ratio(TORCH_COMPILE), PEER), ratio(r.ratio(JAX), PEER), peak, first, memory,
    ]  # fmt: skip


HEADS = (
    "", "compiled\nus", "eager\nus", "PyTorch\nus", "compiled\nx PyTorch", "eager x\nPyTorch", "x torch.\ncompile", "x JAX",
    "of the\npeak", "first step, s\ncold / warm", "MB (of\nPyTorch's)",
)  # fmt: skip


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table, the geometric mean, and what went wrong."""
    rows = [row(r) for r in results]
    table = Table(box=None, header_style="dim", padding=(0, 1), pad_edge=False)
    kept = [i for i in range(len(HEADS)) if i < 4 or any(cells[i].plain not in ("-", "- / -") for cells in rows)]
    for i in kept:
        table.add_column(HEADS[i], justify="right" if i else "left", no_wrap=True)
    for cells in rows:
        table.add_row(*(cells[i] for i in kept))
    console.print()
    before, console.width = console.width, max(console.width, WIDTH)  # wrapped rows cannot be read
    console.print(table, crop=False)
    console.width = before
    ratios = [x for r in results if r.name in WORKLOADS and (x := r.ratio(r.torch)) is not None]
    if len(ratios) > 1:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        of = f" of {MEAN:g}" if len(ratios) == len(WORKLOADS) else f" ({len(ratios)} workloads)"
        console.print(Text.assemble("geometric mean ", judged(f"{mean:.2f}", mean >= MEAN), (of, "dim"), " x PyTorch"))
    peaks = [r.peak for r in results if r.peak]
    if peaks:
        console.print(
            Text(
                f"{results[0].threads} threads; multiply-add peak {max(peaks) / 1e9:,.0f} GF/s; cl: channels last",
                "dim",
            )
        )
    for r in results:
        rates = [(side, r.workload.batch / t) for side in (COMPILED, EAGER, r.torch) if side and (t := r.seconds(side))]
        if r.workload.batch and rates:
            said = ", ".join(f"{side.replace(':', ' ')} {rate:,.0f}" for side, rate in rates)
            console.print(Text(f"{r.name}: images a second: {said}"), soft_wrap=True)
        for side, text in r.errors.items():
            console.print(Text(f"{r.name} {side.rstrip(':')}: {text}", style="yellow"), soft_wrap=True)
