"""Functions whose gradients are written out, as PyTorch writes them.

What the chain rule makes of their formulas loses digits, or is NaN where an intermediate value is infinite: the slope of
log(e^a + e^b) towards a is 1 / (1 + e^(b-a)) even if a is infinite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.autograd import Function
from cutaway.core.ops import elementwise as ew

LN2 = math.log(2.0)


class Acosh(Function):
    """log(x + sqrt(x^2 - 1)), from what x is above 1."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """log1p(t + sqrt(t (t + 2))) with t = x - 1; far out, where x + x might overflow, log 2 + log x."""
        ctx.save_for_backward(x)
        far = x > 1e9
        t = ew.where(far, 1.0, x) - 1
        return ew.where(far, ew.log(x) + LN2, ew.log1p(t + ew.sqrt(t) * ew.sqrt(t + 2)))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """1 / sqrt(x^2 - 1)."""
        (x,) = ctx.saved_tensors
        return g / ew.sqrt((x - 1) * (x + 1))


class Atanh(Function):
    """Half of log((1 + x) / (1 - x))."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """By log1p, which keeps the digits of small x."""
        ctx.save_for_backward(x)
        return (ew.log1p(x) - ew.log1p(-x)) * 0.5

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """1 / (1 - x^2)."""
        (x,) = ctx.saved_tensors
        return g / ((1 - x) * (1 + x))


class Logit(Function):
    """log(x / (1 - x))."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """The value."""
        ctx.save_for_backward(x)
        return ew.log(x / (1 - x))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """1 / (x (1 - x)); NaN outside [0, 1], where there is no value."""
        (x,) = ctx.saved_tensors
        return ew.where((x >= 0) & (x <= 1), g / (x * (1 - x)), math.nan)


class LogAddExp(Function):
    """log(e^a + e^b)."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        """The larger one and log1p(e^-|a-b|), which keeps the digits of a small result."""
        ctx.save_for_backward(a, b)
        apart = ew.where(a == b, 0.0, a - b)  # infinities
        return ew.maximum(a, b) + ew.log1p(ew.exp(-ew.abs(apart)))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """Shares of the sum."""
        a, b = ctx.saved_tensors
        return g / (ew.exp(b - a) + 1), g / (ew.exp(a - b) + 1)


class LogAddExp2(Function):
    """log2(2^a + 2^b)."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        """As that of e."""
        ctx.save_for_backward(a, b)
        apart = ew.where(a == b, 0.0, a - b)
        return ew.maximum(a, b) + ew.log1p(ew.pow(2.0, -ew.abs(apart))) * (1 / LN2)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """Shares of the sum."""
        a, b = ctx.saved_tensors
        return g / (ew.pow(2.0, b - a) + 1), g / (ew.pow(2.0, a - b) + 1)


class Hypot(Function):
    """sqrt(a^2 + b^2)."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        """With the larger one taken out, so that no square overflows; infinite if either is, as in C."""
        p, q = ew.abs(a), ew.abs(b)
        top = ew.maximum(p, q)
        scale = ew.where((top > 0) & (top < math.inf), top, 1.0)
        p, q = p / scale, q / scale
        y = ew.where((p == math.inf) | (q == math.inf), math.inf, ew.sqrt(p * p + q * q) * scale)
        ctx.save_for_backward(a, b, y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """a / y and b / y."""
        a, b, y = ctx.saved_tensors
        return g * (a / y), g * (b / y)


class NextAfter(Function):
    """The next number from a towards b."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        """The value."""
        ctx.save_for_backward(a, b)
        return d.constant(np.asarray(np.nextafter(d.values(a), d.values(b))))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """That of a, 0 where it is b already."""
        a, b = ctx.saved_tensors
        return ew.where(a == b, 0.0, g), g * 0


class Entr(Function):
    """-x log x."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """0 at 0, -inf below."""
        ctx.save_for_backward(x)
        inside = ew.where(x <= 0, 1.0, x)
        return ew.where(x < 0, -math.inf, -inside * ew.log(inside))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """-1 - log x."""
        (x,) = ctx.saved_tensors
        return g * (-1 - ew.log(x))
