"""One workload measured: every side a process of its own, blocks of steps in turn, medians."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from cutaway.bench.process import Process, SideError
from cutaway.bench.workloads import Workload

ROUNDS = 5
# Relative difference that rounding explains: in the first loss, and in later ones (a batch norm's update amplifies it).
FIRST_LOSS, LATER_LOSS = 1e-5, 1e-3

COMPILED, EAGER, MACHINE = "cutaway:compiled", "cutaway:eager", "machine:"
TORCH, TORCH_LAST, TORCH_COMPILE, JAX = "torch:contiguous", "torch:channels_last", "torch:compile", "jax:"
PEERS = {"torch": (TORCH, TORCH_LAST), "torch.compile": (TORCH_COMPILE,), "jax": (JAX,)}


@dataclass
class Result:
    """What has been measured of one workload so far. `times[side]` has a list of seconds for each round."""

    name: str
    workload: Workload
    threads: int
    times: dict[str, list[list[float]]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    rss: dict[str, int] = field(default_factory=dict)
    cold: float | None = None
    warm: float | None = None
    flops: int | None = None
    nominal_flops: int | None = None
    peaks: list[float] = field(default_factory=list)  # FLOP a second, one a round
    versions: dict[str, str] = field(default_factory=dict)

    def seconds(self, side: str) -> float | None:
        """The median step."""
        steps = [t for block in self.times.get(side, []) for t in block]
        return median(steps) if steps else None

    @property
    def torch(self) -> str | None:
        """PyTorch's quickest eager variant here."""
        found = [side for side in (TORCH, TORCH_LAST) if self.seconds(side)]
        return min(found, key=lambda side: self.seconds(side) or math.inf) if found else None

    @property
    def peak(self) -> float | None:
        """FLOP a second that the machine can do: the best round's."""
        return max(self.peaks, default=None)

    @property
    def peak_fraction(self) -> float | None:
        """Of that, the share that the compiled step does."""
        return self._share(self.flops)

    def _share(self, flops: int | None) -> float | None:
        seconds = self.seconds(COMPILED)
        return flops / seconds / self.peak if seconds and flops and self.peak else None

    def ratio(self, peer: str | None, side: str = COMPILED) -> float | None:
        """How many times faster than `peer` a side is."""
        theirs, ours = self.seconds(peer) if peer else None, self.seconds(side)
        return theirs / ours if theirs and ours else None

    def spread(self, peer: str | None) -> list[float] | None:
        """The least and the greatest ratio of any round."""
        if peer is None or self.ratio(peer) is None:
            return None
        rounds = zip(self.times[peer], self.times[COMPILED], strict=False)
        ratios = [median(theirs) / median(ours) for theirs, ours in rounds]
        return [min(ratios), max(ratios)]

    def record(self) -> dict[str, Any]:
        """As it goes into the JSON file: None where nothing was measured, and why in `errors`."""
        best = self.torch

        def us(side: str | None) -> float | None:
            seconds = self.seconds(side) if side else None
            return None if seconds is None else round(seconds * 1e6, 3)

        def mb(side: str | None) -> float | None:
            nbytes = self.rss.get(side) if side else None
            return None if nbytes is None else round(nbytes / 2**20, 1)

        def rate(side: str | None) -> float | None:
            seconds = self.seconds(side) if side else None
            return None if seconds is None else round(self.workload.batch / seconds, 1)

        rates = {"cutaway_images_per_s": COMPILED, "cutaway_eager_images_per_s": EAGER, "torch_images_per_s": best}
        return {
            "cutaway_compiled_us": us(COMPILED),
            "cutaway_eager_us": us(EAGER),
            "torch_eager_us": us(best),
            "peak_fraction": _rounded(self.peak_fraction),
            "first_step_s": _rounded(self.cold),
            "rss_mb": mb(COMPILED),
            "warm_first_step_s": _rounded(self.warm),
            "torch_contiguous_us": us(TORCH),
            "torch_channels_last_us": us(TORCH_LAST),
            "torch_compile_us": us(TORCH_COMPILE),
            "jax_us": us(JAX),
            "eager_rss_mb": mb(EAGER),
            "torch_rss_mb": mb(best),
            "ratio_torch": _rounded(self.ratio(best)),
            "ratio_torch_least_and_greatest": [_rounded(r) for r in self.spread(best) or []] or None,
            "ratio_torch_compile": _rounded(self.ratio(TORCH_COMPILE)),
            "ratio_jax": _rounded(self.ratio(JAX)),
            "ratio_eager_torch": _rounded(self.ratio(best, EAGER)),
            **({key: rate(side) for key, side in rates.items()} if self.workload.batch else {}),
            "mflop": None if self.flops is None else round(self.flops / 1e6, 3),
            "nominal_mflop": None if self.nominal_flops is None else round(self.nominal_flops / 1e6, 3),
            "nominal_peak_fraction": _rounded(self._share(self.nominal_flops)),
            "peak_gflops": None if self.peak is None else round(self.peak / 1e9, 1),
            "threads": self.threads,
            "versions": self.versions,
            "errors": {_key(side): text for side, text in self.errors.items()},
        }


