"""Reverse-mode differentiation: the graph of Nodes, and the walk that applies each op's gradient rule.

A Node is younger than its inputs (`seq` counts up), so the walk visits nodes from the youngest to the oldest and needs
no recursion. Broadcasting is undone here, once, and not in the rules.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from functools import wraps
from heapq import heappop, heappush
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from cutaway.core.aval import Aval
from cutaway.core.diary import SEQ as _SEQ
from cutaway.core.diary import note, ours
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    GradError,
    NotForSparse,
    NotWritten,
    ShapeError,
    TraceError,
)
from cutaway.core.grad_names import AGAIN, SQUARED, Name, tell
from cutaway.core.handle import RemovableHandle
from cutaway.core.op import ATTRIBUTE, AVAL, INPUT, INTERPRETER, OTHER, RESULT, SCOPE, STAGE, Op
from cutaway.core.package import package
from cutaway.core.quiet import QUIET
from cutaway.core.refusal import describe, guarded

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

# --- recording on and off ---------------------------------------------------------------------------------------------

RECORDING: ContextVar[bool] = ContextVar("recording", default=True)
# How many sparse gradients there have been: optimisers ask whether there may be one among theirs.
SPARSE_GRADIENTS = [0]
# An observer of walks, called with (node, the gradient that arrived, parent, the gradient towards it); None almost always.
WATCH: ContextVar[Callable[[Any, Any, Any, Any], None] | None] = ContextVar("watch", default=None)
# An observer of writes in place, called before each with (the tensor, what is written to it or None); None almost always.
WRITE: ContextVar[Callable[[Any, Any], None] | None] = ContextVar("write", default=None)
# The hooks (pack, unpack) of what is saved for backward (core/saved.py); None almost always.
PACK: ContextVar[tuple[Callable[[Any], Any], Callable[[Any], Any]] | None] = ContextVar("pack", default=None)
# What a hook may ask of the walk that calls it: its roots, and the nodes it needs (None: all).
WALK: ContextVar[tuple[Sequence[tuple[Any, Any]], Any]] = ContextVar("walk")


def is_grad_enabled() -> bool:
    """True if operations record a graph at present."""
    return RECORDING.get()


class set_grad_enabled:
    """Record the graph or not: at once, or inside a `with` block, or as a decorator."""

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, (bool, np.bool_)):
            raise ArgumentTypeError(f"set_grad_enabled: mode must be True or False, got {mode!r}")
        self.mode = bool(mode)
        self._before = [RECORDING.get()]
        RECORDING.set(self.mode)

    def __enter__(self) -> None:
        RECORDING.set(self.mode)
        if not self.mode:
            note("no_grad")

    def __exit__(self, *error: object) -> None:
        RECORDING.set(self._before[-1])

    def __repr__(self) -> str:
        return f"{package()}.autograd.grad_mode.set_grad_enabled(mode={self.mode})"

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, run in this mode; the mode outside stays as it was."""
        RECORDING.set(self._before[-1])
        return _decorate(fn, self.mode)


class _Mode:
    """A grad mode as context manager and decorator; one object may be entered again and again."""

    mode = False

    def __init__(self, fn: Any = None) -> None:
        self._before: list[bool] = []

    def __new__(cls, fn: Any = None) -> Any:
        return _decorate(fn, cls.mode) if callable(fn) else super().__new__(cls)

    def __enter__(self) -> None:
        self._before.append(RECORDING.get())
        RECORDING.set(self.mode)
        if not self.mode:
            note("no_grad")

    def __exit__(self, *error: object) -> None:
        RECORDING.set(self._before.pop())

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, run in this mode."""
        return _decorate(fn, self.mode)


class no_grad(_Mode):
    """Nothing is recorded inside: `with no_grad():`, `@no_grad()` or `@no_grad`."""


class enable_grad(_Mode):
    """Record inside, even within `no_grad`."""

    mode = True


class inference_mode(_Mode):
    """As `no_grad`, and tensors made inside are not written to, nor saved for backward, outside (core/inference.py).

    `inference_mode(False)` records.  `is_inference_mode_enabled()` tells of the mode.
    """

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self._inferring: list[bool] = []

    def __new__(cls, mode: Any = True) -> Any:
        """The mode, or the function `mode` decorated with it."""
        if callable(mode):
            return _decorate(mode, False, INFERENCE)
        made = object.__new__(cls)
        made.mode = not mode
        return made

    def __enter__(self) -> None:
        super().__enter__()
        self._inferring.append(INFERENCE.get())
        INFERENCE.set(not self.mode)
        _inference.begin()

    def __exit__(self, *error: object) -> None:
        _inference.end()
        INFERENCE.set(self._inferring.pop())
        super().__exit__(*error)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, run in this mode."""
        return _decorate(fn, self.mode, INFERENCE)


INFERENCE: ContextVar[bool] = ContextVar("inference", default=False)


def is_inference_mode_enabled() -> bool:
    """True inside `inference_mode()`."""
    return INFERENCE.get()


