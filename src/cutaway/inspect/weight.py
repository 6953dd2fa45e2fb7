"""Walk one weight: one element of one parameter, followed forward to the loss and back.

Forward, in float64, goes the *tangent* of every value, d value / d weight: each operation is asked how its result moves when
its inputs do (a central difference of the op itself). Backward came the gradient, d loss / d value. At each value on the way
their product, summed over its elements, is what flows through that value; all that flows into the loss is d loss / d weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.dtypes import FLOATING, INEXACT
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.core.views import replay
from cutaway.inspect.expand import Key
from cutaway.inspect.observer import FUNCTION
from cutaway.inspect.story import WRITE, Done, Story
from cutaway.inspect.values import number

PATHS, TRIES = 64, 1000  # ways that are told apart, and operations that are followed for it, at most
LONG = 800  # operations of all paths that a page shows, the widest first
STEP = 1e-6
NUDGES = (41, 21, 9, 5)  # losses on each side and at the weight itself: fewer where one costs more than a share of
SHARE = 4e7  # elements
CALL, FAST = 5000, 50  # what one operation costs besides, in elements; how much faster a product of matrices counts


class Station(NamedTuple):
    """A value that the weight moves: how many elements, how far the farthest (d value / d weight), what flows through."""

    value: Key
    op: int | None  # the operation that made it; None: the parameter itself
    touched: int
    largest: float
    flow: float


class Path(NamedTuple):
    """One way from weight to loss: the operations, the size of d value / d weight after each, and its share of the sum."""

    ops: tuple[int, ...]
    sizes: tuple[float, ...]
    product: float


class Walk(NamedTuple):
    """What one element does: `total` = d loss / d weight forward, `gradient` = the same as backward found it."""

    value: Key
    element: tuple[int, ...]
    weight: float
    loss: float
    total: float
    gradient: float
    stations: list[Station]
    paths: list[Path]
    nudged: list[tuple[float, float]]  # (the weight, the loss with it)
    step: int  # which backward pass


def walk(story: Story, value: Key, index: tuple[int, ...], span: float = 0.0) -> Walk:
    """Follow element `index` of a given value to the loss, and nudge it by up to `span` (0: as suits the weight's size).

    Raises ArgumentError if the element is not there, or no backward pass was recorded, or it does not reach the loss.
    """
    array = story.arrays[value]
    if len(index) != array.ndim or any(not -n <= i < n for i, n in zip(index, array.shape, strict=True)):
        raise ArgumentError(f"walk: element {list(index)} is not in a value of shape {list(array.shape)}")
    if array.dtype.kind == "c":
        raise ArgumentError(f"walk: a complex weight moves in two directions, and a real one is followed; got {array.dtype}")
    step, loss, cone = way_of(story, value)
    start = np.zeros(array.shape)
    start[index] = 1.0
    tangents: dict[Key, np.ndarray] = {value: start}
    for n in cone:
        o = story.ops[n]
        along = [tangents.get(k) if _goes(story, value, o, i) else None for i, k in enumerate(o.inputs)]
        for key, t in zip(o.outputs, _tangent(story, o, along), strict=True):
            tangents[key] = t
    gradients = gradients_of(story, step)
    made = {key: n for n in cone for key in story.ops[n].outputs}
    stations = []
    for key in (value, *made):
        g = gradients.get(key, np.ones(()) if key == loss else None)
        t = tangents[key]
        flow = float("nan") if g is None else float((np.conj(g) * t).real.sum())
        stations.append(Station(key, made.get(key), int(np.count_nonzero(t)), float(np.abs(t).max(initial=0.0)), flow))
    total = float(tangents[loss].sum())
    found = gradients.get(value)
    w = float(array[index])
    reach = span or 0.5 * abs(w) or 0.5
    each = cost(story, cone)
    many = next((n for n in NUDGES if n * each <= SHARE), NUDGES[-1])
    tries = int(max(4 * len(cone), min(TRIES, SHARE / max(each / len(cone), 1))))
    weights = (w + np.linspace(-reach, reach, many)).tolist()
    nudged = [(x, _loss_with(story, cone, value, index, x, loss)) for x in weights]
    return Walk(
        value, index, w, float(story.arrays[loss].sum()), total, float("nan") if found is None else float(found[index]),
        stations, _paths(story, value, start, cone, loss, tries), nudged, step,
    )  # fmt: skip


def as_data(story: Story, w: Walk) -> dict[str, Any]:
    """For the views: docs/inspect-format.md."""
    room = np.cumsum([len(p.ops) for p in w.paths])
    paths = [p for p, used in zip(w.paths, room, strict=True) if used <= LONG or p is w.paths[0]]
    return {
        "name": story.names.get(w.value[0], "value"),
        "element": list(w.element),
        "weight": number(w.weight),
        "loss": number(w.loss),
        "total": number(w.total),
        "gradient": number(w.gradient),
        "stations": [
            {"node": s.op, "touched": s.touched, "largest": rounded(s.largest), "flow": rounded(s.flow)} for s in w.stations
        ],
        "paths": [
            {"ops": list(p.ops), "sizes": [rounded(x) for x in p.sizes], "product": number(p.product)} for p in paths
        ],
        "nudged": [[number(x), number(y)] for x, y in w.nudged],
        "pass": w.step,
    }


def rounded(x: float) -> Any:
    """With the digits that are worth their room."""
    return number(float(f"{x:.9g}"))


def way_of(story: Story, value: Key) -> tuple[int, Key, list[int]]:
    """The first backward pass whose loss `value` moves: its number, the loss, the operations between.

    Raises ArgumentError if no backward pass was recorded, or the value moves no loss.
    """
    found = losses(story)
    if not found:
        raise ArgumentError("walk: no backward pass was recorded; call loss.backward() inside the `with record()` block")
    for step, loss in sorted(found.items(), key=lambda x: value not in gradients_of(story, x[0])):
        cone = _cone(story, value, loss)
        if cone:
            return step, loss, cone
    raise ArgumentError("walk: nothing that was recorded leads from here to the loss; why(t) says what cuts it off")


def _goes(story: Story, value: Key, o: Done, i: int) -> bool:
    """Whether the value's effect goes on through input `i`: of what asks for a gradient, only where one comes back.

    A tensor that was detached is the same numbers; they count as given. A user's Function is followed through its forward.
    """
    if value[0] not in story.leaves:
        return True
    scope = o.scope
    while scope >= 0:
        if story.scopes[scope].kind == FUNCTION:
            return True
        scope = story.scopes[scope].parent
    parents = getattr(o.node, "parents", ())
    return o.node is not None and (len(parents) != len(o.inputs) or parents[i] is not None)


def losses(story: Story) -> dict[int, Key]:
    """The value that each backward pass began at."""
    made = {id(o.node): o.outputs[0] for o in story.ops if o.node is not None}
    found: dict[int, Key] = {}
    for f in story.flows:
        if f.walk not in found and id(f.node) in made:
            found[f.walk] = made[id(f.node)]
    return found


def gradients_of(story: Story, step: int) -> dict[Key, np.ndarray]:
    """d loss / d value of one backward pass, of every value that a gradient arrived at."""
    if step in story.passes:
        return story.passes[step]
    made = {id(o.node): o.outputs for o in story.ops if o.node is not None}
    leaves = {id(node): key for key, (node, _) in story.leaves.items()}
    read: dict[int, list[tuple[int, Key]]] = {}  # of a leaf: when each version of it was met first
    for key, n in reversed([(k, n) for n, o in enumerate(story.ops) for k in (*o.inputs, *o.outputs)]):
        if key[0] in story.leaves:
            held = read.setdefault(key[0], [])
            held[:] = [(n, key), *(x for x in held if x[1] != key)]
    found: dict[Key, np.ndarray] = {}
    sums: dict[Key, Any] = {}
    for f in story.flows:
        if f.walk != step:
            continue
        arrived = f.arrived if isinstance(f.arrived, dict) else {0: f.arrived}
        for k, key in enumerate(made.get(id(f.node), ())):
            if k in arrived:
                found[key] = arrived[k]
        leaf = leaves.get(id(f.parent))
        if leaf is not None and (known := read.get(leaf)):
            key = [k for n, k in known if n < f.at or k == known[0][1]][-1]
            sums[key] = f.gradient if key not in sums else sums[key] + f.gradient
    story.passes[step] = found | sums
    return story.passes[step]


def cost(story: Story, cone: Sequence[int]) -> float:
    """Of the operations once, in elements, roughly."""
    total = 0.0
    for n in cone:
        o = story.ops[n]
        sizes = [float(story.arrays[k].size) for k in (*o.inputs, *o.outputs)]
        total += CALL + sum(sizes)
        if o.op is not None and o.op.kind == "contract":
            total += float(np.sqrt(np.prod(sizes))) / FAST
    return total


def _cone(story: Story, value: Key, loss: Key) -> list[int]:
    """The operations that `value` moves and that move the loss, in order."""
    moved = {value}
    forward = []
    for n, o in enumerate(story.ops):
        if o.update is None and any(k in moved and _goes(story, value, o, i) for i, k in enumerate(o.inputs)):
            moved.update(o.outputs)
            forward.append(n)
        if loss in o.outputs:
            break
    needed = {loss}
    cone = []
    for n in reversed(forward):
        o = story.ops[n]
        if o.update is None and any(k in needed for k in o.outputs):
            needed.update(k for i, k in enumerate(o.inputs) if _goes(story, value, o, i))
            cone.append(n)
    return cone[::-1]


def _run(o: Done, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The operation in float64."""
    if o.name == WRITE:
        whole = np.array(inputs[0])
        places = replay(Tensor._wrap(np.arange(whole.size).reshape(whole.shape)), o.attrs["path"])._data
        whole.reshape(-1)[places] = inputs[1]
        return [whole]
    if o.op is None:
        raise ArgumentError(f"walk: {o.name} is a box that could not be opened; nothing can be followed through it")
    attrs = {k: _wide_dtype(v) if isinstance(v, np.dtype) else v for k, v in o.attrs.items()}
    with np.errstate(all="ignore"):
        return [np.asarray(o.op.forward(*inputs, **attrs))]


def _wide(a: np.ndarray) -> np.ndarray:
    return a.astype(_wide_dtype(a.dtype)) if a.dtype.kind in "fc" else a


def _wide_dtype(d: np.dtype) -> np.dtype:
    return np.dtype(np.float64 if d.kind in FLOATING else np.complex128) if d.kind in INEXACT else d


def _tangent(story: Story, o: Done, tangents: Sequence[np.ndarray | None]) -> list[np.ndarray]:
    """How far the results go when the inputs go along their tangents."""
    inputs = [_wide(story.arrays[k]) for k in o.inputs]
    scale = max([float(np.abs(t).max(initial=0.0)) for t in tangents if t is not None], default=0.0)
    if not scale:
        return [np.zeros(story.arrays[k].shape) for k in o.outputs]
    moving = [x for x, t in zip(inputs, tangents, strict=True) if t is not None]
    size = max([float(np.abs(x).max(initial=0.0)) for x in moving], default=1.0)
    h = STEP * max(1.0, min(size, 1e3)) / scale
    along = [(x, t) if t is not None and x.dtype.kind in "fc" else (x, None) for x, t in zip(inputs, tangents, strict=True)]
    sides = [_run(o, [x if t is None else x + s * h * t for x, t in along]) for s in (1.0, -1.0)]
    with np.errstate(all="ignore"):
        return [
            np.where(a == b, 0.0, a - b) / (2 * h) if a.dtype.kind in "fc" else np.zeros(a.shape)  # masked: stays -inf
            for a, b in zip(*sides, strict=True)
        ]


def _loss_with(story: Story, cone: Sequence[int], value: Key, index: tuple[int, ...], w: float, loss: Key) -> float:
    """The loss if the element were `w`."""
    changed = _wide(story.arrays[value]).copy()
    changed[index] = w
    now = {value: changed}
    for n in cone:
        o = story.ops[n]
        moves = [k in now and _goes(story, value, o, i) for i, k in enumerate(o.inputs)]
        inputs = [now[k] if m else _wide(story.arrays[k]) for k, m in zip(o.inputs, moves, strict=True)]
        now.update(zip(o.outputs, _run(o, inputs), strict=True))
    return float(now[loss].sum())


def _paths(
    story: Story, value: Key, start: np.ndarray, cone: Sequence[int], loss: Key, tries: int
) -> list[Path]:
    """The ways from the value to the loss, up to PATHS of them, the widest first."""
    users: dict[Key, list[int]] = {}
    for n in cone:
        for k in dict.fromkeys(story.ops[n].inputs):
            users.setdefault(k, []).append(n)
    found: list[Path] = []
    tried = 0

    def follow(key: Key, tangent: np.ndarray, ops: tuple[int, ...], sizes: tuple[float, ...]) -> None:
        if key == loss:
            found.append(Path(ops, sizes, float(tangent.sum())))
            return
        nonlocal tried
        for n in users.get(key, ()):
            tried += 1
            if len(found) >= PATHS or tried > tries:
                return
            o = story.ops[n]
            along = [tangent if k == key and _goes(story, value, o, i) else None for i, k in enumerate(o.inputs)]
            for out, t in zip(o.outputs, _tangent(story, o, along), strict=True):
                if t.any() or (out == loss and not found):  # what is shut brings nothing
                    follow(out, t, (*ops, n), (*sizes, float(np.abs(t).max(initial=0.0))))

    follow(value, start, (), ())
    return sorted(found, key=_by_size, reverse=True)


_by_size: Callable[[Path], float] = lambda p: abs(p.product)
