"""Networks as ONNX models, and back. It stands on the library onnx, the extra of that name."""

from layerwise.onnx.export import export_onnx, to_onnx
from layerwise.onnx.reader import from_onnx

__all__ = ["export_onnx", "from_onnx", "to_onnx"]
