"""Generator: the seeded streams that every random number comes from.

One seed drives two streams:

* words   Mersenne Twister MT19937 (Matsumoto & Nishimura 1998), 32 bits at a time, for initial values, `rand*`,
          `randperm`, `multinomial`. `random.py` spends them as PyTorch does, so the same seed gives the same numbers.
* blocks  the counter-based Philox of `philox.py`, for random numbers inside a graph (dropout): a number is a pure
          function of (seed, position), so any thread can compute any element in any order.

The key of the blocks is the very seed, and their position is counted from 0 at each seeding: blocks spend no words, so a
network with dropout and one without see the same initial values and the same order of the data.
"""

from __future__ import annotations

import operator
import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cutaway.core import accelerate
from cutaway.core.aval import Aval
from cutaway.core.dtypes import CPU, check_device, device
from cutaway.core.errors import ArgumentError, ArgumentTypeError, KindError, StateError
from cutaway.core.refusal import describe
from cutaway.core.strict import refuse_or_warn

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

WORDS = 624  # of the Mersenne Twister's state
FEW = 256  # words: up to here `random_raw`, which takes eight bytes for four, is quicker than `integers`
FIXED_SEED = 67280421310721  # of a Generator that was not seeded: PyTorch's default

# The state as bytes is PyTorch's: a state saved there can be loaded here, and the other way round. PyTorch leaves
# `normal_x` unused; the position in the Philox stream is kept there.
_STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("words", "<u8", (WORDS,)),
        ("normal_x", "<u8"),
        ("normal_y", "<f8"),
        ("normal_rho", "<f8"),
        ("normal_is_valid", "<i4"),
        ("padding", "<i4"),
        ("float_normal", "<f4"),
        ("float_normal_is_valid", "<i4"),
    ]
)

_HALF = np.uint64(32)


class Generator:
    """A seeded stream of random numbers, PyTorch's CPU generator.

    `Generator()` starts from a fixed seed; call `manual_seed(s)` to choose one, `seed()` to get one from the system.
    Raises DeviceError for any device but the CPU.
    """

    _seed: int
    _offset: int  # in the Philox stream, in blocks
    _spare_normal: float | None  # Box-Muller makes two; the second waits for the next small draw
    _source: np.random.Generator | None = None  # made at the first draw: numpy.random takes 15 ms to import
    _idle: ClassVar[list[np.random.Generator]] = []  # making one takes thirty times as long as seeding it
    _most_idle = 8  # of them are kept; known to the class, as a module's names are gone when the interpreter ends

    def __init__(self, device: device | str = "cpu") -> None:
        check_device(device)
        self._start(FIXED_SEED)

    def manual_seed(self, seed: int) -> Generator:
        """Restart the stream at `seed`, -2^63 to 2^64 - 1 (a negative one counts from 2^64); gives the generator.

        Raises ArgumentTypeError when seed is not an integer, ArgumentError when it is out of range.
        """
        self._start(_check_seed(seed))
        return self

    def seed(self) -> int:
        """Restart the stream at a seed taken from the system's entropy, and tell it."""
        self._start(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the stream was last restarted at."""
        return self._seed

    @property
    def device(self) -> device:
        """Always the CPU."""
        return CPU

    def words(self, n: int) -> np.ndarray:
        """The next n words of the stream: uint32[n], each uniform over 0 .. 2^32 - 1."""
        source = self._source
        if source is None:
            source = self._source = _seeded(self._seed)
        if n <= FEW:
            return source.bit_generator.random_raw(n).astype(np.uint32)
        native = accelerate.words
        if native is not None and (made := native(source.bit_generator, n)) is not None:
            return made
        return source.integers(0, 1 << 32, size=n, dtype=np.uint32)

    def long_words(self, n: int) -> np.ndarray:
        """The next n pairs of words, the first of a pair above the second: uint64[n]."""
        w = self.words(2 * n).view(np.uint64)
        if sys.byteorder == "little":
            first_above = w << _HALF
            w >>= _HALF
            w |= first_above
        return w

    def next_philox(self, n: int) -> tuple[int, int]:
        """Reserve the Philox numbers of n elements: (seed, offset), to be given to `philox_uniform`.

        Four elements share a block; the next call starts at a fresh block.
        """
        offset = self._offset
        self._offset = (offset + (n + 3) // 4) % 2**64
        return self._seed, offset

    def get_state(self) -> Tensor:
        """All that the next numbers depend on, as a Tensor uint8[5056]; the layout is PyTorch's."""
        from cutaway.core.tensor import Tensor

        return Tensor._wrap(self.state_bytes())

    def state_bytes(self) -> np.ndarray:
        """As `get_state`, a NumPy array."""
        state = np.zeros((), _STATE)
        key, position = self._position()
        state["seed"], state["seeded"], state["words"] = self._seed, 1, key
        state["left"], state["next"] = WORDS + 1 - position, 0 if self._source is None else position
        state["normal_x"] = self._offset
        if self._spare_normal is not None:
            state["normal_y"], state["normal_is_valid"] = self._spare_normal, 1
        return state.reshape(1).view(np.uint8)

    def set_state(self, state: Any) -> Generator:
        """Go on from a state that `get_state` gave, here or in PyTorch, a Tensor or an array; gives the generator.

        Raises ArgumentTypeError for what is neither, StateError when it is no such state.
        """
        if not isinstance(state, np.ndarray) and not hasattr(state, "_data"):
            raise ArgumentTypeError(f"set_state: expected a Tensor as get_state gives it, got {describe(state)}")
        array = np.asarray(getattr(state, "_data", state))
        if array.dtype != np.uint8 or array.shape != (_STATE.itemsize,):
            what = Aval(array.shape, array.dtype)
            raise StateError(f"set_state: expected uint8[{_STATE.itemsize}] as get_state gives it, got {what}")
        s = np.ascontiguousarray(array).view(_STATE)[0]
        left, position = int(s["left"]), int(s["next"])
        if s["seeded"] != 1 or not 1 <= left <= WORDS or (left > 1 and left + position != WORDS + 1):
            raise StateError(
                "set_state: these bytes are not the state of a generator "
                f"(seeded={s['seeded']}, left={left}, next={position}); pass what get_state gave, unchanged"
            )
        self._start(int(s["seed"]))
        self._source = _mersenne(s["words"].astype(np.uint32), WORDS + 1 - left)
        self._offset = int(s["normal_x"])
        self._spare_normal = float(s["normal_y"]) if s["normal_is_valid"] else None
        return self

    def clone_state(self) -> Generator:
        """A second generator that will give the same numbers."""
        return Generator().set_state(self.state_bytes())

    def _start(self, seed: int) -> None:
        self._leave()
        self._seed, self._offset = seed, 0
        self._spare_normal = None

    def _leave(self) -> None:
        """No one reads this stream any more."""
        if self._source is not None and len(self._idle) < self._most_idle:
            self._idle.append(self._source)
        self._source = None

    __del__ = _leave

    def _position(self) -> tuple[np.ndarray, int]:
        """The Mersenne Twister's words and how many of them are spent, 1 .. 624."""
        source = _seeded(self._seed) if self._source is None else self._source
        inner = source.bit_generator.state["state"]
        return inner["key"], int(inner["pos"])

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.state_bytes(),)

    def __repr__(self) -> str:
        return f"<cutaway.Generator seed={self._seed}>"


