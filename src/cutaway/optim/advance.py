"""A step of many parameters: the rule is recorded once and replayed on the memory of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.dtypes import is_narrow
from cutaway.core.tensor import Tensor
from cutaway.optim.record import NotRecordable, Program, Rule, record


class Job(NamedTuple):
    """A parameter that takes a step: the Tensor, what is remembered of it by name, the number of the step."""

    p: Tensor
    memory: dict[str, Any]
    t: int


Programs = dict[Any, tuple[Program, list[np.ndarray]] | None]  # what was recorded, with its scratch; None: it cannot be


def advance(rule: Rule, jobs: Sequence[Job], h: dict[str, Any], scalars: tuple[str, ...], programs: Programs) -> None:
    """Apply `rule` with hyper-parameters h to each job; what it gives is written into the memory that is there.

    `scalars` names what is remembered as one number, not one for each element. `programs` holds what was recorded before
    for the same hyper-parameters.
    """
    for job in jobs:
        p, memory = job.p, job.memory
        p._assign_check("step")
        numbers = {name: memory[name].item() for name in scalars}
        names = [name for name in memory if name != "step" and name not in numbers]
        key = (job.t, p._data.dtype, *names, *numbers.values())
        if key not in programs:
            try:
                programs[key] = record(rule, names, numbers, job.t, h, _flat(p._data).dtype), []
            except NotRecordable:
                programs[key] = None
        found = programs[key]
        numbers = _evaluate(rule, job, names, numbers, h) if found is None else _replay(*found, job, names)
        for name, value in numbers.items():
            memory[name]._data[...] = value
        p._cell[0] += 1  # backward refuses values that it saved before the step


def _replay(program: Program, scratch: list[np.ndarray], job: Job, names: Sequence[str]) -> dict[str, float]:
    """Run the program on the memory of a job; gives what it remembers as one number."""
    p, g = job.p._data, _flat(job.p._grad._data)  # type: ignore[union-attr]
    for name in program.fresh:
        job.memory[name] = Tensor._wrap(np.empty(p.shape, p.dtype))
    held = [p, *(job.memory[name]._data for name in (*names, *program.fresh))]
    flat, *own = map(_flat, held)
    program.run([flat, g, *own], scratch)
    for a, b in zip(held, (flat, *own)):
        if not np.may_share_memory(a, b):  # a copy: of what is not contiguous, or narrow
            a[...] = _shaped(b, a)
    return program.numbers


def _flat(a: np.ndarray) -> np.ndarray:
    """What a rule computes with, in a row: of float16 and bfloat16 a float32 copy, whose results are rounded once a step.

    The two parts of a complex number are two numbers, as in PyTorch.
    """
    if a.dtype.kind == "c":
        return a.reshape(-1).view(a.real.dtype)
    return (a.astype(np.float32) if is_narrow(a.dtype) else a).reshape(-1)


def _shaped(flat: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The way back."""
    return (flat.view(like.dtype) if like.dtype.kind == "c" else flat).reshape(like.shape)


def _computed(a: np.ndarray) -> np.ndarray:
    """The same for a rule that may look at shapes; complex numbers go in a row."""
    return _flat(a) if a.dtype.kind == "c" else a.astype(np.float32) if is_narrow(a.dtype) else a


def _evaluate(
    rule: Rule, job: Job, names: Sequence[str], numbers: dict[str, float], h: dict[str, Any]
) -> dict[str, float]:
    """The same for a rule that cannot be recorded."""
    p, g = job.p._data, _computed(job.p._grad._data)  # type: ignore[union-attr]
    state = {name: _computed(job.memory[name]._data) for name in names}
    new_p, new_s = rule(_computed(p), g, {**state, **numbers}, job.t, h)
    back = _shaped if p.dtype.kind == "c" else lambda a, _: a
    p[...] = back(new_p, p)
    for name in new_s.keys() - numbers.keys():
        if name in job.memory:
            job.memory[name]._data[...] = back(new_s[name], p)
        else:
            job.memory[name] = Tensor._wrap(np.array(back(new_s[name], p), p.dtype))
    return {name: new_s[name] for name in numbers}
