"""Run a rule over many parameters in place, quickly: large ones a tile at a time, small ones all together.

A rule is a pure expression, and each of its operations makes a temporary array. In a tile they stay in the processor's
cache; and twenty calls of NumPy on the values of many biases, end to end, cost as much as on one bias.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.tensor import Tensor

TILE = 16384  # elements
SMALL = 4096  # up to so many, copying them together is cheaper than calls of their own

Arrays = dict[str, np.ndarray]
Rule = Callable[[Any, Any, dict[str, Any], int, dict[str, Any]], tuple[Any, dict[str, Any]]]


class Job(NamedTuple):
    """A parameter that takes a step: the Tensor, what is remembered of it by name, the number of the step."""

    p: Tensor
    memory: dict[str, Any]
    t: int


class Parts(NamedTuple):
    """A job's memory: the parameter, its gradient, what is remembered of each element, and what is one number."""

    p: np.ndarray
    g: np.ndarray
    s: Arrays
    numbers: dict[str, float]


def advance(rule: Rule, jobs: Sequence[Job], h: dict[str, Any], scalars: tuple[str, ...] = ()) -> None:
    """Apply `rule` with hyper-parameters h to each job; what it gives is written into the memory that is there.

    `scalars` names what is remembered as one number, not one for each element.
    """
    small: dict[Any, list[tuple[Job, Parts]]] = {}
    for job in jobs:
        job.p._assign_check("step")
        parts = _parts(job, scalars)
        if parts.p.size > TILE and parts.p.flags.c_contiguous and parts.g.flags.c_contiguous:
            _in_tiles(rule, job, parts, h)
        elif parts.p.size > SMALL:
            _whole(rule, job, parts, h)
        else:
            alike = parts.p.dtype, job.t, tuple(parts.numbers.values()), tuple(parts.s)
            small.setdefault(alike, []).append((job, parts))
    for pairs in small.values():
        if len(pairs) == 1:
            _whole(rule, *pairs[0], h)
        else:
            _together(rule, pairs, h)


def _parts(job: Job, scalars: tuple[str, ...]) -> Parts:
    assert job.p._grad is not None
    numbers = {name: job.memory[name].item() for name in scalars}
    s = {name: m._data for name, m in job.memory.items() if name != "step" and name not in numbers}
    return Parts(job.p._data, job.p._grad._data, s, numbers)


def _whole(rule: Rule, job: Job, parts: Parts, h: dict[str, Any]) -> None:
    p, s = rule(parts.p, parts.g, {**parts.s, **parts.numbers}, job.t, h)
    parts.p[...] = p
    _store(job, parts, s)


def _in_tiles(rule: Rule, job: Job, parts: Parts, h: dict[str, Any]) -> None:
    p, g = parts.p.reshape(-1), parts.g.reshape(-1)
    s = {name: array.reshape(-1) for name, array in parts.s.items()}
    results: Arrays = dict(s)  # the memory itself, and new arrays for what is remembered from now on
    new_s: dict[str, Any] = {}
    for start in range(0, p.size, TILE):
        part = slice(start, start + TILE)
        p[part], new_s = rule(p[part], g[part], {**{k: a[part] for k, a in s.items()}, **parts.numbers}, job.t, h)
        for name, value in new_s.items():
            if name not in parts.numbers:
                if name not in results:
                    results[name] = np.empty_like(p)
                results[name][part] = value
    shaped = {name: array.reshape(parts.p.shape) for name, array in results.items() if name not in s}
    _store(job, parts, {**shaped, **{name: new_s[name] for name in parts.numbers}})


def _together(rule: Rule, pairs: Sequence[tuple[Job, Parts]], h: dict[str, Any]) -> None:
    first = pairs[0][1]
    p = np.concatenate([parts.p.reshape(-1) for _, parts in pairs])
    g = np.concatenate([parts.g.reshape(-1) for _, parts in pairs])
    s = {name: np.concatenate([parts.s[name].reshape(-1) for _, parts in pairs]) for name in first.s}
    new_p, new_s = rule(p, g, {**s, **first.numbers}, pairs[0][0].t, h)
    end = 0
    for job, parts in pairs:
        start, end = end, end + parts.p.size
        shape = parts.p.shape
        parts.p[...] = new_p[start:end].reshape(shape)
        own = {k: v if k in parts.numbers else v[start:end].reshape(shape) for k, v in new_s.items()}
        _store(job, parts, own)


def _store(job: Job, parts: Parts, new_s: dict[str, Any]) -> None:
    """Write what is to be remembered where it is remembered; count the write, so that backward refuses older values."""
    job.p._cell[0] += 1
    for name, value in new_s.items():
        if name in parts.s:
            parts.s[name][...] = value
        elif name in parts.numbers:
            job.memory[name]._data[...] = value
        else:
            job.memory[name] = Tensor._wrap(np.array(value))
