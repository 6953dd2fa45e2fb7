"""After the fact: why a leaf has the gradient that it has, or none, by what is left.

Little is left: `backward` frees the values, and what was not recorded left no trace. But the graph is alive as long as
the loss is; modules and optimisers say who holds the tensor; the diary (core/diary.py) says where backward, detach,
no_grad, zero_grad and freezing were called last; and gradients of other weights tell where one went out. Where that does
not settle it, the answer is marked as the most likely one.
"""

from __future__ import annotations

import numpy as np

from cutaway.core import diary
from cutaway.core.autograd import FunctionNode, Node, walk
from cutaway.core.diary import Note
from cutaway.core.tensor import Tensor
from cutaway.inspect.answer import Answer, picture
from cutaway.inspect.blocks import hands_out
from cutaway.inspect.facts import Facts
from cutaway.inspect.flow import Flows, Size
from cutaway.inspect.judge import HUGE, fine, from_siblings, judge
from cutaway.inspect.lines import backward_of, line_at, quoted
from cutaway.inspect.replaced import another_in_its_place
from cutaway.inspect.tape import End, Row, Tape, cut, rows

SURE = "run the step once more under watch: why(t, fn=step), with step a function without arguments"


def look_back(t: Tensor, loss: Tensor | None, facts: Facts) -> Answer:
    """The answer for a leaf (or a result that retains its gradient), by what is left."""
    subject = facts.described(t)
    notes = diary.notes()
    backwards = [n for n in notes if n.kind == "backward"]
    if loss is not None and loss._node is None:
        if facts.compiled_steps():
            return Answer(
                "compiled",
                "The loss has no history. It may come from a compiled training step: inside, gradients are values of the "
                "program, and what it returns is only a number.",
                "ask why(t, fn=step), which runs the step op by op", certain=False, subject=subject,
            )  # fmt: skip
        quiet = "it was made under no_grad(), or of tensors that ask for none"
        how = "it is the result of detach()" if loss._epoch == -1 else quiet
        return Answer(
            "unconnected", f"The loss itself has no history: {how}.",
            "compute it of the model's outputs, outside no_grad() and without detach()", subject=subject,
        )  # fmt: skip
    replaced = another_in_its_place(t, notes, facts)
    if replaced is not None:
        return replaced
    roots = _roots(loss, backwards)
    refused = _refused(t, Tape(roots), notes, facts)
    if refused is not None:
        return refused
    if t._grad is not None:
        return _of_numbers(t, roots, facts)
    if facts.compiled_step(t):
        return Answer(
            "compiled",
            "A compiled training step updates it; inside, gradients are values of the program, and none is kept.",
            "return it from the step (autograd.grad gives it), or ask why(t, fn=step), which runs the step op by op",
            subject=subject,
        )  # fmt: skip
    if not roots:
        return _nothing_left(t, notes, backwards, facts)
    tape = Tape(roots)
    if t._node in tape:
        return _cleared(t, tape, notes, backwards, facts)
    return _cut_off(t, tape, notes, backwards, facts)


def _roots(loss: Tensor | None, backwards: list[Note]) -> list[Node]:
    """Where the graph is looked at from: the loss, or what is alive of the last backward's."""
    if loss is not None:
        return [loss._node]
    for n in reversed(backwards):
        found = [node for r in n.about if (node := r()) is not None]
        if found:
            return found
    return []


def _nothing_left(t: Tensor, notes: list[Note], backwards: list[Note], facts: Facts) -> Answer:
    subject = facts.described(t)
    if not backwards:
        return Answer(
            "no backward", "No backward was called in this program yet (or it is longer ago than what is remembered).",
            "call loss.backward()", subject=subject,
        )  # fmt: skip
    cleared = zeroed(t, notes, backwards[-1].seq, facts)
    if cleared is not None:
        return Answer(
            "zero_grad", f"Gradients were cleared after the last backward, at {quoted(cleared.place)}.",
            "look at .grad between backward() and zero_grad()", line=line_at(cleared.place), certain=False, subject=subject,
        )  # fmt: skip
    likely = _likely(t, None, notes, backwards, facts)
    return likely or Answer(
        "unknown",
        f"backward was called at {quoted(backwards[-1].place)}, but its loss is gone, and the graph with it.",
        f"pass the loss: why(t, loss); or {SURE}", certain=False, subject=subject,
    )  # fmt: skip


