"""The exercises of chapter 8, with the mistakes that are made in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway import Tensor, from_numpy
from cutaway.course.ch08_deep import exercises as stub
from cutaway.course.exercise import Exercise, Numbers, Plug, Wrong
from cutaway.course.slopes import layer, numerical

# --- mistakes ---------------------------------------------------------------------------------------------------------


def mistakes(p: Any, t: Any, *, by: Any = lambda p, t: p.max(1), order: int = -1, wrong: bool = True) -> np.ndarray:
    """The rows that are wrong, and by its options the ways to get it wrong."""
    at = np.flatnonzero((p.argmax(1) != t) == wrong)
    return at[np.argsort(order * by(p, t)[at], kind="stable")]


MISTAKES = Exercise(
    "mistakes", "The surest mistakes", mistakes, spec=stub.mistakes_spec, free=False, show="table",
    cases=((np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]]), np.array([1, 1, 0, 0])),
           (np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.6, 0.1, 0.3]]), np.array([1, 2, 1]))),
    draw=lambda d, n: (d.shares(n + 2, 3), d.labels(n + 2, 3)),
    wrong=[
        Wrong(lambda p, t: mistakes(p, t, wrong=False), "These are the rows that are right: take those whose largest share is another class's."),
        Wrong(lambda p, t: mistakes(p, t, order=1), "The least sure mistake comes first: from high to low."),
        Wrong(lambda p, t: mistakes(p, t, by=lambda p, t: p[np.arange(len(p)), t]), "Sorted by the share of the right class: by that of the class it said."),
        Wrong(lambda p, t: np.flatnonzero(p.argmax(1) != t), "The rows are not sorted by how sure the network was."),
        Wrong(lambda p, t: np.argsort(-p.max(1)[p.argmax(1) != t], kind="stable"), "argsort counts among the mistakes only: look the rows' own numbers up."),
        Wrong(lambda p, t: p.argmax(1) != t, "That is yes or no for each row: give the numbers of the rows."),
        Wrong(lambda p, t: len(mistakes(p, t)), "That is how many there are: give which."),
    ],
)  # fmt: skip


# --- small filters ----------------------------------------------------------------------------------------------------


def receptive_field(layers: Any, *, start: int = 1, jump: bool = True, less: int = 1, first: bool = False) -> int:
    """How far one output sees, and by its options the ways to get it wrong."""
    size, step = start, 1
    for kernel, stride in layers:
        if first:
            step *= stride
        size += (kernel - less) * (step if jump else 1)
        if not first:
            step *= stride
    return size


RECEPTIVE = Exercise(
    "receptive_field", "How far an output sees", receptive_field, spec=stub.receptive_field_spec, show="table",
    cases=(([(3, 1)],), ([(3, 1), (3, 1)],), ([(5, 1)],), ([(3, 1), (2, 2), (3, 1)],), ([(3, 2), (3, 2)],)),
    draw=lambda d, n: ([(d.integer(1, 5), d.integer(1, 3)) for _ in range(n)],),
    wrong=[
        Wrong(lambda g: receptive_field(g, start=0), "It is one too small: with no layer at all, an output sees one pixel."),
        Wrong(lambda g: receptive_field(g, jump=False), "The strides are not used: after a stride of 2 each step is two pixels wide."),
        Wrong(lambda g: receptive_field(g, less=0), "Each layer adds kernel - 1, as neighbours' fields overlap in all but that."),
        Wrong(lambda g: receptive_field(g, first=True), "A layer's own stride does not widen its own steps: multiply after adding."),
        Wrong(lambda g: receptive_field(g[::-1]), "It goes from the last layer to the first: the strides that count are those before a layer."),
        Wrong(lambda g: max(k for k, _ in g), "That is the largest kernel: a stack sees farther than each of its layers."),
        Wrong(lambda g: int(np.prod([k for k, _ in g])), "The kernels are multiplied: two 3 x 3 see 5 x 5, not 9 x 9."),
    ],
)  # fmt: skip

PARAMETERS = Exercise(
    "stack_parameters", "What small filters cost", lambda c, k, n: n * (c * c * k * k + c), spec=stub.stack_parameters_spec, show="table",
    cases=((1, 3, 1), (16, 3, 2), (16, 5, 1), (8, 3, 3), (8, 7, 1)), draw=lambda d, n: (d.integer(1, 2 * n), d.integer(1, 5), d.integer(1, n)),
    wrong=[
        Wrong(lambda c, k, n: n * c * c * k * k, "The biases are missing: one for each output channel."),
        Wrong(lambda c, k, n: n * (c * k * k + c), "Every output channel looks at every input channel: c times c kernels."),
        Wrong(lambda c, k, n: n * (c * c * k + c), "A kernel is square: k times k weights."),
        Wrong(lambda c, k, n: c * c * k * k + c, "That is one layer: there are `depth` of them."),
        Wrong(lambda c, k, n: n * (c * c * k * k + 1), "There is one bias for each output channel, not one for each layer."),
        Wrong(lambda c, k, n: n * (c * c * k * k + c * c), "There is a bias for each output channel, not for each pair of channels."),
        Wrong(lambda c, k, n: (c * c * k * k + c) ** n, "Layers are added, not multiplied."),
    ],
)  # fmt: skip


# --- augmentation -----------------------------------------------------------------------------------------------------


def shift(images: Any, down: Any, right: Any, *, by: int = 1, wrap: bool = False, each: bool = True, fill: bool = False) -> np.ndarray:
    """Images that are moved, and by its options the ways to get it wrong."""
    out = np.zeros_like(images)
    h, w = images.shape[2:]
    for i in range(len(images)):
        y, x = (int(by * v[i if each else 0]) for v in (down, right))
        rows, columns = np.arange(h) - y, np.arange(w) - x
        if wrap or fill:
            rows, columns = (rows % h, columns % w) if wrap else (rows.clip(0, h - 1), columns.clip(0, w - 1))
            out[i] = images[i][:, rows][:, :, columns]
        else:
            inside = np.ix_((rows >= 0) & (rows < h), (columns >= 0) & (columns < w))
            out[i][:, inside[0], inside[1]] = images[i][:, rows[(rows >= 0) & (rows < h)]][:, :, columns[(columns >= 0) & (columns < w)]]
    return out


def in_place(images: Any, down: Any, right: Any) -> Any:
    images[:] = shift(images, down, right)
    return images


SHIFT = Exercise(
    "shift", "Images moved", shift, spec=stub.shift_spec,
    cases=((np.arange(1.0, 10.0).reshape(1, 1, 3, 3), np.array([1]), np.array([0])), (np.arange(1.0, 10.0).reshape(1, 1, 3, 3), np.array([0]), np.array([-1])),
           (np.arange(1.0, 19.0).reshape(2, 1, 3, 3), np.array([1, -1]), np.array([2, 3]))),
    draw=lambda d, n: (d.apart(n, 1 + n // 4, 3, 4), d.random.integers(-2, 3, n), d.random.integers(-2, 3, n)),
    example=(np.arange(1.0, 17.0).reshape(1, 1, 4, 4), np.array([1]), np.array([-1])),
    wrong=[
        Wrong(lambda *a: shift(*a, by=-1), "They move the wrong way: positive is down and to the right."),
        Wrong(lambda *a: shift(*a, wrap=True), "What moves out comes in on the other side (np.roll): there must be zeros."),
        Wrong(lambda *a: shift(*a, each=False), "All images move like the first: each has its own numbers."),
        Wrong(lambda i, d, r: shift(i, r, d), "down and right are swapped: down moves along the rows, axis 2."),
        Wrong(lambda i, d, r: shift(i, d, 0 * r), "They move along the rows only: the columns, too."),
        Wrong(lambda *a: shift(*a, fill=True), "What moves in is the border, repeated: it must be 0."),
        Wrong(in_place, "It writes into its input, which will be moved differently the next time: make a new array."),
    ],
)  # fmt: skip


# --- residual connections ---------------------------------------------------------------------------------------------


Dense = layer(lambda x, w: np.tanh(x @ w), lambda g, y, x, w: ((g * (1 - y**2)) @ w.T, x.T @ (g * (1 - y**2))))


class Inner:
    """The f of the exercise: tanh(x w) with its gradient towards x."""

    def __init__(self, w: Any) -> None:
        self.w, self.layer = w, Dense()

    def forward(self, x: Any) -> Any:
        return self.layer.forward(x, self.w)

    def backward(self, g: Any) -> Any:
        return self.layer.backward(g)[0]


def residual(forward: Callable[..., Any] = lambda x, fx: x + fx, backward: Callable[..., Any] = lambda g, fg: g + fg) -> type:
    """The class, and by its options the ways to get it wrong."""

    class Residual:
        def __init__(self, f: Any) -> None:
            self.f = f

        def forward(self, x: Any) -> Any:
            return forward(x, self.f.forward(x))

        def backward(self, g: Any) -> Any:
            return backward(g, self.f.backward(g))

    return Residual


def play_residual(answer: Any, x: Any, w: Any, g: Any) -> Any:
    made = answer(Inner(w))
    return made.forward(x), made.backward(g)


def numerical_residual(f: Any) -> Any:
    return numerical(lambda x: x + f.forward(x))()


def twice(x: Any, fx: Any) -> Any:
    x += fx
    return x


RESIDUAL = Exercise(
    "Residual", "A way around", residual(), spec=numerical_residual, play=play_residual, rtol=1e-5, parts=("y", "gx"),
    draw=lambda d, n: (d.array(n, 3), d.apart(3, 3), d.apart(n, 3)),
    wrong=[
        Wrong(residual(backward=lambda g, fg: fg), "The gradient of the way around is missing: x is used twice, so g itself is added."),
        Wrong(residual(backward=lambda g, fg: g), "The gradient through f is missing: add f.backward(g)."),
        Wrong(residual(backward=lambda g, fg: g * fg), "The two ways are added, so their gradients are added, not multiplied."),
        Wrong(residual(forward=lambda x, fx: fx), "The way around is missing: it gives f(x), not x + f(x)."),
        Wrong(residual(forward=lambda x, fx: x * fx), "x and f(x) are multiplied: add them."),
        Wrong(residual(forward=lambda x, fx: x - fx, backward=lambda g, fg: g - fg), "f(x) is subtracted: add it."),
        Wrong(residual(forward=lambda x, fx: np.concatenate([x, fx], 1)), "x and f(x) stand side by side, as in a DenseNet: add them."),
        Wrong(residual(forward=twice), "It writes into x (x += ...), which the caller still needs: compute x + f(x) anew."),
    ],
)  # fmt: skip


# --- cost -------------------------------------------------------------------------------------------------------------


def cost(n: int, c: int, h: int, w: int, f: int, k: int, p: int, *, two: int = 2, pad: bool = True, channels: bool = True, batch: bool = True,
         weights: bool = True, size: int = 4, out: bool = True, both: int = 2) -> tuple[int, int]:  # fmt: skip
    """FLOP and bytes, and by its options the ways to get it wrong."""
    oh, ow = (v + (both * p if pad else 0) - k + 1 for v in (h, w))
    flops = two * (n if batch else 1) * f * (c if channels else 1) * k * k * oh * ow
    return flops, size * (n * c * h * w + (f * c * k * k if weights else 0) + (n * f * oh * ow if out else 0))


COST = Exercise(
    "convolution_cost", "What a convolution costs", cost, spec=stub.convolution_cost_spec, show="table",
    cases=((1, 1, 3, 3, 1, 3, 0), (1, 1, 4, 4, 1, 3, 1), (100, 16, 28, 28, 16, 3, 1)),
    draw=lambda d, n: (d.integer(1, n), d.integer(1, n), 4 + n, 5 + n, d.integer(1, n), d.integer(1, 3), d.integer(0, 1)),
    wrong=[
        Wrong(lambda *a: cost(*a, two=1), "A multiplication and an addition for each weight are two FLOP."),
        Wrong(lambda *a: cost(*a, pad=False), "The padding is not used: the output is h + 2p - k + 1 tall."),
        Wrong(lambda *a: cost(*a, both=1), "Padding is on both sides: 2p."),
        Wrong(lambda *a: cost(*a, channels=False), "A filter has c channels: the factor c is missing from the FLOP."),
        Wrong(lambda *a: cost(*a, batch=False), "The factor n is missing from the FLOP: every image is convolved."),
        Wrong(lambda *a: cost(*a, weights=False), "The bytes of the weights are missing."),
        Wrong(lambda *a: cost(*a, out=False), "The bytes of the output are missing: it must be written."),
        Wrong(lambda *a: cost(*a, size=1), "Those are numbers: each has 4 bytes."),
        Wrong(lambda *a: cost(*a)[::-1], "The two are swapped: FLOP first, then bytes."),
    ],
)  # fmt: skip


# --- number formats ---------------------------------------------------------------------------------------------------


def half(bits: int, *, bias: int = 15, one: float = 1.0, sign: bool = True, small: bool = True, special: bool = True, split: int = 10) -> float:
    """The number, and by its options the ways to get it wrong."""
    s, e, m = bits >> 15, (bits >> split) & (31 if split == 10 else 255), bits & ((1 << split) - 1)
    minus = -1.0 if s and sign else 1.0
    if e == 31 and special:
        return float("nan") if m else minus * float("inf")
    if e == 0 and small:
        return minus * 2.0 ** (1 - bias) * m / (1 << split)
    return minus * 2.0 ** (e - bias) * (one + m / (1 << split))


HALF = Exercise(
    "half", "Sixteen bits as a number", half, spec=stub.half_spec, show="table",
    cases=tuple((b,) for b in (0x3C00, 0xC000, 0x3E00, 0x7BFF, 0x0001, 0x03FF, 0x7C00, 0xFC00, 0x7E00, 0x0000)),
    draw=lambda d, n: (d.integer(0, 0xFFFF),),
    wrong=[
        Wrong(lambda b: half(b, one=0.0), "The leading 1 is missing: the fraction is 1 + m/1024."),
        Wrong(lambda b: half(b, bias=16), "It is half of what it should be: the exponent is e - 15."),
        Wrong(lambda b: half(b, bias=0), "The exponent's bias is missing: e - 15, so that small numbers have one, too."),
        Wrong(lambda b: half(b, sign=False), "The sign is missing: the highest bit."),
        Wrong(lambda b: half(b, small=False), "With e = 0 there is no leading 1: 2^-14 m/1024, so that 0 is 0."),
        Wrong(lambda b: half(b, special=False), "With e = 31 it is infinity, or NaN if m is not 0."),
        Wrong(lambda b: half(b, split=7, bias=127), "That reads it as bfloat16, 8 bits of exponent and 7 of fraction: here 5 and 10."),
    ],
)  # fmt: skip


def to_bfloat16(x: Any, *, how: str = "even") -> np.ndarray:
    """Rounded, and by its option the ways to get it wrong."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    more: Any = {"even": 0x7FFF + ((bits >> 16) & 1), "cut": 0, "up": 0x8000, "down": 0x7FFF, "always": 0xFFFF}[how]
    return (((bits + more) >> 16) << 16).astype(np.uint32).view(np.float32)


