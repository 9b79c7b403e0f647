"""The initial weights: mostly of zero mean, and of a variance that keeps signals of one size from layer to layer."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from layerwise.limits import Limits, Positive
from layerwise.types import Floats
from layerwise.variants import Variant

MOST = 1e38
"""Of a constant: about as much as float32 holds."""


@dataclass(frozen=True, slots=True)
class Initializer(Variant, ABC):
    """Fills the weights of a layer before training."""

    @abstractmethod
    def fill(self, weight: Floats, /, *, fan_out: int, rng: np.random.Generator) -> None:
        """Fills `weight` (inputs, columns) in place; `fan_out` is the layer's number of units.

        Drawn in float64, so that float32 and float64 networks of one seed start alike.
        """


@dataclass(frozen=True, slots=True)
class Scaled(Initializer):
    """Independent draws of zero mean, from a normal or a uniform distribution of the same variance."""

    normal: ClassVar[bool]

    @abstractmethod
    def variance(self, fan_in: int, fan_out: int, /) -> float:
        """The variance of each weight."""

    def fill(self, weight: Floats, /, *, fan_out: int, rng: np.random.Generator) -> None:
        deviation = math.sqrt(self.variance(len(weight), fan_out))
        edge = deviation * math.sqrt(3)  # the uniform distribution on [-edge, edge] has that deviation
        for row in weight:
            row[:] = rng.normal(0, deviation, len(row)) if self.normal else rng.uniform(-edge, edge, len(row))


@dataclass(frozen=True, slots=True)
class HeNormal(Scaled):
    """The variance 2 / fan_in, for the ReLU family. He et al. 2015."""

    kind = "he_normal"
    normal = True

    def variance(self, fan_in: int, _fan_out: int, /) -> float:
        return 2 / fan_in


@dataclass(frozen=True, slots=True)
class HeUniform(HeNormal):
    """The same, uniform."""

    kind = "he_uniform"
    normal = False


@dataclass(frozen=True, slots=True)
class GlorotNormal(Scaled):
    """The variance 2 / (fan_in + fan_out), for sigmoid, tanh and linear layers. Glorot and Bengio 2010."""

    kind = "glorot_normal"
    normal = True

    def variance(self, fan_in: int, fan_out: int, /) -> float:
        return 2 / (fan_in + fan_out)


@dataclass(frozen=True, slots=True)
class GlorotUniform(GlorotNormal):
    """The same, uniform."""

    kind = "glorot_uniform"
    normal = False


@dataclass(frozen=True, slots=True)
class LeCunNormal(Scaled):
    """The variance 1 / fan_in, for SELU. LeCun et al. 1998, Efficient backprop."""

    kind = "lecun_normal"
    normal = True

    def variance(self, fan_in: int, _fan_out: int, /) -> float:
        return 1 / fan_in


@dataclass(frozen=True, slots=True)
class LeCunUniform(LeCunNormal):
    """The same, uniform."""

    kind = "lecun_uniform"
    normal = False


@dataclass(frozen=True, slots=True)
class Orthogonal(Initializer):
    """`gain` times a random matrix with orthonormal columns, or rows if it is wider than high. Saxe et al. 2014.

    Each piece of a maxout has a matrix of its own.
    """

    gain: Positive = 1.0

    kind = "orthogonal"

    def fill(self, weight: Floats, /, *, fan_out: int, rng: np.random.Generator) -> None:
        inputs, columns = weight.shape
        for start in range(0, columns, fan_out):
            q, r = np.linalg.qr(rng.normal(size=(max(inputs, fan_out), min(inputs, fan_out))))
            # QR alone prefers some signs: with those of r's diagonal, every such matrix is as likely as any other
            q *= self.gain * np.copysign(1.0, np.diagonal(r))
            weight[:, start : start + fan_out] = q if inputs >= fan_out else q.T


@dataclass(frozen=True, slots=True)
class Constant(Initializer):
    """Every weight is `value`. The units of a layer then start alike, and a layer of no randomness keeps them so."""

    value: Annotated[float, Limits(least=-MOST, below=MOST)] = 0.0

    kind = "constant"

    def fill(self, weight: Floats, /, *, fan_out: int, rng: np.random.Generator) -> None:
        del fan_out, rng
        weight[:] = self.value


@dataclass(frozen=True, slots=True)
class Zeros(Initializer):
    """Every weight is 0: fit for an output layer alone, for behind a hidden one it stops the gradient at first."""

    kind = "zeros"

    def fill(self, weight: Floats, /, *, fan_out: int, rng: np.random.Generator) -> None:
        del fan_out, rng
        weight[:] = 0


INITIALIZERS: dict[str, type[Initializer]] = {
    cls.kind: cls
    for cls in (
        HeNormal,
        HeUniform,
        GlorotNormal,
        GlorotUniform,
        LeCunNormal,
        LeCunUniform,
        Orthogonal,
        Constant,
        Zeros,
    )
}
"""Every initialiser by its name; a name stands for the class's default object."""