def _decorate(fn: Callable[..., Any], mode: bool, inference: ContextVar[bool] | None = None) -> Callable[..., Any]:
    if getattr(getattr(fn, "__code__", None), "co_flags", 0) & CO_GENERATOR:
        return _decorate_generator(fn, mode)

    told = not mode and not ours(getattr(getattr(fn, "__code__", None), "co_filename", ""))

    @wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        token = RECORDING.set(mode)
        if told:
            note("no_grad", detail=getattr(fn, "__name__", ""))
        inferring = None
        if inference is not None:
            inferring = inference.set(not mode)
            _inference.begin()
        try:
            return fn(*args, **kwargs)
        finally:
            RECORDING.reset(token)
            if inferring is not None:
                _inference.end()
                INFERENCE.reset(inferring)

    return call


CO_GENERATOR = 0x20  # inspect.CO_GENERATOR, without importing inspect


def _decorate_generator(fn: Callable[..., Any], mode: bool) -> Callable[..., Any]:
    """Each step of the generator runs in the mode; between steps the caller's own mode holds."""

    @wraps(fn)
    def steps(*args: Any, **kwargs: Any) -> Any:
        inner = fn(*args, **kwargs)
        resume, sent = inner.send, None
        while True:
            token = RECORDING.set(mode)
            try:
                value = resume(sent)
            except StopIteration as end:
                return end.value
            finally:
                RECORDING.reset(token)
            try:
                resume, sent = inner.send, (yield value)
            except GeneratorExit:
                token = RECORDING.set(mode)
                try:
                    inner.close()
                finally:
                    RECORDING.reset(token)
                raise
            except BaseException as error:
                resume, sent = inner.throw, error

    return steps


# --- nodes ------------------------------------------------------------------------------------------------------------

Wanted: TypeAlias = "set[Node] | None"  # the nodes that a walk needs; None for all
Saved = tuple[np.ndarray, list[int], int]  # the array, its version cell, the version when it was saved


