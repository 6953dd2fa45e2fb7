"""Functions of one or two numbers, element by element, beyond those that are ops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.dtypes import FLOATING, FROM_NUMPY, INEXACT, is_narrow
from cutaway.core.errors import ArgumentError, ComplexError, DTypeError
from cutaway.core.narrow import in_single
from cutaway.core.ops import elementwise as ew
from cutaway.core.returned import TYPES


class Special:
    """Hyperbolic inverses, logarithms of sums, gamma functions, bits."""

    @in_single
    def asinh(self: Any) -> Any:
        """Inverse hyperbolic sines, accurate near 0."""
        if self._data.dtype.kind == "c":
            return ew.asin(self * 1j) * -1j
        x = _float(self)
        s = ew.where(x < 0, -1.0, 1.0).to(x.dtype)
        u = x * s
        far = u > 1e9  # where u * u might overflow, asinh is log(2 u)
        v = ew.where(far, 1.0, u)
        near = ew.log1p(v + v * v / (ew.sqrt(v * v + 1) + 1))
        return ew.where(far, ew.log(ew.where(far, u, 1.0)) + math.log(2.0), near) * s

    @in_single
    def acosh(self: Any) -> Any:
        """Inverse hyperbolic cosines; NaN below 1."""
        if self._data.dtype.kind == "c":
            return ew.log(self + ew.sqrt(self - 1) * ew.sqrt(self + 1))
        return _closed().Acosh.apply(_float(self))

    @in_single
    def atanh(self: Any) -> Any:
        """Inverse hyperbolic tangents; NaN beyond -1 and 1."""
        if self._data.dtype.kind == "c":
            return (ew.log1p(self) - ew.log1p(-self)) * 0.5
        return _closed().Atanh.apply(_float(self))

    arcsinh, arccosh, arctanh = asinh, acosh, atanh

    def deg2rad(self: Any) -> Any:
        """Degrees to radians."""
        return _float(self) * (math.pi / 180)

    def rad2deg(self: Any) -> Any:
        """Radians to degrees."""
        return _float(self) * (180 / math.pi)

    @in_single
    def sinc(self: Any) -> Any:
        """sin(pi x) / (pi x), 1 at 0."""
        x = _inexact(self)
        z = ew.where(x == 0, 1.0, x * math.pi)
        return ew.where(x == 0, 1.0, ew.sin(z) / z)

    @in_single
    def logit(self: Any, eps: float | None = None) -> Any:
        """log(x / (1 - x)); with `eps`, of x limited to [eps, 1 - eps]."""
        x = _float(self) if eps is None else _float(self).clamp(eps, 1 - eps)
        return _closed().Logit.apply(x)

    @in_single
    def hypot(self: Any, other: Any) -> Any:
        """sqrt(self^2 + other^2) without overflow."""
        if d.any_complex(self, d.need_tensor("hypot", other)):
            raise ComplexError("hypot: not defined for complex numbers; write (a.abs() ** 2 + b.abs() ** 2).sqrt()")
        self, other = _alike("hypot", self, other)
        return _closed().Hypot.apply(self, other)

    @in_single
    def logaddexp(self: Any, other: Any) -> Any:
        """log(exp(self) + exp(other)) without overflow."""
        return _closed().LogAddExp.apply(*_alike("logaddexp", self, d.need_tensor("logaddexp", other)))

    @in_single
    def logaddexp2(self: Any, other: Any) -> Any:
        """log2(2^self + 2^other) without overflow."""
        return _closed().LogAddExp2.apply(*_alike("logaddexp2", self, d.need_tensor("logaddexp2", other)))

    def xlogy(self: Any, other: Any) -> Any:
        """self log(other), 0 where self is 0."""
        return xlogy(self, other)

    def heaviside(self: Any, values: Any) -> Any:
        """0 for negative numbers, 1 for positive ones, `values` at 0."""
        d.alike("heaviside", self, d.need_tensor("heaviside", values))
        x = self.detach()
        return ew.where(x == 0, values.detach(), (x > 0).to(x.dtype))

    def copysign(self: Any, other: Any) -> Any:
        """|self| with the sign of `other`; the sign of -0.0 counts."""
        x = _float(self)
        if hasattr(other, "_data") and other._data.dtype.kind in FLOATING and other._data.dtype != x._data.dtype:
            x = _alike("copysign", self, other)[0]
        negative = other.signbit() if hasattr(other, "_data") else d.constant(np.asarray(np.signbit(other)))
        return ew.where(negative, -ew.abs(x), ew.abs(x))

    def ldexp(self: Any, other: Any) -> Any:
        """self 2^other."""
        power = ew.pow(2.0, d.need_tensor("ldexp", other))
        if self.is_floating_point() and not other.is_floating_point():
            power = power.to(self.dtype)
        return self * power

    def frexp(self: Any) -> Any:
        """(mantissa, exponent): self is mantissa times 2 to the exponent, with a mantissa of 0.5 to 1."""
        d.floating("frexp", self)
        single = d.values(self).astype(np.float32) if is_narrow(self._data.dtype) else d.values(self)
        exponent = np.frexp(single)[1]
        power = d.constant(np.asarray(exponent, np.int32))
        half = power.to(self.dtype) / 2  # in two steps: 2 to the power of 150 is no float32
        scaled = self * ew.pow(2.0, -ew.floor(half)) * ew.pow(2.0, -ew.ceil(half))
        return TYPES["frexp"](scaled, power)

    def nextafter(self: Any, other: Any) -> Any:
        """The next number of this dtype from self towards `other`.  Raises DTypeError for integers."""
        kind = (self.detach() + d.need_tensor("nextafter", other).detach())._data.dtype
        if kind.kind in "iub":
            raise DTypeError(f"nextafter: needs floats, got {self.dtype} and {other.dtype}")
        return _closed().NextAfter.apply(self.to(FROM_NUMPY[kind]), other.to(FROM_NUMPY[kind]))

    def signbit(self: Any) -> Any:
        """True for negative numbers, -0.0 among them."""
        if self._data.dtype.kind not in FLOATING:
            return self < 0
        return d.constant(np.asarray(np.signbit(d.values(self))))

    def sgn(self: Any) -> Any:
        """-1, 0 or 1; of a complex number z the direction z / |z|."""
        return ew.sign(self)

    def positive(self: Any) -> Any:
        """Itself.  Raises DTypeError for bools."""
        if self._data.dtype.kind == "b":
            raise DTypeError("positive: not defined for bools; convert with .int()")
        return self

    def fix(self: Any) -> Any:
        """Rounded towards zero."""
        return ew.trunc(self)

    def float_power(self: Any, exponent: Any) -> Any:
        """self to the power of `exponent`, in float64; of complex numbers in complex128."""
        if self._data.dtype.kind == "c" or np.iscomplexobj(getattr(exponent, "_data", exponent)):
            return d.pow(self.cdouble(), exponent.cdouble() if hasattr(exponent, "cdouble") else exponent)
        return d.pow(self.double(), exponent.double() if hasattr(exponent, "double") else float(exponent))

    def fmax(self: Any, other: Any) -> Any:
        """The larger of two, a number before NaN."""
        other = d.need_tensor("fmax", other)
        return ew.where((self >= other) | (other != other), self, other)

    def fmin(self: Any, other: Any) -> Any:
        """The smaller of two, a number before NaN."""
        other = d.need_tensor("fmin", other)
        return ew.where((self <= other) | (other != other), self, other)

    def gcd(self: Any, other: Any) -> Any:
        """Greatest common divisors of integers."""
        return _whole("gcd", np.gcd, self, other)

    def lcm(self: Any, other: Any) -> Any:
        """Least common multiples of integers."""
        return _whole("lcm", np.lcm, self, other)

    def bitwise_left_shift(self: Any, other: Any) -> Any:
        """self 2^other, for integers."""
        return _whole("bitwise_left_shift", np.left_shift, self, other)

    def bitwise_right_shift(self: Any, other: Any) -> Any:
        """self / 2^other rounded down, for integers."""
        return _whole("bitwise_right_shift", np.right_shift, self, other)

    __lshift__, __rshift__ = bitwise_left_shift, bitwise_right_shift

    def __rlshift__(self: Any, other: Any) -> Any:
        whole = isinstance(other, (int, np.integer))
        return d.constant(np.asarray(other, self._data.dtype)).bitwise_left_shift(self) if whole else NotImplemented

    def __rrshift__(self: Any, other: Any) -> Any:
        whole = isinstance(other, (int, np.integer))
        return d.constant(np.asarray(other, self._data.dtype)).bitwise_right_shift(self) if whole else NotImplemented

    def isposinf(self: Any) -> Any:
        """True where +inf."""
        if self._data.dtype.kind == "c":
            d.floating("isposinf", self)
        return self == math.inf if self._data.dtype.kind in FLOATING else self != self

    def isneginf(self: Any) -> Any:
        """True where -inf."""
        if self._data.dtype.kind == "c":
            d.floating("isneginf", self)
        return self == -math.inf if self._data.dtype.kind in FLOATING else self != self

    def isreal(self: Any) -> Any:
        """True where there is no imaginary part."""
        return d.constant(np.isreal(d.values(self)))

    def clamp_min(self: Any, min: Any) -> Any:
        """Not below `min`."""
        return d.clamp(self, min)

    def clamp_max(self: Any, max: Any) -> Any:
        """Not above `max`."""
        return d.clamp(self, None, max)

    @in_single
    def addcmul(self: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
        """self + value tensor1 tensor2."""
        if self._data.dtype == tensor1._data.dtype == tensor2._data.dtype:
            d.no_bools("addcmul", self)
        return ew.add(self, tensor1 * tensor2 if value == 1 else tensor1 * value * tensor2)

    @in_single
    def addcdiv(self: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
        """self + value tensor1 / tensor2."""
        return ew.add(self, tensor1 / tensor2 if value == 1 else tensor1 * value / tensor2)

    def erfc(self: Any) -> Any:
        """1 - erf(self), accurate where that is small."""
        return _functions().Erfc.apply(_float(self))

    def erfinv(self: Any) -> Any:
        """What erf gives self for."""
        return _functions().Erfinv.apply(_float(self))

    def lgamma(self: Any) -> Any:
        """log |Gamma(self)|."""
        return _functions().Lgamma.apply(_float(self))

    def polygamma(self: Any, n: int) -> Any:
        """The n-th derivative of digamma(self)."""
        return _functions().polygamma(n, _float(self))

    def i0(self: Any) -> Any:
        """The modified Bessel function of order 0."""
        from cutaway.core.topics.bessel import I0

        return I0.apply(_float(self))

    def igamma(self: Any, other: Any) -> Any:
        """The lower incomplete gamma function P(self, other)."""
        from cutaway.core.topics.incomplete import igamma

        return igamma("igamma", self, other, False)

    def igammac(self: Any, other: Any) -> Any:
        """The upper incomplete gamma function Q(self, other) = 1 - P(self, other)."""
        from cutaway.core.topics.incomplete import igamma

        return igamma("igammac", self, other, True)

    def mvlgamma(self: Any, p: int) -> Any:
        """The logarithm of the gamma function of p dimensions.  Raises ArgumentError unless p >= 1."""
        if p < 1:
            raise ArgumentError(f"mvlgamma: p must be 1 or more, got {p}")
        x = _float(self)
        steps = d.constant((np.arange(p) * 0.5).astype(x._data.dtype))
        return (x.unsqueeze(-1) - steps).lgamma().sum(-1) + 0.25 * p * (p - 1) * math.log(math.pi)

    def digamma(self: Any) -> Any:
        """The derivative of lgamma."""
        return _functions().polygamma(0, _float(self))


def xlogy(x: Any, y: Any) -> Any:
    """x log(y), 0 where x is 0; either may be a number."""
    if not hasattr(y, "_data"):
        y = d.new(x if x._data.dtype.kind in FLOATING else _float(x), y, None, None, False)
    if hasattr(x, "_data"):
        x, y = _alike("xlogy", x, y)
    zero = (x == 0) & ((y <= 0) | (y == math.inf))
    return ew.log(ew.where(zero, 1.0, y)) * x


def _functions() -> Any:
    from cutaway.core.topics import gamma

    return gamma


def _closed() -> Any:
    from cutaway.core.topics import closed

    return closed


def _float(x: Any) -> Any:
    """Integers as floats.  Raises ComplexError for complex numbers."""
    if x._data.dtype.kind == "c":
        d.floating("a function of real numbers", x)
    return x if x._data.dtype.kind in FLOATING else x.to(d.default_float())


def _alike(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Both in the dtype of their result, which is a floating or complex one."""
    from cutaway.core.promote import result_np, standing

    found = result_np([standing(name, a), standing(name, b)])
    if found.kind not in INEXACT:
        raise DTypeError(f"{name}: needs a floating or complex tensor, got {d.show(a, b)}; convert one with .float()")
    return a.to(FROM_NUMPY[found]), b.to(FROM_NUMPY[found])


def _inexact(x: Any) -> Any:
    """Integers as floats; complex numbers as they are."""
    return x if x._data.dtype.kind == "c" else _float(x)


def _whole(name: str, fn: Any, a: Any, b: Any) -> Any:
    """A NumPy function of two integer tensors (or a tensor and an int), in their common dtype."""
    dtype = (a | b)._data.dtype if hasattr(b, "_data") else a._data.dtype
    if dtype.kind not in "iu":
        raise DTypeError(f"{name}: needs integers, got {a.dtype}")
    other = d.values(b) if hasattr(b, "_data") else np.asarray(b)
    return d.constant(np.asarray(fn(d.values(a).astype(dtype), other.astype(dtype))))
