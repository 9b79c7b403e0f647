"""The model: a network with the meaning of its inputs and outputs."""

from layerwise.model.mlp import MLP

__all__ = ["MLP"]
