"""Story: a recording as plain data, which the views read. docs/inspect-format.md describes it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cutaway.core.autograd import FunctionNode, Leaf, Node, OutputNode
from cutaway.core.diary import Place
from cutaway.engine.line import source
from cutaway.inspect import rules
from cutaway.inspect.expand import Key, expand
from cutaway.inspect.lines import line_at
from cutaway.inspect.observer import COMPOSITE, FUNCTION, LAYER
from cutaway.inspect.recorder import Event, Flow, Ran, Recorder, Ref, Scope, Update, first
from cutaway.inspect.updates import moved, terms
from cutaway.inspect.values import SIDE, SMALL, number, to_json
from cutaway.optim.optimizer import Optimizer

WRITE = "write"  # to a view: a new value of the whole
UPDATE = "update"  # of a parameter, by an optimiser
TERMS = 6  # of a rule, about
PICTURES = 1_000_000  # bytes of all of them, roughly


class Done:
    """One operation, with all boxes opened: what the graph of the picture is made of."""

    __slots__ = ("attrs", "inputs", "name", "node", "op", "outputs", "place", "scope", "update")

    update: Update | None

    def __init__(
        self, name: str, e: Event, scope: int, inputs: list[Key], outputs: list[Key], place: Place | None
    ) -> None:
        self.name, self.op, self.scope, self.inputs, self.outputs = name, e.op, scope, inputs, outputs
        self.attrs, self.node, self.place, self.update = e.attrs, e.node, place, e.update


class Story:
    """The recording, opened: operations in order, scopes, values by key, gradients by node."""

    def __init__(self, recorder: Recorder) -> None:
        self.ops: list[Done] = []
        self.scopes: list[Scope] = []
        self.arrays: dict[Key, np.ndarray] = {}
        self.names = dict(recorder.names)
        self.leaves = dict(recorder.leaves)
        self.roots = list(recorder.roots.values())
        self.copied = set(recorder.copies)
        self.of_parameters = recorder.gradients_of
        self.ran = {n: list(times) for n, times in recorder.ran.items()}
        self.passes: dict[int, dict[Key, np.ndarray]] = {}  # gradients of each backward pass, once asked for
        self._alive: list[Any] = [recorder]
        self.flows = self._add(recorder, {}, -1, None)
        self._name_parameters()
        for e in recorder.events:
            if e.update is not None:
                self.copied.discard(recorder.held(e.outputs[0])[0])
        for g, of in recorder.gradients_of.items():
            self.names[g] = f"{self.names.get(of, 'parameter')}.grad"

    # --- opening ----------------------------------------------------------------------------------------------------

    def _add(self, recorder: Recorder, same: dict[Key, Key], within: int, place: Place | None) -> list[Flow]:
        """Take over what a recorder saw; its gradients, those inside of boxes in their place.

        same: keys that stand for others; within: the scope around it all.
        """
        shift = len(self.scopes)
        for s in recorder.scopes:
            parent = within if s.parent < 0 else s.parent + shift
            self.scopes.append(s._replace(number=s.number + shift, parent=parent, place=place or s.place))
        by_node: dict[int, list[Flow]] = {}
        for f in recorder.flows:
            by_node.setdefault(id(f.node), []).append(f)
        inside: dict[int, list[list[Flow]]] = {}  # gradients in the place of a node's, those of each pass
        reached = [len(self.ops)]  # how many operations there are after so many events
        for e in recorder.events:
            scope = within if e.scope < 0 else e.scope + shift
            inputs = [self._value(recorder, r, same) for r in e.inputs]
            outputs = [self._value(recorder, r, same) for r in e.outputs]
            if e.call is not None:
                opened = expand(recorder, e, by_node.get(id(e.node), []) if e.node is not None else [])
                if opened is not None:
                    self._alive.append(opened)
                    inner = {k: same.get(v, v) for k, v in opened.same.items()}
                    self._add(opened.recorder, inner, scope, place or e.place)
                    if e.node is not None:
                        turns = [[_seen_from_outside(f, opened.ends) for f in turn] for turn in opened.turns]
                        inside[id(e.node)] = turns
                    reached.append(len(self.ops))
                    continue
            self.ops.append(Done(_name(e), e, scope, inputs, outputs, place or e.place))
            reached.append(len(self.ops))
        flows: list[Flow] = []
        told = None
        for f in recorder.flows:
            f = f._replace(at=reached[f.at])
            mark = id(f.node), id(first(f.arrived))
            if id(f.node) not in inside:
                flows.append(f)
            elif mark != told and inside[id(f.node)]:
                flows += [g._replace(at=f.at, walk=f.walk) for g in inside[id(f.node)].pop(0)]
            told = mark
        return flows

    def _value(self, recorder: Recorder, ref: Ref, same: dict[Key, Key]) -> Key:
        key, array = recorder.held(ref)
        to = same.get(key)
        if to is not None:
            return to
        self.arrays.setdefault(key, array)
        return key

    def _name_parameters(self) -> None:
        for root in self.roots:
            for name, t in [*root.named_parameters(), *root.named_buffers()]:
                self.names[id(t._data)] = name

    # --- as data ----------------------------------------------------------------------------------------------------

    def data(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return _Writer(self).data()


def _name(e: Event) -> str:
    if e.op is not None:
        return e.op.name
    if e.update is not None:
        return type(e.update.optimizer).__name__
    return e.call.fn.__name__ if e.call is not None else WRITE


def _seen_from_outside(f: Flow, ends: dict[int, Node]) -> Flow:
    end = ends.get(id(f.parent))
    return f if end is None else f._replace(parent=end, via=f.parent)


class _Writer:
    def __init__(self, story: Story) -> None:
        self.story = story
        self.numbers: dict[Any, int] = {}
        self.values: list[dict[str, Any]] = []
        self.gradients: list[np.ndarray] = []  # alive
        large = sum(a.size > SMALL for a in story.arrays.values()) + 2 * len(story.flows)
        large += TERMS * sum(o.update is not None for o in story.ops)
        self.side = min(SIDE, max(8, math.isqrt(PICTURES // max(large, 1))))

    def data(self) -> dict[str, Any]:
        s = self.story
        nodes = [self._node(n, o) for n, o in enumerate(s.ops)]
        steps = self._backward()
        scopes = [self._scope(x) for x in s.scopes]
        return {"version": 1, "values": self.values, "nodes": nodes, "scopes": scopes, "backward": steps}

    def _value(self, key: Key) -> int:
        if key not in self.numbers:
            a = self.story.arrays[key]
            made = to_json(a, self.side)
            if key[0] in self.story.names:
                made["name"] = self.story.names[key[0]]
            if key in self.story.copied:
                made["given"] = True  # by the program, not made by an operation
            if key[0] in self.story.leaves:
                made["leaf"] = True
            if key[0] in self.story.of_parameters:
                made["gradient"] = True
            self.numbers[key] = len(self.values)
            self.values.append(made)
        return self.numbers[key]

    def _gradient(self, a: np.ndarray, gradient: bool = True) -> int:
        key = "gradient", id(a)
        if key not in self.numbers:
            self.gradients.append(a)
            self.numbers[key] = len(self.values)
            self.values.append(to_json(a, self.side) | ({"gradient": True} if gradient else {}))
        return self.numbers[key]

    def _node(self, n: int, o: Done) -> dict[str, Any]:
        made: dict[str, Any] = {
            "op": o.name,
            "formula": o.op.formula if o.op is not None else "",
            "kind": UPDATE if o.update else o.op.kind if o.op is not None else WRITE if o.name == WRITE else "composite",
            "scope": o.scope,
            "inputs": [self._value(k) for k in o.inputs],
            "outputs": [self._value(k) for k in o.outputs],
            "attrs": {k: _shown(v) for k, v in o.attrs.items()} if o.name != WRITE else {},
        } | _where(o.place)
        if o.op is not None and o.node is not None:
            made["rules"] = [self._rule(o.op, i, o.attrs) for i in range(len(o.inputs))]
        return made | self._update(o)

    def _update(self, o: Done) -> dict[str, Any]:
        if o.update is None:
            return {}
        p, g, after = (self.story.arrays[k] for k in (*o.inputs, *o.outputs))
        change, found = moved(p, after)
        told = [{"name": t.name, "formula": t.formula, "code": t.code, "value": self._gradient(t.value, False)}
                for t in terms(o.update, p, g, after)]  # fmt: skip
        counts = o.update.optimizer.counts and type(o.update.optimizer).update is not Optimizer.update
        count = o.update.memory.get("step", 0) if counts else None
        options = o.update.options | ({} if count is None else {"step": int(count) + 1})
        about = {"attrs": {k: _shown(v) for k, v in options.items() if v is not None and v is not False and v != 0}}
        return about | {"terms": told, "change": self._gradient(change, False), "moved": found}

    @staticmethod
    def _rule(op: Any, i: int, attrs: dict[str, Any]) -> dict[str, Any] | None:
        rule = op.rule(i)
        if rule is None:
            return None
        return {"text": rules.said(op, i, attrs), "reads": [[name, what] for name, what in rules.reads(rule)]}

    def _scope(self, s: Scope) -> dict[str, Any]:
        owner, name, formula = s.owner, "", ""
        if s.kind == LAYER:
            name = type(owner).__name__
        elif s.kind == COMPOSITE:
            name, formula = owner.__name__, getattr(owner, "formula", "")
        elif s.kind == FUNCTION:
            name = owner[1].__qualname__.rpartition(".")[0]
        else:
            name = f"{type(owner).__name__}.step"
        made = {"parent": s.parent, "kind": s.kind, "name": name, "formula": formula} | _where(s.place)
        if s.kind == LAYER:
            paths = [path for root in self.story.roots for path, m in root.named_modules() if m is owner]
            made["path"] = paths[0] if paths else ""
        return made

    def _backward(self) -> list[dict[str, Any]]:
        """One step a node of the tape, in the order of the walk."""
        by_node = {id(o.node): n for n, o in enumerate(self.story.ops) if o.node is not None}
        steps: list[dict[str, Any]] = []
        last: tuple[int, int] | None = None  # (id of the node, id of what arrived) of the latest step
        for f in self.story.flows:
            if isinstance(f.node, OutputNode):
                continue
            arrived = f.arrived if isinstance(f.arrived, dict) else {0: f.arrived}
            mark = id(f.node), id(next(iter(arrived.values())))
            if mark != last:
                last = mark
                step: dict[str, Any] = {"after": f.at, "walk": f.walk}
                step |= {"arrived": {k: self._gradient(g) for k, g in arrived.items()}, "parts": []}
                if f.node.hooks:
                    step["hook"] = True
                if id(f.node) in by_node:
                    step["node"] = by_node[id(f.node)]
                elif isinstance(f.node, FunctionNode):
                    step["scope"] = self._function(f.node)
                    times = self.story.ran.get(id(f.node))
                    if times:
                        step["ran"] = [self._ran(r) for r in times.pop(0)]
                steps.append(step)
                inputs = iter([i for i, p in enumerate(f.node.parents) if p is not None])
            self._part(steps[-1], f, inputs)
        return steps

    def _ran(self, r: Ran) -> dict[str, Any]:
        return {"op": r.op.name, "value": self._gradient(r.y)} | _where(r.place)

    def _part(self, step: dict[str, Any], f: Flow, inputs: Any) -> None:
        i = next((i for i in inputs if f.node.parents[i] is (f.via or f.parent)), None)
        gradient = next(iter(f.gradient.values())) if isinstance(f.gradient, dict) else f.gradient
        part: dict[str, Any] = {"input": i, "gradient": self._gradient(gradient)}
        if isinstance(f.parent, Leaf):
            part["leaf"] = True
            if f.parent.hooks:
                part["hook"] = True
        o = self.story.ops[step["node"]] if "node" in step else None
        if o is not None and o.op is not None and i is not None:
            given = [self.story.arrays[k] for k in o.inputs]
            found = rules.local(o.op, i, given, self.story.arrays[o.outputs[0]], o.attrs)
            if found is not None:
                part["local"] = self._gradient(np.ascontiguousarray(found))
        if "scope" in step:
            key = self._made_by(f.parent)
            if key is not None:
                part["value"] = self._value(key)
        step["parts"].append(part)

    def _made_by(self, node: Node) -> Key | None:
        """The value that a gradient at `node` is of."""
        ids = {i for i, (leaf, _) in self.story.leaves.items() if leaf is node}
        found = [k for k in self.story.arrays if k[0] in ids] or [o.outputs[0] for o in self.story.ops if o.node is node]
        return found[0] if found else None

    def _function(self, node: Node) -> int | None:
        """The scope of a user's Function."""
        ctx = getattr(node, "ctx", None)
        found = [s.number for s in self.story.scopes if s.kind == FUNCTION and s.owner[0] is ctx]
        return found[0] if found else None


def _where(place: Place | None) -> dict[str, Any]:
    if place is None:
        return {}
    line = line_at(place)
    return {"line": str(line), "source": source(line)}


def _shown(value: Any) -> Any:
    if isinstance(value, (bool, int, str, type(None))):
        return value
    if isinstance(value, float):
        return number(value)
    if isinstance(value, (tuple, list)):
        return [_shown(v) for v in value]
    return str(value)
