"""Orthogonal polynomials p_n(x), by their recurrences p_{k+1} = (a_k x + b_k) p_k - c_k p_{k-1}; without gradients.

n is rounded towards 0, and p_n is 0 for negative n. Source: Abramowitz & Stegun, table 22.7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core import derived as d

# p_1, and p_{k+1} of x, k, p_k, p_{k-1}
Step = Callable[[Any, int, Any, Any], Any]
RULES: dict[str, tuple[Callable[[Any], Any], Step]] = {
    "chebyshev_polynomial_t": (lambda x: x, lambda x, k, p, q: 2 * x * p - q),
    "chebyshev_polynomial_u": (lambda x: 2 * x, lambda x, k, p, q: 2 * x * p - q),
    "chebyshev_polynomial_v": (lambda x: 2 * x - 1, lambda x, k, p, q: 2 * x * p - q),
    "chebyshev_polynomial_w": (lambda x: 2 * x + 1, lambda x, k, p, q: 2 * x * p - q),
    "hermite_polynomial_h": (lambda x: 2 * x, lambda x, k, p, q: 2 * x * p - 2 * k * q),
    "hermite_polynomial_he": (lambda x: x, lambda x, k, p, q: x * p - k * q),
    "laguerre_polynomial_l": (lambda x: 1 - x, lambda x, k, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1)),
    "legendre_polynomial_p": (lambda x: x, lambda x, k, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1)),
}


def polynomial(name: str, x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """p_n(x), broadcast; a shifted one is that of 2 x - 1."""
    first, step = RULES[name.removeprefix("shifted_")]
    if name.startswith("shifted_"):
        x = 2 * x - 1
    x, n = np.broadcast_arrays(x, np.trunc(n))
    before, now = np.ones_like(x), first(x)
    y = np.where(n < 0, 0.0, np.where(n == 0, before, now))
    for k in range(1, int(n.max(initial=0))):
        before, now = now, step(x, k, now, before)
        y = np.where(n == k + 1, now, y)
    return y


def evaluated(name: str, x: Any, n: Any) -> Any:
    """p_n(x) of tensors, or of one and a number, in their common floating dtype."""
    tensors = [v for v in (x, n) if hasattr(v, "_data")]
    kind = tensors[0]._data.dtype if len(tensors) == 1 else (tensors[0].detach() + tensors[1].detach())._data.dtype
    kind = d.default_float().np if kind.kind in "iub" else kind
    a, b = (d.values(v) if hasattr(v, "_data") else np.asarray(v) for v in (x, n))
    with np.errstate(all="ignore"):
        y = polynomial(name, a.astype(kind), b.astype(np.float64))
    return d.constant(np.asarray(y, kind))
