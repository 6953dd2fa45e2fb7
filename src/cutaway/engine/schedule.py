"""Schedule: which values get memory, and the kernels that fill it, in order.

A value gets memory (is *materialised*) if it is a result, if several others read it, or if its op needs to see whole inputs
(reductions, contractions, scatters). Everything else is computed where it is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cutaway.core.errors import TraceError
from cutaway.engine.contract.schedule import BLOCK
from cutaway.engine.graph import Graph, Value, Write
from cutaway.engine.loops.affine import access, is_border, splits_first
from cutaway.engine.loops.coordinates import bijection, find, place_of
from cutaway.engine.loops.kernels import EMIT
from cutaway.engine.loops.read import INLINE, unit_reshape
from cutaway.engine.tiles import Contraction, contraction, folded_product, grad_input_roles, is_contraction, labels

GROUPS = 8  # from so many on, and for so much larger images, the weights of groups are copied
LONG = 256  # terms of a sum beside which it is little to write the result twice, and less code than lane by lane
FREE = frozenset(["cast", "copy", "full", "reshape", "permute", "layout", "expand", "slice", "flip", "windows"])


class Kernel(NamedTuple):
    """Fills the buffers of `outputs` from those of `reads`.

    `core` is a contraction without memory of its own: the output is made of its sums while they are in registers.
    `segment`, `rows` (so many at least together: `grain`) and `each` say when and by whom it is done (see segments.py),
    `streak` and `chunk` with which others in turns of how many rows (see streaks.py; 0: all at once).
    """

    outputs: tuple[Value, ...]
    reads: tuple[Value, ...]
    line: str
    core: Value | None = None
    segment: int = 0
    rows: int = 0
    grain: int = 1
    each: bool = False
    streak: int = 0
    chunk: int = 0

    @property
    def name(self) -> str:
        """What it computes."""
        v = self.outputs[0]
        assert v.op is not None
        if self.core is not None:
            assert self.core.op is not None
            return f"{self.core.op.name}_{v.op.name}"
        return v.op.name if v.op.name in EMIT or folded_product(v) is not None else "map_" + v.op.name


class Schedule(NamedTuple):
    """Kernels in order; `direct` maps a written value to the graph input whose memory it may be computed into.

    `private` values pass from kernel to kernel within a streak only.
    """

    graph: Graph
    kernels: list[Kernel]
    direct: dict[Value, Value]
    copies: list[Write]
    private: frozenset[Value] = frozenset()


def has_memory(v: Value) -> bool:
    """True for graph inputs that are arrays: all but constants of one element."""
    return v.op is None and not (v.source is not None and v.source.kind == "constant" and v.aval.size == 1)


def schedule(graph: Graph) -> Schedule:
    """Decide what is materialised and in which order kernels run.  Raises TraceError for an op that cannot be lowered."""
    uses: dict[Value, list[Value]] = {v: [] for v in graph.values}
    for v in graph.values:
        for i in v.inputs:
            uses[i].append(v)
    roots = set(graph.roots)
    stored: set[Value] = set()

    def in_memory(v: Value) -> bool:
        return v in stored or has_memory(v)

    # A convolution's gradient towards its input never has the windows written out, nor what falls on the padding.
    fused = {
        v.inputs[0]
        for v in graph.values
        if grad_input_roles(v) is not None and uses[v.inputs[0]] == [v] and v.aval.dtype.name in ("float32", "float64")
    } - roots
    inner = {
        v.inputs[0]: v
        for v in graph.values
        if v.op is not None
        and v.op.name == "slice"
        and folded_product(v) is not None
        and v.inputs[0].inputs[0] in fused
        and uses[v.inputs[0]] == [v]
        and v.inputs[0] not in roots
    }
    cropped = set(inner.values())
    # A convolution reads its input without the padding: zeros are not multiplied.
    borders = {v for v in graph.values if v not in roots and is_border(v) and _only_windows(v, uses, roots)}

    def materialise(v: Value) -> bool:
        op = v.op
        if op is None:
            return False
        if op.name not in EMIT and op.kind != "elementwise" and op.name not in INLINE and op.name != "full":
            raise TraceError(f"compile: op {op.name} has no lowering (at {v.line}); run this part eagerly")
        if v in roots:
            return True
        if v in fused or v in inner or v in borders:
            return False
        if op.name in EMIT or v in cropped:
            return True
        if op.name in FREE:
            return False
        if len(uses[v]) > 1:
            return True
        return any(_stretches(v, u) for u in uses[v])

    for v in graph.values:
        if materialise(v):
            stored.add(v)
    # A reshape that is more than a change of unit dimensions reads its input by offset: the input needs memory.
    for v in reversed(graph.values):
        if v.op is not None and v.op.name == "reshape":
            source = v.inputs[0]
            if splits_first(v) and uses[v] and all(is_contraction(u) for u in uses[v]):
                continue
            if source.op is not None and source not in stored and not unit_reshape(source.aval.shape, v.aval.shape):
                stored.add(source)

    # Weights of groups would be read lane by lane: a copy in the order of the loops is small, and read as vectors.
    stored |= {i for v in graph.values for i in _regrouped(v, in_memory)}
    # A contraction reads its operands in place, by strides: what lies behind the movements needs memory.
    for v in graph.values:
        if v.op is not None and (v.op.kind == "contract" or (v.op.name == "fold" and v.inputs[0] in fused)):
            for i in v.inputs if v.op.kind == "contract" else v.inputs[0].inputs:
                base = access(i, in_memory).base
                if base.op is not None:
                    stored.add(base)
    cores = _epilogues(graph, uses, stored, roots, in_memory)
    for u in cores:
        stored.update(_single(u, stored | {cores[u]}))

    def reads_of(outputs: tuple[Value, ...]) -> tuple[Value, ...]:
        found: dict[Value, None] = {}
        seen: set[Value] = set()
        stack = [i for o in outputs for i in o.inputs]
        while stack:
            v = stack.pop()
            if v in seen or v in outputs:
                continue
            seen.add(v)
            if in_memory(v):
                found[v] = None
            else:
                stack.extend(v.inputs)
        return tuple(found)

    beside = _beside(graph, stored, roots)
    kernels = []
    for v in graph.values:
        if v in stored and v not in beside.values():
            outputs = (v, beside[v]) if v in beside else (v,)
            kernels.append(Kernel(outputs, reads_of(outputs), v.line, cores.get(v)))
    return _place_writes(graph, kernels, uses, stored, cores, reads_of)


def _regrouped(v: Value, in_memory: Callable[[Value], bool]) -> list[Value]:
    """Permuted factors of an einsum over groups that are small beside the other one and have no neighbours as they lie."""
    if v.op is None or v.op.name != "einsum" or not is_contraction(v):
        return []
    of_a, of_b, out = labels(v)
    if not any(c in of_b and c in out and n >= GROUPS for c, n in zip(of_a, v.inputs[0].aval.shape, strict=True)):
        return []
    found = []
    for i, other in (v.inputs, v.inputs[::-1]):
        if i.op is None or i.op.name != "permute" or i.aval.size * GROUPS > other.aval.size:
            continue
        read = access(i, in_memory)
        apart = [step for step, n in zip(read.strides, i.aval.shape, strict=True) if n > 1]
        if apart and apart[-1] != 1:
            found.append(i)
    return found


def _single(output: Value, known: set[Value]) -> set[Value]:
    """Numbers that an epilogue is made with: computed once, not for each vector."""
    found: set[Value] = set()
    seen: set[Value] = set()
    stack = list(output.inputs)
    while stack:
        v = stack.pop()
        if v in seen or v in known or v.op is None:
            continue
        seen.add(v)
        if v.aval.size == 1 and v.op.kind == "elementwise":
            found.add(v)
        else:
            stack += v.inputs
    return found


def _only_windows(v: Value, uses: dict[Value, list[Value]], roots: set[Value]) -> bool:
    """True if only contractions by tiles read `v`, through windows over all that was padded."""
    padded = {d for d, (n, m) in enumerate(zip(v.inputs[0].aval.shape, v.aval.shape, strict=True)) if n != m}
    stack = [(u, padded) for u in uses[v]]  # who reads it, and the dimensions that no windows have seen to yet
    while stack:
        u, dims = stack.pop()
        assert u.op is not None
        if u in roots and not is_contraction(u):
            return False
        if u.op.name in ("permute", "layout"):
            dims = {u.attrs["dims"].index(d) for d in dims}
        elif u.op.name == "windows" and dims <= set(u.attrs["dims"]):
            dims = set()
        elif not dims and is_contraction(u):
            continue
        elif dims or not splits_first(u):
            return False
        stack += [(next_user, dims) for next_user in uses[u]]
    return bool(uses[v])


def _epilogues(
    graph: Graph,
    uses: dict[Value, list[Value]],
    stored: set[Value],
    roots: set[Value],
    in_memory: Callable[[Value], bool],
) -> dict[Value, Value]:
    """Output -> contraction: where all that is made of a contraction is one value of its shape, its sums are not stored."""
    cores: dict[Value, Value] = {}
    written = {w.value for w in graph.writes}
    roots_read = {*graph.outputs, *(v for v, n in Counter(w.value for w in graph.writes).items() if n > 1)}
    for c in graph.values:
        if c not in stored or c in roots or not (is_contraction(c) or folded_product(c) is not None):
            continue
        made = contraction(c, in_memory)
        if made is None or not made.labels or c.aval.size < 2:
            continue
        users = _stored_users(c, uses, stored)
        if len(users) != 1:
            continue
        (u,) = users
        if u in written and (u in roots_read or _stored_users(u, uses, stored) or not _at_one_go(made)):
            continue  # an optimiser's memory: all of it is one loop over the gradient
        if u in cores or not _is_map(u) or u.aval.dtype != c.aval.dtype or u.aval.size != c.aval.size:
            continue
        if _turned(u, c) and made.problems[0].terms >= LONG:
            continue
        place = place_of([f"d{d}" for d in range(u.aval.ndim)])
        stored.remove(c)
        found = find(u, place, c, in_memory)
        if found is not None and bijection(found, c.aval.shape) is not None:
            cores[u] = c
        else:
            stored.add(c)
    return cores


def _turned(u: Value, c: Value) -> bool:
    """True if `u` is `c` in another order and nothing more, and what lay side by side does not."""
    while u is not c:
        if u.op is None or u.op.name not in ("permute", "reshape"):
            return False
        if u.op.name == "permute":
            last = max((d for d, n in enumerate(u.inputs[0].aval.shape) if n > 1), default=0)
            if max((d for d, n in enumerate(u.aval.shape) if n > 1), default=0) != u.attrs["dims"].index(last):
                return True
        (u,) = u.inputs
    return False


def _at_one_go(c: Contraction) -> bool:
    """True if the sums never wait in the result's memory, which may then be what they are made with."""
    return len(c.problems) == 1 and c.problems[0].terms <= BLOCK and not c.problems[0].accumulate


