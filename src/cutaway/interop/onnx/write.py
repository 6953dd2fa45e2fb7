"""Write: terms become ONNX nodes, from the results backwards; what nothing asks for is never written.

A converter gets the Writer and a term (or a composite) and returns the name of its result. Names that a converter asks for
are promises: the terms behind them are written next. A converter that cannot say something in ONNX declines, and the ops
inside the composite are written instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from cutaway.interop.onnx.graph import Composite, Merged, Term, is_parameter
from cutaway.interop.onnx.sizes import Size, fit, number, same

INT64, INT32 = np.dtype(np.int64), np.dtype(np.int32)
NARROW = tuple(np.dtype(t) for t in (np.int8, np.int16, np.uint8, bool))
# Ops whose nodes have no such types, be it by the standard or under onnxruntime.
IN_INT32 = frozenset(
    "matmul einsum pow neg relu gate where clamp pad amax amin argmax argmin window_argmax window_scatter argsort".split()
)
FRONT = -1  # the position of what is read off the inputs' shapes


class Declined(Exception):
    """ONNX (of this opset) has no node that says this."""


class Node(NamedTuple):
    """One node, between names that stand for values until all are known."""

    position: int
    op_type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    path: str


OpConverter = Callable[["Writer", Term], str]
CompositeConverter = Callable[["Writer", Composite], Any]


class Writer:
    """The nodes and initializers of one file, in the making."""

    def __init__(
        self,
        merged: Merged,
        opset: int,
        input_names: Sequence[str],
        ops: dict[str, OpConverter],
        composites: dict[str, CompositeConverter],
    ) -> None:
        self.merged, self.opset, self.input_names, self.ops, self.composites = merged, opset, input_names, ops, composites
        self.nodes: list[Node] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.parameters: list[str] = []  # initializers that bear a name of the state dict
        self.alias: dict[str, str] = {}  # promised names, and the names that hold what was promised
        self.terms: dict[str, Term] = {}  # promised names, and what they are
        self._names: dict[Term, str] = {}
        self._pending: list[Term] = []
        self._constants: dict[Any, str] = {}
        self._sizes: dict[Any, str] = {}
        self._count = 0
        self._at, self._path, self._line = FRONT, "", ""

    # --- for converters -------------------------------------------------------------------------------------------

    def name(self, term: Term) -> str:
        """The name of a term, which will be written."""
        found = self._names.get(term)
        if found is None:
            found = self._names[term] = self._fresh()
            self.terms[found] = term
            self._pending.append(term)
            if not term.line:  # made by Python: the line where it is used
                term.line, term.path = self._line, self._path
        return found

    def node(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; the name of its result, or a list of `outputs` names. Attributes that are None are left out."""
        made = [self._fresh() for _ in range(outputs)]
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        kept = {k: v for k, v in attributes.items() if v is not None}
        self.nodes.append(Node(self._at, op_type, given, made, kept, self._path))
        return made[0] if outputs == 1 else made

    def constant(self, array: Any, dtype: Any = None, hint: str = "constant") -> str:
        """An initializer with these numbers; equal ones are written once."""
        a = np.asarray(array, dtype)
        key = (a.dtype.str, a.shape, a.tobytes())
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self._unused(hint)
            self.initializers[found] = a
        return found

    def scalar(self, value: Any, like: Term) -> str:
        """A number in the dtype of a term."""
        return self.constant(value, like.dtype)

    def ints(self, sizes: Sequence[int]) -> str:
        """int64[n]: a constant, or put together from the inputs' shapes where some are Sizes."""
        if not any(isinstance(n, Size) for n in sizes):
            return self.constant(np.array([int(n) for n in sizes], INT64))
        parts, still = [], []
        for n in [*sizes, None]:
            if n is not None and not isinstance(n, Size):
                still.append(int(n))
                continue
            if still:
                parts.append(self.constant(np.array(still, INT64)))
                still = []
            if n is not None:
                parts.append(self.size(n))
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=0)

    def size(self, n: Size) -> str:
        """int64[1]: a size that follows the dynamic axes, by its formula.  Raises Declined if none was found."""
        found = self._sizes.get(n.seen)
        if found is not None:
            return found
        formula = fit(n, self.merged.symbols)
        if formula is None:
            raise Declined(
                f"the size {int(n)} follows the dynamic axes in a way that is neither a sum nor a product; make that axis a "
                "fixed one"
            )
        with self.in_front():
            total = ""
            for c, k in formula.terms:
                factor = self._symbol(k)
                if c != 1 and not (formula.product and total):
                    factor = self.node("Mul", factor, self.constant([c], INT64))
                total = factor if not total else self.node("Mul" if formula.product else "Add", total, factor)
            if formula.constant:
                total = self.node("Add", total, self.constant([formula.constant], INT64))
            if formula.divisor != 1:
                total = self.node("Div", total, self.constant([formula.divisor], INT64))
        self._sizes[n.seen] = total
        return total

    @contextmanager
    def in_front(self) -> Iterator[None]:
        """What is written meanwhile depends on the inputs' shapes alone, and stands before all else."""
        before = self._at, self._path
        self._at, self._path = FRONT, ""
        try:
            yield
        finally:
            self._at, self._path = before

    def _symbol(self, k: int) -> str:
        where, axis = self.merged.symbols[k].places[0]
        key = ("symbol", where, axis)
        if key not in self._sizes:
            shape = self.node("Shape", self.input_names[where])
            self._sizes[key] = self.node("Gather", shape, self.constant([axis], INT64))
        return self._sizes[key]

    def reshape(self, x: str, before: Sequence[int], after: Sequence[int]) -> str:
        """Reshape: sizes that stay where they are, and one more, need not be known when the file is written."""
        target: list[int] = []
        free = False
        for i, n in enumerate(after):
            if not isinstance(n, Size):
                target.append(int(n))
            elif i < len(before) and same(before[i], n):
                target.append(0)
            elif not free and 0 not in [int(m) for m in after]:
                target.append(-1)
                free = True
            else:
                target.append(n)
        empty = any(not isinstance(n, Size) and int(n) == 0 for n in after)
        if empty:  # else a 0 would stand for "as it was"
            self.need(14, "reshaping no elements")
            target = list(after)
        return self.node("Reshape", x, self.ints(target), allowzero=1 if empty else None)

    def cast(self, x: str, to: Any) -> str:
        """Cast to a NumPy dtype."""
        from onnx.helper import np_dtype_to_tensor_dtype

        return self.node("Cast", x, to=int(np_dtype_to_tensor_dtype(np.dtype(to))))

    def need(self, opset: int, what: str) -> None:
        """Decline unless the file's opset is at least `opset`."""
        if self.opset < opset:
            raise Declined(f"{what} needs opset {opset}; pass opset_version={opset} or more")

    def axes(self, op_type: str, x: str, axes: Sequence[int], since: int = 18, **attributes: Any) -> str:
        """A reduction, whose axes became an input with opset `since`."""
        where = tuple(int(a) for a in axes)
        if self.opset >= since:
            return self.node(op_type, x, self.ints(where), **attributes)
        return self.node(op_type, x, axes=list(where), **attributes)

    # --- the walk -------------------------------------------------------------------------------------------------

    def write(self) -> list[str]:
        """Write all that the results need.  Returns the results' names.  Raises ExportError."""
        names = [self.name(t) for t in self.merged.outputs]
        while self._pending:
            self._one(self._pending.pop())
        return names

    def _one(self, term: Term) -> None:
        self._at, self._path, self._line = term.position, term.path, term.line
        try:
            held = self._given(term)
            if held is None:
                if self._whole(term):
                    return
                if not term.one_way:
                    raise term.parted()
                held = self._op(term)
        except Declined as why:
            raise term.refusal(str(why)) from None
        self._hold(term, held)

    def _hold(self, term: Term, held: str) -> None:
        """What was promised as `term` is `held`."""
        promised = self._names.get(term)
        if promised is None:
            self._names[term] = held
        elif promised != held:
            self.alias[promised] = held

    def _given(self, term: Term) -> str | None:
        """The name of what needs no node: an input, a parameter, numbers that are known."""
        s = term.source
        if not term.one_way:
            return None
        if s is not None:
            if s.kind == "argument":
                return self.input_names[s.index]
            if s.kind == "number":
                raise Declined("a number that is read anew at each call; a file has no such numbers")
            if is_parameter(s):
                return self._parameter(term)
        array = term.alike()
        if array is not None:
            return self.constant(array, hint=_hint(term))
        if term.op is not None:
            return None
        key = tuple((a.shape, a.dtype.str, a.tobytes()) for a in term.arrays())
        if key not in self._sizes:
            with self.in_front():
                self._sizes[key] = _changing(self, term)
        return self._sizes[key]

    def _parameter(self, term: Term) -> str:
        s = term.source
        assert s is not None and s.tensor is not None
        key = ("tensor", id(s.tensor))
        if key not in self._constants:
            self._constants[key] = self._unused(s.name)
            self.initializers[self._constants[key]] = s.tensor._settle()._data
            self.parameters.append(self._constants[key])
        return self._constants[key]

    def _whole(self, term: Term) -> bool:
        """Write the outermost composite that ONNX has a node for, if there is one."""
        for composite in self.merged.composites(term):
            convert = self.composites.get(composite.name)
            if convert is None:
                continue
            nodes, pending = len(self.nodes), len(self._pending)
            self._at = composite.position
            try:
                held = convert(self, composite)
            except Declined:
                gone = {x for n in self.nodes[nodes:] for x in n.outputs}
                del self.nodes[nodes:]
                for t in self._pending[pending:]:
                    del self.terms[self._names.pop(t)]
                del self._pending[pending:]
                self._sizes = {k: v for k, v in self._sizes.items() if v not in gone}
                self._at = term.position
                continue
            for result, name in zip(composite.results, (held,) if isinstance(held, str) else held):
                if result is not None and name is not None:
                    self._hold(result, name)
            self._pending = [t for t in self._pending if t not in composite.results]
            return True
        return False

    def _op(self, term: Term) -> str:
        op = term.op
        assert op is not None
        if op.name in IN_INT32 and any(_narrow(op.name, k, i.dtype) for k, i in enumerate(term.inputs)):
            return self._in_int32(term)
        return self._plainly(term)

    def _plainly(self, term: Term) -> str:
        convert = self.ops.get(term.name)
        if convert is not None:
            return convert(self, term)
        assert term.op is not None
        if not term.op.onnx:
            raise Declined("ONNX has no node for it; compute this part outside the exported model")
        return self.node(term.op.onnx, *map(self.name, term.inputs))

    def _in_int32(self, term: Term) -> str:
        """The op on int32, which it has there, in place of a narrower type; sums and products wrap round alike."""
        wide, inputs = copy(term), []
        for k, i in enumerate(term.inputs):
            inputs.append(i)
            if _narrow(term.name, k, i.dtype):
                inputs[k] = copy(i)
                inputs[k].dtype = INT32
                self._names[inputs[k]] = self.cast(self.name(i), INT32)
        narrow = term.dtype in NARROW
        wide._inputs, wide.dtype = tuple(inputs), INT32 if narrow else term.dtype
        y = self._plainly(wide)
        return self.cast(y, term.dtype) if narrow else y

    def _fresh(self) -> str:
        self._count += 1
        return f"%{self._count}"

    def _unused(self, hint: str) -> str:
        name, k = hint, 0
        while name in self.initializers or name in self.input_names:
            k += 1
            name = f"{hint}_{k}"
        return name


