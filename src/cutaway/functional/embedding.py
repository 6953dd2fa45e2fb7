"""Integers as vectors: a table that is looked up, and the one-hot code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cutaway.core.autograd import no_grad
from cutaway.core.aval import show
from cutaway.core.errors import (
    ArgumentError,
    AssertedError,
    DTypeError,
    IndexOutOfRange,
    ShapeError,
    TraceError,
)
from cutaway.core.functions import from_numpy, zeros
from cutaway.core.op import composite
from cutaway.core.ops.elementwise import where
from cutaway.functional._check import integer, is_tensor, known

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor


@composite(r"W_{i}")
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of a table.  input int [...], weight[V, D] -> [..., D].

    padding_idx: the row that gets no gradient.  max_norm: rows that are looked up and longer than this (in the
    norm_type-norm) are shortened in place first.  scale_grad_by_freq: a row's gradient is divided by how often the row
    is looked up.  sparse: the gradient towards `weight`, a leaf, is a sparse tensor with an entry for each lookup; it is
    dense within a compiled program and where `weight` was computed.

    Raises IndexOutOfRange for an index outside 0 .. V-1, DTypeError unless indices are integers, AssertedError for a
    padding_idx outside the table, ArgumentError for scale_grad_by_freq together with sparse.
    """
    is_tensor("embedding", input=input, weight=weight)
    if input.dtype.name not in ("int64", "int32"):
        raise DTypeError(f"embedding: input must hold integers (int64 or int32), got {show(input)}; use .long()")
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be [vocabulary, features], got {show(weight)}")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertedError(f"embedding: padding_idx {padding_idx} is out of range for weight {show(weight)}")
        padding_idx %= rows
    _in_range(input, rows)
    if max_norm is not None:
        _renormalize(input, weight, max_norm, norm_type)
    if sparse:
        from cutaway.core.sparse.rows import look_up

        if scale_grad_by_freq:
            raise ArgumentError("embedding: scale_grad_by_freq needs dense gradients; leave out sparse=True")
        found = look_up(input, weight, padding_idx)
        if found is not None:
            return found
    y: Tensor = weight[input]
    if scale_grad_by_freq:
        often = zeros((rows,), dtype=y.dtype).scatter_add(0, input.reshape((-1,)).long(), ones_like_flat(input, y))
        y = y.detach() + (y - y.detach()) / often[input].unsqueeze(-1)
    if padding_idx is None:
        return y
    return where((input == padding_idx).unsqueeze(-1), y.detach(), y)


def ones_like_flat(input: Tensor, like: Tensor) -> Tensor:
    """A 1 for each index."""
    return zeros((input.numel(),), dtype=like.dtype) + 1


