"""A step with sparse gradients: those entries of a parameter change that the gradient names, by `rows` of the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.autograd import no_grad
from cutaway.optim.check import plain

if TYPE_CHECKING:
    from cutaway.optim.optimizer import Optimizer

Places = tuple[np.ndarray, ...]  # an index of the entries in a parameter's array


def sparse_step(optimizer: Optimizer) -> None:
    """A step of all groups, where some gradients may be sparse; dense ones take theirs as ever."""
    gradients = [(p, p._grad) for p in optimizer._parameters()]
    sparse = [(p, g) for p, g in gradients if g is not None and not g._strided]
    if not sparse:
        optimizer._eagerly()
        return
    optimizer.check_rows()
    if len(sparse) < len([g for _, g in gradients if g is not None]):
        for p, _ in sparse:
            p._grad = None
        try:
            optimizer._eagerly()
        finally:
            for p, g in sparse:
                p._grad = g
    with no_grad(), np.errstate(all="ignore"):
        for group in optimizer.param_groups:
            h = {name: plain(value) for name, value in group.items() if name != "params"}
            for p in group["params"]:
                found: Any = p._grad
                if found is not None and not found._strided:
                    g = found.to_sparse_coo().coalesce()
                    optimizer.rows(p, -g if h.get("maximize") else g, h)


def entries(g: Any) -> tuple[Places, np.ndarray]:
    """Where the entries of a coalesced sparse gradient stand, and its values there."""
    return tuple(g._places.at), g._what._data


def add(p: Any, at: Places, values: np.ndarray) -> None:
    """p[at] += values."""
    p._assign_check("step")
    p._data[at] += values
    p._cell[0] += 1  # backward refuses values that it saved before the step