def _narrow(op: str, k: int, dtype: np.dtype) -> bool:
    """True for an input that is to be made int32; a condition is not."""
    return dtype in NARROW and not (op == "where" and k == 0)


def _hint(term: Term) -> str:
    """A name for folded numbers: the parameter that they are made of, and how."""
    t, how = term, []
    while t.op is not None and t.inputs:
        how.append(t.name)
        t = next((i for i in t.inputs if _named(i)), t.inputs[0])
    return ".".join([t.source.name, *reversed(how)]) if t.source is not None and _named(t) else "constant"


def _named(t: Term) -> bool:
    while t.op is not None and t.inputs:
        t = t.inputs[0]
    return is_parameter(t.source)


# --- constants that follow a size ---------------------------------------------------------------------------------------


def _changing(w: Writer, term: Term) -> str:
    """Numbers that Python made for the sizes at hand: zeros, positions, a triangular mask, a size itself.

    Raises ExportError for any others.
    """
    arrays = term.arrays()
    one = arrays[0].flat[0] if arrays[0].size else term.dtype.type(0)
    if all((a == one).all() or (a != a).all() & (one != one) for a in arrays):
        filled = w.node("ConstantOfShape", w.ints(term.shape), value=np.array([one], term.dtype))
        return filled
    if not term.ndim and all(float(a).is_integer() for a in arrays):
        scalar = w.node("Squeeze", w.size(Size([int(a) for a in arrays])), w.constant([0], INT64))
        return scalar if term.dtype == INT64 else w.cast(scalar, term.dtype)
    long = [d for d, n in enumerate(term.shape) if isinstance(n, Size) or n != 1]
    if len(long) == 1 and (x := _progression(w, term, [a.reshape(-1) for a in arrays], term.shape[long[0]])):
        return x if term.ndim == 1 else w.reshape(x, term.shape[long[0] :][:1], term.shape)
    if len(long) == 2 and (k := _diagonal(arrays)) is not None:
        rows, columns = (_positions(w, term.shape[d]) for d in long)
        rows = w.node("Unsqueeze", rows, w.constant([1], INT64))
        above = w.node("Greater", w.node("Sub", columns, rows), w.constant(k, INT64))
        flat = arrays[0].reshape(arrays[0].shape[long[0]], -1)
        if term.dtype == bool:
            x = above if flat[0, -1] else w.node("Not", above)
        else:
            x = w.node("Where", above, w.scalar(flat[0, -1], term), w.scalar(flat[-1, 0], term))
        return x if term.ndim == 2 else w.reshape(x, [term.shape[d] for d in long], term.shape)
    raise term.refusal(
        "numbers that Python computed for the size of a dynamic axis, and that are neither equal, nor 0, 1, 2, ..., nor a "
        "triangle; make that axis a fixed one, or compute them with Tensor operations on the input",
        "a constant",
    )


