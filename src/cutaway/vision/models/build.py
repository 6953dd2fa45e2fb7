"""The functions that build networks: resnet18(), vgg16(), ... with fresh weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from enum import Enum
from typing import Any

from cutaway.core.absent import absent
from cutaway.core.errors import ArgumentError
from cutaway.nn import Module

MODELS: dict[str, Callable[..., Module]] = {}
"""Every builder by its name."""


def builder(name: str, make: Callable[..., Module], doc: str) -> Any:
    """The function `name(weights=None, progress=True, **options)`, which is make(**options)."""

    def build(weights: Any = None, progress: bool = True, *, pretrained: bool | None = None, **options: Any) -> Any:
        if weights not in (None, False) or pretrained:
            asked = "pretrained=True" if pretrained else f"weights={weights!r}"
            raise ArgumentError(
                f"{name}: trained weights are not fetched here, got {asked}; build {name}() and load them "
                "from a file: model.load_state_dict(cutaway.load(path)), with torchvision's .pth as it is"
            )
        if pretrained is not None:
            warnings.warn(f"{name}: pretrained is deprecated; write weights=None, or a member of weights", stacklevel=2)
        if pretrained is not None or isinstance(weights, bool):
            warnings.warn(f"{name}: a bool for weights is deprecated; write None, or a member of weights", stacklevel=2)
        return make(**options)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"{doc}  Fresh weights; `options` are the class's.  Raises ArgumentError if trained `weights` are asked."
    MODELS[name] = build
    return build


def weights_of(name: str) -> type[Enum] | None:
    """torchvision's class of trained weights, such as ResNet18_Weights: names that a program may import and pass on.

    None if there is no such network.  The builder refuses every member with the way to have the weights.
    """
    network = name.removesuffix("_Weights")
    if network == name or network.lower() not in MODELS:
        return None
    members = ["DEFAULT", "IMAGENET1K_V1", "IMAGENET1K_V2"]
    made: Any = Enum(name, members, module="cutaway.vision.models")  # type: ignore[misc]
    return made


def list_models() -> list[str]:
    """The names of all builders, sorted."""
    return sorted(MODELS)


def get_model(name: str, **options: Any) -> Module:
    """The network of this name, as by calling its builder.  Raises MissingAttribute for an unknown name."""
    if name.lower() not in MODELS:
        raise absent("cutaway.vision.models", name, MODELS)
    return MODELS[name.lower()](**options)
