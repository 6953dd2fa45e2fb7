"""Convolutions, transposed ones and poolings: composites of windows, and nodes of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cutaway.functional._check import n_tuple
from cutaway.functional.conv import _paddings
from cutaway.interop.onnx.graph import Composite, Term
from cutaway.interop.onnx.sizes import Size, each
from cutaway.interop.onnx.write import Declined, Writer


def _batched(w: Writer, x: Term, n: int) -> tuple[str, bool]:
    """x with a batch, and whether it had one."""
    if x.ndim == n + 2:
        return w.name(x), True
    return w.node("Unsqueeze", w.name(x), w.ints([0])), False


def _done(w: Writer, y: str, had: bool) -> str:
    return y if had else w.node("Squeeze", y, w.ints([0]))


def _optional(w: Writer, t: Term | None) -> str:
    return "" if t is None else w.name(t)


def convolution(n: int, w: Writer, c: Composite) -> str:
    """Conv."""
    x, weight = c["input"], c["weight"]
    kernel = tuple(map(int, weight.shape[2:]))
    stride, dilation = (n_tuple("conv", k, c[k], n, 1) for k in ("stride", "dilation"))
    low, high = _paddings("conv", c["padding"], kernel, dilation, stride, n)
    held, had = _batched(w, x, n)
    y = w.node(
        "Conv", held, w.name(weight), _optional(w, c["bias"]), kernel_shape=list(kernel), strides=list(stride),
        pads=[*low, *high], dilations=list(dilation), group=int(c["groups"]),
    )  # fmt: skip
    return _done(w, y, had)


def transposed(n: int, w: Writer, c: Composite) -> str:
    """ConvTranspose."""
    x, weight = c["input"], c["weight"]
    stride, dilation = (n_tuple("conv", k, c[k], n, 1) for k in ("stride", "dilation"))
    crop, extra = (n_tuple("conv", k, c[k], n, 0) for k in ("padding", "output_padding"))
    held, had = _batched(w, x, n)
    y = w.node(
        "ConvTranspose", held, w.name(weight), _optional(w, c["bias"]), kernel_shape=[int(k) for k in weight.shape[2:]],
        strides=list(stride), pads=[*crop, *crop], dilations=list(dilation), group=int(c["groups"]),
        output_padding=list(extra) if any(extra) else None,
    )  # fmt: skip
    return _done(w, y, had)


def _overhang(size: Sequence[int], kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> list[int]:
    """Padding at the far end, with what a last window hangs over in ceil_mode.  Raises Declined if it follows a size."""

    def behind(length: int, k: int, s: int, p: int, d: int) -> int:
        span = d * (k - 1) + 1
        count = -(-(length + 2 * p - span) // s) + 1
        count -= (count - 1) * s >= length + p
        return max((count - 1) * s + span - length - p, 0)

    found = []
    for length, k, s, p, d in zip(size, kernel, stride, padding, dilation):
        n = each(lambda length, k=k, s=s, p=p, d=d: behind(length, k, s, p, d), length) if ceil else p
        if isinstance(n, Size) or n > d * (k - 1):
            raise Declined("ceil_mode whose overhang follows a dynamic axis")
        found.append(int(n))
    return found


def _pooled(w: Writer, c: Composite, n: int, dilated: bool) -> tuple[list[Any], list[int]]:
    x = c["input"]
    kernel = n_tuple("pool", "kernel_size", c["kernel_size"], n, 1)
    stride = kernel if not c["stride"] else n_tuple("pool", "stride", c["stride"], n, 1)
    padding = n_tuple("pool", "padding", c["padding"], n, 0)
    dilation = n_tuple("pool", "dilation", c["dilation"], n, 1) if dilated else (1,) * n
    high = _overhang(x.shape[-n:], kernel, stride, padding, dilation, c["ceil_mode"])
    return [kernel, stride, padding, dilation], high


def max_pool(n: int, w: Writer, c: Composite) -> Any:
    """MaxPool."""
    x = c["input"]
    if c["return_indices"] or x.dtype.kind != "f":
        raise Declined("positions are counted otherwise there")
    (kernel, stride, padding, dilation), high = _pooled(w, c, n, True)
    held, had = _batched(w, x, n)
    y = w.node(
        "MaxPool", held, kernel_shape=list(kernel), strides=list(stride), pads=[*padding, *high],
        dilations=list(dilation) if set(dilation) != {1} else None,
    )  # fmt: skip
    return _done(w, y, had)


def avg_pool(n: int, w: Writer, c: Composite) -> str:
    """AveragePool; with a divisor of one's own, times the ratio of the two."""
    x, divisor = c["input"], c.arguments.get("divisor_override")
    (kernel, stride, padding, _), high = _pooled(w, c, n, False)
    if list(padding) != high and divisor is None:
        raise Declined("what hangs over the border counts otherwise there")
    held, had = _batched(w, x, n)
    y = w.node(
        "AveragePool", held, kernel_shape=list(kernel), strides=list(stride), pads=[*padding, *high],
        count_include_pad=int(c["count_include_pad"] or divisor is not None),
    )  # fmt: skip
    if divisor is not None:
        y = w.node("Mul", y, w.scalar(float(np.prod(kernel)) / divisor, x))
    return _done(w, y, had)


def adaptive(n: int, kind: str, w: Writer, c: Composite) -> Any:
    """GlobalAveragePool or GlobalMaxPool; AveragePool or MaxPool where the windows are equal."""
    x = c["input"]
    if c.arguments.get("return_indices"):
        raise Declined("positions are counted otherwise there")
    asked = c["output_size"]
    sizes = tuple(asked) if isinstance(asked, tuple) else (asked,) * n
    sizes = sizes * n if len(sizes) == 1 else sizes
    space = x.shape[-n:]
    held, had = _batched(w, x, n)
    if all(s == 1 for s in sizes):
        return _done(w, w.node(f"Global{kind}Pool", held), had)
    whole = [s if s is not None else m for s, m in zip(sizes, space)]
    if any(isinstance(m, Size) for m in space) or any(int(m) % int(s) for s, m in zip(whole, space)):
        raise Declined("windows of several sizes")
    kernel = [int(m) // int(s) for s, m in zip(whole, space)]
    return _done(w, w.node(f"{kind}Pool", held, kernel_shape=kernel, strides=kernel), had)


COMPOSITES: dict[str, Callable[[Writer, Composite], Any]] = {}
for _n in (1, 2, 3):
    COMPOSITES[f"conv{_n}d"] = partial(convolution, _n)
    COMPOSITES[f"conv_transpose{_n}d"] = partial(transposed, _n)
    COMPOSITES[f"max_pool{_n}d"] = partial(max_pool, _n)
    COMPOSITES[f"avg_pool{_n}d"] = partial(avg_pool, _n)
    COMPOSITES[f"adaptive_avg_pool{_n}d"] = partial(adaptive, _n, "Average")
    COMPOSITES[f"adaptive_max_pool{_n}d"] = partial(adaptive, _n, "Max")
