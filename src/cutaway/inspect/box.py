"""The NaN box watches a program, and says which operation was the first, forward or backward, to make NaN or Inf.

Not every Inf is an anomaly. A mask is filled with -inf on purpose, and `log` of a masked place may be NaN and thrown away by
`where`. So a bad value is remembered as a suspect with what it was made of, and is reported only when it

- comes out of a gradient rule as NaN, or reaches a leaf's gradient,
- stands in the tensor that `backward` begins at, or in a parameter after `optimizer.step()`,
- or is what is left when the box is closed: a result that no operation has read.

Then it is traced back to the operation whose inputs were still good. An Inf that was written down as such (a constant, data)
made nothing go wrong; what made NaN of it did.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from cutaway.core.autograd import FunctionNode, Leaf, Node
from cutaway.core.diary import Place
from cutaway.core.errors import AnomalyError
from cutaway.core.op import INTERPRETER, Op
from cutaway.core.promote import coerce
from cutaway.core.strict import is_lenient
from cutaway.core.tensor import Tensor
from cutaway.inspect.advice import LEARNING_RATE, Growth, advise
from cutaway.inspect.excerpt import Shown, first_bad, largest
from cutaway.inspect.facts import Facts
from cutaway.inspect.lines import backward_of, line_at, quoted
from cutaway.inspect.watch import FINE, INF, NAN, Source, Step, Watch, worst

WORDS = {FINE: "finite numbers", INF: "Inf", NAN: "NaN"}
LED = 6  # steps that are shown


class Blame(NamedTuple):
    """The gradient rule that made a bad gradient: of the node called `name`, whose forward was `step`; rule: the op inside.

    before, state   the worst element of what arrived, and of what went on
    """

    name: str
    step: Step | None
    before: int
    state: int
    rule: str
    shown: Shown
    written: Place | None = None  # of a user's Function: the line of its backward, or where that is


class Box(Watch):
    """The observer that `detect_anomaly` (anomaly.py) puts in place."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__()
        self.check_nan = check_nan
        self.suspects: list[Step] = []
        self.growth = Growth()
        self._awaited: set[int] = set()  # numbers of nodes that a gradient is on its way to
        self._blame: WeakKeyDictionary[Node, Blame] = WeakKeyDictionary()  # for what arrives at a node

    # --- what is noted ----------------------------------------------------------------------------------------------

    def seen(self, step: Step, tensors: tuple[Tensor, ...], y: Tensor) -> None:
        """Note a bad result, and what it was made of."""
        for t in tensors:
            if isinstance(t._node, Leaf):
                self.growth.met(t)
        step.state = worst(y._data)
        for i in step.inputs:
            if isinstance(i, Step) and i.state:
                i.fact = i.fact or {}
                i.fact["read"] = True
        if not step.state:
            return
        inputs = []
        for i, t in zip(step.inputs, tensors, strict=True):
            state = worst(t._data)
            if isinstance(i, Source) or state > i.state:  # or it was written in place, by no operation that we know
                i = Source(t, state)
            inputs.append(i)
        step.inputs = tuple(inputs)
        before = max([i.state for i in step.inputs], default=FINE)
        step.fact = {"before": before}
        if step.state > before:
            at = first_bad(y._data)
            step.fact["shown"] = Shown.of([t._data for t in tensors], y._data, at)
        if step.of is None:
            self.suspects = [s for s in self.suspects if s.result() is not None] + [step]

    @property
    def least(self) -> int:
        """What is an anomaly: while a program written for PyTorch runs NaN alone, and in gradients alone; else Inf, too."""
        return NAN if is_lenient() else INF

    # --- where it counts --------------------------------------------------------------------------------------------

    def flowed(self, node: Node, g: Any, parent: Node, gi: Any) -> None:
        """In a backward: its beginning, NaN made by a rule, Inf that arrives at a leaf."""
        if not self.check_nan or not isinstance(gi, Tensor) or type(gi._data) is not np.ndarray:
            return
        begins = node.seq not in self._awaited
        root = self.nodes.get(node) if begins else None
        if root is not None and root.state and not is_lenient():  # what gradients are asked of is bad itself
            self._forward(root, "the loss, where backward begins")
        self._awaited.add(parent.seq)
        state = worst(gi._data)
        if not state:
            return
        before = worst(g._data) if isinstance(g, Tensor) else FINE
        blame = self._blame.get(node) if before else None
        if blame is None and before >= self.least:
            self._arrived(node, before, begins)
        if blame is None:
            state, rule, shown = _inside(node, g, parent, gi)
            written = None
            if isinstance(node, FunctionNode):
                made = _own(self.origin(gi))
                written = backward_of(node) if made is None else made.place
                shown = shown if made is None else made.fact.get("shown", shown)
            blame = Blame(node.name, self.nodes.get(node), before, state, rule, shown, written)
        self._blame[parent] = blame
        if state == NAN or (isinstance(parent, Leaf) and state >= self.least):
            t = parent.tensor() if isinstance(parent, Leaf) else None
            name = Facts().name(t)
            self._backward(blame, state, f"the gradient of {name}" if name else f"the gradient of {node.name}'s input")

    def stepped(self, optimizer: Any, place: Place | None) -> None:
        """After `optimizer.step()`: parameters, and how they have grown."""
        self._awaited.clear()
        self._blame.clear()
        for _, step in list(self.made.values()):  # what led to what is left goes no further back than this step
            if not step.state:
                step.inputs = ()
        params = [p for group in optimizer.param_groups for p in group["params"]]
        self.growth.stepped(optimizer, params, place)
        if not self.check_nan or is_lenient():
            return
        for p in params:
            state = worst(p._data)
            if state:
                facts = Facts()
                name = facts.name(p) or f"parameter {list(p._data.shape)}"
                grad = 0.0 if p._grad is None else largest(p._grad._numbers)
                raise self._error(
                    f"step: {WORDS[state]} in {name} after {type(optimizer).__name__}.step() at {quoted(place)}; it was "
                    f"finite before, with gradients up to {grad:.3g}",
                    "step", "forward", line_at(place), LEARNING_RATE, self.growth.text(facts), (),
                )  # fmt: skip

    def close(self) -> None:
        """At the end of the box: what is left over, bad and unread."""
        suspects, self.suspects = self.suspects, []
        for step in suspects:
            if self.check_nan and not is_lenient() and step.result() is not None and not step.fact.get("read"):
                self._forward(step, "a result that was left at the end")

    # --- the report -------------------------------------------------------------------------------------------------

    def _forward(self, step: Step, what: str) -> None:
        """Raise AnomalyError about what made this bad, unless it is an Inf that someone wrote down."""
        first, reader = _origin(step)
        if isinstance(first, Source):
            if step.state != NAN and first.state != NAN:
                return
            facts = Facts()
            line = line_at(reader.place)
            name = _given(first, facts)
            text = (
                f"{WORDS[first.state]} in {what}: it was in {name} already, which is read by {reader.op.name} at "
                f"{quoted(reader.place)}"
            )
            t = first.tensor()
            if t is not None and isinstance(t._node, Leaf):
                raise self._error(text, reader.op.name, "forward", line, LEARNING_RATE, self.growth.text(facts), ())
            fix = "look at the data: x.isnan().any(), x.isinf().any(); drop or fill what is missing (nan_to_num)"
            raise self._error(text, reader.op.name, "forward", line, "data", fix, ())
        lines = [
            f"{WORDS[step.state]} in {what}: the first to make {WORDS[first.state]} out of "
            f"{WORDS[first.fact['before']]} was {first.op.name}{_where(first)}",
            f"  at        {quoted(first.place)}",
        ]
        self._tell(lines, first, first.op.name, "forward", first.fact["shown"])

    def _backward(self, blame: Blame, state: int, what: str) -> None:
        """Raise AnomalyError about the gradient rule that made this bad."""
        step, name = blame.step, blame.name
        lines = [
            f"{WORDS[state]} in {what}: the first to make {WORDS[blame.state]} out of {WORDS[blame.before]} was "
            f"the backward of {name}{'' if step is None else _where(step)}"
        ]
        if blame.written is not None:
            lines.append(f"  at        {quoted(blame.written)} (the backward that you wrote)")
        elif step is None:
            lines.append("  at        an unknown line: its forward ran before the box was opened; put it inside as well")
        else:
            lines.append(f"  at        {quoted(step.place)} (the forward call)")
        if blame.rule:
            lines.append(f"  rule      {blame.rule} in it, of the gradient that arrived and what forward had kept")
        self._tell(lines, step, name, "backward", blame.shown, blame.written)

    def _arrived(self, node: Node, state: int, begins: bool) -> None:
        """Raise AnomalyError about a gradient that arrived bad, made by no rule."""
        step = self.nodes.get(node)
        place = step.place if step is not None else None
        if begins:
            text = "the gradient that backward was given"
            fix = "look at what is passed as gradient=, or at the factor on the loss"
        else:
            text = f"the sum of the gradients that arrive at {node.name}, each of which was fine"
            fix = "their sizes differ too much or are too large: average instead of summing, or lower the learning rate"
        at = f", at {quoted(place)}" if place is not None else ""
        raise self._error(f"{WORDS[state]} in {text}{at}", node.name, "backward", line_at(place), "overflow", fix, ())

    def _tell(
        self, lines: list[str], step: Step | None, name: str, direction: str, shown: Shown, at: Place | None = None
    ) -> None:
        """Raise, with the numbers, the steps that led there, and the advice."""
        lines += [f"  {'input' if k == 0 else '':<9} {x}" for k, x in enumerate(shown.inputs)]
        lines.append(f"  result    {shown.result}")
        led = () if step is None else tuple(_led(step))
        lines += [f"  {'led there' if k == 0 else '':<9} {x}" for k, x in enumerate(led)]
        cause, fix = advise(name, direction == "backward", step, shown, self.growth)
        if cause == LEARNING_RATE:
            fix = self.growth.text(Facts())
        if at is not None:
            cause, fix = "function", f"look at what {name}.backward divides by and multiplies; cutaway.gradcheck checks it"
        place = step.place if at is None and step is not None else at
        raise self._error("\n".join(lines), name, direction, line_at(place), cause, fix, led)

    def _error(
        self, text: str, op: str, direction: str, line: Any, cause: str, fix: str, steps: tuple[str, ...]
    ) -> AnomalyError:
        error = AnomalyError(f"detect_anomaly: {text}\n  fix       {fix}")
        error.op, error.direction, error.line, error.cause, error.steps = op, direction, line, cause, steps
        return error


