"""The known answers of Random123 (Salmon et al. 2011), and what the compiler relies on: who is where in the stream."""

import numpy as np
import pytest

from cutaway.core.errors import DTypeError
from cutaway.core.philox import philox4x32, philox_uniform, philox_words


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers(counter, key, answer):
    assert philox4x32(np.array([counter]).T, key).tolist() == [answer]


def test_vectors_agree_with_one_block_in_plain_integers():
    """A block computed word by word in Python integers."""
    counter, key = [12345, 678, 1, 0], [0xDEADBEEF, 0x1234]
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        mask = 0xFFFFFFFF
        c = [(b >> 32) ^ c[1] ^ k[0], b & mask, (a >> 32) ^ c[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    assert philox4x32(np.array([counter, counter]).T, key).tolist() == [c, c]


def test_element_i_is_word_i_mod_4_of_block_offset_plus_i_div_4():
    seed, offset = 0x123456789ABCDEF0, (1 << 32) - 2  # the counter carries into its second word
    words = philox_words(23, seed, offset)
    for i in range(23):
        block = offset + i // 4
        counter = np.array([[block & 0xFFFFFFFF, block >> 32, 0, 0]]).T
        assert words[i] == philox4x32(counter, (0x9ABCDEF0, 0x12345678))[0, i % 4]


def test_a_part_can_be_computed_alone():
    whole = philox_uniform((10, 8), seed=3, offset=5)
    assert np.array_equal(whole[4:], philox_uniform((6, 8), seed=3, offset=5 + 4 * 8 // 4))


def test_the_counter_wraps_at_64_bits():
    words = philox_words(8, seed=9, offset=2**64 - 1)
    assert np.array_equal(words[4:], philox_words(4, seed=9, offset=0))
    assert not np.array_equal(words[:4], words[4:])


def test_uniform_is_the_upper_24_bits():
    u, w = philox_uniform((3, 7), 11, 2), philox_words(21, 11, 2)
    assert u.dtype == np.float32
    assert u.shape == (3, 7)
    assert np.array_equal(u.reshape(-1), (w >> 8) / 2.0**24)
    assert u.min() >= 0 and u.max() < 1


def test_precisions_agree():
    single, double, half = (philox_uniform((5000,), 1, 0, d) for d in (np.float32, np.float64, np.float16))
    assert (double.dtype, half.dtype) == (np.float64, np.float16)
    assert np.array_equal(np.floor(double * 2.0**24) / 2.0**24, single.astype(np.float64))
    assert np.array_equal(np.floor(double * 2.0**11) / 2.0**11, half.astype(np.float64))
    assert len(np.unique(double)) == 5000
    assert double.max() < 1


def test_moments_and_independence_of_seeds():
    a, b = philox_uniform((100_000,), 1, 0, np.float64), philox_uniform((100_000,), 2, 0, np.float64)
    assert abs(a.mean() - 0.5) < 0.003
    assert abs(a.var() - 1 / 12) < 0.001
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.01
    assert abs(np.corrcoef(a[:-1], a[1:])[0, 1]) < 0.01


def test_empty_scalar_and_wrong_dtype():
    assert philox_uniform((0, 3), 1, 0).shape == (0, 3)
    assert philox_uniform((), 1, 0).shape == ()
    with pytest.raises(DTypeError, match="int64"):
        philox_uniform((2,), 1, 0, np.int64)


def test_many_chunks_are_one_stream():
    words = philox_words(4 * 40_000 + 1, seed=5, offset=7)
    assert np.array_equal(words[4 * 39_000 :], philox_words(4 * 1000 + 1, seed=5, offset=7 + 39_000))
