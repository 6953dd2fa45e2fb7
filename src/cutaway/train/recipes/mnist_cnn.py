"""The simple convolutional network of the book (chapter 7): one convolution, one pooling, two layers above."""

from dataclasses import dataclass

from cutaway import nn
from cutaway.train.settings import Settings


@dataclass(frozen=True)
class Config(Settings):
    """Adam at its usual rate; small constant initial weights, as in the book."""

    epochs: int = 5
    optimizer: str = "adam"
    lr: float = 0.001
    init: str = "0.01"


def model(shape: tuple[int, ...], classes: int, config: Config) -> nn.Module:
    """x[N, C, H, W] -> logits[N, classes]."""
    channels, height, width = shape
    after = 30 * ((height - 4) // 2) * ((width - 4) // 2)  # a 5x5 filter takes 4 off each side, pooling halves
    return nn.Sequential(
        nn.Conv2d(channels, 30, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(after, 100),
        nn.ReLU(),
        nn.Dropout(config.dropout),
        nn.Linear(100, classes),
    )
