"""`cutaway.compile(f)`: a function, a Module or a whole training step as one native program for each signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, update_wrapper
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.autograd import RECORDING, output_node
from cutaway.core.errors import ArgumentError
from cutaway.core.op import CAST, OPS, PARTS, SCOPE, STAGE
from cutaway.core.tensor import Tensor
from cutaway.core.watched import CHANGES
from cutaway.engine.graph import Graph, Value
from cutaway.engine.history import Backward, CompiledNode, History, look_back
from cutaway.engine.llvm.target import target
from cutaway.engine.passes import PASSES, clean
from cutaway.engine.program import Program, address_of, addressof, first_byte
from cutaway.engine.schedule import Schedule, schedule
from cutaway.engine.surroundings import Surroundings, modes, modules_of
from cutaway.engine.trace import map_structure, trace

if TYPE_CHECKING:
    from cutaway.engine.look.arena import Arena
    from cutaway.engine.look.kernels import Kernels
    from cutaway.engine.look.listing import Listing
    from cutaway.engine.look.passes import Passes
    from cutaway.engine.look.timeline import Timeline

# A trace puts symbols in the place of the surroundings' arrays, and a program's memory serves one call at a time.
ONE_AT_A_TIME = RLock()
NOTHING: dict[Value, np.ndarray] = {}
GLANCE = frozenset([Tensor, int, float, bool, str, type(None)])  # arguments that are compared one by one


class Compiled:
    """A compiled callable. Call it as the original; it is traced anew for each new signature (shapes, dtypes, modes)."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.variants: dict[Any, Variant] = {}
        self._recent: dict[Any, Variant] = {}  # for each signature of the arguments, whatever the modes
        self._last: Variant | None = None
        self._bound: dict[int, Compiled] = {}
        update_wrapper(self, fn, updated=())

    def __get__(self, owner: Any, kind: Any = None) -> Compiled:
        """As a method: a compiled function of each object, which sees the modules and optimisers that the object holds."""
        if owner is None:
            return self
        found = self._bound.get(id(owner))
        if found is None:
            found = self._bound[id(owner)] = Compiled(self.fn.__get__(owner))  # it holds the owner: the id stays its own
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the native program for these arguments; under an observer, the function itself, so that it can be seen."""
        if SCOPE.get() is not None or STAGE.get() is not None:  # inside another trace it is a part of that program
            return self.fn(*args, **kwargs)
        with ONE_AT_A_TIME:
            last = self._last
            if last is not None and not kwargs:
                arrays = last.enter(args)
                if arrays is not None and last.surroundings.same() and not last.surroundings.moved():
                    return last(args if last.tensors_only else [a for a in args if isinstance(a, Tensor)], arrays)
            return self._call(args, kwargs)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """As `__call__`, for other arguments or surroundings than the last time."""
        tensors: list[Tensor] = []
        signature = (_signature((args, kwargs), tensors), RECORDING.get(), CAST.get(), PARTS[0])
        variant = self._recent.get(signature)
        if variant is None or not variant.quick or not (variant.surroundings.same() and variant.here()):
            now = modes(self.fn)
            key = (signature, now)
            variant = self.variants.get(key)
            if variant is None or not variant.still():
                variant = Variant(self.fn, args, kwargs)
                # A trace may change what the next one finds: an optimiser begins to remember.
                variant.quick = variant.surroundings.quick and modes(self.fn) == now
                self.variants[key] = variant
        if variant.quick:
            self._recent[signature] = variant
        self._last = variant if variant.expected is not None and variant.quick else None
        return variant(tensors, variant.admit(tensors))

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

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        history: list[History] = []

        def look(*found: Any) -> None:
            made = look_back(*found)
            if made is not None:
                history.append(made)

        run = lambda *a: fn(*a[0], **a[1])
        self.traced, self.structure = trace(run, (args, kwargs), _names(fn), look if RECORDING.get() else None)
        where = {id(v): n for n, v in enumerate(self.traced.outputs)}
        self.places = map_structure_values(self.structure, lambda v: where[id(v)])
        self.count = len(self.traced.outputs)
        self.label = getattr(fn, "__name__", type(fn).__name__)
        self.backward: Backward | None = None
        if history:
            self._look_back(history[0])
        graph = self.traced
        for one in PASSES:
            graph = one(graph).verify()
        self.graph = graph
        self.program = Program(writing_last(graph), target())
        self.quick = False
        self.tensors_only = all(isinstance(a, Tensor) for a in args)
        self.recording, self.cast, self.parts = RECORDING.get(), CAST.get(), PARTS[0]
        self._bind(fn)
        # What a call must look like to be recognised at a glance: Tensors and numbers, one after the other.
        self.expected = None if kwargs or not all(type(a) in GLANCE for a in args) else self._glance(args)

    def _look_back(self, history: History) -> None:
        """From here on the graph is the first half: what gives the results, and what their gradient will read."""
        whole, outputs, writes = self.traced, self.traced.outputs, self.traced.writes
        both = clean(Graph(whole.values, [*outputs, *(w.value for w in history.wishes)], writes))
        outputs, gradients = both.outputs[: self.count], both.outputs[self.count :]
        history.wishes = [w._replace(value=v) for w, v in zip(history.wishes, gradients, strict=True)]
        self.backward = Backward(both, history, outputs)
        self.traced = self.backward.forward(both, outputs, both.writes).verify()

    def _bind(self, fn: Callable[..., Any]) -> None:
        """Sort the program's inputs by what has to be done for them at a call."""
        program, place = self.program, self.program.memory.slots
        inputs = [v for v in self.graph.inputs if v in place]
        by_kind: dict[str, list[Value]] = {"argument": [], "tensor": [], "number": [], "constant": []}
        for v in inputs:
            assert v.source is not None
            by_kind[v.source.kind].append(v)
        self.held: dict[Value, np.ndarray] = {}  # memory that the program knows the addresses of
        for v in by_kind["constant"]:
            self.held[v] = np.array(_source(v).value, order="C")  # 0-d stays so
            program.point(v, self.held[v])
        # Numbers: those that are read at every call, and those that are read when something has told of a change.
        self.numbers: list[tuple[Any, np.ndarray]] = []
        self.steady: list[tuple[Any, np.ndarray]] = []
        for v in by_kind["number"]:
            self.held[v] = np.zeros(v.aval.shape, v.aval.dtype)
            program.point(v, self.held[v])
            (self.numbers if _source(v).steady is None else self.steady).append((_source(v), self.held[v]))
        self._read = -1  # CHANGES when the steady ones were read
        self.arguments = sorted((_source(v).index, v, place[v].number) for v in by_kind["argument"])
        self.tensors = [(_source(v).tensor, v) for v in by_kind["tensor"]]
        closed = [v.source.tensor for v in self.traced.inputs if v.source is not None and v.source.tensor is not None]
        self.surroundings = Surroundings(fn, closed)
        s = program.schedule
        # Inputs that are results as they are: taken before anything is written.
        self.passed = [v for v in dict.fromkeys([*self.graph.outputs, *(w.value for w in s.copies)]) if v.op is None]
        self.made = [
            (v, v.aval.shape, v.aval.dtype, place[v].number)
            for v in dict.fromkeys(self.graph.outputs)
            if v not in self.passed
        ]
        self.direct = [(old, _source(old).tensor) for old in s.direct.values()]
        self.copies = s.copies
        known = self.surroundings.remembered  # no graph saves what an optimiser remembers
        self.counted = [w.tensor for w in self.graph.writes if w.tensor is not None and id(w.tensor) not in known]
        self.counted_arguments = [w.argument for w in self.graph.writes if w.tensor is None]
        self.plain = self._is_plain()
        self.move()

    def _is_plain(self) -> bool:
        """True if the result is a Tensor, or a tuple of Tensors, each made by the program for this place alone."""
        places = self.places if type(self.places) is tuple else (self.places,)
        numbers = [p.n for p in places if isinstance(p, _Place)]
        once = numbers == [*range(len(places))] and len(self.made) == len(places) == len(self.graph.outputs)
        return once and not self.passed and not self.backward

    def enter(self, args: Sequence[Any]) -> list[np.ndarray] | None:
        """As `admit`, for arguments that have this variant's signature; None may mean that only a closer look would tell."""
        expected = self.expected
        if expected is None or len(args) != len(expected):
            return None
        if RECORDING.get() is not self.recording or CAST.get() is not self.cast or PARTS[0] != self.parts:
            return None
        table, written, here = self.program.table, self.written, []
        for a, (kind, shape, dtype, frozen, number) in zip(args, expected):
            if type(a) is not kind:
                return None
            if kind is not Tensor:
                if a != shape:
                    return None
                continue
            data = a._data
            if data.shape != shape or data.dtype is not dtype or (a._node is None) is not frozen:
                return None
            if number is None:
                continue
            if not data.flags.c_contiguous or (id(data) if data.base is None else id(data.base)) in written:
                data = _apart(a)
            here.append(data)
            try:
                table[number] = addressof(first_byte(data))  # address_of, without the call
            except (TypeError, ValueError):
                table[number] = address_of(data)
        return here

    def admit(self, tensors: Sequence[Tensor]) -> list[np.ndarray]:
        """Point to the arguments' memory: their arrays, which must live until the program is through."""
        here = []
        for n, _, number in self.arguments:
            t = tensors[n]
            data = t._data if t._data.flags.c_contiguous and id(_owner(t._data)) not in self.written else _apart(t)
            here.append(data)
            self.program.table[number] = address_of(data)
        return here

    def _glance(self, args: Sequence[Any]) -> list[tuple[Any, Any, Any, bool, int | None]]:
        """What `enter` compares, and where it notes each address."""
        slots = {n: number for n, _, number in self.arguments}
        order = iter(range(len(args)))
        return [
            (Tensor, a._data.shape, a._data.dtype, a._node is None, slots.get(next(order)))
            if isinstance(a, Tensor)
            else (type(a), a, None, False, None)
            for a in args
        ]

    def still(self) -> bool:
        """True if a trace would come out as this one did, for the same key."""
        return self.surroundings.look() and self.surroundings.inside() and self.move()

    def here(self) -> bool:
        """True if the program knows where the tensors are, be it from now on; False if they have other shapes."""
        return not self.surroundings.moved() or self.move()

    def move(self) -> bool:
        """Point to the tensors' memory as it is now; False if a shape or dtype is another one."""
        for t, _ in self.tensors:
            t._settle()
        if not all(t._data.flags.writeable for _, t in self.direct) or not self.surroundings.move():
            return False
        self.loose = [(t, v) for t, v in self.tensors if not t._data.flags.c_contiguous]  # read as a copy
        for t, v in self.tensors:
            if t._data.flags.c_contiguous:
                self.held[v] = t._data
                self.program.point(v, t._data)
        self.written = {id(_owner(t._data)) for _, t in self.direct}
        self.counts = [t._cell for t in self.counted]
        return True

    def __call__(self, tensors: Sequence[Any], here: list[np.ndarray]) -> Any:
        """Run the program on these arguments, whose arrays are `here`: its result, with the tensors it writes written."""
        program, held = self.program, self.held
        table = program.table
        for t, v in self.loose:
            held[v] = np.ascontiguousarray(t._data)
            program.point(v, held[v])
        for source, place in self.numbers:
            place[...] = source.number()
        if self._read != (now := CHANGES.count + CHANGES.numbers):
            for source, place in self.steady:
                place[...] = source.number()
            self._read = now if all(source.steady() for source, _ in self.steady) else -1
        if self.plain:
            made = []
            for _, shape, dtype, number in self.made:
                y = np.empty(shape, dtype)
                try:
                    table[number] = addressof(first_byte(y))
                except (TypeError, ValueError):
                    table[number] = address_of(y)
                made.append(Tensor._wrap(y))
            program.run()
            results = {v: y._data for (v, *_), y in zip(self.made, made, strict=True)} if self.copies else NOTHING
            self._write(tensors, results)
            return tuple(made) if type(self.places) is tuple else made[0]
        results = {}
        for v in self.passed:
            given = [a for a, (_, w, _) in zip(here, self.arguments, strict=True) if w is v]
            results[v] = np.array(given[0] if given else held[v] if v in held else _source(v).value)
        for v, shape, dtype, number in self.made:
            results[v] = y = np.empty(shape, dtype)
            table[number] = address_of(y)
        program.run()
        self._write(tensors, results)
        taken: set[Value] = set()
        shown: dict[int, list[Tensor]] = {}

        def give(n: int) -> Tensor:
            v = self.graph.outputs[n]
            again = v in taken  # returned twice: two tensors, as different memory
            taken.add(v)
            y = Tensor._wrap(results[v].copy() if again else results[v])
            shown.setdefault(n, []).append(y)
            return y

        result = map_structure_values(self.places, give)
        if self.backward is not None:
            self._record(self.backward, tensors, here, results, shown)
        return result

    def _record(
        self, backward: Backward, tensors: Sequence[Any], here: list[np.ndarray], results: Any, given: Any
    ) -> None:
        """Leave a node on the results: what the second program will read, and what must not be overwritten until then."""
        entered = {n: a for (n, _, _), a in zip(self.arguments, here, strict=True)}
        made = dict(zip(backward.made, self.graph.outputs[self.count :], strict=True))
        number = {v: n for n, v in enumerate(backward.results) if n in given}
        arrays: list[np.ndarray] = []
        watched: list[tuple[str, np.ndarray, list[int], int]] = []
        for v in backward.saved:
            m = backward.copies.get(v, v)
            if m in made:
                arrays.append(results[made[m]])
            elif v in number:
                y = given[number[v]][0]
                arrays.append(y._data)
                watched.append((f"result {number[v]}", y._data, y._cell, y._cell[0]))
            else:
                arrays.append(self._input(v, tensors, entered, watched))
        parents = [tensors[w.argument]._node if w.tensor is None else w.tensor._node for w in backward.history.wishes]
        node = CompiledNode(self.label, backward, parents, arrays, watched)
        for n, _ in backward.history.results:
            for y in given.get(n, ()):
                y._node = output_node(node, n, y)

    def _input(self, v: Value, tensors: Sequence[Any], entered: dict[int, np.ndarray], watched: list[Any]) -> np.ndarray:
        """An input as this call read it."""
        source = _source(v)
        if source.kind == "number":
            return self.held[v].copy()
        t = tensors[source.index] if source.kind == "argument" else source.tensor
        array = entered.get(source.index) if source.kind == "argument" else None
        if array is None:
            array = np.ascontiguousarray(t._data)
        if np.may_share_memory(array, t._data):
            what = f"argument {source.index}" if source.kind == "argument" else source.name or "a tensor"
            watched.append((what, t._data, t._cell, t._cell[0]))
        return array

    def _write(self, tensors: Sequence[Any], results: dict[Value, np.ndarray]) -> None:
        """After a run: what the program could not write in place, and the count of writes."""
        if self.loose:
            for old, t in self.direct:
                if self.held[old] is not t._data:
                    np.copyto(t._data, self.held[old])
        for w in self.copies:
            source = results.get(w.value)
            target = tensors[w.argument] if w.tensor is None else w.tensor
            np.copyto(target._data, self.program.result(w.value) if source is None else source)
        for count in self.counts:
            count[0] += 1
        for n in self.counted_arguments:
            tensors[n]._cell[0] += 1

    @cached_property
    def listing(self) -> Listing:
        """The program's code as text."""
        from cutaway.engine.look.listing import Listing

        return Listing(self.program)


