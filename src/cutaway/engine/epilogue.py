"""A contraction with what is made of its sums before they are stored: bias, activation, gate, a residual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cutaway.core.aval import row_major
from cutaway.engine.contract import Place as Spot
from cutaway.engine.graph import Value
from cutaway.engine.llvm.emit import Function
from cutaway.engine.loops.coordinates import ZERO, Coordinate, Place, bijection, find, place_of
from cutaway.engine.loops.lanes import Lanes
from cutaway.engine.tiles import Contraction, contraction


def tiled(output: Value, core: Value | None, in_memory: Callable[[Value], bool]) -> Contraction | None:
    """The problem of a kernel: `output` itself, or (None if it is not one) the core with its sums where the output lies."""
    if core is None:
        return contraction(output, in_memory)
    steps = row_major(output.aval.shape)
    where = dimensions(output, core, in_memory)
    return contraction(core, in_memory, [0 if d is None else steps[d] for d in where])


def dimensions(output: Value, core: Value, in_memory: Callable[[Value], bool]) -> list[int | None]:
    """For each dimension of the core, the output's dimension that it is (None: of one element)."""
    names = [f"d{d}" for d in range(output.aval.ndim)]
    found = find(output, place_of(names), core, lambda v: v is not core and in_memory(v))
    assert found is not None
    labels = bijection(found, core.aval.shape)
    assert labels is not None
    back: list[int | None] = [None] * core.aval.ndim
    for name, d in labels.items():
        back[d] = names.index(name)
    return back


def epilogue(
    output: Value, core: Value, labels: Sequence[str], extra: Sequence[Value]
) -> Callable[[Function, Any, Spot], Any]:
    """For `contract.emit`: the output's elements from the core's sums. `labels` are the core's, `extra` lie in memory."""
    given = set(extra)
    place: list[Coordinate] = [ZERO] * output.aval.ndim
    for label, d in zip(labels, dimensions(output, core, lambda v: v in given), strict=True):
        if d is not None:
            place[d] = Coordinate(0, ((label, 1),))
    here: Place = tuple(place)

    def finish(f: Function, sums: Any, spot: Spot) -> Any:
        lanes = Lanes(f, dict(zip(extra, spot.extra, strict=True)), spot, sums.type.count, core, sums)
        parts = lanes.at(output, here)
        return parts.to(output.aval.dtype).value

    return finish
