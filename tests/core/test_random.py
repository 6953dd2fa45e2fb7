"""The same seed gives PyTorch's numbers: bit for bit, in every size, dtype and order of calls."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from cutaway.core import random as R
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    CutawayError,
    DeviceError,
    DTypeError,
    ShapeError,
    StateError,
)

SEEDS = [0, 1, 42, 2**32 + 5, 2**64 - 1, -7]
SIZES = [0, 1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 100, 623, 624, 625, 1251]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(params=SEEDS)
def pair(request, torch):
    """(torch, PyTorch's generator, ours), at the same seed."""
    return torch, torch.Generator().manual_seed(request.param), R.Generator().manual_seed(request.param)


def same_bits(ours, theirs):
    theirs = theirs.numpy()
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert np.array_equal(ours, theirs), np.flatnonzero(ours != theirs)[:5]


def torch_dtype(torch, d):
    return getattr(torch, np.dtype(d).name)


@pytest.mark.parametrize("d", [np.float16, np.float32, np.float64])
def test_uniform(pair, d):
    torch, theirs, ours = pair
    for n in SIZES:
        same_bits(
            R.uniform((n,), dtype=d, generator=ours), torch.rand(n, dtype=torch_dtype(torch, d), generator=theirs)
        )


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.1), (-3.3, 7.77), (0.1, 0.3), (5, 5), (-1, 0), (1e-3, 1e3), (0, 3)])
@pytest.mark.parametrize("d", [np.float16, np.float32, np.float64])
def test_uniform_between(pair, low, high, d):
    torch, theirs, ours = pair
    expected = torch.empty(40, 50, dtype=torch_dtype(torch, d)).uniform_(low, high, generator=theirs)
    same_bits(R.uniform((40, 50), low, high, d, ours), expected)


@pytest.mark.parametrize("d", [np.float16, np.float32, np.float64])
def test_normal(pair, d):
    torch, theirs, ours = pair
    tolerance = {2: 4e-3, 4: 1e-6, 8: 1e-14}[np.dtype(d).itemsize]
    for n in SIZES:
        a, b = R.normal((n,), dtype=d, generator=ours), torch.randn(n, dtype=torch_dtype(torch, d), generator=theirs)
        assert a.dtype == d
        np.testing.assert_allclose(a, b.numpy(), rtol=tolerance, atol=tolerance)
    same_bits(R.uniform((5,), generator=ours), torch.rand(5, generator=theirs))  # as many words were spent


@pytest.mark.parametrize("n", [5, 15, 20, 4097])
def test_normal_with_mean_and_std(pair, n):
    torch, theirs, ours = pair
    for d, tolerance in ((np.float32, 1e-6), (np.float64, 1e-14)):
        b = torch.empty(n, dtype=torch_dtype(torch, d)).normal_(0.5, 0.25, generator=theirs)
        np.testing.assert_allclose(R.normal((n,), 0.5, 0.25, d, ours), b.numpy(), rtol=tolerance, atol=tolerance)


def test_normal_of_memory_that_is_not_contiguous(pair):
    torch, theirs, ours = pair
    b = torch.empty(21, 2)[:, 0].normal_(generator=theirs)
    np.testing.assert_allclose(R.normal((21,), generator=ours, contiguous=False), b.numpy(), rtol=1e-6, atol=1e-6)


def test_the_spare_normal_waits_and_manual_seed_drops_it(torch):
    ours, theirs = R.Generator(), torch.Generator()
    ours.manual_seed(3), theirs.manual_seed(3)
    for n in (1, 2, 17, 1, 3, 1):  # the 17 are made in blocks and leave the spare alone
        a, b = R.normal((n,), dtype=np.float64, generator=ours), torch.randn(n, dtype=torch.float64, generator=theirs)
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-14)
    first = R.normal((1,), generator=ours.manual_seed(3))
    assert first == R.normal((1,), generator=ours.manual_seed(3))


