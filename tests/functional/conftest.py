"""`agree`: a function of ours against PyTorch's, in values and in gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway.core.autograd import grad

torch = pytest.importorskip("torch")


def _tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _project(outputs: tuple[Any, ...], make: Callable[[np.ndarray], Any], seed: int) -> Any:
    """A random weighted sum of all floating outputs: one scalar whose gradient depends on every element."""
    rng = np.random.default_rng(seed)
    total = None
    for y in outputs:
        w = make(np.asarray(rng.standard_normal(tuple(y.shape))))
        if y.requires_grad:
            part = (y * w.to(y.dtype)).sum()
            total = part if total is None else total + part
    return total


def compare(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *inputs: Any,
    atol: float = 1e-10,
    gradient: bool = True,
    second: bool = False,
) -> None:
    """Call both on the same arrays (floating ones get a gradient) and compare shapes, dtypes, values and gradients."""
    inputs = tuple(np.asarray(a) if isinstance(a, np.floating) else a for a in inputs)
    mine = [cutaway.from_numpy(a) if isinstance(a, np.ndarray) else a for a in inputs]
    others = [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in inputs]
    floats = [i for i, a in enumerate(inputs) if isinstance(a, np.ndarray) and a.dtype.kind == "f"] if gradient else []
    for i in floats:
        mine[i].requires_grad_()
        others[i].requires_grad_()
    y, z = _tuple(ours(*mine)), _tuple(theirs(*others))
    assert len(y) == len(z)
    for a, b in zip(y, z, strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        assert a.dtype.name == str(b.dtype).removeprefix("torch.")
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(force=True), atol=atol, rtol=max(atol, 1e-9))
    if not floats:
        return
    x, u = [mine[i] for i in floats], [others[i] for i in floats]
    a = _gradients(grad, _project(y, cutaway.from_numpy, 1), x, second)
    b = _gradients(torch.autograd.grad, _project(z, torch.from_numpy, 1), u, second)
    _same_gradients(a, b, atol)
    if second:
        a = _gradients(grad, _project(_some(a), cutaway.from_numpy, 2), x, False)
        b = _gradients(torch.autograd.grad, _project(_some(b), torch.from_numpy, 2), u, False)
        _same_gradients(a, b, atol)


def _gradients(grad: Any, total: Any, x: list[Any], second: bool) -> Any:
    """The gradients; None for each input when nothing depends on any."""
    return [None] * len(x) if total is None else grad(total, x, create_graph=second, allow_unused=True)


def _some(gradients: Any) -> tuple[Any, ...]:
    return tuple(g for g in gradients if g is not None)


def _same_gradients(a: Any, b: Any, atol: float) -> None:
    for k, (g, h) in enumerate(zip(a, b, strict=True)):
        left = None if g is None else g.detach().numpy()
        right = None if h is None else h.detach().numpy(force=True)
        if left is None or right is None:  # no path, or a path that carries nothing: the same
            assert not np.any(left if right is None else right), f"gradient of input {k}"
            continue
        np.testing.assert_allclose(left, right, atol=atol, rtol=max(atol, 1e-9), err_msg=f"gradient of input {k}")


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: the tensors are tiny, and threads that wait for one another take most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def agree() -> Callable[..., None]:
    """The comparison as a fixture."""
    return compare


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same for each test."""
    return np.random.default_rng(0)
