"""A differential fuzzer: random programs, compiled and interpreted.

    python tests/engine/fuzz.py --programs 10000 [--first SEED] [--batch 25]

Several programs share one module, since LLVM's start costs more than a small program. A failure is shrunk, and printed as
the seed, the few lines that are left, and what is wrong. A crash of the machine code ends a worker process only, and its
batch is searched for the program that did it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import cutaway
from cutaway.core.tensor import Tensor
from cutaway.engine import program, segments, threads
from cutaway.engine.compile import compile
from cutaway.engine.graph import interpret
from cutaway.engine.trace import trace

if __package__:
    from .agreement import RUNS, disagreement, on, rounded_anew
    from .programs import Program, draw, smaller
else:  # as a script
    sys.path.insert(0, str(Path(__file__).parent))
    from agreement import RUNS, disagreement, on, rounded_anew  # type: ignore[import-not-found,no-redef]

    from programs import Program, draw, smaller  # type: ignore[import-not-found,no-redef]

WORKER = 100  # programs of one worker process
THREADS = 3


@contextmanager
def crowd() -> Iterator[None]:
    """Programs so small run on one thread, undivided. Here they are divided: what barriers are for is tested."""
    below, fewest, before = program.ALONE_BELOW, segments.FEWEST, threads.get_num_threads()
    program.ALONE_BELOW, segments.FEWEST = 0, 2
    threads.set_num_threads(THREADS)
    try:
        yield
    finally:
        program.ALONE_BELOW, segments.FEWEST = below, fewest
        threads.set_num_threads(before)


def handles(p: Program, strided: bool) -> list[Tensor]:
    """The program's arrays as Tensors; `strided` ones are transposed views of other memory."""
    return [on(np.array(a.T, order="C").T if strided and n % 2 else a.copy()) for n, a in enumerate(p.arrays)]


def expected(p: Program) -> tuple[list[np.ndarray], list[list[np.ndarray]]] | None:
    """Results by the interpreter, and with random rounding; None for a program that eager mode refuses."""
    graph, _ = trace(p.run, handles(p, False))
    rng = np.random.default_rng(0)
    try:
        return interpret(graph, p.arrays)[0], [rounded_anew(graph, p.arrays, rng) for _ in range(RUNS)]
    except Exception:
        return None


def execute(programs: Sequence[Program]) -> list[list[np.ndarray]]:
    """Results of several programs by one native program: outputs, then the memory that was written.

    Arrays that are written, and every other one, are closed over; the rest are arguments.
    """
    held = [handles(p, n % 2 == 1) for n, p in enumerate(programs)]
    closed = [{a for a, _ in p.writes} | {a for a in range(len(p.arrays)) if a % 2} for p in programs]

    def fn(*groups: Any) -> Any:
        out = []
        for p, given, own, ts in zip(programs, groups, closed, held, strict=True):
            arguments = iter(given)
            results = p.run(*[ts[n] if n in own else next(arguments) for n in range(len(p.arrays))])
            with cutaway.no_grad():
                for (a, _), y in zip(p.writes, results[len(p.outputs) :], strict=True):
                    ts[a].copy_(y)
            out.append(results[: len(p.outputs)])
        return out

    groups = [[t for n, t in enumerate(ts) if n not in own] for ts, own in zip(held, closed, strict=True)]
    with crowd():
        results = compile(fn)(*groups)
    return [
        [*(np.array(t._data) for t in outs), *(np.array(ts[a]._data) for a, _ in p.writes)]
        for p, outs, ts in zip(programs, results, held, strict=True)
    ]


def verdict(p: Program, got: Sequence[np.ndarray], want: tuple[list[np.ndarray], list[list[np.ndarray]]]) -> str:
    """What is wrong; empty if nothing."""
    last = {a: n for n, (a, _) in enumerate(p.writes, len(p.outputs))}  # the last write to an array stays
    for n, g in enumerate(got):
        at = n if n < len(p.outputs) else last[p.writes[n - len(p.outputs)][0]]
        found = disagreement(g, want[0][at], [o[at] for o in want[1]])
        if found:
            return f"{'output' if n < len(p.outputs) else 'write'} {n}: {found}"
    return ""


def trouble(p: Program) -> str:
    """What is wrong with one program, compiled alone; empty if nothing."""
    want = expected(p)
    if want is None:
        return ""
    try:
        return verdict(p, execute([p])[0], want)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def shrink(p: Program, wrong: str) -> tuple[Program, str]:
    """The smallest program found that still fails in the same manner."""
    shrinking = True
    while shrinking:
        shrinking = False
        for q in smaller(p):
            try:
                found = trouble(q)
            except Exception:  # the smaller one is no program
                continue
            if found and found.split(":")[0].split()[0] == wrong.split(":")[0].split()[0]:
                p, wrong, shrinking = q, found, True
                break
    return p, wrong


def check(seeds: Sequence[int]) -> list[str]:
    """Run the programs of these seeds in one module: a text for each failure."""
    drawn = [(s, p, want) for s in seeds if (want := expected(p := draw(s))) is not None]
    try:
        results = execute([p for _, p, _ in drawn])
        bad = [(s, p) for (s, p, want), got in zip(drawn, results, strict=True) if verdict(p, got, want)]
    except Exception:
        bad = [(s, p) for s, p, _ in drawn]
    out = []
    for s, p in bad:
        wrong = trouble(p)
        if not wrong and len(bad) < len(drawn):
            out.append(f"seed {s}: wrong beside others, right alone\n{p}")
        if wrong:
            q, wrong = shrink(p, wrong)
            out.append(f"seed {s}: {wrong}\n{q}")
    return out


def run(first: int, count: int, batch: int) -> list[str]:
    """All failures of a range of seeds, in this process."""
    out = []
    for start in range(first, first + count, batch):
        print(f"# {start}", flush=True)
        for text in check(range(start, min(start + batch, first + count))):
            print(text, flush=True)
            out.append(text)
    return out


def supervise(first: int, count: int, batch: int) -> int:
    """Worker processes, one after the other; returns how many programs failed."""
    failed, began = 0, time.perf_counter()

    def work(start: int, n: int, size: int) -> tuple[int, str]:
        command = [sys.executable, __file__, "--worker", f"--first={start}", f"--programs={n}", f"--batch={size}"]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + (done.stderr if done.returncode not in (0, 1) else "")

    for start in range(first, first + count, WORKER):
        n = min(WORKER, first + count - start)
        code, text = work(start, n, batch)
        if code not in (0, 1):
            print(f"a worker died: seeds {start} to {start + n - 1}", flush=True)
            reached = max((int(x[2:]) for x in text.splitlines() if x.startswith("# ")), default=start)
            for s in range(reached, min(reached + batch, start + n)):
                code, text = work(s, 1, 1)
                if code not in (0, 1):
                    print(f"seed {s}: the process died ({code})\n{draw(s)}\n{text[-2000:]}", flush=True)
                    failed += 1
        lines = "\n".join(line for line in text.splitlines() if not line.startswith("# "))
        if code == 1:
            failed += lines.count("seed ")
        if lines:
            print(lines, flush=True)
        print(f"{start + n - first} programs, {failed} failed, {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return failed


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--worker", action="store_true", help="run in this process")
    a = parser.parse_args()
    if a.worker:
        return 1 if run(a.first, a.programs, a.batch) else 0
    return 1 if supervise(a.first, a.programs, a.batch) else 0


if __name__ == "__main__":
    sys.exit(main())