def _beside(graph: Graph, stored: set[Value], roots: set[Value]) -> dict[Value, Value]:
    """window_argmax -> the window_gather of what it found, which is known on the way."""
    found: dict[Value, Value] = {}
    for v in graph.values:
        if v.op is None or v.op.name != "window_gather" or v not in stored or v in roots:
            continue
        source, code = v.inputs
        if code in stored and code.op is not None and code.op.name == "window_argmax" and code not in found:
            same = all(code.attrs[name] == v.attrs[name] for name in ("dims", "kernel", "stride", "dilation"))
            if same and code.inputs[0] is source:
                found[code] = v
    return found


def _is_map(v: Value) -> bool:
    return v.op is not None and v.op.name not in EMIT and folded_product(v) is None


def _stretches(v: Value, user: Value) -> bool:
    """True if computing `v` where `user` reads it would compute it again and again."""
    if v.aval.size <= 1 or user.aval.size <= v.aval.size:
        return False
    return user.op is not None and (user.op.kind == "elementwise" or user.op.name in INLINE)


def _place_writes(
    graph: Graph,
    kernels: list[Kernel],
    uses: dict[Value, list[Value]],
    stored: set[Value],
    cores: dict[Value, Value],
    reads_of: Callable[[tuple[Value, ...]], tuple[Value, ...]],
) -> Schedule:
    """Updates of tensors run last, those of one shape together, and in place where no one else still reads the old value."""
    counts = Counter(w.value for w in graph.writes)
    late = {
        w.value: w
        for w in graph.writes
        if w.value in stored
        and counts[w.value] == 1
        and w.value not in graph.outputs
        and w.value.op is not None
        and w.value.op.kind == "elementwise"
    }
    # An update that another kernel reads must run before that kernel, unless that is an update too.
    while blocked := [v for v in late if any(u not in late for u in _stored_users(v, uses, stored))]:
        for v in blocked:
            del late[v]
    early = _numbers_together([k for k in kernels if k.outputs[0] not in late])
    groups: list[tuple[Value, ...]] = []
    place: dict[Value, int] = {}  # of an update: the number of its group
    for v in graph.values:
        if v not in late:
            continue
        reads = set(reads_of((v,)))
        ready = max((place[i] for i in reads if i in late), default=0)  # no earlier than the updates that it reads
        for n in range(ready, len(groups)):
            common = {*groups[n], *reads_of(groups[n])} & reads
            if v in cores or groups[n][0] in cores:
                continue
            alike = groups[n][0].aval.shape == v.aval.shape
            if alike and (v.aval.size == 1 or any(r.aval.size > 1 for r in common)):
                break
        else:
            n = len(groups)
            groups.append(())
        groups[n] = (*groups[n], v)
        place[v] = n
    last = [Kernel(g, reads_of(g), g[0].line, cores.get(g[0])) for g in groups]
    inputs = {id(v.source.tensor): v for v in graph.inputs if v.source is not None and v.source.kind == "tensor"}
    overlapping = _overlapping(list(inputs.values()))
    direct: dict[Value, Value] = {}
    for k in last:
        for v in k.outputs:
            old = inputs.get(id(late[v].tensor))
            if old is None or old in overlapping or any(old in o.reads or v in o.reads for o in last if o is not k):
                continue
            if old.aval.shape == v.aval.shape and all(_only_in_place(o, old, stored, k.outputs) for o in k.outputs):
                direct[v] = old
    copies = [w for w in graph.writes if w.value not in direct]
    return Schedule(graph, [*early, *last], direct, copies)


