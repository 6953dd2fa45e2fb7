"""Random numbers in bulk: the Mersenne Twister's words, and the swaps that make a permutation. Bit for bit NumPy's.

The words are read from, and the state left in, the memory of NumPy's own bit generator, so either can go on from the other.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import llvmlite.ir as ir
import numpy as np

from cutaway.engine.llvm import jit
from cutaway.engine.llvm.emit import I32, I64, PTR, Function, Int, constant
from cutaway.engine.llvm.target import target

VERSION = 1  # of the code made here: part of the cache's key
WORDS, FAR = 624, 397  # of the state; which word is mixed into one (Matsumoto & Nishimura 1998)
UPPER, LOWER, MATRIX = 0x80000000, 0x7FFFFFFF, 0x9908B0DF
TEMPER = ((11, 0xFFFFFFFF), (-7, 0x9D2C5680), (-15, 0xEFC60000), (18, 0xFFFFFFFF))  # shift right (or left), mask


def words(twister: Any, n: int) -> np.ndarray | None:
    """The next n words of a np.random.MT19937: uint32[n]; None where its memory is not laid out as expected."""
    draw = _functions()[0]
    if draw is None:
        return None
    out = np.empty(n, np.uint32)
    with twister.lock:
        draw(twister.ctypes.state_address, out.ctypes.data, n)
    return out


def swaps(order: np.ndarray, targets: np.ndarray) -> bool:
    """Swap order[i] with order[targets[i]], i = 0, 1, ...; order[N], targets[M] int64 with i <= targets[i] < N."""
    _functions()[1](order.ctypes.data, targets.ctypes.data, len(targets))
    return True


@lru_cache(1)
def _functions() -> tuple[Callable[[int, int, int], None] | None, Callable[[int, int, int], None]]:
    code = jit.build(f"draws {VERSION}", generate, target(), optimise=True)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    draw, swap = kind(code.address("words")), kind(code.address("swaps"))
    draw.code = swap.code = code  # type: ignore[attr-defined]  # lives as long as they do
    return (draw if _agrees(draw) else None), swap


def _agrees(draw: Callable[[int, int, int], None]) -> bool:
    """Whether NumPy keeps its state as 624 words and a position, and gives the same numbers."""
    ours, theirs = np.random.MT19937(1), np.random.MT19937(1)
    key, memory = ours.state["state"], (ctypes.c_uint32 * (WORDS + 1)).from_address(ours.ctypes.state_address)
    if [*memory] != [*key["key"].tolist(), key["pos"]]:
        return False
    got = np.empty(3 * WORDS, np.uint32)
    draw(ours.ctypes.state_address, got.ctypes.data, WORDS + 5)
    draw(ours.ctypes.state_address, got[WORDS + 5 :].ctypes.data, 2 * WORDS - 5)
    return bool((got == theirs.random_raw(3 * WORDS)).all()) and ours.random_raw() == theirs.random_raw()


def generate() -> ir.Module:
    """The module of `words(state, out, n)` and `swaps(order, targets, n)`."""
    module = ir.Module("draws")
    _emit_words(Function(module, "words", [PTR, PTR, I64]))
    _emit_swaps(Function(module, "swaps", [PTR, PTR, I64]))
    return module


def _emit_words(f: Function) -> None:
    state, out, n = f.args
    position = f.b.sext(f.load(state, WORDS, I32), I64)
    first = f.min(f.sub(WORDS, position), n)
    _temper(f, f.at(state, position, I32), out, first)
    rest = f.sub(n, first)
    turns = f.div(f.add(rest, WORDS - 1), WORDS)

    def turn(t: Any, _: list[Any]) -> None:
        _refill(f, state)
        done = f.mul(t, WORDS)
        _temper(f, state, f.at(out, f.add(first, done), I32), f.min(f.sub(rest, done), WORDS))

    f.loop(0, turns, body=turn, name="turn")
    spent = f.b.select(
        f.less(0, turns), f.sub(rest, f.mul(f.sub(turns, 1), WORDS)), f.add(position, first)
    )  # of the words that now stand there
    f.store(f.b.trunc(spent, I32), state, WORDS)
    f.b.ret_void()


def _refill(f: Function, state: Any) -> None:
    """Every word anew, from itself, the next one and one far on, the last ones from words that are new already."""
    b = f.b

    def mixed(i: Int, following: Int, far: Int) -> None:
        y = b.or_(
            b.and_(f.load(state, i, I32), constant(I32, UPPER)), b.and_(f.load(state, following, I32), constant(I32, LOWER))
        )
        odd = b.sub(constant(I32, 0), b.and_(y, constant(I32, 1)))
        new = b.xor(b.lshr(y, constant(I32, 1)), b.and_(odd, constant(I32, MATRIX)))
        f.store(b.xor(new, f.load(state, far, I32)), state, i)

    f.loop(0, WORDS - FAR, body=lambda i, _: mixed(i, f.add(i, 1), f.add(i, FAR)), name="near")
    f.loop(WORDS - FAR, WORDS - 1, body=lambda i, _: mixed(i, f.add(i, 1), f.sub(i, WORDS - FAR)), name="far")
    mixed(WORDS - 1, 0, FAR - 1)


def _temper(f: Function, state: Any, out: Any, n: Int) -> None:
    b = f.b

    def one(i: Any, _: list[Any]) -> None:
        y = f.load(state, i, I32)
        for shift, mask in TEMPER:
            by = constant(I32, abs(shift))
            moved = b.lshr(y, by) if shift > 0 else b.shl(y, by)
            y = b.xor(y, b.and_(moved, constant(I32, mask)))
        f.store(y, out, i)

    f.loop(0, n, body=one, name="temper")


def _emit_swaps(f: Function) -> None:
    order, targets, n = f.args

    def one(i: Any, _: list[Any]) -> None:
        j = f.load(targets, i, I64)
        x, y = f.load(order, i, I64), f.load(order, j, I64)
        f.store(y, order, i)
        f.store(x, order, j)

    f.loop(0, n, body=one)
    f.b.ret_void()
