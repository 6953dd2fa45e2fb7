"""Nodes as PyTorch's programs see them: classes with its names, hooks of a node's own, edges, hooks on several tensors.

A node that someone looks at, or hangs a hook on, changes its class to a subclass made for that; the others stay as they
are, so the walk asks none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from cutaway.core.autograd import WALK, Leaf, Node, OutputNode, Packed, Wanted, _reachable, no_grad
from cutaway.core.errors import ArgumentError, ArgumentTypeError, AssertedError, GradError, MissingAttribute, ShapeError
from cutaway.core.grad_names import CALLED
from cutaway.core.handle import RemovableHandle
from cutaway.core.op import OPS
from cutaway.core.package import package
from cutaway.core.tensor import Tensor
from cutaway.core.views import refresh

Hook = Callable[..., Any]


def named(node: Node) -> Node:
    """The node, whose class now has PyTorch's name: `type(y.grad_fn).__name__` is MulBackward0."""
    word = node.name().rpartition("::")[2]
    kind: Any = type(node)
    if kind.__name__ != word and not isinstance(node, Leaf):
        node.__class__ = _class(word, getattr(kind, "unnamed", kind))
    return node


@cache
def _class(word: str, kind: Any) -> type[Node]:
    of_user = word.endswith("Backward")
    where = f"{package()}.autograd.function" if of_user else "builtins"
    content = {"__slots__": (), "__module__": where, "unnamed": kind, "__doc__": kind.__doc__}
    if not hasattr(kind, "__getattr__"):  # here, as it makes every look at an attribute slower
        content["__getattr__"] = _saved_value
    return type(word, (kind,), content)


SAVED_NAMES: dict[str, int | str] = {
    "_saved_self": 0, "_saved_input": 0, "_saved_mat1": 0, "_saved_other": 1, "_saved_mat2": 1, "_saved_weight": 1,
    "_saved_result": "y",
}  # fmt: skip


def _saved_value(node: Any, name: str) -> Any:
    """PyTorch's names of saved values: `_saved_self`, `_saved_other`, `_saved_result`; behind `_raw` the boxes."""
    from cutaway.core import saved  # which is made of this

    key = SAVED_NAMES.get(name.removeprefix("_raw"), "")
    if name[0] == "_" and key != "" and (node.freed or key in node.saved or (key == "y" and node.saved_y is not None)):
        return saved.SavedTensor(node, key) if name.startswith("_raw") else saved.saved_value(node, key)
    if name in ("spoken", "given"):
        raise AttributeError(name)  # no one has told
    raise MissingAttribute(f"the node of {node.name} has no attribute {name!r}")


def inputs(node: Any) -> Sequence[Node | None]:
    """The nodes of its inputs as PyTorch lists them: of the function that was called, be it one op here or several."""
    if isinstance(node, Leaf):
        return ()
    words, nodes = getattr(node, "given", (None, None))
    if nodes is None:
        both = zip(node.parents, node.metas, strict=True)
        nodes = [p for p, (_, dtype) in both if p is not None or dtype.kind not in "biu"]
        if getattr(node, "spoken", "") == "Rsub:1":  # of the number PyTorch says nothing
            nodes = [p for p in nodes if p is not None]
        words = CALLED.get(node.plan.label) if node.whole else None
    if words in AS_THERE:
        nodes = AS_THERE[words](nodes)
    if words is not None:
        node.given = None, nodes
    return nodes


def _between(name: str, node: Node | None) -> Any:
    """What PyTorch has before `node` and we have not."""
    if node is None:
        return None
    made: Any = Node(OPS["copy"], {}, (node,), (node.meta,), node.meta, {}, None)
    made.spoken, made.given = name, (None, [node])
    return made


# By what the function is called: its inputs, in the order and with the nodes in between that PyTorch has.
AS_THERE: dict[Any, Callable[[Any], list[Node | None]]] = {
    CALLED["linear"]: lambda n: [*n[2:], n[0], _between("T", n[1])],
    CALLED["batch_norm"]: lambda n: [n[0], *[p for p in n[1:] if p is not None]],
    **dict.fromkeys([CALLED["cross_entropy"], CALLED["surprise"]], lambda n: [_between("LogSoftmax", n[0])]),
}


@cache
def mixed(mixin: Any, kind: Any) -> type[Node]:
    """A node's class with another one in front of it."""
    return type(kind.__name__, (mixin, kind), {"__slots__": (), "__module__": kind.__module__, "__doc__": kind.__doc__})


def become(node: Node, mixin: Any) -> None:
    """From now on `node` is what it was, and a `mixin` as well."""
    if not isinstance(node, mixin):
        kind: Any = type(node)
        node.__class__ = mixed(mixin, getattr(kind, "unnamed", kind))


