"""Dynamic axes: which dimensions of the inputs may have any size, and the traces that show what follows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError, ArgumentTypeError, CutawayError
from cutaway.core.tensor import Tensor
from cutaway.interop.onnx.sizes import Symbol
from cutaway.interop.onnx.trace import Traced

Places = dict[str, list[tuple[int, int]]]  # of each name, the (input, axis) that bear it


def from_axes(axes: Any, inputs: Sequence[str], outputs: Sequence[str], ndims: Sequence[int]) -> tuple[Places, Any]:
    """PyTorch's `dynamic_axes`, {input or output: {axis: name} or [axis]}: the places, and names for outputs' axes.

    Raises ArgumentError for a name or an axis that does not exist.
    """
    places: Places = {}
    named: dict[tuple[str, int], str] = {}
    if not isinstance(axes, Mapping):
        raise ArgumentTypeError(
            f"onnx.export: dynamic_axes must be a dict such as {{'x': {{0: 'batch'}}}}, got {axes!r}"
        )
    for key, given in axes.items():
        if key not in inputs and key not in outputs:
            raise ArgumentError(
                f"onnx.export: dynamic_axes names {key!r}, but the inputs are {', '.join(inputs) or 'none'}, the outputs "
                f"{', '.join(outputs) or 'none'}; give them names with input_names and output_names"
            )
        if not isinstance(given, Mapping):
            given = {a: f"{key}_dynamic_axes_{k + 1}" for k, a in enumerate(given)}
        for axis, name in given.items():
            if key not in inputs:
                named[key, int(axis)] = str(name)
                continue
            at = inputs.index(key)
            places.setdefault(str(name), []).append((at, _axis(axis, ndims[at], key)))
    return places, named


def from_shapes(shapes: Any, structure: Any, names: Sequence[str], ndims: Sequence[int]) -> Places:
    """PyTorch's `dynamic_shapes`: as the arguments, with {axis: name}, a tuple of names, or None for each Tensor."""
    places: Places = {}

    def walk(spec: Any, part: Any) -> None:
        if spec is None:
            return
        if isinstance(part, Leaf):
            pairs = spec.items() if isinstance(spec, Mapping) else enumerate(spec)
            for axis, name in pairs:
                text = _dim_name(name, names[part.number], axis)
                if text:
                    place = (part.number, _axis(axis, ndims[part.number], names[part.number]))
                    places.setdefault(text, []).append(place)
        elif isinstance(part, Mapping):
            if not isinstance(spec, Mapping):
                spec = dict(zip(part, spec))
            for k in spec:
                if k not in part:
                    raise ArgumentError(
                        f"onnx.export: dynamic_shapes names {k!r}, but the arguments are {', '.join(map(str, part))}"
                    )
                walk(spec[k], part[k])
        elif isinstance(part, (tuple, list)):
            for s, p in zip(spec, part):
                walk(s, p)

    walk(shapes, structure)
    return places


class Leaf:
    """Stands for a Tensor among the arguments: the input of this number."""

    def __init__(self, number: int) -> None:
        self.number = number


def _dim_name(name: Any, input: str, axis: int) -> str:
    """The name of an axis; "" for a fixed one.  A Dim has `__name__`; AUTO and DYNAMIC are named after the place."""
    if name is None or isinstance(name, int) or "STATIC" in str(name):
        return ""
    if isinstance(name, str):
        return name
    found = getattr(name, "__name__", "")
    return found if isinstance(found, str) and found else f"{input}_dim_{axis}"


def _axis(axis: Any, ndim: int, key: str) -> int:
    if not isinstance(axis, int) or not -ndim <= axis < ndim:
        raise ArgumentError(f"onnx.export: {key!r} has {ndim} dimensions, and no axis {axis!r}")
    return axis % ndim


# --- the traces -------------------------------------------------------------------------------------------------------


def _others(n: int) -> Iterator[int]:
    """Sizes to try in place of `n`: far ones first, which show more."""
    yield from (m for m in (2 * n, 3 * n, n + 1, n + 2, n // 2, n - 1) if m > 1 and m != n)


def traces(
    places: Places, tensors: Sequence[Tensor], run: Callable[[Sequence[Tensor]], Traced]
) -> tuple[list[Traced], list[Symbol]]:
    """The program at the sizes given, at others of each dynamic axis, and at others of all.

    Raises what the program does where it cannot have another size.
    """
    groups = {name: tuple(at) for name, at in places.items()}
    shapes = [tuple(t.shape) for t in tensors]
    for name, at in groups.items():
        if len({shapes[i][axis] for i, axis in at}) > 1:
            listed = ", ".join(f"{shapes[i][axis]}" for i, axis in at)
            raise ArgumentError(f"onnx.export: the axes named {name!r} have different sizes: {listed}")
    if not groups:
        return [run(tensors)], []
    try:
        return _apart(groups, shapes, tensors, run)
    except CutawayError:
        tied: dict[Any, list[str]] = {}
        for name, ((i, axis), *_) in groups.items():
            tied.setdefault((axis, shapes[i][axis]), []).append(name)
        if len(tied) == len(groups):
            raise
        # Axes that the program needs to be equal, though they bear different names.
        joined = {names[0]: tuple(p for n in names for p in groups[n]) for names in tied.values()}
        return _apart(joined, shapes, tensors, run)


def _apart(groups: Any, shapes: Any, tensors: Any, run: Any) -> tuple[list[Traced], list[Symbol]]:
    names = list(groups)
    base = {name: shapes[groups[name][0][0]][groups[name][0][1]] for name in names}

    def at(sizes: dict[str, int]) -> Traced:
        wanted = [list(s) for s in shapes]
        for name, n in sizes.items():
            for i, axis in groups[name]:
                wanted[i][axis] = n
        return run([t if list(t.shape) == s else _blank(t, s) for t, s in zip(tensors, wanted)])

    if 1 in base.values():  # a size of 1 broadcasts, and would be taken for more than it is
        larger = {name: max(n, 2) for name, n in base.items()}
        first, base = _first([larger, base], at)
    else:
        first = at(base)
    found, seen = [first], {name: [base[name]] for name in names}
    for name in names:
        traced, sizes = _first([{**base, name: m} for m in _others(base[name])], at)
        found.append(traced)
        for n in names:
            seen[n].append(sizes[n])
    # Last, smaller sizes that do not divide as the others may: a division without a rest, or a bound, shows itself.
    more = {n: (base[n] - 1, base[n] + 1, base[n] + 2, *_others(base[n])) for n in names}
    choices = [[m for m in more[n] if m not in seen[n] and m > 1][:3] for n in names]
    try:
        traced, sizes = _first([dict(zip(names, c)) for c in list(product(*choices))[:9]], at)
    except CutawayError:
        pass  # few sizes are possible: what is known must do
    else:
        found.append(traced)
        for n in names:
            seen[n].append(sizes[n])
    return found, [Symbol(name, groups[name], tuple(seen[name])) for name in names]


def _first(candidates: list[dict[str, int]], at: Any) -> tuple[Traced, dict[str, int]]:
    """The first of these sizes that the program can have.  Raises what the first one met if none is possible."""
    error: CutawayError | None = None
    for sizes in candidates:
        try:
            return at(sizes), sizes
        except CutawayError as e:
            error = error or e
    if error is None:
        raise ArgumentError("onnx.export: no other size of the dynamic axes is possible")
    raise error


def _blank(t: Tensor, shape: Sequence[int]) -> Tensor:
    """Stands for `t` in another shape; a trace reads no values."""
    return Tensor._wrap(np.broadcast_to(np.zeros((), t._data.dtype), tuple(shape)))
