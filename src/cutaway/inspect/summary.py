"""`summary(model, input)`: each layer's path, shapes, parameters, work, memory and time, as a table."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.autograd import RECORDING, enable_grad
from cutaway.core.dtypes import FLOATING
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError
from cutaway.core.generator import default_generator
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor
from cutaway.inspect.watch import Step, Watch
from cutaway.inspect.work import flops, shapes, sizes_of
from cutaway.nn.module import Module


class Row(NamedTuple):
    """One call of a layer; numbers count what is inside it as well.

    depth        0 for the model itself
    inputs, outputs  shapes as text
    parameters   numbers in its parameters; 0 where the same layer stands above already (`again`)
    flops        additions, multiplications, ... of its ops, a multiply-add as two; of a convolution by its definition
    nbytes       of what it reads and writes at least: inputs, parameters, outputs (of a container: of its parts)
    seconds      forward, measured in eager mode; None if it was not
    """

    path: str
    layer: str
    depth: int
    inputs: str
    outputs: str
    parameters: int
    flops: int
    nbytes: int
    seconds: float | None
    again: bool


class Summary:
    """A table of Rows: iterate, index, print. In a notebook it draws itself."""

    def __init__(self, rows: Sequence[Row], parameters: int, trainable: int, memory: int, unused: Sequence[str]) -> None:
        self.rows, self.parameters, self.trainable = list(rows), parameters, trainable
        self.parameter_bytes, self.unused = memory, list(unused)

    def __iter__(self) -> Any:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, n: int) -> Row:
        return self.rows[n]

    @property
    def flops(self) -> int:
        """Of one forward."""
        return self.rows[0].flops

    @property
    def seconds(self) -> float | None:
        """Of one forward."""
        return self.rows[0].seconds

    def totals(self) -> str:
        """All in a line or two."""
        time = "" if self.seconds is None else f", forward in {_time(self.seconds)}"
        text = (
            f"{self.parameters:,} parameters ({self.trainable:,} trainable, {_bytes(self.parameter_bytes)}), "
            f"{_count(self.flops)} FLOP{time}, {_bytes(self.rows[0].nbytes)} read and written"
        )
        return text + (f"\nnot called: {', '.join(self.unused)}" if self.unused else "")

    def cells(self) -> list[list[str]]:
        """The table as text. A path is told from the row that it stands under: a list of layers has no row of its own."""
        above: list[str] = []
        names = []
        for r in self.rows:
            del above[r.depth :]
            under = f"{above[-1]}." if above and above[-1] else ""
            names.append(r.path.removeprefix(under))
            above.append(r.path)
        return [
            [
                "  " * r.depth + name, r.layer + (" (again)" if r.again else ""), r.inputs, r.outputs,
                f"{r.parameters:,}" if r.parameters else "-", _count(r.flops), _bytes(r.nbytes),
                "-" if r.seconds is None else _time(r.seconds),
            ]
            for r, name in zip(self.rows, names, strict=True)
        ]  # fmt: skip

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table

        table = Table()
        for k, name in enumerate(HEAD):
            table.add_column(name, justify="right" if k >= 4 else "left", overflow="fold")
        for row in self.cells():
            table.add_row(*[c.replace("[", r"\[") for c in row])
        return Group(table, self.totals())

    def __str__(self) -> str:
        from rich.console import Console

        out = io.StringIO()
        wide = sum(max(len(HEAD[k]), *(len(row[k]) for row in self.cells())) + 3 for k in range(len(HEAD))) + 1
        wide = max(wide, *map(len, self.totals().splitlines()))
        Console(file=out, width=wide, color_system=None, highlight=False, force_jupyter=False).print(self)
        return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells: Iterable[str], tag: str) -> str:
            return "<tr>" + "".join(
                f'<{tag} style="text-align:{"right" if k >= 4 else "left"};white-space:pre">{escape(c)}</{tag}>'
                for k, c in enumerate(cells)
            ) + "</tr>"

        body = "".join(row(c, "td") for c in self.cells())
        return (
            f"<table><thead>{row(HEAD, 'th')}</thead><tbody>{body}</tbody></table>"
            f'<p style="white-space:pre-line">{escape(self.totals())}</p>'
        )


HEAD = ("path", "layer", "in", "out", "parameters", "FLOP", "bytes", "time")


def summary(model: Module, input: Any, *, dtype: Any = None, times: int = 5) -> Summary:
    """What each layer of `model` makes of `input`, and what that costs.

    input   a Tensor, or a shape such as (32, 3, 28, 28), for which numbers are drawn; several in a list or tuple;
            a dict is taken as keyword arguments
    dtype   of drawn numbers (float32); for integers zeros are taken
    times   runs that are timed, the quickest of which counts for each layer; 0: none

    The model runs in eval mode and without gradients, first under watch and then `times` + 1 times more; modes, buffers
    and the generator of random numbers are as before afterwards. Times are those of eager mode at this moment.
    Raises ArgumentTypeError, ArgumentError for what is no model or no input, and what the model raises.
    """
    model = getattr(model, "fn", model) if not isinstance(model, Module) else model  # compiled: what it was made of
    if not isinstance(model, Module):
        raise ArgumentTypeError(f"summary: the model must be a Module, got {describe(model)}")
    if not isinstance(times, int) or times < 0:
        raise ArgumentError(f"summary: times must be 0 or more, got {times!r}")
    args, kwargs = arguments(input, dtype)
    with _aside(model):
        look = Look(model)
        look.on()
        try:
            model(*args, **kwargs)
        except ShapeError:
            look.off()
            with enable_grad():  # once more with a history, of which the error tells how the shape came about
                model(*args, **kwargs)
            raise
        finally:
            look.off()
        measured = _measure(model, look, lambda: model(*args, **kwargs), times) if times else [None] * len(look.calls)
    unique = {id(p): p for p in model.parameters()}.values()
    called = {id(c.module) for c in look.calls}
    unused = [
        path for path, m in model.named_modules()
        if not m._modules and id(m) not in called and not any(id(p) in look.read for p in m.parameters())
    ]  # fmt: skip
    return Summary(
        look.rows(measured), sum(p.numel() for p in unique), sum(p.numel() for p in unique if p.requires_grad),
        sum(p.nbytes for p in unique), unused,
    )  # fmt: skip


def arguments(input: Any, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the model is called with."""
    if isinstance(input, Mapping):
        return (), {str(k): _one(v, dtype) for k, v in input.items()}
    if isinstance(input, (list, tuple)) and not _is_shape(input):
        return tuple(_one(v, dtype) for v in input), {}
    return (_one(input, dtype),), {}


