"""`why(t, fn=step)`: the step once more under watch. Whatever ran is linked by what it read, with or without gradients."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import numpy as np

from cutaway.core.autograd import walk
from cutaway.core.diary import SEQ, Note, Place, notes
from cutaway.core.dtypes import INEXACT
from cutaway.core.errors import GradError
from cutaway.core.tensor import Tensor
from cutaway.inspect.answer import CUT, Answer, picture
from cutaway.inspect.facts import Facts
from cutaway.inspect.flow import Flows
from cutaway.inspect.judge import judge
from cutaway.inspect.lines import line_at, quoted
from cutaway.inspect.lookback import look_back, zeroed
from cutaway.inspect.replaced import another_in_its_place
from cutaway.inspect.watch import Step

WORKING = 1000  # a cut costs as much as this many steps: the way with the fewest cuts is shown


class Question(Flows):
    """Watches one step for one tensor."""

    def __init__(self, t: Tensor) -> None:
        super().__init__()
        self.t = t
        self.uses: list[tuple[Step, int]] = []  # steps that read the tensor, and as which input
        self.cuts: dict[tuple[int, int], tuple[str, Place]] = {}  # (step, input) -> how and where it was detached
        self.gradient: np.ndarray | None = None
        self.since = next(SEQ)
        self.when: dict[int, int] = {}  # of steps without gradients, on the clock of notes

    def seen(self, step: Step, tensors: tuple[Tensor, ...], y: Tensor) -> None:
        """Note whether it reads the tensor, and whether what it reads was detached."""
        super().seen(step, tensors, y)
        self._kept.append(y._data)
        if not step.recording and step.of is None:
            self.when[step.number] = next(SEQ)
        for k, x in enumerate(tensors):
            if step.of is None and (x is self.t or x._data is self.t._data):
                self.uses.append((step, k))
            if x._node is None and x._data.dtype.kind in INEXACT:
                for n in reversed(notes()):
                    if n.kind == "detach" and n.about[1]() is x._data:
                        self.cuts[step.number, k] = n.detail[0], n.place
                        break

    def flowed(self, node: Any, g: Any, parent: Any, gi: Any) -> None:
        """Note what comes to the tensor itself."""
        super().flowed(node, g, parent, gi)
        if parent is self.t._node and isinstance(gi, Tensor):
            self.gradient = gi._data if self.gradient is None else self.gradient + gi._data


def ask(t: Tensor, fn: Callable[[], Any], facts: Facts) -> Answer:
    """Run `fn` under watch, and answer."""
    q = Question(t)
    q.on()
    try:
        y = fn()
        if not q.flows and (loss := _loss(y)) is not None and loss._node is not None:
            walk([(loss._node, Tensor._wrap(np.ones(loss._data.shape, loss._data.dtype)))], [t._node], True, False)
    except GradError:
        q.off()
        told = look_back(t, None, Facts())
        if told.kind == "graph freed":
            return told
        raise
    finally:
        q.off()
    facts = Facts()  # the step may have made and named things
    subject = facts.described(t)
    replaced = another_in_its_place(t, notes(), facts)
    if replaced is not None:
        return replaced
    if q.gradient is not None:
        told = judge(subject, q.gradient, q.below(t._node), q, facts)
        return _cleared(t, told, q, facts) if told.kind == "fine" else told
    roots = [s for r in q.roots if (s := q.nodes.get(r)) is not None]
    loss = _loss(y)
    if not roots and loss is not None and isinstance(found := q.origin(loss), Step):
        roots = [found]
    if not q.uses:
        return _never_read(t, subject, facts)
    if not roots:
        uses = q.uses[-1][0]
        if loss is not None or any(s.node is not None for s in q.steps):
            return Answer(
                "no backward", f"It is read at {quoted(uses.place)}, but the step called no backward and returned no loss.",
                "call loss.backward() in the step, or return the loss", line=line_at(uses.place), subject=subject,
            )  # fmt: skip
        return _off(subject, uses, q, facts, ())
    way = _way(roots, q)
    lost = _detached_for_good(q) if way is None else None
    if lost is not None:
        return Answer(
            "detached",
            f"{lost.detail[0]} at {quoted(lost.place)} cut it off: what is made of those numbers (NumPy, a new tensor) has "
            "no history, and no tensor leads from there to the loss.",
            "keep it a tensor, and leave detach() out where gradients are to flow", line=line_at(lost.place), certain=False,
            subject=subject,
        )  # fmt: skip
    if way is None:
        lines = list(dict.fromkeys(quoted(s.place) for s, _ in q.uses))
        return Answer(
            "unused",
            f"It is read ({'; '.join(lines[:3])}), but what is made of it there does not reach the loss.",
            "add it to the loss; if it went through NumPy or a Python number (.item(), float()), keep it a tensor",
            line=line_at(q.uses[-1][0].place), subject=subject,
        )  # fmt: skip
    return _where_cut(subject, way, q, facts)


def _cleared(t: Tensor, found: Answer, q: Question, facts: Facts) -> Answer:
    """Of a gradient with which nothing is wrong: whether the step cleared it afterwards."""
    backwards = [n.seq for n in notes() if n.kind == "backward" and n.seq > q.since]
    note = zeroed(t, notes(), backwards[-1], facts) if backwards else None
    if note is None or (t._grad is not None and t._grad._numbers.any()):
        return found
    return Answer(
        "zero_grad", f"{found.text} The step cleared it afterwards, at {quoted(note.place)}.",
        "look at .grad between backward() and zero_grad()", line=line_at(note.place), subject=found.subject,
    )  # fmt: skip


def _detached_for_good(q: Question) -> Note | None:
    """The detach() of something made of the tensor in this step, whose numbers went on outside of tensors."""
    uses = {s.number for s, _ in q.uses}
    for n in reversed([n for n in notes() if n.kind == "detach" and n.seq > q.since]):
        made = q.made.get(id(n.about[1]()))
        queue: list[Any] = [] if made is None else [made[1]]
        known: set[int] = set()
        while queue:
            step = queue.pop()
            if step.number in uses:
                return n
            if isinstance(step, Step) and step.number not in known:
                known.add(step.number)
                queue += step.inputs
    return None


def _loss(y: Any) -> Tensor | None:
    """The loss in what a step returned."""
    if isinstance(y, (tuple, list)):
        return next((x for x in y if isinstance(x, Tensor) and x._data.dtype.kind in INEXACT), None)
    return y if isinstance(y, Tensor) and y._data.dtype.kind in INEXACT else None


def _never_read(t: Tensor, subject: str, facts: Facts) -> Answer:
    replaced = another_in_its_place(t, notes(), facts)
    return replaced or Answer(
        "unused", "The step ran, and no operation read it.",
        "use it in forward (is its layer called?), or leave it out of the model", subject=subject,
    )  # fmt: skip


Way = list[tuple[Step, int]]  # from the loss down: each step, and the input by which the way goes on


def _way(roots: list[Step], q: Question) -> Way | None:
    """From the loss down to a step that reads the tensor, with as few cuts as can be; None if there is no way."""
    target = {s.number: k for s, k in q.uses}
    heap: list[tuple[int, int, Step]] = [(0, -s.number, s) for s in roots]
    came: dict[int, tuple[Step, int] | None] = {s.number: None for s in roots}
    cost = {s.number: 0 for s in roots}
    done: set[int] = set()
    while heap:
        c, _, step = heappop(heap)
        if step.number in done:
            continue
        done.add(step.number)
        if step.number in target:
            out: Way = [(step, target[step.number])]
            while (before := came[out[-1][0].number]) is not None:
                out.append(before)
            return out[::-1]
        for k, i in enumerate(step.inputs):
            if isinstance(i, Step):
                dear = 1 if _flows(step, k) else WORKING
                if i.number not in cost or c + dear < cost[i.number]:
                    cost[i.number], came[i.number] = c + dear, (step, k)
                    heappush(heap, (c + dear, -i.number, i))
    return None


def _flows(step: Step, k: int) -> bool:
    """Whether a gradient of the step's result goes on to input `k`."""
    return step.within or (step.node is not None and step.attached[k] and step.op.rule(k) is not None)


