"""One HTML file with all there is to see of a program. Its policy forbids every request; Python draws, page.js explores."""

from __future__ import annotations

import base64
import json
import zlib
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from cutaway.core.errors import ArgumentError
from cutaway.core.replace import replacing
from cutaway.engine.graph import Graph, Value, right_side
from cutaway.engine.line import source
from cutaway.engine.look.arena import Arena
from cutaway.engine.look.html import asset, duration, size
from cutaway.engine.look.kernels import Kernels, Record, cells
from cutaway.engine.look.listing import Listing
from cutaway.engine.look.passes import Passes
from cutaway.engine.look.roofline import roofline
from cutaway.engine.look.timeline import Timeline

if TYPE_CHECKING:
    from cutaway.engine.compile import Variant

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
SMALL = 0.01  # share of the time below which a kernel's section is folded away with the others


def save(variant: Variant, name: str, path: Path) -> None:
    """Write the page of a compiled function called `name` to `path`, whole or not at all.

    Raises ArgumentError where no file can be.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise ArgumentError(
            f"save {str(path)!r}: give the name of a file, such as page.html, in a folder that is there"
        )
    page = render(variant, name)
    with replacing(path, "save") as f:
        f.write(page.encode())


def render(variant: Variant, name: str) -> str:
    """The page as text."""
    program = variant.program
    graph = program.schedule.graph  # with the copies at the end, which are kernels too
    kernels, passes, arena = Kernels(program), Passes(variant.traced), Arena(program)
    timeline, code = Timeline(kernels), Code(variant.listing)
    sections = [
        ("Time", _time(timeline)),
        ("Roofline", _roof(kernels)),
        ("Kernels", _kernels(kernels, graph, code)),
        ("Memory", _memory(arena)),
        ("Passes", _passes(passes, code)),
        ("Graph", _graph(graph, kernels)),
        ("Program", _program(code)),
    ]
    links = "".join(f'<a href="#{title.lower()}">{title}</a>' for title, _ in sections)
    body = "\n".join(f'<section id="{title.lower()}"><h2>{title}</h2>{inner}</section>' for title, inner in sections)
    data = {
        "name": name,
        "kernels": [_plain(r) for r in kernels],
        "code": code.blobs,
        "machine": kernels.machine._asdict(),
    }
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<link rel="icon" href="data:,"><title>{escape(name)}, compiled</title>\n'
        f'<style>\n{asset("page.css")}</style></head>\n<body class="cutaway page"><main>\n'
        f"{_head(name, graph, kernels, timeline, arena)}<nav>{links}</nav>\n{body}\n"
        f"<footer>Written by <code>cutaway.compile</code>. Times are those of rehearsals: the program’s own machine code on "
        f"made-up memory.<br>{escape(str(kernels.machine))}</footer>\n</main>\n"
        f'<script type="application/json" id="cutaway-data">{embedded(data)}</script>\n'
        f'<script type="module">\n{asset("page.js")}</script>\n</body></html>\n'
    )


def embedded(data: object) -> str:
    """JSON that can stand inside a script element: no `<` is left to end it."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


