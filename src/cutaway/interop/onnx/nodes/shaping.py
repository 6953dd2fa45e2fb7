"""Composites that move or look up values: pad, interpolate, pixel_shuffle, fold, embedding, one_hot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.functional._check import n_tuple
from cutaway.interop.onnx.graph import Composite
from cutaway.interop.onnx.sizes import each
from cutaway.interop.onnx.write import INT64, Declined, Writer

# PyTorch's name of a mode: ONNX's, and the opset since which.
PADS = {"constant": ("constant", 11), "reflect": ("reflect", 11), "replicate": ("edge", 11), "circular": ("wrap", 19)}


def pad(w: Writer, c: Composite) -> str:
    """Pad."""
    x, amounts = c["input"], [int(p) for p in c["pad"]]
    mode, since = PADS.get(c["mode"], ("", 99))
    w.need(since, f"Pad with mode {mode!r}")
    if not any(amounts) or min(amounts) < 0:
        raise Declined("nothing to pad, or less")
    low, high = [0] * x.ndim, [0] * x.ndim
    for i, (a, b) in enumerate(zip(amounts[::2], amounts[1::2])):
        low[-1 - i], high[-1 - i] = a, b
    value = w.scalar(c["value"] or 0, x) if mode == "constant" else ""
    return w.node("Pad", w.name(x), w.ints([*low, *high]), value, mode=None if mode == "constant" else mode)


def interpolate(w: Writer, c: Composite) -> str:
    """Resize."""
    x, mode, corners = c["input"], c["mode"], bool(c["align_corners"])
    kind = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}
    if mode not in kind or x.dtype.kind != "f":
        raise Declined("another way to choose pixels")
    out, n = c.at.shape[2:], x.ndim - 2
    factor = c["scale_factor"]
    if mode == "nearest" and any(each(lambda o, m: o % m, o, m) for o, m in zip(out, x.shape[2:])):
        raise Declined("onnxruntime's rounding of positions")  # 9 pixels to 3 would be 0, 2, 5
    where = "asymmetric" if mode == "nearest" else "align_corners" if corners else "half_pixel"
    options: dict[str, Any] = {
        "mode": kind[mode], "coordinate_transformation_mode": where,
        "nearest_mode": "floor" if mode == "nearest" else None, "cubic_coeff_a": -0.75 if mode == "bicubic" else None,
    }  # fmt: skip
    if factor is not None and not c["recompute_scale_factor"]:
        factors = [float(f) for f in factor] if isinstance(factor, tuple) else [float(factor)] * n
        whole = all(f == int(f) for f in factors)
        if not whole and mode != "bicubic":
            raise Declined("PyTorch's rounding of positions")
        scales = w.constant(np.array([1.0, 1.0, *factors], np.float32))
        return w.node("Resize", w.name(x), "", scales, **options)
    return w.node("Resize", w.name(x), "", "", w.ints([*x.shape[:2], *out]), **options)


def pixel_shuffle(w: Writer, c: Composite) -> str:
    """DepthToSpace, in the order of channels, rows, columns."""
    if c["input"].ndim != 4:
        raise Declined("no images in a batch")
    return w.node("DepthToSpace", w.name(c["input"]), blocksize=int(c["upscale_factor"]), mode="CRD")


def fold(w: Writer, c: Composite) -> str:
    """Col2Im."""
    w.need(18, "Col2Im")
    x = c["input"]
    if x.ndim != 3:
        raise Declined("no batch")
    size, kernel, dilation, stride = (
        n_tuple("fold", k, c[k], 2, 1) for k in ("output_size", "kernel_size", "dilation", "stride")
    )
    padding = n_tuple("fold", "padding", c["padding"], 2, 0)
    return w.node(
        "Col2Im", w.name(x), w.ints(size), w.ints(kernel), dilations=list(dilation), strides=list(stride),
        pads=[*padding, *padding],
    )  # fmt: skip


def embedding(w: Writer, c: Composite) -> str:
    """Gather of rows."""
    if c["max_norm"] is not None:
        raise Declined("rows that are shortened")
    index = c["input"]
    at = w.name(index) if index.dtype in (INT64, np.dtype(np.int32)) else w.cast(w.name(index), INT64)
    return w.node("Gather", w.name(c["weight"]), at, axis=0)


def one_hot(w: Writer, c: Composite) -> str:
    """OneHot."""
    classes = c.at.shape[-1]
    return w.node("OneHot", w.name(c["tensor"]), w.ints([classes]), w.constant([0, 1], INT64), axis=-1)


COMPOSITES: dict[str, Callable[[Writer, Composite], Any]] = {
    "pad": pad, "interpolate": interpolate, "pixel_shuffle": pixel_shuffle, "fold": fold, "embedding": embedding,
    "one_hot": one_hot,
}  # fmt: skip
