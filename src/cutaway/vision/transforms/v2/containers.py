"""Several transforms of samples as one.  Chance is PyTorch's generator's here, where v1 asks Python's `random`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cutaway.core import random
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.refusal import describe
from cutaway.nn import Module, ModuleList
from cutaway.vision.transforms import draws
from cutaway.vision.transforms.arguments import listed


class _Container(Module):
    def __init__(self, transforms: Any) -> None:
        super().__init__()
        if not isinstance(transforms, (Sequence, ModuleList)):
            raise ArgumentTypeError(f"Argument transforms should be a sequence of callables, got {describe(transforms)}")
        if not len(transforms):
            raise ArgumentError("Pass at least one transform")
        self.transforms = transforms

    def __repr__(self) -> str:
        return listed(type(self).__name__, self.transforms)


def _through(transforms: Any, inputs: tuple[Any, ...]) -> Any:
    one = len(inputs) == 1
    for t in transforms:
        out = t(*inputs)
        inputs = (out,) if one else out
    return inputs[0] if one else inputs


class Compose(_Container):
    """One after another, of a sample: an image, or (image, label), or a dict, or several arguments."""

    def forward(self, *inputs: Any) -> Any:
        return _through(self.transforms, inputs)


class RandomApply(_Container):
    """All of them, with probability p; else none."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__(transforms)
        if not 0 <= p <= 1:
            raise ArgumentError(f"`p` should be a floating point value in the interval [0.0, 1.0], got {p}")
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        return _through(self.transforms if draws.happens(self.p) else (), inputs)


class RandomChoice(_Container):
    """One of them, with equal probabilities or in the proportions p."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        p = [1] * len(transforms) if p is None else p
        if len(p) != len(transforms):
            raise ArgumentError(
                f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}"
            )
        self.p = [x / sum(p) for x in p]

    def forward(self, *inputs: Any) -> Any:
        return self.transforms[int(random.multinomial(np.array(self.p, np.float32), 1)[0])](*inputs)


class RandomOrder(_Container):
    """All of them, in random order."""

    def forward(self, *inputs: Any) -> Any:
        return _through([self.transforms[i] for i in random.randperm(len(self.transforms)).tolist()], inputs)
