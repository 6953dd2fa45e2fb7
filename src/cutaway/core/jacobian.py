"""Derivatives of functions of Tensors: what `torch.func` and `torch.autograd.functional` share.

All are made of the gradients of one walk backwards. A derivative along a direction is the gradient, by u, of <v(u), 1> where
v(u) is the gradient for u (Townsend 2017, "A new trick for calculating Jacobian vector products").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import Leaf, Node, enable_grad, grad
from cutaway.core.aval import show
from cutaway.core.errors import GradError
from cutaway.core.functions import ones_like, stack, zeros_like
from cutaway.core.tensor import Tensor


def fresh(x: Tensor) -> Tensor:
    """A tensor equal to x to differentiate by: part of x's history where it has one."""
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()


def pulled(outputs: Sequence[Tensor], inputs: Sequence[Tensor], seeds: Sequence[Any], create_graph: bool) -> list[Tensor]:
    """The gradients by `inputs` of sum <output, seed>; zeros by what does not matter.  The graph stays."""
    used = [(y, s) for y, s in zip(outputs, seeds, strict=True) if y.requires_grad]
    if not used:
        return [zeros_like(x) for x in inputs]
    ys, ss = zip(*used, strict=True)
    gs = grad(ys, inputs, ss, retain_graph=True, create_graph=create_graph, allow_unused=True)
    return [zeros_like(x) if g is None else g for x, g in zip(inputs, gs, strict=True)]


def pushed(outputs: Sequence[Tensor], inputs: Sequence[Tensor], tangents: Sequence[Tensor]) -> list[Tensor]:
    """What `outputs` change by when `inputs` change by `tangents`, to first order; with history."""
    with enable_grad():
        seeds, back = turned(outputs, inputs)
        return pulled(back, seeds, tangents, create_graph=True)


def turned(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Gradients at the outputs, and those that come of them at the inputs: linear in the former, with history."""
    seeds = [ones_like(y).requires_grad_() for y in outputs]
    return seeds, pulled(outputs, inputs, seeds, create_graph=True)


def rows(y: Tensor, inputs: Sequence[Tensor], create_graph: bool) -> list[Tensor]:
    """dy/dx of each input: [*y.shape, *x.shape].  Raises GradError for complex y, whose two parts have a derivative each."""
    if y.is_complex():
        raise GradError(f"jacobian: derivatives are of real results, got {show(y)}; let the function give .real or .imag")
    found: list[list[Tensor]] = []
    for i in range(y.numel()):
        seed = zeros_like(y).reshape(-1)
        seed[i] = 1
        found.append(pulled([y], inputs, [seed.reshape(y.shape)], create_graph))
    if not found:
        return [zeros_like(x).reshape((1, *x.shape))[:0].reshape((*y.shape, *x.shape)) for x in inputs]
    return [stack(list(column)).reshape((*y.shape, *x.shape)) for x, column in zip(inputs, zip(*found), strict=True)]


def settled(x: Tensor, own: Sequence[Tensor]) -> Tensor:
    """x, without its history if that leads to no leaf but those among `own`."""
    if not x.requires_grad:
        return x
    mine = {t._node for t in own if isinstance(t._node, Leaf)}
    seen: set[Node] = set()
    stack_ = [x._node]
    while stack_:
        node = stack_.pop()
        if node is None or node in seen or node in mine:
            continue
        if isinstance(node, Leaf):
            return x
        seen.add(node)
        stack_.extend(node.parents)
    return x.detach()
