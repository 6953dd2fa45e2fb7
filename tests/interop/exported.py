"""The oracle of exported files: the checker of onnx, and onnxruntime's numbers against the model's own."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest

import cutaway
import cutaway.onnx

onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
onnxruntime.set_default_logger_severity(4)


def exported(model: Any, *args: Any, **options: Any) -> Any:
    """The file as onnx reads it, checked whole."""
    file = io.BytesIO()
    assert cutaway.onnx.export(model, args, file, dynamo=False, **options) is None
    proto = onnx.load_from_string(file.getvalue())
    onnx.checker.check_model(proto, full_check=True)
    return proto


def run(proto: Any, *tensors: Any) -> list[np.ndarray]:
    """The file's results for these inputs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = dict(zip([i.name for i in session.get_inputs()], [t.detach().numpy() for t in tensors]))
    return session.run(None, given)


def results(x: Any) -> list[np.ndarray]:
    """The Tensors of a result, in order, as arrays."""
    if isinstance(x, cutaway.Tensor):
        return [x.detach().numpy()]
    if isinstance(x, dict):
        x = list(x.values())
    return [a for i in x for a in results(i)] if isinstance(x, (list, tuple)) else []


def expected(model: Any, *args: Any) -> list[np.ndarray]:
    """The model's own results, in eval mode and without gradients."""
    if hasattr(model, "eval"):
        model.eval()
    with cutaway.no_grad():
        return results(model(*args))


def compare(ours: list[np.ndarray], theirs: list[np.ndarray], rtol: float = 2e-5, atol: float = 2e-6, what: Any = ()) -> None:
    """Equal dtypes, shapes and numbers; `what` names the results in an error."""
    assert len(ours) == len(theirs)
    for k, (a, b) in enumerate(zip(ours, theirs)):
        name = what[k] if what else f"result {k}"
        assert a.dtype == b.dtype and a.shape == b.shape, (name, a.dtype, a.shape, b.dtype, b.shape)
        np.testing.assert_allclose(b, a, rtol=rtol, atol=atol, err_msg=str(name))


def check(
    model: Any, *args: Any, others: Any = (), rtol: float = 2e-5, atol: float = 2e-6, what: Any = (), **options: Any
) -> Any:
    """Export, check, run, compare; and again for each tuple of inputs in `others`.  Returns the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proto = exported(model, *args, **options)
    for given in (args, *others):
        tensors = [t for t in given if isinstance(t, cutaway.Tensor)]
        compare(expected(model, *given), run(proto, *tensors), rtol, atol, what)
    return proto


def kinds(proto: Any) -> list[str]:
    """The op types of a file's nodes, in order."""
    return [n.op_type for n in proto.graph.node]