@pytest.mark.parametrize(
    "span",
    [1, 2, 10, 1000003, 2**27, 2**28 - 1, 2**28, 2**28 + 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**45, 2**63 - 1],
)
def test_randint(pair, span):
    torch, theirs, ours = pair
    same_bits(R.randint((333,), 0, span, generator=ours), torch.randint(0, span, (333,), generator=theirs))
    low = -(span // 2)
    same_bits(
        R.randint((3, 7), low, low + span, generator=ours), torch.randint(low, low + span, (3, 7), generator=theirs)
    )


@pytest.mark.parametrize("d", [np.bool_, np.uint8, np.int8, np.int16, np.int32, np.float16, np.float32, np.float64])
def test_randint_of_other_dtypes(pair, d):
    torch, theirs, ours = pair
    high = 2 if d == np.bool_ else 100
    expected = torch.randint(0, high, (500,), dtype=torch_dtype(torch, d), generator=theirs)
    same_bits(R.randint((500,), 0, high, d, ours), expected)


@pytest.mark.parametrize(
    "d", [np.bool_, np.uint8, np.int8, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64]
)
def test_random_fill(pair, d):
    torch, theirs, ours = pair
    expected = torch.empty(500, dtype=torch_dtype(torch, d)).random_(generator=theirs)
    same_bits(R.random((500,), d, ours), expected)


@pytest.mark.parametrize(
    ("d", "low"),
    [(np.int64, -(2**63)), (np.int64, -5), (np.int64, 5), (np.int32, -(2**31)), (np.int32, 5), (np.uint8, 5),
     (np.int8, -128), (np.float32, 5), (np.float64, 5)],
)  # fmt: skip
def test_random_from_low_to_the_largest(pair, d, low):
    torch, theirs, ours = pair
    expected = torch.empty(500, dtype=torch_dtype(torch, d)).random_(low, None, generator=theirs)
    same_bits(R.randint((500,), low, None, d, ours), expected)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 625, 30_000])
def test_randperm(pair, n):
    torch, theirs, ours = pair
    same_bits(R.randperm(n, generator=ours), torch.randperm(n, generator=theirs))
    same_bits(R.uniform((3,), generator=ours), torch.rand(3, generator=theirs))


def test_randperm_of_other_dtypes(pair):
    torch, theirs, ours = pair
    for d in (np.int32, np.int16, np.float32, np.float64):
        same_bits(R.randperm(90, d, ours), torch.randperm(90, dtype=torch_dtype(torch, d), generator=theirs))


def test_bernoulli_of_an_array(pair):
    torch, theirs, ours = pair
    p = R.uniform((30, 20), generator=R.Generator().manual_seed(1))
    same_bits(R.bernoulli((30, 20), p, generator=ours), torch.bernoulli(torch.from_numpy(p), generator=theirs))
    p = p.astype(np.float64)
    same_bits(R.bernoulli((30, 20), p, np.float64, ours), torch.bernoulli(torch.from_numpy(p), generator=theirs))
    row = torch.from_numpy(p[0]).float()
    expected = torch.empty(9, 20, dtype=torch.int64).bernoulli_(row.expand(9, 20), generator=theirs)
    same_bits(R.bernoulli((9, 20), row.numpy(), np.int64, ours), expected)


def pytorch_spends_two_words_a_draw(torch):
    """False where PyTorch draws from Intel's MCG31 instead, see random.py."""
    g = torch.Generator().manual_seed(0)
    torch.empty(10).bernoulli_(0.5, generator=g)
    after = torch.rand(1, generator=g)
    torch.rand(20, generator=g.manual_seed(0))
    return bool(after == torch.rand(1, generator=g))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_bernoulli_of_a_number(pair, p):
    torch, theirs, ours = pair
    if not pytorch_spends_two_words_a_draw(torch):
        pytest.skip("PyTorch draws from MKL here")
    for d in (np.float32, np.float64, np.int64, np.bool_):
        expected = torch.empty(77, dtype=torch_dtype(torch, d)).bernoulli_(p, generator=theirs)
        same_bits(R.bernoulli((77,), p, d, ours), expected)


