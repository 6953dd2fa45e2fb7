"""Products: einsum, and the composites linear and matmul."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.ops.contract import plan
from cutaway.interop.onnx.graph import Composite, Term
from cutaway.interop.onnx.write import Declined, Writer


def einsum(w: Writer, t: Term) -> str:
    """Einsum; MatMul where it is a plain product of matrices."""
    spec = t.attrs["spec"]
    a, b = (w.name(i) for i in t.inputs)
    turns = plan(spec).turns
    if turns is None:
        return w.node("Einsum", a, b, equation=spec)
    a, b = (w.node("Transpose", x, perm=[1, 0]) if turn else x for x, turn in zip((a, b), turns))
    y = w.node("MatMul", a, b)
    return w.node("Transpose", y, perm=[1, 0]) if turns[2] else y


def turned(w: Writer, weight: Term, name: str = "") -> str:
    """A matrix transposed: ahead of time, if its numbers are known."""
    array = weight.alike()
    if array is None:
        return w.node("Transpose", w.name(weight), perm=[1, 0])
    name = weight.source.name if weight.source is not None and weight.source.kind == "tensor" else name or "weight"
    return w.constant(array.T, hint=f"{name}.T")


def linear(w: Writer, c: Composite) -> str:
    """Gemm of matrices; MatMul and Add where there are more dimensions."""
    x, weight, bias = c["input"], c["weight"], c["bias"]
    if weight.ndim != 2:
        raise Declined("one output")
    if x.ndim == 2 and (bias is None or bias.ndim == 1):
        return w.node("Gemm", w.name(x), w.name(weight), "" if bias is None else w.name(bias), transB=1)
    y = w.node("MatMul", w.name(x), turned(w, weight))
    return y if bias is None else w.node("Add", y, w.name(bias))


def matmul(w: Writer, c: Composite) -> str:
    """MatMul, which knows vectors and batches as we do."""
    return w.node("MatMul", w.name(c["a"]), w.name(c["b"]))


OPS: dict[str, Callable[[Writer, Term], str]] = {"einsum": einsum}
COMPOSITES: dict[str, Callable[[Writer, Composite], Any]] = {"linear": linear, "matmul": matmul}