def _refused(t: Tensor, tape: Tape, notes: list[Note], facts: Facts) -> Answer | None:
    """If the last backward came to a part of this graph whose values were freed by one before."""
    subject = facts.described(t)
    tried = next((k for k in range(len(notes) - 1, -1, -1) if notes[k].kind == "backward"), -1)
    freed = next((n for n in notes[tried:] if n.kind == "freed" and n.about[0]() in tape), None) if tried >= 0 else None
    if freed is None and tried >= 0:  # the loss that failed is gone; what it came to may be alive
        freed = next((n for n in notes[tried:] if n.kind == "freed" and n.about[0]() is not None), None)
        tape = tape if freed is None else Tape([freed.about[0]()])  # type: ignore[list-item]
    if freed is None or t._node not in tape:
        return None
    node = freed.about[0]()
    assert isinstance(node, Node)
    first = next((n for n in reversed(notes[:tried]) if n.kind == "backward" and _leads(n, node)), None)
    before = f" It was used first at {quoted(first.place)}, and its values were freed then." if first is not None else ""
    kept = " The gradient that is there is that of the backward before." if t._grad is not None else ""
    return Answer(
        "graph freed",
        f"backward at {quoted(freed.place)} came to a part of the graph that had been used already (at {node.name}), "
        f"so no gradient was added anywhere.{before}{kept}",
        "compute the loss anew for each backward, add the losses and call backward once, or pass retain_graph=True "
        "the first time",
        picture(rows(tape.path(t._node), facts)), line_at(freed.place), subject=subject,
    )  # fmt: skip


def _leads(n: Note, node: Node) -> bool:
    """Whether a backward went over `node`, as far as that can be told: its loss may be gone."""
    roots = [r() for r in n.about]
    return None in roots or node in Tape([r for r in roots if r is not None])


def _cleared(t: Tensor, tape: Tape, notes: list[Note], backwards: list[Note], facts: Facts) -> Answer:
    """The loss depends on the tensor, and there is no gradient."""
    subject = facts.described(t)
    way = picture(rows(tape.path(t._node), facts))
    here = [n for n in backwards if any(r() in tape.roots for r in n.about)]
    last = here[-1].seq if here else -1
    cleared = zeroed(t, notes, last, facts) if here else None
    if cleared is not None:
        return Answer(
            "zero_grad",
            f"backward gave it a gradient (at {quoted(here[-1].place)}), and it was cleared afterwards, at "
            f"{quoted(cleared.place)}.",
            "look at .grad between backward() and zero_grad()", way, line_at(cleared.place), subject=subject,
        )  # fmt: skip
    if not here and not tape.freed():
        return Answer(
            "no backward", "The loss depends on it, but backward was not called on this loss.", "call loss.backward()",
            way, subject=subject,
        )  # fmt: skip
    if here and here[-1].detail is False:
        return Answer(
            "not chosen", f"backward at {quoted(here[-1].place)} was given inputs=, and this tensor is not among them.",
            "add it to inputs, or leave inputs out", way, line_at(here[-1].place), subject=subject,
        )  # fmt: skip
    function = next((n for n in tape.path(t._node) if isinstance(n, FunctionNode)), None)
    if function is not None:
        return Answer(
            "function",
            f"The way goes through your Function {function.name} ({quoted(backward_of(function))}); if its backward returns "
            "None for this input, no gradient comes.",
            "return a gradient for each input that needs one", way, line_at(backward_of(function)), False, subject,
        )  # fmt: skip
    return Answer(
        "zero_grad",
        "The loss depends on it and its graph was used, so a gradient was there or was given elsewhere: `.grad` was "
        "set to None, or autograd.grad() returned it.",
        "look at .grad directly after backward()", way, certain=False, subject=subject,
    )  # fmt: skip


def zeroed(t: Tensor, notes: list[Note], since: int, facts: Facts) -> Note | None:
    """The zero_grad after `since` of someone who holds the tensor."""
    holders = [o for o, _, _ in facts.holders(t)]
    for n in reversed(notes):
        if n.kind == "zero_grad" and n.seq > since:
            owner = n.about[0]()
            if any(owner is o for o in holders):
                return n
            if hasattr(owner, "parameters") and any(p is t for p in owner.parameters()):  # type: ignore[union-attr]
                return n
    return None


# --- cut off --------------------------------------------------------------------------------------------------------------


def _cut_off(t: Tensor, tape: Tape, notes: list[Note], backwards: list[Note], facts: Facts) -> Answer:
    """The loss does not depend on the tensor: it was cut off on the way, or never used."""
    subject = facts.described(t)
    likely = _likely(t, tape, notes, backwards, facts)
    if likely is not None:
        return likely
    ends = tape.ends()
    return Answer(
        "unused",
        "Nothing that the loss was computed from leads to it, and no detach() or no_grad() was met on the way: the "
        "loss does not read it (a layer that forward does not call, or a branch that was not taken)."
        + " Or what it was used for has no gradient and left no trace (argmax, a comparison, .item(), NumPy)." * bool(ends),
        "use it in forward; if it went through NumPy or a Python number (.item(), float()), keep it a tensor",
        _dead_end(tape, ends[0], facts) if ends else (), certain=not ends, subject=subject,
    )  # fmt: skip


