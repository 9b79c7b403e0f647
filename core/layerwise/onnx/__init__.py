"""Export and import of ONNX models. Needs the extra `onnx`."""

from layerwise.onnx.export import export_onnx, to_onnx
from layerwise.onnx.reader import from_onnx

__all__ = ["export_onnx", "from_onnx", "to_onnx"]
