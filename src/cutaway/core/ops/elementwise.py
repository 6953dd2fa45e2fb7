"""Elementwise ops: each output element depends on one element of each input.

The forward is written once over the scalar vocabulary `m` (see vocabulary.py). A new op is one `unary` or `binary` entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cutaway.core.aval import Aval, broadcast_shapes
from cutaway.core.narrow import in_single
from cutaway.core.op import Op, Sample
from cutaway.core.vocabulary import NUMPY

Grad = Sequence[Callable[..., Any] | None]
BOOL = np.dtype(bool)


def elementwise(
    name: str,
    scalar: Callable[..., Any],
    grad: Grad = (),
    *,
    arity: int,
    promote: str,
    result: np.dtype | None = None,
    **record: Any,
) -> Op:
    """An elementwise op; `result` is the dtype of its values where that is not the inputs' common dtype."""

    def shape(*avals: Aval, **attrs: Any) -> Aval:
        dtype = result or avals[-1 if promote == "branches" else 0].dtype  # beside a narrow input, a number is float32
        return Aval(broadcast_shapes(*(a.shape for a in avals), op=name), dtype)

    def samples() -> list[Sample]:
        shapes = [
            ((3, 4), (3, 4), (3, 4)),
            ((3, 1), (1, 4), (4,)),
            ((), (2,), ()),
            ((0, 3), (3,), (1, 3)),
            ((), (), ()),
        ]
        return [Sample(s[:arity]) for s in shapes[: 5 if arity > 1 else 4]]

    def errors() -> list[Sample]:
        bad = [Sample(("text", *[(2,)] * (arity - 1)), error="expected a Tensor")]
        return bad if arity == 1 else [*bad, Sample(((3,), (4,), (1,))[:arity], error="do not broadcast")]

    record.setdefault("oracle", lambda t, *inputs, **attrs: getattr(t, name)(*inputs, **attrs))
    record.setdefault("samples", samples)
    record.setdefault("errors", errors)
    return Op(name, "elementwise", partial(scalar, NUMPY), shape, grad, promote=promote, scalar=scalar, **record)


def unary(name: str, scalar: Callable[..., Any], grad: Grad = (), *, promote: str = "float", **record: Any) -> Op:
    """An elementwise op of one input."""
    return elementwise(name, scalar, grad, arity=1, promote=promote, **record)


def binary(name: str, scalar: Callable[..., Any], grad: Grad = (), *, promote: str = "same", **record: Any) -> Op:
    """An elementwise op of two inputs that broadcast."""
    return elementwise(name, scalar, grad, arity=2, promote=promote, **record)


# --- arithmetic -------------------------------------------------------------------------------------------------------

add: Op = binary("add", lambda m, a, b: a + b, (lambda g: g, lambda g: g), formula="a + b", onnx="Add")
sub: Op = binary("sub", lambda m, a, b: a - b, (lambda g: g, lambda g: -g), promote="signed", formula="a - b", onnx="Sub")
mul: Op = binary(
    "mul", lambda m, a, b: a * b, (lambda g, b: g * b, lambda g, a: g * a), formula="a\\,b", onnx="Mul", scales=True
)
div: Op = binary(
    "div",
    lambda m, a, b: a / b,
    (lambda g, b: g / b, lambda g, y, b: -g * y / b),
    promote="float",
    formula=r"\frac{a}{b}",
    onnx="Div",
    scales=True,
    domain=(0.5, 2.0),
)
floor_divide: Op = binary(
    "floor_divide",
    lambda m, a, b: m.floor_divide(a, b),
    promote="number",
    formula=r"\lfloor a / b \rfloor",
    scales=True,
    domain=(0.5, 2.0),
)
remainder: Op = binary(
    "remainder",
    lambda m, a, b: m.remainder(a, b),
    (lambda g: g, lambda g, a, b: -g * floor_divide(a, b)),
    promote="number",
    formula=r"a \bmod b",
    onnx="Mod",
    domain=(0.5, 2.0),
)
pow: Op = binary(
    "pow",
    lambda m, a, b: m.pow(a, b),
    (
        lambda g, a, b: where(b == 0, 0.0, g * (b * pow(a, b - 1))),
        lambda g, y, a, b: where((a == 0) & (b >= 0), 0.0, g * (y * log(a))),
    ),
    promote="number",
    formula="a^{b}",
    onnx="Pow",
    domain=(0.5, 2.0),
)
neg: Op = unary("neg", lambda m, a: -a, (lambda g: -g,), promote="number", formula="-a", onnx="Neg")
abs: Op = unary("abs", lambda m, a: m.abs(a), (lambda g, a: g * sign(a),), promote="number", formula="|a|", onnx="Abs")
sign: Op = unary(
    "sign", lambda m, a: m.sign(a), (lambda g: g * 0.0,), promote="same", formula=r"\operatorname{sgn} a", onnx="Sign",
    oracle=lambda t, a: t.sgn(a) if a.is_complex() else t.sign(a),
)  # fmt: skip

