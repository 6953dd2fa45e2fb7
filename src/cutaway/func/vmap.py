"""vmap: a function of single examples, over a dimension more.

The function is called once for each index, and the results are stacked: what it means, not how fast PyTorch does it. Under
`cutaway.compile` the calls become one program.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError, KindError, ShapeError
from cutaway.core.functions import stack
from cutaway.core.generator import get_rng_state, set_rng_state
from cutaway.core.nest import leaves, like
from cutaway.core.tensor import Tensor


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """`func` over dimension `in_dims` of its arguments (None: the same for all; nested as they are), stacked at `out_dims`.

    Arguments by name are the same for all.  Random numbers of the default generator are refused, or with `randomness`
    "different" from call to call, or the "same".
    Raises ShapeError where sizes differ, ArgumentError for dims that do not fit and for random numbers that were not asked
    for, KindError for results that are no Tensors.
    """
    if randomness not in ("error", "different", "same"):
        raise ArgumentError(f"vmap: randomness must be 'error', 'different' or 'same', got {randomness!r}")

    @wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        flat, dims = leaves(args), _dims(in_dims, args)
        sizes = {_size(t, d) for t, d in zip(flat, dims, strict=True) if d is not None}
        if not sizes:
            raise ArgumentError("vmap: no argument has a dimension to map over; in_dims is None for all")
        if len(sizes) > 1:
            raise ShapeError(f"vmap: the mapped dimensions must have one size, got {sorted(sizes)}")
        (n,) = sizes
        if not n:
            raise ShapeError("vmap: the mapped dimension has size 0, so nothing says what the results are like")
        results = []
        state = get_rng_state()
        for i in range(n):
            if i and randomness == "same":
                set_rng_state(state)
            one = iter([t if d is None else t.select(d, i) for t, d in zip(flat, dims, strict=True)])
            results.append(func(*like(args, one), **kwargs))
            if not i and randomness == "error" and not np.array_equal(get_rng_state()._data, state._data):
                raise ArgumentError(
                    "vmap: the function draws random numbers; say randomness='different' from call to call, or 'same'"
                )
        columns = list(zip(*map(leaves, results), strict=True))
        where = _dims(out_dims, results[0], "out_dims")
        made = [_stacked(column, d) for column, d in zip(columns, where, strict=True)]
        return like(results[0], iter(made))

    return mapped


def _size(t: Any, dim: int) -> int:
    if not isinstance(t, Tensor):
        raise ArgumentError(f"vmap: a mapped argument must be a Tensor, got {type(t).__name__}; give in_dims=None for it")
    if not -t.ndim <= dim < t.ndim:
        raise ArgumentError(f"vmap: in_dims names dimension {dim} of an argument of shape {list(t.shape)}")
    return t.shape[dim]


def _stacked(column: tuple[Any, ...], dim: int | None) -> Any:
    if not isinstance(column[0], Tensor):
        raise KindError(f"vmap: the function must give Tensors, got {type(column[0]).__name__}")
    return column[0] if dim is None else stack(list(column), dim)


def _dims(dims: Any, value: Any, name: str = "in_dims") -> list[int | None]:
    """The dimension of each leaf of `value`; an int or None stands for all below."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(leaves(value))
    if isinstance(dims, (list, tuple)) and isinstance(value, (list, tuple)) and len(dims) == len(value):
        return [d for one, part in zip(dims, value, strict=True) for d in _dims(one, part, name)]
    if isinstance(dims, dict) and isinstance(value, dict) and dims.keys() == value.keys():
        return [d for key, part in value.items() for d in _dims(dims[key], part, name)]
    raise ArgumentError(f"vmap: {name}={dims!r} is not nested as the values are; give an int, None, or one for each")
