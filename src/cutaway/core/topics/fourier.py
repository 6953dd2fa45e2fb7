"""`torch.fft`: Fourier transforms of complex and of real numbers, over one dimension or several.

Every one is made of the three sums of core/ops/fourier.py, of zeros added or ends cut off, and of a factor. `norm` says
which way has the factor 1 / n: "backward" (the default) the inverse, "forward" the other, "ortho" both its root.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import normalize_dim, show
from cutaway.core.creation import arange
from cutaway.core.dtypes import FROM_NUMPY, as_complex, get_default_dtype
from cutaway.core.errors import ArgumentError, DTypeError, IndexOutOfRange, ShapeError
from cutaway.core.op import castable
from cutaway.core.ops import complex as ops
from cutaway.core.ops.fourier import dft, irdft, rdft
from cutaway.core.ops.movement import pad
from cutaway.core.refusal import function

# --- what goes in -----------------------------------------------------------------------------------------------------


def _numbers(name: str, x: Any) -> Any:
    """Floating or complex numbers; integers become floats.  Raises DTypeError for float16 and bfloat16."""
    kind = d.need_tensor(name, x)._data.dtype
    if kind.itemsize == 2 and kind.kind not in "iu":
        raise DTypeError(f"{name}: not written for {x.dtype}; convert with .float()")
    return x.to(get_default_dtype()) if kind.kind in "bui" else x


def _complex(name: str, x: Any) -> Any:
    x = _numbers(name, x)
    return x if x.is_complex() else x.to(as_complex(FROM_NUMPY[x._data.dtype]))


def _real(name: str, x: Any) -> Any:
    x = _numbers(name, x)
    if x.is_complex():
        raise DTypeError(f"{name}: expects real numbers, got {show(x)}; take .real, or use the transform of complex numbers")
    return x


def _places(name: str, x: Any, s: Any, dim: Any) -> tuple[list[int], list[int]]:
    """The dimensions that are transformed, and their sizes, -1 for those that stay."""
    ndim = x._data.ndim
    sizes = [operator.index(s)] if d.is_index(s) else None if s is None else list(s)
    if dim is None:
        if sizes is not None and len(sizes) > ndim:
            raise ShapeError(f"{name}: s has {len(sizes)} sizes, but the input is {show(x)}")
        dims = list(range(ndim)) if sizes is None else list(range(ndim - len(sizes), ndim))
    else:
        dims = [normalize_dim(k, ndim, name) for k in ([dim] if d.is_index(dim) else dim)]
    if not ndim and dims:
        raise IndexOutOfRange(f"{name}: a 0-d tensor has no dimension to transform")
    if len(set(dims)) != len(dims):
        raise ShapeError(f"{name}: dim {dim} names the same dimension twice")
    if sizes is not None and len(sizes) != len(dims):
        raise ShapeError(f"{name}: s has {len(sizes)} sizes and dim {len(dims)} dimensions; give one size for each")
    return dims, [-1] * len(dims) if sizes is None else sizes


def _resized(name: str, x: Any, dims: list[int], sizes: list[int]) -> Any:
    """With zeros added or ends cut off.  Raises ArgumentError where no element is left."""
    for k, n in zip(dims, sizes, strict=True):
        n = x._data.shape[k] if n == -1 else n
        if n < 1:
            raise ArgumentError(f"{name}: a transform needs at least one element, got {n} along dim {k} of {show(x)}")
        have = x._data.shape[k]
        if n < have:
            x = d.narrow(x, k, 0, n)
        elif n > have:
            shape = (*x._data.shape[:k], n, *x._data.shape[k + 1 :])
            x = pad(x, low=(0,) * x._data.ndim, step=(1,) * x._data.ndim, shape=shape, value=0.0)
    return x


def _factor(name: str, norm: Any, n: int, inverse: bool) -> float:
    if norm not in (None, "backward", "forward", "ortho"):
        raise ArgumentError(f"{name}: norm must be 'backward', 'forward' or 'ortho', got {norm!r}")
    if norm == "ortho":
        return 1 / math.sqrt(n)
    return 1 / n if inverse == (norm != "forward") else 1.0


def _waves(name: str, x: Any, dims: list[int], norm: Any, inverse: bool) -> Any:
    """The complex transform over dims, of x as it is."""
    if not dims:
        return x
    scale = _factor(name, norm, math.prod([x._data.shape[k] for k in dims]), inverse)
    return dft(x, dims=tuple(dims), inverse=inverse, scale=scale)


# --- complex to complex -----------------------------------------------------------------------------------------------


def _both(name: str, input: Any, s: Any, dim: Any, norm: Any, inverse: bool) -> Any:
    x = _complex(name, input)
    dims, sizes = _places(name, x, s, dim)
    return _waves(name, _resized(name, x, dims, sizes), dims, norm, inverse)


@function
@castable
def fft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The discrete Fourier transform along `dim`: y_k = sum_j x_j exp(-2 pi i jk / n)."""
    return _both("fft", input, n, dim, norm, False)


@function
@castable
def ifft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The inverse of `fft`."""
    return _both("ifft", input, n, dim, norm, True)


@function
@castable
def fft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """`fft` over two dimensions."""
    return _both("fft2", input, s, dim, norm, False)


@function
@castable
def ifft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """The inverse of `fft2`."""
    return _both("ifft2", input, s, dim, norm, True)


@function
@castable
def fftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """`fft` over several dimensions: all, or the last ones that `s` has sizes for."""
    return _both("fftn", input, s, dim, norm, False)


@function
@castable
def ifftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The inverse of `fftn`."""
    return _both("ifftn", input, s, dim, norm, True)


