"""In-place writes to views while recording: the base takes a new history, and its views find theirs anew when they are used.

A view knows its base, the tensor that no view operation made, and its path: the operations from the base to it. Writing y to
a view makes a WriteNode for the base: the gradient that arrives there goes to y where the view is, and to what the base was
before everywhere else. Every other view of that memory is then behind (`_epoch` tells), and walks its path anew from the
base's new history as soon as an operation reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.autograd import _SEQ, RECORDING, Leaf, Node, Wanted, keep_overwritten
from cutaway.core.errors import GradError
from cutaway.core.grad_names import Name
from cutaway.core.op import STAGE
from cutaway.core.ops import elementwise
from cutaway.core.ops.complex import join
from cutaway.core.ops.index import index_put
from cutaway.core.ops.movement import reshape
from cutaway.core.watched import CHANGES

if TYPE_CHECKING:
    from cutaway.core.op import Op
    from cutaway.core.tensor import Tensor

# The base's shape when the view was taken, and then the view operations with their attributes.
Path = tuple[Any, ...]


def remember(y: Tensor, x: Tensor, op: Op, attrs: dict[str, Any]) -> None:
    """Note that `y` is the view `op` of `x`."""
    if x._base is None:
        y._base, y._path = x, (x._data.shape, (op, attrs))
    else:
        y._base, y._path = x._base, (*x._path, (op, attrs))
    if x._epoch < 0:  # detached: a base of its own
        y._epoch = y._cell[1]


def refresh(op: str, t: Tensor) -> None:
    """Bring the history of a view up to date with its base's.  Raises GradError for one that cannot find its way."""
    if t._epoch == t._cell[1] or t._epoch < 0 or not t._view:
        return
    if not has_base(t):
        raise GradError(
            f"{op}: this view, {t._data.dtype.name}{list(t._data.shape)}, was taken before its base was modified in place "
            "while gradients are recorded; take the view again after the modification"
        )
    token = RECORDING.set(True)
    try:
        fresh = replay(t._base, t._path)
    finally:
        RECORDING.reset(token)
    t._node, t._epoch = fresh._node, t._cell[1]
    CHANGES.count += 1


def has_base(t: Tensor) -> bool:
    """True if the base is there as it was when the view was taken."""
    base = t._base
    return base is not None and base._cell is t._cell and tuple(base._data.shape) == t._path[0]


def replay(x: Any, path: Path) -> Any:
    """The operations of a path, on the base or on what has its shape."""
    for op, attrs in path[1:]:
        x = op(x, **attrs)
    return x


def write(view: Tensor, y: Tensor, name: str) -> None:
    """Write `y` to a view that has a base, while a gradient is recorded.

    Raises GradError where the base is a leaf that requires grad, and for a view that was taken under no_grad.
    """
    base = view._base
    assert base is not None
    refuse(view, y, name)
    if y._node is not None:
        keep_overwritten(y._node, view._cell)
        if y._data.dtype != view._data.dtype:
            y = y.to(view.dtype)
    np.copyto(view._data, y._data, casting="unsafe")
    cell = view._cell
    cell[0] += 1
    cell[1] += 1
    base._node, base._epoch = WriteNode(base, y, view._path), cell[1]
    if y._node is not None:  # what the view shows now; other views, and this one of a constant, ask the base
        view._node, view._epoch = y._node, cell[1]
    CHANGES.count += 1


def refuse(view: Tensor, y: Tensor, name: str) -> None:
    """Raise GradError where PyTorch, too, records no write, and where the way from the base is lost."""
    base = view._base
    assert base is not None
    if not has_base(view):
        raise GradError(
            f"{name}: the tensor that this view was taken of has another shape or memory now, and the view is written in "
            "place while gradients are recorded; take the view again"
        )
    if isinstance(base._node, Leaf):
        raise GradError(
            f"{name}: a view of a leaf tensor that requires grad is written in place while gradients are recorded; "
            "wrap the write in `with no_grad():`, or write to a clone()"
        )
    if base._node is not None and view._node is None:
        raise GradError(
            f"{name}: this view was taken under no_grad, and is written in place while gradients are recorded; "
            "take the view where the write is, or wrap the write in `with no_grad():`"
        )


def write_staged(view: Tensor, y: Tensor, name: str) -> None:
    """The same while a program is traced: the base is written whole, by an op that puts y in its place."""
    base = view._base
    assert base is not None
    if RECORDING.get() and (y._node is not None or base._node is not None):
        refuse(view, y, name)
    elif not has_base(view):
        stage = STAGE.get()
        assert stage is not None
        stage.store(view, y)  # says that it cannot be
    shape = tuple(base._data.shape)
    size = int(np.prod(shape, dtype=np.int64))
    region = _on_array(np.arange(size).reshape(shape), view._path).reshape(-1)
    wrap = type(view)._wrap
    if y._node is not None:
        keep_overwritten(y._node, view._cell)
    y = y.to(view.dtype)
    flat = index_put(
        reshape(base, shape=(size,)), reshape(y, shape=(region.size,)), wrap(region), dims=(0,), accumulate=False
    )
    base._assign(reshape(flat, shape=shape), name)
    catch_up(view)


def catch_up(view: Tensor) -> None:
    """While a program is traced: what the view shows after a write to its base."""
    fresh = replay(view._base, view._path)
    view._data, view._node, view._epoch = fresh._data, fresh._node, view._cell[1]
    CHANGES.count += 1


def _on_array(a: np.ndarray, path: Path) -> np.ndarray:
    for op, attrs in path[1:]:
        a = op.forward(a, **attrs)
    return a


def _outside(g: Any, path: Path) -> Any:
    """g with zeros where the view is, which may be one of its parts only."""
    mask = np.zeros(g._data.shape, g._data.dtype)
    view = _on_array(mask, path)
    view[...] = 1 + 1j if view.dtype.kind == "c" else 1
    parts = zip((mask.real, mask.imag), (g.real, g.imag), strict=True)
    return join(*[elementwise.where(type(g)._wrap(m != 0), 0.0, x) for m, x in parts])


class WriteNode(Node):
    """A tensor after `y` was written to a view of it: parents are what it was before, and y."""

    __slots__ = ("path",)

    path: Path

    def __init__(self, base: Tensor, y: Tensor, path: Path) -> None:
        self.seq = next(_SEQ)
        self.op, self.attrs = elementwise.copy, {}
        self.parents = base._node, y._node
        self.meta = (base._data.shape, base._data.dtype)
        self.metas = (self.meta, (y._data.shape, y._data.dtype))
        self.saved, self.saved_y, self.freed = {}, None, False
        self.hooks = self.retain = None
        self.path = path

    @property
    def name(self) -> Name:
        """PyTorch's name."""
        return Name("CopySlices")

    def gradients(self, g: Any, wanted: Wanted, create_graph: bool) -> Iterator[tuple[Node, Any, bool]]:
        """(parent, gradient, fresh): nothing to what was overwritten, and to y what arrives where it was written."""
        before, written = self.parents
        if written is not None and (wanted is None or written in wanted):
            yield written, replay(g, self.path), False
        if before is None or not (wanted is None or before in wanted):
            return
        if create_graph or type(g._data) is not np.ndarray:
            if self.meta[1].kind == "c":
                yield before, _outside(g, self.path), False
                return
            mask = np.zeros(self.meta[0], np.bool_)
            _on_array(mask, self.path)[...] = True
            yield before, elementwise.where(type(g)._wrap(mask), 0.0, g), False
        else:
            data = np.array(g._data, order="C")
            _on_array(data, self.path)[...] = 0
            yield before, type(g)._wrap(data), True
