"""The networks of the chapter: a recurrent one and a GPT, both from symbols ids[N, T] to logits[N, T, C]."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import cutaway
from cutaway import Tensor, nn
from cutaway.nn import functional as F

Split = Callable[[Tensor, int], Tensor]

class Recurrent(nn.Module):
    """Symbols as rows of numbers, a recurrent network over them (nn.RNN, nn.LSTM), and a layer that gives logits."""

    def __init__(self, kind: Any, symbols: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        self.memory = kind(width, width, batch_first=True)
        self.out = nn.Linear(width, symbols)

    def forward(self, ids: Tensor) -> Tensor:
        """ids[N, T] -> logits[N, T, C]."""
        states, _ = self.memory(self.embed(ids))
        return self.out(states)


class Block(nn.Module):
    """One layer of a GPT: attention, then two dense layers; each sees its input normalised, and adds to it."""

    def __init__(self, width: int, heads: int, split: Split) -> None:
        super().__init__()
        self.heads, self.split = heads, split
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.join = (nn.Linear(width, width) for _ in range(4))
        self.dense = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """x[N, T, D] -> [N, T, D]."""
        n, t, d = x.shape
        a = self.norm1(x)
        q, k, v = (self.split(layer(a), self.heads) for layer in (self.query, self.key, self.value))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.join(seen.transpose(1, 2).reshape(n, t, d))
        return x + self.dense(self.norm2(x))

    def shares(self, x: Tensor) -> Tensor:
        """How much each place looks at each other: x[N, T, D] -> [N, heads, T, T]."""
        a = self.norm1(x)
        q, k = (self.split(layer(a), self.heads) for layer in (self.query, self.key))
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        t = x.shape[1]
        later = cutaway.arange(t) > cutaway.arange(t)[:, None]
        return scores.masked_fill(later, float("-inf")).softmax(-1)


class GPT(nn.Module):
    """Radford et al. 2018, small: symbols and places as rows of numbers, blocks, logits."""

    def __init__(self, symbols: int, places: np.ndarray, heads: int, layers: int, split: Split) -> None:
        super().__init__()
        width = places.shape[1]
        self.embed = nn.Embedding(symbols, width)
        self.register_buffer("places", cutaway.tensor(places).float())
        self.blocks = nn.ModuleList([Block(width, heads, split) for _ in range(layers)])
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, symbols)

    def forward(self, ids: Tensor) -> Tensor:
        """ids[N, T] -> logits[N, T, C]."""
        x = self.start(ids)
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm(x))

    def start(self, ids: Tensor) -> Tensor:
        """What the first block sees."""
        return self.embed(ids) + self.places[: ids.shape[1]]

    def looks(self, ids: Tensor) -> list[np.ndarray]:
        """The shares of attention in every block: [N, heads, T, T] each."""
        x, found = self.start(ids), []
        with cutaway.no_grad():
            for block in self.blocks:
                found.append(block.shares(x).numpy())
                x = block(x)
        return found


def train(
    model: nn.Module, x: np.ndarray, t: np.ndarray, steps: int, lr: float, batch: int = 32,
    shown: Callable[[range], Iterable[int]] = iter,
) -> list[float]:  # fmt: skip
    """Learn to say what comes next, by Adam, in a compiled step where that can be; each step's loss, in nats a symbol.

    shown   what the steps are counted through: a notebook's bar
    """
    rng = np.random.default_rng(0)
    optimizer = cutaway.optim.Adam(model.parameters(), lr=lr)

    def step(ids: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids).flatten(0, 1), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    try:
        # A recurrent layer runs one compiled time step again and again; in a compiled step all of them would be written out.
        fast: Any = step if isinstance(model, Recurrent) else cutaway.compile(step)
    except ImportError:
        fast = step
    losses = []
    for _ in shown(range(steps)):
        rows = rng.integers(len(x), size=batch)
        losses.append(fast(cutaway.from_numpy(x[rows]), cutaway.from_numpy(t[rows])).item())
    return losses


def write(model: nn.Module, ids: list[int], count: int, length: int, pick: Callable[[np.ndarray, float, float], int],
          temperature: float, seed: int = 0) -> list[int]:  # fmt: skip
    """Go on with `ids` by `count` symbols, each drawn by `pick(logits, temperature, u)`; the network sees the last `length`.

    The row is filled up behind with zeros, which a causal network does not see, so that every call has the same shape.
    """
    rng = np.random.default_rng(seed)
    ids = list(ids)
    fast = cutaway.compile(lambda row: model(row))
    with cutaway.no_grad():
        for _ in range(count):
            seen = ids[-length:]
            row = np.zeros((1, length), np.int64)
            row[0, : len(seen)] = seen
            logits = fast(cutaway.from_numpy(row)).numpy()[0, len(seen) - 1]
            ids.append(pick(logits.astype(float), temperature, float(rng.random())))
    return ids
