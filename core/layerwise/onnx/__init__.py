"""Export and import of ONNX models. Needs the extra `onnx`."""

try:
    from layerwise.onnx.export import export_onnx, to_onnx
    from layerwise.onnx.reader import from_onnx
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("onnx", "google"):
        raise
    raise ImportError("layerwise.onnx needs the package onnx: pip install 'layerwise[onnx]'") from error

__all__ = ["export_onnx", "from_onnx", "to_onnx"]
