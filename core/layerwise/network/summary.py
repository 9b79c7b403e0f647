"""What a network consists of, counted layer by layer; the inputs are no layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from layerwise.network.architecture import Architecture


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer: its neurons, what it learns, and the running statistics it keeps."""

    activation: str
    inputs: int
    units: int
    weights: int
    biases: int
    scales: int
    slopes: int
    statistics: int

    @property
    def parameters(self) -> int:
        """Everything the layer learns."""
        return self.weights + self.biases + self.scales + self.slopes


@dataclass(frozen=True, slots=True)
class Summary:
    """A network, layer by layer; printed, it is a table."""

    inputs: int
    layers: tuple[LayerSummary, ...]
    bytes: int
    """Of the memory that parameters and statistics take."""

    @property
    def neurons(self) -> int:
        """The units of all layers, without the inputs."""
        return sum(layer.units for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Everything the network learns."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def statistics(self) -> int:
        """The running means and variances of batch normalisation."""
        return sum(layer.statistics for layer in self.layers)

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("layer", "activation", "units", "weights", "biases", "parameters")]
        rows += [
            (f"layer{i}", layer.activation, *_grouped(layer.units, layer.weights, layer.biases, layer.parameters))
            for i, layer in enumerate(self.layers)
        ]
        weights, biases = (sum(getattr(layer, name) for layer in self.layers) for name in ("weights", "biases"))
        rows.append(("sum", "", *_grouped(self.neurons, weights, biases, self.parameters)))
        lines = ["{:<10}{:<12}{:>10}{:>14}{:>10}{:>14}".format(*row) for row in rows]
        lines[-1] += f"  ({self.bytes:,} bytes)"
        return "\n".join(lines)


def _grouped(*counts: int) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in counts)


def summarize(architecture: Architecture, dtype: DTypeLike) -> Summary:
    """The summary of `architecture` with numbers of `dtype`."""
    layers = tuple(
        LayerSummary(
            activation=layer.activation.kind,
            inputs=inputs,
            units=layer.units,
            weights=inputs * layer.columns,
            biases=layer.columns,
            scales=layer.scales,
            slopes=layer.slopes,
            statistics=layer.statistics,
        )
        for inputs, layer in zip(architecture.widths, architecture.layers, strict=True)
    )
    return Summary(
        architecture.inputs, layers, (architecture.parameters + architecture.statistics) * np.dtype(dtype).itemsize
    )
