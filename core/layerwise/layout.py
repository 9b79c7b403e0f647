"""Where the parameters stand: named members, and the one vector that layers see through views."""

from dataclasses import dataclass

from layerwise.activations import Floats
from layerwise.architecture import Architecture


@dataclass(frozen=True, slots=True)
class LayerParameters:
    """What a layer learns, or its gradient: views of one vector.

    `weight` is (inputs, pieces * units), `bias` (pieces * units,), `slope` (units,), or empty if none is learnt.
    """

    weight: Floats
    bias: Floats
    slope: Floats


def member_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """The name and shape of every array a model file holds, layer by layer."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (inputs, layer) in enumerate(zip(architecture.widths, architecture.layers, strict=True)):
        shapes[f"layer{i}/weight"] = (inputs, layer.columns)
        shapes[f"layer{i}/bias"] = (layer.columns,)
        if layer.activation.learns_slope:
            shapes[f"layer{i}/slope"] = (layer.units,)
    return shapes


def weight_count(architecture: Architecture) -> int:
    """How many of the parameters are weights: they stand first in the vector, so that L2 sees one slice."""
    return sum(inputs * layer.columns for inputs, layer in zip(architecture.widths, architecture.layers, strict=True))


def views(architecture: Architecture, vector: Floats) -> tuple[LayerParameters, ...]:
    """Each layer's part of `vector` (parameters,): first all weights, then each layer's bias and slope."""
    found: list[LayerParameters] = []
    weight, rest = 0, weight_count(architecture)
    for inputs, layer in zip(architecture.widths, architecture.layers, strict=True):
        weight_end = weight + inputs * layer.columns
        bias_end = rest + layer.columns
        slope_end = bias_end + layer.units * layer.activation.learns_slope
        found.append(
            LayerParameters(
                weight=vector[weight:weight_end].reshape(inputs, layer.columns),
                bias=vector[rest:bias_end],
                slope=vector[bias_end:slope_end],
            )
        )
        weight, rest = weight_end, slope_end
    return tuple(found)


def members(architecture: Architecture, vector: Floats) -> dict[str, Floats]:
    """Views of `vector` under the names of `member_shapes`, in its order."""
    found: dict[str, Floats] = {}
    for i, part in enumerate(views(architecture, vector)):
        found[f"layer{i}/weight"] = part.weight
        found[f"layer{i}/bias"] = part.bias
        if part.slope.size:
            found[f"layer{i}/slope"] = part.slope
    return found