def _rounded(x: float | None) -> float | None:
    return None if x is None else float(f"{x:.4g}")


def _key(side: str) -> str:
    return side.rstrip(":").replace(":", "_")


def measure(
    result: Result, peers: Iterable[str], seconds: float, steps: int, say: Callable[[str, float], None]
) -> None:
    """Fill `result`: `seconds` of each side's steps (or so many steps), in ROUNDS blocks.

    `say(what, share)` is told what happens next and how much is done.  What fails is noted in `result.errors`.
    """
    w, threads = result.workload, result.threads
    sides = [COMPILED, EAGER, *(side for peer in peers for side in PEERS[peer] if side != TORCH_LAST or w.images)]
    rounds = min(ROUNDS, steps) if steps else ROUNDS
    amount = {"steps": -(-steps // rounds)} if steps else {"seconds": seconds / rounds}
    # Losses that are compared: of the weights as they were, and after one update (which without dropout is another one).
    checked = {"steps": 1 if w.draws else 2, "draws": w.draws}
    count, total = 0, 3 + len(sides) * (1 + rounds)

    def next_is(what: str) -> None:
        nonlocal count
        say(what, count / total)
        count += 1

    with tempfile.TemporaryDirectory(prefix="cutaway-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        state = str(folder / "state.npz")

        def process(side: str) -> Process:
            return Process(side.replace("cutaway:", f"{w.ours}:"), w.path, threads, folder / "objects")

        try:
            next_is("weights and data")
            with process(EAGER) as p:
                p.ask("build")
                p.ask("save", file=state)
                p.ask("load", file=state)
                expected = p.ask("check", **checked)["losses"]
        except SideError as e:
            result.errors[EAGER] = result.errors[COMPILED] = str(e)
            return
        try:
            next_is("first step, nothing cached")
            with process(COMPILED) as p:
                p.ask("build")
                p.ask("load", file=state)
                first = p.ask("first")
                result.cold = first["seconds"]
                if w.draws:
                    p.ask("load", file=state)
                    same(expected, p.ask("check", **checked)["losses"])
                else:
                    same(expected, [first["loss"], *p.ask("check", steps=1, draws=False)["losses"]])
        except SideError as e:
            result.errors[COMPILED] = str(e)
            sides.remove(COMPILED)

        running: dict[str, Process] = {}
        for side in sides:
            next_is(f"{_key(side)} starts")
            p = stack.enter_context(process(side))
            try:
                p.ask("build")
                p.ask("load", file=state)
                if side == COMPILED:
                    result.warm = p.ask("first")["seconds"]
                else:
                    same(expected, p.ask("check", **checked)["losses"])
                running[side] = p
            except SideError as e:
                result.errors[side] = str(e)
        machine = stack.enter_context(process(MACHINE))
        try:
            machine.ask("build")
            running[MACHINE] = machine
        except SideError as e:
            result.errors[MACHINE] = str(e)

        for n in range(rounds):
            for side, p in list(running.items()):
                if side != MACHINE:
                    next_is(f"{_key(side)}, round {n + 1} of {rounds}")
                try:
                    times = [] if side == MACHINE else p.ask("block", **amount)["times"]
                    about = p.ask("about")
                except SideError as e:
                    result.errors[side] = str(e)
                    del running[side]
                    continue
                if side == MACHINE:
                    result.peaks.append(about["peak"])
                    continue
                result.times.setdefault(side, []).append(times)
                if about["rss"] is not None:
                    result.rss[side] = about["rss"]
                if "flops" in about:
                    result.flops, result.nominal_flops = about["flops"], about["nominal_flops"]
                if "version" in about:
                    result.versions[side.partition(":")[0]] = about["version"]
    say("done", 1.0)


def same(expected: list[float], got: list[float]) -> None:
    """Raise SideError unless the losses agree: two different things are not to be timed against each other."""
    for n, (a, b) in enumerate(zip(expected, got, strict=True)):
        if not abs(a - b) <= (LATER_LOSS if n else FIRST_LOSS) * abs(a):
            raise SideError(
                f"not timed: from equal weights its losses are {_show(got)}, eager Cutaway's {_show(expected)}"
            )


def _show(losses: list[float]) -> str:
    return ", ".join(f"{x:.7g}" for x in losses)
