"""Tensors that are made in `inference_mode`: they may be read anywhere, written only there, and are not saved for backward.

A tensor is told by the number of writes that its memory's cell begins with, which counts nothing: it refuses to be raised
outside, and never equals what a node has saved of it. So no operation asks. While some thread is in the mode, `Tensor._wrap`
is a function that looks whether it is this one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.autograd import INFERENCE
from cutaway.core.errors import GradError
from cutaway.core.op import STAGE
from cutaway.core.tensor import Tensor


class Unwritten(int):
    """The number of writes to a tensor of inference mode."""

    def __add__(self, other: int) -> int:
        if INFERENCE.get():
            return self
        raise GradError(
            "Inplace update to inference tensor outside InferenceMode is not allowed; make a clone() of it first, or make "
            "the tensor under no_grad()"
        )

    def __ne__(self, other: object) -> bool:
        return not INFERENCE.get() and STAGE.get() is None

    def __eq__(self, other: object) -> bool:
        return not self != other

    __hash__ = int.__hash__


UNWRITTEN = Unwritten()
PLAIN = Tensor._wrap
_inside = 0


def _wrap(array: np.ndarray) -> Tensor:
    t = PLAIN(array)
    if INFERENCE.get():
        t._cell[0] = UNWRITTEN
    return t


def begin() -> None:
    """A thread enters the mode."""
    global _inside
    _inside += 1
    Tensor._wrap = staticmethod(_wrap)  # type: ignore[method-assign]


def end() -> None:
    """It leaves it."""
    global _inside
    _inside -= 1
    if not _inside:
        Tensor._wrap = staticmethod(PLAIN)  # type: ignore[method-assign]


def is_inference(t: Any) -> bool:
    """True for a tensor that was made in the mode, and no view of another."""
    return type(t._cell[0]) is Unwritten
