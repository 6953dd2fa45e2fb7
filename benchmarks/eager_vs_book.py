"""Eager Cutaway beside the book's way in NumPy, one training step each, in turn in one process.

    python benchmarks/eager_vs_book.py [--steps N]

W1 two-layer net 784-50-10, sigmoid, SGD · W3 SimpleConvNet, Adam · W4 DeepConvNet, Adam; batch 100, float32.
Prints the median time of each and the ratio (above 1: Cutaway is faster).
"""

from __future__ import annotations

import argparse
import os
from time import perf_counter

for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # a benchmark runs on the kernels that fit the machine
    os.environ.pop(name, None)

import book_numpy as book
import numpy as np

import cutaway
from cutaway import nn
from cutaway.nn import functional as F
from cutaway.optim import SGD, Adam

BATCH = 100
rng = np.random.default_rng(0)


def normal(*shape: int, std: float = 0.01) -> np.ndarray:
    """float32 weights."""
    return (std * rng.standard_normal(shape)).astype(np.float32)


def affine(n: int, m: int) -> book.Affine:
    """A fully connected layer of the book."""
    return book.Affine(normal(n, m), np.zeros(m, np.float32))


def convolution(c: int, o: int, k: int, pad: int) -> book.Convolution:
    """A convolution of the book, He initial values."""
    return book.Convolution(normal(o, c, k, k, std=(2 / (c * k * k)) ** 0.5), np.zeros(o, np.float32), pad)


def w1() -> tuple[book.Network, nn.Module, cutaway.optim.Optimizer]:
    """The two-layer net of chapter 4."""
    ours = nn.Sequential(nn.Flatten(), nn.Linear(784, 50), nn.Sigmoid(), nn.Linear(50, 10))
    return book.Network([affine(784, 50), book.Sigmoid(), affine(50, 10)], False), ours, SGD(ours.parameters(), 0.1)


def w3() -> tuple[book.Network, nn.Module, cutaway.optim.Optimizer]:
    """SimpleConvNet of chapter 7."""
    theirs = [convolution(1, 30, 5, 0), book.Relu(), book.Pooling(), affine(4320, 100), book.Relu(), affine(100, 10)]
    ours = nn.Sequential(
        nn.Conv2d(1, 30, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4320, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )
    return book.Network(theirs, True), ours, Adam(ours.parameters())


def w4() -> tuple[book.Network, nn.Module, cutaway.optim.Optimizer]:
    """DeepConvNet of chapter 8."""
    theirs: list[object] = []
    ours: list[nn.Module] = []
    for k, (c, o, pad) in enumerate([(1, 16, 1), (16, 16, 1), (16, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 1)]):
        theirs += [convolution(c, o, 3, pad), book.Relu()]
        ours += [nn.Conv2d(c, o, 3, padding=pad), nn.ReLU()]
        if k % 2:
            theirs.append(book.Pooling())
            ours.append(nn.MaxPool2d(2))
    theirs += [affine(1024, 50), book.Relu(), book.Dropout(), affine(50, 10), book.Dropout()]
    net = nn.Sequential(
        *ours, nn.Flatten(), nn.Linear(1024, 50), nn.ReLU(), nn.Dropout(), nn.Linear(50, 10), nn.Dropout()
    )
    return book.Network(theirs, True), net, Adam(net.parameters())


def main() -> None:
    """Time the three workloads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=0, help="timed steps of each (default: 400, 20, 8)")
    asked = parser.parse_args().steps
    image = rng.random((BATCH, 1, 28, 28), dtype=np.float32)
    label = rng.integers(0, 10, BATCH)
    x, t = cutaway.tensor(image), cutaway.tensor(label)
    print(f"{'':4}{'book, us':>12}{'cutaway, us':>14}{'ratio':>8}")
    for name, build, steps in (("W1", w1, 400), ("W3", w3, 20), ("W4", w4, 8)):
        theirs, model, optimizer = build()
        shaped = image.reshape(BATCH, -1) if name == "W1" else image
        times: tuple[list[float], list[float]] = ([], [])
        for n in range((asked or steps) + 3):
            start = perf_counter()
            theirs.step(shaped, label)
            middle = perf_counter()
            optimizer.zero_grad()
            F.cross_entropy(model(x), t).backward()
            optimizer.step()
            end = perf_counter()
            if n >= 3:  # the first are warm-up
                times[0].append(middle - start)
                times[1].append(end - middle)
        a, b = (float(np.median(s)) * 1e6 for s in times)
        print(f"{name:4}{a:12.0f}{b:14.0f}{a / b:8.2f}")


if __name__ == "__main__":
    main()
