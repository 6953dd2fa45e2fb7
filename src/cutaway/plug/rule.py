"""An optimiser made of a formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.refusal import describe
from cutaway.optim import Optimizer


def rule(step: Callable[..., Any], *memory: str, name: str = "", **numbers: float) -> type[Optimizer]:
    """A class of optimisers whose step is yours.

    step      (p, g, *what is remembered, lr=..., **numbers) -> the new p and what is remembered, as a tuple; only the new p
              if nothing is.  p and g have the parameter's shape, and are Tensors or arrays: use + - * / ** only
    memory    names of what is remembered; each begins as zeros
    numbers   further hyper-parameters with their defaults, such as momentum=0.9.  `t=0` asks for the step's number from 1

    Example: `rule(lambda p, g, v, lr, momentum: (p + (momentum * v - lr * g), momentum * v - lr * g), "v", momentum=0.9)`
    """
    counts_steps = "t" in numbers
    fixed = {k: v for k, v in numbers.items() if k != "t"}

    class Learned(Optimizer):
        """The user's rule."""

        counts = counts_steps

        def __init__(self, params: Any, lr: float = 0.01, weight_decay: float = 0.0, **options: Any) -> None:
            known = {k: options[k] for k in fixed if k in options}
            extra = [k for k, v in options.items() if k not in fixed and v]
            if extra:
                raise ArgumentError(
                    f"{type(self).__name__}: your rule has no {', '.join(extra)}, which is asked for here; rule(...) adds it"
                )
            super().__init__(params, {"lr": lr, "weight_decay": weight_decay} | fixed | known)

        def start(self, h: dict[str, Any]) -> dict[str, float]:
            """Zeros."""
            return dict.fromkeys(memory, 0.0)

        def update(self, p: Any, g: Any, s: Any, t: int, h: dict[str, Any]) -> tuple[Any, Any]:
            """One step, by the user's formula."""
            more = {k: h[k] for k in fixed} | ({"t": t} if counts_steps else {})
            found = step(p, g, *(s[m] for m in memory), lr=h["lr"], **more)
            if not memory:
                return (found[0] if isinstance(found, tuple) else found), s
            if not isinstance(found, tuple) or len(found) != 1 + len(memory):
                raise ArgumentTypeError(
                    f"{type(self).__name__}: the rule gives the new parameter and {', '.join(memory)}, as a tuple; got "
                    f"{describe(found)}"
                )
            return found[0], dict(zip(memory, found[1:], strict=True))

    Learned.__name__ = Learned.__qualname__ = name or getattr(step, "__name__", "Learned")
    return Learned
