"""What `why` answers: a word, sentences, the line of the program, and a picture of the path from the loss to the tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

HEADS = {
    "detached": "it was cut off from the loss", "no_grad": "it was used while gradients were off",
    "unused": "it is not used in the loss", "non-leaf": "it is not a leaf", "integer": "integers have no gradient",
    "no rule": "an operation on the way has no gradient", "frozen": "it is frozen",
    "replaced": "another tensor took its place",
    "no backward": "backward was not called", "zero_grad": "the gradient was cleared",
    "graph freed": "the graph was used before", "compiled": "a compiled step keeps no .grad", "constant": "it asks for none",
    "unconnected": "nothing leads from the loss to it", "unknown": "what happened is not known any more",
    "dead relu": "ReLU lets nothing through", "saturated": "the activation is saturated",
    "zeros": "it is multiplied by zeros",
    "flat": "a function on the way is flat", "not chosen": "other elements were chosen", "zero": "it is zero",
    "vanishing": "it became very small on the way", "huge": "it became very large on the way", "nan": "it is not a number",
    "function": "a Function gave none", "fine": "nothing is wrong with it",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """Prints as text, and draws itself in a notebook.

    kind      a word: detached, unused, non-leaf, integer, no_grad, dead relu, saturated, replaced, frozen, graph freed, ...
    text      the finding in plain English;  fix: what to do about it
    path      a picture, a line each: from the loss down to the tensor, with the place where it is cut
    line      where in the program (`model.py:12`), "" where it cannot be known
    certain   False where the answer is what most likely happened; `why(t, fn=step)` then tells for certain
    subject   the tensor, in words
    """

    kind: str
    text: str
    fix: str = ""
    path: tuple[str, ...] = ()
    line: str = ""
    certain: bool = True
    subject: str = "tensor"

    def __str__(self) -> str:
        guess = "" if self.certain else " (most likely)"
        lines = [f"{self.subject}: {HEADS[self.kind]}{guess} [{self.kind}]", f"  {self.text}"]
        lines += [f"    {row}" for row in self.path]
        if self.fix:
            lines.append(f"  fix  {self.fix}")
        if not self.certain:
            lines.append("  sure?  run the step once more under watch: why(t, fn=step), step a function without arguments")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        guess = "" if self.certain else " (most likely)"
        rows = "".join(
            f'<div style="white-space:pre{";color:#c0392b;font-weight:600" if "--x--" in row else ""}">{escape(row)}</div>'
            for row in self.path
        )
        return (
            f'<div style="font-family:sans-serif;line-height:1.45"><b>{escape(self.subject)}</b>: '
            f"{escape(HEADS[self.kind])}{guess} <code>{escape(self.kind)}</code>"
            f'<div>{escape(self.text)}</div><div style="font-family:monospace;margin:.4em 1em">{rows}</div>'
            + (f"<div><b>fix</b> {escape(self.fix)}</div>" if self.fix else "")
            + "</div>"
        )


def picture(rows: Sequence[tuple[str, str, str]], most: int = 14) -> tuple[str, ...]:
    """Rows of (mark, what, note) as lines; a long stretch in the middle is told by its length. A cut's mark is `--x--`."""
    kept = list(rows)
    if len(kept) > most:
        cuts = [k for k, row in enumerate(kept) if row[0] == CUT]
        near = {j for k in (0, len(kept) - 1, *cuts) for j in range(k - 2, k + 3)}
        shown: list[tuple[str, str, str]] = []
        left_out = 0
        for k, row in enumerate(kept):
            if k in near or len(kept) <= most:
                if left_out:
                    shown.append(("  :", f"{left_out} more", ""))
                    left_out = 0
                shown.append(row)
            else:
                left_out += 1
        kept = shown
    wide = max([len(what) for mark, what, _ in kept if mark != CUT], default=0)
    return tuple(f"{mark:<7}{what:<{0 if mark == CUT else wide}}  {note}".rstrip() for mark, what, note in kept)


CUT = "--x--"
