"""Values computed a vector at a time: in a loop over vectors, or where a contraction has its finished sums in registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import llvmlite.ir as ir
import numpy as np

from cutaway.engine.graph import Value
from cutaway.engine.llvm.emit import Function, constant, memory_type
from cutaway.engine.loops.coordinates import Place, follow, memory_of, offset
from cutaway.engine.scalar import VOCABULARY, Scalar, from_memory, number, register_type


class Spot(Protocol):
    """Where a vector's lanes are."""

    def load(self, pointer: Any, steps: Mapping[str, int], t: ir.Type, start: int = 0) -> Any:
        """Their elements of a memory in which a label's next value lies `steps[label]` further."""


class Lanes:
    """Reads values at one spot. `pointers` lead to what is in memory; `core`, if there is one, stands for `sums`."""

    def __init__(
        self,
        f: Function,
        pointers: Mapping[Value, Any],
        spot: Spot,
        lanes: int,
        core: Value | None = None,
        sums: Any = None,
    ) -> None:
        self.f, self.pointers, self.spot, self.lanes, self.core, self.sums = f, pointers, spot, lanes, core, sums
        self.memo: dict[tuple[Value, Place], Scalar] = {}

    def at(self, v: Value, place: Place) -> Scalar:
        """Elements `place` of `v`, as a vector."""
        key = v, place
        if key not in self.memo:
            self.memo[key] = self._at(v, place)
        return self.memo[key]

    def _at(self, v: Value, place: Place) -> Scalar:
        if v is self.core:
            return Scalar(self.f, self.sums, v.aval.dtype)
        found = memory_of(v, lambda x: x in self.pointers)
        if found is not None:
            base, strides = found
            start, steps = offset(place, strides)
            got = self.spot.load(self.pointers[base], steps, memory_type(v.aval.dtype), start)
            return from_memory(self.f, got, v.aval.dtype)
        if v.op is None:
            assert v.source is not None and v.source.value is not None, f"{v!r} has no buffer here"
            return self._number(v.aval.dtype, v.source.value.item())
        if v.op.name == "full":
            return self._number(v.aval.dtype, v.attrs["value"])
        parts = follow(v, place)
        assert parts is not None, f"{v.op.name} is not computed element by element"
        inputs = [self.at(*part) for part in parts]
        if v.op.kind != "elementwise" or v.op.name == "copy":
            return inputs[0]
        if v.op.name == "cast":
            return inputs[0].to(v.attrs["dtype"])
        assert v.op.scalar is not None
        return v.op.scalar(VOCABULARY, *inputs, **v.attrs).to(v.aval.dtype)  # type: ignore[no-any-return]

    def _number(self, dtype: np.dtype, x: Any) -> Scalar:
        return Scalar(self.f, constant(ir.VectorType(register_type(dtype), self.lanes), number(dtype, x)), dtype)
