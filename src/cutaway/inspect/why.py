"""`why(t)`: why is this tensor's gradient None, zero, huge or NaN.

What lies in the tensor itself is answered here. Else `lookback.py` answers by what is left after the fact, or `rerun.py` by
running the step once more under watch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from cutaway.core.autograd import Leaf
from cutaway.core.diary import Note, notes
from cutaway.core.dtypes import INEXACT
from cutaway.core.errors import ArgumentTypeError
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor
from cutaway.inspect.answer import Answer, picture
from cutaway.inspect.blocks import assigned, assigned_elsewhere
from cutaway.inspect.facts import Facts
from cutaway.inspect.lines import line_at, quoted
from cutaway.inspect.lookback import look_back
from cutaway.inspect.rerun import ask
from cutaway.inspect.tape import rows
from cutaway.nn.parameter import Parameter


def why(t: Tensor, loss: Tensor | Callable[[], Any] | None = None, *, fn: Callable[[], Any] | None = None) -> Answer:
    """Why the gradient of `t` is None, zero, huge or NaN.

    loss   the tensor that backward was, or is to be, called on; without it, the one that it was called on last
    fn     a training step without arguments, which is run once under watch (op by op, compiled ones too): then every answer
           is exact and has its line. It really runs: parameters take their step. If it returns a loss without calling
           backward, gradients are taken without touching any `.grad`. `why(t, step)` is the same.

    Raises ArgumentTypeError for what is no Tensor, and what fn raises (a graph that was freed is answered, not raised).
    """
    if not isinstance(t, Tensor):
        raise ArgumentTypeError(f"why: the first argument must be a Tensor, got {describe(t)}; pass model.fc.weight, say")
    if fn is None and loss is not None and not isinstance(loss, Tensor):
        fn, loss = loss, None
    if fn is not None and not callable(fn):
        raise ArgumentTypeError(f"why: loss must be a Tensor, or a function without arguments, got {describe(fn)}")
    facts = Facts()
    told = standing(t, facts, sys._getframe(1))
    if told is not None:
        return told
    return ask(t, fn, facts) if fn is not None else look_back(t, loss, facts)  # type: ignore[arg-type]


# --- what the tensor is ------------------------------------------------------------------------------------------------


def standing(t: Tensor, facts: Facts, caller: FrameType) -> Answer | None:
    """The answer that lies in the tensor itself; None if it is a leaf that asks for a gradient."""
    subject = facts.described(t)
    if t._data.dtype.kind not in INEXACT:
        return Answer(
            "integer",
            f"Gradients are of floating-point numbers; this tensor is {t.dtype}.",
            "make it with a floating dtype (1.0 instead of 1), or convert it with .float() before requires_grad_()",
            subject=subject,
        )  # fmt: skip
    if t._node is None:
        return _without_node(t, subject, caller)
    if not isinstance(t._node, Leaf) and not t.retains_grad:
        return Answer(
            "non-leaf",
            f"It is the result of {t._node.name}; `.grad` is kept for leaves only (tensors that no operation made, as "
            "parameters).",
            "call t.retain_grad() before backward, or cutaway.autograd.grad(loss, t)",
            picture(rows([t._node], facts, "  |")), subject=subject,
        )  # fmt: skip
    return None


def _without_node(t: Tensor, subject: str, caller: FrameType) -> Answer | None:
    said = notes()[::-1]
    frozen = next((n for n in said if n.kind == "freeze" and n.about[0]() is t), None)
    if frozen is not None or isinstance(t, Parameter):
        at = f", switched off at {quoted(frozen.place)}" if frozen is not None else ""
        return Answer(
            "frozen", f"Its requires_grad is False{at}: no gradient is computed for it.", "call requires_grad_(True) on it",
            line=line_at(frozen.place if frozen else None), subject=subject,
        )  # fmt: skip
    if t._epoch == -1:
        found = next((n for n in said if n.kind == "detach" and n.about[1]() is t._data), None)
        how = found.detail[0] if found is not None else "detach()"
        at = f" at {quoted(found.place)}" if found is not None else ""
        return Answer(
            "detached", f"It was made by {how}{at}: the same numbers, without the history that gradients go along.",
            "use the tensor that was detached", line=line_at(found.place if found else None), subject=subject,
        )  # fmt: skip
    block, sure = _made_in_block(t, said, caller)
    if block is not None:
        return Answer(
            "no_grad", f"It was made under no_grad(), entered at {quoted(block.place)}: operations there leave no history.",
            "move the line out of the block", line=line_at(block.place), certain=sure, subject=subject,
        )  # fmt: skip
    recent = next((n for n in said if n.kind == "no_grad"), None)
    maybe = f" It may also have been made under no_grad(), as entered last at {quoted(recent.place)}." if recent else ""
    return Answer(
        "constant", f"It is data: no operation with a history made it, and its requires_grad is False.{maybe}",
        "make it with requires_grad=True, or call requires_grad_() on it before it is used",
        line=line_at(recent.place if recent else None), certain=recent is None, subject=subject,
    )  # fmt: skip


def _made_in_block(t: Tensor, said: list[Note], caller: FrameType) -> tuple[Note | None, bool]:
    """The `with no_grad():` block, noted lately, that assigns to a name which the caller has for the tensor.

    And whether that is certain: the function assigns to the name nowhere else.
    """
    names = {n for space in (caller.f_locals, caller.f_globals) for n, x in space.items() if x is t}
    here = [n for n in said if n.kind == "no_grad" and n.place[0].co_filename == caller.f_code.co_filename]
    found = next((n for n in here if names & assigned(n)), None) if names else None
    return found, found is not None and not (names & assigned(found)) & assigned_elsewhere(found)
