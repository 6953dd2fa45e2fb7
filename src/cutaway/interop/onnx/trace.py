"""Trace: a forward run once on symbols, with a note of which composite and which layer each value comes from.

The graph is the engine's, every op in it. Beside it stand the calls of composites (`conv2d(input, weight, ...)`), which the
exporter writes as one node each where ONNX has that node; where it has none, the ops inside are there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.derived import equal
from cutaway.core.errors import ExportError, TraceError
from cutaway.core.generator import default_generator
from cutaway.core.op import INTERPRETER, SCOPE
from cutaway.core.tensor import Tensor
from cutaway.engine.graph import Graph, Value
from cutaway.engine.surroundings import modules_of
from cutaway.engine.trace import Tracer, map_structure, symbol_of, trace


class Call:
    """A composite's call: its arguments by name (Values for Tensors), its results, and the values made inside."""

    def __init__(self, name: str, arguments: dict[str, Any], start: int) -> None:
        self.name, self.arguments, self.start = name, arguments, start
        self.results: list[Value | None] = []
        self.end = start


class Traced:
    """One run: the graph, the composites that each value is a result of (outermost first), the layer of each value."""

    def __init__(self) -> None:
        self.graph = Graph([], [])
        self.structure: Any = None
        self.calls: dict[Value, list[Call]] = {}
        self.spans: list[tuple[int, int, str]] = []  # of layers: values from, to, and the layer's path

    def finish(self) -> None:
        """When the graph is there: the layer of each value, the innermost one."""
        self.position = {v: n for n, v in enumerate(self.graph.values)}
        self.path = [""] * len(self.graph.values)
        for start, end, path in sorted(self.spans, key=lambda s: s[0] - s[1]):  # the widest first
            self.path[start:end] = [path] * (end - start)


def run(fn: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], names: dict[int, str]) -> Traced:
    """`fn(*args, **kwargs)` traced without gradients.

    Raises ExportError, naming the line, where the program asks for values.
    """
    traced = Traced()
    drawn = default_generator.get_state()
    with no_grad(), _layers(fn, traced), _composites(traced):
        try:
            traced.graph, traced.structure = trace(lambda a, k: fn(*a, **k), (tuple(args), kwargs), names)
        except TraceError as error:
            text = str(error).replace("compile: ", "").replace("the compiled function", "the model")
            raise ExportError(f"onnx.export: {text}") from None
    if not equal(drawn, default_generator.get_state()):
        default_generator.set_state(drawn)
        raise ExportError(
            "onnx.export: the forward draws random numbers, which would be the same ones each time the file runs; pass them "
            "as an input, or leave them out in eval mode (if self.training: ...)"
        )
    traced.finish()
    return traced


def _count() -> int:
    tracer = INTERPRETER.get()
    return len(tracer.values) if isinstance(tracer, Tracer) else 0


@contextmanager
def _layers(fn: Any, traced: Traced) -> Iterator[None]:
    """While this lasts, each call of a layer that `fn` sees is noted."""
    handles, starts = [], []

    def enter(module: Any, args: Any) -> None:
        starts.append(_count())

    def leave(path: str) -> Callable[..., None]:
        return lambda module, args, output: traced.spans.append((starts.pop(), _count(), path))

    try:
        for path, module in (named for root in modules_of(fn) for named in root.named_modules()):
            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave(path))]
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _composites(traced: Traced) -> Iterator[None]:
    """While this lasts, each call of a composite is noted."""

    def observe(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tracer = INTERPRETER.get()
        if not isinstance(tracer, Tracer) or not fn.__module__.startswith("cutaway."):
            return fn(*args, **kwargs)
        bound = _bound(fn, args, kwargs)
        held = {name: _values(tracer, x) for name, x in bound.items()}
        call = Call(fn.__name__, held, len(tracer.values))
        result = fn(*args, **kwargs)
        given = {v for x in held.values() for v in values_in(x)}
        for t in result if isinstance(result, (tuple, list)) else (result,):
            symbol = symbol_of(t) if isinstance(t, Tensor) else None
            call.results.append(None if symbol is None or symbol.value in given else symbol.value)
        call.end = len(tracer.values) - 1
        for v in call.results:
            if v is not None:
                traced.calls.setdefault(v, []).insert(0, call)
        return result

    token = SCOPE.set(observe)
    try:
        yield
    finally:
        SCOPE.reset(token)


def _bound(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name, defaults filled in; none if they do not fit, which the call itself will say."""
    try:
        bound = inspect.signature(fn).bind(*args, **kwargs)
    except TypeError:
        return {}
    bound.apply_defaults()
    return dict(bound.arguments)


def _values(tracer: Tracer, x: Any) -> Any:
    if isinstance(x, Tensor):
        return tracer.value_of(x)
    return map_structure(lambda i: _values(tracer, i), x)


def values_in(x: Any) -> Iterator[Value]:
    """The Values in a structure."""
    if isinstance(x, Value):
        yield x
    elif isinstance(x, dict):
        for i in x.values():
            yield from values_in(i)
    elif isinstance(x, (list, tuple)):
        for i in x:
            yield from values_in(i)
