"""Methods and functions of complex numbers: their parts, and numbers made of parts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import show
from cutaway.core.errors import ArgumentTypeError, DTypeError, ShapeError
from cutaway.core.op import castable
from cutaway.core.ops import complex as ops
from cutaway.core.ops import elementwise as ew
from cutaway.core.refusal import function


class Complex:
    """Parts, conjugates, angles."""

    @property
    def real(self: Any) -> Any:
        """The real parts (a view); a real tensor itself."""
        return ops.real(self) if self._data.dtype.kind == "c" else self

    @real.setter
    def real(self: Any, value: Any) -> None:
        self.real.copy_(value)

    @property
    def imag(self: Any) -> Any:
        """The imaginary parts (a view).  Raises DTypeError for a real tensor."""
        return ops.imag(_complex("imag", self))

    @imag.setter
    def imag(self: Any, value: Any) -> None:
        self.imag.copy_(value)

    def conj(self: Any) -> Any:
        """The conjugates, computed at once: PyTorch computes them when they are read."""
        return ops.conj(self)

    def conj_physical(self: Any) -> Any:
        """The conjugates."""
        return ops.conj(self)

    def conj_physical_(self: Any) -> Any:
        """`conj_physical`, written into this tensor."""
        return self._assign(ops.conj(self), "conj_physical_") if self._data.dtype.kind == "c" else self

    def resolve_conj(self: Any) -> Any:
        """Itself: conjugates are computed at once."""
        return self

    def resolve_neg(self: Any) -> Any:
        """Itself."""
        return self

    def is_conj(self: Any) -> bool:
        """False: conjugates are computed at once."""
        return False

    def is_neg(self: Any) -> bool:
        """False."""
        return False

    def angle(self: Any) -> Any:
        """The angle to the positive real axis; of real numbers 0, or pi where negative."""
        if self._data.dtype.kind == "c":
            return ops.angle(self)
        x = self if self._data.dtype.kind in d.FLOATING else self.to(d.default_float())
        zero = d.constant(np.zeros((), x._data.dtype))
        return ew.where(ew.isnan(x), x, ew.where(x < 0, math.pi, zero))

    @property
    def H(self: Any) -> Any:
        """The conjugate transpose of a matrix (of a real one a view).  Raises ShapeError for more dimensions."""
        if self._data.ndim not in (0, 2):
            raise ShapeError(f"H: needs a matrix, got {show(self)}; use .mH for batches of them")
        return ops.conj(d.t(self))

    @property
    def mH(self: Any) -> Any:
        """The conjugates with the last two dimensions swapped (of a real tensor a view)."""
        return ops.conj(d.transpose(self, -2, -1))

    def adjoint(self: Any) -> Any:
        """The same as `mH`."""
        return self.mH

    def stft(self: Any, n_fft: int, *args: Any, **kwargs: Any) -> Any:
        """The short-time Fourier transform; see `cutaway.stft`."""
        return _spectra().stft(self, n_fft, *args, **kwargs)

    def istft(self: Any, n_fft: int, *args: Any, **kwargs: Any) -> Any:
        """Its inverse; see `cutaway.istft`."""
        return _spectra().istft(self, n_fft, *args, **kwargs)


def _spectra() -> Any:
    from cutaway.core.topics import spectra

    return spectra


def _complex(name: str, x: Any) -> Any:
    if d.need_tensor(name, x)._data.dtype.kind != "c":
        raise DTypeError(f"{name}: only complex tensors have imaginary parts, got {show(x)}")
    return x


def _parts(name: str, a: Any, b: Any) -> None:
    """Raise DTypeError unless both are float32 or both float64."""
    d.need_tensor(name, a), d.need_tensor(name, b)
    if a._data.dtype not in (np.float32, np.float64) or b._data.dtype not in (np.float32, np.float64):
        raise DTypeError(f"{name}: needs two tensors of float32 or float64, got {show(a, b)}; convert with .float()")
    d.alike(name, a, b)


@function
def complex(real: Any, imag: Any) -> Any:
    """real + i imag, of two float32 or two float64 tensors.  Raises DTypeError for others."""
    _parts("complex", real, imag)
    return ops.join(real, imag)


@function
@castable
def polar(abs: Any, angle: Any) -> Any:
    """abs (cos angle + i sin angle), of two float32 or two float64 tensors.  Raises DTypeError for others."""
    _parts("polar", abs, angle)
    return ops.join(abs * ew.cos(angle), abs * ew.sin(angle))


@function
def view_as_real(input: Any) -> Any:
    """z[...] as its parts [..., 2], on the same memory.  Raises DTypeError for a real tensor."""
    if d.need_tensor("view_as_real", input)._data.dtype.kind != "c":
        raise DTypeError(f"view_as_real: needs a complex tensor, got {show(input)}")
    return ops.view_as_real(input)


@function
def view_as_complex(input: Any) -> Any:
    """x[..., 2] as complex numbers [...], on the same memory.

    Raises DTypeError unless float32 or float64, ShapeError where the parts do not lie side by side.
    """
    if d.need_tensor("view_as_complex", input)._data.dtype not in (np.float32, np.float64):
        raise DTypeError(f"view_as_complex: needs float32 or float64, got {show(input)}; convert with .float()")
    memory = input._settle()._data
    if memory.shape[-1:] == (2,) and memory.size and isinstance(memory, np.ndarray) and not ops.pairs(memory):
        raise ShapeError(
            f"view_as_complex: real and imaginary parts must lie side by side in memory, got {show(input)} with strides "
            f"{input.stride()}; call .contiguous() first"
        )
    return ops.view_as_complex(input)


@function
def real(input: Any) -> Any:
    """The real parts (a view); a real tensor itself."""
    return d.need_tensor("real", input).real


@function
def imag(input: Any) -> Any:
    """The imaginary parts (a view).  Raises DTypeError for a real tensor."""
    return _complex("imag", input).imag


@function
def is_complex(input: Any) -> bool:
    """True for a complex tensor."""
    if not hasattr(input, "is_complex"):
        raise ArgumentTypeError(f"is_complex: expected a Tensor, got {type(input).__name__}")
    return bool(input.is_complex())