class Node:
    """One recorded operation: where its gradient goes, and the forward values that its rules read.

    op, attrs         what was done
    parents           the Node of each input, None where no gradient is wanted
    metas             (shape, dtype) of each input;  meta: of the result
    saved             the input values that rules name;  saved_y: the result's
    spoken, given     the name that PyTorch has for it and the nodes of what the function was called with, where that has
                      told so, as it is more than one op (grad_names.py)
    """

    __slots__ = (
        "__weakref__", "attrs", "freed", "given", "hooks", "meta", "metas", "op", "parents", "retain", "saved", "saved_y",
        "seq", "spoken",
    )  # fmt: skip

    whole = False  # True of one that stands for all of the function's ops

    def __init__(
        self,
        op: Op,
        attrs: dict[str, Any],
        parents: tuple[Node | None, ...],
        metas: tuple[tuple[tuple[int, ...], np.dtype], ...],
        meta: tuple[tuple[int, ...], np.dtype],
        saved: dict[int, Saved],
        saved_y: Saved | None,
    ) -> None:
        self.seq = next(_SEQ)
        self.op, self.attrs, self.parents, self.metas, self.meta = op, attrs, parents, metas, meta
        self.saved, self.saved_y = saved, saved_y
        self.freed = False
        self.hooks: dict[int, Callable[[Any], Any]] | None = None
        self.retain: weakref.ref[Tensor] | None = None

    @property
    def name(self) -> Name:
        """The op's name; called, PyTorch's name of its gradient."""
        return Name(self.op.name, getattr(self, "spoken", ""))

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes that gradients go to next, as PyTorch gives them: (node, which of its results) an input."""
        return tuple(
            (None, 0) if p is None else (_nodes.named(p), p.number if isinstance(p, OutputNode) else 0)
            for p in _nodes.inputs(self)
        )

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dict for the user's own notes about the node."""
        return _nodes.METADATA.setdefault(self, {})

    def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call `fn(grad_inputs, grad_outputs)` once the gradients are computed; a tuple it returns replaces grad_inputs."""
        return _nodes.register_hook(self, fn)

    def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call `fn(grad_outputs)` before the gradients are computed; a tuple it returns replaces them."""
        return _nodes.register_prehook(self, fn)

    def __repr__(self) -> str:
        if package() != "torch":
            return f"<{self.name} node>"
        word = self.name().rpartition("::")[2]
        where = "torch.autograd.function." if word.endswith("Backward") else ""  # a Function of the user's
        return f"<{where}{word} object at {id(self):#x}>"

    def free(self) -> None:
        """Let go of the saved values."""
        if self.saved or self.saved_y is not None:
            self.saved, self.saved_y, self.freed = {}, None, True

    def gradients(self, g: Any, wanted: Wanted, create_graph: bool) -> Iterator[tuple[Node, Any, bool]]:
        """(parent, gradient, fresh) for each parent that wants one; fresh: the gradient's memory belongs to no one else."""
        arriving = g._data
        arrays = not create_graph and type(arriving) is np.ndarray and arriving.itemsize > 2 and INTERPRETER.get() is None
        op = self.op
        spoken = getattr(self, "spoken", "") if create_graph else ""
        if spoken in SQUARED and op.name == "mul" and self.parents[0] is self.parents[1]:
            parent = self.parents[0]
            if parent is not None and (wanted is None or parent in wanted):
                yield parent, tell(g * (2 * self._read(INPUT, 1, 0, True)).conj(), "Mul", (), {}), True
            return
        for i, parent in enumerate(self.parents):
            if parent is not None and (wanted is None or parent in wanted):
                rule = op.rule(i) if op.variadic else op.rules[i]
                assert rule is not None
                data = self._on_arrays(rule, arriving, i) if arrays else None
                if data is None:
                    gi = rule.fn(g, *[self._read(kind, key, i, create_graph) for kind, key in rule.plan])
                    data = gi._data
                    if create_graph and gi is not g:
                        tell(gi, AGAIN.get(spoken or op.name) or ("Mul" if i and op.name == "div" else ""), (), {})
                else:
                    gi = _Tensor._wrap(data)
                shape, dtype = self.metas[i]
                fresh = data is not arriving and data.base is None
                if data.shape != shape:
                    gi, fresh = _sum_to(gi, shape), True
                    data = gi._data
                if data.dtype != dtype:
                    gi = _ops.elementwise.cast(gi, dtype=dtype)  # of a complex number towards a real input: the real part
                yield parent, gi, fresh

    def _on_arrays(self, rule: Any, g: np.ndarray, i: int) -> np.ndarray | None:
        """The rule on arrays; None if it has no such reading, or fails: the rule on Tensors can say better why."""
        on_arrays = rule.on_arrays
        if on_arrays is None:
            return None
        read: list[Any] = []
        for kind, key in rule.plan:
            if kind == AVAL:
                read.append(Aval(*self.metas[key]))
            elif kind == ATTRIBUTE:
                read.append(self.attrs[key])
            elif kind == OTHER:
                value = self._read(kind, key, i, False)
                read.append(tuple([t._data for t in value]) if key == "indices" else value)
            else:
                saved = self.saved_y if kind == RESULT else self.saved.get(key)
                if self.freed or saved is None or saved[1][0] != saved[2]:
                    return None
                read.append(saved[0])
        try:
            data = QUIET.context.run(on_arrays, g, *read)
        except Exception:
            return None
        return data if type(data) is np.ndarray else np.asarray(data)

    def _read(self, kind: int, key: Any, i: int, create_graph: bool) -> Any:
        """What a rule's parameter stands for (the table in op.py)."""
        if kind == INPUT:
            if self.freed:
                raise self._freed_error()
            return self._unpack(self.saved[key], self.parents[key] if create_graph else None, key)
        if kind == ATTRIBUTE:
            return self.attrs[key]
        if kind == AVAL:
            return Aval(*self.metas[key])
        if kind == RESULT:
            if self.freed or self.saved_y is None:
                raise self._freed_error()
            return self._unpack(self.saved_y, self if create_graph else None, "y")
        if key == "i":
            return i
        if key == "avals":
            return [Aval(*m) for m in self.metas]
        return tuple(self._read(INPUT, k, i, create_graph) for k, (_, d) in enumerate(self.metas) if d.kind in "bui")

    def _unpack(self, saved: Saved, node: Node | None, which: int | str) -> Any:
        array, cell, version = saved
        if cell[0] != version:
            if type(version) is not int:
                raise GradError(
                    f"backward of {self.name}: Inference tensors cannot be saved for backward; make a clone() of it outside "
                    "inference_mode() first, or use no_grad() instead"
                )
            which = {"y": "its result", "kept": "a saved tensor"}.get(str(which), f"input {which}")
            raise GradError(
                f"backward of {self.name}: {which}, {array.dtype.name}{list(array.shape)}, was overwritten by an in-place "
                f"operation after it was saved (version {cell[0]}, expected {version}); write x = x + 1 for x += 1, "
                "or clone() before the in-place operation"
            )
        out = _Tensor._wrap(array)
        out._cell, out._epoch = cell, cell[1]
        if node is not None:
            out._node = node
        return out

    def _before_overwritten(self, saved: Saved) -> Saved:
        """A copy, but of a symbol, which stands for one value for ever."""
        array = saved[0]
        return (array.copy() if type(array) is np.ndarray else array), [0, 0], 0

    def _freed_error(self) -> GradError:
        note("freed", self, through=True)
        return GradError(
            f"backward of {self.name}: the graph was already used and its saved values were freed; "
            "call backward(retain_graph=True) the first time to go through it again, "
            "or compute the loss anew"
        )


def keep_overwritten(node: Node, cell: list[int]) -> None:
    """Before an in-place method writes its result over its input: give the node a copy of that input, if it saved it."""
    for k, saved in node.saved.items():
        if saved[1] is cell:
            node.saved[k] = node._before_overwritten(saved)


