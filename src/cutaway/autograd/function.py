"""PyTorch's `torch.autograd.function`: Function, its context's class, and the mark of a backward that has no gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from cutaway.core.autograd import Context as FunctionCtx
from cutaway.core.autograd import Function, is_grad_enabled, no_grad
from cutaway.core.errors import GradError
from cutaway.core.tensor import Tensor

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class Once(Function):
    """The identity, with a refusal for a gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """x."""
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Raises GradError."""
        raise GradError(
            "backward: trying to differentiate twice a function that was marked with @once_differentiable; write its "
            "backward in Tensor operations and leave the mark out"
        )


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """For a Function's `backward`, under staticmethod: it runs without recording, and a second derivative is refused.

    For a backward that computes with NumPy, say: without the mark, its gradient would silently count as 0.
    """

    @wraps(fn)
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        again = is_grad_enabled() and any(isinstance(g, Tensor) and g.requires_grad for g in grad_outputs)
        with no_grad():
            out = fn(ctx, *grad_outputs)
        if not again:
            return out
        outs = out if isinstance(out, tuple) else (out,)
        sealed = tuple(Once.apply(x.detach().requires_grad_()) if isinstance(x, Tensor) else x for x in outs)
        return sealed if isinstance(out, tuple) else sealed[0]

    return backward
