"""What a run learns from: training and test examples, the names of the classes, the shape of one input."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol

from cutaway import data
from cutaway.core.errors import ArgumentError
from cutaway.train.settings import Settings, unknown


class Examples(Protocol):
    """Labelled examples that can be fetched by the batch; ImageData and TensorDataset are such."""

    def __len__(self) -> int:
        """How many."""
        ...

    def gather(self, indices: Any) -> list[Any]:
        """[x[B, ...] float32, y[B] int64] of the examples at `indices`."""
        ...


@dataclass(frozen=True)
class Task:
    """Examples to train on and to be tested by.  `shape` is that of one x; a label y is an index into `classes`."""

    train: Examples
    test: Examples
    classes: tuple[str, ...]
    shape: tuple[int, ...]


def images(s: Settings) -> Task:
    """The images that `s.data` names, `s.limit` of them.  Raises ArgumentError for a name or folder without images."""
    train, test = _load(s.data)
    if s.limit is not None and s.limit > len(train):
        raise ArgumentError(f"--limit {s.limit}: {s.data} has {len(train)} training images; give at most so many")
    return Task(train.head(s.limit), test, train.names, train.shape)


def _load(name: str) -> data.Splits:
    key = name.lower().replace("-", "_")
    if key in data.NAMES:
        return data.load(key)
    if not os.path.isdir(name):
        raise unknown("--data", name, [*data.NAMES, "or a folder that holds their files"])
    problems = []
    for known in data.NAMES:
        try:
            return data.load(known, root=name)
        except ArgumentError as e:
            problems.append(str(e))
    raise ArgumentError(f"--data {name}: the folder holds none of {', '.join(data.NAMES)}. {problems[0]}")
