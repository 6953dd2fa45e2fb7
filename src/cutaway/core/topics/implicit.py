"""How a draw moves with its parameters where no formula gives the draw: d x / d a = -(d F / d a) / density(x).

F is the probability of a value up to x (Figurnov, Mohamed & Mnih 2018, "Implicit reparameterization gradients"). Its
derivative is that of its series, whose terms are all positive (Abramowitz & Stegun 6.5.29 and 26.5.4).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.autograd import Function
from cutaway.core.topics.gamma import _lgamma, _polygamma

MOST = 20_000  # terms


def gamma_slope(x: np.ndarray, a: np.ndarray) -> np.ndarray:
    """d x / d a of a gamma number x of shape a and rate 1, in float64."""
    log_x = np.log(np.maximum(x, 1e-300))
    total = np.zeros_like(x)
    log_term, psi = a * log_x - x - _lgamma(a + 1), _polygamma(0, a + 1)
    for k in range(MOST):
        term = np.exp(log_term) * (log_x - psi)
        total += term
        if k > 10 and (np.abs(term) <= 1e-16 * np.abs(total)).all() and (a + k > x).all():
            break
        psi = psi + 1 / (a + k + 1)
        log_term = log_term + log_x - np.log(a + k + 1)
    density = np.exp((a - 1) * log_x - x - _lgamma(a))
    return np.asarray(-total / np.maximum(density, 1e-300))


def beta_slope(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """d x / d a of a beta number x of parameters a, b, divided by 1 - x, in float64."""
    x = np.clip(x, 1e-300, 1 - 1e-16)
    swapped = x > a / (a + b)  # the series of the other tail is short there
    y, p, q = np.where(swapped, 1 - x, x), np.where(swapped, b, a), np.where(swapped, a, b)
    log_y, log_rest = np.log(y), np.log1p(-y)
    log_term = _lgamma(p + q) - _lgamma(q) - _lgamma(p + 1) + p * log_y + q * log_rest
    psi_sum, psi_p, psi_q = _polygamma(0, p + q), _polygamma(0, p + 1), _polygamma(0, q)
    total = np.zeros_like(x)
    for k in range(MOST):
        by_p, by_q = psi_sum - psi_p + log_y, psi_sum - psi_q + log_rest
        term = np.exp(log_term) * np.where(swapped, -by_q, by_p)
        total += term
        if k > 10 and (np.abs(term) <= 1e-16 * np.abs(total)).all():
            break
        log_term = log_term + np.log((p + q + k) / (p + k + 1)) + log_y
        psi_sum, psi_p = psi_sum + 1 / (p + q + k), psi_p + 1 / (p + k + 1)
    density = np.exp(_lgamma(a + b) - _lgamma(a) - _lgamma(b) + (a - 1) * np.log(x) + (b - 1) * np.log1p(-x))
    return np.asarray(-total / np.maximum(density, 1e-300) / (1 - x))


class GammaDraw(Function):
    """A draw, given, as a function of the shape parameter."""

    @staticmethod
    def forward(ctx: Any, a: Any, x: np.ndarray) -> Any:
        """The draw."""
        ctx.slope = gamma_slope(x.astype(np.float64), a._data.astype(np.float64)).astype(x.dtype)
        return d.constant(x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """g dx/da."""
        return g * d.constant(ctx.slope), None


class DirichletDraw(Function):
    """A draw x[.., K], given, as a function of the concentrations."""

    @staticmethod
    def forward(ctx: Any, a: Any, x: np.ndarray) -> Any:
        """The draw."""
        wide = a._data.astype(np.float64)
        rest = wide.sum(-1, keepdims=True) - wide
        ctx.x, ctx.slope = x, beta_slope(x.astype(np.float64), wide, rest).astype(x.dtype)
        return d.constant(x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """A concentration moves its own share, and the others make room in proportion."""
        x = d.constant(ctx.x)
        return d.constant(ctx.slope) * (g - (x * g).sum(-1, keepdim=True)), None