def _inside(node: Node, g: Any, parent: Node, gi: Any) -> tuple[int, str, Shown]:
    """What in a gradient rule made `gi` bad: its state, the op, its numbers. The rule runs once more, op by op."""
    state, found = worst(gi._data), list[tuple[Op, list[np.ndarray], np.ndarray]]()

    def note(op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
        tensors = coerce(op, inputs)
        y = Op.eager(op, tensors, attrs)
        if worst(y._data) > max([worst(t._data) for t in tensors], default=FINE):
            found.append((op, [t._data for t in tensors], y._data))
        return y

    if type(node) is Node:  # a user's Function is not called twice
        token = INTERPRETER.set(note)
        try:
            list(node.gradients(g, {parent}, False))
        finally:
            INTERPRETER.reset(token)
    if found:
        op, inputs, y = found[0]
        return state, op.name, Shown.of(inputs, y, first_bad(y))
    given = [g._data] if isinstance(g, Tensor) else []
    return state, "", Shown.of(given, gi._data, first_bad(gi._data))


def _own(made: Step | Source) -> Step | None:
    """Where in a user's backward, which returned what is bad: the first operation that made or read such; None: NumPy."""
    if not isinstance(made, Step) or made.of is None or not made.state:
        return None
    while (led := next((i for i in made.inputs if isinstance(i, Step) and i.state and i.of is made.of), None)) is not None:
        made = led
    return made


def _where(step: Step) -> str:
    inside = f", inside {step.scopes[0]}" if step.scopes else ""
    return inside + (f", in layer {Facts().path(step.layers[-1])}" if step.layers else "")


def _origin(step: Step) -> tuple[Step | Source, Step]:
    """Back from a bad value to what made it of better ones, or to a Source that was bad from the outset; and its reader."""
    while True:
        bad = [i for i in step.inputs if i.state]
        if not bad:
            return step, step
        same = [i for i in bad if i.state >= step.state]
        if same:
            found = next((i for i in same if isinstance(i, Step)), None)
            if found is None:
                return same[0], step
            step = found
            continue
        for i in bad:  # NaN of Inf: who made the Inf, if it was made and not written down?
            if isinstance(i, Step) and isinstance((first := _origin(i))[0], Step):
                return first
        return step, step


def _led(step: Step) -> list[str]:
    """The steps before, the nearest last."""
    found: list[Step] = []
    queue: list[Any] = list(step.inputs)
    while queue and len(found) < LED:
        s = queue.pop(0)
        if isinstance(s, Step) and s not in found:
            found.append(s)
            queue += s.inputs
    found.sort(key=lambda s: s.number)
    return [f"{s.op.name:<12} {s.dtype.name}{list(s.shape)}".ljust(40) + quoted(s.place) for s in found]


def _given(source: Source, facts: Facts) -> str:
    kind = "a tensor" if source.shape else "a number"
    return facts.name(source.tensor()) or f"{kind} that was given, {source.dtype.name}{list(source.shape)},"
