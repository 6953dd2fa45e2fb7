"""Formats that others read and write: PyTorch's checkpoints, safetensors, ONNX."""