def floats(d: Numbers, n: int) -> tuple[np.ndarray]:
    return ((d.random.normal(size=(n, 2)) * 10.0 ** d.random.integers(-3, 4, (n, 2))).astype(np.float32),)


BFLOAT16 = Exercise(
    "to_bfloat16", "Rounded to 16 bits", to_bfloat16, spec=stub.to_bfloat16_spec, draw=floats, free=False, rtol=1e-9,
    cases=((np.array([1.0, 3.1415927], np.float32),), (np.array([1.00390625, 1.01171875, -1.00390625, 0.0], np.float32),)),
    example=(np.array([3.1415927, 1.00390625, 1.01171875, 0.1], np.float32),),
    wrong=[
        Wrong(lambda x: to_bfloat16(x, how="cut"), "The lower bits are cut off, which rounds towards 0: round to the nearest."),
        Wrong(lambda x: to_bfloat16(x, how="up"), "What lies just between two always goes up: to the one whose last bit is 0."),
        Wrong(lambda x: to_bfloat16(x, how="down"), "What lies just between two always goes down: to the one whose last bit is 0."),
        Wrong(lambda x: to_bfloat16(x, how="always"), "Everything is rounded away from 0: to the nearest."),
        Wrong(lambda x: x.astype(np.float16).astype(np.float32), "That is float16, with a shorter exponent and a longer fraction."),
        Wrong(lambda x: x.copy(), "Nothing is rounded: the lower 16 bits must be 0."),
        Wrong(lambda x: np.round(x, 2), "That rounds to decimals: round the bits, so that small numbers keep as many digits as large ones."),
    ],
)  # fmt: skip