def _likely(t: Tensor, tape: Tape | None, notes: list[Note], backwards: list[Note], facts: Facts) -> Answer | None:
    """The detach() or no_grad() that most likely cut the tensor off, among those noted for this step."""
    subject = facts.described(t)
    roots = [] if tape is None else tape.roots
    until = max([n.seq for n in roots], default=backwards[-1].seq if backwards else 1 << 62)
    before = [n.seq for n in backwards if n.seq < until and not any(r() in roots for r in n.about)]
    since = before[-1] if before and roots else -1
    window = [n for n in notes if since < n.seq <= until]
    began = [k for k, n in enumerate(window) if n.kind == "zero_grad"]  # the step begins there, where it stands in front
    window = window[began[-1] :] if began else window
    ends = [] if tape is None else tape.ends()
    for n in reversed(window):
        if n.kind != "detach":
            continue
        source = n.about[0]()
        leads = source is not None and t._node in (below := Tape([source]))
        if source is not None and not leads:
            continue
        end = next((e for e in ends if _fits(e, n)), None)
        if not leads and end is None:
            continue
        how, shape, _ = n.detail
        way: tuple[str, ...] = ()
        if tape is not None and end is not None:
            upper: list[Row] = rows(tape.path(end.node), facts)
            lower = rows(below.path(t._node), facts, "  |") if leads else [("  :", "", ""), ("  v", subject, "")]
            way = picture([*upper, cut(f"{how} at {quoted(n.place)}"), *lower])
        return Answer(
            "detached",
            f"{how} at {quoted(n.place)} cut it off from the loss: what comes after is computed of {list(shape)} "
            "numbers without a history.",
            "leave detach() out where gradients are to flow", way, line_at(n.place),
            certain=leads and end is not None and _same(end, n), subject=subject,
        )  # fmt: skip
    blocks = [n for n in window if n.kind == "no_grad" and hands_out(n)]
    if blocks and (tape is None or ends):
        n = blocks[-1]
        name = f"{n.detail}(), which runs under no_grad()," if n.detail else "no_grad() was entered"
        return Answer(
            "no_grad",
            f"{name} at {quoted(n.place)} before the loss was computed; what the tensor was used for there left no "
            "history.",
            "move what is to be learnt out of no_grad()",
            _dead_end(tape, ends[0], facts) if tape is not None and ends else (), line_at(n.place), certain=False,
            subject=subject,
        )  # fmt: skip
    return None


def _fits(end: End, n: Note) -> bool:
    """Whether what was detached may be what came in without a history there."""
    _, shape, dtype = n.detail
    return _same(end, n) or (end.shape == shape and end.dtype == dtype)


def _same(end: End, n: Note) -> bool:
    """Whether the very array that was detached is what the node has saved."""
    saved = getattr(end.node, "saved", {}).get(end.place)
    return saved is not None and saved[0] is n.about[1]()


def _dead_end(tape: Tape, end: End, facts: Facts) -> tuple[str, ...]:
    return picture([*rows(tape.path(end.node), facts), cut(f"an input {list(end.shape)} without a history")])


# --- numbers --------------------------------------------------------------------------------------------------------------


def _of_numbers(t: Tensor, roots: list[Node], facts: Facts) -> Answer:
    """There is a gradient: what its numbers say. If the graph still has its values, backward is watched once more."""
    assert t._grad is not None
    subject, g = facts.described(t), t._grad._numbers
    size = Size.of(g)
    if not size.state and size.zeros < 0.5 and 1e-4 <= size.largest <= HUGE:
        return fine(subject, size)
    tape = Tape(roots)
    if t._node in tape and not tape.freed():
        watch = Flows()
        watch.on()
        try:
            ones = [(n, Tensor._wrap(np.ones(n.meta[0], n.meta[1]))) for n in roots]
            walk(ones, [t._node], True, False)
        finally:
            watch.off()
        flows = watch.below(t._node)
        if flows:
            return judge(subject, g, flows, watch, facts)
    if size.zeros == 1.0:
        notes = diary.notes()
        cleared = next((n for n in reversed(notes) if n.kind == "zero_grad" and n.detail is False), None)
        later = cleared is not None and not any(n.kind == "backward" and n.seq > cleared.seq for n in notes)
        if cleared is not None and later and zeroed(t, notes, -1, facts):
            return Answer(
                "zero_grad", f"zero_grad(set_to_none=False) at {quoted(cleared.place)} filled it with zeros after backward.",
                "look at .grad between backward() and zero_grad()", line=line_at(cleared.place), subject=subject,
            )  # fmt: skip
        if t._node in tape:
            root = next(r for r in roots if t._node in Tape([r]))
            return from_siblings(subject, t._node, root, g, facts)
        return Answer(
            "zero", "Its gradient is zero everywhere, and the graph that it came through is gone.",
            f"pass the loss; or {SURE}", certain=False, subject=subject,
        )  # fmt: skip
    kind = "nan" if size.state else "huge" if size.largest > HUGE else "vanishing" if size.largest < 1e-7 else ""
    if not kind:
        return fine(subject, size)
    which = "largest finite" if size.state else "largest"
    return Answer(
        kind, f"The gradient's {which} element is {size.largest:.3g}; which operation made it "
        "so is not known any more: backward has freed the values.",
        "call backward(retain_graph=True) and ask again, or " + (
            "run the step inside cutaway.autograd.detect_anomaly()" if size.state else SURE
        ),
        picture(rows(tape.path(t._node), facts)) if t._node in tape else (), certain=False, subject=subject,
    )  # fmt: skip
