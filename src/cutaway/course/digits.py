"""MNIST as the chapters use it: arrays, and small networks that are trained in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

import cutaway
from cutaway import nn
from cutaway.data import mnist
from cutaway.nn import functional as F

Arrays = tuple[np.ndarray, np.ndarray]


@lru_cache(1)
def digits() -> tuple[Arrays, Arrays]:
    """(x[60000, 784] float32 in 0..1, t[60000] int64) to train on, and 10,000 to test with."""
    both = mnist()
    return _flat(both.train), _flat(both.test)


def _flat(data: object) -> Arrays:
    images, labels = data.images, data.labels  # type: ignore[attr-defined]
    return images.reshape(len(images), -1).astype(np.float32) / 255, labels


@lru_cache(4)
def given_weights(sizes: Sequence[int] = (784, 50, 100, 10), epochs: int = 2, seed: int = 0) -> tuple[np.ndarray, ...]:
    """W1[784, 50], b1[50], W2, b2, ... of a network of sigmoids that reads digits, trained here (Adam, batches of 100)."""
    (x, t), _ = digits()
    cutaway.manual_seed(seed)
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.Sigmoid()]
    model = nn.Sequential(*layers[:-1])
    optimizer = cutaway.optim.Adam(model.parameters(), lr=0.003)

    def step(x: cutaway.Tensor, t: cutaway.Tensor) -> cutaway.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    try:
        fast = cutaway.compile(step)
    except ImportError:
        fast = step
    for _ in range(epochs):
        order = cutaway.randperm(len(x)).numpy()
        for rows in order.reshape(-1, 100):
            fast(cutaway.from_numpy(x[rows]), cutaway.from_numpy(t[rows]))
    return tuple(p.detach().numpy().T.copy() for p in model.parameters())