# --- exponentials -----------------------------------------------------------------------------------------------------

exp: Op = unary("exp", lambda m, a: m.exp(a), (lambda g, y: g * y,), formula="e^{a}", onnx="Exp")
expm1: Op = unary("expm1", lambda m, a: m.expm1(a), (lambda g, a: g * exp(a),), formula="e^{a} - 1")
log: Op = unary("log", lambda m, a: m.log(a), (lambda g, a: g / a,), formula=r"\log a", onnx="Log", domain=(0.2, 3.0))
log1p: Op = unary("log1p", lambda m, a: m.log1p(a), (lambda g, a: g / (a + 1),), formula=r"\log(1+a)", domain=(-0.7, 2.0))
sqrt: Op = unary(
    "sqrt", lambda m, a: m.sqrt(a), (lambda g, y: g / (y * 2),), formula=r"\sqrt{a}", onnx="Sqrt", domain=(0.2, 3.0)
)

@in_single
def _tanh_backward(g: Any, y: Any) -> Any:
    return g * (1 - y * y)


@in_single
def _sigmoid_backward(g: Any, y: Any) -> Any:
    return g * y * (1 - y)



tanh: Op = unary("tanh", lambda m, a: m.tanh(a), (lambda g, y: _tanh_backward(g, y),), formula=r"\tanh a", onnx="Tanh")
sigmoid: Op = unary(
    "sigmoid",
    lambda m, a: m.sigmoid(a),
    (lambda g, y: _sigmoid_backward(g, y),),
    formula=r"\frac{1}{1+e^{-a}}",
    onnx="Sigmoid",
)
erf: Op = unary(
    "erf",
    lambda m, a: m.erf(a),
    (lambda g, a: g * exp(-a * a) * (2 / math.sqrt(math.pi)),),
    formula=r"\operatorname{erf} a",
    onnx="Erf",
)
relu: Op = unary(
    "relu",
    lambda m, a: m.maximum(a, 0),
    (lambda g, y: gate(g, y),),
    promote="number",
    formula=r"\max(a, 0)",
    onnx="Relu",
)
gate: Op = binary(  # relu's gradient, in one pass
    "gate",
    lambda m, a, b: m.where(b <= 0, 0, a),  # so that a NaN lets through, as in PyTorch
    (lambda g, b: gate(g, b), None),
    promote="ordered",
    formula=r"a\,[b > 0]",
    oracle=lambda t, a, b: t.where(b <= 0, t.zeros_like(a), a),
)

# --- trigonometry -----------------------------------------------------------------------------------------------------

sin: Op = unary("sin", lambda m, a: m.sin(a), (lambda g, a: g * cos(a),), formula=r"\sin a", onnx="Sin")
cos: Op = unary("cos", lambda m, a: m.cos(a), (lambda g, a: -g * sin(a),), formula=r"\cos a", onnx="Cos")
tan: Op = unary(
    "tan", lambda m, a: m.tan(a), (lambda g, y: g * (y * y + 1),), formula=r"\tan a", onnx="Tan", domain=(-1.0, 1.0)
)
sinh: Op = unary("sinh", lambda m, a: m.sinh(a), (lambda g, a: g * cosh(a),), formula=r"\sinh a", onnx="Sinh")
cosh: Op = unary("cosh", lambda m, a: m.cosh(a), (lambda g, a: g * sinh(a),), formula=r"\cosh a", onnx="Cosh")
asin: Op = unary(
    "asin",
    lambda m, a: m.asin(a),
    (lambda g, a: g / sqrt(1 - a * a),),
    formula=r"\arcsin a",
    onnx="Asin",
    domain=(-0.8, 0.8),
)
acos: Op = unary(
    "acos",
    lambda m, a: m.acos(a),
    (lambda g, a: -g / sqrt(1 - a * a),),
    formula=r"\arccos a",
    onnx="Acos",
    domain=(-0.8, 0.8),
)
atan: Op = unary("atan", lambda m, a: m.atan(a), (lambda g, a: g / (a * a + 1),), formula=r"\arctan a", onnx="Atan")


