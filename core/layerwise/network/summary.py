"""Summary of a network: units and parameters, layer by layer. The inputs do not count as a layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from layerwise.network.architecture import Architecture


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """Counts of one layer: units, parameters and running statistics."""

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
        """The number of parameters that the layer learns."""
        return self.weights + self.biases + self.scales + self.slopes


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of a network, returned by `MLP.summary`; `print` shows it as a table.

    Attributes
    ----------
    inputs : int
        Number of inputs.
    layers : tuple of LayerSummary
        The counts of each layer.
    bytes : int
        Memory of parameters and running statistics, in bytes.
    neurons, parameters, statistics : int
        Totals over the layers.
    """

    inputs: int
    layers: tuple[LayerSummary, ...]
    bytes: int

    @property
    def neurons(self) -> int:
        """The number of units of all layers, without the inputs."""
        return sum(layer.units for layer in self.layers)

    @property
    def parameters(self) -> int:
        """The number of parameters that the network learns."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def statistics(self) -> int:
        """The number of running means and variances of batch normalisation."""
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
    """Return the summary of `architecture` with parameters of `dtype`."""
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
