"""Reductions: their dims are an attribute here, and an attribute or an input there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cutaway.interop.onnx.graph import Term
from cutaway.interop.onnx.write import INT64, OpConverter, Writer

BOOL = np.dtype(bool)


def reduced(op_type: str, since: int = 18) -> OpConverter:
    """A reduction over several dims; over none, the value itself."""

    def convert(w: Writer, t: Term) -> str:
        (a,) = t.inputs
        x = w.name(a)
        if op_type == "ReduceSum" and a.dtype != t.dtype:
            x = w.cast(x, t.dtype)
        if not t.attrs["dim"]:
            return x
        return w.axes(op_type, x, t.attrs["dim"], since, keepdims=int(t.attrs["keepdim"]))

    return convert


def truth(of_all: bool) -> OpConverter:
    """any: some are true; all: none is false. Counted, so that there is an answer about no elements, too."""

    def convert(w: Writer, t: Term) -> str:
        (a,) = t.inputs
        x = w.name(a) if a.dtype == BOOL else w.cast(w.name(a), BOOL)
        if t.attrs["dim"]:
            counted = w.cast(w.node("Not", x) if of_all else x, INT64)
            count = w.axes("ReduceSum", counted, t.attrs["dim"], 13, keepdims=int(t.attrs["keepdim"]))
            zero = w.constant(0, INT64)
            x = w.node("Equal", count, zero) if of_all else w.node("Greater", count, zero)
        return x if t.dtype == BOOL else w.cast(x, t.dtype)

    return convert


def place(op_type: str) -> OpConverter:
    """Where the extreme stands."""

    def convert(w: Writer, t: Term) -> str:
        (a,) = t.inputs
        if not a.ndim:
            return w.constant(0, INT64)
        return w.node(op_type, w.name(a), axis=int(t.attrs["dim"]) % a.ndim, keepdims=int(t.attrs["keepdim"]))

    return convert


def _widened(w: Writer, t: Term) -> str:
    (a,) = t.inputs
    return w.name(a) if a.dtype == t.dtype else w.cast(w.name(a), t.dtype)


def cumsum(w: Writer, t: Term) -> str:
    """CumSum, whose axis is an input."""
    x = _widened(w, t)
    return w.node("CumSum", x, w.constant(int(t.attrs["dim"]) % t.ndim, INT64)) if t.ndim else x


def prod(w: Writer, t: Term) -> str:
    """A product along one dim."""
    (a,) = t.inputs
    x = _widened(w, t)
    if not a.ndim:
        return x
    return w.axes("ReduceProd", x, [int(t.attrs["dim"]) % a.ndim], keepdims=int(t.attrs["keepdim"]))


TABLE: dict[str, Callable[[Writer, Term], str]] = {
    "sum": reduced("ReduceSum", 13), "amax": reduced("ReduceMax"), "amin": reduced("ReduceMin"),
    "logsumexp": reduced("ReduceLogSumExp"), "any": truth(False), "all": truth(True), "argmax": place("ArgMax"),
    "argmin": place("ArgMin"), "cumsum": cumsum, "prod": prod,
}  # fmt: skip
