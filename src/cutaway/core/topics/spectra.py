"""The short-time Fourier transform: a signal cut into stretches that overlap, each weighted by a window and transformed.

Its inverse adds the stretches up again, weighted once more, and divides by the sum of the squared weights.
D. Griffin & J. Lim, Signal estimation from modified short-time Fourier transform (1984), equation 6.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import show
from cutaway.core.dtypes import FROM_NUMPY
from cutaway.core.errors import ArgumentError, DTypeError, ShapeError
from cutaway.core.op import castable
from cutaway.core.ops import complex as ops
from cutaway.core.ops.fourier import dft, irdft, rdft
from cutaway.core.ops.movement import flip, pad
from cutaway.core.refusal import function


def _signal(name: str, x: Any, dims: tuple[int, ...], n_fft: int, hop: Any, length: Any, window: Any) -> tuple[int, int]:
    """(hop, length of the window), checked."""
    if d.need_tensor(name, x)._data.ndim not in dims or x._data.dtype.kind not in "fc":
        listed = " or ".join(map(str, dims))
        raise ShapeError(f"{name}: needs a floating or complex tensor of {listed} dimensions, got {show(x)}")
    hop = n_fft // 4 if hop is None else hop
    length = n_fft if length is None else length
    if hop < 1:
        raise ArgumentError(f"{name}: hop_length must be positive, got {hop}")
    if not 0 < length <= n_fft:
        raise ArgumentError(f"{name}: win_length must be between 1 and n_fft = {n_fft}, got {length}")
    if window is not None and d.need_tensor(name, window)._data.shape != (length,):
        raise ShapeError(f"{name}: the window must be of win_length = {length} numbers, got {show(window)}")
    return hop, length


def _centred(window: Any, length: int, n_fft: int, kind: np.dtype) -> Any:
    """The window in the middle of n_fft weights; ones where there is none."""
    w = d.constant(np.ones(length, kind)) if window is None else window
    left = (n_fft - length) // 2
    return w if length == n_fft else pad(w, low=(left,), step=(1,), shape=(n_fft,), value=0.0)


def _mirrored(x: Any, n: int, mode: str) -> Any:
    """x[B, T] with n numbers more at both ends."""
    size = x._data.shape[-1]
    if mode == "constant":
        return pad(x, low=(0, n), step=(1, 1), shape=(x._data.shape[0], size + 2 * n), value=0.0)
    if mode == "replicate":
        left, right = d.narrow(x, 1, 0, 1).expand(-1, n), d.narrow(x, 1, size - 1, 1).expand(-1, n)
    elif mode == "reflect":
        if n >= size:
            raise ShapeError(f"stft: reflecting {n} numbers at each end needs a signal of more than that, got {show(x)}")
        left, right = (flip(d.narrow(x, 1, at, n), dims=(1,)) for at in (1, size - n - 1))
    elif mode == "circular":
        left, right = d.narrow(x, 1, size - n, n), d.narrow(x, 1, 0, n)
    else:
        raise ArgumentError(f"stft: pad_mode must be 'reflect', 'constant', 'replicate' or 'circular', got {mode!r}")
    return d.cat([left, x, right], 1)


@function
@castable
def stft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
    center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
    return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Any:  # fmt: skip
    """Spectra y[..., F, K] of a signal x[..., T], of K stretches that begin hop_length (n_fft // 4) apart.

    center       the first stretch has the signal's beginning in its middle: the signal is continued by `pad_mode` before
    normalized   spectra are divided by sqrt(n_fft)
    onesided     F is n_fft // 2 + 1 and not n_fft: the default for a real signal with a real window
    return_complex=False   gives real and imaginary parts as a last dimension; one of both must be said of a real signal

    Raises ArgumentError, ShapeError where lengths do not fit.
    """
    hop, length = _signal("stft", input, (1, 2), n_fft, hop_length, win_length, window)
    if center and align_to_window is not None:
        raise ArgumentError("stft: align_to_window is for center=False only")
    complex_ = input.is_complex() or (window is not None and window.is_complex())
    if return_complex is None and not complex_:
        raise ArgumentError("stft: return_complex must be said of a real signal; write return_complex=True")
    onesided = not complex_ if onesided is None else onesided
    if onesided and complex_:
        raise ArgumentError("stft: the spectrum of complex numbers has no twin half; leave onesided out")
    x = input if input._data.ndim == 2 else input.unsqueeze(0)
    if center:
        x = _mirrored(x, n_fft // 2, pad_mode)
    elif align_to_window:
        x = _trimmed(x, (n_fft - length) // 2)
    if not 0 < n_fft <= x._data.shape[1]:
        raise ArgumentError(f"stft: n_fft must be between 1 and the signal's length {x._data.shape[1]}, got {n_fft}")
    parts = x.unfold(1, n_fft, hop)
    if window is not None or length < n_fft:
        parts = parts * _centred(window, length, n_fft, ops.part(x._data.dtype) if input.is_complex() else x._data.dtype)
    scale = 1 / math.sqrt(n_fft) if normalized else 1.0
    if onesided:
        y = rdft(parts, dim=2, scale=scale)
    else:
        whole = parts if parts.is_complex() else parts.to(FROM_NUMPY[ops.whole(parts._data.dtype)])
        y = dft(whole, dims=(2,), inverse=False, scale=scale)
    y = d.transpose(y, 1, 2)
    y = y if input._data.ndim == 2 else y.squeeze(0)
    if return_complex is False:
        warnings.warn("stft: return_complex=False is deprecated: take view_as_real of a complex result", stacklevel=2)
        return ops.view_as_real(y)
    return y


def _trimmed(x: Any, n: int) -> Any:
    return d.narrow(x, 1, n, x._data.shape[1] - n) if n else x


@function
@castable
def istft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
    center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
    return_complex: bool = False,
) -> Any:  # fmt: skip
    """The signal x[..., T] of spectra y[..., F, K]: the inverse of `stft` with the same arguments.

    length   of the signal, where stretches reached beyond it
    Raises ArgumentError where the windows leave a place of the signal without weight.
    """
    hop, size = _signal("istft", input, (2, 3), n_fft, hop_length, win_length, window)
    if not input.is_complex():
        raise DTypeError(f"istft: needs complex spectra, got {show(input)}; see view_as_complex")
    if return_complex and onesided:
        raise ArgumentError("istft: a complex signal has spectra without a twin half; leave onesided out")
    if not return_complex and window is not None and window.is_complex():
        raise ArgumentError("istft: a complex window makes a complex signal; write return_complex=True")
    full = input._data.shape[-2] == n_fft
    onesided = not full if onesided is None else onesided
    frequencies = n_fft // 2 + 1 if onesided else n_fft
    if input._data.shape[-2] != frequencies:
        raise ShapeError(f"istft: expected {frequencies} frequencies of n_fft = {n_fft}, got {show(input)}")
    y = input if input._data.ndim == 3 else input.unsqueeze(0)
    y = d.transpose(y, 1, 2)
    scale = 1 / math.sqrt(n_fft) if normalized else 1 / n_fft
    kind = ops.part(y._data.dtype)
    if return_complex:
        parts = dft(y, dims=(2,), inverse=True, scale=scale)
    else:
        half = y if onesided else d.narrow(y, 2, 0, n_fft // 2 + 1)
        parts = irdft(half, dim=2, n=n_fft, scale=scale)
    weights = _centred(window, size, n_fft, kind)
    count = y._data.shape[1]
    total = n_fft + hop * (count - 1)
    signal = _overlapped(parts * weights, hop, total)
    power = _overlapped((weights * weights).expand(1, count, n_fft), hop, total)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - n_fft // 2 if center else total
    stop = min(end, total)
    signal, power = d.narrow(signal, 1, start, stop - start), d.narrow(power, 1, start, stop - start)
    if power._data.size and not np.abs(d.values(power)).min() > 1e-11:
        raise ArgumentError("istft: the windows leave a place of the signal without weight; take a smaller hop_length")
    signal = signal / power
    if end > total:
        warnings.warn("istft: the signal is shorter than length, and is continued with zeros", stacklevel=2)
        signal = pad(signal, low=(0, 0), step=(1, 1), shape=(signal._data.shape[0], end - start), value=0.0)
    return signal if input._data.ndim == 3 else signal.squeeze(0)


def _overlapped(parts: Any, hop: int, total: int) -> Any:
    """parts[B, K, N] added up where they lie: [B, total]."""
    batch, count, n = parts._data.shape
    places = (np.arange(count)[:, None] * hop + np.arange(n)).reshape(-1)
    zeros = d.constant(np.zeros((batch, total), parts._data.dtype))
    return zeros.index_add(1, d.constant(places), parts.reshape(batch, count * n))
