"""Elementwise operations of training: by NumPy, or as loops that Numba compiles."""

from layerwise.kernels.select import compiled, kernels_in_use

__all__ = ["compiled", "kernels_in_use"]
