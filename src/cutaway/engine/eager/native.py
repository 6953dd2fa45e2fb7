"""Native: a graph as a function of arrays. The same machinery as `cutaway.compile`, without anything that is read anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cutaway.engine import threads
from cutaway.engine.eager.blocks import LARGE, empty
from cutaway.engine.graph import Graph, Value
from cutaway.engine.llvm import jit
from cutaway.engine.llvm.jit import Code
from cutaway.engine.llvm.target import target
from cutaway.engine.passes import PASSES, clean
from cutaway.engine.passes.rewrite import Builder
from cutaway.engine.program import ALIGN, Program, address_of, addressof, first_byte
from cutaway.engine.schedule import schedule
from cutaway.engine.threads import Job

Dims = tuple[int, ...]
Addresses = Sequence[int]  # of an array, one a time


class Scratch:
    """Memory that a run needs and leaves: one block a thread that is running, as large as the largest program's."""

    spare: list[Scratch] = []

    def __init__(self, nbytes: int) -> None:
        self.memory = np.empty(nbytes + ALIGN, np.uint8)
        self.address = -(-address_of(self.memory) // ALIGN) * ALIGN
        self.nbytes = nbytes

    @staticmethod
    def take(nbytes: int) -> Scratch:
        """One of at least `nbytes`; give it back by `Scratch.spare.append`."""
        try:
            found = Scratch.spare.pop()
        except IndexError:
            return Scratch(nbytes)
        return found if found.nbytes >= nbytes else Scratch(nbytes)


class Result(NamedTuple):
    """An output: how it lies in memory, its number in the table, and the permutation that shows it as it is meant."""

    shape: tuple[int, ...]
    dtype: np.dtype
    number: int
    dims: Dims | None
    block: int  # bytes, if it is large


class Facts(NamedTuple):
    """What a compiled graph is besides its code: all of it can be kept in a file, and the graph be forgotten.

    arguments: (number among the arrays, number in the table); fixed: (number in the table, constant)
    arena, own: bytes of scratch memory, and more of it for each thread; alone: if it runs on one thread always
    """

    key: str
    slots: int
    arguments: Sequence[tuple[int, int]]
    fixed: Sequence[tuple[int, np.ndarray]]
    results: Sequence[Result]
    arena: int
    own: int
    alone: bool

    @staticmethod
    def of(words: Sequence[Any]) -> Facts:
        """These facts, of a file."""
        key, slots, arguments, fixed, results, *rest = words
        return Facts(key, slots, arguments, fixed, [Result(*r) for r in results], *rest)


class Native:
    """A compiled graph whose inputs are arguments. Several threads may run it at a time.

    Results that `loose` names may come in another order of memory than row-major, where that saves a copy.
    """

    def __init__(self, facts: Facts, code: Code) -> None:
        self.facts, self.code = facts, code
        self.arguments, self.results, self.alone = facts.arguments, facts.results, facts.alone
        self.address, self.pool = code.address("program"), threads.pool()
        self.threads = 1 if self.alone else threads.get_num_threads()
        self.scratch = facts.arena + facts.own * self.threads
        self._jobs: list[Job] = []  # to be used; each is one run's

    @staticmethod
    def of(graph: Graph, loose: Sequence[bool]) -> Native:
        """Compile it."""
        for one in PASSES:
            graph = one(graph).verify()
        graph, orders = _peel(graph, loose)
        program = Program(schedule(graph), target())
        slots = program.memory.slots
        arguments: list[tuple[int, int]] = []
        fixed: list[tuple[int, np.ndarray]] = []
        for v in graph.inputs:
            if v not in slots or v.source is None:
                continue
            if v.source.kind == "argument":
                arguments.append((v.source.index, slots[v].number))
            else:
                assert v.source.kind == "constant", v.source
                fixed.append((slots[v].number, np.ascontiguousarray(v.source.value)))
        results = []
        for v, dims in zip(graph.outputs, orders, strict=True):
            slot = slots[v]
            results.append(Result(*v.aval, slot.number, dims, slot.nbytes if slot.nbytes >= LARGE else 0))
        arena, own = program.memory.arena, program.own
        facts = Facts(program.key, len(program.table), arguments, fixed, results, arena, own, program.alone)
        return Native(facts, program.code)

    @staticmethod
    def again(facts: Facts) -> Native | None:
        """One that was compiled before; None if its code is no longer in the cache."""
        code = jit.find_linked(facts.key, target())
        return None if code is None else Native(facts, code)

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The results for these arguments, which lie in row-major order; so do the results, before their permutation."""
        job = self._take()
        table = job.table
        for n, number in self.arguments:
            a = arrays[n]
            try:
                table[number] = addressof(first_byte(a))  # address_of, without the call
            except (TypeError, ValueError):
                table[number] = address_of(a)
        out = []
        for shape, dtype, number, _, large in self.results:
            y = empty(shape, dtype, large) if large else np.empty(shape, dtype)
            table[number] = address_of(y)
            out.append(y)
        if self.scratch:
            scratch = Scratch.take(self.scratch)
            self._run(job, scratch.address)
            Scratch.spare.append(scratch)
        else:
            self._run(job, 0)
        self._jobs.append(job)
        return out

    def _run(self, job: Job, arena: int) -> None:
        if self.alone:
            job.arena = arena
            self.pool.alone(job.pointer)
        else:
            self.pool.run(self.address, job.where, arena, min(self.threads, threads.get_num_threads()))

    def repeat(
        self, times: int, arguments: Sequence[Addresses], results: Sequence[Addresses], last_first: bool = False
    ) -> None:
        """Run once for each time: where the arguments, by their index, and the results lie then."""
        job = self._take()
        table = job.table
        moving = [(number, arguments[n]) for n, number in self.arguments]
        moving += [(r.number, addresses) for r, addresses in zip(self.results, results, strict=True)]
        scratch = Scratch.take(self.scratch)
        for t in reversed(range(times)) if last_first else range(times):
            for number, addresses in moving:
                table[number] = addresses[t]
            self._run(job, scratch.address)
        Scratch.spare.append(scratch)
        self._jobs.append(job)

    def _take(self) -> Job:
        try:
            return self._jobs.pop()
        except IndexError:
            job = Job(self.address, self.facts.slots)
            for number, constant in self.facts.fixed:
                job.table[number] = address_of(constant)
            return job


def _peel(graph: Graph, loose: Sequence[bool]) -> tuple[Graph, list[Dims | None]]:
    """Loose results that are permutations: what is permuted, and how. No result is an input or another result."""
    builder = Builder()
    builder.values = list(graph.values)
    outputs: list[Value] = []
    orders: list[Dims | None] = []
    for v, free in zip(graph.outputs, loose, strict=True):
        dims = None
        if free and v.op is not None and v.op.name == "permute" and v.inputs[0].op is not None:
            dims, v = tuple(v.attrs["dims"]), v.inputs[0]
        if v.op is None or v in outputs:
            v = builder.op("copy", v)
        outputs.append(v)
        orders.append(dims)
    return clean(Graph(builder.values, outputs)).verify(), orders


def order_of(a: np.ndarray) -> Dims | None:
    """The order of dimensions in which memory runs without gaps; () for row-major, None if there is no such order."""
    if a.flags.c_contiguous:
        return ()
    dims = tuple(sorted(range(a.ndim), key=lambda d: (-a.strides[d], -a.shape[d])))
    return dims if a.transpose(dims).flags.c_contiguous else None