# --- hooks of a node --------------------------------------------------------------------------------------------------

BEFORE: WeakKeyDictionary[Node, dict[int, Hook]] = WeakKeyDictionary()
AFTER: WeakKeyDictionary[Node, dict[int, Hook]] = WeakKeyDictionary()
METADATA: WeakKeyDictionary[Node, dict[Any, Any]] = WeakKeyDictionary()


class Hooked:
    """Of a node with hooks: what its gradients pass through."""

    __slots__ = ()

    def gradients(self: Any, g: Any, wanted: Wanted, create_graph: bool) -> Iterator[tuple[Node, Any, bool]]:
        """(parent, gradient, fresh), after the hooks."""
        several = isinstance(g, Packed)
        outputs = tuple(g.parts.get(k) for k in range(max(g.parts) + 1)) if several else (g,)
        for hook in tuple(BEFORE.get(self, {}).values()):
            outputs = _replaced(hook, hook(outputs), outputs)
        g = Packed({k: x for k, x in enumerate(outputs) if x is not None}) if several else outputs[0]
        inputs: list[Any] = [None] * len(self.parents)
        for parent, gi, _ in super().gradients(g, wanted, create_graph):  # type: ignore[misc]
            i = next(k for k, p in enumerate(self.parents) if p is parent and inputs[k] is None)
            inputs[i] = gi
        found = tuple(inputs)
        for hook in tuple(AFTER.get(self, {}).values()):
            found = _replaced(hook, hook(found, outputs), found)
        for parent, gi in zip(self.parents, found, strict=True):
            if gi is not None:
                yield parent, gi, False


