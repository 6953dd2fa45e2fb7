"""Random numbers as NumPy arrays: uniform, normal, integers, permutations, choices.

The words of a Generator are spent exactly as PyTorch 2.13 spends them on the CPU, so the same seed gives the same
numbers: uniforms, integers, permutations and choices bit for bit; normals and exponentials up to the rounding of log,
sin and cos. One difference is PyTorch's own: with MKL on an Intel processor it draws `bernoulli_(p)` with a number p,
and `exponential_`, from another generator (MCG31); on every other processor it draws them as here.

`generator=None` stands for `default_generator`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cutaway.core import accelerate
from cutaway.core.aval import Aval, numel
from cutaway.core.dtypes import FLOATING, limits
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, TraceError
from cutaway.core.generator import (
    FEW,
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from cutaway.core.op import STAGE
from cutaway.core.quiet import QUIET
from cutaway.core.refusal import describe

__all__ = [
    "Generator", "bernoulli", "default_generator", "exponential", "get_rng_state", "initial_seed", "manual_seed",
    "multinomial", "normal", "randint", "random", "randperm", "seed", "set_rng_state", "uniform",
]  # fmt: skip

Shape = Sequence[int]
Real = np.dtype[Any] | type[np.floating[Any]]
Number = np.dtype[Any] | type[np.number[Any]] | type[np.bool_]

PART = 1 << 16  # numbers: a multiple of 16
_LOW_24, _LOW_53 = np.uint32(2**24 - 1), np.uint64(2**53 - 1)
_STEP_24 = np.float32(2.0**-24)


def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, dtype: Real = np.float32, generator: Generator | None = None
) -> np.ndarray:
    """Uniform numbers in [low, high): 24 bits of a word, or for float64 53 bits of two words.

    Rounding can give `high` itself when the interval is not [0, 1) in float32 and float64, as in PyTorch.
    Raises ArgumentError when low > high or a bound or their distance is not a finite number of this dtype.
    """
    d, n, g = _real(dtype, "uniform"), _count(shape, "uniform"), _pick(generator, "uniform")
    plain = low == 0 and high == 1
    if not plain:
        top = float(limits(d).max)
        if not (-top <= low <= high <= top and high - low <= top):
            raise ArgumentError(
                f"uniform: needs low <= high, both and their distance finite in {d.name}, got low={low}, high={high}"
            )
    u = _uniform(g, n, d.itemsize)
    if plain:
        pass
    elif d.itemsize == 8:
        u = _multiply_add(u, float(high) - float(low), float(low))
    else:
        a, b = np.float32(low), np.float32(high)
        for part in _parts(u):
            part[...] = part.astype(np.float64) * np.float64(b - a) + np.float64(a)
    if d.itemsize == 2:  # 11 bits of 24 can round up to high, which becomes low
        u = u.astype(d)
        u[u == d.type(high)] = low
    return u.reshape(shape)


def normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    dtype: Real = np.float32,
    generator: Generator | None = None,
    contiguous: bool = True,
) -> np.ndarray:
    """Normal numbers with a mean and a standard deviation (Box & Muller 1958).

    16 numbers and more are made in blocks of 16; fewer, or those for memory that is not contiguous, in pairs in
    float64, and the second of an unfinished pair waits in the generator.  Raises ArgumentError when std is negative.
    """
    d, n, g = _real(dtype, "normal"), _count(shape, "normal"), _pick(generator, "normal")
    if not std >= 0:
        raise ArgumentError(f"normal: the standard deviation must be 0 or more, got std={std}")
    if n < 16 or not contiguous:
        z = np.array(_normal_pairs(g, n))
        if (mean, std) != (0, 1):
            z = z * std + mean
        return z.astype(d, copy=False).reshape(shape)
    z = _normal_blocks(g, n, d)
    if (mean, std) != (0, 1):
        z *= std
        z += mean
    return z.astype(d, copy=False).reshape(shape)


def uniform_numbers(shape: Shape, low: float, high: float, dtype: np.dtype[Any], generator: Any = None) -> np.ndarray:
    """`uniform`; of a complex dtype both parts."""
    if dtype.kind != "c":
        return uniform(shape, low, high, dtype, generator)
    return _paired(uniform((*shape, 2), low, high, _part(dtype), generator), dtype)


def normal_numbers(
    shape: Shape, mean: float, std: float, dtype: np.dtype[Any], generator: Any = None, contiguous: bool = True
) -> np.ndarray:
    """`normal`; of a complex dtype both parts, each with half the variance."""
    if dtype.kind != "c":
        return normal(shape, mean, std, dtype, generator, contiguous)
    return _paired(normal((*shape, 2), mean, std / math.sqrt(2), _part(dtype), generator, contiguous), dtype)


def _part(d: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32 if d.itemsize == 8 else np.float64)


def _paired(parts: np.ndarray, d: np.dtype[Any]) -> np.ndarray:
    return np.ascontiguousarray(parts).view(d)[..., 0]


def _normal_blocks(g: Generator, n: int, d: np.dtype[Any]) -> np.ndarray:
    """n >= 16 normals, in float64 or else float32.

    Uniforms (u1[8], u2[8]) become (r cos t, r sin t) with r^2 = -2 log(1 - u1), t = 2 pi u2. A last part of fewer
    than 16 is made by drawing the last 16 numbers anew.
    """
    width, whole, rest = d.itemsize, n // 16 * 16, n % 16
    z = np.empty(n, np.float64 if width == 8 else np.float32)
    for part in _parts(z[:whole]):
        _box_muller(_uniform(g, len(part), width), part)
    if rest:
        if width > 2:
            _uniform(g, rest, width)
        _box_muller(_uniform(g, 16, width), z[-16:])
    return z


def _box_muller(u: np.ndarray, z: np.ndarray) -> None:
    """Uniforms u[16 B] -> normals z[16 B].  cos t and sin t of a float64 are made of tan t/2: NumPy's is the quickest."""
    radius, t = np.ascontiguousarray(u.reshape(-1, 2, 8).transpose(1, 0, 2))
    np.subtract(1, radius, out=radius)
    np.log(radius, out=radius)
    radius *= -2
    np.sqrt(radius, out=radius)
    if u.dtype == np.float64:
        t *= math.pi
        np.tan(t, out=t)
        scale = radius / (1 + t * t)
        x, y = (1 - t) * (1 + t) * scale, 2 * t * scale
    else:
        t *= np.float32(2 * math.pi)
        x = np.cos(t)
        x *= radius
        y = np.sin(t, out=t)
        y *= radius
    pairs = z.reshape(-1, 2, 8)
    pairs[:, 0], pairs[:, 1] = x, y


