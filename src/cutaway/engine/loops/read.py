"""Read one element of a value: from its buffer if it has one, else by computing it there and then.

Elementwise ops run their scalar forward, movement ops move the index. So a chain of them costs no memory: that is fusion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from cutaway.core.aval import row_major
from cutaway.engine.graph import Value
from cutaway.engine.llvm.emit import I64, Function, Int, constant, memory_type
from cutaway.engine.loops.philox import uniform_at
from cutaway.engine.scalar import VOCABULARY, Scalar, from_memory, number, register_type, to_memory

Index = tuple[Int, ...]


def load(f: Function, pointer: Any, offset: Int, dtype: np.dtype) -> Scalar:
    """An element of a buffer, in a register."""
    return from_memory(f, f.load(pointer, offset, memory_type(dtype)), dtype)


def store(f: Function, x: Scalar, pointer: Any, offset: Int) -> None:
    """An element, into a buffer of its dtype."""
    f.store(to_memory(x), pointer, offset)


def linear(f: Function, index: Index, shape: Sequence[int]) -> Int:
    """The offset of an index in row-major order."""
    out: Int = 0
    for i, s in zip(index, row_major(shape), strict=True):
        out = f.add(out, f.mul(i, s))
    return out


def unit_reshape(a: Sequence[int], b: Sequence[int]) -> bool:
    """True if the shapes differ only by dimensions of size 1."""
    return [n for n in a if n != 1] == [n for n in b if n != 1]


class Reader:
    """Reads values inside one function. `pointers` holds the buffers it was given; everything else is computed."""

    def __init__(self, f: Function, pointers: dict[Value, Any]) -> None:
        self.f, self.pointers = f, pointers
        self._memo: dict[tuple[Any, ...], Scalar] = {}

    def flat(self, v: Value, offset: Int) -> Scalar:
        """The element at a row-major offset, where `v` and all it is made of have one shape, or size 1."""
        return self._cached(v, (offset,), lambda: self._flat(v, offset))

    def _flat(self, v: Value, offset: Int) -> Scalar:
        known = self._known(v, lambda: 0 if v.aval.size == 1 else offset)
        if known is not None:
            return known
        if v.op is not None and v.op.name == "philox_uniform":
            return uniform_at(self.f, self.flat_state(v), offset, v.aval.dtype)
        return self._compute(v, [self.flat(i, 0 if i.aval.size == 1 else offset) for i in v.inputs])

    def flat_state(self, v: Value) -> tuple[Any, Any]:
        """Seed and offset of a random value."""
        state = v.inputs[0]
        seed, offset = (load(self.f, self.pointers[state], i, state.aval.dtype).value for i in (0, 1))
        return seed, offset

    def at(self, v: Value, index: Index) -> Scalar:
        """The element at an index."""
        return self._cached(v, index, lambda: self._at(v, index))

    def _cached(self, v: Value, index: Index, make: Callable[[], Scalar]) -> Scalar:
        key = (v, *(i if isinstance(i, int) else id(i) for i in index))
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = make()
        return found

    def _known(self, v: Value, offset: Callable[[], Int]) -> Scalar | None:
        """From a buffer, or a constant of one element; None if it must be computed."""
        if v in self.pointers:
            return load(self.f, self.pointers[v], offset(), v.aval.dtype)
        if v.source is not None:
            assert v.source.value is not None and v.aval.size == 1, f"{v!r} has no buffer here"
            return self._immediate(v.aval.dtype, v.source.value.item())
        if v.op is not None and v.op.name == "full":
            return self._immediate(v.aval.dtype, v.attrs["value"])
        return None

    def _immediate(self, dtype: np.dtype, x: Any) -> Scalar:
        return Scalar(self.f, constant(register_type(dtype), number(dtype, x)), dtype)

    def _compute(self, v: Value, inputs: Sequence[Scalar]) -> Scalar:
        op = v.op
        assert op is not None
        if op.name == "cast":
            return inputs[0].to(v.attrs["dtype"])
        if op.name in ("copy", "reshape"):
            return inputs[0]
        assert op.scalar is not None, f"{op.name} is not computed element by element"
        return op.scalar(VOCABULARY, *inputs, **v.attrs).to(v.aval.dtype)  # type: ignore[no-any-return]

    def _at(self, v: Value, index: Index) -> Scalar:
        known = self._known(v, lambda: linear(self.f, index, v.aval.shape))
        if known is not None:
            return known
        op = v.op
        assert op is not None
        if op.kind == "elementwise":
            return self._compute(v, [self.at(i, self._broadcast(index, i.aval.shape)) for i in v.inputs])
        move = getattr(self, f"_{op.name}", None)
        assert move is not None, f"{op.name} needs a buffer of its own"
        return move(v, index)  # type: ignore[no-any-return]

    @staticmethod
    def _broadcast(index: Index, shape: Sequence[int]) -> Index:
        tail = index[len(index) - len(shape) :]
        return tuple(0 if n == 1 else i for i, n in zip(tail, shape, strict=True))

    # --- movement -------------------------------------------------------------------------------------------------

    def _reshape(self, v: Value, index: Index) -> Scalar:
        source = v.inputs[0]
        if source in self.pointers:
            return load(self.f, self.pointers[source], linear(self.f, index, v.aval.shape), v.aval.dtype)
        assert unit_reshape(source.aval.shape, v.aval.shape)
        wide = iter([i for i, n in zip(index, v.aval.shape, strict=True) if n != 1])
        return self.at(source, tuple(0 if n == 1 else next(wide) for n in source.aval.shape))

    def _permute(self, v: Value, index: Index) -> Scalar:
        back: list[Int] = [0] * len(index)
        for i, d in zip(index, v.attrs["dims"], strict=True):
            back[d] = i
        return self.at(v.inputs[0], tuple(back))

    _layout = _permute

    def _expand(self, v: Value, index: Index) -> Scalar:
        return self.at(v.inputs[0], self._broadcast(index, v.inputs[0].aval.shape))

    def _slice(self, v: Value, index: Index) -> Scalar:
        f, a = self.f, v.attrs
        return self.at(
            v.inputs[0], tuple(f.add(s, f.mul(i, k)) for i, s, k in zip(index, a["start"], a["step"], strict=True))
        )

    def _flip(self, v: Value, index: Index) -> Scalar:
        f, dims = self.f, v.attrs["dims"]
        turned = [f.sub(n - 1, i) if d in dims else i for d, (i, n) in enumerate(zip(index, v.aval.shape, strict=True))]
        return self.at(v.inputs[0], tuple(turned))

    def _windows(self, v: Value, index: Index) -> Scalar:
        f, a = self.f, v.attrs
        first, n = a["dims"][0], len(a["dims"])
        places, taps = index[first : first + n], index[first + n : first + 2 * n]
        inner = [
            f.add(f.mul(o, s), f.mul(k, d)) for o, k, s, d in zip(places, taps, a["stride"], a["dilation"], strict=True)
        ]
        return self.at(v.inputs[0], (*index[:first], *inner, *index[first + 2 * n :]))

    # --- indices that are data ------------------------------------------------------------------------------------

    def position(self, i: Scalar, n: int, wrap: bool) -> Any:
        """An index from data, kept inside [0, n): negative ones count from the end if `wrap`."""
        b = self.f.b
        at = i.to(np.dtype(np.int64)).value
        if wrap:
            at = b.select(b.icmp_signed("<", at, constant(I64, 0)), b.add(at, constant(I64, n)), at)
        at = b.select(b.icmp_signed("<", at, constant(I64, 0)), constant(I64, 0), at)
        return b.select(b.icmp_signed(">=", at, constant(I64, n)), constant(I64, max(n - 1, 0)), at)

    def _gather(self, v: Value, index: Index) -> Scalar:
        a, where = v.inputs
        dim = v.attrs["dim"]
        at = self.position(self.at(where, index), a.aval.shape[dim], False)
        return self.at(a, (*index[:dim], at, *index[dim + 1 :]))

    def index_targets(
        self, v: Value, indices: Sequence[Value], dims: Sequence[int], shape: Sequence[int], index: Index
    ) -> Index:
        """Where in a tensor of `shape` the element `index` of an advanced indexing lies (NumPy's placement rule)."""
        wide = max(len(i.aval.shape) for i in indices)
        adjacent = all(q - p == 1 for p, q in pairwise(dims))
        at = dims[0] if adjacent else 0
        inner, rest = index[at : at + wide], iter(index[:at] + index[at + wide :])
        found = {
            d: self.position(self.at(i, self._broadcast(inner, i.aval.shape)), shape[d], True)
            for d, i in zip(dims, indices, strict=True)
        }
        return tuple(found[d] if d in found else next(rest) for d in range(len(shape)))

    def _index(self, v: Value, index: Index) -> Scalar:
        a, indices = v.inputs[0], v.inputs[1:]
        return self.at(a, self.index_targets(v, indices, v.attrs["dims"], a.aval.shape, index))

    def _window_gather(self, v: Value, index: Index) -> Scalar:
        f, a = self.f, v.attrs
        source, code = v.inputs
        k: Int = self.at(code, index).to(np.dtype(np.int64)).value
        taps: list[Int] = []
        for size in reversed(a["kernel"]):
            taps.insert(0, f.rem(k, size))
            k = f.div(k, size)
        first, n = a["dims"][0], len(a["dims"])
        inner = [
            f.add(f.mul(o, s), f.mul(t, d))
            for o, t, s, d in zip(index[first : first + n], taps, a["stride"], a["dilation"], strict=True)
        ]
        return self.at(source, (*index[:first], *inner, *index[first + n :]))

    def _philox_uniform(self, v: Value, index: Index) -> Scalar:
        return uniform_at(self.f, self.flat_state(v), linear(self.f, index, v.aval.shape), v.aval.dtype)


INLINE = frozenset(name[1:] for name in vars(Reader) if name.startswith("_") and not name.startswith("__")) & frozenset(
    "expand flip gather index layout permute philox_uniform reshape slice window_gather windows".split()
)
