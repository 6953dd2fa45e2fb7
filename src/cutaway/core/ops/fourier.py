"""Fourier transforms: sums of waves. NumPy's pocketfft computes, in the precision of the input; gradients are ours.

A transform is a linear map, and the gradient towards its input is the adjoint map: waves that turn the other way. Half of
the transform of real numbers is the conjugate of the other half and left out; what is left out counts in the gradient, too.

Like all ops of complex numbers these run eagerly only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.aval import Aval, Shape
from cutaway.core.op import APART, Op
from cutaway.core.ops.complex import part, whole
from cutaway.core.tensor import Tensor


def _dft(a: np.ndarray, dims: Shape, inverse: bool, scale: float) -> np.ndarray:
    y = np.fft.ifftn(a, axes=dims, norm="forward") if inverse else np.fft.fftn(a, axes=dims)
    return _scaled(y, a.dtype, scale)


def _rdft(a: np.ndarray, dim: int, scale: float) -> np.ndarray:
    return _scaled(np.fft.rfft(a, axis=dim), whole(a.dtype), scale)


def _irdft(a: np.ndarray, dim: int, n: int, scale: float) -> np.ndarray:
    return _scaled(np.fft.irfft(a, n, axis=dim, norm="forward"), part(a.dtype), scale)


def _scaled(y: np.ndarray, dtype: np.dtype, scale: float) -> np.ndarray:
    y = y.astype(dtype, copy=False)
    if scale != 1:
        y *= scale
    return y


# sum_j a_j exp(-2 pi i jk / n) scale, over one dimension or several; inverse: the exponent without its sign.
dft: Op = Op(
    "dft",
    APART,
    _dft,
    lambda a, dims, inverse, scale: a,
    (lambda g, dims, inverse, scale: dft(g, dims=dims, inverse=not inverse, scale=scale),),
    formula=r"\sum_j a_j e^{-2\pi i jk/n}",
)
# The same of real numbers a[n], for k = 0 .. n // 2.
rdft: Op = Op(
    "rdft",
    APART,
    _rdft,
    lambda a, dim, scale: Aval(_sized(a.shape, dim, a.shape[dim] // 2 + 1), whole(a.dtype)),
    (lambda g, A, dim, scale: irdft(g * _middle(A.shape[dim], dim, g, 0.5), dim=dim, n=A.shape[dim], scale=scale),),
    formula=r"\sum_j a_j e^{-2\pi i jk/n}",
)
# Back from a[n // 2 + 1]: n real numbers.
irdft: Op = Op(
    "irdft",
    APART,
    _irdft,
    lambda a, dim, n, scale: Aval(_sized(a.shape, dim, n), part(a.dtype)),
    (lambda g, dim, n, scale: _doubled(rdft(g, dim=dim, scale=scale), n, dim),),
    formula=r"\sum_k a_k e^{2\pi i jk/n}",
)


def _sized(shape: Shape, dim: int, n: int) -> Shape:
    return (*shape[:dim], n, *shape[dim + 1 :])


def _doubled(y: Any, n: int, dim: int) -> Any:
    return y * _middle(n, dim, y, 2.0)


def _middle(n: int, dim: int, like: Any, weight: float) -> Tensor:
    """`weight` for the waves that have a conjugate twin among n, 1 for the constant one and that of n / 2."""
    weights = np.full(n // 2 + 1, weight, part(like._data.dtype))
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return Tensor._wrap(weights.reshape((-1,) + (1,) * (like._data.ndim - dim - 1)))
