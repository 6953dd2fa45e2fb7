"""Native: a graph as a function of arrays. The same machinery as `cutaway.compile`, without anything that is read anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cutaway.engine import threads
from cutaway.engine.eager.blocks import LARGE, empty
from cutaway.engine.graph import Graph, Value
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


class Native:
    """A compiled graph whose inputs are arguments. Several threads may run it at a time.

    Results that `loose` names may come in another order of memory than row-major, where that saves a copy.
    """

    def __init__(self, graph: Graph, loose: Sequence[bool]) -> None:
        for one in PASSES:
            graph = one(graph).verify()
        graph, orders = _peel(graph, loose)
        self.graph = graph
        program = self.program = Program(schedule(graph), target())
        slots = program.memory.slots
        self.arguments: list[tuple[int, int]] = []
        self.held = []
        fixed = []
        for v in graph.inputs:
            if v not in slots or v.source is None:
                continue
            if v.source.kind == "argument":
                self.arguments.append((v.source.index, slots[v].number))
            else:
                assert v.source.kind == "constant", v.source
                self.held.append(np.ascontiguousarray(v.source.value))
                fixed.append((slots[v].number, address_of(self.held[-1])))
        self.results = []
        for v, dims in zip(graph.outputs, orders, strict=True):
            slot = slots[v]
            self.results.append(Result(*v.aval, slot.number, dims, slot.nbytes if slot.nbytes >= LARGE else 0))
        self.scratch, self.threads = program.arena_bytes, program.threads
        self._fixed = fixed
        self._jobs: list[Job] = []  # to be used; each is one run's

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
        program = self.program
        if program.alone:
            job.arena = arena
            program.pool.alone(job.pointer)
        else:
            program.pool.run(program.address, job.where, arena, min(self.threads, threads.get_num_threads()))

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
            job = Job(self.program.address, len(self.program.table))
            for number, address in self._fixed:
                job.table[number] = address
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
