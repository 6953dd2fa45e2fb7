"""PyTorch's module path `onnx`; holds no code of its own."""

from typing import Any

from cutaway.core.absent import absent
from cutaway.core.errors import ExportError as OnnxExporterError
from cutaway.interop.onnx import ONNXProgram, OperatorExportTypes, TrainingMode, export, is_in_onnx_export

__all__ = ["ONNXProgram", "OnnxExporterError", "OperatorExportTypes", "TrainingMode", "export", "is_in_onnx_export"]


def __getattr__(name: str) -> Any:
    raise absent("cutaway.onnx", name, __all__)
