"""The exercises of chapter 7, with the mistakes that are made in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cutaway
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.course.ch07_convolution import exercises as stub
from cutaway.course.exercise import Exercise, Numbers, Plug, Wrong
from cutaway.course.slopes import slope
from cutaway.nn import functional as F
from cutaway.plug import arrays

# --- one plane --------------------------------------------------------------------------------------------------------


def correlate(x: Any, w: Any) -> Any:
    return np.einsum("ijab,ab->ij", np.lib.stride_tricks.sliding_window_view(x, w.shape), w)


def _windows(x: Any, w: Any) -> Any:
    return np.lib.stride_tricks.sliding_window_view(x, w.shape)


CORRELATE = Exercise(
    "correlate", "Slide and add up", correlate, spec=stub.correlate_spec,
    oracle=lambda x, w: F.conv2d(cutaway.tensor(x)[None, None], cutaway.tensor(w)[None, None])[0, 0],
    draw=lambda d, n: (d.array(n + 2, n + 1), d.array(*((1, 2), (2, 2), (2, 1), (2, 2), (3, 2))[n - 1])),
    wrong=[
        Wrong(lambda x, w: correlate(x, w[::-1, ::-1]), "The kernel is turned round: that is the convolution of mathematics, here it stays as it is."),
        Wrong(lambda x, w: correlate(x, w) / w.size, "It takes a mean: add the products up."),
        Wrong(lambda x, w: correlate(np.pad(x, [(0, k - 1) for k in w.shape]), w), "It is as large as x: only places where the whole kernel fits count, without a frame."),
        Wrong(lambda x, w: _windows(x, w).sum((-1, -2)), "The kernel's numbers are not there: multiply before you add up."),
        Wrong(lambda x, w: correlate(x, w[::-1]), "The kernel's rows are upside down."),
        Wrong(lambda x, w: (_windows(x, w) * w).max((-1, -2)), "It takes the largest product: add all of them up."),
        Wrong(lambda x, w: correlate(x, w)[:-1, :-1], "The last row and the last column of places are missing: there are H - KH + 1."),
    ],
)  # fmt: skip


def out_size(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


OUT_SIZE = Exercise(
    "out_size", "How much comes out", out_size, spec=stub.out_size_spec, show="table",
    oracle=lambda s, k, t, p: F.max_pool1d(F.pad(cutaway.zeros(1, 1, s), (p, p)), k, t).shape[-1],
    cases=((28, 5, 1, 0), (28, 5, 1, 2), (7, 3, 2, 0), (8, 3, 2, 0)),
    draw=lambda d, n: (d.integer(3, 4 + 2 * n), d.integer(1, 3), d.integer(1, 3), d.integer(0, 2)),
    wrong=[
        Wrong(lambda s, k, t, p: (s + 2 * p - k) // t, "One place is missing: the kernel fits where it begins, too (+ 1)."),
        Wrong(lambda s, k, t, p: (s + p - k) // t + 1, "The padding is at both ends: it counts twice."),
        Wrong(lambda s, k, t, p: (s - k) // t + 1, "The padding is missing."),
        Wrong(lambda s, k, t, p: s + 2 * p - k + 1, "The stride is missing: only every stride-th place counts."),
        Wrong(lambda s, k, t, p: -(-(s + 2 * p - k) // t) + 1, "It rounds up: a place where the kernel hangs over the end does not count."),
        Wrong(lambda s, k, t, p: (s + 2 * p - k) / t + 1, "There are no half places: round down (//)."),
        Wrong(lambda s, k, t, p: (s + 2 * p - k + 1) // t, "The 1 comes after the division: the first place counts whatever the stride."),
    ],
)  # fmt: skip


def pad(x: Any, padding: int) -> Any:
    return np.pad(x, padding)


PAD = Exercise(
    "pad", "A frame of zeros", pad, spec=stub.pad_spec, draw=lambda d, n: (d.apart(n, n + 1), d.integer(1, 2)),
    oracle=lambda x, p: F.pad(cutaway.tensor(x), (p, p, p, p)),
    wrong=[
        Wrong(lambda x, p: np.pad(x, ((0, p), (0, p))), "There are zeros below and to the right only: the frame goes all around."),
        Wrong(lambda x, p: np.pad(x, ((p, 0), (p, 0))), "There are zeros above and to the left only: the frame goes all around."),
        Wrong(lambda x, p: np.pad(x, ((0, 0), (p, p))), "Rows are missing above and below."),
        Wrong(lambda x, p: np.pad(x, ((p, p), (0, 0))), "Columns are missing at the left and right."),
        Wrong(lambda x, p: np.pad(x, p, mode="edge"), "The frame repeats the edge: it is of zeros."),
        Wrong(lambda x, p: np.pad(x, p, constant_values=1.0), "The frame is of ones: zeros add nothing to a sum."),
        Wrong(lambda x, p: np.pad(x, 2 * p), "The frame is twice as wide: `padding` on each side."),
    ],
)  # fmt: skip


# --- im2col -----------------------------------------------------------------------------------------------------------


def _patches(x: Any, kernel: int, stride: int, padding: int) -> Any:
    """[N, C, OH, OW, K, K]"""
    framed = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    return np.lib.stride_tricks.sliding_window_view(framed, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]


def im2col(x: Any, kernel: int, stride: int, padding: int, *, order: tuple[int, ...] = (0, 2, 3, 1, 4, 5)) -> Any:
    p = _patches(x, kernel, stride, padding)
    return p.transpose(order).reshape(p.shape[0] * p.shape[2] * p.shape[3], -1)


def _images(d: Numbers, n: int) -> tuple[Any, ...]:
    kernel = 1 if n == 1 else 2
    return d.array(min(n, 2), min(n, 2), kernel + n // 2, kernel + (n + 1) // 2), kernel, d.integer(1, 2), d.integer(0, 1)


def _unfold(x: Any, kernel: int, stride: int, padding: int) -> Any:
    found = F.unfold(cutaway.tensor(x), kernel, padding=padding, stride=stride)
    return found.transpose(1, 2).reshape(-1, found.shape[1])


IM2COL = Exercise(
    "im2col", "Patches as rows", im2col, spec=stub.im2col_spec, oracle=_unfold, draw=_images,
    cases=((np.arange(24.0).reshape(2, 1, 3, 4), 2, 1, 0),), example=(np.arange(9.0).reshape(1, 1, 3, 3), 2, 1, 0),
    wrong=[
        Wrong(lambda *a: im2col(*a, order=(0, 2, 3, 4, 5, 1)), "Within a row the channels come last: channel by channel, then the pixels."),
        Wrong(lambda *a: im2col(*a).T, "Patches are columns: each is a row here."),
        Wrong(lambda *a: im2col(*a, order=(2, 3, 0, 1, 4, 5)), "Rows go place by place: image by image, then the places."),
        Wrong(lambda *a: im2col(*a, order=(0, 3, 2, 1, 4, 5)), "Places go down first: from left to right, then the next row of places."),
        Wrong(lambda *a: im2col(*a, order=(0, 2, 3, 1, 5, 4)), "Each patch is transposed: read it row by row."),
        Wrong(lambda x, k, s, p: im2col(x, k, 1, p), "The stride is not used."),
        Wrong(lambda x, k, s, p: im2col(x, k, s, 0), "The frame of zeros is missing."),
        Wrong(lambda x, k, s, p: _patches(x, k, s, p).transpose(0, 2, 3, 1, 4, 5), "There are six axes: reshape to two, a row for each patch."),
    ],
)  # fmt: skip


def conv(x: Any, w: Any, b: Any, stride: int, padding: int) -> Any:
    n, filters = len(x), len(w)
    high, wide = (out_size(s, w.shape[2], stride, padding) for s in x.shape[2:])
    rows = im2col(x, w.shape[2], stride, padding) @ w.reshape(filters, -1).T + b
    return rows.reshape(n, high, wide, filters).transpose(0, 3, 1, 2)


def _layer(d: Numbers, n: int) -> tuple[Any, ...]:
    x, kernel, stride, padding = _images(d, n)
    return x, d.array(min(n, 3), x.shape[1], kernel, kernel), d.array(min(n, 3)), stride, padding


def _conv2d(x: Any, w: Any, b: Any, stride: int, padding: int) -> Any:
    x, w, b = map(cutaway.tensor, (x, w, b))
    return F.conv2d(x, w, b, stride=stride, padding=padding)


def _conv_unturned(x: Any, w: Any, b: Any, stride: int, padding: int) -> Any:
    """The rows of im2col laid out as if filters came before places."""
    y = conv(x, w, b, stride, padding)
    return y.transpose(0, 2, 3, 1).reshape(y.shape)


CONV = Exercise(
    "conv", "A convolutional layer", conv, spec=stub.conv_spec, oracle=_conv2d, draw=_layer,
    example=(Numbers(3).array(1, 2, 3, 3), Numbers(4).array(2, 2, 2, 2), np.array([0.5, -1.0]), 1, 0),
    wrong=[
        Wrong(lambda x, w, b, s, p: conv(x, w, 0 * b, s, p), "The bias is missing: one number for each filter."),
        Wrong(lambda x, w, b, s, p: conv(x, w[:, :, ::-1, ::-1], b, s, p), "The filters are turned round: lay them on as they are."),
        Wrong(lambda x, w, b, s, p: conv(x[:, :1], w[:, :1], b, s, p), "Only the first channel is seen: a filter has a plane for each, and adds them up."),
        Wrong(lambda x, w, b, s, p: conv(x, w, b, s, 0), "The padding is not used."),
        Wrong(lambda x, w, b, s, p: conv(x, w, b, 1, p), "The stride is not used."),
        Wrong(lambda x, w, b, s, p: conv(x, w, b, s, p).transpose(0, 2, 3, 1), "The filters are the last axis: transpose to [N, F, OH, OW]."),
        Wrong(_conv_unturned, "The shape is right, the numbers are mixed up: reshape to [N, OH, OW, F] first, then transpose."),
        Wrong(lambda x, w, b, s, p: conv(x, np.repeat(w.mean(1, keepdims=True), w.shape[1], 1), b, s, p), "Each channel has weights of its own: they are averaged here."),
    ],
)  # fmt: skip


# --- the way back -----------------------------------------------------------------------------------------------------


def col2im(columns: Any, shape: Any, kernel: int, stride: int, padding: int, *, put: str = "add", crop: bool = True) -> Any:
    n, channels, height, width = shape
    high, wide = (out_size(s, kernel, stride, padding) for s in (height, width))
    patches = columns.reshape(n, high, wide, channels, kernel, kernel).transpose(0, 3, 4, 5, 1, 2)
    framed = np.zeros((n, channels, height + 2 * padding, width + 2 * padding), columns.dtype)
    count = np.zeros_like(framed)
    for a in range(kernel):
        for b in range(kernel):
            at = (..., slice(a, a + stride * high, stride), slice(b, b + stride * wide, stride))
            framed[at] = patches[:, :, a, b] + (framed[at] if put != "set" else 0.0)
            count[at] += 1
    framed = framed / np.maximum(count, 1) if put == "mean" else framed
    return framed[:, :, padding : padding + height, padding : padding + width] if crop else framed


def _columns(d: Numbers, n: int) -> tuple[Any, ...]:
    x, kernel, stride, padding = _images(d, n)
    rows, wide = im2col(x, kernel, stride, padding).shape
    return d.array(rows, wide), x.shape, kernel, stride, padding


COL2IM = Exercise(
    "col2im", "Rows back into pictures", col2im, spec=stub.col2im_spec, draw=_columns,
    cases=((np.arange(1.0, 17.0).reshape(4, 4), (1, 1, 3, 3), 2, 1, 0),), example=(np.ones((4, 4)), (1, 1, 3, 3), 2, 1, 0),
    wrong=[
        Wrong(lambda *a: col2im(*a, put="set"), "Overlapping patches overwrite one another: they add up (+=)."),
        Wrong(lambda *a: col2im(*a, put="mean"), "It takes a mean where patches overlap: gradients add up."),
        Wrong(lambda *a: col2im(*a, crop=False), "The frame is still there: cut it off, nothing asks for its gradient."),
        Wrong(lambda c, s, k, t, p: col2im(c.reshape(len(c), s[1], k, k).transpose(0, 1, 3, 2), s, k, t, p), "Each patch is transposed."),
        Wrong(lambda c, s, k, t, p: col2im(c[::-1], s, k, t, p), "The rows are taken from the end: the first row is the first image's upper left."),
        Wrong(lambda c, s, k, t, p: col2im(c.reshape(len(c), k, k, s[1]).transpose(0, 3, 1, 2), s, k, t, p), "Channels come first in a row: [C, K, K]."),
    ],
)  # fmt: skip


def conv_backward(g: Any, x: Any, w: Any, stride: int, padding: int, *, put: str = "add") -> Any:
    filters, _, kernel, _ = w.shape
    rows = g.transpose(0, 2, 3, 1).reshape(-1, filters)
    gx = col2im(rows @ w.reshape(filters, -1), x.shape, kernel, stride, padding, put=put)
    return gx, (rows.T @ im2col(x, kernel, stride, padding)).reshape(w.shape), rows.sum(0)


def _slopes_of_conv(g: Any, x: Any, w: Any, stride: int, padding: int) -> Any:
    b = np.zeros(len(w))
    return (
        slope(lambda x: conv(x, w, b, stride, padding), x, g),
        slope(lambda w: conv(x, w, b, stride, padding), w, g),
        slope(lambda b: conv(x, w, b, stride, padding), b, g),
    )


def _library_backward(g: Any, x: Any, w: Any, stride: int, padding: int) -> Any:
    x, w, b = (cutaway.tensor(a, requires_grad=True) for a in (x, w, np.zeros(len(w))))
    F.conv2d(x, w, b, stride=stride, padding=padding).backward(cutaway.tensor(g))
    return x.grad, w.grad, b.grad


def _gradient(d: Numbers, n: int) -> tuple[Any, ...]:
    kernel = 1 if n == 1 else 2
    x = d.array(*((1, 1, 1, 2), (2, 1, 2, 3), (1, 2, 2, 3), (2, 1, 3, 3), (2, 2, 3, 3))[n - 1])
    w = d.array(1 + n // 4, x.shape[1], kernel, kernel)
    stride, padding = d.integer(1, 2), d.integer(0, 1)
    high, wide = (out_size(s, kernel, stride, padding) for s in x.shape[2:])
    return d.array(len(x), len(w), high, wide), x, w, stride, padding


CONV_BACKWARD = Exercise(
    "conv_backward", "A convolutional layer, backward", conv_backward, spec=_slopes_of_conv, oracle=_library_backward, draw=_gradient,
    wrong=[
        Wrong(lambda *a: conv_backward(*a, put="set"), "Where patches overlap x's gradients overwrite one another: they add up."),
        Wrong(lambda *a: (conv_backward(*a)[0], conv_backward(*a)[1], a[0].sum((2, 3))), "The bias's gradient is not summed over the images: one bias serves them all."),
        Wrong(lambda *a: (*conv_backward(*a)[:2], conv_backward(*a)[2] / a[0][:, 0].size), "The bias's gradient is a mean: each place adds to it."),
        Wrong(lambda *a: (conv_backward(*a)[0], conv_backward(*a)[1][..., ::-1, ::-1], conv_backward(*a)[2]), "The filters' gradient is turned round."),
        Wrong(lambda g, x, w, s, p: (conv_backward(g, x, w[:, :, ::-1, ::-1], s, p)[0], *conv_backward(g, x, w, s, p)[1:]),
              "For x's gradient the filters are turned round twice: rows times filters, then col2im, turns nothing."),
        Wrong(lambda *a: (conv_backward(*a)[0], conv_backward(*a)[1] / len(a[1]), conv_backward(*a)[2]), "The filters' gradient is a mean over the images: the loss has that in g already."),
        Wrong(lambda *a: tuple(conv_backward(*a)[i] for i in (1, 0, 2)), "The gradients of x and w are swapped: x, w, b."),
        Wrong(lambda *a: conv_backward(*a)[:2], "The bias's gradient is missing: (x's, w's, b's)."),
    ],
)  # fmt: skip


# --- pooling ----------------------------------------------------------------------------------------------------------


def _squares(x: Any, size: int) -> Any:
    """[N, C, H/size, W/size, size size]"""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // size, size, w // size, size).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // size, w // size, -1)


def maxpool(x: Any, size: int) -> Any:
    return _squares(x, size).max(-1)


def _pooled(d: Numbers, n: int) -> tuple[Any, ...]:
    size = (2, 2, 3, 2, 2)[n - 1]
    return d.distinct(min(n, 2), (1, 1, 2, 2, 3)[n - 1], size * (1 + n // 3), size * (1 + n // 2)), size


MAXPOOL = Exercise(
    "maxpool", "Max pooling", maxpool, spec=stub.maxpool_spec, draw=_pooled, example=(Numbers(1).distinct(1, 1, 4, 6), 2),
    oracle=lambda x, size: F.max_pool2d(cutaway.tensor(x), size),
    wrong=[
        Wrong(lambda x, size: _squares(x, size).mean(-1), "It takes the mean: the largest number counts."),
        Wrong(lambda x, size: _squares(x, size).sum(-1), "It adds up: the largest number counts."),
        Wrong(lambda x, size: _patches(x, size, 1, 0).max((-1, -2)), "The squares overlap: they lie side by side, the stride is their size."),
        Wrong(lambda x, size: _squares(x, size).max(-1).max(1, keepdims=True), "It takes the largest of all channels: each channel is pooled by itself."),
        Wrong(lambda x, size: x[:, :, ::size, ::size], "It takes the first number of each square: the largest."),
        Wrong(lambda x, size: np.abs(_squares(x, size)).max(-1), "It takes the largest in size: -3 is below 1."),
        Wrong(lambda x, size: _squares(x, size).argmax(-1).astype(float), "That is where the largest is (argmax): give the number itself."),
    ],
)  # fmt: skip


def _spread(g: Any, x: Any, size: int, give: Callable[[Any], Any]) -> Any:
    """g times what each place of a square gets, back in x's shape."""
    n, c, h, w = x.shape
    shares = give(_squares(x, size)) * g[..., None]
    return shares.reshape(n, c, h // size, w // size, size, size).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)


def _largest(s: Any) -> Any:
    return np.eye(s.shape[-1])[s.argmax(-1)]


def maxpool_backward(g: Any, x: Any, size: int) -> Any:
    return _spread(g, x, size, _largest)


def _pooled_back(d: Numbers, n: int) -> tuple[Any, ...]:
    x, size = _pooled(d, min(n, 4))
    return d.apart(*x.shape[:2], x.shape[2] // size, x.shape[3] // size), x, size


def _library_pooled_back(g: Any, x: Any, size: int) -> Any:
    x = cutaway.tensor(x, requires_grad=True)
    F.max_pool2d(x, size).backward(cutaway.tensor(g))
    return x.grad


MAXPOOL_BACKWARD = Exercise(
    "maxpool_backward", "Max pooling, backward", maxpool_backward, draw=_pooled_back, free=False,
    example=(np.arange(1.0, 7.0).reshape(1, 1, 2, 3), Numbers(1).distinct(1, 1, 4, 6), 2),
    spec=stub.maxpool_backward_spec, oracle=_library_pooled_back,
    cases=((np.array([[[[2.0]]]]), np.array([[[[0.0, 1.0], [1.0, 1.0]]]]), 2),),
    wrong=[
        Wrong(lambda g, x, size: _spread(g, x, size, lambda s: (s == s.max(-1, keepdims=True)).astype(float)),
              "Of equal numbers all get the gradient, and it counts several times: one gets it, the first."),
        Wrong(lambda g, x, size: _spread(g, x, size, lambda s: _largest(s[..., ::-1])[..., ::-1]), "Of equal numbers the last gets it: as in the library, the first does."),
        Wrong(lambda g, x, size: _spread(g, x, size, np.ones_like), "All of a square get the gradient: only the largest had a part in the result."),
        Wrong(lambda g, x, size: _spread(g, x, size, lambda s: np.ones_like(s) / s.shape[-1]), "That is the mean's gradient, shared out: the largest gets all of it."),
        Wrong(lambda g, x, size: _spread(g, x, size, lambda s: _largest(-s)), "The smallest gets it: the largest."),
        Wrong(lambda g, x, size: _spread(g, x, size, lambda s: np.eye(s.shape[-1])[0] * np.ones_like(s)), "The first of each square gets it, wherever the largest was."),
        Wrong(lambda g, x, size: _spread(g, x, size, lambda s: _largest(s) * s), "The gradient is multiplied by the number itself: passing on has slope 1."),
        Wrong(lambda g, x, size: _spread(g, x, size, lambda s: _largest(s)[..., ::-1]), "It arrives at the mirrored place of the square."),
        Wrong(lambda g, x, size: g, "That is g itself: lay it out in the shape of x."),
    ],
)  # fmt: skip


EXERCISES = (CORRELATE, OUT_SIZE, PAD, IM2COL, CONV, COL2IM, CONV_BACKWARD, MAXPOOL, MAXPOOL_BACKWARD)


# --- plugs ------------------------------------------------------------------------------------------------------------


def _one(name: str, value: Any) -> int:
    """The number of a pair of equal ones.  Raises ArgumentError."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(set(pair)) != 1 or not isinstance(pair[0], int):
        raise ArgumentError(f"your layer takes one number for {name}, and here it is {value}; use the library's for this network")
    return int(pair[0])


def _plain(name: str, value: Any, usual: int) -> None:
    """Raises ArgumentError unless an option that the exercise leaves out has its usual value."""
    if _one(f"the {name}", value) != usual:
        raise ArgumentError(f"your layer has a {name} of {usual}, and here it is {value}; use the library's for this network")


def convolver(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Tensor]:
    """F.conv2d of the two answers: square filters, all channels seen by each."""
    convolves = arrays(forward, lambda g, x, w, b, stride, padding: backward(g, x, w, stride, padding), name="conv2d")

    def conv2d(input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
               groups: int = 1) -> Tensor:  # fmt: skip
        _plain("dilation", dilation, 1)
        _plain("groups", groups, 1)
        b = cutaway.zeros(len(weight)) if bias is None else bias
        return convolves(input, weight, b, _one("the stride", stride), _one("the padding", padding))

    return conv2d


def pooler(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Tensor]:
    """F.max_pool2d of the two answers: squares side by side."""
    pools = arrays(forward, lambda g, x, size: backward(g, x, size), name="max_pool2d")

    def max_pool2d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Tensor:
        _plain("padding", padding, 0)
        _plain("dilation", dilation, 1)
        size = _one("the size", kernel_size)
        if stride is not None and _one("the stride", stride) != size:
            raise ArgumentError("your pooling lays squares side by side, and here they overlap; use the library's for this network")
        return pools(input, size)

    return max_pool2d


PLUGS = (
    Plug(("conv", "conv_backward"), lambda f, b: {"conv2d": convolver(f, b)}, ("conv2d",)),
    Plug(("maxpool", "maxpool_backward"), lambda f, b: {"max_pool2d": pooler(f, b)}, ("max_pool2d",)),
)
