"""What `onnx.export` takes, refuses and writes."""

from __future__ import annotations

import io
import sys
from typing import NamedTuple

import numpy as np
import pytest

import cutaway
import cutaway.onnx as co
from cutaway import nn
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ExportError, MissingLibrary, ShapeError

from .exported import check, compare, expected, exported, kinds, onnx, run

cutaway.manual_seed(0)
X = cutaway.randn(3, 4)
MLP = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))


def shapes(values):
    return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}


def test_a_path_a_file_and_a_program_hold_the_same(tmp_path):
    path, file = tmp_path / "m.onnx", io.BytesIO()
    program = co.export(MLP, (X,), path)
    co.export(MLP, X, file)
    program.save(str(tmp_path / "n.onnx"))
    whole = path.read_bytes()
    assert whole == file.getvalue() == (tmp_path / "n.onnx").read_bytes() == program.model_proto.SerializeToString()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "n.onnx"]
    compare(expected(MLP, X), [t.numpy() for t in program(X)])
    assert repr(program) == "<ONNXProgram Sequential: 3 nodes, 4 initializers, opset 18>"
    assert "output = Gemm(" in str(program)


def test_a_failed_export_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ExportError):
        co.export(lambda x: x if x.sum() > 0 else -x, (X,), path)
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ArgumentError, match="makedirs"):
        co.export(MLP, (X,), tmp_path / "missing" / "m.onnx")


def test_the_older_interface_returns_nothing_and_needs_a_file():
    assert co.export(MLP, X, io.BytesIO(), dynamo=False) is None
    with pytest.raises(ArgumentError, match="dynamo=False"):
        co.export(MLP, X, dynamo=False)


def test_names():
    proto = exported(MLP, X)
    assert shapes(proto.graph.input) == {"input": [3, 4]} and shapes(proto.graph.output) == {"output": [3, 2]}
    assert sorted(i.name for i in proto.graph.initializer) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    proto = exported(MLP, X, input_names=["pixels"], output_names=["logits"])
    assert shapes(proto.graph.input) == {"pixels": [3, 4]} and shapes(proto.graph.output) == {"logits": [3, 2]}


def test_names_beyond_the_inputs_are_the_parameters():
    proto = exported(MLP, X, input_names=["x", "w1", "b1"])
    assert sorted(i.name for i in proto.graph.initializer) == ["2.bias", "2.weight", "b1", "w1"]
    with pytest.raises(ArgumentError, match="has 6 names"):
        exported(MLP, X, input_names=list("abcdef"))
    with pytest.raises(ArgumentError, match="2 names for 1 results"):
        exported(MLP, X, output_names=["a", "b"])
    for bad in ("x", [1], [""]):
        with pytest.raises(ArgumentTypeError, match="list of names"):
            exported(MLP, X, input_names=bad)
    with pytest.raises(ArgumentError, match="twice"):
        exported(lambda a, b: a + b, X, X, input_names=["x", "x"])


class Pair(NamedTuple):
    total: cutaway.Tensor
    part: cutaway.Tensor


@pytest.mark.parametrize(
    "forward, names",
    [
        (lambda x: (x + 1, x * 2), ["output_0", "output_1"]),
        (lambda x: {"a": x + 1, "b": [x * 2, x]}, ["a", "b_0", "b_1"]),
        (lambda x: Pair(x.sum(), x[0]), ["total", "part"]),
        (lambda x: [(x, x)], ["output_0", "output_1"]),
    ],
)
def test_structures_of_results(forward, names):
    proto = check(forward, X)
    assert list(shapes(proto.graph.output)) == names


def test_arguments_by_name_and_in_structures():
    def forward(x, pair, scale=1.0, more=None):
        return x * scale + pair[0] - pair[1]["k"] + (more if more is not None else 0)

    program = co.export(forward, (X, (X + 1, {"k": X * 2})), kwargs={"scale": 3.0, "more": X})
    assert list(shapes(program.model_proto.graph.input)) == ["x", "pair_0", "pair_1_k", "more"]
    (y,) = program(X, X + 1, X * 2, X)
    np.testing.assert_allclose(y.numpy(), (X * 3 + X + 1 - X * 2 + X).numpy(), rtol=1e-6)
    older = co.export(forward, (X, (X + 1, {"k": X * 2}), {"scale": 3.0, "more": X}))
    assert str(older) == str(program)