class Code:
    """Texts of the program, compressed until someone opens them. `blobs` are base64 of zlib, by key."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.blobs: dict[str, str] = {}

    def block(self, key: str, title: str, text: str) -> str:
        """A folded block that shows `text` when it is opened."""
        self.blobs[key] = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
        lines = text.count("\n") + 1
        return (
            f'<details class="code" data-code="{escape(key)}"><summary>{escape(title)} '
            f'<span class="soft">{lines:,} lines</span></summary><pre tabindex="0"></pre></details>'
        )


def _plain(r: Record) -> dict[str, object]:
    fields = r._asdict()
    return {**{k: v for k, v in fields.items() if k not in ("result", "values")}, "result": str(r.result)}


def _head(name: str, graph: Graph, k: Kernels, t: Timeline, arena: Arena) -> str:
    n = k.machine.threads
    figures = [
        ("main", duration(t.nanoseconds * 1e-9), f"a run, on {n} thread{'s' * (n > 1)}"),
        ("", f"{100 * k.peak_fraction:.0f} %", "of the machine’s peak, in kernels"),
        ("", f"{k.flops / 1e6:,.4g}", "MFLOP"),
        ("", f"{len(k)}", f"kernels, from {len(graph.values)} values"),
        ("", size(arena.nbytes), "arena"),
    ]
    items = "".join(f'<li class="{kind}"><b>{escape(number)}</b>{escape(text)}</li>' for kind, number, text in figures)
    return f'<h1><code>{escape(name)}</code>, compiled</h1><ul class="figures">{items}</ul>'


def _time(t: Timeline) -> str:
    return (
        "<p>One run, thread by thread. Grey hatching is a thread that waits at a barrier for the others.</p>"
        f'<div class="card">{t.picture()}</div>{t.html()}'
    )


def _roof(k: Kernels) -> str:
    return (
        "<p>To the left, a kernel can be no faster than its bytes arrive; to the right, no faster than the machine "
        "multiplies and adds. Both limits were measured when this page was written.</p>"
        f'<div class="card">{roofline(k)}</div>'
    )


def _kernels(k: Kernels, graph: Graph, code: Code) -> str:
    head = ["kernel", "result", "MFLOP", "KiB", "µs", "best µs", "GF/s", "GB/s", "% peak", "% best", "line"]
    names = ""
    for n, h in enumerate(head):
        kind = "" if n in (0, 1, 10) else " class=number"
        names += f'<th{kind} aria-sort="none"><button type="button" data-sort="{n}">{h}</button></th>'
    rows = ""
    for line, group in groupby(k, key=lambda r: r.line):
        rows += f'<tr class="from"><th colspan="11">{_place(line)}</th></tr>'
        rows += "".join(map(_row, group))
    out = (
        "<p>Best is what the roofline allows. A heading sorts; a name leads to the kernel’s code.</p>"
        '<div class="scroll high" tabindex="0" role="region" aria-label="kernels"><table class="kernels">'
        f"<thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<p class="note">{escape(k.summary())}</p><h3>One by one</h3>'
    )
    large = [r for r in k if r.seconds >= SMALL * k.seconds]
    small = [r for r in k if r.seconds < SMALL * k.seconds]
    number = graph.numbers()
    out += "".join(_kernel(r, number, code) for r in large)
    if small:
        share = 100 * sum(r.seconds for r in small) / (k.seconds or 1.0)
        inner = "".join(_kernel(r, number, code) for r in small)
        out += (
            f'<details class="group"><summary>{len(small)} kernels of less than 1 % of the time each '
            f'<span class="soft">{share:.1f} % together</span></summary>{inner}</details>'
        )
    return out


def _row(r: Record) -> str:
    values = r.flops, r.nbytes, r.seconds, r.predicted, r.flop_rate, r.byte_rate, r.peak_fraction, r.roof_fraction
    text = cells(r)
    name = f'<td data-v="{r.number}"><a href="#k{r.number}">{escape(text[0])}</a></td>'
    pairs = zip(values, text[2:10], strict=True)
    numbers = "".join(f'<td class="number" data-v="{v!r}">{escape(t)}</td>' for v, t in pairs)
    return (
        f'<tr data-kernel="{r.number}">{name}<td>{escape(text[1])}</td>{numbers}'
        f"<td><code>{escape(r.line)}</code></td></tr>"
    )


def _kernel(r: Record, number: dict[Value, int], code: Code) -> str:
    n = r.number
    reads = dict.fromkeys(i for v in r.values for i in v.inputs if i not in r.values)
    given = "".join(f"<li>{_value(v, number)}</li>" for v in reads)
    made = "".join(f"<li>{_value(v, number)}</li>" for v in r.values)
    where = "".join(f"<li>{_place(line)}</li>" for line in dict.fromkeys(v.line for v in r.values) if line)
    listing = code.listing
    blocks = (
        code.block(f"{n}.llvm", "LLVM IR, as Cutaway wrote it", listing.llvm(n))
        + code.block(f"{n}.best", "LLVM IR, as LLVM left it", listing.llvm(n, optimised=True))
        + code.block(f"{n}.asm", "Assembly, as it runs", listing.asm(n))
    )
    return (
        f'<details class="kernel" id="k{n}"><summary><b>{n} {escape(r.name)}</b> <span>{escape(str(r.result))}</span> '
        f'<span class="soft">{duration(r.seconds)}, {100 * r.roof_fraction:.0f} % of best</span></summary>'
        f"<h4>Measured</h4><p>{escape(_numbers(r))}</p><h4>Your lines</h4><ul>{where}</ul>"
        f"<h4>Computes</h4><ul>{made}</ul><h4>From</h4><ul>{given}</ul>{blocks}</details>"
    )


def _place(line: str) -> str:
    """A line of the user's program, with its text."""
    return f"<code>{escape(line)}</code> <code>{escape(source(line))}</code>"


