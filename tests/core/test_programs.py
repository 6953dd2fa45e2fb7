"""Nothing is ever silently different from PyTorch: random programs of views, in-place writes and modes.

Each program runs in both libraries. Where PyTorch runs it, ours gives the same values and gradients, or refuses with an
error of its own: an in-place write that would need view tracking. Left out are writes through `.data`, which neither
library sees, copies between parts that overlap, and detach_ of a tensor whose views go on living.
"""

from __future__ import annotations

import random
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest

import cutaway

from .against import torch

A, B = (np.random.default_rng(k).uniform(0.5, 1.5, (3, 3)) for k in (0, 1))

NEW = [
    "{u} + {w}", "{u} * {w}", "{u} - 0.5 * {w}", "{u}.exp() * 0.1", "{u}.tanh()", "{u}.relu()", "{u} / 3", "{u}.sigmoid()",
    "{u} @ {w} * 0.2", "{u} * 2", "t.where({u} > 0.7, {u}, {w})", "{u}.sum(0, keepdim=True).expand(3, 3)", "{u}.clone()",
    "t.cat([{u}[:1], {w}[1:]])", "{u}.softmax(1)", "{u}.amax(1, keepdim=True) + {w}", "{u}[[2, 0, 1]]", "{u}.flip(0)",
    "t.zeros(3, 3, dtype=t.float64)",
]  # fmt: skip
VIEW = [
    "{u}.t()", "{u}[:]", "{u}.view(9).view(3, 3)", "{u}.reshape(3, 3)", "{u}.detach()", "{u}.expand(3, 3)", "{u}.contiguous()",
    "{u}.unsqueeze(0).squeeze(0)", "{u}.view_as({u})", "{u}.T.T",
]  # fmt: skip
WRITE = [
    "{u}.add_({w})", "{u}.mul_({w})", "{u} += {w}", "{u} *= 0.5", "{u}.relu_()", "{u}.zero_()", "{u}.copy_({w}.clone())",
    "{u}[0] = {w}[1].clone()", "{u}[1, 2] = 0.3", "{u}[{w} > 0.8] = 0.1", "{u}[1] = {w}[2] * {u}[0]", "{u}.tanh_()",
    "{u}.fill_(0.2)", "{u}[:, 0] = {w}[0].clone()", "{u}[[0, 2]] = {w}[:2].clone()", "{u}.exp_().mul_(0.1)",
    "{u}.clamp_(0.2, 0.9)", "{u}.t_()", "{u}.sub_({w}, alpha=0.1)", "{u}[0].mul_(2)",
    "{u}.view(9)[3:6] = 0.4", "{u}.masked_fill_({w} > 1, 0.5)",
]  # fmt: skip


def program(rng: random.Random, length: int) -> tuple[list[str], list[str]]:
    """Names of variables, and statements over them. `a` and `b` are leaves."""
    names, lines = ["a", "b"], []
    for k in range(length):
        u, w, kind = rng.choice(names), rng.choice(names), rng.random()
        if kind < 0.6:
            lines.append(f"v{k} = " + rng.choice(NEW if kind < 0.35 else VIEW).format(u=u, w=w))
            names.append(f"v{k}")
        elif kind < 0.92:
            quiet = "with t.no_grad(): " if rng.random() < 0.5 else ""
            lines.append(quiet + rng.choice(WRITE).format(u=u, w=w))
        elif kind < 0.95:
            lines.append(f"{u}.sum().backward()")
        elif u not in "ab":
            lines.append(f"{u} = {u}.detach().requires_grad_()")
    return names, lines


def execute(t: Any, names: list[str], lines: list[str]) -> dict[str, np.ndarray]:
    """The values of all variables, and the gradients of the leaves for a random weighted sum of everything."""
    scope = {"t": t, "a": t.tensor(A, requires_grad=True), "b": t.tensor(B, requires_grad=True)}
    for line in lines:
        exec(line, scope)
    weights = [t.tensor(np.random.default_rng(k).standard_normal((3, 3))) for k in range(len(names))]
    total = sum((scope[n] * w).sum() for n, w in zip(names, weights))
    if total.requires_grad:
        total.backward()
    found = {n: scope[n].detach().numpy().copy() for n in names}
    for n in names:
        if scope[n].is_leaf:
            g = scope[n].grad
            found[f"{n}.grad"] = np.zeros((3, 3)) if g is None else g.numpy().copy()
    return found


def outcome(seed: int, length: int) -> str:
    names, lines = program(random.Random(seed), length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = execute(torch, names, lines)
        except RuntimeError:
            theirs = None
        try:
            ours = execute(cutaway, names, lines)
        except cutaway.CutawayError as refusal:
            return "refused" if theirs is None else str(refusal)
    if theirs is None:
        return "allowed"
    for key in theirs.keys() | ours.keys():
        np.testing.assert_allclose(
            ours.get(key, 0),
            theirs.get(key, 0),
            rtol=1e-9,
            atol=1e-12,
            err_msg=f"{key} of seed {seed}:\n" + "\n".join(lines),
        )
    return "same"


@pytest.mark.parametrize("length", [3, 5, 8])
def test_never_silently_different(length):
    found = Counter(outcome(seed, length) for seed in range(1000 * length, 1000 * length + 400))
    same, both, allowed = (found.pop(k, 0) for k in ("same", "refused", "allowed"))
    assert same > 60 and both > 60 and allowed < 20
    deliberate = (
        "to a view while gradients",
        "take the view again",
        "share one place",
        "cannot change its shape in place",
    )
    assert [text for text in found if not any(reason in text for reason in deliberate)] == []
