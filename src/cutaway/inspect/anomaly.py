"""The NaN box: `with detect_anomaly():` names the first operation, forward or backward, that made NaN or Inf.

Not every Inf is an anomaly. A mask is filled with -inf on purpose, and `log` of a masked place may be NaN and thrown away by
`where`. So a bad value is remembered as a suspect with what it was made of, and is reported only when it

- comes out of a gradient rule as NaN, or reaches a leaf's gradient,
- stands in the tensor that `backward` begins at, or in a parameter after `optimizer.step()`,
- or is what is left when the box is closed: a result that no operation has read.

Then it is traced back to the operation whose inputs were still good. An Inf that was written down as such (a constant, data)
made nothing go wrong; what made NaN of it did.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from cutaway.core.autograd import Leaf, Node
from cutaway.core.diary import Place
from cutaway.core.errors import AnomalyError, ArgumentError, ArgumentTypeError
from cutaway.core.op import INTERPRETER, STAGE, Op
from cutaway.core.promote import coerce
from cutaway.core.tensor import Tensor
from cutaway.inspect.advice import LEARNING_RATE, Growth, advise
from cutaway.inspect.excerpt import Shown, first_bad, largest
from cutaway.inspect.facts import Facts
from cutaway.inspect.lines import line_at, quoted
from cutaway.inspect.watch import FINE, INF, NAN, Source, Step, Watch, worst

WORDS = {FINE: "finite numbers", INF: "Inf", NAN: "NaN"}
LED = 6  # steps that are shown


class Blame(NamedTuple):
    """The gradient rule that made a bad gradient: of `node`, whose forward was `step`; rule: the op inside."""

    node: Node
    step: Step | None
    before: int
    state: int
    rule: str
    shown: Shown


class Box(Watch):
    """The observer that `detect_anomaly` puts in place."""

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
        for i, t in zip(step.inputs, tensors, strict=True):
            i.state = max(i.state, worst(t._data))  # a Source is looked at here first; others may have been written since
        before = max([i.state for i in step.inputs], default=FINE)
        step.fact = {"before": before}
        if step.state > before:
            at = first_bad(y._data)
            step.fact["shown"] = Shown.of([t._data for t in tensors], y._data, at)
        if step.of is None:
            self.suspects = [s for s in self.suspects if s.result() is not None] + [step]

    # --- where it counts --------------------------------------------------------------------------------------------

    def flowed(self, node: Node, g: Any, parent: Node, gi: Any) -> None:
        """In a backward: its beginning, NaN made by a rule, Inf that arrives at a leaf."""
        if not self.check_nan or not isinstance(gi, Tensor) or type(gi._data) is not np.ndarray:
            return
        begins = node.seq not in self._awaited
        if begins:  # what is it that gradients are asked of?
            root = self.nodes.get(node)
            if root is not None and root.state:
                self._forward(root, "the loss, where backward begins")
        self._awaited.add(parent.seq)
        state = worst(gi._data)
        if not state:
            return
        before = worst(g._data) if isinstance(g, Tensor) else FINE
        blame = self._blame.get(node) if before else None
        if blame is None:
            blame = Blame(node, self.nodes.get(node), before, *_inside(node, g, parent, gi))
        self._blame[parent] = blame
        if state == NAN or isinstance(parent, Leaf):
            t = parent.tensor() if isinstance(parent, Leaf) else None
            name = Facts().name(t)
            self._backward(blame, state, f"the gradient of {name}" if name else f"the gradient of {node.name}'s input")

    def stepped(self, optimizer: Any, place: Place | None) -> None:
        """After `optimizer.step()`: parameters, and how they have grown."""
        self._awaited.clear()
        for _, step in list(self.made.values()):  # what led to what is left goes no further back than this step
            step.inputs = ()
        params = [p for group in optimizer.param_groups for p in group["params"]]
        self.growth.stepped(optimizer, params, place)
        if not self.check_nan:
            return
        for p in params:
            state = worst(p._data)
            if state:
                facts = Facts()
                name = facts.name(p) or f"parameter {list(p._data.shape)}"
                grad = 0.0 if p._grad is None else largest(p._grad._data)
                raise self._error(
                    f"step: {WORDS[state]} in {name} after {type(optimizer).__name__}.step() at {quoted(place)}; it was "
                    f"finite before, with gradients up to {grad:.3g}",
                    "step", "forward", line_at(place), LEARNING_RATE, self.growth.text(facts), (),
                )  # fmt: skip

    def close(self) -> None:
        """At the end of the box: what is left over, bad and unread."""
        suspects, self.suspects = self.suspects, []
        for step in suspects:
            if self.check_nan and step.result() is not None and not step.fact.get("read"):
                self._forward(step, "a result that was left at the end")

    # --- the report -------------------------------------------------------------------------------------------------

    def _forward(self, step: Step, what: str) -> None:
        """Raise AnomalyError about what made this bad, unless it is an Inf that someone wrote down."""
        first = _origin(step)
        if isinstance(first, Source):
            if step.state != NAN and first.state != NAN:
                return
            facts = Facts()
            reader = _reader(step, first)
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
            f"{WORDS[first.fact['before']]} was "
            f"{first.op.name}{_where(first)}",
            f"  at        {quoted(first.place)}",
        ]
        self._tell(lines, first, first.op.name, "forward", first.fact["shown"])

    def _backward(self, blame: Blame, state: int, what: str) -> None:
        """Raise AnomalyError about the gradient rule that made this bad."""
        step, name = blame.step, blame.node.name
        lines = [
            f"{WORDS[state]} in {what}: the first to make {WORDS[blame.state]} out of {WORDS[blame.before]} was the "
            "backward of "
            f"{name}{'' if step is None else _where(step)}"
        ]
        if step is None:
            lines.append("  at        an unknown line: its forward ran before the box was opened; put it inside as well")
        else:
            lines.append(f"  at        {quoted(step.place)} (the forward call)")
        if blame.rule:
            lines.append(f"  rule      {blame.rule} in it, of the gradient that arrived and what forward had kept")
        self._tell(lines, step, name, "backward", blame.shown)

    def _tell(self, lines: list[str], step: Step | None, name: str, direction: str, shown: Shown) -> None:
        """Raise, with the numbers, the steps that led there, and the advice."""
        lines += [f"  {'input' if k == 0 else '':<9} {x}" for k, x in enumerate(shown.inputs)]
        lines.append(f"  result    {shown.result}")
        led = () if step is None else tuple(_led(step))
        lines += [f"  {'led there' if k == 0 else '':<9} {x}" for k, x in enumerate(led)]
        cause, fix = advise(name, direction == "backward", step, shown, self.growth)
        if cause == LEARNING_RATE:
            fix = self.growth.text(Facts())
        raise self._error("\n".join(lines), name, direction, line_at(step.place if step else None), cause, fix, led)

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


def _where(step: Step) -> str:
    inside = f", inside {step.scopes[0]}" if step.scopes else ""
    return inside + (f", in layer {Facts().path(step.layers[-1])}" if step.layers else "")


def _origin(step: Step) -> Step | Source:
    """Back from a bad value to what made it of better ones; a Source if it was bad from the outset."""
    while True:
        bad = [i for i in step.inputs if i.state]
        if not bad or not step.fact or step.fact["before"] == FINE:
            return step
        same = [i for i in bad if i.state >= step.state]
        if same:
            source = next((i for i in same if isinstance(i, Source)), None)
            found = next((i for i in same if isinstance(i, Step)), None)
            if found is None:
                assert source is not None
                return source
            step = found
            continue
        # NaN of Inf: who made the Inf, if it was made and not written down?
        for i in bad:
            first = _origin(i) if isinstance(i, Step) else i
            if isinstance(first, Step):
                return first
        return step


def _reader(step: Step, source: Source) -> Step:
    """The step that read `source`."""
    while source not in step.inputs:
        step = next(i for i in step.inputs if isinstance(i, Step) and i.state >= min(step.state, source.state))
    return step


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


# --- what the user calls ----------------------------------------------------------------------------------------------

# The box at work here, with how it was opened; for `set_detect_anomaly` and `is_anomaly_enabled`.
OPEN: ContextVar[Box | None] = ContextVar("box", default=None)


class detect_anomaly:
    """Inside, the first operation that makes NaN or Inf out of finite numbers is named in an error, with its line.

        with cutaway.autograd.detect_anomaly():
            loss = step(x, y)
            loss.backward()

    Forward and backward, eager and compiled (a compiled function runs op by op inside). It also is a decorator. The numbers
    are the same, several times slower. check_nan=False only watches, and raises nothing.

    Raises AnomalyError, a RuntimeError as PyTorch's. Inf on purpose (a mask of -inf before softmax) is no anomaly.
    """

    def __init__(self, check_nan: bool = True) -> None:
        if callable(check_nan):
            raise ArgumentTypeError("detect_anomaly: write @detect_anomaly(), with parentheses")
        self.check_nan = bool(check_nan)
        self._tokens: list[Any] = []

    def __enter__(self) -> Box:
        if STAGE.get() is not None:
            raise ArgumentError(
                "detect_anomaly: inside a compiled function there are no values to look at; put it around the call"
            )
        box = Box(self.check_nan)
        box.on()
        self._tokens.append((box, OPEN.set(box)))
        return box

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        box, token = self._tokens.pop()
        OPEN.reset(token)
        box.off()
        if kind is None:
            box.close()

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, each call of which is watched."""

        @wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.check_nan):
                return fn(*args, **kwargs)

        return call


_standing: list[Box] = []  # the box that set_detect_anomaly opened


class set_detect_anomaly:
    """`detect_anomaly` on or off from here on; also usable as `with set_detect_anomaly(mode):`."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        if not isinstance(mode, (bool, np.bool_)):
            raise ArgumentTypeError(f"set_detect_anomaly: mode must be True or False, got {mode!r}")
        self._before = (bool(_standing), _standing[-1].check_nan if _standing else True)
        _stand(bool(mode), bool(check_nan))

    def __enter__(self) -> None:
        """It was switched when it was made, as in PyTorch."""

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        box = _standing[-1] if _standing else None
        _stand(*self._before)
        if box is not None and box not in _standing and kind is None:
            box.close()


def _stand(mode: bool, check_nan: bool) -> None:
    if _standing and (not mode or _standing[-1].check_nan != check_nan):
        _standing.pop().off()
        OPEN.set(None)
    if mode and not _standing:
        box = Box(check_nan)
        box.on()
        OPEN.set(box)
        _standing.append(box)


def is_anomaly_enabled() -> bool:
    """True inside `detect_anomaly`, or after `set_detect_anomaly(True)`."""
    return OPEN.get() is not None