def _source(v: Value) -> Any:
    assert v.source is not None
    return v.source


def writing_last(graph: Graph) -> Schedule:
    """The schedule; tensors whose new value others read, too, get it by a copy at the end of the program."""
    s = schedule(graph)
    late = [w for w in s.copies if w.tensor is not None]
    if not late:
        return s
    copies = {w: Value(OPS["copy"], (w.value,), {}, w.value.aval, w.value.line) for w in late}
    writes = [w._replace(value=copies.get(w, w.value)) for w in graph.writes]
    return schedule(Graph([*graph.values, *copies.values()], graph.outputs, writes).verify())


def _apart(t: Tensor) -> np.ndarray:
    """A tensor's values in row-major memory of their own, as they are at the call."""
    return np.array(t._settle()._data, order="C")


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
    if isinstance(x, Tensor) and not x._strided:
        return x, x._what  # type: ignore[attr-defined]
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
    return type(x), x  # 1, 1.0 and True are equal, and not the same


def _names(fn: Any) -> dict[int, str]:
    return {id(t): name for m in modules_of(fn) for name, t in [*m.named_parameters(), *m.named_buffers()]}


def compile(fn: Callable[..., Any]) -> Compiled:
    """Trace `fn` once for each signature of its arguments and run it as one native program from then on."""
    return Compiled(fn)
