"""Complex numbers: the ops that only they have, and how the gradient rules of all others are read over them.

The gradient of a real loss L towards z = x + iy is dL/dx + i dL/dy, as in PyTorch: the direction in which L grows. For
y = f(z) with f analytic that is g times the conjugate of f'(z), so that an op's rule, which was written for real numbers, is
right if it reads the conjugates of the values: conj(f'(z)) = f'(conj(z)). Only what is not analytic (|z|, its direction, its
parts) needs rules of its own. K. Kreutz-Delgado, The complex gradient operator and the CR-calculus (2009), section 4.

The compiler and ONNX do not know these ops: their kind is "complex", and the table OPS does not hold them.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy as _shallow
from typing import Any

import numpy as np

from cutaway.core.aval import Aval, show
from cutaway.core.dtypes import FROM_NUMPY, PARTS, as_complex
from cutaway.core.errors import ShapeError
from cutaway.core.op import Op, Rule
from cutaway.core.ops import elementwise as ew
from cutaway.core.ops.index import zeros

# --- dtypes -----------------------------------------------------------------------------------------------------------


def part(d: np.dtype) -> np.dtype:
    """The dtype of the parts of a complex one."""
    return PARTS[FROM_NUMPY[d]].np


def whole(d: np.dtype) -> np.dtype:
    """The complex dtype with such parts."""
    return as_complex(FROM_NUMPY[d]).np


# --- parts ------------------------------------------------------------------------------------------------------------


def _op(name: str, forward: Callable[..., Any], shape: Callable[..., Aval], grad: Any, **record: Any) -> Op:
    return Op(name, "complex", forward, shape, grad, **record)


real: Op = _op(
    "real",
    lambda a: a.real,
    lambda a: Aval(a.shape, part(a.dtype)),
    (lambda g, A: ew.cast(g, dtype=A.dtype),),
    view="view",
    formula=r"\operatorname{Re} a",
)
imag: Op = _op(
    "imag",
    lambda a: a.imag,
    lambda a: Aval(a.shape, part(a.dtype)),
    (lambda g, A: join(zeros(A.shape, g._data.dtype), g),),
    view="view",
    formula=r"\operatorname{Im} a",
)


def _join(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    y = np.empty(np.broadcast_shapes(a.shape, b.shape), whole(a.dtype))
    y.real, y.imag = a, b
    return y


join: Op = _op(
    "complex",
    _join,
    lambda a, b: Aval(ew.broadcast_shapes(a.shape, b.shape, op="complex"), whole(a.dtype)),
    (lambda g: real(g), lambda g: imag(g)),
    promote="equal",
    formula="a + ib",
)
conjugate: Op = _op("conj", np.conj, lambda a: a, (lambda g: conjugate(g),), formula=r"\overline{a}")


def conj(x: Any) -> Any:
    """The conjugate; a real tensor as it is."""
    return conjugate(x) if x._data.dtype.kind == "c" else x


def _as_pairs(a: np.ndarray) -> np.ndarray:
    return a[..., None].view(part(a.dtype))


def _of_pairs(a: np.ndarray) -> np.ndarray:
    if a.shape[-1:] != (2,):
        raise ValueError("no pairs")
    return (a if pairs(a) else np.ascontiguousarray(a)).view(whole(a.dtype))[..., 0]


def pairs(a: np.ndarray) -> bool:
    """True if the memory can be read as complex numbers: the two parts lie side by side, and nothing cuts a pair."""
    start: int = a.__array_interface__["data"][0]
    return a.strides[-1] == a.itemsize and not any(s % (2 * a.itemsize) for s in (start, *a.strides[:-1]))


def _of_pairs_shape(a: Aval) -> Aval:
    if a.shape[-1:] != (2,):
        raise ShapeError(f"view_as_complex: the last dimension must be of size 2 (real and imaginary part), got {show(a)}")
    return Aval(a.shape[:-1], whole(a.dtype))


view_as_real: Op = _op(
    "view_as_real",
    _as_pairs,
    lambda a: Aval((*a.shape, 2), part(a.dtype)),
    (lambda g: view_as_complex(g),),
    view="view",
    formula=r"(\operatorname{Re} a, \operatorname{Im} a)",
)
view_as_complex: Op = _op(
    "view_as_complex",
    _of_pairs,
    _of_pairs_shape,
    (lambda g: view_as_real(g),),
    view="view",
    formula=r"a_{\dots 0} + i a_{\dots 1}",
)
angle: Op = _op(
    "angle",
    np.angle,
    lambda a: Aval(a.shape, part(a.dtype)),
    (lambda g, a: ew.where(a == 0, 0.0, g * (ew.sign(a) / ew.abs(a)) * 1j),),
    formula=r"\arg a",
)

# --- the rules of other ops over complex numbers ----------------------------------------------------------------------

# Their rules read no values.
LINEAR = frozenset(
    "add sub neg copy cast where sum cumsum index index_put gather scatter scatter_add full windows".split()
)


def _sgn_grad(g: Any, a: Any, y: Any) -> Any:
    """Only what turns the direction counts, and the farther from 0, the less."""
    far = g / ew.where(a == 0, 1.0, ew.abs(a))
    return ew.where(a == 0, 0.0, far - y * real(far * conj(y)))


# Where the rule for real numbers asks which is larger. They read conjugates, as others.
ANALYTIC: dict[str, tuple[Callable[..., Any], ...]] = {
    "pow": (
        lambda g, a, b: ew.where(b == 0, 0.0, g * b * ew.pow(a, b - 1)),
        lambda g, y, a, b: ew.where(ew.logical_and(a == 0, real(b) >= 0), 0.0, g * y * ew.log(a)),
    ),
}
OWN: dict[str, tuple[Callable[..., Any], ...]] = {"sign": (_sgn_grad,)}

_OVER: dict[Op, Op] = {}


def over_complex(op: Op) -> Op:
    """The op as a Node of a complex result knows it: the same, with gradient rules for complex numbers."""
    found = _OVER.get(op)
    if found is None:
        found = op
        if op.name in OWN:
            found = _with(op, tuple(map(Rule, OWN[op.name])))
        elif not (op.kind in ("movement", "complex") or op.name in LINEAR):
            rules = tuple(map(Rule, ANALYTIC[op.name])) if op.name in ANALYTIC else op.rules
            found = _with(op, tuple(None if r is None else Conjugated(r) for r in rules))
        _OVER[op] = found
    return found


def _with(op: Op, rules: tuple[Rule | None, ...]) -> Op:
    made = _shallow(op)
    made.rules = rules
    return made


class Conjugated(Rule):
    """A rule that reads the conjugates of the values."""

    __slots__ = ("plain",)

    def __init__(self, plain: Rule) -> None:
        self.plain = plain
        self.reads, self.plan = plain.reads, plain.plan
        self.saves_y, self.saves_inputs, self.saves_indices = plain.saves_y, plain.saves_inputs, plain.saves_indices
        self.fn = self.on_tensors

    def on_tensors(self, g: Any, *read: Any) -> Any:
        """The rule in Tensor operations."""
        return self.plain.fn(g, *[conj(x) if hasattr(x, "_data") else x for x in read])

    @property
    def on_arrays(self) -> Callable[..., Any] | None:
        """The rule on arrays, where the plain one has such a reading."""
        plain = self.plain.on_arrays
        return None if plain is None else lambda g, *read: plain(g, *map(_conj_array, read))


def _conj_array(x: Any) -> Any:
    return np.conj(x) if isinstance(x, np.ndarray) and x.dtype.kind == "c" else x