def _replaced(hook: Hook, new: Any, old: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a hook has made of the gradients.

    Raises ArgumentTypeError, GradError or ShapeError for what cannot replace them.
    """
    if new is None:
        return old
    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(new, tuple):
        raise ArgumentTypeError(f"hook {name!r} of a node: expected tuple, but hook returned {type(new).__name__!r}")
    if len(new) != len(old):
        raise GradError(
            f"hook {name!r} has returned an incorrect number of values (got {len(new)}, but expected {len(old)})"
        )
    for a, b in zip(new, old, strict=True):
        if a is not None and b is not None and a.shape != b.shape:
            raise ShapeError(f"hook {name!r} has changed the size of value: {list(a.shape)} for {list(b.shape)}")
    return new


def register_hook(node: Node, hook: Hook) -> RemovableHandle:
    """Call `hook(grad_inputs, grad_outputs)` once the node's gradients are computed.

    A tuple that it returns replaces grad_inputs. Of a composite that ran op by op, the node is that of its last op.
    """
    if isinstance(node, Leaf):
        return _after_leaf(node, hook)
    become(node, Hooked)
    return RemovableHandle.of(AFTER.setdefault(node, {}), hook)


def register_prehook(node: Node, hook: Hook) -> RemovableHandle:
    """Call `hook(grad_outputs)` before the node's gradients are computed; a tuple it returns replaces them."""
    if isinstance(node, Leaf):
        if node.hooks is None:
            node.hooks = {}
        Leaf.hooked.add(node)
        return RemovableHandle.of(node.hooks, lambda g: _replaced(hook, hook((g,)), (g,))[0])
    become(node, Hooked)
    return RemovableHandle.of(BEFORE.setdefault(node, {}), hook)


def _after_leaf(leaf: Leaf, hook: Hook) -> RemovableHandle:
    """Two entries under one number: what arrived is kept, and shown once `.grad` is there."""
    arrived: list[Any] = []
    if leaf.hooks is None:
        leaf.hooks = {}
    if leaf.after is None:
        leaf.after = {}
    Leaf.hooked.add(leaf)
    handle = RemovableHandle(leaf.hooks, extra_dict=leaf.after)
    leaf.hooks[handle.id] = arrived.append
    leaf.after[handle.id] = lambda t: hook((), (arrived.pop(),)) and None
    return handle


# --- edges ------------------------------------------------------------------------------------------------------------


class GradientEdge(NamedTuple):
    """A place that a gradient passes: of result `output_nr` of `node`.  `grad` and `backward` take it for a tensor."""

    node: Node
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge where the gradient towards `tensor` arrives.  Raises GradError if it requires none."""
    if tensor._view:
        refresh("get_gradient_edge", tensor)
    node = tensor._node
    if node is None:
        raise GradError(
            "get_gradient_edge: it is not possible to get the gradient edge for a Tensor that does not require grad; "
            "call requires_grad_() on it first"
        )
    return GradientEdge(named(node), node.number if isinstance(node, OutputNode) else 0)


def tensors(given: Iterable[Any]) -> list[Any]:
    """The items; in an edge's place a tensor that has its node."""
    items = [given] if isinstance(given, GradientEdge) else list(given)
    return [_at(x) if isinstance(x, GradientEdge) else x for x in items]


def _at(edge: GradientEdge) -> Tensor:
    node = edge.node
    if isinstance(node, Leaf) and (t := node.tensor()) is not None:
        return t
    shape, dtype = node.meta
    t = Tensor._wrap(np.broadcast_to(np.zeros((), dtype), shape))
    t._node = node
    return t


# --- when a leaf has its whole gradient -------------------------------------------------------------------------------

# Composites that end in adding a bias; PyTorch's have one gradient, which comes to the weight first.
WEIGHT_FIRST = frozenset("Convolution NativeBatchNorm NativeLayerNorm NativeGroupNorm".split())


class Uses:
    """How often each leaf is still to be met in a walk: PyTorch calls its hooks at once when that was the last time.

    held: leaves that wait for the next one, so that the order is PyTorch's.
    """

    def __init__(self, roots: Iterable[tuple[Node, Any]], wanted: Wanted) -> None:
        self.held: list[Leaf] = []
        self.bias_next = False
        self.left: dict[Node, int] = {}
        for node in _reachable(node for node, _ in roots):
            if wanted is None or node in wanted:
                for p in node.parents:
                    if isinstance(p, Leaf):
                        self.left[p] = self.left.get(p, 0) + 1

    def last(self, node: Node) -> list[Leaf]:
        """The leaves that are complete now that `node` has given its gradients, in PyTorch's order."""
        spoken = getattr(node, "spoken", "")
        if spoken in WEIGHT_FIRST and node.op.name in ("add", "layout"):  # op by op: the bias is met soon, then the weight
            self.bias_next = True
        done: list[Leaf] = []
        for p in node.parents:
            if isinstance(p, Leaf):
                self.left[p] -= 1
                if not self.left[p]:
                    done.append(p)
        if done and self.bias_next:
            self.bias_next = False
            if len(done) == 1 and len(done[0].meta[0]) == 1:
                self.held += done
                return []
        if spoken in ("Addmm", "View"):
            done.reverse()
        if done:
            done, self.held = done + self.held, []
        return done


# --- several tensors --------------------------------------------------------------------------------------------------


class Handles(RemovableHandle):
    """The handles of several hooks as one."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self._handles = handles

    def remove(self) -> None:
        """Take all of them away."""
        for handle in self._handles:
            handle.remove()



class _Arrivals:
    """The gradients of several tensors in one backward pass."""

    def __init__(self, tensors: Sequence[Tensor], fn: Hook, first: bool) -> None:
        self.nodes = [t._node for t in tensors]
        self.fn, self.first = fn, first
        self.roots: Any = None
        self.found: list[Any] = []
        self.due = 0

    def hook(self, k: int) -> Hook:
        """The hook of tensor `k`."""

        def arrive(g: Any) -> None:
            roots, wanted = WALK.get()
            if self.roots is not roots:  # another pass
                below = set(_reachable(node for node, _ in roots))
                self.roots, self.found = roots, [None] * len(self.nodes)
                self.due = 1 if self.first else sum(n in below and (wanted is None or n in wanted) for n in self.nodes)
            self.found[k] = g
            self.due -= 1
            if self.due == 0:
                with no_grad():
                    self.fn(g if self.first else self.found)

        return arrive


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Hook, *, mode: str = "all") -> Handles:
    """Call `fn` once in each backward pass that comes to the tensors.

    mode="all": fn([grads]), when those that the pass comes to have their gradients; None stands for the others.
    mode="any": fn(grad), with the first one.

    Raises ArgumentError for another mode, AssertedError for a tensor that requires no gradient.
    """
    if mode not in ("all", "any"):
        raise ArgumentError(f"register_multi_grad_hook: expects mode to be one of ('all', 'any') but got {mode}")
    for k, t in enumerate(tensors):
        if t._node is None:
            raise AssertedError(f"register_multi_grad_hook: tensor {k} does not require grad; leave it out")
    arrivals = _Arrivals(tensors, fn, mode == "any")
    return Handles([t.register_hook(arrivals.hook(k)) for k, t in enumerate(tensors)])


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Tell that the memory was written to by what is not seen here: backward refuses saved values of it from now on."""
    tensors = [tensor] if isinstance(tensor, Tensor) else list(tensor) if isinstance(tensor, Iterable) else [tensor]
    for t in tensors:
        if not isinstance(t, Tensor):
            raise GradError(f"increment_version: expected a Tensor or several, got {type(t).__name__}")
        t._cell[0] += 1
