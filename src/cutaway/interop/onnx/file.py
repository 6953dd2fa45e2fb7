"""File: nodes and numbers as ONNX's protobuf, and that on the disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.errors import ArgumentError, MissingLibrary
from cutaway.core.replace import replacing
from cutaway.interop.onnx.graph import Term
from cutaway.interop.onnx.sizes import Size, Symbol
from cutaway.interop.onnx.write import Node

LARGEST = (1 << 31) - (1 << 20)  # bytes: protobuf's limit, less room for the nodes


def library() -> Any:
    """The onnx package.  Raises MissingLibrary with the command that installs it."""
    try:
        import onnx
    except ImportError:
        raise MissingLibrary(
            "onnx.export: needs the package onnx, which is not installed; pip install 'cutaway[onnx]'"
        ) from None
    return onnx


class Slot(NamedTuple):
    """An input or output of the file: its name, dtype and shape; `axes` names dimensions that may have any size."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    axes: dict[int, str]


class Parts(NamedTuple):
    """All that a file is made of."""

    name: str
    opset: int
    inputs: list[Slot]
    outputs: list[Slot]
    nodes: list[Node]
    numbers: dict[str, np.ndarray]  # initializers
    parameters: list[str]  # those that are the model's own
    inside: list[Slot]  # what is known of the values between


def dimensions(shape: Sequence[int], symbols: Sequence[Symbol]) -> dict[int, str]:
    """The names of the dimensions that are a dynamic axis; "" for one that follows them in another way."""
    names = {s.seen: s.name for s in reversed(symbols)}
    return {d: names.get(n.seen, "") for d, n in enumerate(shape) if isinstance(n, Size)}


def slot(name: str, term: Term, symbols: Sequence[Symbol]) -> Slot:
    """What is known of a term."""
    return Slot(name, term.dtype, term.shape, dimensions(term.shape, symbols))


def model(parts: Parts, include: bool = True, as_inputs: bool = False, outside: str = "") -> Any:
    """The ModelProto. include: the initializers' numbers are in it; as_inputs: initializers are inputs, too;
    outside: numbers are in the file of this name, beside it.
    """
    onnx = library()
    helper = onnx.helper
    initializers, offset = [], 0
    for name, a in parts.numbers.items():
        if not include and name in parts.parameters:
            continue
        if not outside:
            initializers.append(onnx.numpy_helper.from_array(np.asarray(a, order="C"), name))
            continue
        proto = onnx.TensorProto(name=name, dims=a.shape, data_type=helper.np_dtype_to_tensor_dtype(a.dtype))
        proto.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", outside), ("offset", offset), ("length", a.nbytes)):
            proto.external_data.add(key=key, value=str(value))
        offset += a.nbytes
        initializers.append(proto)
    inputs = [_value(helper, s) for s in parts.inputs]
    if as_inputs or not include:
        given = parts.parameters if not as_inputs else list(parts.numbers)
        held = ((n, parts.numbers[n]) for n in given if as_inputs)
        inputs += [_value(helper, Slot(n, a.dtype, a.shape, {})) for n, a in held]
    graph = helper.make_graph(
        [_node(onnx, n) for n in parts.nodes], parts.name, inputs, [_value(helper, s) for s in parts.outputs],
        initializers, value_info=[_value(helper, s) for s in parts.inside],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", parts.opset)]
    from cutaway import __version__

    return helper.make_model(
        graph, producer_name="cutaway", producer_version=__version__, opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
    )  # fmt: skip


def _value(helper: Any, s: Slot) -> Any:
    shape = [s.axes[d] or None if d in s.axes else int(n) for d, n in enumerate(s.shape)]
    return helper.make_tensor_value_info(s.name, helper.np_dtype_to_tensor_dtype(s.dtype), shape)


def _node(onnx: Any, n: Node) -> Any:
    attributes = {
        k: onnx.numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v for k, v in n.attributes.items()
    }
    return onnx.helper.make_node(n.op_type, n.inputs, n.outputs, name=n.path, **attributes)


def save(parts: Parts, to: Any, include: bool = True, as_inputs: bool = False, outside: bool = False) -> None:
    """Write the file, whole or not at all; numbers beyond protobuf's two gigabytes go to a second one, `NAME.data`.

    Raises ArgumentError for so many where `to` is no path.
    """
    size = sum(a.nbytes for a in parts.numbers.values())
    outside = include and (outside or size > LARGEST)
    if hasattr(to, "write"):
        if outside:
            raise ArgumentError(
                f"onnx.export: {size / 2**30:.1f} GiB of numbers do not fit into one file; give a path, beside which a "
                "second file is written"
            )
        to.write(model(parts, include, as_inputs).SerializeToString())
        return
    path = Path(os.fspath(to))
    beside = f"{path.name}.data" if outside else ""
    if beside:
        with replacing(path.with_name(beside), "onnx.export") as data:
            for a in parts.numbers.values():
                data.write(np.asarray(a, order="C").tobytes())
    with replacing(path, "onnx.export") as file:
        file.write(model(parts, include, as_inputs, beside).SerializeToString())
