"""How gradients went through a backward: what arrived at each node and what went on, in a few numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cutaway.core.autograd import Node, Packed
from cutaway.core.dtypes import FLOATING
from cutaway.core.tensor import Tensor
from cutaway.inspect.watch import FINE, NAN, Step, Watch, worst

FLAT = frozenset("floor ceil trunc round sign".split())
CHOOSING = frozenset("clamp maximum minimum where amax amin gather index index_select window_gather".split())
SOFT = {"sigmoid": 0.01, "tanh": 0.01}  # saturated: within this of an end


class Size(NamedTuple):
    """A gradient: its largest element, the share of zeros, its worst element."""

    largest: float
    zeros: float
    state: int

    @classmethod
    def of(cls, a: np.ndarray) -> Size:
        """Of an array."""
        if not a.size:
            return cls(0.0, 1.0, FINE)
        good = np.abs(a[np.isfinite(a)])
        return cls(float(good.max()) if good.size else 0.0, float((a == 0).mean()), worst(a))


class Flow(NamedTuple):
    """`before` arrived at `node`, `after` went on to `parent`; step: what ran in forward, if it was watched."""

    node: Node
    parent: Node
    before: Size
    after: Size
    step: Step | None


class Gate(NamedTuple):
    """A ReLU, sigmoid or tanh: of its `units`, how many never let anything through, or are at an end."""

    name: str
    shut: int
    units: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.shut / max(self.units, 1)


def gate(name: str, y: np.ndarray) -> Gate | None:
    """What an activation's result says. A unit is a column of [N, units], a channel of [N, C, H, W]."""
    if name not in ("relu", *SOFT) or not y.size or y.dtype.kind not in FLOATING:
        return None
    dim = 1 if y.ndim > 3 else -1
    units = y if y.ndim < 2 else np.moveaxis(y, dim, -1).reshape(-1, y.shape[dim])
    if name == "relu":
        open_ = units > 0
    else:
        eps = SOFT[name]
        open_ = (np.abs(units) < 1 - eps) if name == "tanh" else (units > eps) & (units < 1 - eps)
    alive = open_.any(axis=0) if y.ndim > 1 else open_
    return Gate(name, int(alive.size - np.count_nonzero(alive)), int(alive.size))


class Flows(Watch):
    """Watches steps and gradients; keeps the few numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.flows: list[Flow] = []
        self.roots: list[Node] = []
        self.steps: list[Step] = []
        self.gates: dict[int, tuple[Step, Gate]] = {}
        self._kept: list[Any] = []  # so that a node's number stays its own
        self._awaited: set[int] = set()

    def seen(self, step: Step, tensors: tuple[Tensor, ...], y: Tensor) -> None:
        """Keep the step, and how many units it shuts."""
        self.steps.append(step)
        self._kept.append(y._node)
        found = gate(step.op.name, y._data)
        if found is not None and step.of is None:
            self.gates[step.number] = step, found

    def flowed(self, node: Node, g: Any, parent: Node, gi: Any) -> None:
        """Keep the numbers."""
        if id(node) not in self._awaited:
            self.roots.append(node)
        self._awaited.add(id(parent))
        self._kept += node, parent
        if isinstance(gi, Packed) or not isinstance(gi, Tensor):
            before = after = Size(1.0, 0.0, FINE)
        else:
            before = Size.of(g._data) if isinstance(g, Tensor) else Size(1.0, 0.0, FINE)
            after = Size.of(gi._data)
        self.flows.append(Flow(node, parent, before, after, self.nodes.get(node)))

    def below(self, leaf: Node) -> list[Flow]:
        """The flows through which the gradient came to `leaf`, the nearest first."""
        into: dict[Node, list[Flow]] = {}
        for f in self.flows:
            into.setdefault(f.parent, []).append(f)
        found: list[Flow] = []
        known, queue = {leaf}, [leaf]
        while queue:
            for f in into.get(queue.pop(0), ()):
                found.append(f)
                if f.node not in known:
                    known.add(f.node)
                    queue.append(f.node)
        return found


def killers(flows: list[Flow]) -> list[Flow]:
    """Where something arrived and nothing but zeros went on."""
    return [f for f in flows if f.after.zeros == 1.0 and f.before.zeros < 1.0]


def makers_of_nan(flows: list[Flow]) -> list[Flow]:
    """Where a finite gradient arrived and NaN or Inf went on, oldest graph end last."""
    return [f for f in flows if f.after.state and not f.before.state] or [
        f for f in flows if f.after.state == NAN and f.before.state != NAN
    ]


def stretch(f: Flow) -> float:
    """By how much the largest element grew."""
    return f.after.largest / f.before.largest if f.before.largest else 0.0
