"""State trees as flat files: tensors by path, everything else as JSON beside them.

A tree is made of dicts with string keys, lists, tensors, arrays, numbers, strings, booleans and None.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.tensor import Tensor

_TENSOR = "$tensor"


def flatten(tree: Any, path: str = "") -> tuple[dict[str, np.ndarray], Any]:
    """(arrays by path such as `optimizer.state.0.weight.exp_avg`, the tree with a reference in each one's place)."""
    if isinstance(tree, (Tensor, np.ndarray)):
        kind = "tensor" if isinstance(tree, Tensor) else "array"
        return {path: np.asarray(tree.detach().numpy() if isinstance(tree, Tensor) else tree)}, {_TENSOR: [kind, path]}
    arrays: dict[str, np.ndarray] = {}
    if isinstance(tree, dict):
        plain: Any = {}
        for key, value in tree.items():
            assert isinstance(key, str), f"{path}: the key {key!r} is no string"
            inner, plain[key] = flatten(value, f"{path}.{key}" if path else key)
            arrays |= inner
        return arrays, plain
    if isinstance(tree, (list, tuple)):
        plain = []
        for i, value in enumerate(tree):
            inner, item = flatten(value, f"{path}.{i}")
            arrays |= inner
            plain.append(item)
        return arrays, plain
    return arrays, tree.item() if isinstance(tree, np.generic) else tree


def unflatten(arrays: dict[str, np.ndarray], plain: Any) -> Any:
    """The tree that `flatten` took apart; tuples come back as lists.  Raises KeyError if an array is missing."""
    if isinstance(plain, dict):
        if list(plain) == [_TENSOR]:
            kind, path = plain[_TENSOR]
            return Tensor._wrap(arrays[path]) if kind == "tensor" else arrays[path]
        return {key: unflatten(arrays, value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [unflatten(arrays, value) for value in plain]
    return plain