def _over_square(x: Any, a: Any, b: Any) -> Any:
    """x / (a^2 + b^2); 0 at the origin, where there is no angle."""
    square = a * a + b * b
    return x / where(square == 0, 1.0, square)


atan2: Op = binary(
    "atan2",
    lambda m, a, b: m.atan2(a, b),
    (lambda g, a, b: g * _over_square(b, a, b), lambda g, a, b: -g * _over_square(a, a, b)),
    promote="float",
    formula=r"\operatorname{atan2}(a, b)",
    domain=(0.5, 2.0),
)

# --- choosing ---------------------------------------------------------------------------------------------------------


def _share(g: Any, lost: Any, tied: Any) -> Any:
    """The winner takes the gradient; a tie is shared by halves, as in PyTorch, and beside NaN both take it."""
    return where(lost, 0.0, where(tied, g * 0.5, g))


maximum: Op = binary(
    "maximum",
    lambda m, a, b: m.maximum(a, b),
    (lambda g, a, b: _share(g, a < b, a == b), lambda g, a, b: _share(g, b < a, a == b)),
    promote="ordered",
    formula=r"\max(a, b)",
    onnx="Max",
)
minimum: Op = binary(
    "minimum",
    lambda m, a, b: m.minimum(a, b),
    (lambda g, a, b: _share(g, a > b, a == b), lambda g, a, b: _share(g, b > a, a == b)),
    promote="ordered",
    formula=r"\min(a, b)",
    onnx="Min",
)


def _clamp(m: Any, a: Any, low: float | None, high: float | None) -> Any:
    y = a if low is None else m.maximum(a, low)
    return y if high is None else m.minimum(y, high)


clamp: Op = unary(
    "clamp",
    _clamp,
    (lambda g, a, low, high: where(_inside(a, low, high), g, 0.0),),
    promote="ordered",
    formula=r"\min(\max(a, \mathrm{low}), \mathrm{high})",
    onnx="Clip",
    oracle=lambda t, a, low, high: t.clamp(a, low, high),
    samples=lambda: [
        Sample(((3, 4),), {"low": -0.5, "high": 0.7}),
        Sample(((5,),), {"low": None, "high": 0.3}),
        Sample(((),), {"low": -0.2, "high": None}),
        Sample(((0, 2),), {"low": -0.2, "high": 1.0}),
    ],
    errors=lambda: [Sample(("text",), {"low": 0, "high": 1}, error="expected a Tensor")],
)


def _inside(a: Any, low: float | None, high: float | None) -> Any:
    if low is None:
        return a <= high
    return a >= low if high is None else (a >= low) & (a <= high)


where: Op = elementwise(
    "where",
    lambda m, a, b, c: m.where(a, b, c),
    (None, lambda g, a: where(a, g, 0.0), lambda g, a: where(a, 0.0, g)),
    arity=3,
    promote="branches",
    formula=r"a\;?\;b : c",
    onnx="Where",
    samples=lambda: [
        Sample((np.array([[True, False], [False, True]]), (2, 2), (2, 2))),
        Sample((np.array([True, False, True]), (2, 3), ())),
        Sample((np.array(True), (2, 1), (1, 3))),
    ],
    errors=lambda: [Sample((np.array([True, False]), (3,), (3,)), error="do not broadcast")],
)

# --- rounding: flat between jumps, so the gradient is zero ------------------------------------------------------------


def _zero(g: Any) -> Any:
    return g * 0.0


floor: Op = unary("floor", lambda m, a: m.floor(a), (_zero,), promote="number", formula=r"\lfloor a \rfloor", onnx="Floor")
ceil: Op = unary("ceil", lambda m, a: m.ceil(a), (_zero,), promote="number", formula=r"\lceil a \rceil", onnx="Ceil")
trunc: Op = unary("trunc", lambda m, a: m.trunc(a), (_zero,), promote="number", formula=r"\operatorname{trunc} a")
round: Op = unary(
    "round", lambda m, a: m.round(a), (_zero,), promote="number", formula=r"\operatorname{round} a", onnx="Round"
)

# --- questions: the answer is a bool, and no gradient flows -----------------------------------------------------------

