"""Trace: run a Python function once on Symbols and write down each op. What comes out is a Graph.

A tensor that existed before the trace began and is met inside (a parameter, a buffer, optimiser memory) becomes an input
that is read anew at each call; one that is made inside is a constant. In-place methods rebind the handle while tracing and
come out as writes at the end of the graph.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from cutaway.core.autograd import _SEQ, RECORDING, Leaf, Node, Wanted, beyond
from cutaway.core.aval import Aval
from cutaway.core.eager import evaluate, record
from cutaway.core.errors import TraceError
from cutaway.core.op import INTERPRETER, OPS, STAGE, Op
from cutaway.core.ops.elementwise import add, cast
from cutaway.core.promote import coerce
from cutaway.core.tensor import Tensor
from cutaway.core.views import catch_up, has_base, remember
from cutaway.engine.graph import Graph, Source, Value, Write, below
from cutaway.engine.line import Line, outside
from cutaway.engine.symbol import Symbol

COPY = OPS["copy"]
# Frames of these folders are not the user's.


class Tracer:
    """The interpreter that writes ops down.  Use `trace`."""

    born = 0

    def __init__(self) -> None:
        self.values: list[Value] = []
        # Everything alive now is the program's surroundings. Held, so that no id is used again while we trace. (Asked by
        # type: `isinstance` would ask objects for their `__class__`, and other libraries' proxies do things then.)
        self.before = {id(t): t for t in gc.get_objects() if issubclass(type(t), Tensor) and type(t)._strided}
        # Handles made inside on the same memory (detach) stand for those tensors too.
        self.memory = {id(t._data): t for t in self.before.values()}
        self.inputs: dict[int, Value] = {}  # of tensors that were met, by id of the handle
        self.original: dict[int, tuple[Tensor, Any]] = {}  # handles whose _data was replaced, and by what it was
        self.cells: dict[int, tuple[list[int], list[int]]] = {}  # write counters, and what they counted before
        self.kept: list[Any] = []  # keeps ids of constants valid
        self.names: dict[int, str] = {}
        self.owners: WeakValueDictionary[int, Tensor] = WeakValueDictionary()  # of symbols, by id
        self.arguments: list[Tensor] = []  # as handed to the function
        self.entered: dict[int, Value] = {}  # their values then, by id of the handle

    # --- the interpreter ------------------------------------------------------------------------------------------

    def __call__(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
        """Write the op down; one on constants alone is computed instead."""
        tensors = coerce(op, inputs)
        staged = [symbol_of(t) is not None or self.known(t) is not None for t in tensors]
        if tensors and not any(staged):
            return evaluate(op, inputs, attrs)  # made of constants: it is one
        avals = [Aval(tuple(t._data.shape), t._data.dtype) for t in tensors]
        aval = op.shape(*avals, **attrs)
        value = self.emit(op, tuple(self.value_of(t) for t in tensors), attrs, Aval(tuple(aval.shape), aval.dtype))
        y = Tensor._wrap(Symbol(self, value))  # type: ignore[arg-type]
        if op.view:
            y._cell, y._epoch, y._view = tensors[0]._cell, tensors[0]._epoch, op.view == "view"
            if y._view:
                remember(y, tensors[0], op, attrs)
        self.own(y)
        if op.rules and RECORDING.get() and any(t._node is not None for t in tensors):
            record(op, tensors, attrs, y)
        return y

    def own(self, y: Tensor) -> None:
        """Note whose memory a new symbol stands for."""
        symbol = symbol_of(y)
        assert symbol is not None
        symbol.cell, symbol.version = y._cell, y._cell[0]
        self.owners[id(symbol)] = y

    def wrap(self, value: Value) -> Tensor:
        """A tensor that stands for a value."""
        return Tensor._wrap(Symbol(self, value))  # type: ignore[arg-type]

    def entry(self, t: Tensor) -> Value:
        """The graph's input that an argument, or a tensor of the surroundings, came in as."""
        return self.entered[id(t)] if id(t) in self.entered else self.inputs[id(t)]

    def emit(self, op: Op, inputs: tuple[Value, ...], attrs: dict[str, Any], aval: Aval) -> Value:
        """Append a value."""
        self.refuse_complex(aval)
        value = Value(op, inputs, attrs, aval, self.line())
        self.values.append(value)
        return value

    def known(self, t: Tensor) -> Tensor | None:
        """The tensor of the surroundings that `t` is, or whose memory it shares."""
        return t if id(t) in self.before else self.memory.get(id(t._data))

    def value_of(self, t: Tensor) -> Value:
        """The value that a tensor stands for."""
        symbol = symbol_of(t)
        if symbol is not None:
            if symbol.tracer is not self:
                raise TraceError("compile: a tensor of another trace is used here; return it from that function instead")
            if symbol.cell is t._cell and symbol.cell[0] != symbol.version:
                if t._view and has_base(t):
                    catch_up(t)
                    return self.value_of(t)
                raise TraceError(
                    f"compile: {symbol.value.aval} shares memory with a tensor that was written in place since"
                    f"{self.where()}; take the view after the write, or clone() it before"
                )
            return symbol.value
        known = self.known(t)
        t = t if known is None else known
        found = self.inputs.get(id(t))
        if found is None:
            if id(t) in self.before:
                name = self.names.get(id(t), f"#{len(self.inputs)}")
                source = Source("tensor", tensor=t, name=name)
            else:
                source = Source("constant", value=np.array(t._data))
                self.kept.append(t)
            found = self.input(Aval(t._data.shape, t._data.dtype), source)
            self.inputs[id(t)] = found
        return found

    def refuse_complex(self, aval: Aval) -> None:
        """Raise TraceError for complex numbers and wide unsigned ones, which have no kernels."""
        if aval.dtype.kind == "c" or (aval.dtype.kind == "u" and aval.dtype.itemsize > 1):
            what = "complex" if aval.dtype.kind == "c" else aval.dtype.name
            raise TraceError(f"compile: {what} numbers are not compiled{self.where()}; run this part eagerly")

    def input(self, aval: Aval, source: Source) -> Value:
        """Append an input."""
        self.refuse_complex(aval)
        value = Value(None, (), {}, aval, "", source)
        self.values.append(value)
        return value

    # --- memory ---------------------------------------------------------------------------------------------------

    def store(self, target: Tensor, y: Tensor) -> None:
        """An in-place method: from now on, in this trace, `target` is the new value."""
        if target._view:
            raise TraceError(
                f"compile: an in-place write to a view{self.where()}; "
                "write to the whole tensor (x[i] = ..., not x[i].add_(...))"
            )
        value = self.value_of(y)
        if value.aval.dtype != target._data.dtype:
            value = self.emit(cast, (value,), {"dtype": target._data.dtype}, Aval(value.aval.shape, target._data.dtype))
        known = self.known(target)
        for handle in {id(h): h for h in (target, known, self.owners.get(id(target._data))) if h is not None}.values():
            if id(handle) in self.before and id(handle) not in self.original:
                self.original[id(handle)] = (handle, handle._data)
                self.cells.setdefault(id(handle._cell), (handle._cell, [*handle._cell]))
            symbol = Symbol(self, value)
            # The caller counts this write at the target.
            symbol.cell, symbol.version = handle._cell, handle._cell[0] + (handle._cell is target._cell)
            handle._data = symbol  # type: ignore[assignment]
            self.owners[id(symbol)] = handle
            if known is not None:
                self.memory[id(symbol)] = known
                self.kept.append(symbol)

    def add(self, a: Symbol, b: Any) -> Symbol:
        """a + b, for gradients that meet at a leaf."""
        left, right = Tensor._wrap(a), Tensor._wrap(b)  # type: ignore[arg-type]
        token = RECORDING.set(False)
        try:
            out: Any = self(add, (left, right), {})._data
        finally:
            RECORDING.reset(token)
        return out  # type: ignore[no-any-return]

    def number(
        self,
        read: Callable[[], Any],
        dtype: np.dtype,
        name: str,
        shape: tuple[int, ...] = (),
        steady: Callable[[], bool] | None = None,
    ) -> Tensor:
        """A Python number that is read anew at each call, as a 0-d tensor."""
        value = self.input(Aval(shape, dtype), Source("number", number=read, name=name, steady=steady))
        return Tensor._wrap(Symbol(self, value))  # type: ignore[arg-type]

    def adopt(self, tensor: Tensor) -> None:
        """A tensor made inside that lives on: treated as if it had been there before."""
        self.before[id(tensor)] = tensor
        self.memory[id(tensor._data)] = tensor

    def unknown(self) -> None:
        """Values are not looked at: the general case is traced."""

    # --- where we are ---------------------------------------------------------------------------------------------

    def line(self) -> str:
        """The Line of the user's code that is running: the innermost frame outside this package and NumPy."""
        frame = outside(sys._getframe(1))
        return Line.of(frame) if frame is not None else ""

    def where(self) -> str:
        """For an error text: the user's line."""
        return f" (at {self.line()})"