def _normal_pairs(g: Generator, n: int) -> list[float]:
    """n normals in float64: first the spare one, then pairs (r cos t, r sin t) of t = 2 pi u1, r^2 = -2 log(1 - u2)."""
    if not n:
        return []
    z = [] if g._spare_normal is None else [g._spare_normal]
    u = _uniform(g, (n - len(z) + 1) // 2 * 2).tolist()
    for u1, u2 in zip(u[0::2], u[1::2]):
        radius, t = math.sqrt(-2 * math.log1p(-u2)), 2 * math.pi * u1
        z += radius * math.cos(t), radius * math.sin(t)
    g._spare_normal = z.pop() if len(z) > n else None
    return z


def randint(
    shape: Shape, low: int, high: int | None, dtype: Number = np.int64, generator: Generator | None = None
) -> np.ndarray:
    """Integers of low .. high - 1 (high None: up to the largest of the dtype), as numbers of any dtype.

    A number is a word modulo the range, or from 2^28 on two words.
    Raises ArgumentError when the range is empty or does not fit the dtype.
    """
    d, n, g = np.dtype(dtype), _count(shape, "randint"), _pick(generator, "randint")
    first, last = _bounds(d)
    end = last + 1 if high is None else high
    if low >= end:
        raise ArgumentError(f"randint: needs low < high, got low={low}, high={end}")
    if low < first or end - 1 > last:
        raise ArgumentError(f"randint: {low} .. {end - 1} does not fit {d.name}, which holds {first} .. {last}")
    return _modulo(g, n, low, end - low, d).reshape(shape)


def random(shape: Shape, dtype: Number = np.int64, generator: Generator | None = None) -> np.ndarray:
    """What `Tensor.random_()` fills in: integers of 0 .. the largest that the dtype holds exactly."""
    d, n, g = np.dtype(dtype), _count(shape, "random_"), _pick(generator, "random_")
    span = _bounds(d)[1] + 1
    if d.itemsize == 8:
        return (g.long_words(n) % np.uint64(span)).astype(d).reshape(shape)
    return (g.words(n) % np.uint32(span)).astype(d).reshape(shape)


def _modulo(g: Generator, n: int, low: int, span: int, d: np.dtype[Any]) -> np.ndarray:
    if span == 2**64:
        return g.long_words(n).view(np.int64).astype(d)
    made = np.empty(n, d)
    for part in _parts(made):
        w = g.words(len(part)) if span < 2**28 else g.long_words(len(part))
        w = _remainder(w, span)
        if low:
            w = w.astype(np.uint64, copy=False)
            w += np.uint64(low % 2**64)  # the sum wraps, as two's complement does
            w = w.view(np.int64)
        part[...] = w
    return made


def _remainder(w: np.ndarray, span: int) -> np.ndarray:
    """w % span, of uint32 or uint64: NumPy divides by one number in vectors, but does not take remainders so."""
    by = w.dtype.type(span)
    q = w // by
    q *= by
    w -= q
    return w


def _bounds(d: np.dtype[Any]) -> tuple[int, int]:
    """The smallest and the largest integer up to which a dtype holds all."""
    if d.kind == "b":
        return 0, 1
    if d.kind in "iu":
        info = np.iinfo(d)
        return int(info.min), int(info.max)
    top = 2 ** (limits(d).nmant + 1)
    return -top, top


def randperm(n: int, dtype: Number = np.int64, generator: Generator | None = None) -> np.ndarray:
    """A random order of 0 .. n - 1: position i is swapped with a random later one (Fisher & Yates; Durstenfeld 1964).

    Raises ArgumentError when n is negative or does not fit the dtype.
    """
    d, g = np.dtype(dtype), _pick(generator, "randperm")
    if n < 0 or n - 1 > _bounds(d)[1]:
        raise ArgumentError(f"randperm: n must be 0 or more and n - 1 fit {d.name}, got n={n}")
    if n < 2:
        return np.arange(n, dtype=d)
    few = n < (2**32 - 1) // 20  # else a word modulo n would favour the small ones
    left = np.arange(n, 1, -1, dtype=np.uint32 if few else np.uint64)  # how many places position i can be swapped with
    jumps = (g.words(n - 1) if few else g.long_words(n - 1)) % left
    targets = jumps.astype(np.int64)
    targets += np.arange(n - 1)
    native = accelerate.swaps
    if n > FEW and native is not None:
        order = np.arange(n)
        if native(order, targets):
            return order.astype(d, copy=False)
    places = list(range(n))
    for i, j in enumerate(targets.tolist()):
        places[i], places[j] = places[j], places[i]
    return np.array(places, d)


def bernoulli(
    shape: Shape, p: float | np.ndarray, dtype: Number = np.float32, generator: Generator | None = None
) -> np.ndarray:
    """1 with probability p, else 0. p is a number, or an array of floats that broadcasts to shape.

    A number, or a float64 array, is compared with 53 random bits, a float32 array with 24.
    Raises ArgumentError when a probability is outside [0, 1], DTypeError when p is an array of integers,
    ShapeError when it does not broadcast.
    """
    n, g = _count(shape, "bernoulli"), _pick(generator, "bernoulli")
    if isinstance(p, np.ndarray):
        if p.dtype.kind not in FLOATING:
            what = Aval(p.shape, p.dtype)
            raise DTypeError(f"bernoulli: probabilities must be floats, got {what}; convert with float()")
        try:
            chance = np.broadcast_to(p, shape)
        except ValueError:
            raise ShapeError(f"bernoulli: p of shape {list(p.shape)} does not broadcast to {list(shape)}") from None
    else:
        chance = np.asarray(p, np.float64)
    inside = (chance >= 0) & (chance <= 1)
    if not inside.all():
        raise ArgumentError(f"bernoulli: a probability must be in [0, 1], got {chance[~inside].flat[0]}")
    u = _uniform(g, n, 8 if chance.dtype == np.float64 else 4)
    return (u.reshape(shape) < chance).astype(dtype)


def exponential(
    shape: Shape, rate: float = 1.0, dtype: Real = np.float32, generator: Generator | None = None
) -> np.ndarray:
    """Exponential numbers of mean 1/rate: -log(1 - u) / rate, with 53 random bits in u.

    Raises ArgumentError unless rate > 0.
    """
    d, n, g = _real(dtype, "exponential"), _count(shape, "exponential"), _pick(generator, "exponential")
    if not rate > 0:
        raise ArgumentError(f"exponential: the rate must be above 0, got {rate}")
    waits: np.ndarray = -1.0 / rate * np.log1p(-_uniform(g, n))
    return waits.astype(d).reshape(shape)


def standard_gamma(shapes: np.ndarray, generator: Generator | None = None) -> np.ndarray:
    """Gamma numbers of these shape parameters and rate 1, one after the other (Marsaglia & Tsang 2000).

    A candidate d (1 + c x)^3, x normal, is kept where a uniform number says so; below 1 the shape is raised by 1 and the
    number multiplied by u^(1 / shape).
    """
    g = _pick(generator, "standard_gamma")
    out = np.empty(shapes.shape, np.float64)
    for i, alpha in enumerate(shapes.astype(np.float64).reshape(-1).tolist()):
        out.flat[i] = _one_gamma(g, alpha)
    least: float = np.finfo(shapes.dtype).tiny
    return np.asarray(np.maximum(out.astype(shapes.dtype), least))


THIRD, SQUEEZE = float(np.float32(1 / 3)), float(np.float32(0.0331))  # single precision, as PyTorch's


def _one_gamma(g: Generator, alpha: float) -> float:
    scale = 1.0
    if alpha < 1.0:
        if alpha == 0.0:
            return 0.0
        scale = (1.0 - float(_uniform(g, 1)[0])) ** (1.0 / alpha)
        alpha += 1.0
    d = alpha - THIRD
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = _normal_pairs(g, 1)[0]
        y = 1.0 + c * x
        if y <= 0:
            continue
        v, u, square = y * y * y, 1.0 - float(_uniform(g, 1)[0]), x * x
        if u < 1.0 - SQUEEZE * square * square or math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v


def multinomial(
    weights: np.ndarray, count: int, replacement: bool = False, generator: Generator | None = None
) -> np.ndarray:
    """Draw `count` indices, index i with probability proportional to weights[.., i]: int64[.., count].

    weights[N] or weights[B, N]. With replacement: the inverse of the cumulative sum. Without: the largest of
    weights / exponential noise, a race that index i wins with its probability (Efraimidis & Spirakis 2006).
    Raises DTypeError for weights that are not floats, ShapeError unless they have 1 or 2 axes, ArgumentError for
    negative, infinite or all-zero weights, or a count that is not positive or, without replacement, above N.
    """
    g, w = _pick(generator, "multinomial"), np.asarray(weights)
    what = Aval(w.shape, w.dtype)
    if w.dtype.kind not in FLOATING:
        raise DTypeError(f"multinomial: weights must be floats, got {what}; convert with float()")
    if w.ndim not in (1, 2) or w.shape[-1] == 0:
        raise ShapeError(f"multinomial: weights must be [N] or [B, N] with N > 0, got {what}")
    size = w.shape[-1]
    if count < 1 or (not replacement and count > size):
        limit = "at least 1" if replacement else f"1 .. {size} without replacement; pass replacement=True to draw more"
        raise ArgumentError(f"multinomial: the number of samples must be {limit}, got {count} for {what}")
    total = w.sum(-1)
    if not (w.size == 0 or (w.min() >= 0 and total.min() > 0 and total.max() < np.inf)):
        if not (np.isfinite(w) & (w >= 0)).all():
            raise ArgumentError(f"multinomial: weights must be finite and not negative, found {_first_bad(w)} in {what}")
        if (total <= 0).any():
            raise ArgumentError(f"multinomial: the weights of a row are all 0, in {what}")
    if not replacement or count == 1:
        race = QUIET.context.run(np.divide, w, exponential(w.shape, 1.0, w.dtype, g))
        if count == 1:
            return np.asarray(race.argmax(-1, keepdims=True))
        return np.argsort(-race, axis=-1, kind="stable")[..., :count]
    rows = w.reshape(-1, size).astype(np.float64 if w.dtype == np.float64 else np.float32, copy=False)
    cumulative = np.cumsum(rows, axis=-1, dtype=rows.dtype)
    cumulative /= cumulative[:, -1:]
    u = _uniform(g, len(rows) * count).reshape(-1, count)
    picked = [np.searchsorted(c, x) for c, x in zip(cumulative, u)]
    return np.array(picked, np.int64).reshape(*w.shape[:-1], count)


def _first_bad(w: np.ndarray) -> float:
    return float(w[~(np.isfinite(w) & (w >= 0))].flat[0])


def _uniform(g: Generator, n: int, width: int = 8) -> np.ndarray:
    """The low 24 bits of a word: float32[n] in [0, 1); or, of a width of 8 bytes, the low 53 of two: float64[n]."""
    draw = _uniform_double if width == 8 else _uniform_single
    if n <= PART:
        return draw(g, n)
    u = np.empty(n, np.float64 if width == 8 else np.float32)
    for part in _parts(u):
        part[...] = draw(g, len(part))
    return u


def _uniform_single(g: Generator, n: int) -> np.ndarray:
    w = g.words(n)
    w &= _LOW_24
    u = w.view(np.int32).astype(np.float32)  # signed numbers are converted faster
    u *= _STEP_24
    return u


def _uniform_double(g: Generator, n: int) -> np.ndarray:
    w = g.long_words(n)
    w &= _LOW_53
    u = w.view(np.int64).astype(np.float64)
    u *= 2.0**-53
    return u


def _parts(a: np.ndarray) -> list[np.ndarray]:
    """The array in parts that stay in the cache while they are worked on."""
    return [a] if len(a) <= PART else [a[i : i + PART] for i in range(0, len(a), PART)]


def _multiply_add(u: np.ndarray, scale: float, shift: float) -> np.ndarray:
    """u * scale + shift rounded once, as a processor with fused multiply-add does it, which PyTorch uses.

    The errors of the product (Dekker 1971) and of the sum (Knuth) are found exactly and added.
    """
    y: np.ndarray = u * scale
    if shift == 0 or not 2.0**-960 < abs(scale) < 2.0**960:
        return y + shift
    split = 2.0**27 + 1
    a = split * u - (split * u - u)
    b = split * scale - (split * scale - scale)
    lost_in_product = (u - a) * (scale - b) - (((y - a * b) - (u - a) * b) - a * (scale - b))
    s: np.ndarray = y + shift
    back = s - y
    lost_in_sum = (y - (s - back)) + (shift - back)
    s += lost_in_product + lost_in_sum
    return s


def rehearse(draw: Callable[[], np.ndarray], generator: Generator | None) -> np.ndarray:
    """What `draw` gives, with the generator put back to where it was."""
    g = default_generator if generator is None else generator
    state = g.state_bytes()
    token = STAGE.set(None)
    try:
        return draw()
    finally:
        STAGE.reset(token)
        g.set_state(state)


def _pick(generator: Generator | None, op: str) -> Generator:
    if STAGE.get() is not None:
        raise TraceError(
            f"{op}: in a compiled function these numbers would be drawn once, when it is traced; "
            "use cutaway.rand, randn or randint there, or draw outside and pass the tensor"
        )
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise ArgumentTypeError(
            f"{op}: generator must be a cutaway.Generator, got {describe(generator)}; "
            "make one with Generator().manual_seed(0)"
        )
    return generator


def _real(dtype: Any, op: str) -> np.dtype[Any]:
    d: np.dtype[Any] = np.dtype(dtype)
    if d.kind not in FLOATING:
        raise DTypeError(f"{op}: gives floating-point numbers, not {d.name}; draw float32 and convert, or use randint")
    return d


def _count(shape: Shape, op: str) -> int:
    if shape and min(shape) < 0:
        raise ShapeError(f"{op}: shape {list(shape)} has a negative size")
    return numel(shape)


def poisson(rates: np.ndarray, generator: Generator | None = None) -> np.ndarray:
    """Poisson numbers of these rates, one after the other, in their dtype.

    Below 10 uniform numbers are multiplied until the product is below exp(-rate) (Knuth 1969); from there on by transformed
    rejection (Hormann 1993, PTRS).
    """
    g = _pick(generator, "poisson")
    drawn = [_one_poisson(g, rate) for rate in rates.astype(np.float64).reshape(-1).tolist()]
    return np.array(drawn, rates.dtype).reshape(rates.shape)


def _one_poisson(g: Generator, rate: float) -> float:
    if rate == 0.0:
        return 0.0
    if rate < 10.0:
        least, product, k = math.exp(-rate), float(_uniform(g, 1)[0]), 0
        while product > least:
            k, product = k + 1, product * float(_uniform(g, 1)[0])
        return float(k)
    log_rate = math.log(rate)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = (_uniform(g, 2) - (0.5, 0.0)).tolist()
        us = 0.5 - abs(u)
        n = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_r:
            return float(n)
        if n < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) <= n * log_rate - rate - math.lgamma(n + 1):
            return float(n)


