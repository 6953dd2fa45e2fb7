"""PyTorch's `torch.special`: functions of one or two numbers, most of them those of `cutaway` itself."""

from __future__ import annotations

import math
from typing import Any

from cutaway.core.absent import absent
from cutaway.core.errors import ArgumentError
from cutaway.core.functions import arange, where
from cutaway.core.refusal import function
from cutaway.core.tensor import Tensor
from cutaway.core.topics.functions import polygamma, xlogy

_ALIASES = {
    "digamma": "digamma", "erf": "erf", "erfc": "erfc", "erfinv": "erfinv", "exp2": "exp2", "expit": "sigmoid",
    "expm1": "expm1", "gammaln": "lgamma", "log1p": "log1p", "log_softmax": "log_softmax", "logit": "logit",
    "logsumexp": "logsumexp", "psi": "digamma", "round": "round", "sinc": "sinc", "softmax": "softmax",
}  # fmt: skip
__all__ = [
    *_ALIASES, "entr", "log_ndtr", "multigammaln", "ndtr", "ndtri", "polygamma", "xlog1py", "xlogy",
]  # fmt: skip


@function
def entr(input: Tensor) -> Tensor:
    """-x log x; 0 at 0, -inf below."""
    x = _float(input)
    inside = where(x <= 0, 1.0, x)
    return where(x < 0, -math.inf, -inside * inside.log())


@function
def ndtr(input: Tensor) -> Tensor:
    """The probability that a standard normal number is below x: (1 + erf(x / sqrt 2)) / 2, accurate far below 0."""
    z = _float(input) * math.sqrt(0.5)
    return where(z < 1, (-z).erfc(), 1 + z.erf()) * 0.5


@function
def ndtri(input: Tensor) -> Tensor:
    """The number below which a standard normal number lies with probability x."""
    return (_float(input) * 2 - 1).erfinv() * math.sqrt(2.0)


@function
def log_ndtr(input: Tensor) -> Tensor:
    """log ndtr(x); far below 0 by the series of the tail (Abramowitz & Stegun 7.1.23)."""
    x = _float(input)
    far = x < -5
    near, away = where(far, 0.0, x), where(far, x, -5.0)
    series, term = away * 0 + 1.0, away * 0 + 1.0
    for k in range(1, 8):
        term = term * -(2 * k - 1) / (away * away)
        series = series + term
    tail = -0.5 * away * away - (-away).log() - 0.5 * math.log(2 * math.pi) + series.log()
    return where(far, tail, ndtr(near).log())


@function
def xlog1py(input: Any, other: Any) -> Tensor:
    """x log(1 + y), 0 where x is 0."""
    x = input if isinstance(input, Tensor) else other * 0 + input
    y = _float(other) if isinstance(other, Tensor) else x * 0 + other
    zero = (x == 0) & (y == y)
    return x * where(zero, 0.0, y).log1p()


@function
def multigammaln(input: Tensor, p: int) -> Tensor:
    """The logarithm of the gamma function of p dimensions: a constant plus sum lgamma(x - i / 2), i = 0 .. p - 1.

    Raises ArgumentError unless p >= 1 and x > (p - 1) / 2.
    """
    if p < 1:
        raise ArgumentError(f"multigammaln: p must be 1 or more, got {p}")
    x = _float(input)
    steps = arange(p, dtype=x.dtype) * 0.5
    return (x.unsqueeze(-1) - steps).lgamma().sum(-1) + 0.25 * p * (p - 1) * math.log(math.pi)


def _float(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.float()


def __getattr__(name: str) -> Any:
    if name in _ALIASES:
        value = function(getattr(Tensor, _ALIASES[name]))
        globals()[name] = value
        return value
    raise absent("cutaway.special", name, __all__)
