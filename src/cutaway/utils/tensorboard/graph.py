"""A model's operations as TensorBoard's graph: a node an operation, in the box of the module that it was called in."""

from __future__ import annotations

from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.op import STAGE
from cutaway.engine.graph import Value
from cutaway.engine.trace import trace

# Of a graph's inputs: the box, none for parameters, which lie in their modules', and what TensorBoard calls it.
KINDS = {"argument": ("input/", "IO Node"), "tensor": ("", "Parameter")}


def definition(model: Any, inputs: Any) -> Any:
    """The GraphDef of `model(*inputs)`."""
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.versions_pb2 import VersionDef

    arguments = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    names = {id(t): n for n, t in [*model.named_parameters(), *model.named_buffers()]}
    boxes = _Boxes(model)
    try:
        with no_grad():
            graph, _ = trace(model, arguments, names)
    finally:
        boxes.close()
    named: dict[Value, str] = {}
    nodes = []
    for n, v in enumerate(graph.values):
        if v.op is None:
            assert v.source is not None
            box, label = KINDS.get(v.source.kind, ("constant/", "Const"))
            name = box + (v.source.name or str(n)).replace(".", "/")
        else:
            name, label = f"{boxes.of(n)}{v.op.name}_{n}", v.op.name
        named[v] = name
        nodes.append(_node(name, label, [named[i] for i in v.inputs], v))
    for n, v in enumerate(graph.outputs):
        nodes.append(_node(f"output/{n}", "IO Node", [named[v]], v))
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


def _node(name: str, op: str, inputs: list[str], v: Value) -> Any:
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.node_def_pb2 import NodeDef
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in v.aval.shape])
    attributes = {
        "_output_shapes": AttrValue(list=AttrValue.ListValue(shape=[shape])),
        "attr": AttrValue(s=f"{v.aval} {v.attrs or ''} {v.line}".strip().encode("utf-8", errors="ignore")),
    }
    return NodeDef(name=name, op=op, input=inputs, attr=attributes)


class _Boxes:
    """Which operations each module made: from where to where the trace grew while its forward ran."""

    def __init__(self, model: Any) -> None:
        self.spans: list[tuple[int, int, str]] = []
        self._open: list[int] = []
        self._handles: list[Any] = []
        for path, module in model.named_modules():
            self._handles.append(module.register_forward_pre_hook(self._enter))
            self._handles.append(module.register_forward_hook(self._leaver(path)))

    def _enter(self, module: Any, arguments: Any) -> None:
        self._open.append(_length())

    def _leaver(self, path: str) -> Any:
        def leave(module: Any, arguments: Any, result: Any) -> None:
            self.spans.append((self._open.pop(), _length(), path.replace(".", "/")))

        return leave

    def of(self, n: int) -> str:
        """The box of operation `n`, with a slash behind: of the innermost module that was running."""
        inside = [(last - first, path) for first, last, path in self.spans if first <= n < last and path]
        return f"{min(inside)[1]}/" if inside else ""

    def close(self) -> None:
        """Take the hooks off the modules."""
        for handle in self._handles:
            handle.remove()


def _length() -> int:
    tracer: Any = STAGE.get()
    return len(tracer.values)
