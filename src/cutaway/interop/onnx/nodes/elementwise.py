"""Elementwise ops whose ONNX node is not the name in their record alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cutaway.interop.onnx.graph import Term
from cutaway.interop.onnx.sizes import at
from cutaway.interop.onnx.write import NARROW, OpConverter, Writer

BOOL = np.dtype(bool)


def _inputs(w: Writer, t: Term) -> list[str]:
    return [w.name(i) for i in t.inputs]


def on_bools(usual: str, logical: str, wide: bool = False) -> OpConverter:
    """An arithmetic node, or the logical one that it is for bools.  wide: narrow integers have none under onnxruntime."""

    def convert(w: Writer, t: Term) -> str:
        if wide and t.dtype in NARROW and t.dtype != BOOL:
            return w.cast(w.node(usual, *(w.cast(x, np.int32) for x in _inputs(w, t))), t.dtype)
        return w.node(logical if t.dtype == BOOL else usual, *_inputs(w, t))

    return convert


def whole_already(op_type: str) -> OpConverter:
    """A rounding, which leaves integers alone."""
    return lambda w, t: w.node(op_type, w.name(t.inputs[0])) if t.dtype.kind == "f" else w.name(t.inputs[0])


def compared(op_type: str) -> OpConverter:
    """An order, in which False comes before True."""

    def convert(w: Writer, t: Term) -> str:
        a, b = (w.cast(w.name(i), np.uint8) if i.dtype == BOOL else w.name(i) for i in t.inputs)
        return w.node(op_type, a, b)

    return convert


def logical(op_type: str) -> OpConverter:
    """A question about truth: what is not zero is true."""
    return lambda w, t: w.node(op_type, *(w.name(i) if i.dtype == BOOL else w.cast(w.name(i), BOOL) for i in t.inputs))


def bitwise(name: str) -> OpConverter:
    """Bits of integers, or of bools."""

    def convert(w: Writer, t: Term) -> str:
        if t.dtype == BOOL:
            return w.node(name, *_inputs(w, t))
        w.need(18, f"Bitwise{name}")
        return w.node(f"Bitwise{name}", *_inputs(w, t))

    return convert


def counted(t: Term) -> Term | None:
    """The sum that `t` divides by the number of its terms; None if it is no mean."""
    total, divisor = t.inputs
    if total.name != "sum" or not divisor.fixed or total.dtype.kind != "f":
        return None
    full, dims = total.inputs[0].shape, total.attrs["dim"]
    for k, a in enumerate(divisor.arrays()):
        n = math.prod(at(full[d], k) for d in dims)
        if a.size != 1 or float(a.reshape(())) != n:
            return None
    return total


def softmaxed(t: Term) -> tuple[Term, int] | None:
    """(x, dim) if `t` is e / sum(e) with e = exp(x - max(x)) along one dim, written out; else None."""
    e, total = t.inputs
    if total.name != "sum" or total.inputs[0] is not e or e.name != "exp" or e.inputs[0].name != "sub":
        return None
    x, top = e.inputs[0].inputs
    if top.name != "amax" or top.inputs[0] is not x or len(total.attrs["dim"]) != 1:
        return None
    kept = total.attrs["keepdim"] and top.attrs["keepdim"] and total.attrs["dim"] == top.attrs["dim"]
    return (x, int(total.attrs["dim"][0])) if kept else None


def div(w: Writer, t: Term) -> str:
    """A quotient; where it is one, a mean or a softmax."""
    mean = counted(t)
    if mean is not None:
        dims, keep = mean.attrs["dim"], int(mean.attrs["keepdim"])
        return w.axes("ReduceMean", w.name(mean.inputs[0]), dims, keepdims=keep) if dims else w.name(mean.inputs[0])
    found = softmaxed(t)
    if found is not None:
        return w.node("Softmax", w.name(found[0]), axis=found[1])
    return w.node("Div", *_inputs(w, t))


def floor_divide(w: Writer, t: Term) -> str:
    """Rounded down, where ONNX rounds integers towards zero."""
    a, b = _inputs(w, t)
    if t.dtype.kind == "f":
        return w.node("Floor", w.node("Div", a, b))
    return w.node("Div", w.node("Sub", a, w.node("Mod", a, b)), b)


def remainder(w: Writer, t: Term) -> str:
    """With the divisor's sign."""
    a, b = _inputs(w, t)
    if t.dtype.kind != "f":
        return w.node("Mod", a, b)
    return w.node("Sub", a, w.node("Mul", w.node("Floor", w.node("Div", a, b)), b))