def _numbers_together(kernels: list[Kernel]) -> list[Kernel]:
    """Single elements that are made of inputs alone (each parameter's count of steps, plus one): one kernel a shape."""
    found: dict[tuple[int, ...], list[Kernel]] = {}
    for k in kernels:
        v = k.outputs[0]
        if v.aval.size == 1 and k.core is None and _is_map(v) and all(r.op is None for r in k.reads):
            found.setdefault(v.aval.shape, []).append(k)
    one: dict[Kernel, Kernel | None] = {}
    for first, *rest in found.values():
        outputs = tuple(v for k in (first, *rest) for v in k.outputs)
        reads = tuple(dict.fromkeys(v for k in (first, *rest) for v in k.reads))
        one[first] = first._replace(outputs=outputs, reads=reads)
        one.update(dict.fromkeys(rest))
    return [new for k in kernels if (new := one.get(k, k)) is not None]


def _overlapping(inputs: list[Value]) -> set[Value]:
    """Tensors that share memory with another one: views, to which a write in place would show."""
    by_owner: dict[int, list[tuple[Value, np.ndarray]]] = {}
    for v in inputs:
        assert v.source is not None and v.source.tensor is not None
        a = v.source.tensor._data
        by_owner.setdefault(id(a if a.base is None else a.base), []).append((v, a))
    return {
        v
        for family in by_owner.values()
        for n, (v, a) in enumerate(family)
        if any(np.may_share_memory(a, b) for m, (_, b) in enumerate(family) if m != n)
    }


def _stored_users(v: Value, uses: dict[Value, list[Value]], stored: set[Value]) -> set[Value]:
    found: set[Value] = set()
    stack = list(uses[v])
    while stack:
        u = stack.pop()
        if u in stored:
            found.add(u)
        else:
            stack.extend(uses[u])
    return found


def _only_in_place(v: Value, old: Value, stored: set[Value], members: tuple[Value, ...]) -> bool:
    """True if element i of `v` is made of element i of `old` only: elementwise ops of one shape are on the way."""
    if v is old or v.op is None:
        return True
    if v in stored and v not in members:
        return True  # read from its own memory
    if old not in _below(v, stored, members):
        return True
    same = all(i.aval.shape == v.aval.shape or old not in {i, *_below(i, stored, members)} for i in v.inputs)
    return v.op.kind == "elementwise" and same and all(_only_in_place(i, old, stored, members) for i in v.inputs)


def _below(v: Value, stored: set[Value], members: tuple[Value, ...]) -> set[Value]:
    seen: set[Value] = set()
    stack = list(v.inputs)
    while stack:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            if i not in stored or i in members:
                stack.extend(i.inputs)
    return seen
