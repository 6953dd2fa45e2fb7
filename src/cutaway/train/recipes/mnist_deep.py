"""The deep convolutional network of the book (chapter 8): six 3x3 convolutions, He's initial weights, dropout."""

from dataclasses import dataclass

from cutaway import nn
from cutaway.train.settings import Settings


@dataclass(frozen=True)
class Config(Settings):
    """Adam with one cycle of the learning rate (Smith & Topin 2017) and images moved by up to two pixels:
    eight epochs reach what takes the book twenty."""

    epochs: int = 8
    optimizer: str = "adam"
    lr: float = 0.003
    schedule: str = "one-cycle"
    init: str = "he"
    dropout: float = 0.5
    shift: int = 2


def model(shape: tuple[int, ...], classes: int, config: Config) -> nn.Module:
    """x[N, C, H, W] -> logits[N, classes].  Sizes at the right are for MNIST."""
    channels, height, width = shape
    after = 64 * _pooled(height) * _pooled(width)
    return nn.Sequential(
        *_convolution(channels, 16),
        *_convolution(16, 16),
        nn.MaxPool2d(2),  # 16 x 14 x 14
        *_convolution(16, 32),
        *_convolution(32, 32, padding=2),
        nn.MaxPool2d(2),  # 32 x 8 x 8
        *_convolution(32, 64),
        *_convolution(64, 64),
        nn.MaxPool2d(2),  # 64 x 4 x 4
        nn.Flatten(),
        nn.Linear(after, 50),
        nn.ReLU(),
        nn.Dropout(config.dropout),
        nn.Linear(50, classes),
        nn.Dropout(config.dropout),
    )


def _convolution(inputs: int, outputs: int, padding: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=padding), nn.ReLU()]


def _pooled(size: int) -> int:
    return (size // 2 + 2) // 2 // 2  # the second pooling follows the convolution with a padding of 2