def expm1(w: Writer, t: Term) -> str:
    """exp(x) - 1 would lose the digits of small x; 2 tanh(x/2) / (1 - tanh(x/2)) keeps them."""
    x = w.name(t.inputs[0])
    half = w.node("Tanh", w.node("Mul", x, w.scalar(0.5, t)))
    near = w.node("Div", w.node("Mul", half, w.scalar(2, t)), w.node("Sub", w.scalar(1, t), half))
    far = w.node("Sub", w.node("Exp", x), w.scalar(1, t))
    return w.node("Where", w.node("Less", w.node("Abs", x), w.scalar(1, t)), near, far)


def log1p(w: Writer, t: Term) -> str:
    """log(u) x / (u - 1) with u = 1 + x as it was rounded (Kahan); log(u) alone where u is large."""
    x = w.name(t.inputs[0])
    u = w.node("Add", x, w.scalar(1, t))
    log = w.node("Log", u)
    near = w.node("Div", w.node("Mul", log, x), w.node("Sub", u, w.scalar(1, t)))
    near = w.node("Where", w.node("Equal", u, w.scalar(1, t)), x, near)
    return w.node("Where", w.node("Less", u, w.scalar(2, t)), near, log)


def atan2(w: Writer, t: Term) -> str:
    """The angle of (b, a), from atan(a / b) and the quadrant."""
    y, x = _inputs(w, t)
    zero, pi = w.scalar(0, t), w.scalar(math.pi, t)
    angle = w.node("Atan", w.node("Div", y, x))
    turned = w.node("Where", w.node("Less", y, zero), w.node("Sub", angle, pi), w.node("Add", angle, pi))
    angle = w.node("Where", w.node("Less", x, zero), turned, angle)
    origin = w.node("And", w.node("Equal", x, zero), w.node("Equal", y, zero))
    return w.node("Where", origin, zero, angle)


def trunc(w: Writer, t: Term) -> str:
    """Towards zero."""
    x = w.name(t.inputs[0])
    if t.dtype.kind != "f":
        return x
    return w.node("Where", w.node("Less", x, w.scalar(0, t)), w.node("Ceil", x), w.node("Floor", x))


def clamp(w: Writer, t: Term) -> str:
    """Clip, whose limits are inputs."""
    low, high = (t.attrs[k] for k in ("low", "high"))
    return w.node("Clip", w.name(t.inputs[0]), *("" if v is None else w.scalar(v, t) for v in (low, high)))


def gate(w: Writer, t: Term) -> str:
    """0 where b <= 0, else a."""
    a, b = t.inputs
    return w.node("Where", w.node("LessOrEqual", w.name(b), w.scalar(0, b)), w.scalar(0, a), w.name(a))


def sign(w: Writer, t: Term) -> str:
    """Of a bool, itself."""
    return w.name(t.inputs[0]) if t.dtype == BOOL else w.node("Sign", w.name(t.inputs[0]))


def isnan(w: Writer, t: Term) -> str:
    """No integer is one."""
    x = w.name(t.inputs[0])
    return w.node("IsNaN", x) if t.inputs[0].dtype.kind == "f" else w.node("Not", w.node("Equal", x, x))


def isfinite(w: Writer, t: Term) -> str:
    """|x| < inf is false of NaN, too."""
    (a,) = t.inputs
    x = w.name(a)
    return w.node("Less", w.node("Abs", x), w.scalar(np.inf, a)) if a.dtype.kind == "f" else w.node("Equal", x, x)


def cast(w: Writer, t: Term) -> str:
    """Cast, unless it is one already."""
    (a,) = t.inputs
    return w.name(a) if a.dtype == t.dtype else w.cast(w.name(a), t.dtype)


def copy(w: Writer, t: Term) -> str:
    """No node: values have no memory there."""
    return w.name(t.inputs[0])


def not_equal(w: Writer, t: Term) -> str:
    """Equal, turned round."""
    return w.node("Not", w.node("Equal", *_inputs(w, t)))


TABLE: dict[str, Callable[[Writer, Term], str]] = {
    "add": on_bools("Add", "Or"), "mul": on_bools("Mul", "And"), "maximum": on_bools("Max", "Or", True),
    "minimum": on_bools("Min", "And", True), "div": div, "floor_divide": floor_divide, "remainder": remainder,
    "expm1": expm1, "log1p": log1p, "atan2": atan2, "trunc": trunc, "clamp": clamp, "gate": gate, "sign": sign,
    "isnan": isnan, "isfinite": isfinite, "cast": cast, "copy": copy, "ne": not_equal, "floor": whole_already("Floor"),
    "ceil": whole_already("Ceil"), "round": whole_already("Round"), "lt": compared("Less"), "le": compared("LessOrEqual"),
    "gt": compared("Greater"), "ge": compared("GreaterOrEqual"), "logical_and": logical("And"),
    "logical_or": logical("Or"), "logical_not": logical("Not"), "bitwise_and": bitwise("And"), "bitwise_or": bitwise("Or"),
    "bitwise_xor": bitwise("Xor"), "bitwise_not": bitwise("Not"),
}  # fmt: skip
