"""Normalisations, and softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core.aval import normalize_dim
from cutaway.interop.onnx.graph import Composite, Term
from cutaway.interop.onnx.sizes import Size
from cutaway.interop.onnx.write import Declined, Writer


def _filled(w: Writer, t: Term | None, value: float, shape: tuple[int, ...], like: Term) -> str:
    """A parameter, or what stands for one that is not there."""
    if t is not None:
        return _alike(w, t, like)
    if any(isinstance(n, Size) for n in shape):
        raise Declined("channels along a dynamic axis")
    return w.constant(np.full(shape, value), like.dtype)


def _alike(w: Writer, t: Term, like: Term) -> str:
    if t.dtype != like.dtype:
        raise Declined("parameters of another dtype")
    return w.name(t)


def batch_norm(w: Writer, c: Composite) -> str:
    """BatchNormalization with known statistics."""
    x, mean, var = c["input"], c["running_mean"], c["running_var"]
    if c["training"] or mean is None or var is None:
        raise Declined("statistics of the batch")
    scale, shift = (_filled(w, c[k], v, (x.shape[1],), x) for k, v in (("weight", 1.0), ("bias", 0.0)))
    return w.node("BatchNormalization", w.name(x), scale, shift, w.name(mean), w.name(var), epsilon=float(c["eps"]))


def instance_norm(w: Writer, c: Composite) -> str:
    """InstanceNormalization; with known statistics, BatchNormalization."""
    x = c["input"]
    scale, shift = (_filled(w, c[k], v, (x.shape[1],), x) for k, v in (("weight", 1.0), ("bias", 0.0)))
    eps = float(c["eps"])
    if not c["use_input_stats"]:
        mean, var = c["running_mean"], c["running_var"]
        return w.node("BatchNormalization", w.name(x), scale, shift, w.name(mean), w.name(var), epsilon=eps)
    if c["running_mean"] is not None or c["running_var"] is not None:
        raise Declined("statistics that are followed")
    return w.node("InstanceNormalization", w.name(x), scale, shift, epsilon=eps)


def layer_norm(w: Writer, c: Composite) -> str:
    """LayerNormalization."""
    w.need(17, "LayerNormalization")
    x, shape = c["input"], c["normalized_shape"]
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    scale = _filled(w, c["weight"], 1.0, shape, x)
    bias = "" if c["bias"] is None else _alike(w, c["bias"], x)
    return w.node("LayerNormalization", w.name(x), scale, bias, axis=-len(shape), epsilon=float(c["eps"]))


def rms_norm(w: Writer, c: Composite) -> str:
    """RMSNormalization."""
    w.need(23, "RMSNormalization")
    x, shape = c["input"], c["normalized_shape"]
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    eps = float(np.finfo(x.dtype).eps) if c["eps"] is None else float(c["eps"])
    return w.node("RMSNormalization", w.name(x), _filled(w, c["weight"], 1.0, shape, x), axis=-len(shape), epsilon=eps)


def group_norm(w: Writer, c: Composite) -> str:
    """GroupNormalization; before opset 21 (where its scale is one a channel) InstanceNormalization of the groups."""
    x, groups, eps = c["input"], int(c["num_groups"]), float(c["eps"])
    channels = x.shape[1]
    if isinstance(channels, Size):
        raise Declined("channels along a dynamic axis")
    if w.opset >= 21:
        scale, shift = (_filled(w, c[k], v, (channels,), x) for k, v in (("weight", 1.0), ("bias", 0.0)))
        return w.node("GroupNormalization", w.name(x), scale, shift, num_groups=groups, epsilon=eps)
    ones, zeros = (w.constant(np.full(groups, v), x.dtype) for v in (1.0, 0.0))
    y = w.node("Reshape", w.name(x), w.ints([0, groups, -1]))
    y = w.node("InstanceNormalization", y, ones, zeros, epsilon=eps)
    known = not any(isinstance(n, Size) for n in x.shape[1:])
    whole = w.ints([0, *x.shape[1:]]) if known else w.node("Shape", w.name(x))
    y = w.node("Reshape", y, whole)
    for op_type, t in (("Mul", c["weight"]), ("Add", c["bias"])):
        if t is not None:
            y = w.node(op_type, y, _column(w, t, x))
    return y


def _column(w: Writer, t: Term, like: Term) -> str:
    """A number a channel, as it broadcasts over [N, C, ...]."""
    held = _alike(w, t, like)
    shape = [int(t.shape[0]), *[1] * (like.ndim - 2)]
    array = t.alike()
    if array is None:
        return w.node("Reshape", held, w.ints(shape))
    return w.constant(array.reshape(shape), hint=f"{t.source.name if t.source else 'scale'}.column")


def local_response_norm(w: Writer, c: Composite) -> str:
    """LRN, whose windows lie as ours where their size is odd."""
    if int(c["size"]) % 2 == 0:
        raise Declined("windows of even size lie otherwise there")
    options: dict[str, Any] = {"alpha": float(c["alpha"]), "beta": float(c["beta"]), "bias": float(c["k"])}
    return w.node("LRN", w.name(c["input"]), size=int(c["size"]), **options)


def soft(op_type: str, argument: str) -> Callable[[Writer, Composite], str]:
    """Softmax or LogSoftmax."""

    def convert(w: Writer, c: Composite) -> str:
        x, result = c[argument], c.at
        if not x.ndim:
            raise Declined("a single number")
        held = w.name(x) if x.dtype == result.dtype else w.cast(w.name(x), result.dtype)
        dim = c["dim"]
        d = (0 if x.ndim in (1, 3) else 1) if dim is None else normalize_dim(int(dim), x.ndim, op_type)
        return w.node(op_type, held, axis=d)

    return convert


def _either(op_type: str) -> Callable[[Writer, Composite], str]:
    """The function and the method of one name differ in what they call their argument."""
    return lambda w, c: soft(op_type, "input" if "input" in c.arguments else "x")(w, c)


COMPOSITES: dict[str, Callable[[Writer, Composite], Any]] = {
    "batch_norm": batch_norm, "instance_norm": instance_norm, "layer_norm": layer_norm, "rms_norm": rms_norm,
    "group_norm": group_norm, "local_response_norm": local_response_norm, "softmax": _either("Softmax"),
    "log_softmax": _either("LogSoftmax"),
}  # fmt: skip
