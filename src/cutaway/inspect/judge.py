"""What the numbers of a gradient say: zero, tiny, huge, NaN, or nothing wrong; and which operation made it so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway.core.autograd import FunctionNode, Leaf, Node
from cutaway.inspect.answer import CUT, Answer, picture
from cutaway.inspect.facts import Facts
from cutaway.inspect.flow import CHOOSING, FLAT, SOFT, Flow, Flows, Gate, Size, gate, killers, makers_of_nan, stretch
from cutaway.inspect.lines import backward_of, line_at, quoted
from cutaway.inspect.tape import Row, Tape, leaves_at, rows, saved_arrays
from cutaway.inspect.watch import FINE, INF, NAN

HUGE, TINY, SMALL = 1e4, 1e-7, 1e-4
ACTIVATION = {"relu": "ReLU", "sigmoid": "sigmoid", "tanh": "tanh"}
DEAD_FIX = (
    "lower the learning rate or the biases, start with nn.init.kaiming_*, normalise the inputs, or use leaky_relu or "
    "gelu, which let something through below 0 as well"
)
SATURATED_FIX = (
    "make its input smaller: smaller initial weights (nn.init.xavier_*), normalised inputs, a normalisation layer "
    "before it; at the output give the scores to a loss that takes them (cross_entropy, "
    "binary_cross_entropy_with_logits)"
)


def judge(subject: str, g: np.ndarray, flows: list[Flow], watch: Flows, facts: Facts) -> Answer:
    """The answer for a gradient whose way is known; `flows` are those through which it came, the nearest first."""
    size = Size.of(g)
    if size.state:
        return _nan(subject, flows, watch, facts)
    if size.zeros == 1.0:
        return _zero(subject, flows, watch, facts)
    gates = _gates(flows, watch, facts)
    soft = [x for x in gates if x[1].name in SOFT and x[1].share >= 0.5]
    if size.largest < SMALL and soft:
        return _saturated(subject, soft, flows, facts, f"The gradient is at most {size.largest:.2g}.")
    shut = [x for x in gates if x[1].name == "relu" and x[1].share >= 0.5]
    if size.zeros >= 0.5 and shut:
        return _dead(subject, shut, flows, facts, f"{size.zeros:.0%} of the gradient's elements are exactly zero.")
    if size.largest < TINY:
        f = min((f for f in flows if f.before.largest), key=stretch, default=None)
        text = f"Its largest element is {size.largest:.2g}"
        if f is not None:
            text += f"; the strongest shrinking was in backward of {_told(f, facts)}, by {1 / max(stretch(f), 1e-38):.3g}"
        fix = "fewer or better scaled layers: residual connections, normalisation layers, nn.init.kaiming_* or xavier_*"
        return Answer("vanishing", text + ".", fix, _way(flows, facts), _line(f), subject=subject)
    if size.largest > HUGE:
        f = max(flows, key=stretch, default=None)
        text = f"Its largest element is {size.largest:.3g}"
        if f is not None:
            text += (
                f"; backward of {_told(f, facts)} made it larger most, from {f.before.largest:.3g} to "
                f"{f.after.largest:.3g}"
            )
        fix = (
            "average instead of summing over the batch, normalise data and activations, keep divisors and logarithms "
            "away from 0, or limit the step with nn.utils.clip_grad_norm_"
        )
        return Answer("huge", text + ".", fix, _way(flows, facts), _line(f), subject=subject)
    return fine(subject, size)


def fine(subject: str, size: Size) -> Answer:
    """Nothing is wrong."""
    some = f", {size.zeros:.0%} of its elements are zero" if size.zeros else ""
    return Answer("fine", f"It has a gradient: finite, its largest element {size.largest:.3g}{some}.", subject=subject)


def _nan(subject: str, flows: list[Flow], watch: Flows, facts: Facts) -> Answer:
    made = makers_of_nan(flows)
    fix = "run the step inside cutaway.autograd.detect_anomaly(): it shows the numbers, and the form to write instead"
    if not made:
        return Answer(
            "nan",
            "Its gradient holds NaN or Inf, and so does what backward began with: the loss was not finite itself.",
            fix, _way(flows, facts), subject=subject,
        )  # fmt: skip
    f = made[-1]  # the one nearest to the loss
    made_of_it = "Inf" if f.after.state == INF else "NaN"
    text = f"The gradient that arrived at {_told(f, facts)} was finite; its backward made {made_of_it} of it."
    return Answer("nan", text, fix, _way(flows, facts, f), _line(f), subject=subject)


def _zero(subject: str, flows: list[Flow], watch: Flows, facts: Facts) -> Answer:
    ends = killers(flows)
    if not ends:
        return Answer(
            "zero",
            "Its gradient is zero everywhere, and so is what backward began with.",
            "look at the gradient that was given to backward, and at factors of 0 on the loss",
            _way(flows, facts), subject=subject,
        )  # fmt: skip
    f = ends[0]
    name = f.node.name
    told = _told(f, facts)
    way = _way(flows, facts, f)
    gates = _gates([f], watch, facts)
    everywhere = _gates(flows, watch, facts)
    if name in ("relu", "gate"):
        return _dead(subject, [x for x in everywhere if x[1].name == "relu"] or gates, flows, facts, "", f)
    if name in SOFT:
        return _saturated(subject, [x for x in everywhere if x[1].name in SOFT], flows, facts, "", f)
    if f.step is not None and "softmax" in f.step.scopes:
        return Answer(
            "saturated",
            f"The softmax stands at an end: one probability is 1 and all others are 0, for every example, where it is flat. "
            f"The gradient went out at {told}.",
            SATURATED_FIX, way, _line(f), subject=subject,
        )  # fmt: skip
    if name in FLAT:
        return Answer(
            "flat",
            f"{told} is flat between its jumps, so its slope is 0 everywhere and no gradient comes through.",
            f"take {name} out of the loss, or let the gradient pass it: x + (x.{name}() - x).detach()",
            way, _line(f), subject=subject,
        )  # fmt: skip
    if name in CHOOSING:
        return Answer(
            "not chosen",
            f"A gradient arrived at {told}, but none of this tensor's elements were chosen there (limited, masked or "
            "not picked).",
            "look at the condition, the limits or the indices",
            way, _line(f), subject=subject,
        )  # fmt: skip
    if isinstance(f.node, FunctionNode):
        return Answer(
            "function",
            f"backward of your Function {told} returned zeros: {quoted(backward_of(f.node))}.",
            "check it with cutaway.gradcheck",
            way, line_at(backward_of(f.node)), subject=subject,
        )  # fmt: skip
    zeros = [a for a in saved_arrays(f.node) if a.size and not a.any()]
    what = f": a {'x'.join(map(str, zeros[0].shape)) or 'single'} factor is all zeros" if zeros else ""
    by = [n for leaf in leaves_at(f.node) if (t := leaf.tensor()) is not None and not t._data.any() and (n := facts.name(t))]
    if by:
        what = f": {', '.join(by)} is all zeros"
    shut = [x for x in everywhere if x[1].name == "relu" and x[1].share == 1.0]
    if shut and not by:
        return _dead(subject, shut, flows, facts, f"What {told} multiplies is therefore zero.", f)
    return Answer(
        "zeros",
        f"A gradient arrived at {told} and was multiplied by zeros there{what}.",
        "look at the other factor: a mask of zeros, weights that begin at 0, an input of zeros",
        way, _line(f), subject=subject,
    )  # fmt: skip


def _dead(
    subject: str, gates: Sequence[tuple[str, Gate, Any]], flows: list[Flow], facts: Facts, more: str, f: Flow | None = None
) -> Answer:
    listed = "; ".join(f"{where}: {g.shut} of {g.units} units ({g.share:.0%})" for where, g, _ in gates)
    text = (
        f"Units whose ReLU's input is never positive, for no example: {listed or 'all'}. "
        f"No gradient comes back through them. {more}"
    )
    worst = max(gates, key=lambda x: x[1].share, default=None)
    place = worst[2] if worst is not None else None
    line = line_at(place) if place is not None else _line(f)
    return Answer("dead relu", text.strip(), DEAD_FIX, _way(flows, facts, f), line, subject=subject)


def _saturated(
    subject: str, gates: Sequence[tuple[str, Gate, Any]], flows: list[Flow], facts: Facts, more: str, f: Flow | None = None
) -> Answer:
    listed = "; ".join(f"{where}: {g.shut} of {g.units} units ({g.share:.0%})" for where, g, _ in gates)
    name = gates[0][1].name if gates else f.node.name if f is not None else "sigmoid"
    text = f"Units whose {name} stands at an end, where it is flat, for every example: {listed or 'all'}. {more}"
    worst = max(gates, key=lambda x: x[1].share, default=None)
    line = line_at(worst[2]) if worst is not None and worst[2] is not None else _line(f)
    return Answer("saturated", text.strip(), SATURATED_FIX, _way(flows, facts, f), line, subject=subject)


def _gates(flows: list[Flow], watch: Flows, facts: Facts) -> list[tuple[str, Gate, Any]]:
    """(where, what, the user's line) of the activations on the way, the nearest to the loss last."""
    found: list[tuple[str, Gate, Any]] = []
    known: set[Node] = set()
    for f in flows:
        if f.node in known:
            continue
        known.add(f.node)
        if f.step is not None:
            if f.step.number in watch.gates:
                step, shut = watch.gates[f.step.number]
                where = facts.path(step.layers[-1]) if step.layers else shut.name
                found.append((f"{where} at {line_at(step.place)}", shut, step.place))
        elif getattr(f.node, "saved_y", None) is not None:
            told = gate(f.node.name, f.node.saved_y[0])  # type: ignore[index]
            if told is not None:
                found.append((f"{ACTIVATION[told.name]} {list(f.node.meta[0])}", told, None))
    return found


def _told(f: Flow, facts: Facts) -> str:
    """`relu in layer act1 (ReLU), model.py:12: h = relu(h)`."""
    if f.step is None:
        return f"{f.node.name} {list(f.node.meta[0])}"
    where = f", in layer {facts.path(f.step.layers[-1])}" if f.step.layers else ""
    inside = f" inside {f.step.scopes[-1]}" if f.step.scopes and f.step.scopes[-1] != f.node.name else ""
    return f"{f.node.name}{inside}{where} ({quoted(f.step.place)})"


def _line(f: Flow | None) -> str:
    return "" if f is None or f.step is None else line_at(f.step.place)


def _way(flows: list[Flow], facts: Facts, at: Flow | None = None) -> tuple[str, ...]:
    """The path that the gradient came, with its largest element at each node; `at` is where it went wrong."""
    if not flows:
        return ()
    leaf = flows[0].parent
    into: dict[Node, Flow] = {}
    for f in flows:  # breadth first: the first flow into a parent is on a shortest way
        into.setdefault(f.parent, f)
    best = {f.node: f for f in reversed(flows)}
    path: list[Flow] = []
    node: Node | None = at.node if at is not None else None
    if at is not None:
        path, here = [at], at.parent
        while here is not leaf and here in best and best[here] not in path:
            path.append(best[here])
            here = best[here].parent
        path.reverse()
    node = at.node if at is not None else leaf
    while node in into and into[node] not in path:
        path.append(into[node])
        node = into[node].node
    out: list[Row] = []
    for k, f in enumerate(reversed(path)):
        names = [n for x in leaves_at(f.node) if (n := facts.name(x.tensor()))]
        what = f"{f.node.name} {list(f.node.meta[0])}" + (f" of {', '.join(names)}" if names else "")
        at_line = f"  {line_at(f.step.place)}" if f.step is not None else ""
        out.append(("loss" if k == 0 else "  |", what, f"{_amount(f.before)} arrives{at_line}"))
        if f is at:
            out.append((CUT, f"{_amount(f.after)} goes on", ""))
    name = facts.name(leaf.tensor()) if isinstance(leaf, Leaf) else leaf.name
    out.append(("  v", f"{name or 'the tensor'} {list(leaf.meta[0])}", _amount(flows[0].after)))
    return picture(out)


def _amount(size: Size) -> str:
    if size.state != FINE:
        return "NaN" if size.state == NAN else "Inf"
    return "0" if size.zeros == 1.0 else f"up to {size.largest:.2g}"


def from_siblings(subject: str, leaf: Leaf, root: Node, g: np.ndarray, facts: Facts) -> Answer:
    """For a zero gradient after values were freed: which gradients of other weights are zero tells where it went out."""
    path = Tape([root]).path(leaf)
    alive = -1
    for k, node in enumerate(path[:-1]):
        for other in leaves_at(node):
            t = other.tensor()
            if other is not leaf and t is not None and t._grad is not None and t._grad._numbers.any():
                alive = k
    between = path[alive + 1 : -1]
    last = leaves_at(path[alive]) if alive >= 0 else []
    seen = ", ".join(n for x in last if (n := facts.name(x.tensor())))
    names = [n.name for n in between]
    since = f"A gradient reached {seen}, which is nearer to the loss; " if seen else ""
    way = picture(rows(path, facts))
    flat = next((n for n in names if n in FLAT), None)
    first = next((n for n in names if n == "relu" or n in SOFT), None)
    if flat:
        return Answer(
            "flat",
            f"{since}then comes {flat}, whose slope is 0 everywhere.",
            f"take {flat} out of the loss, or let the gradient pass it: x + (x.{flat}() - x).detach()", way, subject=subject,
        )  # fmt: skip
    if first == "relu":
        dead = _dead_units(leaf, g)
        return Answer(
            "dead relu",
            f"{since}then comes a ReLU, and behind it everything is exactly zero{dead}: its input is never positive, "
            "for no example, so nothing comes back through it.",
            DEAD_FIX, way, certain=False, subject=subject,
        )  # fmt: skip
    if first is not None:
        return Answer(
            "saturated",
            f"{since}then comes a {first}, and behind it everything is exactly zero: it stands at an end, where it is "
            "flat.",
            SATURATED_FIX, way, certain=False, subject=subject,
        )  # fmt: skip
    listed = ", ".join(dict.fromkeys(names)) or "one operation"
    return Answer(
        "zero",
        f"{since}{'behind that' if since else 'On the way'} it was multiplied by zeros, in one of: {listed}. The "
        "values are gone: backward has freed them.",
        "call backward(retain_graph=True) and ask again, or ask why(t, fn=step)", way, certain=False, subject=subject,
    )  # fmt: skip


def _dead_units(leaf: Leaf, g: np.ndarray) -> str:
    if g.ndim < 1 or not len(g):
        return ""
    shut = int((~g.reshape(len(g), -1).any(axis=1)).sum())
    return f" ({shut} of {len(g)} units)"
