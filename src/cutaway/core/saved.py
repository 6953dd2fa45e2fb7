"""Hooks around the values that nodes save for backward: packed when an operation is recorded, unpacked when a rule reads.

While hooks are set, an interpreter stands on the bottom one: it looks at the node that an operation left, hands what was
saved to `pack`, and makes the node a BoxedNode, which asks `unpack`. Without hooks nothing of this is on the way. Composites
run op by op meanwhile, so what is packed are the values that each op's gradient rules name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, NamedTuple

from cutaway.core.autograd import PACK, FunctionNode, Leaf, Node, no_grad
from cutaway.core.errors import ArgumentTypeError, GradError, TraceError
from cutaway.core.nodes import become
from cutaway.core.op import INTERPRETER, STAGE, Op
from cutaway.core.tensor import Tensor

Hook = Callable[[Any], Any]
REFUSED: ContextVar[str | None] = ContextVar("refused", default=None)  # why hooks may not be set, where they may not


class Boxed(NamedTuple):
    """A saved value as `pack` left it.  cell: of the memory it was taken from;  node: the history it comes back with."""

    value: Any
    cell: Any
    unpack: Hook
    node: Node | None = None

    def open(self) -> Tensor:
        """What `unpack` gives.  Raises ArgumentTypeError for what is no Tensor."""
        out = self.unpack(self.value)
        if not isinstance(out, Tensor):
            raise ArgumentTypeError(
                "saved_tensors_hooks: the output of unpack is expected to be a Tensor but got result of type "
                f"{type(out).__name__}; return what pack was given, or a copy of it"
            )
        return out


def box(t: Tensor, pack: Hook, unpack: Hook, node: Node | None = None) -> Boxed:
    """`t` packed.  Raises GradError if `pack` writes to it."""
    before = t._cell[0]
    with no_grad():
        value = pack(t)
    if t._cell[0] != before:
        raise GradError(
            "saved_tensors_hooks: a saved tensor pack hook is modifying its input in place, which others read; "
            "write to a clone()"
        )
    return Boxed(value, t._cell, unpack, node)


class BoxedNode(Node):
    """A node whose saved values went through hooks."""

    __slots__ = ()

    def _on_arrays(self, rule: Any, g: Any, i: int) -> Any:
        return None

    def _unpack(self, saved: Any, node: Node | None, which: int | str) -> Any:
        if not isinstance(saved, Boxed):
            return super()._unpack(saved, node, which)
        out = Tensor._wrap(saved.open()._data)
        out._node = node
        return out

    def _before_overwritten(self, saved: Any) -> Any:
        """A copy, which no hook is asked for again."""
        return (saved.open()._data.copy(), [0, 0], 0) if isinstance(saved, Boxed) else super()._before_overwritten(saved)


class _Boxing:
    """The interpreter: runs the op on the one below, and packs what its node saved."""

    def __init__(self, below: Callable[..., Tensor]) -> None:
        self.below = below

    def __call__(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
        y = self.below(op, inputs, attrs)
        if type(y._node) is Node and (hooks := PACK.get()) is not None:
            pack_all(y._node, inputs, hooks)
        return y


def pack_all(node: Node, inputs: tuple[Any, ...], hooks: tuple[Hook, Hook]) -> None:
    """Pack what a node has just saved of `inputs` and of its result."""
    if STAGE.get() is not None:
        raise TraceError(
            "saved_tensors_hooks: a compiled program saves no tensors one by one; set the hooks around eager code"
        )
    saved: dict[int, Any] = {}
    for k, (array, cell, version) in node.saved.items():
        t = inputs[k] if k < len(inputs) else None
        if not isinstance(t, Tensor) or t._data is not array:  # it was converted on the way
            t = node._unpack((array, cell, version), node.parents[k], k)
        saved[k] = box(t, *hooks)
    node.saved = saved
    if node.saved_y is not None:
        node.saved_y = box(node._unpack(node.saved_y, node, "y"), *hooks)  # type: ignore[assignment]
    node.__class__ = BoxedNode


class saved_tensors_hooks:
    """Inside, each value that backward will need is replaced by `pack_hook(tensor)`; `unpack_hook` of that gives it back.

    pack may return anything: a file's name, a smaller copy. unpack must give a Tensor of the same numbers. Of nested hooks
    the inner ones count. Composites are packed op by op: other values, and more of them, than PyTorch's kernels keep.

    Raises ArgumentTypeError for what cannot be called, GradError where `disable_saved_tensors_hooks` holds.
    """

    def __init__(self, pack_hook: Hook, unpack_hook: Hook) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook
        self._tokens: list[tuple[Token[Any], Token[Any]]] = []

    def __enter__(self) -> None:
        for name, hook in (("pack", self.pack_hook), ("unpack", self.unpack_hook)):
            if not callable(hook):
                raise ArgumentTypeError(f"saved_tensors_hooks: {name} must be a function of one argument, got {hook!r}")
        if (why := REFUSED.get()) is not None:
            raise GradError(why)
        now = INTERPRETER.get()
        top = _Boxing(now.below if isinstance(now, _Boxing) else now or Op.eager)
        self._tokens.append((PACK.set((self.pack_hook, self.unpack_hook)), INTERPRETER.set(top)))

    def __exit__(self, *error: object) -> None:
        pack, interpreter = self._tokens.pop()
        INTERPRETER.reset(interpreter)
        PACK.reset(pack)


class save_on_cpu(saved_tensors_hooks):
    """What backward needs is kept on the CPU: where everything is already, so it stays what it was."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: t.cpu(), lambda t: t)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, setting hooks raises GradError with this text, and so does this where hooks are set already."""
    if PACK.get() is not None:
        raise GradError(error_message)
    token = REFUSED.set(error_message)
    try:
        yield
    finally:
        REFUSED.reset(token)


