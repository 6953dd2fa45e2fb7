"""ONNXProgram: what `export` returns."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

from cutaway.core.errors import MissingLibrary
from cutaway.core.tensor import Tensor
from cutaway.interop.onnx.file import Parts, model, save


class ONNXProgram:
    """An exported model: `model_proto`, `save(path)`, and a call that runs it under onnxruntime."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @cached_property
    def model_proto(self) -> Any:
        """The onnx.ModelProto."""
        return model(self._parts)

    def save(
        self,
        destination: str | os.PathLike[str] | Any,
        *,
        include_initializers: bool = True,
        keep_initializers_as_inputs: bool = False,
        external_data: bool | None = None,
    ) -> None:
        """Write the model to a path or a binary file; whole or not at all.

        include_initializers=False leaves the parameters' numbers out; keep_initializers_as_inputs=True makes them inputs.
        external_data=True puts numbers into a second file, NAME.data; so does a size of two gigabytes.
        """
        save(self._parts, destination, include_initializers, keep_initializers_as_inputs, bool(external_data))

    def __call__(self, *args: Any) -> tuple[Tensor, ...]:
        """The outputs for these Tensors, by onnxruntime on the CPU.  Raises MissingLibrary where that is not installed."""
        try:
            import onnxruntime
        except ImportError:
            raise MissingLibrary(
                "ONNXProgram: running needs the package onnxruntime, which is not installed; pip install onnxruntime"
            ) from None
        session = onnxruntime.InferenceSession(self.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
        given = {s.name: a.detach().numpy() for s, a in zip(self._parts.inputs, args, strict=True)}
        return tuple(Tensor._wrap(y) for y in session.run(None, given))

    def __str__(self) -> str:
        p = self._parts
        lines = [f"{s.name}: {_shown(s)}" for s in p.inputs]
        for n in p.nodes:
            lines.append(f"{', '.join(n.outputs)} = {n.op_type}({', '.join(n.inputs)})")
        return "\n".join([*lines, "return " + ", ".join(f"{s.name}: {_shown(s)}" for s in p.outputs)])

    def __repr__(self) -> str:
        p = self._parts
        return f"<ONNXProgram {p.name}: {len(p.nodes)} nodes, {len(p.numbers)} initializers, opset {p.opset}>"


def _shown(s: Any) -> str:
    return f"{s.dtype.name}[{', '.join(s.axes.get(d) or str(int(n)) for d, n in enumerate(s.shape))}]"