class Leaf(Node):
    """Where gradients end: the `.grad` of a tensor that the user made.  after: hooks that run once `.grad` is there.

    hooked: those that have had hooks of any kind.
    """

    __slots__ = ("after", "tensor")

    hooked: ClassVar[weakref.WeakSet[Leaf]] = weakref.WeakSet()

    def __init__(self, tensor: Tensor) -> None:
        self.seq = -1  # older than any operation
        self.tensor = weakref.ref(tensor)
        self.parents = ()
        self.meta = (tensor._data.shape, tensor._data.dtype)
        self.hooks, self.retain, self.freed = None, None, False
        self.after: dict[int, Callable[[Any], Any]] | None = None

    @property
    def name(self) -> Name:
        """PyTorch's name."""
        return Name("AccumulateGrad")

    @property
    def variable(self) -> Tensor | None:
        """The tensor, as long as someone holds it."""
        return self.tensor()

    def free(self) -> None:
        """Nothing is saved here."""

    def accumulate(self, g: Any, fresh: bool, create_graph: bool) -> None:
        """Add to `.grad`."""
        t = self.tensor()
        if t is None or t._node is None:  # gone, or no longer asking for a gradient
            return
        try:
            if t._grad is not None:
                if create_graph:
                    t._grad = t._grad + g
                elif STAGE.get() is not None:
                    with no_grad():
                        t._grad._assign(t._grad + g, "backward")
                else:
                    # In place, as in PyTorch: whoever holds .grad sees the sum.
                    t._grad._data += g._data
                    t._grad._cell[0] += 1
            elif create_graph:
                t._grad = g
            else:
                staged = type(g._data) is not np.ndarray
                data = g._data if staged or (fresh and g._data.flags.c_contiguous) else np.array(g._data, order="C")
                t._grad = _Tensor._wrap(data)
        except NotForSparse:
            SPARSE_GRADIENTS[0] += 1
            t._grad = g if t._grad is None else _sparse_sum(t._grad, g)
        for hook in list((self.after or {}).values()):
            if not isinstance(hook(t), (_Tensor, type(None))):
                raise ArgumentTypeError("register_post_accumulate_grad_hook: a hook must return None; it may write p.grad")


Leaf.__name__ = Leaf.__qualname__ = "AccumulateGrad"  # PyTorch's, which programs that draw a graph print


def _sparse_sum(a: Any, b: Any) -> Any:
    """The sum of two gradients of which one is sparse, or both: a dense tensor takes a sparse one, and not the reverse."""
    return b + a if b._strided else a + b


