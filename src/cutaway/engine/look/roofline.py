"""The roofline plot (Williams, Waterman & Patterson 2009): speed against FLOP per byte, under what the machine can do."""

from __future__ import annotations

from cutaway.engine.look.drawing import KINDS, Decades, dot, explored, key, line, plot
from cutaway.engine.look.html import duration, size
from cutaway.engine.look.kernels import Kernels, Record


def story(r: Record) -> str:
    """A kernel in a sentence."""
    return (
        f"{r.number} {r.name} {r.result}: {duration(r.seconds)}, {r.flop_rate / 1e9:.1f} GF/s, "
        f"{r.byte_rate / 1e9:.1f} GB/s, {100 * r.peak_fraction:.0f} % of the peak, "
        f"{100 * r.roof_fraction:.0f} % of the best possible; {r.line}"
    )


def roofline(k: Kernels) -> str:
    """One mark a kernel that computes with floats, as large as its share of the time."""
    shown = [r for r in k if r.flops and r.nbytes]
    if not shown:
        return '<p class="note">No kernel computes with floating-point numbers.</p>'
    peak = (
        max(k.machine.peak.values()) if any(r.result.dtype.itemsize < 8 for r in shown) else k.machine.peak["float64"]
    )
    rates = {"roof near": k.machine.levels[0], "roof far": k.machine.levels[-1]}
    across = Decades([r.flops / r.nbytes for r in shown] + [peak / rate for _, rate in rates.values()])
    up = Decades([r.flop_rate / 1e9 for r in shown] + [peak / 1e9])

    def at(intensity: float, rate: float) -> tuple[float, float]:
        return across.place(intensity), 100 - up.place(rate / 1e9)

    body = ""
    first = min(peak / rate for _, rate in rates.values())
    for kind, (_, rate) in rates.items():
        low = max(10.0**across.low, 10.0**up.low * 1e9 / rate)  # where the slope comes into view
        body += line(kind, *at(low, low * rate), *at(peak / rate, peak))
    body += line("roof near", *at(first, peak), *at(10.0**across.high, peak))
    # Small ones last: they would vanish behind large ones.
    for r in sorted(shown, key=lambda r: -r.seconds):
        radius = 3.5 + 9 * (r.seconds / (k.seconds or 1.0)) ** 0.5
        body += dot(*at(r.flops / r.nbytes, r.flop_rate), radius, r.kind, r.number, story(r))
    y = [(100 - place, text) for place, text in up.ticks()]
    chart = plot("roofline", body, across.ticks(), y, "FLOP per byte", "GF/s", 380)
    names = {"roof near": "nearest", "roof far": "farthest"}
    more = [
        (kind, f"{names[kind]} memory: {rate / 1e9:.0f} GB/s ({size(most)} a thread)")
        for kind, (most, rate) in rates.items()
    ]
    kinds = [kind for kind in KINDS if any(r.kind == kind for r in shown)]
    left = len(k) - len(shown)
    hint = f"A mark is a kernel, as large as its share of the time. The flat roof is {peak / 1e9:.0f} GF/s."
    hint += f" {left} kernels without floating-point operations are not shown." if left else ""
    return key(kinds, more) + explored("Roofline", chart, hint)