def quantise(x: Any, *, most: int = 127, rounded: Any = np.round, reach: Any = lambda x: np.abs(x).max(), cast: Any = np.int8) -> Any:
    """Whole numbers and their scale, and by its options the ways to get it wrong."""
    scale = float(reach(x)) / most
    return rounded(x / scale if scale else 0 * x).astype(cast), scale


QUANTISE = Exercise(
    "quantise", "Eight bits", quantise, spec=stub.quantise_spec, draw=lambda d, n: (d.array(n, n + 1),),
    cases=((np.array([1.0, -2.0, 0.5]),), (np.array([-2.0, 1.0, 0.3]),), (np.zeros(2),)),
    wrong=[
        Wrong(lambda x: quantise(x, most=128), "The largest becomes 128, which 8 bits with a sign do not hold: 127."),
        Wrong(lambda x: quantise(x, rounded=np.trunc), "It cuts towards 0 (as astype does): round to the nearest first."),
        Wrong(lambda x: quantise(x, rounded=np.floor), "It rounds down: to the nearest."),
        Wrong(lambda x: quantise(x, reach=np.max), "The scale looks at the largest number only: the most negative one counts as well, so |x|."),
        Wrong(lambda x: quantise(x, reach=lambda x: np.abs(x).mean()), "The scale is made of the mean, so large ones overflow: of the largest |x|."),
        Wrong(lambda x: (lambda q, s: (q, 1 / s if s else 0.0))(*quantise(x)), "The scale is turned round: q * scale must be near x."),
        Wrong(lambda x: (np.round(x / (s or 1)).astype(np.int8) * s if (s := float(np.abs(x).max()) / 127) else 0 * x, s), "That is q * scale, the numbers that come back: give q."),
        Wrong(lambda x: quantise(x)[0], "The scale is missing: without it nobody knows what the whole numbers mean."),
    ],
)  # fmt: skip


EXERCISES = (MISTAKES, RECEPTIVE, PARAMETERS, SHIFT, RESIDUAL, COST, HALF, BFLOAT16, QUANTISE)


def mover(move: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """What moves the training images of `cutaway train --shift`, of the answer."""

    def shifted(x: Any, down: np.ndarray, right: np.ndarray) -> Any:
        images = x.numpy() if isinstance(x, Tensor) else x
        moved = np.ascontiguousarray(move(images, down, right), images.dtype)
        return from_numpy(moved) if isinstance(x, Tensor) else moved

    return shifted


PLUGS = (Plug(("shift",), lambda move: {"shifted": mover(move)}, ("shifted",)),)