def _progression(w: Writer, term: Term, rows: Sequence[np.ndarray], n: int) -> str:
    """start + step (i // times) for i = 0, 1, ..., if that is what all traces have; else ""."""
    if any(a.size < 2 or term.dtype == bool for a in rows):
        return ""
    changes = np.flatnonzero(rows[0] != rows[0][0])
    times = int(changes[0]) if changes.size else 1
    step = rows[0][times] - rows[0][0] if changes.size else 0
    starts = [a[0] for a in rows]
    if not all(float(s).is_integer() for s in starts) or not float(step).is_integer():
        return ""
    if not all(np.array_equal(a, a[0] + step * (np.arange(a.size) // times)) for a in rows):
        return ""
    x, start = _positions(w, n), number([int(s) for s in starts])
    if times > 1:
        x = w.node("Div", x, w.constant(times, INT64))
    if step != 1:
        x = w.node("Mul", x, w.constant(int(step), INT64))
    if isinstance(start, Size) or start:
        x = w.node("Add", x, w.ints([start]))
    return x if term.dtype == INT64 else w.cast(x, term.dtype)


def _positions(w: Writer, n: int) -> str:
    """0, 1, ..., n - 1."""
    if not isinstance(n, Size):
        return w.constant(np.arange(n), INT64)
    end = w.node("Squeeze", w.size(n), w.constant([0], INT64))
    return w.node("Range", w.constant(0, INT64), end, w.constant(1, INT64))


def _diagonal(arrays: Sequence[np.ndarray]) -> int | None:
    """k, if each array has one number where column - row > k and another elsewhere."""
    flat = [a.reshape([n for n in a.shape if n != 1]) for a in arrays]
    if any(a.ndim != 2 or a[0, -1] == a[-1, 0] for a in flat):
        return None
    apart = [np.arange(a.shape[1]) - np.arange(a.shape[0])[:, None] for a in flat]
    k = int(apart[0][flat[0] == flat[0][-1, 0]].max())
    fits = all(
        np.array_equal(a, np.where(d > k, flat[0][0, -1], flat[0][-1, 0])) for a, d in zip(flat, apart)
    )
    return k if fits else None
