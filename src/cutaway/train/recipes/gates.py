"""Logic gates (the book, chapter 2): one small network that is AND, OR, NAND or XOR, whichever is asked for.

One layer cannot be XOR, as no straight line parts its corners; take the hidden layer away and see.
"""

from dataclasses import dataclass
from itertools import product

import cutaway
from cutaway import nn
from cutaway.data import TensorDataset
from cutaway.nn import functional as F
from cutaway.train.settings import Settings
from cutaway.train.task import Task

GATES = {
    "AND": lambda a, b: a and b,
    "OR": lambda a, b: a or b,
    "NAND": lambda a, b: not (a and b),
    "XOR": lambda a, b: a != b,
}


@dataclass(frozen=True)
class Config(Settings):
    """All sixteen rows of the four truth tables are one batch, so an epoch is one step."""

    epochs: int = 300
    batch_size: int = 16
    lr: float = 0.05
    init: str = "xavier"
    data: str = "truth tables"
    eval_every: int | None = 30


def data(config: Config) -> Task:
    """Every row is known, so the test is the training set."""
    rows = [(*_inputs(gate, a, b), int(rule(a, b))) for gate, rule in GATES.items() for a, b in product((0, 1), (0, 1))]
    table = cutaway.tensor(rows)
    examples = TensorDataset(table[:, :-1].float(), table[:, -1].long())
    return Task(examples, examples, classes=("0", "1"), shape=(len(GATES) + 2,))


def model(shape: tuple[int, ...], classes: int, config: Config) -> nn.Module:
    """x[N, 6], the gate as four numbers of which one is 1, then a and b -> logits[N, 2] of the answers 0 and 1."""
    return nn.Sequential(nn.Linear(shape[0], 12), nn.Tanh(), nn.Linear(12, classes))


def plates(model: nn.Module) -> list[tuple[str, cutaway.Tensor]]:
    """How sure each gate is of the answer 1, over a and b from -0.5 to 1.5."""
    side = [-0.5 + i / 31 for i in range(63)]
    pictures = []
    for gate in GATES:
        points = cutaway.tensor([_inputs(gate, a, b) for b in reversed(side) for a in side])
        pictures.append((gate, F.softmax(model(points), dim=1)[:, 1].reshape(63, 63)))
    return pictures


def _inputs(gate: str, a: float, b: float) -> tuple[float, ...]:
    return (*(float(gate == other) for other in GATES), a, b)
