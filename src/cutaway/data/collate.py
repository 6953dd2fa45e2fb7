"""From a list of items to a batch: numbers and arrays become tensors with one more dimension in front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cutaway.core.creation import as_tensor, tensor
from cutaway.core.derived import stack
from cutaway.core.dtypes import FROM_NUMPY, float64
from cutaway.core.errors import ArgumentError, ArgumentTypeError, NameRefused, ShapeError
from cutaway.core.refusal import guarded
from cutaway.core.tensor import Tensor


@guarded
def default_collate(batch: Sequence[Any]) -> Any:
    """B items to one batch, by the type of the items, as PyTorch's function of this name does.

    Tensors or arrays x[...] -> Tensor x[B, ...]; floats -> float64[B]; ints -> int64[B]; bools -> bool[B];
    strings and bytes stay a list; tuples and lists -> a list with one batch per position; named tuples and
    mappings keep their type.  Raises ShapeError if the items have different shapes or lengths, ArgumentTypeError
    for any other type, ArgumentError for no items.
    """
    if not len(batch):
        raise ArgumentError("default_collate: got no items; a batch needs at least one")
    first = batch[0]
    if isinstance(first, Tensor):
        return _stack(batch)
    if isinstance(first, (np.ndarray, np.generic)):
        return _stack([as_tensor(_supported(x)) for x in batch])
    if isinstance(first, (int, float)):
        for i, item in enumerate(batch):
            if not isinstance(item, (int, float, np.number)):
                raise ArgumentTypeError(
                    f"default_collate: item {i} of the batch is a {type(item).__name__}, item 0 a number; "
                    "make them alike"
                )
        return tensor(list(batch), dtype=float64 if isinstance(first, float) else None)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        for i, item in enumerate(batch):
            if item.keys() != first.keys():
                raise NameRefused(
                    f"default_collate: item {i} has the keys {list(item)}, item 0 has {list(first)}; make them equal"
                )
        return _like(first, {key: default_collate([item[key] for item in batch]) for key in first})
    if isinstance(first, Sequence):
        lengths = {len(item) for item in batch}
        if len(lengths) > 1:
            raise ShapeError(
                f"default_collate: the items are sequences of different lengths {sorted(lengths)}; "
                "make them equal, or give DataLoader a collate_fn that pads"
            )
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        if hasattr(first, "_fields"):
            return type(first)(*columns)
        return columns if isinstance(first, tuple) else _like(first, columns)
    raise ArgumentTypeError(
        f"default_collate: items must be tensors, arrays, numbers, strings, mappings or sequences, "
        f"got {type(first).__name__}; give DataLoader a collate_fn for it"
    )


def default_convert(item: Any) -> Any:
    """One item with its arrays turned into tensors; used where batching is off.  Other values stay as they are."""
    if isinstance(item, (np.ndarray, np.generic)):
        return as_tensor(item) if item.dtype.newbyteorder("=") in FROM_NUMPY else item
    if isinstance(item, Mapping):
        return _like(item, {key: default_convert(value) for key, value in item.items()})
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return type(item)(*(default_convert(x) for x in item))
    if isinstance(item, tuple):
        return [default_convert(x) for x in item]
    if isinstance(item, Sequence) and not isinstance(item, (str, bytes)):
        return _like(item, [default_convert(x) for x in item])
    return item


def _stack(items: Sequence[Tensor]) -> Tensor:
    first = items[0].shape
    for i, item in enumerate(items):
        if item.shape != first:
            raise ShapeError(
                f"default_collate: item {i} of the batch has shape {list(item.shape)}, item 0 has {list(first)}; "
                "make them equal, or give DataLoader a collate_fn that pads"
            )
    return stack(list(items))


def _supported(x: Any) -> Any:
    if x.dtype.newbyteorder("=") not in FROM_NUMPY:
        raise ArgumentTypeError(f"default_collate: arrays of dtype {x.dtype} cannot become tensors; use numbers")
    return x


def _like(original: Any, content: Any) -> Any:
    """`content` in the class of `original`, or plain where that class cannot be built from it."""
    try:
        return type(original)(content)
    except TypeError:
        return content
