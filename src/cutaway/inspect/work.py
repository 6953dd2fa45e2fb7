"""Floating-point operations of one op by its definition, and shapes and bytes of what a layer is given and gives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cutaway.core.aval import Aval
from cutaway.core.dtypes import INEXACT
from cutaway.core.op import Op
from cutaway.core.ops.contract import sizes
from cutaway.core.tensor import Tensor

MOVES = frozenset("copy cast where layout".split())  # elementwise, but nothing is computed


def flops(op: Op, attrs: Mapping[str, Any], inputs: Sequence[np.ndarray], y: np.ndarray) -> int:
    """How many; a multiply-add is two, an elementwise function of one element is one, terms on padding count."""
    if not any(a.dtype.kind in INEXACT for a in (y, *inputs)):
        return 0
    if op.kind == "elementwise":
        return 0 if op.name in MOVES else y.size
    if op.name == "matmul":
        return 2 * y.size * inputs[0].shape[-1]
    if op.name == "einsum":
        return 2 * math.prod(sizes(attrs["spec"], *(Aval(a.shape, a.dtype) for a in inputs)).values())
    if op.kind == "reduce" or op.name == "fold":
        return inputs[0].size
    if op.name == "window_argmax":
        return y.size * math.prod(attrs["kernel"])
    return inputs[-1].size if op.name == "scatter_add" else 0


def shapes(values: Iterable[Any]) -> str:
    """`[32, 10], {mask: [32]}`: the shapes of the Tensors in what is nested."""
    return ", ".join(s for v in values if (s := _shape(v)))


def _shape(x: Any) -> str:
    if isinstance(x, Tensor):
        return str(list(x._data.shape))
    if isinstance(x, Mapping):
        return "{" + ", ".join(f"{k}: {s}" for k, v in x.items() if (s := _shape(v))) + "}"
    if isinstance(x, (list, tuple)):
        inside = shapes(x)
        return f"({inside})" if inside else ""
    return ""


def sizes_of(values: Iterable[Any]) -> int:
    """Bytes of all Tensors in what is nested, each array once."""
    return sum(a.nbytes for a in {id(t._data): t._data for t in tensors(values)}.values())


def tensors(values: Any) -> Iterator[Tensor]:
    """The Tensors in what is nested."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from tensors(values.values())
    elif isinstance(values, Iterable) and not isinstance(values, (str, bytes, np.ndarray)):
        for v in values:
            yield from tensors(v)