def trace(
    fn: Callable[..., Any],
    arguments: Sequence[Any],
    names: dict[int, str] | None = None,
    look_back: Callable[[Tracer, Sequence[Tensor], Sequence[Tensor]], None] | None = None,
) -> tuple[Graph, Any]:
    """Run `fn(*arguments)` on Symbols.  Returns the Graph, and the result's structure with Values for its Tensors.

    `look_back(tracer, results, arguments)` is called while tracing, where no gradient was taken inside (engine/history.py).

    Tensors among the arguments (and in lists, tuples and dicts there) become inputs in the order in which they are met.
    The tensors that the function changes come out unchanged: the changes are the graph's writes.
    Raises TraceError, naming the line, where the program asks for values, and whatever the ops' shape rules raise.
    """
    tracer = Tracer()
    tracer.names, tracer.born = names or {}, next(_SEQ)
    counter = iter(range(1 << 30))

    def enter(x: Any) -> Any:
        if isinstance(x, Tensor) and x._strided:  # a sparse one's values are surroundings, its indices constants
            at = next(counter)
            aval = Aval(x._data.shape, x._data.dtype)
            made = Tensor._wrap(Symbol(tracer, tracer.input(aval, Source("argument", index=at, name=str(at)))))  # type: ignore[arg-type]
            tracer.own(made)
            if look_back is not None and x._node is not None:
                made._node = argument_node(x, made)
            tracer.arguments.append(made)
            return made
        return map_structure(enter, x)

    staged = [enter(a) for a in arguments]
    entered = [tracer.value_of(t) for t in tracer.arguments]
    tracer.entered = {id(t): v for t, v in zip(tracer.arguments, entered, strict=True)}
    grads = {id(t): (t, t._grad, t._node) for t in tracer.before.values()}
    token, stage = INTERPRETER.set(tracer), STAGE.set(tracer)
    try:
        result = fn(*staged)
        outputs: list[Value] = []
        results: list[Tensor] = []

        def take(x: Any) -> Any:
            if isinstance(x, Tensor):
                if not x._strided:
                    raise TraceError("compile: a sparse tensor cannot be a result; return its values, or call .to_dense()")
                outputs.append(tracer.value_of(x))
                results.append(x)
                return outputs[-1]
            return map_structure(take, x)

        structure = take(result)
        made = [t._grad for t, grad, _ in grads.values() if t._grad is not grad and t._grad is not None]
        writes = [
            Write(t, tracer.value_of(t), tracer.names.get(id(t), "tensor")) for t, _ in tracer.original.values()
        ]
        for n, (t, old) in enumerate(zip(tracer.arguments, entered, strict=True)):
            if tracer.value_of(t) is not old:
                writes.append(Write(None, tracer.value_of(t), f"argument {n}", n))
        refuse_lost([tracer.value_of(g) for g in made], [*outputs, *(w.value for w in writes)])
        trains = any(isinstance(t._node, Leaf) for t, _ in tracer.original.values())
        if look_back is not None and not made and not trains and len(writes) == len(tracer.original):
            look_back(tracer, results, tracer.arguments)
    finally:
        INTERPRETER.reset(token)
        STAGE.reset(stage)
        for t, data in tracer.original.values():
            t._data = data
        for cell, count in tracer.cells.values():
            cell[:] = count
        for t, grad, node in grads.values():
            t._grad, t._node = grad, node
    return Graph(tracer.values, outputs, writes).verify(), structure


