"""Layout of a network's parameter and statistics vectors: each layer's views and the names of its arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from layerwise.network.architecture import Architecture
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class LayerParameters:
    """Parameters of a layer, or their gradients: views of one vector.

    `weight` is (inputs, pieces * units), `bias` (pieces * units,); `scale`, of the same shape as `bias`, and `slope`
    (units,) are empty if none is learnt.
    """

    weight: Floats
    bias: Floats
    scale: Floats
    slope: Floats


@dataclass(frozen=True, slots=True)
class LayerStatistics:
    """Running mean and variance (pieces * units,) of a batch-normalised layer; empty for other layers."""

    mean: Floats
    variance: Floats


def member_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every array in a model file, layer by layer."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (inputs, layer) in enumerate(zip(architecture.widths, architecture.layers, strict=True)):
        shapes[f"layer{i}/weight"] = (inputs, layer.columns)
        shapes[f"layer{i}/bias"] = (layer.columns,)
        if layer.scales:
            shapes[f"layer{i}/scale"] = (layer.columns,)
        if layer.slopes:
            shapes[f"layer{i}/slope"] = (layer.units,)
        if layer.statistics:
            shapes[f"layer{i}/mean"] = shapes[f"layer{i}/variance"] = (layer.columns,)
    return shapes


def weight_count(architecture: Architecture) -> int:
    """Return the number of weights; they come first in the vector, so that L2 applies to one slice."""
    return sum(inputs * layer.columns for inputs, layer in zip(architecture.widths, architecture.layers, strict=True))


def views(architecture: Architecture, vector: Floats) -> tuple[LayerParameters, ...]:
    """Return views of each layer's part of `vector` (parameters,).

    The vector holds all weights first, then each layer's bias, scale and slope.
    """
    found: list[LayerParameters] = []
    weight, bias = 0, weight_count(architecture)
    for inputs, layer in zip(architecture.widths, architecture.layers, strict=True):
        weight_end = weight + inputs * layer.columns
        scale = bias + layer.columns
        slope = scale + layer.scales
        end = slope + layer.slopes
        found.append(
            LayerParameters(
                weight=vector[weight:weight_end].reshape(inputs, layer.columns),
                bias=vector[bias:scale],
                scale=vector[scale:slope],
                slope=vector[slope:end],
            )
        )
        weight, bias = weight_end, end
    return tuple(found)


def initial_statistics(architecture: Architecture, dtype: DTypeLike) -> Floats:
    """Return the initial vector (statistics,): means of 0, variances of 1."""
    vector: Floats = np.zeros(architecture.statistics, dtype)
    for part in statistics_views(architecture, vector):
        part.variance[:] = 1
    return vector


def statistics_views(architecture: Architecture, vector: Floats) -> tuple[LayerStatistics, ...]:
    """Return views of each layer's part of `vector` (statistics,): means, then variances."""
    found: list[LayerStatistics] = []
    start = 0
    for layer in architecture.layers:
        half, end = start + layer.statistics // 2, start + layer.statistics
        found.append(LayerStatistics(mean=vector[start:half], variance=vector[half:end]))
        start = end
    return tuple(found)


def members(architecture: Architecture, parameters: Floats, statistics: Floats) -> dict[str, Floats]:
    """Return views of both vectors by the names of `member_shapes`, in its order."""
    found: dict[str, Floats] = {}
    parts = zip(views(architecture, parameters), statistics_views(architecture, statistics), strict=True)
    for i, (layer, running) in enumerate(parts):
        found[f"layer{i}/weight"], found[f"layer{i}/bias"] = layer.weight, layer.bias
        if layer.scale.size:
            found[f"layer{i}/scale"] = layer.scale
        if layer.slope.size:
            found[f"layer{i}/slope"] = layer.slope
        if running.mean.size:
            found[f"layer{i}/mean"], found[f"layer{i}/variance"] = running.mean, running.variance
    return found