# --- real to half of complex ------------------------------------------------------------------------------------------


def _half(name: str, input: Any, s: Any, dim: Any, norm: Any, inverse: bool) -> Any:
    x = _real(name, input)
    dims, sizes = _places(name, x, s, dim)
    if not dims:
        raise ShapeError(f"{name}: needs at least one dimension to transform, got dim {dim}")
    x = _resized(name, x, dims, sizes)
    last = dims[-1]
    y = rdft(x, dim=last, scale=_factor(name, norm, x._data.shape[last], inverse))
    return _waves(name, ops.conj(y) if inverse else y, dims[:-1], norm, inverse)


@function
@castable
def rfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """`fft` of real numbers: its first n // 2 + 1 numbers, of which the others are conjugates."""
    return _half("rfft", input, n, dim, norm, False)


@function
@castable
def rfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """`fft2` of real numbers: half of the last dimension."""
    return _half("rfft2", input, s, dim, norm, False)


@function
@castable
def rfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """`fftn` of real numbers: half of the last dimension."""
    return _half("rfftn", input, s, dim, norm, False)


@function
@castable
def ihfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """`ifft` of real numbers: its first n // 2 + 1 numbers."""
    return _half("ihfft", input, n, dim, norm, True)


@function
@castable
def ihfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """`ifft2` of real numbers: half of the last dimension."""
    return _half("ihfft2", input, s, dim, norm, True)


@function
@castable
def ihfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """`ifftn` of real numbers: half of the last dimension."""
    return _half("ihfftn", input, s, dim, norm, True)


# --- half of complex to real ------------------------------------------------------------------------------------------


def _back(name: str, input: Any, s: Any, dim: Any, norm: Any, inverse: bool) -> Any:
    x = _complex(name, input)
    dims, sizes = _places(name, x, s, dim)
    if not dims:
        raise ShapeError(f"{name}: needs at least one dimension to transform, got dim {dim}")
    last = dims[-1]
    n = 2 * (x._data.shape[last] - 1) if sizes[-1] == -1 else sizes[-1]
    if n < 1:
        raise ArgumentError(f"{name}: the result needs at least one element, got {n} along dim {last} of {show(x)}")
    x = _resized(name, x, dims, [*sizes[:-1], n // 2 + 1])
    x = _waves(name, x, dims[:-1], norm, inverse)
    return irdft(x if inverse else ops.conj(x), dim=last, n=n, scale=_factor(name, norm, n, inverse))


@function
@castable
def irfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The inverse of `rfft`: n real numbers, 2 (m - 1) of them for m complex ones unless told."""
    return _back("irfft", input, n, dim, norm, True)


@function
@castable
def irfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """The inverse of `rfft2`."""
    return _back("irfft2", input, s, dim, norm, True)


@function
@castable
def irfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The inverse of `rfftn`."""
    return _back("irfftn", input, s, dim, norm, True)


@function
@castable
def hfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """`fft` of a signal whose other half is conjugate: n real numbers."""
    return _back("hfft", input, n, dim, norm, False)


@function
@castable
def hfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """`fft2` of a signal whose other half is conjugate."""
    return _back("hfft2", input, s, dim, norm, False)


@function
@castable
def hfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """`fftn` of a signal whose other half is conjugate."""
    return _back("hfftn", input, s, dim, norm, False)


# --- frequencies ------------------------------------------------------------------------------------------------------


@function
def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """The frequencies of fft's n numbers, in cycles a unit, of samples `d` units apart; negative ones in the second half."""
    k = np.fft.ifftshift(np.arange(-(n // 2), n - n // 2)) if n else np.arange(0)
    y = _frequencies("fftfreq", k, n, d, dtype, device)
    return y.requires_grad_() if requires_grad else y


@function
def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """The frequencies of rfft's n // 2 + 1 numbers."""
    y = _frequencies("rfftfreq", np.arange(n // 2 + 1), n, d, dtype, device)
    return y.requires_grad_() if requires_grad else y


def _frequencies(name: str, k: np.ndarray, n: int, d: float, dtype: Any, device: Any) -> Any:
    if n < 0 or d == 0:
        raise ArgumentError(f"{name}: needs n of 0 or more and a distance d that is not 0, got {n} and {d}")
    kind = get_default_dtype() if dtype is None else dtype
    return arange(0, device=device).new_tensor(k).to(kind) * (1.0 / (n * d) if n else 1.0)


@function
def fftshift(input: Any, dim: Any = None) -> Any:
    """The constant wave moved to the middle."""
    return _shifted("fftshift", input, dim, lambda n: n // 2)


@function
def ifftshift(input: Any, dim: Any = None) -> Any:
    """The inverse of `fftshift`."""
    return _shifted("ifftshift", input, dim, lambda n: (n + 1) // 2)


def _shifted(name: str, x: Any, dim: Any, by: Any) -> Any:
    d.need_tensor(name, x)
    dims = range(x._data.ndim) if dim is None else [dim] if d.is_index(dim) else dim
    at = [normalize_dim(k, x._data.ndim, name) for k in dims]
    return d.roll(x, [by(x._data.shape[k]) for k in at], at)
