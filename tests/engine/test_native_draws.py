"""Random numbers in bulk are NumPy's, word for word, whichever of the two made the ones before."""

import contextlib

import numpy as np
import pytest

import cutaway
from cutaway.core import accelerate, random
from cutaway.core.errors import ArgumentError
from cutaway.core.generator import Generator
from cutaway.engine.eager import draws
from cutaway.engine.llvm.target import target


@pytest.fixture(autouse=True)
def loaded():
    accelerate.load()


@pytest.mark.parametrize("seed", [0, 5489, 2**32 - 1])
def test_words(seed):
    ours, theirs, plan = np.random.MT19937(seed), np.random.MT19937(seed), np.random.default_rng(seed)
    for n in [0, 1, 623, 624, 625, 0, 1248, 1, *plan.integers(0, 3000, 40)]:
        made = draws.words(ours, int(n)) if n % 3 else ours.random_raw(int(n))
        assert np.array_equal(made, theirs.random_raw(int(n)))
        assert ours.state["state"]["pos"] == theirs.state["state"]["pos"]
    assert np.array_equal(ours.state["state"]["key"], theirs.state["state"]["key"])


def test_every_instruction_set_gives_the_same_words(monkeypatch):
    expected = np.random.MT19937(1).random_raw(5000)
    for isa in ("sse", "avx2", "avx512"):
        monkeypatch.setenv("CUTAWAY_ISA", isa)
        target.cache_clear(), draws._functions.cache_clear()
        with contextlib.suppress(ArgumentError):  # not one of this machine's
            assert np.array_equal(draws.words(np.random.MT19937(1), 5000), expected)
    monkeypatch.undo()
    target.cache_clear(), draws._functions.cache_clear()


def test_another_layout_of_the_state_is_noticed(monkeypatch):
    assert draws._agrees(lambda *_: None) is False
    monkeypatch.setattr(draws, "_functions", lambda: (None, None))
    assert draws.words(np.random.MT19937(0), 1000) is None
    made = Generator().manual_seed(3).words(1000)  # goes to NumPy instead
    assert np.array_equal(made.view(np.uint8), np.frombuffer(np.random.RandomState(3).bytes(4000), np.uint8))


@pytest.mark.parametrize("n", [257, 1000, 50_000])
def test_permutations(n, monkeypatch):
    native = random.randperm(n, generator=Generator().manual_seed(n))
    monkeypatch.setattr(accelerate, "swaps", None)
    monkeypatch.setattr(accelerate, "words", None)
    plain = random.randperm(n, generator=Generator().manual_seed(n))
    assert np.array_equal(native, plain) and np.array_equal(np.sort(native), np.arange(n))


def test_the_hooks_are_used(monkeypatch):
    asked = []
    monkeypatch.setattr(accelerate, "words", lambda twister, n: asked.append(n))
    cutaway.manual_seed(0)
    first = cutaway.rand(70_000)
    assert asked == [65_536, 4464]
    monkeypatch.undo()
    cutaway.manual_seed(0)
    assert np.array_equal(cutaway.rand(70_000).numpy(), first.numpy())


def test_much_drawing_loads_the_engine(monkeypatch):
    monkeypatch.setattr(accelerate, "words", accelerate._words)
    monkeypatch.setattr(accelerate, "_calls", 0)
    token = accelerate.AT_ONCE.set(False)
    g = Generator().manual_seed(0)
    for _ in range(accelerate.CALLS - 1):
        g.words(accelerate.DRAWN)
    assert accelerate.words is accelerate._words
    g.words(accelerate.DRAWN)
    assert accelerate.words is draws.words
    accelerate.AT_ONCE.reset(token)