@pytest.mark.parametrize("rate", [1.0, 2.5])
def test_exponential(pair, rate):
    torch, theirs, ours = pair
    if not pytorch_spends_two_words_a_draw(torch):
        pytest.skip("PyTorch draws from MKL here")
    for d, tolerance in ((np.float32, 1e-6), (np.float64, 1e-14)):
        b = torch.empty(501, dtype=torch_dtype(torch, d)).exponential_(rate, generator=theirs)
        np.testing.assert_allclose(R.exponential((501,), rate, d, ours), b.numpy(), rtol=tolerance)


def test_bernoulli_and_exponential_by_their_moments():
    g = R.Generator().manual_seed(5)
    assert abs(R.bernoulli((100_000,), 0.3, generator=g).mean() - 0.3) < 0.005
    e = R.exponential((100_000,), 4.0, np.float64, g)
    assert abs(e.mean() - 0.25) < 0.004
    assert abs(e.std() - 0.25) < 0.006


@pytest.mark.parametrize("d", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(50,), (5, 50), (1, 3)])
def test_multinomial(pair, d, shape):
    torch, theirs, ours = pair
    w = R.uniform(shape, dtype=d, generator=R.Generator().manual_seed(3))
    w[..., 1] = 0
    t = torch.from_numpy(w)
    same_bits(R.multinomial(w, 200, True, ours), torch.multinomial(t, 200, True, generator=theirs))
    if pytorch_spends_two_words_a_draw(torch):
        count = min(20, shape[-1] - 1)
        same_bits(R.multinomial(w, count, False, ours), torch.multinomial(t, count, False, generator=theirs))
        same_bits(R.multinomial(w, 1, True, ours), torch.multinomial(t, 1, True, generator=theirs))


def test_any_order_of_calls_keeps_step(pair):
    torch, theirs, ours = pair
    order = np.random.RandomState(0)
    for _ in range(120):
        n, what = int(order.randint(0, 70)), order.randint(0, 6)
        if what == 0:
            same_bits(R.uniform((n,), generator=ours), torch.rand(n, generator=theirs))
        elif what == 1:
            a, b = R.normal((n,), generator=ours), torch.randn(n, generator=theirs)
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-6, atol=1e-6)
        elif what == 2:
            same_bits(R.randperm(n, generator=ours), torch.randperm(n, generator=theirs))
        elif what == 3:
            same_bits(R.randint((n,), -9, 10**9, generator=ours), torch.randint(-9, 10**9, (n,), generator=theirs))
        elif what == 4:
            b = torch.randn(n, generator=theirs, dtype=torch.float64)
            np.testing.assert_allclose(
                R.normal((n,), dtype=np.float64, generator=ours), b.numpy(), rtol=1e-13, atol=1e-13
            )
        else:
            b = torch.rand(n, generator=theirs, dtype=torch.float64)
            same_bits(R.uniform((n,), dtype=np.float64, generator=ours), b)


def test_generators_that_come_and_go_keep_apart(torch):
    """One that is gone leaves its twister to another, which starts at its own seed."""
    held = []
    for seed in range(40):
        ours, theirs = R.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
        same_bits(R.uniform((3,), generator=ours), torch.rand(3, generator=theirs))
        if seed % 3 == 0:
            held.append((ours, theirs))
        if seed % 5 == 0:
            ours.manual_seed(seed + 1), theirs.manual_seed(seed + 1)
        for one, other in held:
            same_bits(R.uniform((2,), generator=one), torch.rand(2, generator=other))


# seeds and states


def test_default_generator_and_the_functions_without_one(torch):
    assert R.manual_seed(12) is R.default_generator
    torch.manual_seed(12)
    assert R.initial_seed() == torch.initial_seed() == 12
    same_bits(R.uniform((3, 4)), torch.rand(3, 4))
    same_bits(R.randperm(10), torch.randperm(10))


