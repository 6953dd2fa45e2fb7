"""The graph before and after each pass, and what each pass took away and brought in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from cutaway.engine.graph import Graph, Value
from cutaway.engine.look.html import notebook, table
from cutaway.engine.passes import PASSES


class Pass(NamedTuple):
    """`name` of the pass and the graph after it. `gone` and `new` count expressions, as `mul(float32[3], float32[3])`."""

    name: str
    graph: Graph
    gone: Counter[str]
    new: Counter[str]

    def diff(self) -> str:
        """A line for each expression that went (-) or came (+), with how often."""
        lines = [
            f"{sign} {text}" + (f"  ({count} times)" if count > 1 else "")
            for sign, counter in (("-", self.gone), ("+", self.new))
            for text, count in sorted(counter.items())
        ]
        return "\n".join(lines) or "  nothing changed"


class Passes:
    """From the trace to the graph that is compiled: iterate for (name, graph), index for a Pass, print for a summary."""

    def __init__(self, traced: Graph) -> None:
        self.steps = [Pass("trace", traced, Counter(), Counter())]
        for one in PASSES:
            before = self.steps[-1].graph
            after = one(before).verify()
            old, new = expressions(before), expressions(after)
            self.steps.append(Pass(one.__name__, after, old - new, new - old))

    def __iter__(self) -> Iterator[tuple[str, Graph]]:
        return ((p.name, p.graph) for p in self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, n: int) -> Pass:
        return self.steps[n]

    def rows(self) -> list[tuple[str, int, int, str]]:
        """Of each pass: name, values before and after, and the change by op in words."""
        sizes = [len(p.graph.values) for p in self.steps]
        before = [sizes[0], *sizes[:-1]]
        return [(p.name, b, a, changes(p)) for p, b, a in zip(self.steps, before, sizes, strict=True)]

    def __str__(self) -> str:
        lines = [f"{'pass':<12}{'before':>8}{'after':>8}  change"]
        lines += [f"{name:<12}{b:>8}{a:>8}  {text}" for name, b, a, text in self.rows()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return notebook(self.html())

    def html(self) -> str:
        """The summary as a table."""
        return table(
            ["pass", "#before", "#after", "change"], [[n, str(b), str(a), text] for n, b, a, text in self.rows()]
        )


def expressions(graph: Graph) -> Counter[str]:
    """How often each op is applied to inputs of which shapes; a change upstream does not change an expression."""
    return Counter(_expression(v) for v in graph.values)


def _expression(v: Value) -> str:
    if v.op is None:
        assert v.source is not None
        return f"{v.source.kind} {v.aval}"
    return f"{v.op.name}({', '.join(str(i.aval) for i in v.inputs)}) -> {v.aval}"


def changes(p: Pass) -> str:
    """The change by op: `mul -3, cast -2, layout +4`; ops that only moved to other shapes are said to be rewritten."""
    gone, new = (_by_op(c) for c in (p.gone, p.new))
    words = []
    for name in sorted({*gone, *new}):
        net = new[name] - gone[name]
        words.append(f"{name} {net:+d}" if net else f"{name} rewritten ({new[name]})")
    return ", ".join(words) or ("" if p.name == "trace" else "nothing")


def _by_op(counter: Counter[str]) -> Counter[str]:
    out: Counter[str] = Counter()
    for text, count in counter.items():
        out[text.split("(")[0].split(" ")[0]] += count
    return out
