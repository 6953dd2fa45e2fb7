"""Several transforms as one: all, some, one of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from cutaway.core.errors import ArgumentTypeError
from cutaway.core.refusal import describe
from cutaway.nn import Module
from cutaway.vision.transforms import draws
from cutaway.vision.transforms.arguments import listed


class Compose:
    """One after another."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        return listed(type(self).__name__, self.transforms)


class Lambda:
    """A function of yours as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise ArgumentTypeError(f"Argument lambd should be callable, got {describe(lambd)}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomApply(Module):
    """All of them, with probability p; else none."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        u = draws.uniforms((1,))
        if u.dtype.type(self.p) < u[0]:
            return img
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        return listed(type(self).__name__, self.transforms, f"\n    p={self.p}")


class RandomTransforms:
    """What RandomOrder and RandomChoice have in common.  They draw from Python's `random`, as torchvision does."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        if not isinstance(transforms, Sequence):
            raise ArgumentTypeError(f"Argument transforms should be a sequence, got {describe(transforms)}")
        self.transforms = transforms

    def __repr__(self) -> str:
        return listed(type(self).__name__, self.transforms)


class RandomOrder(RandomTransforms):
    """All of them, in random order."""

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """One of them, with equal probabilities or in the proportions p."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise ArgumentTypeError(f"Argument p should be a sequence, got {describe(p)}")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"
