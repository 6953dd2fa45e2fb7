"""`cutaway.signal.windows`: weights that fade a stretch of a signal in and out, symmetric unless sym=False.

A window of M weights: `hann(8)`; with sym=False it is the one of M + 1 without its last, which repeats without a seam.
Source: F. J. Harris, On the use of windows for harmonic analysis with the discrete Fourier transform (1978).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from cutaway.core.absent import absent
from cutaway.core.creation import as_tensor
from cutaway.core.dtypes import as_dtype, check_device, get_default_dtype
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.refusal import function

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip


def _made(name: str, M: int, sym: bool, given: dict[str, Any], weigh: Callable[[np.ndarray, int], Any]) -> Any:
    """`weigh(k, n)` of the places k = 0, 1 .. M - 1 of n, as a tensor."""
    dtype, requires_grad = given.pop("dtype", None), given.pop("requires_grad", False)
    check_device(given.pop("device", None))
    given.pop("layout", None)
    if given:
        raise ArgumentError(f"{name}: unknown argument {next(iter(given))!r}; it takes sym, dtype, device, requires_grad")
    kind = get_default_dtype() if dtype is None else as_dtype(dtype, name)
    if not kind.is_floating_point:
        raise ArgumentError(f"{name}: a window is of floats, got dtype={kind}; use cutaway.float32")
    if not isinstance(M, (int, np.integer)):
        raise ArgumentTypeError(f"{name}: the number of weights must be an int, got {M!r}")
    if M < 0:
        raise ArgumentError(f"{name}: the number of weights must be 0 or more, got {M}")
    places = np.arange(M, dtype=kind.np if kind.itemsize > 2 else np.float32)  # in its dtype, as PyTorch's
    weights = np.asarray(weigh(places, M if sym else M + 1) if M > 1 else np.ones(M))
    y = as_tensor(weights.astype(kind.np))
    return y.requires_grad_() if requires_grad else y


def _cosines(a: Iterable[float]) -> Callable[[np.ndarray, int], Any]:
    """a0 - a1 cos(2 pi k / (n - 1)) + a2 cos(4 pi k / (n - 1)) - ..."""
    return lambda k, n: sum((-1) ** i * each * np.cos(2 * np.pi * i * k / (n - 1)) for i, each in enumerate(a))


@function
def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **given: Any) -> Any:
    """a0 - a1 cos(2 pi x) + a2 cos(4 pi x) - ..., x from 0 to 1.  Raises ArgumentError for an empty `a`."""
    factors = [*a]
    if not factors:
        raise ArgumentError("general_cosine: a must hold at least one factor")
    return _made("general_cosine", M, sym, given, _cosines(factors))


@function
def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **given: Any) -> Any:
    """alpha - (1 - alpha) cos(2 pi x)."""
    return _made("general_hamming", M, sym, given, _cosines([alpha, 1 - alpha]))


@function
def hamming(M: int, *, sym: bool = True, **given: Any) -> Any:
    """0.54 - 0.46 cos(2 pi x)."""
    return _made("hamming", M, sym, given, _cosines([0.54, 0.46]))


@function
def hann(M: int, *, sym: bool = True, **given: Any) -> Any:
    """(1 - cos(2 pi x)) / 2."""
    return _made("hann", M, sym, given, _cosines([0.5, 0.5]))


@function
def blackman(M: int, *, sym: bool = True, **given: Any) -> Any:
    """0.42 - 0.5 cos(2 pi x) + 0.08 cos(4 pi x)."""
    return _made("blackman", M, sym, given, _cosines([0.42, 0.5, 0.08]))


@function
def nuttall(M: int, *, sym: bool = True, **given: Any) -> Any:
    """Four cosines whose side lobes are least (Nuttall 1981)."""
    return _made("nuttall", M, sym, given, _cosines([0.3635819, 0.4891775, 0.1365995, 0.0106411]))


@function
def bartlett(M: int, *, sym: bool = True, **given: Any) -> Any:
    """A triangle from 0 to 1 and back to 0."""
    return _made("bartlett", M, sym, given, lambda k, n: 1 - np.abs(2 * k / (n - 1) - 1))


@function
def cosine(M: int, *, sym: bool = True, **given: Any) -> Any:
    """sin(pi (k + 1/2) / n): half a wave."""
    return _made("cosine", M, sym, given, lambda k, n: np.sin(np.pi * (k + 0.5) / n))


@function
def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **given: Any) -> Any:
    """exp(-|k - center| / tau).  Raises ArgumentError for a tau of 0 or less, and for a center of a symmetric window."""
    if tau <= 0:
        raise ArgumentError(f"exponential: tau must be above 0, got {tau}")
    if sym and center is not None:
        raise ArgumentError("exponential: a symmetric window has its center in the middle; leave center out, or sym=False")
    return _made(
        "exponential", M, sym, given,
        lambda k, n: np.exp(-np.abs(k - ((n - 1) / 2 if center is None else center)) / tau),
    )  # fmt: skip


@function
def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **given: Any) -> Any:
    """exp(-(k - middle)^2 / (2 std^2)).  Raises ArgumentError for a std of 0 or less."""
    if std <= 0:
        raise ArgumentError(f"gaussian: std must be above 0, got {std}")
    return _made("gaussian", M, sym, given, lambda k, n: np.exp(-(((k - (n - 1) / 2) / std) ** 2) / 2))


@function
def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **given: Any) -> Any:
    """I0(beta sqrt(1 - x^2)) / I0(beta), x from -1 to 1.  Raises ArgumentError for a beta below 0."""
    if beta < 0:
        raise ArgumentError(f"kaiser: beta must be 0 or more, got {beta}")
    inside = lambda k, n: np.sqrt(np.maximum(1 - (2 * k / (n - 1) - 1) ** 2, 0))
    return _made("kaiser", M, sym, given, lambda k, n: np.i0(beta * inside(k, n)) / np.i0(beta))


def __getattr__(name: str) -> object:
    raise absent("cutaway.signal.windows", name, __all__)
