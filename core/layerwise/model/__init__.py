"""The model: a network, what its inputs and outputs mean, and its file."""

from layerwise.model.mlp import MLP

__all__ = ["MLP"]