@composite(r"\sum_{i \in \mathrm{bag}} W_i")
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or largest of the rows of each bag.  input int [B, L], or [N] cut into bags at offsets[B]; weight[V, D]
    -> [B, D].

    per_sample_weights, of input's shape, weighs the rows (mode "sum"); rows of padding_idx count for nothing; an empty
    bag gives zeros.  include_last_offset: offsets[B + 1] ends with N.
    Raises ArgumentError for another mode and for offsets that do not begin with 0 or come together with a 2-d input,
    ShapeError, and what `embedding` raises.
    """
    op = "embedding_bag"
    is_tensor(op, input=input, weight=weight)
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(f"{op}: mode {mode!r} is unknown; use 'sum', 'mean' or 'max'")
    if per_sample_weights is not None:
        if mode != "sum":
            raise ArgumentError(f"{op}: per_sample_weights is for mode='sum', got mode={mode!r}")
        if tuple(per_sample_weights.shape) != tuple(input.shape):
            raise ShapeError(
                f"{op}: per_sample_weights {show(per_sample_weights)} must have the shape of input {show(input)}"
            )
    there, at = _bags(op, input, offsets, include_last_offset)
    index, scale = input, per_sample_weights
    if at is not None:
        index = input[at] if input.numel() else at
        scale = None if scale is None else scale[at]
    if padding_idx is not None:
        there = there & (index != padding_idx % weight.shape[0])
    options = (weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if sparse and at is not None and input.numel():  # a sparse gradient has an entry for each index, and none for the gaps
        rows = embedding(input, *options)[at]
    else:
        rows = embedding(index, *options)
    if scale is not None:
        rows = rows * scale.unsqueeze(-1)
    mask = there.unsqueeze(-1)
    if mode == "max":
        if not index.shape[1]:
            return zeros((index.shape[0], weight.shape[1]), dtype=weight.dtype)
        top = rows.masked_fill(~mask, -float("inf")).max(1)[0]
        return top.masked_fill(~there.any(1, keepdim=True), 0.0)
    total = rows.masked_fill(~mask, 0.0).sum(1)
    return total if mode == "sum" else total / there.sum(1, keepdim=True).clamp(min=1).to(total.dtype)


def _bags(op: str, input: Tensor, offsets: Tensor | None, last: bool) -> tuple[Tensor, Tensor | None]:
    """Which of the L places of each bag are filled, bool[B, L]; and for a flat input what stands there, int64[B, L]."""
    if input.ndim == 2:
        if offsets is not None:
            raise ArgumentError(f"{op}: a 2-d input is one bag a row; leave out offsets, got {show(offsets)}")
        return input == input, None
    if input.ndim != 1 or offsets is None or offsets.ndim != 1:
        raise ArgumentError(
            f"{op}: expected input[B, L], or input[N] with offsets[B], got {show(input)} and offsets "
            f"{'None' if offsets is None else show(offsets)}"
        )
    integer(op, "offsets", offsets)
    starts = known(offsets)
    if starts is None:
        raise TraceError(f"{op}: offsets must be known while a program is traced; give a 2-d input")
    n = input.shape[0]
    if starts.size and (starts[0] != 0 or starts.max() > n):
        raise ArgumentError(f"{op}: offsets must begin with 0 and lie within the {n} indices, got {starts.tolist()}")
    ends = starts[1:] if last else np.append(starts[1:], n)
    starts = starts[: len(ends)]
    lengths = np.maximum(ends - starts, 0)
    place = np.arange(lengths.max(initial=0))
    there = place < lengths[:, None]
    return from_numpy(there), from_numpy(np.where(there, starts[:, None] + place, 0).astype(np.int64))


def _in_range(input: Tensor, rows: int) -> None:
    values = known(input)
    if values is None or not values.size:
        return
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= rows:
        raise IndexOutOfRange(
            f"embedding: index {low if low < 0 else high} is out of range for a table of {rows} rows (valid: 0 to "
            f"{rows - 1}); enlarge num_embeddings, or check the tokens"
        )


def _renormalize(input: Tensor, weight: Tensor, max_norm: float, norm_type: float) -> None:
    with no_grad():
        used = input.reshape((-1,)).unique()
        rows = weight[used]
        length = rows.norm(norm_type, 1, keepdim=True)
        weight[used] = where(length > max_norm, rows * (max_norm / (length + 1e-7)), rows)


@composite(r"[i = j]_j")
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class, 0 elsewhere.  tensor int64 [...] -> int64 [..., C]; -1 takes C = largest class + 1.

    Raises IndexOutOfRange for a class outside 0 .. C-1, DTypeError unless the input is int64.
    """
    is_tensor("one_hot", tensor=tensor)
    if tensor.dtype.name != "int64":
        raise DTypeError(f"one_hot: classes must be int64, got {show(tensor)}; convert them with .long()")
    values = known(tensor)
    if num_classes == -1:
        if not tensor.numel():
            raise ArgumentError("one_hot: an empty tensor does not tell the number of classes; give num_classes")
        num_classes = int(tensor.max().item()) + 1
    if num_classes < 1 and tensor.numel():
        raise ArgumentError(
            f"one_hot: num_classes must be positive, got {num_classes}; -1 finds it from the largest class"
        )
    if values is not None and values.size and not (values.min() >= 0 and values.max() < num_classes):
        bad = int(values.min()) if values.min() < 0 else int(values.max())
        raise IndexOutOfRange(
            f"one_hot: class {bad} is out of range for num_classes={num_classes} (valid: 0 to {num_classes - 1})"
        )
    hot: Tensor = zeros((*tensor.shape, num_classes), dtype=tensor.dtype)
    return hot.scatter(-1, tensor.unsqueeze(-1), 1)
