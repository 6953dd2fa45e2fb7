"""What a native program is worth: the microseconds that it saves a call, and those that making it takes.

Both are estimates from what was measured once (benchmarks/worth.py), and say nothing of the machine at hand: so a program's
numbers depend on its calls alone. A signature is compiled when NumPy has spent on it what compiling takes: then no program
takes twice as long as it would if the future were known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cutaway.core.tensor import Tensor

MAKING = 1e5  # microseconds, forward and backward
CALL = 25.0  # what is saved on the call itself, as there is one op in the place of several
ELEMENT = 0.004  # and for each element of the arguments
MAKINGS = {"conv": 2.5e5}
ELEMENTS = {
    "recurrence": 0.6, "gelu": 0.014, "interpolate": 0.04, "elu": 0.012, "celu": 0.012, "softplus": 0.012, "linear": 0.0013,
    "matmul": 0.0007, "relu": 0.0003, "silu": 0.0007, "mse_loss": 0.0007, "l1_loss": 0.001, "pad": 0.0006,
    "embedding": 0.0,
}  # fmt: skip
STEP = 8.0, 0.0008  # of an optimiser's step: for each parameter, and for each number in it
EARLY = 500.0  # spent, at which what an earlier run has made is looked for, and asked for if it is not there
COLUMN = 0.003  # for each element of a convolution's im2col and of its result


def making(fn: Callable[..., Any]) -> float:
    """What a plan for this function takes to compile."""
    return MAKINGS["conv"] if fn.__name__.startswith("conv") else MAKING


def saved(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], size: int) -> float:
    """What a call's plan saves; `size`: elements of all Tensors among the arguments."""
    if fn.__name__.startswith("conv"):
        return CALL + COLUMN * _columns(fn, args, kwargs)
    return CALL + ELEMENTS.get(fn.__name__, ELEMENT) * size


def saved_by_step(parameters: Sequence[Tensor]) -> float:
    """What a program saves of an optimiser's step."""
    each, number = STEP
    return each * len(parameters) + number * sum([p._data.size for p in parameters])


def _columns(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """Elements of a convolution's im2col and of its result, roughly: what a call costs NumPy."""
    if len(args) < 2 or not all(isinstance(a, Tensor) for a in args[:2]):
        return 0.0
    x, w = args[0]._data, args[1]._data
    if w.ndim < 3 or not w.size:
        return 0.0
    stride = args[3] if len(args) > 3 else kwargs.get("stride", 1)
    apart = 1 if "transpose" in fn.__name__ else math.prod(stride if isinstance(stride, tuple) else [stride] * (x.ndim - 2))
    return x.size * (math.prod(w.shape[2:]) + w.shape[0] / w.shape[1]) / max(1, apart)
