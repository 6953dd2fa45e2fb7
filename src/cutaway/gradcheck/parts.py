"""Complex functions as real ones: of the parts of their inputs, giving the parts of their outputs.

f(x + iy) = u + iv has the right gradient if (x, y) -> (u, v) has, so one check of real functions judges both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.ops import complex as ops
from cutaway.core.tensor import Tensor


def real_parts(func: Callable[..., Any], inputs: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """`func` over parts: complex inputs x[...] are taken as x[..., 2], complex outputs given so."""
    given = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    split = [is_complex(x) for x in given]

    def over_parts(*parts: Any) -> Any:
        out = func(*[ops.view_as_complex(p) if s else p for p, s in zip(parts, split, strict=False)], *parts[len(split) :])
        return type(out)(map(parts_of, out)) if type(out) in (tuple, list) else parts_of(out)

    return over_parts, tuple([_leaf(x) if s else x for x, s in zip(given, split, strict=True)])


def is_complex(x: Any) -> bool:
    """True for a complex tensor."""
    return isinstance(x, Tensor) and x.is_complex()


def parts_of(x: Any) -> Any:
    """x[..., 2] of a complex tensor x[...]; anything else as it is."""
    return ops.view_as_real(x) if is_complex(x) else x


def _leaf(x: Tensor) -> Tensor:
    """The parts on the same memory, so that moving them moves x."""
    return ops.view_as_real(x.detach()).requires_grad_(x.requires_grad)
