"""Random numbers beside PyTorch's: milliseconds of processor time for each, on one thread, the two libraries in turn.

    python benchmarks/draws.py [--numpy] [--times N]

`--numpy` keeps native code out of it, as before the engine is loaded.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from time import thread_time
from typing import Any

N = 1_000_000
DRAWS: dict[str, Callable[[Any], Any]] = {
    "rand": lambda m: m.rand(N),
    "rand float64": lambda m: m.rand(N, dtype=m.float64),
    "randn": lambda m: m.randn(N),
    "randn float64": lambda m: m.randn(N, dtype=m.float64),
    "uniform_": lambda m: m.empty(N).uniform_(-0.3, 0.3),
    "normal_": lambda m: m.empty(N).normal_(0, 0.02),
    "bernoulli_": lambda m: m.empty(N).bernoulli_(0.3),
    "exponential_": lambda m: m.empty(N).exponential_(),
    "randint of 10": lambda m: m.randint(10, (N,)),
    "randint of 2^40": lambda m: m.randint(2**40, (N,)),
    "randperm": lambda m: m.randperm(N),
    "randperm of 60,000": lambda m: m.randperm(60_000),
    "multinomial": lambda m: m.multinomial(m.ones(1000), 20_000, True),
    "rand of 1": lambda m: m.rand(1),
    "randn of 3": lambda m: m.randn(3),
    "randn of 64": lambda m: m.randn(64),
}


def seconds(draw: Callable[[Any], Any], library: Any) -> float:
    """How long one call takes; a short one is repeated."""
    start = thread_time()
    draw(library)
    once = thread_time() - start
    repeats = max(1, round(1e-3 / max(once, 1e-6)))
    start = thread_time()
    for _ in range(repeats):
        draw(library)
    return (thread_time() - start) / repeats


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--numpy", action="store_true", help="without native code")
    parser.add_argument("--times", type=int, default=15, help="of which the fastest counts (default 15)")
    options = parser.parse_args()
    if options.numpy:
        os.environ["CUTAWAY_EAGER"] = "numpy"
    import torch

    import cutaway
    from cutaway.core import accelerate

    torch.set_num_threads(1)
    if not options.numpy:
        accelerate.load()
    print(f"{'':20}{'PyTorch':>10}{'Cutaway':>10}{'ratio':>8}")
    for name, draw in DRAWS.items():
        both = [[seconds(draw, library) for library in (torch, cutaway)] for _ in range(options.times)]
        theirs, ours = (1000 * min(column) for column in zip(*both))
        print(f"{name:20}{theirs:10.4f}{ours:10.4f}{ours / theirs:8.2f}")


if __name__ == "__main__":
    main()
