"""Functions that give derivatives of functions.  Arguments may be Tensors in tuples, lists and dicts.

Each can be applied to the other's result: what they give has a history where the arguments, or what the function took from
its surroundings, have one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from cutaway.core.autograd import enable_grad
from cutaway.core.errors import ArgumentTypeError, DTypeError, GradError, KindError, ShapeError
from cutaway.core.functions import ones_like
from cutaway.core.jacobian import fresh, pulled, pushed, rows, settled, turned
from cutaway.core.nest import each, leaves, like
from cutaway.core.tensor import Tensor

Argnums = int | tuple[int, ...]


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that gives d func / d argument: func gives one number, with `has_aux` also something besides.

    The gradient is nested as the argument is; a tuple of them for a tuple of `argnums`.
    Raises GradError unless func gives a Tensor of no dimension, ArgumentTypeError for arguments that are no Tensors.
    """
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        g, value = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


def grad_and_value(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that gives (gradient, value), with `has_aux` (gradient, (value, aux)).  Otherwise as `grad`."""

    @wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        with enable_grad():
            args, chosen = _chosen("grad", args, argnums)
            y, aux = _result("grad", func(*args, **kwargs), has_aux)
            if not isinstance(y, Tensor) or y.ndim:
                got = f"one of shape {list(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
                raise GradError(f"grad: the function must give a Tensor of no dimension, got {got}; use mean() or sum()")
            if y.is_complex():
                raise GradError(f"grad: the function must give a real number, got {y.dtype}; use .abs() or .real")
            xs = leaves(chosen)
            g = like(chosen, iter([settled(t, xs) for t in pulled([y], xs, [ones_like(y)], True)]))
            value = settled(y, xs)
        return g, (value, _settled(aux, xs)) if has_aux else value

    return both


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(func(*primals), pull): pull(v) gives the tuple of the gradients of <v, result> by the primals; then aux."""
    with enable_grad():
        args, chosen = _chosen("vjp", primals, tuple(range(len(primals))))
        y, aux = _result("vjp", func(*args), has_aux)
    xs, ys = leaves(chosen), _tensors("vjp", y)

    def pull(cotangents: Any, **options: Any) -> Any:
        seeds = leaves(cotangents)
        _fit("vjp", seeds, ys, "cotangents", "results")
        with enable_grad():
            return like(chosen, iter([settled(g, xs) for g in pulled(ys, xs, seeds, True)]))

    given = each(lambda t: settled(t, xs), y)
    return (given, pull, _settled(aux, xs)) if has_aux else (given, pull)


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> tuple[Any, ...]:
    """(func(*primals), its change along `tangents`, aux with `has_aux`).  Both are tuples, as long as func's arguments.

    Raises ShapeError where shapes differ, ArgumentTypeError for what are no tuples of Tensors.
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple) or not primals:
        raise KindError("jvp: primals and tangents must be tuples, of one argument at least; write (x,), (v,)")
    with enable_grad():
        args, chosen = _chosen("jvp", primals, tuple(range(len(primals))))
        y, aux = _result("jvp", func(*args), has_aux)
        xs, ys = leaves(chosen), _tensors("jvp", y)
        directions = leaves(tangents)
        _fit("jvp", directions, xs, "tangents", "primals")
        along = like(y, iter([settled(t, xs) for t in pushed(ys, xs, directions)]))
        given = each(lambda t: settled(t, xs), y)
    return (given, along, _settled(aux, xs)) if has_aux else (given, along)


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """`func` itself: writes in place are already part of what derivatives and traces see.  Raises KindError."""
    if remove not in ("mutations", "mutations_and_views"):
        raise KindError(f"functionalize: remove must be 'mutations' or 'mutations_and_views', got {remove!r}")
    return func


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """The tensor itself: functions are called with plain tensors here."""
    return tensor


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(func(*primals), push): push(*tangents) is the change of func's result along them, from one run of func.

    Raises GradError where tangents are not nested as the primals are, ShapeError and DTypeError where they do not fit them.
    """
    with enable_grad():
        args, chosen = _chosen("linearize", primals, tuple(range(len(primals))))
        y = func(*args)
        xs, ys = leaves(chosen), _tensors("linearize", y)
        seeds, back = turned(ys, xs)

    def push(*tangents: Any) -> Any:
        directions = leaves(tangents)
        if each(lambda t: None, tangents) != each(lambda t: None, chosen):
            raise GradError("linearize: the tangents must be nested as the primals are, a Tensor for each")
        _fit("linearize", directions, xs, "tangents", "primals")
        for v, x in zip(directions, xs, strict=True):
            if v.dtype is not x.dtype:
                raise DTypeError(f"linearize: a tangent must have the dtype of its primal, {x.dtype}, got {v.dtype}")
        with enable_grad():
            return like(y, iter([settled(t, xs) for t in pulled(back, seeds, directions, True)]))

    return each(lambda t: settled(t, xs), y), push


def jacrev(
    func: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None, **options: Any
) -> Callable[..., Any]:
    """The function that gives dy/dx, [*y.shape, *x.shape], nested as the result and then as the argument are."""

    @wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        with enable_grad():
            args, chosen = _chosen("jacrev", args, argnums)
            y, aux = _result("jacrev", func(*args, **kwargs), has_aux)
            xs = leaves(chosen)
            _tensors("jacrev", y)
            table = each(lambda t: like(chosen, iter([settled(j, xs) for j in rows(t, xs, True)])), y)
        return (table, _settled(aux, xs)) if has_aux else table

    return jacobian


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """As `jacrev`, by which it is computed: there is no forward mode here."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The function that gives the second derivatives: the Jacobian of the Jacobian."""
    return jacrev(jacrev(func, argnums), argnums)


# --- arguments --------------------------------------------------------------------------------------------------------


def _chosen(op: str, args: tuple[Any, ...], argnums: Argnums) -> tuple[tuple[Any, ...], Any]:
    """The arguments, with those to differentiate by made anew; and these alone, one or a tuple."""
    wanted = argnums if isinstance(argnums, tuple) else (argnums,)
    new = list(args)
    for i in wanted:
        if not isinstance(i, int) or not -len(args) <= i < len(args):
            raise GradError(f"{op}: argnums={argnums} names argument {i}, of {len(args)} that were given by position")
        new[i] = each(lambda t: fresh(_tensor(op, t)), args[i])
    chosen = tuple(new[i] for i in wanted)
    return tuple(new), chosen if isinstance(argnums, tuple) else chosen[0]


def _tensor(op: str, x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise ArgumentTypeError(f"{op}: an argument to differentiate by must be Tensors, got {type(x).__name__}")
    if not (x.is_floating_point() or x.is_complex()):
        raise GradError(f"{op}: there are no derivatives by {x.dtype}; convert with .float()")
    return x


def _tensors(op: str, y: Any) -> list[Tensor]:
    found = leaves(y)
    for t in found:
        if not isinstance(t, Tensor):
            raise ArgumentTypeError(f"{op}: the function must give Tensors, got {type(t).__name__}")
    return found


def _result(op: str, result: Any, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise ArgumentTypeError(f"{op}: with has_aux=True the function must give (result, aux), got {type(result).__name__}")
    return result


def _settled(aux: Any, xs: Sequence[Tensor]) -> Any:
    return each(lambda a: settled(a, xs) if isinstance(a, Tensor) else a, aux)


def _fit(op: str, given: Sequence[Any], of: Sequence[Tensor], what: str, whose: str) -> None:
    if [tuple(t.shape) for t in given] != [tuple(t.shape) for t in of]:
        shapes = [list(t.shape) for t in given], [list(t.shape) for t in of]
        raise ShapeError(f"{op}: {what} of shapes {shapes[0]} for {whose} of shapes {shapes[1]}")
