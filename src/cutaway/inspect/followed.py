"""Which weights a page follows: of each parameter those with most gradient, as many as can be paid for."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError
from cutaway.inspect.expand import Key
from cutaway.inspect.story import Story
from cutaway.inspect.weight import NUDGES, SHARE, as_data, cost, gradients_of, losses, walk, way_of

WALKS, FEW, SEVERAL = 40, 6, 3  # in all, of a small parameter all elements, of a large one some
BUDGET = 1.5e8  # what following them may cost, in elements of values
MOST = 4e9  # and what one alone may


def followed(story: Story) -> tuple[list[dict[str, Any]], str]:
    """The walks, as data; and in words what is not there, with what to do about it."""
    steps = losses(story)
    if not steps:
        return [], "No backward pass was recorded: call loss.backward() inside the `with record()` block."
    gradients: dict[Key, np.ndarray] = {}
    for step in steps:
        for key, g in gradients_of(story, step).items():
            if key[0] in story.leaves and g.size:
                gradients.setdefault(key, g)
    keys = [k for k in story.arrays if k in gradients]
    if not keys:
        return [], "No gradient came to a leaf: does anything that the loss is computed from have requires_grad=True?"
    wanted = []
    for n, key in enumerate(keys):
        g = gradients[key]
        order = np.argsort(-np.abs(g), axis=None, kind="stable")[: FEW if g.size <= FEW else SEVERAL]
        wanted += [(k, n, tuple(map(int, np.unravel_index(at, g.shape)))) for k, at in enumerate(order.tolist())]
    found: dict[tuple[int, Any], dict[str, Any]] = {}
    spent, dear = 0.0, 0.0
    for k, n, index in sorted(wanted):
        with suppress(ArgumentError):
            each = cost(story, way_of(story, keys[n])[2])
            price = max((NUDGES[-1] + 3) * each, min(SHARE, NUDGES[0] * each))
            dear = max(dear, each)
            if len(found) < WALKS and price <= MOST and (not found or spent + price <= BUDGET):
                found[n, index if gradients[keys[n]].size <= FEW else k] = as_data(story, walk(story, keys[n], index))
                spent += price
    return [found[at] for at in sorted(found)], _rest(story, keys, len(found), gradients, dear)


def _rest(story: Story, keys: list[Key], shown: int, gradients: dict[Key, np.ndarray], dear: float) -> str:
    count = sum(gradients[k].size for k in keys)
    if shown == count:
        return ""
    key = keys[0]
    zeros = ", 0" * story.arrays[key].ndim
    call = f'r.walk("{story.names.get(key[0], "name")}"{zeros})'
    if shown:
        return f"{shown} of {count:,} weights, those with the largest gradients. In Python, {call} follows any."
    if dear:
        return (
            f"There are {dear:,.0f} numbers between a weight and the loss: too many to be followed when a page is written. "
            f"In Python, {call} follows one; or record a smaller batch."
        )
    return "No way from a parameter to the loss can be followed: a box on it could not be opened."
