"""A parameter that was replaced, alone or with its layer: the module holds one tensor, the optimiser another."""

from __future__ import annotations

from collections.abc import Sequence

from cutaway.core.diary import Note
from cutaway.core.tensor import Tensor
from cutaway.inspect.answer import Answer
from cutaway.inspect.facts import Facts
from cutaway.inspect.lines import line_at, quoted
from cutaway.nn.parameter import Parameter

FIX = "write values into the parameter that is there (with no_grad(): p.copy_(values)), or make the optimiser afterwards"


def another_in_its_place(t: Tensor, notes: Sequence[Note], facts: Facts) -> Answer | None:
    """If the module and the optimiser hold two different tensors for one parameter, the answer for either of them."""
    if not isinstance(t, Parameter):
        return None
    return _not_stepped(t, notes, facts) if facts.owned(t) else _left_behind(t, notes, facts)


def _assignment(t: Tensor, notes: Sequence[Note]) -> Note | None:
    """Where `t` lost its place to another parameter or layer, or to none."""
    return next((n for n in reversed(notes) if n.kind == "assign" and any(r() is t for r in n.about[1:])), None)


def _left_behind(t: Tensor, notes: Sequence[Note], facts: Facts) -> Answer | None:
    """For the tensor that no module holds any more."""
    note = _assignment(t, notes)
    holder = next((o for o, _, _ in facts.holders(t)), None)
    owner = None if note is None else note.about[0]()
    if note is None and (holder is None or t._grad is not None or not facts.successors(t, holder)):
        return None  # a parameter of its own, which was never in a module
    held = f", while {type(holder).__name__} still steps this one" if holder is not None else ""
    now = "One of its shape is in a module now, and no optimiser steps that."
    if note is not None and owner is not None:
        (name, kind), at = note.detail, quoted(note.place)
        what = f"was taken out at {at}" if kind == "gone" else f"is another {kind} now, assigned at {at}"
        now = f"{name!r} of {facts.path(owner)} {what}."
    return Answer(
        "replaced", f"No module holds it any more{held}, so the model does not read it. {now}", FIX,
        line=line_at(note.place if note else None), certain=note is not None, subject=facts.described(t),
    )  # fmt: skip


def _not_stepped(t: Tensor, notes: Sequence[Note], facts: Facts) -> Answer | None:
    """For the tensor that the module holds, and no optimiser."""
    if next(facts.holders(t), None) is not None:
        return None
    for o, p in facts.orphans(t):
        note = _assignment(p, notes)
        if p._data.shape == t._data.shape and (note is not None or p._grad is None):
            how = "it was taken out" if note is not None and note.detail[1] == "gone" else "another was assigned"
            where = f", until {how} at {quoted(note.place)}" if note is not None else ""
            return Answer(
                "replaced",
                f"{type(o).__name__} does not step it: it holds another tensor of this shape, which was in the model "
                f"when the optimiser was made{where}.",
                FIX, line=line_at(note.place if note else None), certain=note is not None, subject=facts.described(t),
            )  # fmt: skip
    return None
