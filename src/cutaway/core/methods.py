"""The mathematics of Tensor: PyTorch's methods, one line each, on the op or composite that does the work."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import cutaway.core.derived as _d
import cutaway.core.indexing as _i
import cutaway.core.random as _r
from cutaway.core.dtypes import INEXACT, is_narrow
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ComplexError
from cutaway.core.grad_names import tell as _tell
from cutaway.core.layouts import check_format
from cutaway.core.meta import is_meta
from cutaway.core.narrow import in_single
from cutaway.core.ops import elementwise as _ew
from cutaway.core.overriding.asked import first as _first
from cutaway.core.refusal import guard_methods
from cutaway.core.strict import warn_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from cutaway.core.tensor import Tensor


class Methods:
    """Operators, functions and in-place methods of Tensor."""

    _data: np.ndarray

    if TYPE_CHECKING:  # what Tensor has besides

        shape: Any
        is_contiguous: Callable[..., bool]
        stride: Callable[[], tuple[int, ...]]

        def _assign(self, y: Tensor, name: str) -> Tensor: ...
        def _become(self, y: Tensor, name: str) -> Tensor: ...

    # --- operators ----------------------------------------------------------------------------------------------------
    # `try` and what is tried share a line: so it costs no instruction, where a line of its own would cost one.

    def __add__(self, other: Any) -> Tensor:
        try: return _ew.add(self, other)
        except ArgumentTypeError as error: return _other(error, "__add__", self, other)

    def __sub__(self, other: Any) -> Tensor:
        try: return _ew.sub(self, other)
        except ArgumentTypeError as error: return _other(error, "__sub__", self, other)

    def __mul__(self, other: Any) -> Tensor:
        try: return _ew.mul(self, other)
        except ArgumentTypeError as error: return _other(error, "__mul__", self, other)

    def __truediv__(self, other: Any) -> Tensor:
        try: return _ew.div(self, other)
        except ArgumentTypeError as error: return _other(error, "__truediv__", self, other)

    def __floordiv__(self, other: Any) -> Tensor:
        try: return _ew.floor_divide(self, other)
        except ArgumentTypeError as error: return _other(error, "__floordiv__", self, other)

    def __mod__(self, other: Any) -> Tensor:
        try: return _ew.remainder(self, other)
        except ArgumentTypeError as error: return _other(error, "__mod__", self, other)

    def __pow__(self, other: Any) -> Tensor:
        try: return self.pow(other)
        except ArgumentTypeError as error: return _other(error, "__pow__", self, other)

    def __matmul__(self, other: Any) -> Tensor:
        try: return _d.matmul(self, other)
        except ArgumentTypeError as error: return _other(error, "__matmul__", self, other)

    def __radd__(self, other: Any) -> Tensor:
        try: return _ew.add(self, other)
        except ArgumentTypeError as error: return _other(error, "__radd__", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        try: return _tell(_ew.sub(other, self), "Rsub:1", (), {})
        except ArgumentTypeError as error: return _other(error, "__rsub__", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        if isinstance(other, (str, list, tuple)) and self._data.size == 1 and self._data.dtype.kind in "iu":
            return NotImplemented  # [0] * n
        try: return _ew.mul(self, other)
        except ArgumentTypeError as error: return _other(error, "__rmul__", self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        if is_narrow(self._data.dtype):  # as PyTorch rounds
            return _ew.mul(_ew.div(1.0, self), other)
        try: return _tell(_ew.div(other, self), "Mul", (), {})
        except ArgumentTypeError as error: return _other(error, "__rtruediv__", self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        try: return _ew.floor_divide(other, self)
        except ArgumentTypeError as error: return _other(error, "__rfloordiv__", self, other)

    def __rmod__(self, other: Any) -> Tensor:
        try: return _ew.remainder(other, self)
        except ArgumentTypeError as error: return _other(error, "__rmod__", self, other)

    def __rpow__(self, other: Any) -> Tensor:
        try: return _tell(_ew.pow(other, self), "Pow:2", (), {})
        except ArgumentTypeError as error: return _other(error, "__rpow__", self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        try: return _d.matmul(other, self)
        except ArgumentTypeError as error: return _other(error, "__rmatmul__", self, other)

    def __neg__(self) -> Tensor:
        return _ew.neg(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Tensor:
        return _ew.abs(self)

    def __invert__(self) -> Tensor:
        return _ew.bitwise_not(self)

    def __and__(self, other: Any) -> Tensor:
        try: return _ew.bitwise_and(self, other)
        except ArgumentTypeError as error: return _other(error, "__and__", self, other)

    def __rand__(self, other: Any) -> Tensor:
        try: return _ew.bitwise_and(self, other)
        except ArgumentTypeError as error: return _other(error, "__rand__", self, other)

    def __or__(self, other: Any) -> Tensor:
        try: return _ew.bitwise_or(self, other)
        except ArgumentTypeError as error: return _other(error, "__or__", self, other)

    def __ror__(self, other: Any) -> Tensor:
        try: return _ew.bitwise_or(self, other)
        except ArgumentTypeError as error: return _other(error, "__ror__", self, other)

    def __xor__(self, other: Any) -> Tensor:
        try: return _ew.bitwise_xor(self, other)
        except ArgumentTypeError as error: return _other(error, "__xor__", self, other)

    def __rxor__(self, other: Any) -> Tensor:
        try: return _ew.bitwise_xor(self, other)
        except ArgumentTypeError as error: return _other(error, "__rxor__", self, other)

    def __eq__(self, other: Any) -> Any:  # with what is no number: Python compares identities, so x == None is False
        return _ew.eq(self, other) if isinstance(other, COMPARABLE) else _other(None, "__eq__", self, other)

    def __ne__(self, other: Any) -> Any:
        return _ew.ne(self, other) if isinstance(other, COMPARABLE) else _other(None, "__ne__", self, other)

    def __lt__(self, other: Any) -> Tensor:
        try: return _ew.lt(self, other)
        except ArgumentTypeError as error: return _other(error, "__lt__", self, other)

    def __le__(self, other: Any) -> Tensor:
        try: return _ew.le(self, other)
        except ArgumentTypeError as error: return _other(error, "__le__", self, other)

    def __gt__(self, other: Any) -> Tensor:
        try: return _ew.gt(self, other)
        except ArgumentTypeError as error: return _other(error, "__gt__", self, other)

    def __ge__(self, other: Any) -> Tensor:
        try: return _ew.ge(self, other)
        except ArgumentTypeError as error: return _other(error, "__ge__", self, other)

    def __getitem__(self, key: Any) -> Tensor:
        return _i.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        return _i.setitem(self, key, value)

    def __iadd__(self, other: Any) -> Tensor:
        return self.add_(other)

    def __isub__(self, other: Any) -> Tensor:
        return self.sub_(other)

    def __imul__(self, other: Any) -> Tensor:
        return self.mul_(other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self.div_(other)

    def __ifloordiv__(self, other: Any) -> Tensor:
        return self.floor_divide_(other)

    def __imod__(self, other: Any) -> Tensor:
        return self.remainder_(other)

    def __iand__(self, other: Any) -> Tensor:
        return self.bitwise_and_(other)

    def __ior__(self, other: Any) -> Tensor:
        return self.bitwise_or_(other)

    def __ixor__(self, other: Any) -> Tensor:
        return self.bitwise_xor_(other)

    def __ipow__(self, other: Any) -> Tensor:
        return self.pow_(other)

    # --- elementwise --------------------------------------------------------------------------------------------------

    def add(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """self + alpha other."""
        return _ew.add(self, other if alpha == 1 else _d.scaled("add", self, other, alpha))

    def sub(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """self - alpha other."""
        return _ew.sub(self, other if alpha == 1 else _d.scaled("sub", self, other, alpha))

    def mul(self, other: Any) -> Tensor:
        """The product, element by element."""
        try: return _ew.mul(self, other)
        except ArgumentTypeError as error: return _other(error, "mul", self, other)

    def div(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        """The quotient; `rounding_mode` "floor" or "trunc" rounds it."""
        if rounding_mode not in (None, "floor", "trunc"):
            raise ArgumentError(f"div: rounding_mode must be None, 'floor' or 'trunc', got {rounding_mode!r}")
        if rounding_mode == "floor":
            return _ew.floor_divide(self, other)
        return _ew.div(self, other) if rounding_mode is None else _d.trunc_divide(self, other)

    def floor_divide(self, other: Any) -> Tensor:
        """The quotient, rounded down."""
        return _ew.floor_divide(self, other)

    def remainder(self, other: Any) -> Tensor:
        """The remainder, with the sign of `other`."""
        return _ew.remainder(self, other)

    def fmod(self, other: Any) -> Tensor:
        """The remainder, with the sign of `self`."""
        return _d.fmod(self, other)

    def pow(self, exponent: Any) -> Tensor:
        """self to the power of `exponent`."""
        return _d.pow(self, exponent)

    def square(self) -> Tensor:
        """self * self."""
        return _tell(_d.pow(self, 2), "Pow", (), {})

    def neg(self) -> Tensor:
        """-self."""
        return _ew.neg(self)

    def reciprocal(self) -> Tensor:
        """1 / self."""
        return _ew.div(1.0, _d.need_tensor("reciprocal", self))

    @in_single
    def rsqrt(self) -> Tensor:
        """1 / sqrt(self)."""
        return _ew.div(1.0, _ew.sqrt(self))

    def abs(self) -> Tensor:
        """Absolute values."""
        return _ew.abs(self)

    def sign(self) -> Tensor:
        """-1, 0 or 1.  Raises ComplexError for complex numbers, of which `sgn` gives the direction."""
        if self._data.dtype.kind == "c":
            raise ComplexError(f"sign: not defined for complex numbers, got {self._data.dtype.name}; use sgn")
        return _ew.sign(self)

    def exp(self) -> Tensor:
        """e to the power of self."""
        return _ew.exp(self)

    def expm1(self) -> Tensor:
        """exp(self) - 1, accurate near 0."""
        return _ew.expm1(self)

    def log(self) -> Tensor:
        """Natural logarithms."""
        return _ew.log(self)

    def log1p(self) -> Tensor:
        """log(1 + self), accurate near 0."""
        return _ew.log1p(self)

    def sqrt(self) -> Tensor:
        """Square roots."""
        return _ew.sqrt(self)

    def sin(self) -> Tensor:
        """Sines (radians)."""
        return _ew.sin(self)

    def cos(self) -> Tensor:
        """Cosines (radians)."""
        return _ew.cos(self)

    def tan(self) -> Tensor:
        """Tangents (radians)."""
        return _ew.tan(self)

    def sinh(self) -> Tensor:
        """Hyperbolic sines."""
        return _ew.sinh(self)

    def cosh(self) -> Tensor:
        """Hyperbolic cosines."""
        return _ew.cosh(self)

    def tanh(self) -> Tensor:
        """Hyperbolic tangents."""
        return _ew.tanh(self)

    def asin(self) -> Tensor:
        """Inverse sines."""
        return _ew.asin(self)

    def acos(self) -> Tensor:
        """Inverse cosines."""
        return _ew.acos(self)

    def atan(self) -> Tensor:
        """Inverse tangents."""
        return _ew.atan(self)

    def sigmoid(self) -> Tensor:
        """1 / (1 + exp(-self))."""
        return _ew.sigmoid(self)

    def erf(self) -> Tensor:
        """The error function."""
        return _ew.erf(self)

    def relu(self) -> Tensor:
        """max(self, 0)."""
        return _ew.relu(self)

    def floor(self) -> Tensor:
        """Rounded down."""
        return _ew.floor(self)

    def ceil(self) -> Tensor:
        """Rounded up."""
        return _ew.ceil(self)

    def trunc(self) -> Tensor:
        """Rounded towards zero."""
        return _ew.trunc(self)

    def isnan(self) -> Tensor:
        """True where NaN."""
        return _ew.isnan(self)

    def isfinite(self) -> Tensor:
        """True where neither infinite nor NaN."""
        return _ew.isfinite(self)

    def logical_not(self) -> Tensor:
        """True where zero."""
        return _ew.logical_not(self)

    def bitwise_not(self) -> Tensor:
        """Bits inverted."""
        return _ew.bitwise_not(self)

    def round(self, *, decimals: int = 0) -> Tensor:
        """Rounded to the nearest, halves to even."""
        return _ew.round(self) if not decimals else _ew.round(self * 10.0**decimals) / 10.0**decimals

    def frac(self) -> Tensor:
        """self - trunc(self)."""
        return _d.frac(self)

    @in_single
    def log2(self) -> Tensor:
        """Logarithms to base 2."""
        return _ew.log(self) * (1 / math.log(2.0))

    @in_single
    def log10(self) -> Tensor:
        """Logarithms to base 10."""
        return _ew.log(self) * (1 / math.log(10.0))

    def exp2(self) -> Tensor:
        """2 to the power of self."""
        return _ew.pow(2.0, _d.need_tensor("exp2", self))

    def isinf(self) -> Tensor:
        """True where infinite."""
        if self._data.dtype.kind not in INEXACT:
            return _ew.ne(self, self)
        return _ew.eq(_ew.abs(self), math.inf)

    def softmax(self, dim: int, dtype: Any = None) -> Tensor:
        """exp(self) / sum(exp(self)) along `dim`."""
        return _d.softmax(self, _d.given_dim("softmax", dim), dtype)

    def log_softmax(self, dim: int, dtype: Any = None) -> Tensor:
        """log(softmax(self)) along `dim`."""
        return _d.log_softmax(self, _d.given_dim("log_softmax", dim), dtype)

    def maximum(self, other: Any) -> Tensor:
        """The larger of two, element by element."""
        return _ew.maximum(self, _d.need_tensor("maximum", other))

    def minimum(self, other: Any) -> Tensor:
        """The smaller of two, element by element."""
        return _ew.minimum(self, _d.need_tensor("minimum", other))

    def atan2(self, other: Any) -> Tensor:
        """The angle of (self, other)."""
        return _ew.atan2(self, _d.need_tensor("atan2", other))

    def eq(self, other: Any) -> Tensor:
        """self == other."""
        return _ew.eq(self, other)

    def ne(self, other: Any) -> Tensor:
        """self != other."""
        return _ew.ne(self, other)

    def lt(self, other: Any) -> Tensor:
        """self < other."""
        return _ew.lt(self, other)

    def le(self, other: Any) -> Tensor:
        """self <= other."""
        return _ew.le(self, other)

    def gt(self, other: Any) -> Tensor:
        """self > other."""
        return _ew.gt(self, other)

    def ge(self, other: Any) -> Tensor:
        """self >= other."""
        return _ew.ge(self, other)

    def logical_and(self, other: Any) -> Tensor:
        """True where both are not zero."""
        return _ew.logical_and(self, _d.need_tensor("logical_and", other))

    def logical_or(self, other: Any) -> Tensor:
        """True where either is not zero."""
        return _ew.logical_or(self, _d.need_tensor("logical_or", other))

    def bitwise_and(self, other: Any) -> Tensor:
        """Bits in both."""
        return _ew.bitwise_and(self, other)

    def bitwise_or(self, other: Any) -> Tensor:
        """Bits in either."""
        return _ew.bitwise_or(self, other)

    def bitwise_xor(self, other: Any) -> Tensor:
        """Bits in one only."""
        return _ew.bitwise_xor(self, other)

    def logical_xor(self, other: Any) -> Tensor:
        """True where exactly one is not zero."""
        return _ew.ne(self != 0, _d.need_tensor("logical_xor", other) != 0)

    def where(self, condition: Any, other: Any) -> Tensor:
        """self where the condition holds, else other."""
        return _ew.where(condition, self, other)

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        """Limited to [min, max]."""
        return _d.clamp(self, min, max)

    clip = clamp
    arcsin, arccos, arctan, arctan2, absolute, negative, multiply, divide, true_divide, subtract, greater, less = (
        asin, acos, atan, atan2, abs, neg, mul, div, div, sub, gt, lt,
    )  # fmt: skip
    greater_equal, less_equal, not_equal = ge, le, ne

    @in_single
    def lerp(self, end: Any, weight: Any) -> Tensor:
        """self + weight (end - self)."""
        return _d.lerp(self, end, weight)

    def nan_to_num(self, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
        """NaN and infinities replaced by numbers."""
        return _d.nan_to_num(self, nan, posinf, neginf)

    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """`value` where the mask is True."""
        return _d.masked_fill(self, mask, value)

    def clone(self, *, memory_format: Any = None) -> Tensor:
        """A copy with the same history."""
        check_format("clone", memory_format)
        return _ew.copy(self)

    # --- reductions ---------------------------------------------------------------------------------------------------

    def sum(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """The sum over `dim`, or of all."""
        return _d.sum(self, dim, keepdim, dtype)

    def mean(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """The average over `dim`, or of all."""
        return _d.mean(self, dim, keepdim, dtype)

    def var(self, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Tensor:
        """The variance over `dim`, or of all; Bessel's correction by default."""
        return _d.var(self, dim, unbiased, keepdim, correction=correction)

    def std(self, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Tensor:
        """The standard deviation over `dim`, or of all; Bessel's correction by default."""
        return _d.std(self, dim, unbiased, keepdim, correction=correction)

    def norm(self, p: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
        """The p-norm over `dim`, or of all."""
        return _d.norm(self, p, dim, keepdim, dtype)

    def prod(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """The product over `dim`, or of all."""
        return _d.prod(self, dim, keepdim, dtype)

    def amax(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """The largest over `dim`; ties share the gradient."""
        return _d.amax(self, dim, keepdim)

    def amin(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """The smallest over `dim`; ties share the gradient."""
        return _d.amin(self, dim, keepdim)

    def all(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """True where all over `dim` are true."""
        return _d.all(self, dim, keepdim)

    def any(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """True where any over `dim` is true."""
        return _d.any(self, dim, keepdim)

    def argmax(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """The position of the largest."""
        return _d.argmax(self, dim, keepdim)

    def argmin(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """The position of the smallest."""
        return _d.argmin(self, dim, keepdim)

    def max(self, dim: Any = None, keepdim: bool = False) -> Any:
        """The largest; with `dim`, (values, indices); with a Tensor, elementwise."""
        return _d.max(self, dim, keepdim)

    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        """The smallest; with `dim`, (values, indices); with a Tensor, elementwise."""
        return _d.min(self, dim, keepdim)

    def median(self, dim: Any = None, keepdim: bool = False) -> Any:
        """The lower median; with `dim`, (values, indices)."""
        return _d.median(self, dim, keepdim)

    def logsumexp(self, dim: Any, keepdim: bool = False) -> Tensor:
        """log(sum(exp(self))) over `dim`, without overflow."""
        return _d.logsumexp(self, dim, keepdim)

    def cumsum(self, dim: int, dtype: Any = None) -> Tensor:
        """Running sums along `dim`."""
        return _d.cumsum(self, dim, dtype)

    def cumprod(self, dim: int, dtype: Any = None) -> Tensor:
        """Running products along `dim`."""
        return _d.cumprod(self, dim, dtype)

    def count_nonzero(self, dim: Any = None) -> Tensor:
        """How many are not zero."""
        return _d.sum(self != 0, dim)

    # --- order --------------------------------------------------------------------------------------------------------

    def sort(self, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
        """(values, indices) in order along `dim`."""
        return _d.sort(self, dim, descending)

    def argsort(self, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
        """Positions that sort along `dim`."""
        return _d.argsort(self, dim, descending)

    def topk(self, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
        """The k largest along `dim`: (values, indices)."""
        return _d.topk(self, k, dim, largest)

    def unique(
        self, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: Any = None
    ) -> Any:
        """The distinct elements."""
        return _d.unique(self, sorted, return_inverse, return_counts, dim)

    # --- shape --------------------------------------------------------------------------------------------------------

    def reshape(self, *sizes: Any) -> Tensor:
        """The elements in another shape; -1 is computed."""
        return _d.reshape(self, *sizes)

    def view(self, *sizes: Any) -> Tensor:
        """The same memory in another shape."""
        return _d.view(self, *sizes)

    def permute(self, *dims: Any) -> Tensor:
        """Dimensions in another order (a view)."""
        return _d.permute(self, *dims)

    def expand(self, *sizes: Any) -> Tensor:
        """Size-1 dimensions stretched (a view)."""
        return _d.expand(self, *sizes)

    def repeat(self, *sizes: Any) -> Tensor:
        """Laid side by side (a copy)."""
        return _d.repeat(self, *sizes)

    def flip(self, *dims: Any) -> Tensor:
        """Reversed along dimensions."""
        return _d.flip(self, *dims)

    def reshape_as(self, other: Tensor) -> Tensor:
        """In the shape of `other`."""
        return _d.reshape(self, other._data.shape)

    def view_as(self, other: Tensor) -> Tensor:
        """The same memory in the shape of `other`."""
        return _d.view(self, other._data.shape)

    def expand_as(self, other: Tensor) -> Tensor:
        """Stretched to the shape of `other`."""
        return _d.expand(self, other._data.shape)

    def unsqueeze(self, dim: int) -> Tensor:
        """A new dimension of size 1."""
        return _d.unsqueeze(self, dim)

    def squeeze(self, dim: Any = None) -> Tensor:
        """Without dimensions of size 1."""
        return _d.squeeze(self, dim)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Dimensions joined to one."""
        return _d.flatten(self, start_dim, end_dim)

    def ravel(self) -> Tensor:
        """As a vector."""
        return _tell(_d.flatten(self), "View", (self,), {})

    def unflatten(self, dim: int, sizes: Any) -> Tensor:
        """One dimension taken apart."""
        return _d.unflatten(self, dim, sizes)

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Two dimensions swapped (a view)."""
        return _d.transpose(self, dim0, dim1)

    swapaxes = transpose

    def movedim(self, source: Any, destination: Any) -> Tensor:
        """Dimensions moved (a view)."""
        return _d.movedim(self, source, destination)

    def t(self) -> Tensor:
        """The transpose of a matrix (a view)."""
        return _d.t(self)

    @property
    def T(self) -> Tensor:
        """All dimensions in reverse order (a view).  For matrices: others are turned by mT or permute."""
        if self._data.ndim == 0:
            warn_once("x.T is deprecated for a tensor of no dimensions, and gives the tensor")
        elif self._data.ndim != 2:
            warn_once("x.T is deprecated for tensors of other than 2 dimensions; write x.mT, or x.permute(...)")
        return _d.permute(self, *range(self._data.ndim - 1, -1, -1))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped (a view)."""
        return _tell(_d.transpose(self, -2, -1), "Transpose", (), {})

    def contiguous(self, *, memory_format: Any = None) -> Tensor:
        """In row-major order, whatever format is asked for."""
        check_format("contiguous", memory_format)
        return _d.contiguous(self)

    def narrow(self, dim: int, start: int, length: int) -> Tensor:
        """A stretch along `dim` (a view)."""
        return _d.narrow(self, dim, start, length)

    def select(self, dim: int, index: int) -> Tensor:
        """One slice along `dim` (a view)."""
        return _d.select(self, dim, index)

    def split(self, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
        """Views along `dim`."""
        return _d.split(self, split_size, dim)

    def chunk(self, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        """At most `chunks` views along `dim`."""
        return _d.chunk(self, chunks, dim)

    def unbind(self, dim: int = 0) -> tuple[Tensor, ...]:
        """The slices along `dim`."""
        return _d.unbind(self, dim)

    def roll(self, shifts: Any, dims: Any = None) -> Tensor:
        """Moved round along `dims`."""
        return _d.roll(self, shifts, dims)

    def repeat_interleave(self, repeats: Any = None, dim: Any = None, *, output_size: Any = None) -> Tensor:
        """Each element several times."""
        return _d.repeat_interleave(self, repeats, dim)

    def tril(self, diagonal: int = 0) -> Tensor:
        """The lower triangle."""
        return _d.tril(self, diagonal)

    def triu(self, diagonal: int = 0) -> Tensor:
        """The upper triangle."""
        return _d.triu(self, diagonal)

    def diag(self, diagonal: int = 0) -> Tensor:
        """A diagonal matrix, or its diagonal."""
        return _d.diag(self, diagonal)

    def diagonal(self, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
        """The diagonal of two dimensions."""
        return _d.diagonal(self, offset, dim1, dim2)

    def trace(self) -> Tensor:
        """The sum of a matrix's diagonal."""
        return _d.trace(self)

    # --- index --------------------------------------------------------------------------------------------------------

    def gather(self, dim: int, index: Tensor) -> Tensor:
        """Elements named by `index` along `dim`."""
        return _d.gather(self, dim, index)

    def scatter(self, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: Any = None) -> Tensor:
        """A copy with elements replaced along `dim`."""
        return _d.scatter(self, dim, index, src, value=value, reduce=reduce)

    def scatter_add(self, dim: int, index: Tensor, src: Tensor) -> Tensor:
        """A copy with elements added along `dim`."""
        return _d.scatter_add(self, dim, index, src)

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Slices named by `index`."""
        return _d.index_select(self, dim, index)

    def index_add(self, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
        """A copy with slices added."""
        return _d.index_add(self, dim, index, source, alpha=alpha)

    def masked_select(self, mask: Tensor) -> Tensor:
        """Elements where the mask is True."""
        return _d.masked_select(self, mask)

    def nonzero(self, as_tuple: bool = False) -> Any:
        """Positions that are not zero."""
        return _d.nonzero(self, as_tuple)

    # --- products -----------------------------------------------------------------------------------------------------

    def matmul(self, other: Any) -> Tensor:
        """Matrix product."""
        try: return _d.matmul(self, other)
        except ArgumentTypeError as error: return _other(error, "matmul", self, other)

    def mm(self, other: Any) -> Tensor:
        """Product of two matrices."""
        return _d.mm(self, other)

    def bmm(self, other: Any) -> Tensor:
        """Product of two batches of matrices."""
        return _d.bmm(self, other)

    def mv(self, other: Any) -> Tensor:
        """Matrix times vector."""
        return _d.mv(self, other)

    def dot(self, other: Any) -> Tensor:
        """Inner product of two vectors."""
        return _d.dot(self, other)

    def outer(self, other: Any) -> Tensor:
        """All products of two vectors."""
        return _d.outer(self, other)

    def addmm(self, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta self + alpha (mat1 mat2)."""
        return _d.addmm(self, mat1, mat2, beta=beta, alpha=alpha)

    def baddbmm(self, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta self + alpha (batch1 batch2)."""
        return _d.baddbmm(self, batch1, batch2, beta=beta, alpha=alpha)

    # --- as a whole ---------------------------------------------------------------------------------------------------

    def equal(self, other: Tensor) -> bool:
        """True if shape and all elements are equal."""
        return _d.equal(self, other)

    def allclose(self, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
        """True if all are close."""
        return _d.allclose(self, other, rtol, atol, equal_nan)

    def isclose(self, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
        """Where elements are close."""
        return _d.isclose(self, other, rtol, atol, equal_nan)

    # --- new tensors of the same dtype --------------------------------------------------------------------------------

    def new(self, *args: Any) -> Tensor:
        """The old name of new_tensor (for a list) and new_empty (for sizes)."""
        if len(args) == 1 and not isinstance(args[0], (int, type(self.shape))):
            return self.new_tensor(args[0])
        return self.new_empty(*(args or (0,)))

    def new_tensor(self, data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """From data."""
        return _d.new(self, data, dtype, device, requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """Of a size, filled with 0."""
        return _d.new_filled(self, _d.sizes_of("new_zeros", size), 0, dtype, device, requires_grad)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """Of a size, filled with 1."""
        return _d.new_filled(self, _d.sizes_of("new_ones", size), 1, dtype, device, requires_grad)

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """Of a size, filled with 0."""
        return _d.new_filled(self, _d.sizes_of("new_empty", size), 0, dtype, device, requires_grad)

    def new_full(
        self, size: Any, fill_value: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        """Of a size, filled with a value."""
        return _d.new_filled(self, _d.sizes_of("new_full", (size,)), fill_value, dtype, device, requires_grad)

    # --- in place -----------------------------------------------------------------------------------------------------

    def add_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """`add`, written into this tensor."""
        return self._assign(self.add(other, alpha=alpha), "add_")

    def sub_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """`sub`, written into this tensor."""
        return self._assign(self.sub(other, alpha=alpha), "sub_")

    def mul_(self, other: Any) -> Tensor:
        """`mul`, written into this tensor."""
        return self._assign(self.mul(other), "mul_")

    def div_(self, other: Any, *, rounding_mode: Any = None) -> Tensor:
        """`div`, written into this tensor."""
        return self._assign(self.div(other, rounding_mode=rounding_mode), "div_")

    def pow_(self, exponent: Any) -> Tensor:
        """`pow`, written into this tensor."""
        return self._assign(self.pow(exponent), "pow_")

    def floor_divide_(self, other: Any) -> Tensor:
        """`floor_divide`, written into this tensor."""
        return self._assign(self.floor_divide(other), "floor_divide_")

    def remainder_(self, other: Any) -> Tensor:
        """`remainder`, written into this tensor."""
        return self._assign(self.remainder(other), "remainder_")

    def bitwise_and_(self, other: Any) -> Tensor:
        """`bitwise_and`, written into this tensor."""
        return self._assign(self.bitwise_and(other), "bitwise_and_")

    def bitwise_or_(self, other: Any) -> Tensor:
        """`bitwise_or`, written into this tensor."""
        return self._assign(self.bitwise_or(other), "bitwise_or_")

    def bitwise_xor_(self, other: Any) -> Tensor:
        """`bitwise_xor`, written into this tensor."""
        return self._assign(self.bitwise_xor(other), "bitwise_xor_")

    def logical_and_(self, other: Any) -> Tensor:
        """`logical_and`, written into this tensor."""
        return self._assign(self.logical_and(other), "logical_and_")

    def logical_or_(self, other: Any) -> Tensor:
        """`logical_or`, written into this tensor."""
        return self._assign(self.logical_or(other), "logical_or_")

    def logical_xor_(self, other: Any) -> Tensor:
        """`logical_xor`, written into this tensor."""
        return self._assign(self.logical_xor(other), "logical_xor_")

    def bitwise_not_(self) -> Tensor:
        """`bitwise_not`, written into this tensor."""
        return self._assign(self.bitwise_not(), "bitwise_not_")

    def logical_not_(self) -> Tensor:
        """`logical_not`, written into this tensor."""
        return self._assign(self.logical_not(), "logical_not_")

    def sin_(self) -> Tensor:
        """`sin`, written into this tensor."""
        return self._assign(self.sin(), "sin_")

    def cos_(self) -> Tensor:
        """`cos`, written into this tensor."""
        return self._assign(self.cos(), "cos_")

    def sign_(self) -> Tensor:
        """`sign`, written into this tensor."""
        return self._assign(self.sign(), "sign_")

    def trunc_(self) -> Tensor:
        """`trunc`, written into this tensor."""
        return self._assign(self.trunc(), "trunc_")

    def erf_(self) -> Tensor:
        """`erf`, written into this tensor."""
        return self._assign(self.erf(), "erf_")

    def clamp_(self, min: Any = None, max: Any = None) -> Tensor:
        """`clamp`, written into this tensor."""
        return self._assign(self.clamp(min, max), "clamp_")

    def masked_fill_(self, mask: Any, value: Any) -> Tensor:
        """`masked_fill`, written into this tensor."""
        return self._assign(self.masked_fill(mask, value), "masked_fill_")

    def lerp_(self, end: Any, weight: Any) -> Tensor:
        """`lerp`, written into this tensor."""
        return self._assign(self.lerp(end, weight), "lerp_")

    def scatter_(self, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: Any = None) -> Tensor:
        """`scatter`, written into this tensor."""
        return self._assign(self.scatter(dim, index, src, value=value, reduce=reduce), "scatter_")

    def scatter_add_(self, dim: int, index: Tensor, src: Tensor) -> Tensor:
        """`scatter_add`, written into this tensor."""
        return self._assign(self.scatter_add(dim, index, src), "scatter_add_")

    def index_add_(self, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
        """`index_add`, written into this tensor."""
        return self._assign(self.index_add(dim, index, source, alpha=alpha), "index_add_")

    def addmm_(self, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """`addmm`, written into this tensor."""
        return self._assign(self.addmm(mat1, mat2, beta=beta, alpha=alpha), "addmm_")

    def neg_(self) -> Tensor:
        """`neg`, written into this tensor."""
        return self._assign(self.neg(), "neg_")

    def abs_(self) -> Tensor:
        """`abs`, written into this tensor."""
        return self._assign(self.abs(), "abs_")

    def exp_(self) -> Tensor:
        """`exp`, written into this tensor."""
        return self._assign(self.exp(), "exp_")

    def log_(self) -> Tensor:
        """`log`, written into this tensor."""
        return self._assign(self.log(), "log_")

    def sqrt_(self) -> Tensor:
        """`sqrt`, written into this tensor."""
        return self._assign(self.sqrt(), "sqrt_")

    def rsqrt_(self) -> Tensor:
        """`rsqrt`, written into this tensor."""
        return self._assign(self.rsqrt(), "rsqrt_")

    def reciprocal_(self) -> Tensor:
        """`reciprocal`, written into this tensor."""
        return self._assign(self.reciprocal(), "reciprocal_")

    def tanh_(self) -> Tensor:
        """`tanh`, written into this tensor."""
        return self._assign(self.tanh(), "tanh_")

    def sigmoid_(self) -> Tensor:
        """`sigmoid`, written into this tensor."""
        return self._assign(self.sigmoid(), "sigmoid_")

    def relu_(self) -> Tensor:
        """`relu`, written into this tensor."""
        return self._assign(self.relu(), "relu_")

    def floor_(self) -> Tensor:
        """`floor`, written into this tensor."""
        return self._assign(self.floor(), "floor_")

    def ceil_(self) -> Tensor:
        """`ceil`, written into this tensor."""
        return self._assign(self.ceil(), "ceil_")

    def round_(self, *, decimals: int = 0) -> Tensor:
        """`round`, written into this tensor."""
        return self._assign(self.round(decimals=decimals), "round_")

    def square_(self) -> Tensor:
        """`square`, written into this tensor."""
        return self._assign(self.square(), "square_")

    def tril_(self, diagonal: int = 0) -> Tensor:
        """`tril`, written into this tensor."""
        return self._assign(self.tril(diagonal), "tril_")

    def triu_(self, diagonal: int = 0) -> Tensor:
        """`triu`, written into this tensor."""
        return self._assign(self.triu(diagonal), "triu_")

    def fill_(self, value: Any) -> Tensor:
        """Every element set to `value`."""
        if is_meta(self):
            return self._assign(_d.constant(self._data), "fill_")
        return self._assign(_d.filled(self, value), "fill_")

    def zero_(self) -> Tensor:
        """Every element set to 0."""
        return self.fill_(0)

    def copy_(self, other: Any, non_blocking: bool = False) -> Tensor:
        """The elements of `other`, broadcast and converted, written into this tensor."""
        if isinstance(other, (int, float, complex)):
            return self._assign(_d.filled(self, other), "copy_")
        return self._assign(_d.expand(other.to(self), self._data.shape), "copy_")

    def squeeze_(self, dim: Any = None) -> Tensor:
        """`squeeze` of this handle."""
        return self._become(_d.squeeze(self, dim), "squeeze_")

    def unsqueeze_(self, dim: int) -> Tensor:
        """`unsqueeze` of this handle."""
        return self._become(_d.unsqueeze(self, dim), "unsqueeze_")

    def t_(self) -> Tensor:
        """`t` of this handle."""
        return self._become(_d.t(self), "t_")

    def _draw(self, name: str, draw: Any) -> Tensor:
        """Fill with `draw(shape, dims)`, drawn along the memory: `dims` go from the outermost in memory to the innermost."""
        if is_meta(self):
            return self._assign(_d.constant(self._data), name)
        steps = self.stride()
        dims = sorted(range(len(steps)), key=lambda d: -steps[d])
        values = draw(tuple(self._data.shape[d] for d in dims), dims)
        return self._assign(_d.constant(values.transpose(np.argsort(dims))), name)

    def uniform_(self, a: float = 0.0, b: float = 1.0, *, generator: Any = None) -> Tensor:
        """Numbers drawn evenly from [a, b)."""
        return self._draw("uniform_", lambda shape, _: _r.uniform_numbers(shape, a, b, self._data.dtype, generator))

    def normal_(self, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
        """Numbers drawn from a normal distribution."""
        whole = self.is_contiguous()
        draw = lambda shape, _: _r.normal_numbers(shape, mean, std, self._data.dtype, generator, whole)
        return self._draw("normal_", draw)

    def bernoulli_(self, p: Any = 0.5, *, generator: Any = None) -> Tensor:
        """1 with probability p, else 0."""
        chance = getattr(p, "_data", p)

        def draw(shape: tuple[int, ...], dims: list[int]) -> np.ndarray:
            q = np.broadcast_to(chance, self._data.shape).transpose(dims) if np.ndim(chance) else chance
            return _r.bernoulli(shape, q, self._data.dtype, generator)

        return self._draw("bernoulli_", draw)

    def bernoulli(self, p: Any = None, *, generator: Any = None) -> Tensor:
        """1 with the probability that stands here (or p), else 0."""
        return _d.bernoulli(self, p, generator)

    def multinomial(self, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
        """Positions drawn with the weights that stand here."""
        return _d.multinomial(self, num_samples, replacement, generator)

    def random_(self, *limits: int, generator: Any = None) -> Tensor:
        """Integers drawn evenly: below `to`, from `from` to below `to`, or over the dtype's whole range."""
        return self._draw("random_", lambda shape, _: _d.random_values(shape, limits, self._data.dtype, generator))

    def exponential_(self, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
        """Numbers drawn from an exponential distribution."""
        return self._draw("exponential_", lambda shape, _: _r.exponential(shape, lambd, self._data.dtype, generator))


def _other(error: ArgumentTypeError | None, name: str, self: Any, other: Any) -> Tensor:
    """What to do with an operand that is none of ours: ask its class, let Python ask its operator, or say what was wrong."""
    answer: Any = NotImplemented
    theirs = REFLECTED.get(name, "")
    if _first((self, other), {}):
        answer = getattr(self, name)(other)
    elif error is not None and (
        isinstance(other, COMPARABLE)
        or type(other).__module__ == "builtins"  # which know nothing of tensors
        or getattr(type(other), theirs, None) is getattr(object, theirs, None)
    ):
        raise error
    return answer  # type: ignore[no-any-return]


# The operator of the other side that Python asks next.
REFLECTED = {
    **{f"__{n}__": f"__r{n}__" for n in "add and floordiv matmul mod mul or pow sub truediv xor".split()},
    "__ge__": "__le__", "__gt__": "__lt__", "__le__": "__ge__", "__lt__": "__gt__",
}  # fmt: skip
COMPARABLE = (Methods, int, float, complex, np.ndarray, np.generic)  # with anything else == is Python's own: the same object

# Elementwise methods go without a guard: the op that each one calls checks what it is given.
UNGUARDED = frozenset("abs cos detach exp log matmul mul neg relu sigmoid sin sqrt square tanh".split())
guard_methods(Methods, (n for n, f in [*vars(Methods).items()] if callable(f) and n[0] != "_" and n not in UNGUARDED))