def test_seeds(torch):
    assert R.Generator().initial_seed() == torch.Generator().initial_seed()
    for s in (-1, -(2**63), 2**63, np.int64(5), np.uint8(3), True):
        assert R.Generator().manual_seed(s).initial_seed() == torch.Generator().manual_seed(int(s)).initial_seed()
    g = R.Generator()
    s = g.seed()
    assert s == g.initial_seed()
    assert s != g.seed()
    assert str(g.device) == "cpu"
    assert str(R.Generator().manual_seed(8)) == "<cutaway.Generator seed=8>"


def test_seeds_that_are_whole_numbers_of_another_type(torch, monkeypatch):
    assert R.manual_seed(3.0).initial_seed() == torch.manual_seed(3.0).initial_seed() == 3
    with pytest.raises(ArgumentTypeError, match=r"write manual_seed\(3\)"):
        R.Generator().manual_seed(3.0)  # as in PyTorch
    monkeypatch.setattr("cutaway.core.strict._lenient", True)
    for seed in (1.5, "7"):
        with pytest.warns(UserWarning, match="whole number"):
            assert R.manual_seed(seed).initial_seed() == torch.manual_seed(seed).initial_seed()


def test_default_generator_starts_at_a_seed_from_the_system():
    code = "from cutaway.core import random as R; print(R.initial_seed())"
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)}
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("seed", "error", "text"),
    [
        (1.5, ArgumentTypeError, "whole number, got 1.5"),
        (float("inf"), ArgumentTypeError, "integer, got inf"),
        ("7", ArgumentTypeError, "got '7'"),
        (None, ArgumentTypeError, "None"),
        (2**64, ArgumentError, "18446744073709551616"),
        (-(2**63) - 1, ArgumentError, r"2\*\*63"),
    ],
)
def test_bad_seeds(seed, error, text):
    with pytest.raises(error, match=text):
        R.manual_seed(seed)


@pytest.mark.parametrize("spent", [0, 1, 3, 623, 624, 625, 2000])
def test_state_round_trip(spent):
    g = R.Generator().manual_seed(77)
    g.words(spent)
    R.normal((3,), generator=g)  # leaves a spare
    g.next_philox(10)
    state = g.get_state()

    def draws(generator):
        return (
            R.normal((2,), generator=generator).tolist(),
            R.randperm(9, generator=generator).tolist(),
            generator.next_philox(5),
        )

    expected = draws(g)
    assert draws(R.Generator().set_state(state)) == expected
    assert draws(R.Generator().manual_seed(3).set_state(np.frombuffer(state.numpy().tobytes(), np.uint8))) == expected
    g.set_state(state)
    for other in (copy.deepcopy(g), pickle.loads(pickle.dumps(g)), g.clone_state()):
        assert draws(other) == expected
    assert g.initial_seed() == 77


def test_state_of_the_default_generator():
    R.manual_seed(4)
    R.normal((1,))
    state = R.get_rng_state()
    expected = R.normal((5,)).tolist()
    R.manual_seed(9)
    R.set_rng_state(state)
    assert R.normal((5,)).tolist() == expected


@pytest.mark.parametrize("spent", [0, 1, 5, 623, 624, 625, 1000])
def test_states_travel_to_and_from_pytorch(torch, spent):
    ours, theirs = R.Generator().manual_seed(6), torch.Generator().manual_seed(6)
    ours.words(spent), torch.rand(spent, generator=theirs)
    R.normal((1,), generator=ours), torch.randn(1, generator=theirs)
    ours.next_philox(99)
    for a, b in (
        (R.Generator().set_state(theirs.get_state().numpy()), theirs.clone_state()),
        (ours.clone_state(), torch.Generator().set_state(torch.from_numpy(ours.get_state().numpy()))),
    ):
        np.testing.assert_allclose(R.normal((4,), generator=a), torch.randn(4, generator=b).numpy(), rtol=1e-6)
        same_bits(R.uniform((700,), generator=a), torch.rand(700, generator=b))
        assert a.initial_seed() == b.initial_seed() == 6


@pytest.mark.parametrize(
    "state",
    [np.zeros(5056, np.uint8), np.zeros(5055, np.uint8), np.zeros(5056, np.int64), np.zeros(0, np.uint8), [1, 2]],
)
def test_bad_states(state):
    g = R.Generator().manual_seed(1)
    refusal = ArgumentTypeError if isinstance(state, list) else StateError
    with pytest.raises(refusal, match="get_state"):
        g.set_state(state)
    assert g.initial_seed() == 1


