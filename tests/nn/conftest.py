"""`twin`: the same layer here and in PyTorch, with the same weights, compared in values and gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway import nn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def flat(x: Any) -> list[Any]:
    """The tensors in nested tuples, lists and packed sequences, in order."""
    if isinstance(x, (tuple, list)):
        return [t for part in x for t in flat(part)]
    return [] if x is None else [x]


def tensors(inputs: Any, make: Callable[[np.ndarray], Any], gradient: bool) -> Any:
    """Arrays in nested tuples as tensors; floating ones want a gradient."""
    if isinstance(inputs, tuple):
        return tuple(tensors(a, make, gradient) for a in inputs)
    if not isinstance(inputs, np.ndarray):
        return inputs
    t = make(np.array(inputs))  # a copy: a layer may write in place
    return t.requires_grad_() if gradient and inputs.dtype.kind == "f" else t


class Twin:
    """Two layers of one kind, in float64, that share their values."""

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self.name = name
        self.ours = getattr(nn, name)(*args, **kwargs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.theirs = getattr(torch.nn, name)(*args, **kwargs)
        self.ours.double()
        self.theirs.double()
        self.share()

    def share(self) -> None:
        """Give ours the values of theirs, after drawing all of theirs anew."""
        rng = np.random.default_rng(7)
        with torch.no_grad():
            for t in self.theirs.state_dict().values():
                if t.dtype.is_floating_point and t.ndim:
                    t.copy_(
                        torch.from_numpy(rng.uniform(0.2, 0.9, tuple(t.shape)) * rng.choice([-1, 1], tuple(t.shape)))
                    )
        for name, t in self.theirs.state_dict().items():
            if name.endswith("running_var"):
                t.abs_()
        state = {k: cutaway.from_numpy(v.numpy().copy()) for k, v in self.theirs.state_dict().items()}
        assert repr(self.ours.load_state_dict(state)) == "<All keys matched successfully>"

    def train(self, mode: bool) -> Twin:
        """Both in training or evaluation mode."""
        self.ours.train(mode)
        self.theirs.train(mode)
        return self

    def check(self, *inputs: Any, atol: float = 1e-10, gradient: bool = True, **options: Any) -> Any:
        """Compare outputs, buffers, and the gradients of inputs and parameters under a random projection."""
        mine = tensors(inputs, cutaway.from_numpy, gradient)
        others = tensors(inputs, torch.from_numpy, gradient)
        out = self.ours(*mine, **tensors_of(options, cutaway.from_numpy))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = self.theirs(*others, **tensors_of(options, torch.from_numpy))
        a, b = flat(out), flat(expected)
        assert len(a) == len(b)
        rng = np.random.default_rng(3)
        left, right = 0.0, 0.0
        for y, z in zip(a, b, strict=True):
            assert tuple(y.shape) == tuple(z.shape)
            assert y.dtype.name == str(z.dtype).removeprefix("torch.")
            np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=atol, rtol=1e-9)
            if z.requires_grad:
                assert y.requires_grad
                w = rng.standard_normal(tuple(z.shape))
                left = left + (y * cutaway.from_numpy(w)).sum()
                right = right + (z * torch.from_numpy(w)).sum()
        if isinstance(right, float):
            return out
        self.ours.zero_grad()
        self.theirs.zero_grad()
        left.backward()
        right.backward()
        for k, (x, u) in enumerate(zip(flat(mine), flat(others), strict=True)):
            if hasattr(u, "grad"):
                same_gradient(x.grad, u.grad, atol, f"input {k}")
        mine_parameters = dict(self.ours.named_parameters())
        for name, p in self.theirs.named_parameters():
            same_gradient(mine_parameters[name].grad, p.grad, atol, name)
        mine_buffers = dict(self.ours.named_buffers())
        for name, t in self.theirs.named_buffers():
            np.testing.assert_allclose(mine_buffers[name].numpy(), t.numpy(), atol=atol, err_msg=name)
        return out


def tensors_of(options: dict[str, Any], make: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    """Keyword arguments, the arrays among them as tensors."""
    return {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


def same_gradient(a: Any, b: Any, atol: float, name: str) -> None:
    """Equal, or both absent (no gradient and a gradient of zero are the same)."""
    left = None if a is None else a.numpy()
    right = None if b is None else b.numpy()
    if left is None or right is None:
        assert not np.any(left if right is None else right), f"gradient of {name}"
        return
    np.testing.assert_allclose(left, right, atol=atol, rtol=1e-9, err_msg=f"gradient of {name}")


@pytest.fixture
def twin() -> type[Twin]:
    """The comparison as a fixture."""
    return Twin


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same for each test."""
    return np.random.default_rng(0)
