"""A function of NumPy arrays with its backward, as a function of Tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from cutaway.core.autograd import Function
from cutaway.core.errors import ArgumentTypeError, ShapeError, TraceError
from cutaway.core.op import STAGE
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor


def arrays(forward: Callable[..., Any], backward: Callable[..., Any], name: str = "") -> Callable[..., Tensor]:
    """A function of Tensors that computes with `forward`, and whose gradient is `backward`.

    forward     (*arrays) -> array; inputs that are no Tensors come as they are
    backward    (g, *inputs) -> the gradient of each input, as a tuple, or of a single one; None for none.  g has the
                result's shape

    Nothing of it is compiled: a compiled step that meets it goes operation by operation.
    Raises ArgumentTypeError or ShapeError, naming the function, if one gives something else than that.
    """
    taken = wraps(forward, updated=())

    @taken
    def run(*inputs: Any) -> tuple[Any, Callable[..., Any]]:
        return forward(*inputs), lambda g: backward(g, *inputs)

    return taped(run, name or getattr(forward, "__name__", "forward"))


def taped(run: Callable[..., tuple[Any, Callable[..., Any]]], name: str = "") -> Callable[..., Tensor]:
    """As `arrays`, for what keeps its own intermediate values: `run(*arrays) -> (result, backward)` with
    `backward(g) -> the gradients`. A layer of one's own, an object with forward and backward, is made in `run`.
    """
    called = name or getattr(run, "__name__", "run")

    class Learned(Function):
        """forward and backward of the user's."""

        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Tensor:
            if STAGE.get() is not None:
                raise TraceError(f"{called}: it is computed with NumPy, outside of any program that could be compiled")
            given = [x.numpy() if isinstance(x, Tensor) else x for x in inputs]
            y, ctx.back = run(*given)
            if not isinstance(y, (np.ndarray, np.generic, float, int)):
                raise ArgumentTypeError(f"{called}: forward must give an array, got {describe(y)}")
            ctx.given = given
            dtype = next((x.dtype for x in given if isinstance(x, np.ndarray) and x.dtype.kind == "f"), np.float32)
            return Tensor._wrap(np.array(y, dtype, order="C"))

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            g = gradients[0].numpy()
            found = ctx.back(g)
            found = found if isinstance(found, (tuple, list)) else (found,)
            if len(found) > len(ctx.given):
                raise ArgumentTypeError(f"{called}: backward gave {len(found)} gradients for {len(ctx.given)} inputs")
            out: list[Tensor | None] = []
            for i, x in enumerate(ctx.given):
                gx = found[i] if i < len(found) else None
                if gx is None or not isinstance(x, np.ndarray) or x.dtype.kind != "f":
                    out.append(None)
                    continue
                if np.shape(gx) != x.shape:
                    raise ShapeError(
                        f"{called}: backward's gradient {i + 1} has shape {list(np.shape(gx))}, the input {list(x.shape)}"
                    )
                out.append(Tensor._wrap(np.array(gx, x.dtype, order="C")))
            return tuple(out)

    Learned.__name__ = Learned.__qualname__ = called

    @wraps(run, updated=())
    def call(*inputs: Any) -> Tensor:
        return Learned.apply(*inputs)

    call.__name__ = call.__qualname__ = called
    return call