def _numbers(r: Record) -> str:
    """What a kernel does, took, and could take."""
    return (
        f"{r.flops:,} FLOP; {size(r.read)} read, {size(r.written)} written; {duration(r.seconds)}, at best "
        f"{duration(r.predicted)}; {r.flop_rate / 1e9:.1f} GF/s ({100 * r.peak_fraction:.0f} % of the peak), "
        f"{r.byte_rate / 1e9:.1f} GB/s"
    )


def _value(v: Value, number: dict[Value, int]) -> str:
    """A line of the graph, with links to the values that it is made of."""
    n = number[v]
    links = {m: f'<a href="#v{m}">%{m}</a>' for m in (number[i] for i in v.inputs)}
    text = escape(right_side(v, number))
    for m in sorted(links, reverse=True):
        text = text.replace(f"%{m}", f"\0{m}\0")  # the longest number first; marked, so that none is replaced twice
    for m, link in links.items():
        text = text.replace(f"\0{m}\0", link)
    return f'<code><a href="#v{n}">%{n}</a>: {escape(str(v.aval))} = {text}</code>'


def _memory(a: Arena) -> str:
    table = f"<details><summary>As a table</summary>{a.html()}</details>"
    return f'<p>{escape(a.summary())}.</p><div class="card">{a.picture()}</div>{table}'


def _passes(p: Passes, code: Code) -> str:
    blocks = ""
    for n, (name, before, after, text) in enumerate(p.rows()):
        step = p[n]
        diff = f'<pre tabindex="0">{escape(step.diff())}</pre>' if n else ""
        graph = code.block(
            f"pass {n}", f"The graph after {name}" if n else "The graph as it was traced", str(step.graph)
        )
        count = f"{before} → {after} values" if n else f"{after} values"
        title = f'<b>{escape(name)}</b> {count} <span class="soft">{escape(text)}</span>'
        blocks += f'<details class="group"><summary>{title}</summary>{diff}{graph}</details>'
    return f"<p>From what your function did, as it was traced, to what is compiled.</p>{blocks}"


def _graph(graph: Graph, k: Kernels) -> str:
    number = graph.numbers()
    home = {v: r.number for r in k for v in r.values}

    def fold(title: str, values: list[Value]) -> str:
        rows = ""
        for v in values:
            kernel = f' <a class="soft" href="#k{home[v]}">kernel {home[v]}</a>' if v in home else ""
            rows += f'<li id="v{number[v]}">{_value(v, number)}{kernel}</li>'
        count = f'<span class="soft">{len(values)} value{"s" * (len(values) > 1)}</span>'
        return f'<details class="group"><summary>{title} {count}</summary><ul class="graph">{rows}</ul></details>'

    out = fold("inputs and constants", graph.inputs) if graph.inputs else ""
    for line, group in groupby((v for v in graph.values if v.op is not None), key=lambda v: v.line):
        out += fold(_place(line), list(group))
    ends = [f"return {', '.join(f'%{number[v]}' for v in graph.outputs)}"] if graph.outputs else []
    ends += [f"write {w.name} ← %{number[w.value]}" for w in graph.writes]
    out += f'<details class="group"><summary>results <span class="soft">{len(ends)}</span></summary>'
    out += f'<ul class="graph">{"".join(f"<li><code>{escape(e)}</code></li>" for e in ends)}</ul></details>'
    return f"<p>After all passes, in order of execution, folded by the line of your program.</p>{out}"


def _program(code: Code) -> str:
    listing = code.listing
    return (
        "<p>What calls the kernels, with the barriers between them. A kernel’s own code stands with the kernel.</p>"
        + code.block("llvm", "LLVM IR, as Cutaway wrote it", listing.llvm("program"))
        + code.block("asm", "Assembly, as it runs", listing.asm("program"))
    )
