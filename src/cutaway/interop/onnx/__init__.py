"""ONNX: a forward as a file that other tools read."""

from cutaway.interop.onnx.export import OperatorExportTypes, TrainingMode, export, is_in_onnx_export
from cutaway.interop.onnx.program import ONNXProgram

__all__ = ["ONNXProgram", "OperatorExportTypes", "TrainingMode", "export", "is_in_onnx_export"]
