"""`cutaway.compile(f)`: a function, a Module or a whole training step as one native program for each signature."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, update_wrapper
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.autograd import RECORDING
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.engine.graph import Graph, Value
from cutaway.engine.llvm.target import target
from cutaway.engine.passes import PASSES
from cutaway.engine.program import Program
from cutaway.engine.schedule import schedule
from cutaway.engine.trace import map_structure, trace

if TYPE_CHECKING:
    from cutaway.engine.look.arena import Arena
    from cutaway.engine.look.kernels import Kernels
    from cutaway.engine.look.listing import Listing
    from cutaway.engine.look.passes import Passes
    from cutaway.engine.look.timeline import Timeline

# A trace puts symbols in the place of the surroundings' arrays, and a program's memory serves one call at a time.
ONE_AT_A_TIME = RLock()


class Compiled:
    """A compiled callable. Call it as the original; it is traced anew for each new signature (shapes, dtypes, modes)."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.variants: dict[Any, Variant] = {}
        update_wrapper(self, fn, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the native program for these arguments."""
        tensors: list[Tensor] = []
        with ONE_AT_A_TIME:
            key = (_signature((args, kwargs), tensors), RECORDING.get(), _modes(self.fn))
            variant = self.variants.get(key)
            if variant is None or variant.outdated():
                variant = Variant(lambda *a: self.fn(*a[0], **a[1]), (args, kwargs), _names(self.fn))
                self.variants[key] = variant
            return variant(tensors)

    # Looking in: what is shown is the program of the latest signature. `cutaway.engine.look` does the work.

    def graph(self) -> Graph:
        """The graph after all passes."""
        return self._latest().graph

    def passes(self) -> Passes:
        """The graph before and after each pass: iterate for (name, graph), print for what each pass changed."""
        from cutaway.engine.look.passes import Passes

        return Passes(self._latest().traced)

    def kernels(self, threads: int = 0) -> Kernels:
        """The kernels: FLOP, bytes, predicted and measured time, rates, share of the machine's peak, the user's line.

        They are run some times on memory made up for it (nothing of yours is read or changed), on `threads` threads
        (0: as many as the program uses).
        """
        from cutaway.engine.look.kernels import Kernels

        with ONE_AT_A_TIME:
            return Kernels(self._latest().program, threads)

    def timeline(self, threads: int = 0) -> Timeline:
        """One run, thread by thread: when each kernel began and ended, and the waiting at barriers."""
        from cutaway.engine.look.timeline import Timeline

        return Timeline(self.kernels(threads))

    def memory(self) -> Arena:
        """Which values lie where in the program's arena, from which kernel to which."""
        from cutaway.engine.look.arena import Arena

        return Arena(self._latest().program)

    def llvm(self, name: int | str | None = None, optimised: bool = False) -> str:
        """LLVM IR of a kernel, by number or name (None: all), as written or, `optimised`, as LLVM left it.

        Raises ArgumentError, with the names that there are, for one that is not there.
        """
        return self._latest().listing.llvm(name, optimised)

    def asm(self, name: int | str | None = None) -> str:
        """The assembly that runs, of a kernel by number or name (None: all).  Raises ArgumentError as `llvm` does."""
        return self._latest().listing.asm(name)

    def save(self, path: str | PathLike[str]) -> None:
        """All of this as one HTML file, which needs nothing else and asks no network.

        Raises ArgumentError where no file can be.
        """
        from cutaway.engine.look.page import save

        with ONE_AT_A_TIME:
            save(self._latest(), getattr(self.fn, "__name__", type(self.fn).__name__), Path(path))

    def _latest(self) -> Variant:
        if not self.variants:
            raise ArgumentError("compile: there is nothing to look at before the first call; call the function once")
        return list(self.variants.values())[-1]

    def __repr__(self) -> str:
        return f"<compiled {getattr(self.fn, '__name__', type(self.fn).__name__)}, {len(self.variants)} signatures>"


class Variant:
    """The program for one signature."""

    def __init__(self, fn: Callable[..., Any], arguments: tuple[Any, ...], names: dict[int, str]) -> None:
        self.traced, self.structure = trace(fn, arguments, names)
        graph = self.traced
        where = {id(v): n for n, v in enumerate(self.traced.outputs)}
        self.places = map_structure_values(self.structure, lambda v: where[id(v)])
        for one in PASSES:
            graph = one(graph).verify()
        self.graph = graph
        self.program = Program(schedule(graph), target())
        self.inputs = [v for v in graph.inputs if v in self.program.memory.slots]
        self.constants = []  # held: the program knows their addresses only
        for v in self.inputs:
            if v.source is not None and v.source.kind == "constant" and v.source.value is not None:
                self.constants.append(np.ascontiguousarray(v.source.value))
                self.program.point(v, self.constants[-1])
        self.reading = [v for v in self.inputs if v.source is not None and v.source.kind != "constant"]
        closed = [v.source.tensor for v in self.traced.inputs if v.source is not None and v.source.tensor is not None]
        self.assumed = [(t, t._data.shape, t._data.dtype, t._node is None) for t in closed]
        copies = self.program.schedule.copies
        # Inputs that are results as they are: taken before anything is written.
        self.passed = [v for v in dict.fromkeys([*graph.outputs, *(w.value for w in copies)]) if v.op is None]

    def outdated(self) -> bool:
        """True if a tensor that is closed over has another shape or dtype now, or was frozen or unfrozen."""
        for t, shape, dtype, frozen in self.assumed:
            data = t._data
            if data.shape != shape or data.dtype != dtype or (t._node is None) is not frozen:
                return True
        return False

    def __call__(self, tensors: list[Tensor]) -> Any:
        """Run the program on these arguments: its result, with the tensors it writes written."""
        arrays = [t._settle()._data for t in tensors]
        held: dict[Value, np.ndarray] = {}
        program = self.program
        written = {id(_owner(old.source.tensor._data)) for old in program.schedule.direct.values()}  # type: ignore[union-attr]
        for v in self.reading:
            assert v.source is not None
            if v.source.kind == "tensor":
                assert v.source.tensor is not None
                v.source.tensor._settle()
            a = v.source.read(arrays, v.aval.dtype)
            if not a.flags.c_contiguous:
                a = np.ascontiguousarray(a)
            elif v.source.kind == "argument" and id(_owner(a)) in written:
                a = a.copy()  # read as it was at the call
            held[v] = a
            program.point(v, a)
        results: dict[Value, np.ndarray] = {}
        for v in self.passed:
            results[v] = np.array(held[v] if v in held else self._constant(v))
        for v in self.graph.outputs:
            if v not in results:
                results[v] = np.empty(v.aval.shape, v.aval.dtype)
                program.point(v, results[v])
        program.run()
        for old in program.schedule.direct.values():
            assert old.source is not None and old.source.tensor is not None
            if held[old] is not old.source.tensor._data:  # its memory is not contiguous
                np.copyto(old.source.tensor._data, held[old])
        for w in program.schedule.copies:
            source = results.get(w.value)
            target = tensors[w.argument] if w.tensor is None else w.tensor
            np.copyto(target._data, program.result(w.value) if source is None else source)
        for w in self.graph.writes:
            (tensors[w.argument] if w.tensor is None else w.tensor)._cell[0] += 1
        taken: set[Value] = set()

        def give(n: int) -> Tensor:
            v = self.graph.outputs[n]
            again = v in taken  # returned twice: two tensors, as different memory
            taken.add(v)
            return Tensor._wrap(results[v].copy() if again else results[v])

        return map_structure_values(self.places, give)

    @cached_property
    def listing(self) -> Listing:
        """The program's code as text."""
        from cutaway.engine.look.listing import Listing

        return Listing(self.program)

    @staticmethod
    def _constant(v: Value) -> np.ndarray:
        assert v.source is not None and v.source.value is not None
        return v.source.value


def _owner(a: np.ndarray) -> Any:
    """Whose memory an array is."""
    return a if a.base is None else a.base


class _Place:
    """Where an output goes in the result's structure."""

    def __init__(self, n: Any) -> None:
        self.n = n


def map_structure_values(x: Any, f: Callable[[Any], Any]) -> Any:
    """`f` of the Values (or places) in a structure."""
    if isinstance(x, Value):
        return _Place(f(x))
    if isinstance(x, _Place):
        return f(x.n)
    return map_structure(lambda i: map_structure_values(i, f), x)


def _signature(x: Any, tensors: list[Tensor]) -> Any:
    """What the trace depends on: shapes and dtypes of Tensors (collected on the way), other arguments by value."""
    if isinstance(x, Tensor):
        tensors.append(x)
        return (x._data.shape, x._data.dtype.str, x._node is not None)
    if isinstance(x, (list, tuple)):
        return (type(x), *(_signature(i, tensors) for i in x))
    if isinstance(x, dict):
        return tuple((k, _signature(v, tensors)) for k, v in x.items())
    try:
        hash(x)
    except TypeError:
        return id(x)
    return x


def _reached(fn: Any) -> list[Any]:
    """What a callable can see: itself, its closure, the globals that it names, the object it is bound to."""
    found = [fn, getattr(fn, "__self__", None)]
    inner = getattr(fn, "__func__", fn)
    for cell in getattr(inner, "__closure__", None) or ():
        with suppress(ValueError):  # an empty cell
            found.append(cell.cell_contents)
    code, space = getattr(inner, "__code__", None), getattr(inner, "__globals__", {})
    return found + [space[n] for n in getattr(code, "co_names", ()) if n in space]


def _modules(fn: Any) -> list[Any]:
    return [m for m in _reached(fn) if hasattr(m, "named_modules")]


def _modes(fn: Any) -> tuple[Any, ...]:
    """What else the trace depends on: train or eval, what optimisers remember already, their fixed hyper-parameters."""
    training = tuple(m.training for root in _modules(fn) for _, m in root.named_modules())
    optimisers = [o for o in _reached(fn) if hasattr(o, "param_groups") and hasattr(o, "state")]
    memory = tuple(
        tuple(o.state[p]) if p in o.state else () for o in optimisers for g in o.param_groups for p in g["params"]
    )
    fixed = tuple(
        repr([(k, v) for k, v in g.items() if k not in ("params", "lr", "betas", "initial_lr")])
        for o in optimisers
        for g in o.param_groups
    )
    return training, memory, fixed


def _names(fn: Any) -> dict[int, str]:
    return {id(t): name for m in _modules(fn) for name, t in [*m.named_parameters(), *m.named_buffers()]}


def compile(fn: Callable[..., Any]) -> Compiled:
    """Trace `fn` once for each signature of its arguments and run it as one native program from then on."""
    return Compiled(fn)
