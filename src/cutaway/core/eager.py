"""The interpreter that computes at once: NumPy runs the op's forward, and a Node is left behind if a gradient is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import accelerate, autograd, narrow
from cutaway.core.accelerate import NOT
from cutaway.core.autograd import RECORDING, Node
from cutaway.core.aval import Aval
from cutaway.core.dtypes import FLOATING
from cutaway.core.errors import ArgumentTypeError, CutawayError, DTypeError, IndexOutOfRange, ShapeError
from cutaway.core.op import Op
from cutaway.core.ops.complex import over_complex
from cutaway.core.ops.index import out_of_range
from cutaway.core.promote import coerce
from cutaway.core.quiet import QUIET
from cutaway.core.tensor import Tensor
from cutaway.core.views import refresh, remember


def evaluate(op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
    """Run `op` on values.  Raises the error of the op's shape rule where NumPy refuses."""
    tensors = coerce(op, inputs)
    view = op.view
    if view == "view":
        for t in tensors:
            t._settle()
    data: Any = NOT
    if op.kind == "contract" and accelerate.contraction is not None:
        data = accelerate.contraction(op, tensors, attrs)
    try:
        if data is NOT:
            if tensors and tensors[0]._data.itemsize == 2:
                data = QUIET.context.run(narrow.forward, op, *[t._data for t in tensors], **attrs)
            else:
                data = QUIET.context.run(op.forward, *[t._data for t in tensors], **attrs)
    except CutawayError:
        raise
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError) as refusal:
        raise diagnose(op, tensors, attrs, refusal) from None
    except RuntimeError as nested:
        if "context" not in str(nested):
            raise
        raise ArgumentTypeError(
            f"{op.name}: a Tensor turned up inside the op's forward, which works on NumPy arrays; "
            "pass numbers as attributes (write .item()), and Tensors as inputs"
        ) from None
    if type(data) is not np.ndarray:
        data = np.asarray(data)
    y = Tensor._wrap(data)
    if view and tensors and np.may_share_memory(data, tensors[0]._data):
        y._cell = tensors[0]._cell
        y._epoch = tensors[0]._epoch
        y._view = view == "view" or tensors[0]._view
        if y._view:
            remember(y, tensors[0], op, attrs)
    if op.rules and RECORDING.get():
        for t in tensors:
            if t._view and t._epoch != t._cell[1]:  # its memory may have been written to by what needs a gradient
                refresh(op.name, t)
            if t._node is not None:
                record(op, tensors, attrs, y)
                break
    return y


def record(op: Op, tensors: tuple[Tensor, ...], attrs: dict[str, Any], y: Tensor) -> None:
    """Leave a Node on `y`, with the values that the op's gradient rules will read; none where no gradient is wanted."""
    if y._data.dtype.kind not in FLOATING:
        if y._data.dtype.kind != "c":
            return
        op = over_complex(op)
    saved: dict[int, autograd.Saved] = {}
    saved_y = None
    parents: list[Node | None] = []
    wanted = False
    for i, t in enumerate(tensors):
        if t._view and t._epoch != t._cell[1]:
            refresh(op.name, t)
        node, rule = t._node, op.rule(i)
        if node is None or rule is None:
            parents.append(None)
            continue
        wanted = True
        parents.append(node)
        if rule.saves_y and saved_y is None:
            saved_y = (y._data, y._cell, y._cell[0])
        for k in rule.saves_inputs:
            if k not in saved:
                s = tensors[k]
                saved[k] = (s._data, s._cell, s._cell[0])
        if rule.saves_indices:
            for k, s in enumerate(tensors):
                if s._data.dtype.kind in "bui":
                    saved[k] = (s._data, s._cell, s._cell[0])
    if wanted:
        metas = tuple([(t._data.shape, t._data.dtype) for t in tensors])
        y._node = Node(op, attrs, tuple(parents), metas, (y._data.shape, y._data.dtype), saved, saved_y)


def diagnose(op: Op, tensors: tuple[Tensor, ...], attrs: dict[str, Any], refusal: Exception) -> CutawayError:
    """Why NumPy refused, in the words of the op's shape rule if it knows; else in NumPy's."""
    avals = [Aval(t._data.shape, t._data.dtype) for t in tensors]
    listed = " and ".join(map(str, avals)) or "no tensor"
    if isinstance(refusal, TypeError):
        for aval in avals:
            if aval.dtype.kind == "b" or op.name.startswith("bitwise"):
                return DTypeError(
                    f"{op.name}: not defined for {listed}; convert with .int() or .float(), or use logical_not / ^ on bools"
                )
    if "could not convert" in str(refusal):
        return ArgumentTypeError(f"{op.name} of {listed}: {refusal}; pass numbers")
    try:
        op.shape(*avals, **attrs)
    except CutawayError as error:
        return error
    if isinstance(refusal, IndexError):
        dims = attrs.get("dims", (attrs.get("dim"),))
        for d, i in zip(dims, [t for t in tensors[1:] if t._data.dtype.kind in "iu"], strict=False):
            if i._data.size and isinstance(d, int):
                size = avals[0].shape[d] if avals[0].ndim else 1
                low, high = int(i._data.min()), int(i._data.max())
                lowest = 0 if "dim" in attrs else -size
                if high >= size or low < lowest:
                    return out_of_range(op.name, size, low, high, d % max(avals[0].ndim, 1))
        return IndexOutOfRange(f"{op.name} of {listed}: {refusal}; check the index against the sizes")
    if isinstance(refusal, ZeroDivisionError):
        return DTypeError(
            f"{op.name} of {listed}: {refusal}; ZeroDivisionError: convert to a floating dtype or avoid the zeros"
        )
    if isinstance(refusal, TypeError):
        return DTypeError(f"{op.name}: not defined for {listed} ({refusal}); convert with .to(dtype)")
    return ShapeError(f"{op.name} of {listed}: {refusal}; check the arguments {attrs}")


Op.eager = evaluate