def _where_cut(subject: str, way: Way, q: Question, facts: Facts) -> Answer:
    """The first place, counted from the tensor, where the history is lost."""
    for at in range(len(way) - 1, -1, -1):
        step, k = way[at]
        if _flows(step, k):
            continue
        shown = _picture(way, at, q, facts, subject)
        if (step.number, k) in q.cuts or not step.attached[k]:
            how, place = q.cuts.get((step.number, k), ("detach() or .data", step.place))
            after = "" if (step.number, k) in q.cuts else ", or before it"
            return Answer(
                "detached",
                f"{how} at {quoted(place)}{after} cut it off from the loss: {step.op.name} reads numbers without a history.",
                "leave detach() out where gradients are to flow", shown, line_at(place), subject=subject,
            )  # fmt: skip
        if not step.recording:
            return _off(subject, step, q, facts, shown)
        name = step.op.name
        whole = step.dtype.kind not in INEXACT
        what = f"its result is {step.dtype.name}" if whole else "it has no gradient towards this input"
        return Answer(
            "no rule", f"{name} at {quoted(step.place)} ends the way: {what}.",
            "replace it by something smooth: softmax for argmax, a weight for a comparison, a float for an integer",
            shown, line_at(step.place), subject=subject,
        )  # fmt: skip
    step = way[0][0]
    within = next((s for s, _ in way if s.within), None)
    if within is not None:
        return Answer(
            "function",
            f"The way goes through your Function at {quoted(within.place)}, whose backward returned None for it.",
            "return a gradient for each input that needs one", _picture(way, -1, q, facts, subject), line_at(within.place),
            subject=subject,
        )  # fmt: skip
    return Answer(
        "no backward", "The loss depends on it, but no backward went this way.", "call loss.backward() in the step",
        _picture(way, -1, q, facts, subject), line_at(step.place), subject=subject,
    )  # fmt: skip


