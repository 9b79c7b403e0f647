"""The initial weights: zero mean, and a variance that keeps signals of one size from layer to layer."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from layerwise.activations import Floats

Spread = Callable[[int, int], float]


def he(fan_in: int, _fan_out: int) -> float:
    """The variance 2 / fan_in, for the ReLU family. He et al. 2015."""
    return 2 / fan_in


def glorot(fan_in: int, fan_out: int) -> float:
    """The variance 2 / (fan_in + fan_out), for the others. Glorot and Bengio 2010."""
    return 2 / (fan_in + fan_out)


INITIALIZERS: Mapping[str, tuple[Spread, bool]] = {
    "he_normal": (he, True),
    "he_uniform": (he, False),
    "glorot_normal": (glorot, True),
    "glorot_uniform": (glorot, False),
}
"""Every initialiser by its name: the variance of (fan_in, fan_out), and whether it is normal or uniform."""


def fill(weight: Floats, initializer: str, *, fan_out: int, rng: np.random.Generator) -> None:
    """Fills `weight` (inputs, columns) in place; `fan_out` is the layer's number of units.

    Drawn in float64 row by row, so that float32 and float64 networks of one seed start alike.
    """
    spread, normal = INITIALIZERS[initializer]
    deviation = math.sqrt(spread(len(weight), fan_out))
    edge = deviation * math.sqrt(3)  # the uniform distribution on [-edge, edge] has that deviation
    for row in weight:
        row[:] = rng.normal(0, deviation, len(row)) if normal else rng.uniform(-edge, edge, len(row))
