"""PyTorch's `torch.special`: functions of one or two numbers, most of them those of `cutaway` itself."""

from __future__ import annotations

import math
from typing import Any

from cutaway.core.absent import absent
from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ComplexError
from cutaway.core.functions import arange, ones_like, where
from cutaway.core.refusal import function
from cutaway.core.tensor import Tensor
from cutaway.core.topics import bessel, closed, gamma, incomplete
from cutaway.core.topics.bessel import PLAIN
from cutaway.core.topics.functions import polygamma, xlogy
from cutaway.core.topics.polynomials import RULES, evaluated

_ALIASES = {
    "digamma": "digamma", "erf": "erf", "erfc": "erfc", "erfinv": "erfinv", "exp2": "exp2", "expit": "sigmoid",
    "expm1": "expm1", "gammaln": "lgamma", "log1p": "log1p", "log_softmax": "log_softmax", "logit": "logit",
    "logsumexp": "logsumexp", "psi": "digamma", "round": "round", "sinc": "sinc", "softmax": "softmax",
}  # fmt: skip
_SHIFTED = [f"shifted_chebyshev_polynomial_{kind}" for kind in "tuvw"]
__all__ = [
    *_ALIASES, *PLAIN, *RULES, *_SHIFTED, "entr", "erfcx", "gammainc", "gammaincc", "i0", "i0e", "i1", "i1e", "log_ndtr",
    "multigammaln", "ndtr", "ndtri", "polygamma", "xlog1py", "xlogy", "zeta",
]  # fmt: skip


@function
def entr(input: Tensor) -> Tensor:
    """-x log x; 0 at 0, -inf below."""
    return closed.Entr.apply(_float(input))


@function
def ndtr(input: Tensor) -> Tensor:
    """The probability that a standard normal number is below x: (1 + erf(x / sqrt 2)) / 2, accurate far below 0."""
    z = _float(input) * math.sqrt(0.5)
    return where(z < 1, (-z).erfc(), 1 + z.erf()) * 0.5


@function
def ndtri(input: Tensor) -> Tensor:
    """The number below which a standard normal number lies with probability x."""
    return gamma.Ndtri.apply(_float(input))


@function
def log_ndtr(input: Tensor) -> Tensor:
    """log ndtr(x); far below 0 by the series of the tail (Abramowitz & Stegun 7.1.23)."""
    x = _float(input)
    far = x < -5
    near, away = where(far, 0.0, x), where(far, x, -5.0)
    series, term = ones_like(away), ones_like(away)
    for k in range(1, 8):
        term = term * -(2 * k - 1) / (away * away)
        series = series + term
    tail = -0.5 * away * away - (-away).log() - 0.5 * math.log(2 * math.pi) + series.log()
    # Above 0 the rest to 1 has the digits.
    above = near > 0
    rest = (where(above, near, -near) * math.sqrt(0.5)).erfc() * 0.5
    return where(far, tail, where(above, -rest, 0.0).log1p() + where(above, 1.0, rest).log())


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


@function
def i0(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind of order 0."""
    return bessel.I0.apply(_float(input))  # type: ignore[no-any-return]


@function
def i0e(input: Tensor) -> Tensor:
    """exp(-|x|) i0(x), which does not overflow."""
    return bessel.I0e.apply(_float(input))  # type: ignore[no-any-return]


@function
def i1(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind of order 1."""
    return bessel.I1.apply(_float(input))  # type: ignore[no-any-return]


@function
def i1e(input: Tensor) -> Tensor:
    """exp(-|x|) i1(x), which does not overflow."""
    return bessel.I1e.apply(_float(input))  # type: ignore[no-any-return]


@function
def erfcx(input: Tensor) -> Tensor:
    """exp(x^2) erfc(x), which does not vanish far out."""
    return bessel.Erfcx.apply(_float(input))  # type: ignore[no-any-return]


@function
def gammainc(input: Tensor, other: Tensor) -> Tensor:
    """P(a, x): the share of Gamma(a) below x, for a > 0 and x >= 0.  Its gradient is towards x only.  Raises DTypeError."""
    return incomplete.igamma("gammainc", input, other, False)  # type: ignore[no-any-return]


@function
def gammaincc(input: Tensor, other: Tensor) -> Tensor:
    """Q(a, x) = 1 - P(a, x), accurate where it is small.  Its gradient is towards x only.  Raises DTypeError."""
    return incomplete.igamma("gammaincc", input, other, True)  # type: ignore[no-any-return]


@function
def zeta(input: Any, other: Any) -> Tensor:
    """Hurwitz's zeta function: sum (q + k)^-x over k = 0, 1, ...  Its gradient is towards q only.

    Either may be a number.  Raises ArgumentTypeError for two numbers.
    """
    like = input if isinstance(input, Tensor) else other
    if not isinstance(like, Tensor):
        raise ArgumentTypeError(f"zeta: one of the two must be a Tensor, got {input} and {other}")
    x, q = (_float(v) if isinstance(v, Tensor) else _float(like).new_tensor(float(v)) for v in (input, other))
    return incomplete.Zeta.apply(x, q)  # type: ignore[no-any-return]


def _plain(name: str) -> Any:
    """A function of one number without a gradient."""

    def of(input: Tensor) -> Tensor:
        return bessel.plain(name, _float(input))  # type: ignore[no-any-return]

    return _named(of, name, f"`{name}` of each number; without a gradient, as in PyTorch.")


def _polynomial(name: str) -> Any:
    """A polynomial of degree n in x."""

    def of(input: Any, n: Any) -> Tensor:
        if not isinstance(input, Tensor) and not isinstance(n, Tensor):
            raise ArgumentTypeError(f"{name}: one of the two must be a Tensor, got {input} and {n}")
        return evaluated(name, input, n)  # type: ignore[no-any-return]

    return _named(of, name, f"`{name}` of degree n (a number or a Tensor) at x; without a gradient, as in PyTorch.")


def _named(of: Any, name: str, doc: str) -> Any:
    of.__name__ = of.__qualname__ = name
    of.__doc__ = doc
    return function(of)


def _float(x: Tensor) -> Tensor:
    if x.is_complex():
        raise ComplexError(f"a function of real numbers: not defined for {show(x)}; take .real, .imag or .abs() first")
    return x if x.is_floating_point() else x.float()


def __getattr__(name: str) -> Any:
    if name in _ALIASES:
        value = function(getattr(Tensor, _ALIASES[name]))
        globals()[name] = value
        return value
    if name in PLAIN or name in RULES or name in _SHIFTED:
        value = globals()[name] = _plain(name) if name in PLAIN else _polynomial(name)
        return value
    raise absent("cutaway.special", name, __all__)
