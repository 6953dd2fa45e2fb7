"""Chapter 8, Deep: mistakes, small filters, augmentation, residual connections, cost, and number formats.

Write each function or class whose body is `raise NotImplementedError`, and judge it with `cutaway check 8.NAME`.
The functions that end in _spec say what is right, slowly and obviously. Your answer need not look like them.
"""

import struct

import numpy as np


def mistakes_spec(p, t):
    wrong: list[tuple[float, int]] = []
    for n in range(len(p)):
        said = 0
        for k in range(p.shape[1]):
            if p[n, k] > p[n, said]:
                said = k
        if said != t[n]:
            wrong.append((p[n, said], n))
    wrong.sort(key=lambda pair: (-pair[0], pair[1]))
    return np.array([n for _, n in wrong], int)


def mistakes(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Which rows a network got wrong, the surest mistake first.  p[N, C] shares, t[N] -> int array of row numbers.

    A row is wrong if its largest share is not that of class t[n]. Sort by that largest share, from high to low; rows with
    the same share stay in their order.
    """
    raise NotImplementedError


def receptive_field_spec(layers):
    first = last = 0
    for kernel, stride in reversed(layers):
        first, last = first * stride, last * stride + kernel - 1
    return last - first + 1


def receptive_field(layers: list[tuple[int, int]]) -> int:
    """How many pixels across one output sees, through convolutions or poolings (kernel, stride), the first layer first.

    Seen from the input: each layer adds kernel - 1 steps, and a step is as wide as all strides before it multiplied.
    Compute it from the first layer to the last (the spec goes back from the output).
    """
    raise NotImplementedError


def stack_parameters_spec(channels, kernel, depth):
    count = 0
    for _ in range(depth):
        for _out in range(channels):
            count += 1  # bias
            for _in in range(channels):
                count += kernel * kernel
    return count


def stack_parameters(channels: int, kernel: int, depth: int) -> int:
    """Weights and biases of `depth` convolutions with square kernels, each from `channels` channels to as many."""
    raise NotImplementedError


def shift_spec(images, down, right):
    n, c, h, w = images.shape
    out = np.zeros_like(images)
    for i in range(n):
        for k in range(c):
            for y in range(h):
                for x in range(w):
                    if 0 <= y - down[i] < h and 0 <= x - right[i] < w:
                        out[i, k, y, x] = images[i, k, y - down[i], x - right[i]]
    return out


def shift(images: np.ndarray, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Each image moved by its own number of pixels.  images[N, C, H, W], down[N], right[N] int -> [N, C, H, W].

    Positive numbers move down and to the right, negative ones up and to the left. What moves in is 0, what moves out
    is lost.
    """
    raise NotImplementedError


class Residual:
    """x + f(x), for a layer f with forward(x) and backward(g): Residual(f) has both, too.

    backward(g) gives the gradient towards x, in which f.backward(g) is one of two parts.
    """

    def __init__(self, f) -> None:
        raise NotImplementedError

    def forward(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def backward(self, g: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def convolution_cost_spec(n, c, h, w, f, k, p):
    flops = 0
    for _y in range(h + 2 * p - k + 1):
        for _x in range(w + 2 * p - k + 1):
            flops += 2 * c * k * k  # a multiplication and an addition for each weight
    flops *= n * f
    numbers = n * c * h * w + f * c * k * k + n * f * (h + 2 * p - k + 1) * (w + 2 * p - k + 1)
    return flops, 4 * numbers


def convolution_cost(n: int, c: int, h: int, w: int, f: int, k: int, p: int) -> tuple[int, int]:
    """What a convolution must do, as (FLOP, bytes): x[n, c, h, w], f filters [c, k, k], stride 1, padding p, no bias.

    A multiplication and an addition count as two. Bytes: the input, the weights and the output once each, 4 bytes a number.
    """
    raise NotImplementedError


def half_spec(bits):
    return struct.unpack("<e", struct.pack("<H", bits))[0]


def half(bits: int) -> float:
    """The number that 16 bits stand for in IEEE half precision (float16).

    From the highest bit: sign s (1 bit), exponent e (5 bits), fraction m (10 bits).
    It is (-1)^s 2^(e - 15) (1 + m/1024). But e = 0 means (-1)^s 2^-14 m/1024, and e = 31 infinity with the sign s, or
    NaN if m is not 0.
    """
    raise NotImplementedError


def to_bfloat16_spec(x):
    out = np.zeros(x.shape, np.float32)
    for at in np.ndindex(x.shape):
        bits = struct.unpack("<I", struct.pack("<f", x[at]))[0]
        below, rest = bits >> 16, bits & 0xFFFF
        if rest > 0x8000 or (rest == 0x8000 and below & 1):  # nearer to the next one, or between two: to the even one
            below += 1
        out[at] = struct.unpack("<f", struct.pack("<I", below << 16))[0]
    return out


def to_bfloat16(x: np.ndarray) -> np.ndarray:
    """float32 numbers, each rounded to the nearest that has only the upper 16 bits (bfloat16); as float32, of x's shape.

    bfloat16 is float32 without its lower 16 bits. Look at the bits: x.view(np.uint32). Round to the nearest; what lies just
    between two goes to the one whose last kept bit is 0. Numbers are finite.
    """
    raise NotImplementedError


def quantise_spec(x):
    scale = max(abs(v) for v in x.ravel()) / 127
    q = np.zeros(x.shape, np.int8)
    for at in np.ndindex(x.shape):
        q[at] = round(float(x[at] / scale)) if scale > 0 else 0
    return q, scale


def quantise(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights as whole numbers of 8 bits: (q int8 of x's shape, scale), so that q * scale is near x.

    The scale is chosen so that the largest |x| becomes 127; each x / scale is rounded to the nearest whole number (between
    two: to the even one, as np.round does). If all x are 0, so are q and scale.
    """
    raise NotImplementedError