def test_parameters_as_inputs_or_left_out(tmp_path):
    given = {"0.weight", "0.bias", "2.weight", "2.bias"}
    proto = exported(MLP, X, keep_initializers_as_inputs=True)
    assert given < set(shapes(proto.graph.input)) and {i.name for i in proto.graph.initializer} == given
    compare(expected(MLP, X), run(proto, X))
    proto = exported(MLP, X, export_params=False)
    assert given < set(shapes(proto.graph.input)) and not proto.graph.initializer
    state = MLP.state_dict()
    held = [state[n] for n in list(shapes(proto.graph.input))[1:]]
    compare(expected(MLP, X), run(proto, X, *held))
    program = co.export(MLP, X)
    program.save(tmp_path / "bare.onnx", include_initializers=False, keep_initializers_as_inputs=True)
    assert given < set(shapes(onnx.load(tmp_path / "bare.onnx").graph.input))


def test_what_is_made_of_parameters_is_folded_unless_asked_not_to():
    model = nn.LSTM(4, 3)
    x = cutaway.randn(5, 2, 4)
    assert kinds(check(model, x)) == ["LSTM", "Squeeze"]
    proto = exported(model, x, do_constant_folding=False)
    assert "Slice" in kinds(proto) and {i.name for i in proto.graph.initializer} >= set(model.state_dict())
    compare(expected(model, x), run(proto, x))
    linear = nn.Linear(4, 3)
    assert kinds(exported(linear, x)) == ["MatMul", "Add"]
    assert kinds(exported(linear, x, do_constant_folding=False)) == ["Transpose", "MatMul", "Add"]
    assert kinds(exported(linear, x, export_params=False)) == ["Transpose", "MatMul", "Add"]


def test_numbers_in_a_second_file(tmp_path, monkeypatch):
    program = co.export(MLP, X)
    program.save(tmp_path / "m.onnx", external_data=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
    compare(expected(MLP, X), run(onnx.load(tmp_path / "m.onnx"), X))
    monkeypatch.setattr("cutaway.interop.onnx.file.LARGEST", 100)
    co.export(MLP, X, tmp_path / "large.onnx")
    assert (tmp_path / "large.onnx.data").stat().st_size == sum(p.numel() * 4 for p in MLP.parameters())
    with pytest.raises(ArgumentError, match="give a path"):
        co.export(MLP, X, io.BytesIO())


def test_a_shared_parameter_is_written_once():
    table = nn.Embedding(6, 4)

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = table

        def forward(self, k):
            return nn.functional.linear(self.table(k)[:, 0], self.table.weight)

    proto = check(Tied(), cutaway.tensor([[1, 2], [5, 0]]))
    assert [i.name for i in proto.graph.initializer if "weight" in i.name] == ["table.weight"]


# --- modes ------------------------------------------------------------------------------------------------------------


def test_the_mode_is_eval_and_comes_back():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())
    model.train()
    model[1].eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert kinds(exported(model, X)) == ["Gemm", "BatchNormalization"]
    assert [m.training for m in model.modules()] == [True, True, False, True]
    assert all(cutaway.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(not m._hooks or not (m._hooks.before or m._hooks.after) for m in model.modules())


@pytest.mark.parametrize("mode", [co.TrainingMode.TRAINING, co.TrainingMode.PRESERVE])
def test_training_is_refused_where_it_cannot_be_said(mode):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).train()
    with pytest.raises(ExportError, match=r"writes to .*1\.running_mean.*model\.eval\(\)"):
        exported(model, X, training=mode)
    dropped = nn.Sequential(nn.Linear(4, 4), nn.Dropout()).train()
    with pytest.raises(ExportError, match=r"random numbers.*in layer 1"):
        exported(dropped, X, training=mode)
    assert kinds(exported(dropped.eval(), X, training=co.TrainingMode.PRESERVE)) == ["Gemm"]


