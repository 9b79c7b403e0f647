"""What a network consists of, counted layer by layer; the inputs are no layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from layerwise.architecture import Architecture


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer: its neurons and what it learns."""

    activation: str
    inputs: int
    units: int
    weights: int
    biases: int
    slopes: int

    @property
    def parameters(self) -> int:
        """Everything the layer learns."""
        return self.weights + self.biases + self.slopes


@dataclass(frozen=True, slots=True)
class Summary:
    """A network, layer by layer; printed, it is a table."""

    inputs: int
    layers: tuple[LayerSummary, ...]
    bytes: int

    @property
    def neurons(self) -> int:
        """The units of all layers, without the inputs."""
        return sum(layer.units for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Everything the network learns."""
        return sum(layer.parameters for layer in self.layers)

    def __str__(self) -> str:
        lines = [f"{'layer':<10}{'activation':<12}{'units':>10}{'parameters':>14}"]
        lines += [
            f"{f'layer{i}':<10}{layer.activation:<12}{layer.units:>10,}{layer.parameters:>14,}"
            for i, layer in enumerate(self.layers)
        ]
        lines.append(f"{'sum':<22}{self.neurons:>10,}{self.parameters:>14,}  ({self.bytes:,} bytes)")
        return "\n".join(lines)


def summarize(architecture: Architecture, dtype: DTypeLike) -> Summary:
    """The summary of `architecture` with numbers of `dtype`."""
    layers = tuple(
        LayerSummary(
            activation=layer.activation.kind,
            inputs=inputs,
            units=layer.units,
            weights=inputs * layer.columns,
            biases=layer.columns,
            slopes=layer.units * layer.activation.learns_slope,
        )
        for inputs, layer in zip(architecture.widths, architecture.layers, strict=True)
    )
    return Summary(architecture.inputs, layers, architecture.parameters * np.dtype(dtype).itemsize)
