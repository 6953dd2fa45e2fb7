"""The two-layer network of the book (chapters 4 and 5): 784 pixels, 50 sigmoid units, 10 digits."""

import math
from dataclasses import dataclass

from cutaway import nn
from cutaway.train.settings import Settings


@dataclass(frozen=True)
class Config(Settings):
    """Plain gradient descent, as in the book: 10,200 steps on batches of 100 make 17 epochs."""

    epochs: int = 17
    optimizer: str = "sgd"
    lr: float = 0.1
    init: str = "0.01"


def model(shape: tuple[int, ...], classes: int, config: Config) -> nn.Module:
    """x[N, C, H, W] -> logits[N, classes]; softmax is part of the loss."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(shape), 50),
        nn.Sigmoid(),
        nn.Dropout(config.dropout),
        nn.Linear(50, classes),
    )
