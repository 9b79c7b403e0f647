"""Import of networks trained by other libraries, none of which is imported. For ONNX, see layerwise.onnx."""

from layerwise.imports.keras import from_keras
from layerwise.imports.sklearn import from_sklearn
from layerwise.imports.torch import from_torch

__all__ = ["from_keras", "from_sklearn", "from_torch"]
