"""What a function of dense tensors answers when it was given a sparse one: called once it has met one, and not before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import normalize_dim
from cutaway.core.errors import NotForSparse, ShapeError
from cutaway.core.grad_names import tell
from cutaway.core.sparse.arithmetic import dense_add, dense_div, dense_matmul
from cutaway.core.sparse.base import Sparse
from cutaway.core.sparse.coo import SparseTensor, empty
from cutaway.core.sparse.places import Places
from cutaway.core.tensor import Tensor


def answer(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], met: NotForSparse) -> Any:
    """The result of function `name`.  Raises NotForSparse, which names it, where there is none for sparse tensors."""
    if met.final or not any(isinstance(x, Sparse) for x in _flat((*args, *kwargs.values()))):
        raise met  # or whoever called us was not given the sparse tensor itself
    first, rest, named = _first(args, kwargs)
    if isinstance(first, Sparse):
        own = getattr(type(first), name, None)
        if callable(own) and own is not getattr(Tensor, name, None):
            return own(first, *rest, **named)
    if name in OF_DENSE and (isinstance(first, (list, tuple)) or not isinstance(first, Sparse) or name in LIKE):
        return OF_DENSE[name](first, *rest, **named)
    raise NotForSparse(name, final=False) from None


def _flat(values: Any) -> Any:
    for x in values:
        if isinstance(x, (list, tuple)) and not isinstance(x, Sparse):
            yield from x
        else:
            yield x


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    if args:
        return args[0], args[1:], kwargs
    key = next((k for k in ("input", "tensors", "self", "mat") if k in kwargs), next(iter(kwargs)))
    return kwargs[key], (), {k: v for k, v in kwargs.items() if k != key}


def _coo(x: Any) -> Any:
    return x.to_sparse_coo() if isinstance(x, Sparse) else x


def cat(tensors: Any, dim: int = 0) -> SparseTensor:
    """Sparse tensors one after another along `dim`.  Raises ShapeError where one is dense, or the sizes differ."""
    parts = [_coo(t) for t in tensors]
    for k, p in enumerate(parts):
        if not isinstance(p, SparseTensor):
            raise ShapeError(f"cat: a dense tensor stands at position {k} among sparse ones; call .to_sparse() on it")
    first = parts[0]
    at, s = normalize_dim(dim, first.ndim, "cat"), first.sparse_dim()
    for p in parts:
        if p.sparse_dim() != s or p.ndim != first.ndim or any(
            k != at and n != m for k, (n, m) in enumerate(zip(p._size, first._size))
        ):  # fmt: skip
            raise ShapeError(f"cat: {first._says()} and {p._says()} differ in another dimension than {at}")
    if at >= s:
        return _along_values(parts, at - s)
    ends = np.cumsum([p._size[at] for p in parts])
    where = []
    for p, end in zip(parts, ends, strict=True):
        moved = p._places.at.copy()
        moved[at] += end - p._size[at]
        where.append(moved)
    size = tuple(int(ends[-1]) if k == at else n for k, n in enumerate(first._places.size))
    values = d.cat([p._what for p in parts])
    made = SparseTensor._make(Places(np.concatenate(where, 1), size, False), values)
    return tell(made, "Cat", (), {})


def _along_values(parts: list[SparseTensor], at: int) -> SparseTensor:
    """Along a dimension of the values: an entry of one part has zeros in the places of the others."""
    values = []
    for k, p in enumerate(parts):
        pieces = []
        for j, q in enumerate(parts):
            size = list(p._what.shape)
            size[at + 1] = q._what.shape[at + 1]
            pieces.append(p._what if j == k else d.constant(np.zeros(size, p._what._data.dtype)))
        values.append(d.cat(pieces, at + 1))
    places = Places(np.concatenate([p._places.at for p in parts], 1), parts[0]._places.size, False)
    return SparseTensor._make(places, d.cat(values))


def stack(tensors: Any, dim: int = 0) -> SparseTensor:
    """Sparse tensors of one shape along a new dimension."""
    parts = [_coo(t) for t in tensors]
    for p in parts:
        if not isinstance(p, SparseTensor) or p._size != parts[0]._size:
            raise ShapeError("stack: needs sparse tensors of one shape")
    at = normalize_dim(dim, parts[0].ndim + 1, "stack")
    return tell(cat([p.unsqueeze(at) for p in parts], at), "Stack", (), {})


def _zeros_like(x: Any, *, dtype: Any = None, requires_grad: bool = False, **rest: Any) -> Any:
    s = _coo(x)
    made = empty(s._size, s.sparse_dim(), s._what if dtype is None else s._what.to(dtype))
    return made.requires_grad_(requires_grad)


def _addmm(x: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    y = a.matmul(b) if isinstance(a, Sparse) else dense_matmul(a, b)
    return d.added(x, y, beta, alpha)


def _sub(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    return dense_add(a, _coo(b), alpha=-alpha)


def _bmm(a: Any, b: Any) -> Any:
    raise NotForSparse("bmm(dense, sparse)")


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    y = dense_matmul(x, weight.t())
    return y if bias is None else y + bias


def _scale(a: Any, b: Any) -> Any:
    return b.mul(a)


# A dense tensor stands first, or a list of sparse ones.
OF_DENSE: dict[str, Callable[..., Any]] = {
    "add": lambda a, b, alpha=1: dense_add(a, _coo(b), alpha=alpha),
    "sub": _sub, "subtract": _sub, "mul": _scale, "multiply": _scale,
    "div": dense_div, "divide": dense_div, "true_divide": dense_div,
    "matmul": dense_matmul, "mm": dense_matmul, "bmm": _bmm, "addmm": _addmm, "linear": _linear,
    "mul_": lambda a, b: a.mul_(b.to_dense()),
    "cat": cat, "concat": cat, "concatenate": cat, "stack": stack,
    "hstack": lambda tensors: cat(tensors, 0 if _coo(tensors[0]).ndim == 1 else 1), "vstack": cat, "row_stack": cat,
    "to": lambda x, *args, **kwargs: x.to(*[a._what if isinstance(a, Sparse) else a for a in args], **kwargs),
    "zeros_like": _zeros_like, "empty_like": _zeros_like,
}  # fmt: skip
LIKE = frozenset(["zeros_like", "empty_like"])