def refuse_lost(gradients: Sequence[Value], roots: Sequence[Value]) -> None:
    """Raise TraceError if gradients were computed for `.grad` and nothing that comes out depends on any of them."""
    needed = below(roots)
    if gradients and not any(g in needed for g in gradients):
        raise TraceError(
            "compile: backward() fills .grad, which a compiled function does not keep, and nothing here uses it; "
            "call optimizer.step() inside the function, or return the gradients (cutaway.autograd.grad gives them)"
        )


def argument_node(given: Tensor, handle: Tensor) -> Node:
    """The node of an argument inside the trace, where gradients towards it end."""
    return Leaf(handle) if isinstance(given._node, Leaf) else Entry(given)


class Entry(Node):
    """An argument with a history outside of the trace: a gradient towards it ends here, and none may go on from here."""

    __slots__ = ()

    def __init__(self, given: Tensor) -> None:
        meta = (given._data.shape, given._data.dtype)
        super().__init__(COPY, {}, (given._node,), (meta,), meta, {}, None)

    def gradients(self, g: Any, wanted: Wanted, create_graph: bool) -> Iterator[tuple[Node, Any, bool]]:
        """None.  Raises TraceError where a leaf outside would get one: the program would not carry it there."""
        if wanted is None or any(p in wanted for p in self.parents):
            raise TraceError(beyond(self))
        return iter(())

    def close(self) -> None:
        """From here on gradients towards it are all that is asked for: what lies behind is done outside."""
        self.parents = ()


def symbol_of(t: Tensor) -> Symbol | None:
    """What stands in a tensor's place while it is traced; None for one that has an array."""
    data: Any = t._data
    return data if isinstance(data, Symbol) else None


def map_structure(f: Callable[[Any], Any], x: Any) -> Any:
    """`f` of what lists, tuples and dicts hold; anything else as it is."""
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(f(i) for i in x))
    if isinstance(x, (list, tuple)):
        return type(x)(f(i) for i in x)
    if isinstance(x, dict):
        return {k: f(v) for k, v in x.items()}
    return x