def _sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum over the dimensions that were added or stretched."""
    extra = g.ndim - len(shape)
    if extra < 0:
        raise ShapeError(
            f"backward: a gradient rule returned shape {list(g.shape)} for an input of shape {list(shape)}"
        )
    stretched = tuple(range(extra)) + tuple(
        extra + d for d, n in enumerate(shape) if n == 1 and g._data.shape[extra + d] != 1
    )
    if stretched:
        whole = len(stretched) == extra  # nothing but new dimensions in front
        g = _ops.reduce.sum(g, dim=stretched, keepdim=not whole)
        extra = 0 if whole else extra
    if extra:
        g = _ops.movement.reshape(g, shape=g._data.shape[extra:])
    if g._data.shape != shape:
        raise ShapeError(
            f"backward: a gradient rule returned shape {list(g.shape)} for an input of shape {list(shape)}"
        )
    return g


# --- the walk ---------------------------------------------------------------------------------------------------------


def _reachable(roots: Iterable[Node]) -> list[Node]:
    """All nodes below the roots, youngest first."""
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(p for p in node.parents if p is not None and p not in seen)
    return sorted(seen, key=attrgetter("seq"), reverse=True)


def walk(
    roots: Sequence[tuple[Node, Any]],
    targets: Sequence[Node] | None,
    retain_graph: bool,
    create_graph: bool,
) -> list[Any]:
    """Carry gradients from the roots down. With `targets`, return theirs; without, add them up at the leaves.

    Nodes wait in a heap by age. The youngest is next: all that feeds on it is younger still, so its gradient is complete.
    """
    wanted: Wanted = None
    if targets is not None:
        wanted = set(targets)
        for node in reversed(_reachable(node for node, _ in roots)):  # oldest first: needed if one of its parents is
            if any(p in wanted for p in node.parents if p is not None):
                wanted.add(node)
    arriving: dict[Node, tuple[Any, bool]] = {}
    waiting: list[tuple[int, Node]] = []
    leaves: list[Leaf] = []

    def arrive(node: Node, g: Any, fresh: bool) -> None:
        before = arriving.get(node)
        if before is None:
            arriving[node] = (g, fresh)
            if node.seq < 0:
                leaves.append(node)  # type: ignore[arg-type]  # Leaf.seq is -1
            else:
                heappush(waiting, (-node.seq, node))
        elif isinstance(g, Packed):
            arriving[node] = (before[0].merge(g), False)
        else:
            try:
                if before[1] and not create_graph and type(before[0]._data) is type(g._data) is np.ndarray:  # our own memory
                    np.add(before[0]._data, g._data, out=before[0]._data)
                else:
                    arriving[node] = (before[0] + g, not create_graph)
            except NotForSparse:
                arriving[node] = (_sparse_sum(before[0], g), False)

    def receive(node: Node) -> tuple[Any, bool]:
        """What has arrived, after hooks."""
        g, fresh = arriving.pop(node)
        seen = node.hooks or node.retain is not None or (targets is not None and node in targets)
        if seen and isinstance(g, _Tensor):
            g = g.contiguous()  # rules give crops and stretched numbers, of which view() could not be asked
        if node.hooks:
            g, fresh = _run_hooks(node, g, roots, wanted), False
        if node.retain is not None and (kept := node.retain()) is not None:
            kept._grad, fresh = (g if kept._grad is None else kept._grad + g), False
        if targets is not None and node in targets:
            found[node] = g
            fresh = False
        return g, fresh

    found: dict[Node, Any] = {}
    plain = targets is None
    # Where a leaf has hooks, they run as soon as its gradient is complete; where none has, all leaves are done in the end.
    uses = _nodes.Uses(roots, wanted) if Leaf.hooked.data else None  # type: ignore[attr-defined]
    stage, watch = STAGE.get(), WATCH.get()
    born = 0 if stage is None else stage.born
    unseen = INTERPRETER.set(None) if watch is not None and not create_graph else None  # gradients are told of as wholes
    token = RECORDING.set(create_graph)
    try:
        for node, g in roots:
            if wanted is None or node in wanted:
                arrive(node, g, False)
        while waiting:
            node = heappop(waiting)[1]
            if node.seq < born:
                raise TraceError(beyond(node))
            g = arriving.pop(node)[0] if plain and node.hooks is None and node.retain is None else receive(node)[0]
            for parent, gi, fresh in node.gradients(g, wanted, create_graph):
                if watch is not None:
                    watch(node, g, parent, getattr(gi, "_what", gi))  # of a sparse gradient, the values
                    fresh = False  # the observer holds it
                arrive(parent, gi, fresh)
            if not retain_graph:
                node.free()
            if uses is not None:
                for leaf in uses.last(node):
                    if leaf in arriving:
                        g, fresh = receive(leaf)
                        if targets is None:
                            leaf.accumulate(g, fresh, create_graph)
        for leaf in leaves if uses is None else [k for k in dict.fromkeys([*uses.held, *leaves]) if k in arriving]:
            g, fresh = receive(leaf)
            if targets is None:
                leaf.accumulate(g, fresh, create_graph)
    finally:
        RECORDING.reset(token)
        if unseen is not None:
            INTERPRETER.reset(unseen)
    return [found.get(t) for t in targets or ()]


def beyond(node: Node) -> str:
    """Why a gradient may not reach this node while a function is traced."""
    shape, dtype = node.meta
    return (
        f"compile: backward() comes to {Aval(shape, dtype)}, which was computed before the function was called: a program "
        "does not carry gradients there; compute it inside, detach() it, or call backward() outside"
    )


def _run_hooks(node: Node, g: Any, roots: Sequence[tuple[Node, Any]], wanted: Wanted) -> Any:
    token = WALK.set((roots, wanted))
    try:
        for hook in list((node.hooks or {}).values()):
            out = hook(g)
            if out is not None:
                if not isinstance(out, _Tensor):
                    raise ArgumentTypeError(f"hook on {node.name}: must return a Tensor or None, got {type(out).__name__}")
                if out.shape != g.shape:
                    raise ShapeError(
                        f"hook on {node.name}: returned shape {list(out.shape)} for a gradient of {list(g.shape)}"
                    )
                g = out
    finally:
        WALK.reset(token)
    return g


# --- what the user calls ----------------------------------------------------------------------------------------------


def _as_list(x: Any, what: str, op: str) -> list[Any]:
    items = [x] if isinstance(x, _Tensor) else _nodes.tensors(x) if isinstance(x, Iterable) else None
    if items is None or not all(isinstance(t, _Tensor) for t in items):
        raise ArgumentTypeError(f"{op}: {what} must be a Tensor or a sequence of Tensors, got {type(x).__name__}")
    return items


def _root_gradients(outputs: list[Any], grads: Any, op: str) -> list[tuple[Node, Any]]:
    if not isinstance(grads, (_Tensor, list, tuple, type(None))):
        raise ArgumentTypeError(f"{op}: the gradient must be a Tensor, one for each output, got {describe(grads)}")
    given = [None] * len(outputs) if grads is None else [grads] if isinstance(grads, _Tensor) else list(grads)
    if len(given) != len(outputs):
        raise ArgumentTypeError(f"{op}: {len(outputs)} outputs but {len(given)} gradients for them")
    roots = []
    for t, g in zip(outputs, given, strict=True):
        _refresh(op, t)
        if t._node is None:
            raise GradError(
                f"{op}: the tensor {t.dtype}{list(t.shape)} does not require grad and has no grad_fn; "
                "set requires_grad=True on what it is computed from, and check for no_grad() or detach() on the way"
            )
        if g is None:
            if t._data.dtype.kind == "c":
                raise GradError(
                    f"{op}: grad can be implicitly created only for real scalar outputs but got {t.dtype}, "
                    f"shape {list(t.shape)}; make the loss real with .abs() or .real, or pass gradient="
                )
            if t._data.size != 1:
                raise GradError(
                    f"{op}: grad can be implicitly created only for scalar outputs, got shape {list(t.shape)}; "
                    "reduce the loss with .mean() or .sum(), or pass gradient="
                )
            g = _Tensor._wrap(np.ones(t._data.shape, t._data.dtype))
        elif not isinstance(g, _Tensor):
            raise ArgumentTypeError(f"{op}: a gradient must be a Tensor or None, got {type(g).__name__}")
        elif g.shape != t.shape:
            raise ShapeError(f"{op}: the gradient's shape {list(g.shape)} differs from the output's {list(t.shape)}")
        elif g._data.dtype != t._data.dtype:
            g = g.to(t.dtype)
        roots.append((t._node, g))
    return roots


@guarded
def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradient of `tensors` to the `.grad` of every leaf they depend on (or only of `inputs`).

    Raises GradError for a tensor without history, a non-scalar without `grad_tensors`, and a graph that was freed.
    """
    outputs = _as_list(tensors, "tensors", "backward")
    roots = _root_gradients(outputs, grad_tensors, "backward")
    keep = create_graph if retain_graph is None else retain_graph
    note("backward", *[node for node, _ in roots], detail=inputs is None, through=True)
    if inputs is None:
        walk(roots, None, keep, create_graph)
        return
    wanted = _as_list(inputs, "inputs", "backward")
    if not wanted:
        raise ArgumentError("backward: inputs is empty, so nothing would be computed; leave it out, or name the leaves")
    for t, g in zip(wanted, _grads_of(wanted, roots, keep, create_graph, "backward"), strict=True):
        if g is not None:
            t._grad = g if t._grad is None else t._grad + g


