"""What a report is drawn from: plain arrays and numbers, no tensors and no models."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Mistake:
    """A test image that was misread: `image[H, W]` or `[C, H, W]` in 0..1, class numbers, confidence in the guess."""

    image: np.ndarray
    truth: int
    guess: int
    confidence: float
    index: int


@dataclass(frozen=True)
class Histogram:
    """What one layer put out, before and after training: shares of values per bin over `edges[B + 1]`.

    Exact zeros are counted apart (`zeros_*`, a share): after a ReLU they would tower over the rest.
    """

    name: str
    edges: np.ndarray
    before: np.ndarray
    after: np.ndarray
    zeros_before: float
    zeros_after: float


@dataclass(frozen=True)
class Weights:
    """One parameter tensor: its name, shape, and the spread (standard deviation) of its values before and after."""

    name: str
    shape: tuple[int, ...]
    spread_before: float
    spread_after: float

    @property
    def count(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Plate:
    """A picture that a recipe draws of its model, `before[H, W]` and `after[H, W]` training, in 0..1."""

    title: str
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """All that the page shows.

    `metrics`: one dict an evaluation, as in metrics.jsonl.  `batch_loss[S]`: the loss of every step.
    `confusion[C, C]`: counts, rows are the truth.  `filters`: the first layer's weights `[O, C, H, W]` before and
    after, None where they are no pictures.  `mistakes` may be fewer than were made; the confusion matrix has all.
    """

    title: str
    summary: str
    settings: dict[str, object]
    metrics: list[dict[str, float]]
    steps_per_epoch: int
    batch_loss: np.ndarray
    classes: list[str]
    confusion: np.ndarray
    mistakes: list[Mistake]
    filters: tuple[np.ndarray, np.ndarray] | None
    histograms: list[Histogram]
    parameters: list[Weights]
    plates: list[Plate] = field(default_factory=list)
    test_is_training_set: bool = False