def _is_shape(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and bool(x) and all(isinstance(n, int) and not isinstance(n, bool) for n in x)


def _one(x: Any, dtype: Any) -> Any:
    if not _is_shape(x):
        if isinstance(x, np.ndarray):
            raise ArgumentTypeError("summary: the input is a NumPy array; wrap it with cutaway.from_numpy(...)")
        if not isinstance(x, (Tensor, int, float, bool, str, type(None), list, tuple, dict)):
            raise ArgumentTypeError(f"summary: an input must be a Tensor or a shape, got {describe(x)}")
        return x
    kind = np.dtype(np.float32) if dtype is None else dtype.np
    drawn = np.random.default_rng(0).standard_normal(x) if kind.kind in FLOATING else np.zeros(x)
    return Tensor._wrap(np.asarray(drawn, kind))


class _aside:
    """Eval mode, no gradients; afterwards everything is as before."""

    def __init__(self, model: Module) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.modes = [(m, m.training) for m in self.model.modules()]
        self.buffers = [(b, b._data.copy()) for b in self.model.buffers() if b._strided]
        self.random = default_generator.get_state()
        self.token = RECORDING.set(False)
        self.model.eval()

    def __exit__(self, *error: object) -> None:
        RECORDING.reset(self.token)
        default_generator.set_state(self.random)
        for m, mode in self.modes:
            m.training = mode
        for b, data in self.buffers:
            if b._data.shape == data.shape and b._data.tobytes() != data.tobytes():
                b._data[...] = data


class _Call:
    """A layer's call, while it is looked at."""

    def __init__(self, module: Module, path: str, depth: int) -> None:
        self.module, self.path, self.depth = module, path, depth
        self.inputs = self.outputs = ""
        self.flops = self.own = self.parts = 0


class Look(Watch):
    """Counts work and notes shapes, call by call."""

    def __init__(self, model: Module) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.read: set[int] = set()  # ids of the parameters that an op has read
        self._open: list[_Call] = []
        self._paths = {id(m): path for path, m in reversed([*model.named_modules(remove_duplicate=False)])}

    def seen(self, step: Step, tensors: tuple[Tensor, ...], y: Tensor) -> None:
        """Work counts for all layers that the op runs in."""
        self.read.update(map(id, tensors))
        n = flops(step.op, step.attrs, [t._data for t in tensors], y._data)
        for c in self._open:
            c.flops += n

    def enter(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A layer is called."""
        module = getattr(fn, "__self__", None)
        if not isinstance(module, Module):
            return super().enter(fn, args, kwargs)
        call = _Call(module, self._path(module), len(self._open))
        call.inputs = shapes([*args, *kwargs.values()])
        self.calls.append(call)
        self._open.append(call)
        try:
            out = super().enter(fn, args, kwargs)
        finally:
            self._open.pop()
        call.outputs = shapes([out])
        own = sum(p.nbytes for p in module._parameters.values() if p is not None)
        inside = call.parts or sizes_of([*args, *kwargs.values()]) + sizes_of([out])
        call.own = own + inside
        if self._open:
            self._open[-1].parts += call.own
        return out

    def _path(self, module: Module) -> str:
        """As a child of the layer that calls it, if it is one; else by the model's tree."""
        if self._open:
            above = self._open[-1]
            for name, m in above.module._modules.items():
                if m is module:
                    return f"{above.path}.{name}" if above.path else name
        return self._paths.get(id(module), "(not a child)")

    def rows(self, measured: Sequence[float | None]) -> list[Row]:
        """The table."""
        known: set[int] = set()
        out = []
        for c, seconds in zip(self.calls, measured, strict=True):
            again = id(c.module) in known
            known.add(id(c.module))
            count = 0 if again else sum(p.numel() for p in {id(p): p for p in c.module.parameters()}.values())
            out.append(
                Row(
                    c.path, type(c.module).__name__, c.depth, c.inputs, c.outputs,
                    count, c.flops, c.own, seconds, again,
                )
            )  # fmt: skip
        return out


def _measure(model: Module, look: Look, run: Callable[[], Any], times: int) -> list[float | None]:
    """Seconds of each call, the best of some runs; hooks take the time, so that native programs run as always."""
    spans: list[float] = []
    open_: list[int] = []

    def before(m: Module, args: Any) -> None:
        open_.append(len(spans))
        spans.append(-perf_counter())

    def after(m: Module, args: Any, out: Any) -> None:
        spans[open_.pop()] += perf_counter()

    modules = {id(c.module): c.module for c in look.calls}.values()
    handles = [m.register_forward_pre_hook(before) for m in modules]
    handles += [m.register_forward_hook(after, prepend=True) for m in modules]
    best: list[float] = []
    try:
        for n in range(times + 1):
            spans.clear()
            run()
            if n and len(spans) == len(look.calls):  # the first run warms up
                best = [min(a, b) for a, b in zip(best, spans)] if best else list(spans)
    finally:
        for h in handles:
            h.remove()
        for m in modules:  # a module without hooks is called directly again
            hooks = m._hooks
            if hooks is not None and not (hooks.before or hooks.after or hooks.grad_output or hooks.grad_input):
                m._hooks = None
    return list(best) if best else [None] * len(look.calls)


def _count(n: int) -> str:
    for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= scale:
            return f"{n / scale:.3g} {unit}"
    return str(n)


def _bytes(n: int) -> str:
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n >= scale:
            return f"{n / scale:.3g} {unit}"
    return f"{n} B"


def _time(seconds: float) -> str:
    for unit, scale in (("us", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.3g} s"