@guarded
def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` with respect to `inputs`, as a tuple; `.grad` stays as it is.

    With `create_graph` the gradients can be differentiated again.  With `is_grads_batched` the grad_outputs have a dimension
    more in front, and so have the gradients: one walk for each index.  `only_inputs` is accepted and is always True.
    Raises GradError for an input that was not used (unless `allow_unused`) or that needs no gradient.
    """
    if is_grads_batched:
        rest = (retain_graph, create_graph, only_inputs, allow_unused, False, materialize_grads)
        return _grads_of_batch(outputs, inputs, grad_outputs, *rest)
    outs, wanted = _as_list(outputs, "outputs", "grad"), _as_list(inputs, "inputs", "grad")
    roots = _root_gradients(outs, grad_outputs, "grad")
    keep = create_graph if retain_graph is None else retain_graph
    found = _grads_of(wanted, roots, keep, create_graph, "grad")
    for k, (t, g) in enumerate(zip(wanted, found, strict=True)):
        if not t._strided:
            found[k] = g = None if g is None else t._gradient(g)
        if g is None and materialize_grads:
            found[k] = _Tensor._wrap(np.zeros(t._data.shape, t._data.dtype))
        elif g is None and not allow_unused:
            raise GradError(
                f"grad: input {k}, {t.dtype}{list(t.shape)}, appears not to have been used in the graph; "
                "pass allow_unused=True if that is intended"
            )
    return tuple(found)


def _grads_of(wanted: list[Any], roots: Any, keep: bool, create_graph: bool, op: str) -> list[Any]:
    for k, t in enumerate(wanted):
        _refresh(op, t)
        if t._node is None:
            raise GradError(
                f"{op}: input {k}, {t.dtype}{list(t.shape)}, does not require grad; call requires_grad_() on it first"
            )
    return walk(roots, [t._node for t in wanted], keep, create_graph)


def _grads_of_batch(
    outputs: Any, inputs: Any, grad_outputs: Any, retain_graph: bool | None, *rest: Any
) -> tuple[Any, ...]:
    from cutaway.core.functions import stack

    batched = _as_list(grad_outputs, "grad_outputs", "grad") if grad_outputs is not None else []
    sizes = {len(g) if g.ndim else 0 for g in batched if g is not None}
    if len(sizes) != 1 or not min(sizes):
        raise ArgumentError(
            "grad: is_grads_batched=True needs grad_outputs with one dimension more than the outputs, of one size in all"
        )
    (n,) = sizes
    each = [
        grad(outputs, inputs, [None if g is None else g[i] for g in batched], True if i < n - 1 else retain_graph, *rest)
        for i in range(n)
    ]
    return tuple(None if column[0] is None else stack(column) for column in zip(*each, strict=True))


# --- a learner's own operation ----------------------------------------------------------------------------------------


class Packed:
    """Gradients on their way to the several outputs of one Function."""

    __slots__ = ("parts",)

    def __init__(self, parts: dict[int, Any]) -> None:
        self.parts = parts

    def merge(self, other: Packed) -> Packed:
        """Both together."""
        parts = dict(self.parts)
        for k, g in other.parts.items():
            parts[k] = parts[k] + g if k in parts else g
        return Packed(parts)


class Context:
    """`ctx` of a Function: what forward leaves for backward."""

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self._kept: tuple[Any, ...] = ()
        self._non_differentiable: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._materialize = True
        self._node: FunctionNode | None = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward; it is checked that no one overwrites them."""
        for x in tensors:
            if x is not None and not isinstance(x, _Tensor):
                raise ArgumentTypeError(
                    f"save_for_backward: only Tensors are kept here, got {type(x).__name__}; "
                    "write ctx.name = value for others"
                )
        self._kept = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Nothing: what a Function's jvp would read. Derivatives along a direction are made of its backward here."""

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """No gradient comes back to these outputs."""
        self._non_differentiable = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Inputs that forward wrote to and returns: they become the results themselves, as of an in-place method."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward sees zeros (True) or None for an output without a gradient."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept.  Raises GradError if it was freed or overwritten."""
        node = self._node
        if node is None:
            return self._kept
        if node.freed:
            raise node._freed_error()
        return tuple(None if s is None else node._unpack_kept(s) for s in node.kept)


class FunctionNode(Node):
    """The node of a user's Function."""

    __slots__ = ("ctx", "function", "kept", "out_metas")

    ctx: Context
    function: type[Function]
    kept: tuple[tuple[Any, int] | None, ...]  # saved tensors, each with the version it had
    out_metas: list[tuple[tuple[int, ...], np.dtype] | None]

    @property
    def name(self) -> Name:
        """The name of the user's class."""
        return Name(self.function.__name__)

    def free(self) -> None:
        """Let go of the saved tensors."""
        if self.kept:
            self.kept, self.freed = (), True

    def _unpack_kept(self, kept: Any) -> Any:
        tensor, version = kept
        if type(tensor) is _saved.Boxed:
            return _saved.open_kept(tensor, self)
        if tensor._cell[0] != version:
            self._unpack((tensor._data, tensor._cell, version), None, "kept")
        return tensor

    def gradients(self, g: Any, wanted: Wanted, create_graph: bool) -> Iterator[tuple[Node, Any, bool]]:
        """What the user's backward makes of the outputs' gradients, for each parent that wants one."""
        ctx = self.ctx
        arrived: list[Any] = []
        for k, meta in enumerate(self.out_metas):
            part = g.parts.get(k)
            if part is None and ctx._materialize and meta is not None:
                part = _Tensor._wrap(np.zeros(*meta))
            arrived.append(None if part is None else part.contiguous())
        run, observer = self.function.backward, SCOPE.get()
        out = run(ctx, *arrived) if observer is None else observer(run, (ctx, *arrived), {})
        results = out if isinstance(out, (tuple, list)) else (out,)
        if len(results) < len(self.parents) or any(r is not None for r in results[len(self.parents) :]):
            raise GradError(
                f"{self.name}.backward returned {len(results)} gradients, forward had {len(self.parents)} inputs; "
                "return one for each input, None for those that need none"
            )
        for i, (parent, gi) in enumerate(zip(self.parents, results, strict=False)):
            if parent is None or gi is None or not (wanted is None or parent in wanted):
                continue
            if not isinstance(gi, _Tensor):
                raise ArgumentTypeError(
                    f"{self.name}.backward: gradient {i} must be a Tensor or None, got {type(gi).__name__}"
                )
            shape, dtype = self.metas[i]
            if gi._data.shape != shape:
                try:
                    gi = _sum_to(gi, shape)
                except (ShapeError, IndexError):
                    raise ShapeError(
                        f"{self.name}.backward: gradient {i} has shape {list(gi.shape)}, but input {i} of forward has "
                        f"{list(shape)}; return a gradient of the input's shape"
                    ) from None
            yield parent, gi if gi._data.dtype == dtype else _ops.elementwise.cast(gi, dtype=dtype), False


class OutputNode(Node):
    """One of a Function's outputs: passes its gradient on, with its number."""

    __slots__ = ("number",)

    number: int

    def __getattr__(self, name: str) -> Any:
        """What forward left on its ctx, which PyTorch's node is itself."""
        if name in ("given", "number", "spoken"):
            raise AttributeError(name)  # not set
        return getattr(getattr(self.parents[0], "ctx", None), name)

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """Those of the Function."""
        assert self.parents[0] is not None
        return self.parents[0].next_functions

    def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Of the Function, with the gradients of all its outputs."""
        return _nodes.register_hook(self.parents[0], fn)  # type: ignore[arg-type]

    def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Of the Function, with the gradients of all its outputs."""
        return _nodes.register_prehook(self.parents[0], fn)  # type: ignore[arg-type]

    @property
    def name(self) -> Name:
        """PyTorch's name: that of the user's class, and Backward."""
        own = f"{self.parents[0].name}Backward" if self.parents[0] is not None else "Function"
        return Name(own, getattr(self, "spoken", ""))

    def gradients(self, g: Any, wanted: Wanted, create_graph: bool) -> Iterator[tuple[Node, Any, bool]]:
        """The gradient, packed with the output's number, for the FunctionNode."""
        parent = self.parents[0]
        assert parent is not None
        if wanted is None or parent in wanted:
            yield parent, Packed({self.number: g}), False


def output_node(parent: Node, number: int, y: Any) -> OutputNode:
    """The node of result `y` of an operation with several."""
    node = OutputNode.__new__(OutputNode)
    Node.__init__(node, _ops.elementwise.copy, {}, (parent,), (), (y._data.shape, y._data.dtype), {}, None)
    node.number = number
    return node


class Function:
    """An operation with a gradient of one's own: subclass, write `forward(ctx, ...)` and `backward(ctx, *grads)`.

    Or, as PyTorch has it since 2.0, `forward(...)` without ctx and `setup_context(ctx, inputs, output)` beside it.
    Call it with `MyFunction.apply(...)`. `forward` runs without recording; `backward` returns one gradient per input of
    forward, None for those that need none. Written in Tensor operations, backward can itself be differentiated.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises GradError: a Function is not called but applied."""
        name = type(self).__name__
        raise GradError(f"{name}: write {name}.apply(...), without making an object of the class")

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; keep on `ctx` what backward needs."""
        raise NotWritten("Function: write forward(ctx, ...) as a staticmethod in your subclass")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """In a subclass: keep on `ctx` what backward needs; then forward is without ctx, `forward(...)`."""
        raise NotWritten("Function: setup_context is called only if a subclass defines it")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return the gradient with respect to each input of forward."""
        raise NotWritten("Function: write backward(ctx, *grad_outputs) as a staticmethod in your subclass")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward, and record backward if an input needs a gradient."""
        ctx = Context()
        separate = cls.setup_context is not Function.setup_context
        if separate:  # its inputs are all of forward's, by PyTorch's rule
            args, kwargs = _with_defaults(cls.forward, args, kwargs), {}
        tensors = [a if isinstance(a, _Tensor) else None for a in args]
        for t in tensors:
            if t is not None and t._view:
                _refresh(cls.__name__, t)
        recording = RECORDING.get() and any(t is not None and t._node is not None for t in tensors)
        ctx.needs_input_grad = tuple(t is not None and t._node is not None for t in tensors)
        token = RECORDING.set(False)
        try:
            observer = SCOPE.get()
            given = args if separate else (ctx, *args)
            out = cls.forward(*given, **kwargs) if observer is None else observer(cls.forward, given, kwargs)
            if separate:
                cls.setup_context(ctx, args, out)
        finally:
            RECORDING.reset(token)
        outs = out if isinstance(out, tuple) else (out,)
        if not recording:
            return out
        node = FunctionNode.__new__(FunctionNode)
        metas = tuple(((), np.dtype(np.float32)) if t is None else (t._data.shape, t._data.dtype) for t in tensors)
        parents = tuple(None if t is None else t._node for t in tensors)
        Node.__init__(node, _ops.elementwise.copy, {}, parents, metas, ((), np.dtype(np.float32)), {}, None)
        node.function, node.ctx = cls, ctx
        node.kept = tuple(None if t is None else (t, t._cell[0]) for t in ctx._kept)
        node.out_metas = [(o._data.shape, o._data.dtype) if isinstance(o, _Tensor) else None for o in outs]
        ctx._node = node
        results = []
        for k, o in enumerate(outs):
            if (
                isinstance(o, _Tensor)
                and o._data.dtype.kind in INEXACT
                and not any(o is n for n in ctx._non_differentiable)
            ):
                if any(o is d for d in ctx._dirty):
                    made = _Tensor._wrap(o._data.copy())
                    made._node = output_node(node, k, made)
                    made = o._assign(made, cls.__name__)
                    node.kept = tuple((o, o._cell[0]) if s is not None and s[0] is o else s for s in node.kept)
                else:
                    made = _Tensor._wrap(o._data)
                    made._cell, made._epoch, made._view = o._cell, o._cell[1], o._view
                    made._node = output_node(node, k, made)
                # An output that is also saved must be the recorded one, or a second derivative would not see it.
                node.kept = tuple((made, s[1]) if s is not None and s[0] is o else s for s in node.kept)
                o = made
            results.append(o)
        if (hooks := PACK.get()) is not None and node.kept:
            node.kept = tuple(None if s is None else (_saved.box(s[0], *hooks, s[0]._node), 0) for s in node.kept)
            ctx._kept = ()
        return tuple(results) if isinstance(out, tuple) else results[0]


def _with_defaults(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """All of the arguments, by position."""
    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


# Last: Tensor and the ops are built upon this module.
from cutaway.core import inference as _inference
from cutaway.core import nodes as _nodes
from cutaway.core import ops as _ops
from cutaway.core import saved as _saved
from cutaway.core.dtypes import INEXACT
from cutaway.core.tensor import Tensor as _Tensor
from cutaway.core.views import refresh as _refresh
