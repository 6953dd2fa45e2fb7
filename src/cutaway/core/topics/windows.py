"""Windows: weights that fade a stretch of a signal in and out, so that its ends make no waves of their own.

`periodic` (the default) leaves out the last of n + 1 symmetric weights: the window that repeats, as transforms want it.
Source: F. J. Harris, On the use of windows for harmonic analysis with the discrete Fourier transform (1978).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core.creation import as_tensor
from cutaway.core.dtypes import as_dtype, get_default_dtype
from cutaway.core.errors import ArgumentError, DTypeError
from cutaway.core.refusal import function


def _window(name: str, n: int, periodic: bool, weigh: Callable[[np.ndarray], np.ndarray], named: dict[str, Any]) -> Any:
    """`weigh` of n places from 0 to 1."""
    dtype, requires_grad = named.pop("dtype", None), named.pop("requires_grad", False)
    kind = get_default_dtype() if dtype is None else as_dtype(dtype, name)
    if not kind.is_floating_point:
        raise DTypeError(f"{name}: a window is of floats, got dtype={kind}; use cutaway.float32")
    if n < 0:
        raise ArgumentError(f"{name}: window_length must be 0 or more, got {n}")
    last = n if periodic else n - 1
    weights = np.ones(n) if n < 2 else weigh(np.arange(n) / last)
    y = as_tensor(weights.astype(kind.np), device=named.pop("device", None))
    return y.requires_grad_() if requires_grad else y


def _cosines(*factors: float) -> Callable[[np.ndarray], np.ndarray]:
    """a0 - a1 cos(2 pi x) + a2 cos(4 pi x) - ..."""

    def weigh(x: np.ndarray) -> np.ndarray:
        terms = [(-1) ** k * a * np.cos(2 * np.pi * k * x) for k, a in enumerate(factors)]
        return np.sum(terms, axis=0)  # type: ignore[no-any-return]

    return weigh


@function
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """(1 - cos(2 pi x)) / 2."""
    named = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _window("hann_window", window_length, periodic, _cosines(0.5, 0.5), named)


@function
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """alpha - beta cos(2 pi x)."""
    named = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _window("hamming_window", window_length, periodic, _cosines(alpha, beta), named)


@function
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """0.42 - 0.5 cos(2 pi x) + 0.08 cos(4 pi x)."""
    named = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _window("blackman_window", window_length, periodic, _cosines(0.42, 0.5, 0.08), named)


@function
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """A triangle: 1 - |2 x - 1|."""
    named = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _window("bartlett_window", window_length, periodic, lambda x: 1 - np.abs(2 * x - 1), named)


@function
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """I0(beta sqrt(1 - (2 x - 1)^2)) / I0(beta), of the modified Bessel function I0."""
    named = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    bessel = lambda x: np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta)
    return _window("kaiser_window", window_length, periodic, bessel, named)
