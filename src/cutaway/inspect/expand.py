"""A composite that ran as one native program, opened: done again op by op on the same values, forward and backward."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from cutaway.core.autograd import RECORDING, Leaf, Node, walk
from cutaway.core.generator import default_generator
from cutaway.core.tensor import Tensor
from cutaway.inspect.recorder import Event, Flow, Recorder, _Slot

Key = tuple[int, int]  # of a value: (id of its array, version)


class Opened(NamedTuple):
    """What happened inside; `same`: keys of values inside that are values outside, `ends`: nodes that stand for others.

    turns: the inner gradients of each backward pass that came by, in order
    """

    recorder: Recorder
    turns: list[list[Flow]]
    same: dict[Key, Key]
    ends: dict[int, Node]


def expand(outer: Recorder, event: Event, flows: list[Flow]) -> Opened | None:
    """Inside of `event`; `flows` are what arrived at its node. None if it cannot be done again."""
    call = event.call
    assert call is not None
    inner, same, ends_at = Recorder(native=False), dict[Key, Key](), [0]

    def tensor(slot: Any) -> Any:
        if not isinstance(slot, _Slot):
            return slot
        key, array = outer.held(slot.ref)
        t = Tensor._wrap(array.view())
        same[id(t._data), 0] = key
        inner._made.add((id(t._data), 0))
        inner._alive.append(t._data)
        if slot.wants:
            t._node = Leaf(t)
        held.append(t)
        return t

    held: list[Tensor] = []
    args = [tensor(a) for a in call.args]
    kwargs = {k: tensor(a) for k, a in call.kwargs.items()}
    before = default_generator._seed, default_generator._offset
    recording = RECORDING.set(call.recording)
    inner.on()
    try:
        default_generator._seed, default_generator._offset = call.random
        y = call.fn(*args, **kwargs)
        results = y if isinstance(y, tuple) else (y,)
        for t, ref in zip(results, event.outputs, strict=True):
            same[id(t._data), t._cell[0]] = id(ref.array), ref.version
            inner._alive.append(t._data)
        for arrived in _arrived(flows):
            parts = arrived if isinstance(arrived, dict) else {0: arrived}
            roots = [(results[k]._node, Tensor._wrap(g)) for k, g in parts.items() if results[k]._node is not None]
            walk(roots, [t._node for t in held if t._node is not None], True, False)  # type: ignore[arg-type]
            ends_at.append(len(inner.flows))
    except Exception:  # whatever stands in its way, the box stays closed
        return None
    finally:
        inner.off()
        RECORDING.reset(recording)
        default_generator._seed, default_generator._offset = before
    ends: dict[int, Node] = {}
    if event.node is not None:
        pairs = zip([t._node for t in held], event.node.parents, strict=True)
        ends = {id(inside): outside for inside, outside in pairs if inside is not None and outside is not None}
    turns = [inner.flows[a:b] for a, b in pairwise(ends_at)]
    return Opened(inner, turns, same, ends)


def _arrived(flows: list[Flow]) -> list[Any]:
    """What arrived at a node, once for each time that a walk came by."""
    found: dict[int, Any] = {}
    for f in flows:
        first = next(iter(f.arrived.values())) if isinstance(f.arrived, dict) else f.arrived
        found.setdefault(id(first), f.arrived)
    return list(found.values())