def _off(subject: str, step: Step, q: Question, facts: Facts, shown: tuple[str, ...]) -> Answer:
    until = q.when.get(step.number, 1 << 62)  # a block may have been entered since, elsewhere
    block = next((n for n in reversed(notes()) if n.kind == "no_grad" and n.seq < until), None)
    if step.recording:
        return Answer(
            "constant", f"{step.op.name} at {quoted(step.place)} reads it, and nothing recorded a history.",
            "call requires_grad_() on it before the step", shown, line_at(step.place), subject=subject,
        )  # fmt: skip
    entered = f" (no_grad() was entered at {quoted(block.place)})" if block is not None else ""
    return Answer(
        "no_grad",
        f"{step.op.name} at {quoted(step.place)} reads it while gradients are off{entered}, so nothing is recorded.",
        "move the line out of no_grad()", shown, line_at(step.place), subject=subject,
    )  # fmt: skip


def _picture(way: Way, at: int, q: Question, facts: Facts, subject: str) -> tuple[str, ...]:
    rows = []
    for n, (step, k) in enumerate(way):
        where = f"  {facts.path(step.layers[-1])}" if step.layers else ""
        rows.append(("loss" if n == 0 else "  |", f"{step.op.name} {list(step.shape)}", f"{line_at(step.place)}{where}"))
        if n == at:
            cut = q.cuts.get((step.number, k))
            text = "no history" if step.recording else f"no_grad at {quoted(step.place)}"
            rows.append((CUT, f"{cut[0]} at {quoted(cut[1])}" if cut else text, ""))
    rows.append(("  v", subject, ""))
    return picture(rows)