def test_philox_side():
    g = R.Generator().manual_seed(-1)
    assert [g.next_philox(n) for n in (5, 4, 0, 1)] == [(2**64 - 1, k) for k in (0, 2, 3, 3)]
    R.uniform((3,), generator=g)
    assert g.next_philox(1) == (2**64 - 1, 4)
    assert g.manual_seed(2).next_philox(1) == (2, 0)


# bad calls


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: R.uniform((2,), 3, 1), ArgumentError, "low=3, high=1"),
        (lambda: R.uniform((2,), 0, float("inf")), ArgumentError, "high=inf"),
        (lambda: R.uniform((2,), float("nan"), 1), ArgumentError, "nan"),
        (lambda: R.uniform((2,), -3e38, 3e38), ArgumentError, "float32"),
        (lambda: R.uniform((2,), dtype=np.int64), DTypeError, "int64"),
        (lambda: R.uniform((2, -1)), ShapeError, r"\[2, -1\]"),
        (lambda: R.uniform((2,), generator=np.random), ArgumentTypeError, "Generator, got module"),
        (lambda: R.normal((2,), 0, -1), ArgumentError, "std=-1"),
        (lambda: R.normal((2,), 0, float("nan")), ArgumentError, "std=nan"),
        (lambda: R.normal((2,), dtype=np.int32), DTypeError, "int32"),
        (lambda: R.randint((2,), 5, 5), ArgumentError, "low=5, high=5"),
        (lambda: R.randint((2,), 0, 300, np.uint8), ArgumentError, "uint8"),
        (lambda: R.randint((2,), -1, 3, np.uint8), ArgumentError, "uint8"),
        (lambda: R.randint((2,), 0, 2**63 + 1), ArgumentError, "int64"),
        (lambda: R.randperm(-1), ArgumentError, "n=-1"),
        (lambda: R.randperm(300, np.int8), ArgumentError, "int8"),
        (lambda: R.bernoulli((2,), 1.5), ArgumentError, "1.5"),
        (lambda: R.bernoulli((2,), float("nan")), ArgumentError, "nan"),
        (lambda: R.bernoulli((2,), np.array([0.5, -0.5])), ArgumentError, "-0.5"),
        (lambda: R.bernoulli((2,), np.array([1, 0])), DTypeError, r"int64\[2\]"),
        (lambda: R.bernoulli((2,), np.array([0.5] * 3)), ShapeError, r"\[3\] does not broadcast to \[2\]"),
        (lambda: R.exponential((2,), 0), ArgumentError, "got 0"),
        (lambda: R.multinomial(np.array([1, 2]), 1), DTypeError, r"int64\[2\]"),
        (lambda: R.multinomial(np.ones((2, 2, 2)), 1), ShapeError, r"float64\[2, 2, 2\]"),
        (lambda: R.multinomial(np.ones((2, 0)), 1), ShapeError, r"float64\[2, 0\]"),
        (lambda: R.multinomial(np.ones(3), 4), ArgumentError, "replacement=True"),
        (lambda: R.multinomial(np.ones(3), 0, True), ArgumentError, "at least 1"),
        (lambda: R.multinomial(np.array([1.0, -2.0]), 1), ArgumentError, "-2.0"),
        (lambda: R.multinomial(np.array([1.0, np.nan]), 1), ArgumentError, "nan"),
        (lambda: R.multinomial(np.zeros((2, 3)), 1), ArgumentError, "all 0"),
        (lambda: R.Generator("cuda"), DeviceError, "cuda"),
    ],
)
def test_bad_calls(call, error, text):
    R.manual_seed(0)
    before = R.get_rng_state()
    with pytest.raises(error, match=text) as caught:
        call()
    assert isinstance(caught.value, CutawayError)
    assert np.array_equal(R.get_rng_state(), before)  # nothing was drawn