class Kept:
    """What `allow_mutation_on_saved_tensors` gives, which has nothing to clear: copies belong to the nodes."""

    def clear(self) -> None:
        """Nothing."""


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[Kept]:
    """Inside, what backward needs is kept as a copy, so it may be written in place before backward.

    PyTorch copies what is written to, when it is; here everything that is saved is copied.
    """
    with saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        yield Kept()


class SavedTensor:
    """One saved value of a node: `node._raw_saved_self`."""

    def __init__(self, node: Node, key: int | str) -> None:
        self._node, self._key = node, key

    def register_hooks(self, pack_hook: Hook, unpack_hook: Hook) -> None:
        """Pack this value.  Raises GradError if that was done already, or for a node of a composite."""
        node, k = self._node, self._key
        saved: Any = node.saved_y if k == "y" else node.saved[k]  # type: ignore[index]
        if isinstance(saved, Boxed) or hasattr(node, "plan"):
            raise GradError("register_hooks: this saved value has hooks already, or belongs to a program of several ops")
        boxed: Any = box(node._unpack(saved, node if k == "y" else node.parents[k], k), pack_hook, unpack_hook)  # type: ignore[index]
        if k == "y":
            node.saved_y = boxed
        else:
            node.saved[k] = boxed  # type: ignore[index]
        become(node, BoxedNode)


def saved_value(node: Node, key: int | str) -> Tensor:
    """The value that a node keeps: of a leaf, the leaf itself.  Raises GradError if it was freed."""
    if node.freed:
        raise node._freed_error()
    saved: Any = node.saved_y if key == "y" else node.saved[key]  # type: ignore[index]
    parent = None if key == "y" else node.parents[key]  # type: ignore[index]
    if isinstance(parent, Leaf) and (t := parent.tensor()) is not None and t._data is saved[0]:
        return t
    return node._unpack(saved, node if key == "y" else node.parents[key], key)  # type: ignore[no-any-return, index]


def open_kept(boxed: Boxed, node: FunctionNode) -> Tensor:
    """What a Function saved, with the history that it had."""
    out = boxed.open()
    if boxed.node is None:
        return out
    t = Tensor._wrap(out._data)
    t._node = boxed.node
    return t
