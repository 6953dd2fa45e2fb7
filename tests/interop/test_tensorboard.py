"""SummaryWriter: the event file, read back record by record with tensorboardX's own messages."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError, MissingAttribute, TraceError
from cutaway.utils.tensorboard import SummaryWriter

pytest.importorskip("tensorboardX")


def events(folder):
    """Every event below a folder: TFRecord is a length, its checksum, the bytes, theirs."""
    from tensorboardX.proto.event_pb2 import Event

    for file in sorted(folder.rglob("*tfevents*")):
        data, at = file.read_bytes(), 0
        while at < len(data):
            (n,) = struct.unpack_from("<Q", data, at)
            yield Event.FromString(data[at + 12 : at + 12 + n])
            at += 16 + n


def values(folder):
    return {(v.tag, e.step): v for e in events(folder) for v in e.summary.value}


def test_numbers_pictures_texts(tmp_path):
    x = cutaway.linspace(0, 1, 12, requires_grad=True)
    with SummaryWriter(tmp_path) as writer:
        assert writer.log_dir == writer.get_logdir() == str(tmp_path)
        writer.add_scalar("loss", x.sum(), 3)
        writer.add_scalar("loss", 0.5, global_step=4, new_style=True)
        writer.add_histogram("weights", x, 1)
        writer.add_image("picture", x.reshape(3, 2, 2), 0)
        writer.add_image("grey", (x.reshape(1, 3, 4).detach() * 255).byte(), 0, dataformats="CHW")
        writer.add_images("pictures", x.reshape(2, 1, 2, 3), 0)
        writer.add_text("note", "**here**", 0)
        writer.add_scalars("both", {"a": x[1], "b": 2.0}, 7)
        writer.add_hparams({"lr": 0.1, "name": "net"}, {"accuracy": x[-1]})
        writer.add_embedding(x.reshape(4, 3), metadata=list("abcd"), tag="points")
        writer.add_pr_curve("curve", x > 0.5, x.detach(), 0)
        writer.flush()
    found = values(tmp_path)
    assert found["loss", 3].simple_value == pytest.approx(6.0) and found["loss", 4].simple_value == 0.5
    histogram = found["weights", 1].histo
    assert histogram.num == 12 and histogram.sum == pytest.approx(6.0) and histogram.max == pytest.approx(1.0)
    assert (found["picture", 0].image.height, found["picture", 0].image.width) == (2, 2)
    assert (found["grey", 0].image.height, found["grey", 0].image.width) == (3, 4)
    assert found["pictures", 0].image.encoded_image_string[1:4] == b"PNG"
    assert any(v.tag.startswith("note") and b"**here**" in v.tensor.string_val[0] for v in found.values() if v.tensor.string_val)
    both = sorted(v.simple_value for e in events(tmp_path) for v in e.summary.value if v.tag == "both" and e.step == 7)
    assert both == pytest.approx([1 / 11, 2.0])
    assert any(tag == "accuracy" and v.simple_value == 1.0 for (tag, _), v in found.items())
    assert any("hparams" in tag for tag, _ in found) and any(tag.startswith("curve") for tag, _ in found)
    points = np.loadtxt(next(tmp_path.rglob("tensors.tsv")))
    np.testing.assert_allclose(points, x.reshape(4, 3).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_figures(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure()
    figure.add_subplot().plot([1, 2])
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("plot", figure, 2, close=False)
    assert values(tmp_path)["plot", 2].image.height > 0


def test_the_graph_lies_in_the_modules_boxes(tmp_path):
    from tensorboardX.proto.graph_pb2 import GraphDef

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
            self.head = nn.Linear(2 * 16, 3)

        def forward(self, x):
            return self.head(self.body(x).flatten(1)).softmax(-1)

    net = Net()
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(net, cutaway.ones(5, 1, 6, 6))
        with pytest.raises(ArgumentError, match="input_to_model"):
            writer.add_graph(net)
        with pytest.raises(TraceError):
            writer.add_graph(Branch(), cutaway.ones(2))
    (graph,) = [GraphDef.FromString(e.graph_def) for e in events(tmp_path) if e.graph_def]
    nodes = {node.name: node for node in graph.node}
    assert len(nodes) == len(graph.node) and all(i in nodes for node in graph.node for i in node.input)
    assert {"body/0/weight", "head/bias", "input/0", "output/0"} <= set(nodes)
    (product,) = [n for n in nodes.values() if n.name.startswith("head/") and n.op in ("einsum", "matmul")]
    assert "head/weight" in below(product, nodes) and "input/0" in below(product, nodes)
    assert any(name.startswith("body/0/") and nodes[name].op == "windows" for name in nodes)
    shape = nodes["output/0"].attr["_output_shapes"].list.shape[0]
    assert [d.size for d in shape.dim] == [5, 3]
    hooks = net.head._hooks
    assert not (hooks and (hooks.before or hooks.after)), "they are taken off again"


class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def below(node, nodes):
    found, stack = set(), list(node.input)
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack += nodes[name].input
    return found


def test_what_does_not_fit_is_said(tmp_path, monkeypatch):
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ArgumentError, match=r"'loss' must be one number, got cutaway.float32\[2\]"):
            writer.add_scalar("loss", cutaway.ones(2))
        with pytest.raises(MissingAttribute, match="'add_scalar'"):
            writer.add_scaler("loss", 1)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'pip install "cutaway\[tensorboard\]"'):
        SummaryWriter(tmp_path)
