"""Naming: what inputs, outputs, nodes and the values between are called.

Nodes are called by their layer, as PyTorch does: `/features/0/Conv`, and its result `/features/0/Conv_output_0`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.tensor import Tensor
from cutaway.engine.graph import Value
from cutaway.engine.surroundings import is_module
from cutaway.interop.onnx.dynamic import Leaf
from cutaway.interop.onnx.file import Parts, Slot, slot
from cutaway.interop.onnx.write import Node, Writer


class Names:
    """The inputs' Tensors and names, and what was asked for the outputs."""

    def __init__(
        self,
        model: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        inputs: Sequence[str] | None,
        outputs: Sequence[str] | None,
    ) -> None:
        self.tensors: list[Tensor] = []
        own: list[str] = []

        def leaf(x: Any, name: str) -> Any:
            if isinstance(x, Tensor):
                self.tensors.append(x)
                own.append(name)
                return Leaf(len(own) - 1)
            if isinstance(x, dict):
                return {k: leaf(v, f"{name}_{k}") for k, v in x.items()}
            if isinstance(x, (list, tuple)):
                return [leaf(v, f"{name}_{k}") for k, v in enumerate(x)]
            return None

        self.structure = {n: leaf(x, n) for n, x in _parameters(model, args, kwargs)}
        asked = _checked("input_names", inputs)
        self.inputs = _distinct([*asked[: len(own)], *own[len(asked) :]])
        self.more = asked[len(own) :]  # PyTorch gives these to the parameters, in order
        self.asked_outputs = _checked("output_names", outputs)

    def parameters(self, modules: Sequence[Any]) -> dict[int, str]:
        """Names for parameters, where more names were given than there are inputs.  Raises ArgumentError for too many."""
        held = [p for m in modules for p in m.parameters()]
        if len(self.more) > len(held):
            raise ArgumentError(
                f"onnx.export: input_names has {len(self.inputs) + len(self.more)} names, but there are "
                f"{len(self.inputs)} inputs ({', '.join(self.inputs)}) and {len(held)} parameters"
            )
        return {id(p): name for p, name in zip(held, self.more)}

    def outputs(self, structure: Any) -> list[str]:
        """Names of the results.  Raises ArgumentError for more names than there are results."""
        own = list(_leaves(structure, "output"))
        if own and len(own) > 1 and isinstance(structure, (tuple, list)) and not hasattr(structure, "_fields"):
            own = [f"output_{k}" for k in range(len(own))]
        if len(self.asked_outputs) > len(own):
            raise ArgumentError(
                f"onnx.export: output_names has {len(self.asked_outputs)} names for {len(own)} results"
            )
        return _distinct([*self.asked_outputs, *own[len(self.asked_outputs) :]], self.inputs)


def _parameters(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each argument with the name of the parameter that takes it."""
    try:
        named = list(inspect.signature(model.forward if is_module(model) else model).parameters.values())
    except (TypeError, ValueError):
        named = []
    many = next((p.name for p in named if p.kind is p.VAR_POSITIONAL), "input")
    plain = [p.name for p in named if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for k, x in enumerate(args):
        yield (plain[k] if k < len(plain) else f"{many}_{k - len(plain)}"), x
    yield from kwargs.items()


def _checked(what: str, names: Sequence[str] | None) -> list[str]:
    found = [] if names is None else list(names)
    if isinstance(names, str) or not all(isinstance(n, str) and n for n in found):
        raise ArgumentTypeError(f"onnx.export: {what} must be a list of names such as ['x'], got {names!r}")
    if len(set(found)) != len(found):
        raise ArgumentError(f"onnx.export: {what} names one thing twice: {found}")
    return found


def _distinct(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    found: list[str] = []
    for name in names:
        base, k = name, 0
        while name in found or name in taken:
            k += 1
            name = f"{base}_{k}"
        found.append(name)
    return found


def _leaves(x: Any, name: str) -> Iterator[str]:
    """A name for each Value in the result's structure."""
    if isinstance(x, Value):
        yield name
    elif isinstance(x, dict):
        for k, v in x.items():
            yield from _leaves(v, str(k) if name == "output" else f"{name}_{k}")
    elif isinstance(x, (list, tuple)):
        fields = getattr(x, "_fields", range(len(x)))
        for k, v in zip(fields, x):
            yield from _leaves(v, str(k) if name == "output" and hasattr(x, "_fields") else f"{name}_{k}")


# --- when all nodes are there -------------------------------------------------------------------------------------------


def finished(
    writer: Writer, results: Sequence[str], names: Names, structure: Any, asked: dict[tuple[str, int], str], title: str
) -> Parts:
    """The Writer's nodes in order, under their last names."""
    outputs = names.outputs(structure)
    held = [_held(writer, r) for r in results]
    ordered = sorted(writer.nodes, key=lambda n: n.position)
    final: dict[str, str] = {n: n for n in (*names.inputs, *writer.initializers)}
    for name in set(outputs) & set(writer.initializers):
        raise ArgumentError(f"onnx.export: the output {name!r} bears the name of a parameter; give another output_names")
    copies: list[tuple[str, str]] = []
    for name, x in zip(outputs, held):
        if x in final:  # an input, a parameter, or a result that is returned twice
            copies.append((name, x))
        else:
            final[x] = name
    used: dict[str, int] = {}
    nodes = []
    for n in ordered:
        title_of = _title(n, used)
        for k, y in enumerate(n.outputs):
            final.setdefault(y, f"{title_of}_output_{k}")
        inputs = [final[_held(writer, x)] if x else "" for x in n.inputs]
        nodes.append(Node(n.position, n.op_type, inputs, [final[y] for y in n.outputs], n.attributes, title_of))
    for name, x in copies:
        nodes.append(Node(len(nodes), "Identity", [final[x]], [name], {}, _title(Node(0, "Identity", [], [], {}, ""), used)))
    read = {x for n in nodes for x in n.inputs}
    numbers = {name: a for name, a in writer.initializers.items() if name in read}
    symbols = writer.merged.symbols
    named = {(i, axis): s.name for s in symbols for i, axis in s.places}
    inputs_ = [
        Slot(name, t._data.dtype, tuple(t.shape), {d: named[i, d] for d in range(t.ndim) if (i, d) in named})
        for i, (name, t) in enumerate(zip(names.inputs, names.tensors))
    ]
    outputs_ = []
    for name, t in zip(outputs, writer.merged.outputs):
        s = slot(name, t, symbols)
        outputs_.append(s._replace(axes={d: asked.get((name, d)) or axis for d, axis in s.axes.items()}))
    outside = {*names.inputs, *outputs, *numbers}
    inside = {}
    for promised, t in writer.terms.items():
        known = final.get(_held(writer, promised))
        if known is not None and known not in outside:
            inside[known] = slot(known, t, symbols)
    return Parts(title, writer.opset, inputs_, outputs_, nodes, numbers, [p for p in writer.parameters if p in numbers],
                 list(inside.values()))  # fmt: skip


def _held(writer: Writer, name: str) -> str:
    """What holds that which was promised under a name."""
    while name in writer.alias:
        name = writer.alias[name]
    return name


def _title(n: Node, used: dict[str, int]) -> str:
    """The node's name: its layer and its kind, counted where there are several."""
    base = "/".join(["", *(n.path.split(".") if n.path else ()), n.op_type])
    count = used[base] = used.get(base, -1) + 1
    return f"{base}_{count}" if count else base