def binomial(counts: np.ndarray, probs: np.ndarray, generator: Generator | None = None) -> np.ndarray:
    """Successes in counts[...] trials of probability probs[...], one after the other.

    Few by sums of geometric waiting times (Devroye 1986), from n p = 10 on by transformed rejection (Hormann 1993, BTRS).
    """
    g = _pick(generator, "binomial")
    pairs = zip(counts.astype(np.float64).reshape(-1).tolist(), probs.astype(np.float64).reshape(-1).tolist(), strict=True)
    return np.array([_one_binomial(g, n, p) for n, p in pairs], counts.dtype).reshape(counts.shape)


def _one_binomial(g: Generator, n: float, p: float) -> float:
    if n <= 0.0 or p <= 0.0:
        return 0.0
    if not n < math.inf or math.isnan(p):
        return math.nan
    if p >= 1.0:
        return n
    if p > 0.5:
        return n - _one_binomial(g, n, 1.0 - p)
    if n * p >= 10.0:
        return _many_trials(g, n, p)
    sum_, k, log_miss = 0.0, 0, math.log1p(-p)
    while True:
        u = float(_uniform(g, 1)[0])
        sum_ += math.ceil(math.log(u) / log_miss) if u > 0 else math.inf
        if sum_ > n:
            return float(k)
        k += 1


def _many_trials(g: Generator, n: float, p: float) -> float:
    spread = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c, v_r, r, alpha = n * p + 0.5, 0.92 - 4.2 / b, p / (1 - p), (2.83 + 5.1 / b) * spread
    m = math.floor((n + 1) * p)
    while True:
        u, v = (_uniform(g, 2) - (0.5, 0.0)).tolist()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= v_r:
            return float(k)
        if k < 0 or k > n:
            continue
        bound = (m + 0.5) * math.log((m + 1) / (r * (n - m + 1))) + (n + 1) * math.log((n - m + 1) / (n - k + 1))
        bound += (k + 0.5) * math.log(r * (n - k + 1) / (k + 1))
        bound += _stirling_rest(m) + _stirling_rest(n - m) - _stirling_rest(k) - _stirling_rest(n - k)
        if math.log(v * alpha / (a / (us * us) + b)) <= bound:
            return float(k)


def _stirling_rest(k: float) -> float:
    """log k! less Stirling's (k + 1/2) log(k + 1) - (k + 1) + log sqrt(2 pi)."""
    return math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi))
