"""Optimisers on float16 and bfloat16 parameters: near PyTorch's steps, and the same bits from NumPy and native code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway.core import accelerate

torch = pytest.importorskip("torch")

RULES: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}, "Adam": {"lr": 0.01}, "AdamW": {"lr": 0.01},
    "Adagrad": {"lr": 0.1}, "RMSprop": {"lr": 0.01}, "NAdam": {"lr": 0.01}, "RAdam": {"lr": 0.01}, "Adadelta": {},
}  # fmt: skip


def stepped(t: Any, name: str, kind: str) -> Any:
    """A parameter after five steps, and what was remembered of it."""
    rng, d = np.random.default_rng(1), getattr(t, kind)
    p = t.nn.Parameter(t.tensor(rng.standard_normal(64)).to(d))
    optimizer = getattr(t.optim, name)([p], **RULES[name])
    for _ in range(5):
        p.grad = t.tensor(rng.uniform(0.5, 1.5, 64)).to(d)
        optimizer.step()
    return p.detach(), {k: str(v.dtype).rpartition(".")[2] for k, v in optimizer.state[p].items() if hasattr(v, "dtype")}


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", RULES)
def test_steps(name, kind):
    want, remembered = stepped(torch, name, kind)
    with accelerate.numpy_only():
        got, ours = stepped(cutaway, name, kind)
    assert got.dtype.name == kind
    if name in ("SGD", "Adam"):
        with accelerate.at_once():
            native, _ = stepped(cutaway, name, kind)
        assert native.tolist() == got.tolist()
    assert {k: v for k, v in ours.items() if k in remembered} == {k: v for k, v in remembered.items() if k in ours}
    if kind == "float16" and not torch.isfinite(want).all():
        return  # PyTorch's eps of 1e-8 is 0 in float16
    digit = 2.0**-7 if kind == "bfloat16" else 2.0**-10
    np.testing.assert_allclose(got.tolist(), want.tolist(), atol=4 * digit)
