"""`cutaway export`: the network of a run folder as an ONNX file."""

from __future__ import annotations

from pathlib import Path

from cutaway import onnx
from cutaway.core.creation import zeros
from cutaway.core.errors import ArgumentError
from cutaway.train import checkpoint
from cutaway.train.folder import RunFolder

FILE = "model.onnx"


def export(path: Path, file: Path | None, opset: int | None) -> str:
    """Write what the run at `path` has learned so far to `file` (model.onnx in its folder); gives a line that says so.

    The input is `x`, a batch of any size of examples as training sees them (images from 0 to 1), the output `logits`.
    Raises ArgumentError if there is no run or no checkpoint, FileFormatError for a damaged one, MissingLibrary without
    the package onnx.
    """
    _, recipe, s = RunFolder.open(path, "export")
    if not checkpoint.exists(path):
        raise ArgumentError(f"export {path}: nothing was learned there yet; run cutaway train --resume {path}")
    task = recipe.data(s)
    model = recipe.model(task.shape, len(task.classes), s)
    weights, state = checkpoint.load(path)
    checkpoint.fit(model, weights, path)
    target = path / FILE if file is None else file
    program = onnx.export(
        model, (zeros((2, *task.shape)),), target, input_names=["x"], output_names=["logits"], opset_version=opset,
        dynamic_axes={"x": {0: "batch"}},
    )  # fmt: skip
    assert program is not None
    shape = ", ".join(map(str, task.shape))
    return f"{target}: x[batch, {shape}] -> logits[batch, {len(task.classes)}], as learned in {state['step']:,} steps"
