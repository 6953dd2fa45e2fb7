"""`agree("a.sum(1)", x)`: one expression, read once with Cutaway and once with PyTorch, must give the same.

Compared are values, shapes, dtypes, and for floating results the first and the second gradient by random projection.
In the expression `t` is the library and `a, b, c` are the inputs; `raises` checks that both refuse.
The parts serve tests/conformance, too.
"""

from __future__ import annotations

import ast
import builtins
import copy
import math
import pickle
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import cutaway

torch = pytest.importorskip("torch")


def run(source: str, scope: dict[str, Any]) -> Any:
    """The value of the last line of a program; `y` where that is no expression."""
    tree = ast.parse(source)
    *before, last = tree.body
    if not isinstance(last, ast.Expr):
        exec(compile(tree, source, "exec"), scope)
        return scope.get("y")
    exec(compile(ast.Module(before, []), source, "exec"), scope)
    return eval(compile(ast.Expression(last.value), source, "eval"), scope)


def scope_of(t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    """What an expression can name."""
    modules = {
        "nn": t.nn, "F": t.nn.functional, "init": t.nn.init, "utils": t.nn.utils, "optim": t.optim,
        "lr_scheduler": t.optim.lr_scheduler, "distributions": t.distributions, "data": t.utils.data,
    }  # fmt: skip
    python = {"np": np, "copy": copy, "pickle": pickle, "OrderedDict": OrderedDict, "namedtuple": namedtuple}
    return {"t": t, "__name__": "case", "inf": math.inf, "nan": math.nan, **modules, **python, **tensors}


def evaluate(t: Any, source: str, tensors: list[Any]) -> Any:
    """The expression's value in library `t`. Several statements: `y` is the value at the end."""
    return run(source, scope_of(t, dict(zip("abcd", tensors))))


def leaves(t: Any, arrays: tuple[Any, ...], recorded: bool) -> list[Any]:
    """Inputs as leaves of library `t`; float64 ones ask for a gradient."""
    made = [t.tensor(x) if isinstance(x, (np.ndarray, np.generic)) else x for x in arrays]
    for x in made:
        if recorded and isinstance(x, t.Tensor) and x.dtype == t.float64:
            x.requires_grad_()
    return made


def flat(y: Any) -> list[Any]:
    """The tensors and numbers in nested tuples, lists and dicts; of sparse tensors, what they are and consist of."""
    if isinstance(y, (cutaway.Tensor, torch.Tensor)) and str(y.layout).rpartition("_")[0].endswith("sparse"):
        return [str(y.layout).partition(".")[2], *sparse_parts(y), y.to_dense()]
    if isinstance(y, dict):
        return [z for key, part in y.items() for z in (key, *flat(part))]
    if type(y).__name__ == "Size":
        return [y]
    return [z for part in y for z in flat(part)] if isinstance(y, (tuple, list)) else [y]


def sparse_parts(y: Any) -> list[Any]:
    """Indices and values of a sparse tensor, without history, and whether it is coalesced."""
    if str(y.layout).endswith("coo"):
        return [y.is_coalesced(), y._indices(), y._values()]
    names = ("crow_indices", "col_indices") if str(y.layout).endswith("csr") else ("ccol_indices", "row_indices")
    return [*(getattr(y, name)() for name in names), y.detach().values()]


def project(ys: list[Any], t: Any, seed: int) -> Any:
    """A random weighted sum of the results that need a gradient."""
    rng = np.random.default_rng(seed)
    parts = []
    for y in ys:
        weights = np.asarray(rng.standard_normal(tuple(y.shape)))
        if y.is_complex():
            weights = weights + 1j * rng.standard_normal(tuple(y.shape))
        part = (y * t.tensor(weights).to(y.dtype)).sum()
        parts.append(part.real if y.is_complex() else part)
    return sum(parts[1:], parts[0])


def agree(
    source: str, *arrays: Any, rtol: float = 1e-9, atol: float = 1e-11, gradient: bool = True, recorded: bool = True
) -> None:
    """Evaluate in both libraries and compare. `recorded`: inputs require gradients; `gradient`: these are compared."""
    ins = {t: leaves(t, arrays, recorded) for t in (cutaway, torch)}
    outs = {t: flat(evaluate(t, source, ins[t])) for t in ins}
    same(ins, outs, rtol, atol, 2 if gradient else 0)


def same(ins: dict[Any, list[Any]], outs: dict[Any, list[Any]], rtol: float, atol: float, orders: int) -> None:
    """Flat results of both libraries: values, and gradients up to the order `orders`."""
    ours, theirs = outs[cutaway], outs[torch]
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    for y, z in zip(ours, theirs, strict=True):
        same_value(y, z, rtol, atol)
    if not orders:
        return
    for k, (y, z) in enumerate(zip(ours, theirs, strict=True)):
        if isinstance(z, torch.Tensor) and (z.is_floating_point() or z.is_complex()):
            assert y.requires_grad == z.requires_grad, (
                f"requires_grad of result {k}: {y.requires_grad}, PyTorch {z.requires_grad}"
            )
    same_gradients(ins, outs, rtol, atol, orders)


# What NumPy's and C's mathematics may differ by, where a case of float64 asks for 1e-9.
COARSE = {"float32": (1e-5, 1e-6), "complex64": (1e-5, 1e-6), "float16": (2e-3, 1e-3)}


def tolerance(dtype: str, rtol: float, atol: float) -> dict[str, float]:
    """rtol and atol for a dtype."""
    coarse_r, coarse_a = COARSE.get(dtype, (0.0, 0.0))
    return {"rtol": max(rtol, coarse_r), "atol": max(atol, coarse_a)}


def same_value(y: Any, z: Any, rtol: float, atol: float) -> None:
    """One result: type, dtype, shape, values. Text, dtypes and the like are compared as text."""
    if isinstance(z, torch.Tensor):
        assert isinstance(y, cutaway.Tensor), f"{type(y).__name__} {y!r}, PyTorch a Tensor"
        assert tuple(y.shape) == tuple(z.shape), f"shape {tuple(y.shape)}, PyTorch {tuple(z.shape)}"
        name = str(z.dtype).removeprefix("torch.")
        assert y.dtype.name == name, f"{y.dtype}, PyTorch {z.dtype}"
        np.testing.assert_allclose(y.detach().numpy(), z.detach().resolve_conj().numpy(), **tolerance(name, rtol, atol))
    elif isinstance(z, (np.ndarray, np.generic)):
        assert type(y) is type(z) and y.dtype == z.dtype and y.shape == z.shape, (y, z)
        np.testing.assert_allclose(y, z, **tolerance(z.dtype.name, rtol, atol))
    elif isinstance(z, complex):
        assert type(y) is complex, f"{type(y).__name__} {y!r}, PyTorch {z!r}"
        np.testing.assert_allclose(y, z, rtol=max(rtol, 1e-7), atol=atol)
    elif isinstance(z, float):
        assert type(y) is float, f"{type(y).__name__} {y!r}, PyTorch {z!r}"
        np.testing.assert_allclose(y, z, rtol=max(rtol, 1e-7), atol=atol)
    elif z is None or isinstance(z, (bool, int, np.dtype, bytes)):
        assert y == z and type(y) is type(z), f"{y!r}, PyTorch {z!r}"
    else:
        ours, theirs = (text(a).replace("cutaway", "torch") for a in (y, z))
        assert ours == theirs and type(y).__name__ == type(z).__name__, f"{ours!r}, PyTorch {theirs!r}"


def text(a: Any) -> str:
    """What an object of another kind is compared by."""
    if isinstance(a, type) or callable(a):
        return str(getattr(a, "__name__", type(a).__name__))
    return str(a)


def same_gradients(
    ins: dict[Any, list[Any]], outs: dict[Any, list[Any]], rtol: float, atol: float, orders: int = 2
) -> None:
    """First and second gradients of a random projection of the results."""
    found: dict[Any, list[Any]] = {}
    for t in (cutaway, torch):
        wanted = [x for x in ins[t] if isinstance(x, t.Tensor) and x.is_leaf and x.requires_grad]
        ys = [y for y in outs[t] if isinstance(y, t.Tensor) and y.requires_grad and not any(y is x for x in wanted)]
        if not wanted or not ys:
            return
        first = t.autograd.grad(project(ys, t, 1), wanted, create_graph=orders > 1, allow_unused=True)
        again = [g for g in first if g is not None and g.requires_grad] if orders > 1 else []
        second = t.autograd.grad(project(again, t, 2), wanted, allow_unused=True) if again else [None] * len(wanted)
        found[t] = [*first, *second]
    for k, (g, h) in enumerate(zip(found[cutaway], found[torch], strict=True)):
        left = None if g is None else g.detach().numpy()
        right = None if h is None else h.detach().resolve_conj().numpy(force=True)
        if left is None or right is None:  # no path, or a path that carries only zeros
            assert not np.any(left if right is None else right), f"gradient {k}"
            continue
        coarse = tolerance(left.dtype.name, rtol, atol)
        np.testing.assert_allclose(left, right, **coarse, err_msg=f"gradient {k}")


def builtin_class(error: BaseException) -> type:
    """The built-in class that a program would catch; NotImplementedError counts as the RuntimeError that it is."""
    if isinstance(error, NotImplementedError):
        return RuntimeError
    return next(c for c in type(error).__mro__ if getattr(builtins, c.__name__, None) is c)


def raises(source: str, *arrays: Any, match: str = "") -> None:
    """Both refuse; our error is one of ours, holds `match`, and is a TypeError or IndexError if PyTorch's is."""
    with pytest.raises(Exception) as theirs:
        evaluate(torch, source, leaves(torch, arrays, True))
    with pytest.raises(cutaway.CutawayError, match=match or None) as ours:
        evaluate(cutaway, source, leaves(cutaway, arrays, True))
    if isinstance(theirs.value, TypeError):
        assert isinstance(ours.value, TypeError), f"{ours.value!r} against {theirs.value!r}"
    if isinstance(theirs.value, IndexError) and "out of range" in str(theirs.value):
        assert isinstance(ours.value, IndexError), f"{ours.value!r} against {theirs.value!r}"
