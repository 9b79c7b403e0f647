"""Initial weights. Most have mean 0 and a variance that keeps the size of signals from layer to layer."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from layerwise.limits import Limits, Positive
from layerwise.types import Floats
from layerwise.variants import Variant

MAX_VALUE = 1e38
"""The largest constant: about the largest float32."""


@dataclass(frozen=True, slots=True)
class Initializer(Variant, ABC):
    """Fills the weights of a layer before training."""

    @abstractmethod
    def fill(self, weight: Floats, /, *, fan_out: int, rng: np.random.Generator) -> None:
        """Fill the weights of a layer.

        Numbers are drawn in float64, so that float32 and float64 networks of one seed start alike.

        Parameters
        ----------
        weight : ndarray (inputs, columns)
            Receives the weights.
        fan_out : int
            The number of units of the layer.
        rng : Generator
            The source of random numbers.
        """


@dataclass(frozen=True, slots=True)
class Scaled(Initializer):
    """Independent draws of mean 0 from a normal or a uniform distribution."""

    normal: ClassVar[bool]

    @abstractmethod
    def variance(self, fan_in: int, fan_out: int, /) -> float:
        """Return the variance of each weight."""

    def fill(self, weight: Floats, /, *, fan_out: int, rng: np.random.Generator) -> None:
        deviation = math.sqrt(self.variance(len(weight), fan_out))
        edge = deviation * math.sqrt(3)  # the uniform distribution on [-edge, edge] has that deviation
        for row in weight:
            row[:] = rng.normal(0, deviation, len(row)) if self.normal else rng.uniform(-edge, edge, len(row))


@dataclass(frozen=True, slots=True)
class HeNormal(Scaled):
    """Normal distribution of variance 2 / fan_in, for the ReLU family. He et al. 2015."""

    kind = "he_normal"
    normal = True

    def variance(self, fan_in: int, _fan_out: int, /) -> float:
        return 2 / fan_in


@dataclass(frozen=True, slots=True)
class HeUniform(HeNormal):
    """Uniform distribution of variance 2 / fan_in. He et al. 2015."""

    kind = "he_uniform"
    normal = False


@dataclass(frozen=True, slots=True)
class GlorotNormal(Scaled):
    """Normal distribution of variance 2 / (fan_in + fan_out), for sigmoid, tanh and linear layers.

    Glorot and Bengio 2010.
    """

    kind = "glorot_normal"
    normal = True

    def variance(self, fan_in: int, fan_out: int, /) -> float:
        return 2 / (fan_in + fan_out)


@dataclass(frozen=True, slots=True)
class GlorotUniform(GlorotNormal):
    """Uniform distribution of variance 2 / (fan_in + fan_out). Glorot and Bengio 2010."""

    kind = "glorot_uniform"
    normal = False


@dataclass(frozen=True, slots=True)
class LeCunNormal(Scaled):
    """Normal distribution of variance 1 / fan_in, for SELU. LeCun et al. 1998, Efficient backprop."""

    kind = "lecun_normal"
    normal = True

    def variance(self, fan_in: int, _fan_out: int, /) -> float:
        return 1 / fan_in


@dataclass(frozen=True, slots=True)
class LeCunUniform(LeCunNormal):
    """Uniform distribution of variance 1 / fan_in. LeCun et al. 1998."""

    kind = "lecun_uniform"
    normal = False


@dataclass(frozen=True, slots=True)
class Orthogonal(Initializer):
    """A random matrix with orthonormal columns, or rows if there are more columns than rows. Saxe et al. 2014.

    Each piece of a maxout has its own matrix.

    Parameters
    ----------
    gain : float, default 1
        Factor of the matrix, above 0.

    Raises
    ------
    InvalidInput
        If the gain is invalid.
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
    """The same number for every weight. The units of a layer then stay alike unless dropout tells them apart.

    Parameters
    ----------
    value : float, default 0
        The number.

    Raises
    ------
    InvalidInput
        If the value is invalid.
    """

    value: Annotated[float, Limits(least=-MAX_VALUE, below=MAX_VALUE)] = 0.0

    kind = "constant"

    def fill(self, weight: Floats, /, *, fan_out: int, rng: np.random.Generator) -> None:
        del fan_out, rng
        weight[:] = self.value


@dataclass(frozen=True, slots=True)
class Zeros(Initializer):
    """Weights of 0, for output layers only: a hidden layer of zeros stops the gradient."""

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
"""The initialisers by name; a name stands for the default object of the class."""
