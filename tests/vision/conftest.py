"""`tv`: torchvision as the oracle, where it is installed; images to try things on."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cutaway


def _import_torchvision() -> Any:
    """torchvision beside any PyTorch: where its compiled operators are missing, they are declared, and never called."""
    torch = pytest.importorskip("torch")
    declare = torch.library.register_fake

    def lenient(op: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(op, str) and op.startswith("torchvision::"):
            return lambda f: f
        return declare(op, *args, **kwargs)

    library = torch.library.Library("torchvision", "FRAGMENT")
    with contextlib.suppress(RuntimeError):  # it is declared already
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torch.library.register_fake = lenient
    try:
        torchvision = pytest.importorskip("torchvision")
    finally:
        torch.library.register_fake = declare
    torchvision.oracle_library = library  # else it is forgotten, and the declaration with it
    return torchvision


@pytest.fixture(scope="session")
def tv() -> Any:
    """torchvision; the test is skipped where it is absent."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return _import_torchvision()


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same for each test."""
    return np.random.default_rng(0)


def photograph(h: int = 33, w: int = 41) -> np.ndarray:
    """uint8[H, W, 3]: smooth colours with some noise, so that roundings and edges both count."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:h, 0:w]
    waves = [np.sin(x / 5 + y / 9), np.cos(x / 7 - y / 4), np.sin((x * y) / 60)]
    return (np.stack(waves, -1) * 100 + 128 + rng.integers(-20, 20, (h, w, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture
def photo() -> np.ndarray:
    """uint8[33, 41, 3]."""
    return photograph()


def seeded(seed: int) -> None:
    """The same seed everywhere that transforms draw from."""
    random.seed(seed)
    cutaway.manual_seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


@pytest.fixture
def doubles(tv) -> Iterator[None]:
    """float64 as the default dtype of both libraries: a number drawn then takes twice as much of the stream."""
    torch = sys.modules["torch"]
    for library in (cutaway, torch):
        library.set_default_dtype(library.float64)
    yield
    for library in (cutaway, torch):
        library.set_default_dtype(library.float32)