eq: Op = binary("eq", lambda m, a, b: a == b, result=BOOL, formula="a = b", onnx="Equal")
ne: Op = binary("ne", lambda m, a, b: a != b, result=BOOL, formula=r"a \ne b")
lt: Op = binary("lt", lambda m, a, b: a < b, promote="ordered", result=BOOL, formula="a < b", onnx="Less")
le: Op = binary("le", lambda m, a, b: a <= b, promote="ordered", result=BOOL, formula=r"a \le b", onnx="LessOrEqual")
gt: Op = binary("gt", lambda m, a, b: a > b, promote="ordered", result=BOOL, formula="a > b", onnx="Greater")
ge: Op = binary("ge", lambda m, a, b: a >= b, promote="ordered", result=BOOL, formula=r"a \ge b", onnx="GreaterOrEqual")
isnan: Op = unary("isnan", lambda m, a: m.isnan(a), promote="same", result=BOOL, formula=r"a \ne a", onnx="IsNaN")
isfinite: Op = unary("isfinite", lambda m, a: m.isfinite(a), promote="same", result=BOOL, formula=r"|a| < \infty")
logical_and: Op = binary("logical_and", lambda m, a, b: m.logical_and(a, b), result=BOOL, formula=r"a \land b", onnx="And")
logical_or: Op = binary("logical_or", lambda m, a, b: m.logical_or(a, b), result=BOOL, formula=r"a \lor b", onnx="Or")
logical_not: Op = unary(
    "logical_not", lambda m, a: m.logical_not(a), promote="same", result=BOOL, formula=r"\lnot a", onnx="Not"
)

_INTEGERS = [np.array([[0, 1, 5], [6, 12, 7]]), np.array([3, 1, 4])]


def _bitwise(name: str, scalar: Callable[..., Any], formula: str) -> Op:
    return binary(
        name,
        scalar,
        formula=formula,
        samples=lambda: [Sample(tuple(_INTEGERS)), Sample((np.array([True, False]), np.array([True, True])))],
        errors=lambda: [Sample(((3,), (3,)), error="float64")],
    )


bitwise_and: Op = _bitwise("bitwise_and", lambda m, a, b: m.bitwise_and(a, b), r"a \mathbin{\&} b")
bitwise_or: Op = _bitwise("bitwise_or", lambda m, a, b: m.bitwise_or(a, b), r"a \mathbin{|} b")
bitwise_xor: Op = _bitwise("bitwise_xor", lambda m, a, b: m.bitwise_xor(a, b), r"a \oplus b")
bitwise_not: Op = unary(
    "bitwise_not",
    lambda m, a: m.bitwise_not(a),
    promote="same",
    formula=r"\lnot a",
    samples=lambda: [Sample((_INTEGERS[0],)), Sample((np.array([True, False]),))],
    errors=lambda: [Sample(((3,),), error="float64")],
)

# --- the same values elsewhere ----------------------------------------------------------------------------------------


def _copy(a: np.ndarray) -> np.ndarray:
    return np.array(a, copy=True)


def _cast(a: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if a.dtype.kind == "c" and dtype.kind not in "cb":
        a = a.real  # NumPy would warn, and gradients pass here: whoever calls .to() is told there
    return a.astype(dtype)


copy: Op = Op(
    "copy",
    "elementwise",
    _copy,
    lambda a: a,
    (lambda g: g,),
    formula="a",
    onnx="Identity",
    oracle=lambda t, a: a.clone(),
    samples=lambda: [Sample(((2, 3),)), Sample(((),)), Sample(((0, 2),))],
    errors=lambda: [Sample(("text",), error="expected a Tensor")],
    scalar=lambda m, a: a,
)
cast: Op = Op(
    "cast",
    "elementwise",
    _cast,
    lambda a, dtype: Aval(a.shape, dtype),
    (lambda g, A: cast(g, dtype=A.dtype),),
    formula=r"\mathrm{dtype}(a)",
    onnx="Cast",
    oracle=lambda t, a, dtype: a.to(getattr(t, dtype.name)),
    samples=lambda: [
        Sample(((2, 3),), {"dtype": np.dtype("float64")}),
        Sample(((2, 3),), {"dtype": np.dtype("int64")}),
        Sample((np.array([0, 3, -1]),), {"dtype": BOOL}),
        Sample(((0, 2),), {"dtype": np.dtype("float32")}),
    ],
    errors=lambda: [Sample(("text",), {"dtype": BOOL}, error="expected a Tensor")],
)