def test_numbers_drawn_in_the_forward_are_refused_and_not_spent():
    cutaway.manual_seed(3)
    with pytest.raises(ExportError, match="draws random numbers"):
        exported(lambda x: x + cutaway.randn(3, 4), X)
    drawn = cutaway.rand(2)
    cutaway.manual_seed(3)
    assert cutaway.equal(drawn, cutaway.rand(2))


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_asking_for_values_names_the_line():
    class Branch(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ExportError, match=r"test_onnx_export.py:\d+.*cutaway.where.*Branch") as caught:
        exported(nn.Sequential(nn.Linear(4, 4), Branch()), X)
    assert "compile" not in str(caught.value) and "in layer 1" in str(caught.value)


def test_no_result_is_refused():
    with pytest.raises(ExportError, match="returns no Tensor"):
        exported(lambda x: None, X)


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"opset_version": 12}, ArgumentError, "13 to"),
        ({"opset_version": 99}, ArgumentError, "13 to"),
        ({"opset_version": "18"}, ArgumentError, "13 to"),
        ({"custom_opsets": {"my": 1}}, ArgumentError, "custom_opsets is not offered"),
        ({"custom_translation_table": {1: 2}}, ArgumentError, "custom_translation_table is not offered"),
        ({"export_modules_as_functions": True}, ArgumentError, "not offered"),
        ({"report": True}, ArgumentError, "report is not offered"),
        ({"operator_export_type": 1}, ArgumentError, "must be ONNX"),
        ({"dynamic_axes": {"y": {0: "n"}}}, ArgumentError, "names 'y', but the inputs are input"),
        ({"dynamic_axes": {"input": {5: "n"}}}, ArgumentError, "no axis 5"),
        ({"dynamic_axes": ["input"]}, ArgumentTypeError, "must be a dict"),
        ({"dynamic_shapes": {"z": {0: "n"}}}, ArgumentError, "names 'z'"),
        ({"dynamic_axes": {"input": {1: "n"}}}, ShapeError, "features"),
    ],
)
def test_options_that_cannot_be_honoured(options, error, words):
    with pytest.raises(error, match=words):
        co.export(MLP, X, **options)


def test_options_that_make_no_difference():
    usual = str(co.export(MLP, X))
    for options in (
        {"optimize": False}, {"autograd_inlining": False}, {"artifacts_dir": "x"}, {"external_data": False}, {"fallback": True},
        {"operator_export_type": co.OperatorExportTypes.ONNX}, {"training": co.TrainingMode.EVAL}, {"verify": True},
    ):  # fmt: skip
        assert str(co.export(MLP, X, **options)) == usual


def test_verbose_prints_the_nodes(capsys):
    co.export(MLP, X, verbose=True)
    assert "Relu(/0/Gemm_output_0)" in capsys.readouterr().out


def test_no_model_is_refused():
    with pytest.raises(ArgumentTypeError, match="Module or a function"):
        co.export(3, X)


def test_without_the_library_the_command_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingLibrary, match=r"pip install 'cutaway\[onnx\]'") as caught:
        co.export(MLP, X)
    assert isinstance(caught.value, ImportError)


# --- dynamic axes -----------------------------------------------------------------------------------------------------

BATCH = {"input": {0: "batch"}}


@pytest.mark.parametrize(
    "options, first, last",
    [
        ({"dynamic_axes": BATCH}, "batch", "batch"),
        ({"dynamic_axes": {**BATCH, "y": {0: "n"}}, "output_names": ["y"]}, "batch", "n"),
        ({"dynamic_axes": {"input": [0]}}, "input_dynamic_axes_1", "input_dynamic_axes_1"),
        ({"dynamic_axes": {"input": {-2: "n"}}}, "n", "n"),
        ({"dynamic_shapes": BATCH}, "batch", "batch"),
        ({"dynamic_shapes": ({0: "batch"},)}, "batch", "batch"),
        ({"dynamic_shapes": [("batch", None)]}, "batch", "batch"),
    ],
)
def test_ways_to_say_which_axes_are_dynamic(options, first, last):
    proto = check(MLP, X, others=((cutaway.randn(1, 4),), (cutaway.randn(7, 4),)), **options)
    assert [*shapes(proto.graph.input).values()] == [[first, 4]]
    assert [*shapes(proto.graph.output).values()] == [[last, 2]]


