"""Philox4x32-10: a random number as a pure function of a seed and a position.

J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A block cipher is run on
a counter: no state is carried from number to number, so eager code, compiled code and any number of threads get the
same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway.core.aval import numel
from cutaway.core.dtypes import FLOATING
from cutaway.core.errors import DTypeError

ROUNDS = 10
MULTIPLY = np.array([[0xCD9E8D57], [0xD2511F53]], np.uint64)  # of words 2 and 0
KEY_STEP = (0x9E3779B9, 0xBB67AE85)  # golden ratio - 1 and sqrt(3) - 1, as fractions of 2^32
CHUNK = 16384  # blocks at a time, which fit the cache

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox4x32(counter: np.ndarray, key: Sequence[int]) -> np.ndarray:
    """Encrypt counters: counter[4, N] words, key 2 words -> N blocks of 4 random words, uint32[N, 4].

    A round takes (x0, x1, x2, x3) to (hi(m1 x2) ^ x1 ^ k0, lo(m1 x2), hi(m0 x0) ^ x3 ^ k1, lo(m0 x0)).
    """
    even, odd = np.array(counter[0::2], np.uint64), np.array(counter[1::2], np.uint64)  # [2, N]: x0, x2 and x1, x3
    product = np.empty_like(even)
    k0, k1 = key
    for _ in range(ROUNDS):
        np.multiply(MULTIPLY, even[::-1], out=product)
        np.right_shift(product, _32, out=even)
        even ^= odd
        even ^= np.array([[k0], [k1]], np.uint64)
        np.bitwise_and(product, _LOW, out=odd)
        k0, k1 = (k0 + KEY_STEP[0]) & 0xFFFFFFFF, (k1 + KEY_STEP[1]) & 0xFFFFFFFF
    block = np.empty((even.shape[1], 4), np.uint32)
    for i, words in enumerate((even[0], odd[0], even[1], odd[1])):
        block[:, i] = words
    return block


def philox_words(n: int, seed: int, offset: int = 0, plane: int = 0) -> np.ndarray:
    """n random words, uint32[n]: word i is word i % 4 of block `offset + i // 4`.

    The key is the seed (low word first); the counter of block b is (b low, b high, plane, 0).
    """
    key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    blocks = (n + 3) // 4
    words = np.empty((blocks, 4), np.uint32)
    for start in range(0, blocks, CHUNK):
        block = np.arange(start, min(start + CHUNK, blocks), dtype=np.uint64) + np.uint64(offset % 2**64)  # wraps
        counter = np.zeros((4, len(block)), np.uint64)
        counter[0], counter[1], counter[2] = block & _LOW, block >> _32, plane
        words[start : start + CHUNK] = philox4x32(counter, key)
    return words.reshape(-1)[:n]


def philox_uniform(shape: Sequence[int], seed: int, offset: int, dtype: Any = np.float32) -> np.ndarray:
    """Uniform numbers in [0, 1): element i, in row-major order, comes from word i % 4 of block `offset + i // 4`.

    float32 has the word's upper 24 bits, float16 its upper 11, bfloat16 its upper 8. float64 has 53 bits: the word's 32,
    and below them the upper 21 of the same word of plane 1. So they agree up to their precision, and a mask drawn in one
    is that of the others.  Raises DTypeError for a dtype that is not floating.
    """
    d, n = np.dtype(dtype), numel(shape)
    if d.kind not in FLOATING:
        raise DTypeError(f"philox_uniform: gives floating-point numbers, not {d.name}")
    word = philox_words(n, seed, offset)
    if d == np.float64:
        below = philox_words(n, seed, offset, plane=1)
        u = word * 2.0**-32 + (below >> np.uint32(11)) * 2.0**-53
    else:
        bits = 24 if d == np.float32 else 11 if d == np.float16 else 8
        u = (word >> np.uint32(32 - bits)).astype(d) * d.type(2.0**-bits)
    return u.reshape(shape)
