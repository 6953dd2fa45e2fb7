"""Labelled images: bytes in memory, floats by the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.refusal import guarded
from cutaway.core.tensor import Tensor
from cutaway.data.dataset import Dataset, as_rows


class ImageData(Dataset[tuple[Tensor, Tensor]]):
    """images uint8[N, C, H, W] with labels int64[N] and the names of the classes.

    An item is (x[C, H, W], y[]): x float32, 0 to 1; with `mean[C]` and `std[C]`, (x - mean) / std.  Any index works
    that works on a tensor: `data[:100]` is (x[100, C, H, W], y[100]).  The floats are made when asked for, so a data
    set takes a quarter of the memory.

    Raises ShapeError if images and labels do not fit together, ArgumentError for a label without a name or std <= 0.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        names: Sequence[str],
        *,
        mean: Any = None,
        std: Any = None,
    ) -> None:
        images, labels = np.asarray(images), np.asarray(labels)
        fit = images.dtype == np.uint8 and images.ndim == 4 and labels.dtype.kind in "iu"
        if not fit or labels.shape != images.shape[:1]:
            raise ShapeError(
                f"ImageData: expected images uint8[N, C, H, W] and integer labels[N], "
                f"got {images.dtype}{list(images.shape)} and {labels.dtype}{list(labels.shape)}"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < len(names):
            raise ArgumentError(
                f"ImageData: labels run from {labels.min()} to {labels.max()}, but there are {len(names)} class names"
            )
        self.images = images
        self.labels = labels.astype(np.int64, copy=False)
        self.names = tuple(names)
        self.mean = _per_channel(mean, images.shape[1], "mean")
        self.std = _per_channel(std, images.shape[1], "std")
        if self.std is not None and not (self.std > 0).all():
            raise ArgumentError(f"ImageData: std must be > 0 in every channel, got {self.std.ravel().tolist()}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return self.images.shape[1:]

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """All of it: x[N, C, H, W] float32 and y[N] int64, as of TensorDataset.  Made anew at each call."""
        return self[:]

    def __len__(self) -> int:
        return len(self.labels)

    @guarded
    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor]:
        if isinstance(index, Tensor):
            index = index._data
        labels = self.labels[index]  # raises IndexError first, which ends a `for` over the dataset
        return self._floats(self.images[index]), Tensor._wrap(np.array(labels))

    def gather(self, indices: Sequence[int]) -> list[Tensor]:
        """[x[B, C, H, W], y[B]] of the items at `indices`."""
        rows = as_rows(indices, len(self), "ImageData")
        return [self._floats(self.images.take(rows, axis=0)), Tensor._wrap(self.labels.take(rows))]

    def head(self, count: int | None) -> ImageData:
        """The first `count` images; all of them for None."""
        return ImageData(self.images[:count], self.labels[:count], self.names, mean=self.mean, std=self.std)

    def normalized(self, mean: Any = None, std: Any = None) -> ImageData:
        """The same images (not copied) given as (x - mean[C]) / std[C]; by default with their own statistics."""
        if mean is None or std is None:
            own_mean, own_std = self.statistics()
            mean, std = own_mean if mean is None else mean, own_std if std is None else std
        return ImageData(self.images, self.labels, self.names, mean=mean, std=std)

    def statistics(self) -> tuple[list[float], list[float]]:
        """mean[C] and standard deviation[C] of the pixels, over 0 to 1, before any normalisation."""
        if not self.images.size:
            raise ArgumentError(f"ImageData: no pixels for statistics, images are uint8{list(self.images.shape)}")
        counts = np.zeros((self.images.shape[1], 256))
        for start in range(0, len(self.images), 1024):  # by pieces: bincount widens the bytes to int64
            piece = self.images[start : start + 1024]
            for c in range(len(counts)):
                counts[c] += np.bincount(piece[:, c].ravel(), minlength=256)
        level = np.arange(256) / 255
        share = counts / counts.sum(1, keepdims=True)
        mean = share @ level
        std = np.sqrt(share @ level**2 - mean**2)
        return mean.tolist(), std.tolist()

    def __repr__(self) -> str:
        n, *chw = self.images.shape
        return f"ImageData({n} images {'x'.join(map(str, chw))}, {len(self.names)} classes)"

    def _floats(self, images: np.ndarray) -> Tensor:
        x = images.astype(np.float32)
        x /= 255
        if self.mean is not None:
            x -= self.mean
        if self.std is not None:
            x /= self.std
        return Tensor._wrap(x)


class Splits(NamedTuple):
    """A data set as its authors divided it; `train, test = splits` works."""

    train: ImageData
    test: ImageData


def _per_channel(values: Any, channels: int, what: str) -> np.ndarray | None:
    """float32[C, 1, 1]."""
    if values is None:
        return None
    array = np.asarray(values, np.float32).reshape(-1)
    if array.size not in (1, channels):
        raise ShapeError(f"ImageData: {what} has {array.size} values for {channels} channels; give one per channel")
    return np.broadcast_to(array[:, None, None], (channels, 1, 1))