def test_dims_and_hints_of_torch_export():
    torch = pytest.importorskip("torch")
    from torch.export import Dim

    proto = exported(MLP, X, dynamic_shapes=({0: Dim("rows")},))
    assert shapes(proto.graph.input) == {"input": ["rows", 4]}
    proto = exported(MLP, X, dynamic_shapes=({0: Dim.DYNAMIC, 1: Dim.STATIC},))
    assert shapes(proto.graph.input) == {"input": ["input_dim_0", 4]}
    assert torch.export


def test_axes_with_one_name_must_have_one_size():
    with pytest.raises(ArgumentError, match=r"named 'n' have different sizes: 3, 4"):
        exported(lambda a, b: a.sum() + b.sum(), X, cutaway.randn(4), dynamic_axes={"a": {0: "n"}, "b": {0: "n"}})


def test_axes_with_two_names_that_must_be_equal():
    proto = exported(lambda a, b: a + b, X, X, dynamic_axes={"a": {0: "n"}, "b": {0: "m"}})
    compare([np.full((5, 4), 3, np.float32)], run(proto, cutaway.ones(5, 4), cutaway.ones(5, 4) * 2))


def test_a_batch_of_one_is_no_broadcast():
    proto = check(lambda x: x + cutaway.ones(1, 4), X[:1], others=((X,),), dynamic_axes={"x": {0: "n"}})
    assert shapes(proto.graph.output) == {"output": ["n", 4]}


def test_a_model_that_is_compiled_is_exported_as_it_was_written():
    compiled = cutaway.compile(MLP)
    assert str(co.export(compiled, X)) == str(co.export(MLP, X))


def test_a_compiled_part_is_exported_as_it_was_written():
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = cutaway.compile(MLP)

        def forward(self, x):
            return self.part(x) + 1

    assert kinds(check(Whole(), X)) == ["Gemm", "Relu", "Gemm", "Add"]


def test_a_method_is_exported_with_its_layers_names():
    class Coder(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 3)

        def encode(self, x):
            return self.inner(x)

    proto = check(Coder().encode, X)
    assert [n.name for n in proto.graph.node] == ["/inner/Gemm"]
    assert [i.name for i in proto.graph.initializer] == ["inner.bias", "inner.weight"]


def test_in_place_methods_and_assignments():
    def forward(x):
        y = x.clone()
        y[:, 0] = 0.0
        y[:1, 1:3] = x[1:2, :2]
        return y.add_(1).mul_(2).clamp_(min=0), x.relu_()

    for inputs in (X, X.double()):
        proto = exported(forward, inputs)
        compare(expected(forward, inputs.clone()), run(proto, inputs))


def test_inputs_parameters_and_constants_as_results():
    w = cutaway.tensor([1.0, 2.0])
    proto = check(lambda x: (x, w, cutaway.ones(2) * 3, x), X)
    assert kinds(proto) == ["Identity"] * 4


def test_a_long_loop_is_no_deep_recursion():
    def forward(x):
        for _ in range(3000):
            x = x + 1
        return x

    assert len(kinds(check(forward, X))) == 3000


def test_the_flag_is_up_while_exporting():
    seen = []

    def forward(x):
        seen.append(co.is_in_onnx_export())
        return x + 1

    co.export(forward, X)
    assert seen == [True] and not co.is_in_onnx_export()


def test_a_name_that_is_absent():
    with pytest.raises(AttributeError, match="nearest name is 'export'"):
        co.exports  # noqa: B018