def _restore(state: np.ndarray) -> Generator:
    return Generator().set_state(state)


def _check_seed(seed: object, op: str = "manual_seed") -> int:
    try:
        number = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        hint = f"; write {op}({int(seed)})" if isinstance(seed, float) and seed.is_integer() else ""
        raise KindError(f"{op}: the seed must be an integer, got {seed!r}{hint}") from None
    if not -(2**63) <= number < 2**64:
        raise ArgumentError(f"{op}: the seed must be in -2**63 .. 2**64 - 1, got {number}; write {op}(seed % 2**64)")
    return number % 2**64


def _seeded(seed: int) -> np.random.Generator:
    """NumPy's Mersenne Twister, its words spread from the low 32 bits of a seed (Matsumoto & Nishimura 2002, init_genrand).

    w[0] = seed, w[i] = 1812433253 (w[i-1] ^ (w[i-1] >> 30)) + i mod 2^32; NumPy's legacy generator starts in this way.
    """
    try:
        source = Generator._idle.pop()
    except IndexError:
        source = np.random.Generator(np.random.MT19937(0))
    np.random.RandomState(source.bit_generator).seed(seed & 0xFFFFFFFF)
    return source


def _mersenne(key: np.ndarray, position: int) -> np.random.Generator:
    """NumPy's Mersenne Twister with this state."""
    twister = np.random.MT19937(0)
    twister.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}
    return np.random.Generator(twister)


default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Restart `default_generator` at a seed; gives it. All that is random afterwards is reproducible.

    Raises ArgumentTypeError when seed is not a whole number, ArgumentError when it is out of -2^63 .. 2^64 - 1.
    """
    if isinstance(seed, (float, str)):
        try:
            whole = int(seed)
        except (ValueError, OverflowError):
            return default_generator.manual_seed(seed)  # says what is wrong
        if whole != seed:
            refuse_or_warn(KindError(f"manual_seed: the seed must be a whole number, got {seed!r}"), f"it is {whole}")
        seed = whole
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Restart `default_generator` at a seed taken from the system's entropy, and tell it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that `default_generator` was last restarted at."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of `default_generator`: a Tensor uint8[5056]."""
    return default_generator.get_state()


def set_rng_state(state: Any) -> None:
    """Go on from a state that `get_rng_state` gave.  Raises StateError when it is no such state."""
    default_generator.set_state(state)
