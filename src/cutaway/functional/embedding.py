"""Integers as vectors: a table that is looked up, and the one-hot code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cutaway.core.autograd import no_grad
from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, DTypeError, IndexOutOfRange, ShapeError
from cutaway.core.functions import zeros
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
    norm_type-norm) are shortened in place first.  sparse is accepted; the gradient is dense all the same.

    Raises IndexOutOfRange for an index outside 0 .. V-1, DTypeError unless indices are integers, ArgumentError for
    scale_grad_by_freq, which is not offered.
    """
    is_tensor("embedding", input=input, weight=weight)
    integer("embedding", "input", input)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be [vocabulary, features], got {show(weight)}")
    if scale_grad_by_freq:
        raise ArgumentError(
            "embedding: scale_grad_by_freq=True is not offered; divide the gradient by the counts instead"
        )
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ArgumentError(f"embedding: padding_idx {padding_idx} is out of range for weight {show(weight)}")
        padding_idx %= rows
    _in_range(input, rows)
    if max_norm is not None:
        _renormalize(input, weight, max_norm, norm_type)
    y: Tensor = weight[input]
    if padding_idx is None:
        return y
    return where((input == padding_idx).unsqueeze(-1), y.detach(), y)


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
