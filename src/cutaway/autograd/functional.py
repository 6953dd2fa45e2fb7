"""Derivatives of functions: PyTorch's `torch.autograd.functional`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cutaway.core.absent import absent
from cutaway.core.autograd import enable_grad
from cutaway.core.errors import ArgumentTypeError, AssertedError, GradError, ShapeError
from cutaway.core.functions import ones_like
from cutaway.core.jacobian import pulled, pushed, rows
from cutaway.core.tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
Tensors = Tensor | tuple[Tensor, ...]


def vjp(
    func: Callable[..., Any], inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), v^T J): the gradient of <v, func(inputs)>.  v may be left out where func gives one number.

    With `create_graph` both can be differentiated.  Raises GradError, with `strict`, where an input does not matter;
    ShapeError for a v of other shapes than the outputs; ArgumentTypeError for what are no Tensors.
    """
    xs, ys, one = _run("vjp", func, inputs, create_graph, strict)
    seeds = _direction("vjp", v, ys, "output")
    gs = pulled(ys, xs, seeds, create_graph)
    return _given(ys, one[1], create_graph), _given(gs, one[0], create_graph)


def jvp(
    func: Callable[..., Any], inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), J v): how the outputs change along v.  Otherwise as vjp."""
    xs, ys, one = _run("jvp", func, inputs, create_graph, strict)
    along = pushed(ys, xs, _direction("jvp", v, xs, "input"))
    return _given(ys, one[1], create_graph), _given(along, one[1], create_graph)


def jacobian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """dy/dx of each output by each input, [*y.shape, *x.shape]; tuples as func's result and inputs are.

    `vectorize` and `strategy` say how PyTorch computes; here it is one walk backwards for each number of the output.
    """
    _check_strategy("jacobian", strategy)
    xs, ys, (single, one_result) = _run("jacobian", func, inputs, create_graph, strict)
    table = []
    for y in ys:
        table.append(_given(rows(y, xs, create_graph), single, create_graph))
    return table[0] if one_result else tuple(table)


def hessian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of one number: [*x.shape, *x'.shape] for each pair of inputs.

    Raises GradError unless func gives a single number.
    """
    _check_strategy("hessian", outer_jacobian_strategy)
    xs, ys, (single, _) = _run("hessian", func, inputs, create_graph, strict)
    _one_number("hessian", ys)
    gs = pulled(ys, xs, [ones_like(ys[0])], create_graph=True)
    table = tuple(_given(rows(g, xs, create_graph), single, create_graph) for g in gs)
    return table[0] if single else table


def hvp(
    func: Callable[..., Any], inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), H v) of a function that gives one number.  Otherwise as vjp."""
    return _second("hvp", func, inputs, v, create_graph, strict)


def vhp(
    func: Callable[..., Any], inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), v^T H) of a function that gives one number.  Otherwise as vjp."""
    return _second("vhp", func, inputs, v, create_graph, strict)


def _second(
    op: str, func: Callable[..., Any], inputs: Tensors, v: Tensors | None, create_graph: bool, strict: bool
) -> tuple[Any, Any]:
    """H is symmetric: both products are the gradient of <gradient, v>."""
    xs, ys, (single, one_result) = _run(op, func, inputs, create_graph, strict)
    _one_number(op, ys)
    with enable_grad():
        gs = pulled(ys, xs, [ones_like(ys[0])], create_graph=True)
        found = pulled(gs, xs, _direction(op, v, xs, "input"), create_graph)
    return _given(ys, one_result, create_graph), _given(found, single, create_graph)


# --- arguments --------------------------------------------------------------------------------------------------------


def _run(
    op: str, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool
) -> tuple[list[Tensor], list[Tensor], tuple[bool, bool]]:
    """The inputs to differentiate by, the outputs, and whether each was one Tensor instead of a tuple."""
    given = _tuple(op, inputs, "input")
    with enable_grad():
        xs = [
            x.view_as(x) if create_graph and x.requires_grad else x.detach().clone().requires_grad_() for x in given
        ]
        result = func(*xs)
        ys = _tuple(op, result, "output")
        if strict:
            for i, y in enumerate(ys):
                if not y.requires_grad:
                    raise GradError(f"{op}: output {i} does not depend on the inputs; with strict=False its derivative is 0")
            for i, x in enumerate(xs):
                if not any(_reaches(y, x) for y in ys):
                    raise GradError(f"{op}: input {i} does not matter; with strict=False its derivative is 0")
    return xs, ys, (isinstance(inputs, Tensor), isinstance(result, Tensor))


def _reaches(y: Tensor, x: Tensor) -> bool:
    seen, stack = set[Any](), [y._node]
    while stack:
        node = stack.pop()
        if node is x._node:
            return True
        if node is not None and node not in seen:
            seen.add(node)
            stack.extend(node.parents)
    return False


def _tuple(op: str, x: Any, what: str) -> list[Tensor]:
    found = list(x) if isinstance(x, tuple) else [x]
    for i, t in enumerate(found):
        if not isinstance(t, Tensor):
            raise ArgumentTypeError(f"{op}: each {what} must be a Tensor, got {type(t).__name__} at {i}")
    return found


def _direction(op: str, v: Any, of: list[Tensor], what: str) -> list[Tensor]:
    if v is None:
        if len(of) != 1 or of[0].numel() != 1:
            raise GradError(f"{op}: v can be left out only for a single {what} of one element")
        return [ones_like(of[0])]
    found = _tuple(op, v, "v")
    if len(found) != len(of):
        raise GradError(f"{op}: v has {len(found)} tensors for {len(of)} of the {what}s")
    for a, b in zip(found, of, strict=True):
        if a.shape != b.shape:
            raise ShapeError(f"{op}: v has shape {list(a.shape)} for an {what} of shape {list(b.shape)}")
    return found


def _given(values: Any, single: bool, with_history: bool) -> Any:
    """As the user gave it: one Tensor, or a tuple."""
    found: Iterator[Tensor] = iter(values if with_history else [x.detach() for x in values])
    return next(found) if single else tuple(found)


def _one_number(op: str, ys: list[Tensor]) -> None:
    if len(ys) != 1 or ys[0].numel() != 1:
        shapes = ", ".join(str(list(y.shape)) for y in ys)
        raise GradError(f"{op}: the function must give one Tensor of one element, got {shapes}; sum it")


def _check_strategy(op: str, strategy: str) -> None:
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertedError(f"{op}: strategy must be 'reverse-mode' or 'forward-mode', got {strategy!r}")


def __getattr__(name: str) -> object:
    raise absent("cutaway.autograd.functional", name, __all__)
