"""The activations: each one's value and derivative side by side, and the table of their names.

A layer computes z = x @ weight + bias and a = activation(z). Most activations overwrite z with a and find their
derivative from a alone; those with `keeps_input` need z afterwards and get a separate place for a.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import real_number, whole_number
from layerwise.kinds import Kind

Floats: TypeAlias = NDArray[np.floating[Any]]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(slots=True)
class UnitBuffers:
    """What the derivative of an activation reads and writes, for n rows and one layer.

    `delta` (n, units) comes as the gradient of the loss in a and may be overwritten; `z_gradient`, the same memory
    as `delta` or as `z`, receives the gradient in z, (n, units), or (n, pieces * units) of a maxout.
    """

    z: Floats
    a: Floats
    delta: Floats
    z_gradient: Floats
    slope: Floats
    slope_gradient: Floats
    scratch: Floats
    mask: Flags


@dataclass(frozen=True, slots=True)
class Activation(Kind, ABC):
    """Turns the linear part of a layer into its output."""

    rectifies: ClassVar[bool] = False
    """Whether half of its inputs are flattened or bent, so that He initialisation fits."""
    keeps_input: ClassVar[bool] = False
    """Whether the derivative needs z, so that a must stand elsewhere."""
    learns_slope: ClassVar[bool] = False
    """Whether a slope per unit is learnt beside weight and bias."""

    @property
    def linear_pieces(self) -> int:
        """How many linear functions of its inputs a unit computes."""
        return 1

    @abstractmethod
    def value(self, z: Floats, slope: Floats, out: Floats, scratch: Floats, /) -> None:
        """Writes a into `out` (n, units); unless the class keeps its input, `out` may be `z` itself.

        `scratch` has the shape of `out` and is overwritten.
        """

    @abstractmethod
    def derivative(self, at: UnitBuffers, /) -> None:
        """Turns the gradient in a (`at.delta`) into the gradient in z (`at.z_gradient`)."""

    def side(self, z: Floats, /) -> NDArray[Any] | None:
        """Which linear piece each unit is on, or None of a smooth activation: it changes where a kink is crossed."""
        del z
        return None


@dataclass(frozen=True, slots=True)
class Identity(Activation):
    """a = z."""

    kind = "identity"

    def value(self, z: Floats, _slope: Floats, out: Floats, _scratch: Floats, /) -> None:
        if out is not z:
            np.copyto(out, z)

    def derivative(self, at: UnitBuffers, /) -> None:
        """da/dz = 1."""


@dataclass(frozen=True, slots=True)
class Sigmoid(Activation):
    """a = 1 / (1 + exp(-z))."""

    kind = "sigmoid"

    def value(self, z: Floats, _slope: Floats, out: Floats, _scratch: Floats, /) -> None:
        """As (1 + tanh(z / 2)) / 2: exp() of a large negative z would overflow."""
        np.multiply(z, 0.5, out=out)
        np.tanh(out, out=out)
        np.multiply(out, 0.5, out=out)
        np.add(out, 0.5, out=out)

    def derivative(self, at: UnitBuffers, /) -> None:
        """da/dz = a (1 - a)."""
        np.subtract(1.0, at.a, out=at.scratch)
        np.multiply(at.scratch, at.a, out=at.scratch)
        np.multiply(at.delta, at.scratch, out=at.z_gradient)


@dataclass(frozen=True, slots=True)
class Tanh(Activation):
    """a = tanh(z)."""

    kind = "tanh"

    def value(self, z: Floats, _slope: Floats, out: Floats, _scratch: Floats, /) -> None:
        np.tanh(z, out=out)

    def derivative(self, at: UnitBuffers, /) -> None:
        """da/dz = 1 - a²."""
        np.multiply(at.a, at.a, out=at.scratch)
        np.subtract(1.0, at.scratch, out=at.scratch)
        np.multiply(at.delta, at.scratch, out=at.z_gradient)


@dataclass(frozen=True, slots=True)
class ReLU(Activation):
    """a = max(0, z)."""

    kind = "relu"
    rectifies = True

    def value(self, z: Floats, _slope: Floats, out: Floats, _scratch: Floats, /) -> None:
        np.maximum(z, 0.0, out=out)

    def derivative(self, at: UnitBuffers, /) -> None:
        """da/dz = 1 where a > 0, else 0."""
        np.greater(at.a, 0.0, out=at.mask)
        # By way of floats: multiplying by booleans, or with where=, is slower and allocates.
        np.copyto(at.scratch, at.mask)
        np.multiply(at.delta, at.scratch, out=at.z_gradient)

    def side(self, z: Floats, /) -> NDArray[Any] | None:
        return z > 0


@dataclass(frozen=True, slots=True)
class LeakyReLU(Activation):
    """a = z where z > 0, else slope · z, with one fixed `slope` in [0, 1)."""

    slope: float = 0.01

    kind = "leaky_relu"
    rectifies = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", real_number("slope", self.slope, least=0, below=1))

    def value(self, z: Floats, _slope: Floats, out: Floats, scratch: Floats, /) -> None:
        """As max(z, slope · z), which holds for slopes below 1."""
        np.multiply(z, self.slope, out=scratch)
        np.maximum(z, scratch, out=out)

    def derivative(self, at: UnitBuffers, /) -> None:
        """da/dz = 1 where a > 0, else slope: a has the sign of z."""
        np.greater(at.a, 0.0, out=at.mask)
        np.copyto(at.scratch, at.mask)
        np.maximum(at.scratch, self.slope, out=at.scratch)
        np.multiply(at.delta, at.scratch, out=at.z_gradient)

    def side(self, z: Floats, /) -> NDArray[Any] | None:
        return z > 0


@dataclass(frozen=True, slots=True)
class PReLU(Activation):
    """a = z where z > 0, else slope · z, with a learnt slope per unit that starts at `slope`.

    He et al. 2015, Delving deep into rectifiers.
    """

    slope: float = 0.25

    kind = "prelu"
    rectifies = True
    keeps_input = True
    learns_slope = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", real_number("slope", self.slope))

    def value(self, z: Floats, slope: Floats, out: Floats, scratch: Floats, /) -> None:
        np.minimum(z, 0.0, out=scratch)
        np.multiply(scratch, slope, out=scratch)
        np.maximum(z, 0.0, out=out)
        np.add(out, scratch, out=out)

    def derivative(self, at: UnitBuffers, /) -> None:
        """da/dz = 1 where z > 0, else slope; da/dslope = min(0, z)."""
        np.minimum(at.z, 0.0, out=at.scratch)
        np.multiply(at.scratch, at.delta, out=at.scratch)
        np.add.reduce(at.scratch, axis=0, out=at.slope_gradient)
        # 1 · positive + slope · (1 - positive) is exact where positive is 0 or 1
        np.greater(at.z, 0.0, out=at.mask)
        np.copyto(at.scratch, at.mask)
        np.multiply(at.delta, at.scratch, out=at.a)
        np.subtract(1.0, at.scratch, out=at.scratch)
        np.multiply(at.scratch, at.slope, out=at.scratch)
        np.multiply(at.scratch, at.delta, out=at.z_gradient)
        np.add(at.z_gradient, at.a, out=at.z_gradient)

    def side(self, z: Floats, /) -> NDArray[Any] | None:
        return z > 0


@dataclass(frozen=True, slots=True)
class Maxout(Activation):
    """a = the largest of `pieces` linear functions of the layer's inputs. Goodfellow et al. 2013.

    The columns of z are (pieces * units), piece by piece, so that the pieces are contiguous slices.
    """

    pieces: int = 2

    kind = "maxout"
    rectifies = True
    keeps_input = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "pieces", whole_number("pieces", self.pieces, least=2))

    @property
    def linear_pieces(self) -> int:
        return self.pieces

    def value(self, z: Floats, _slope: Floats, out: Floats, _scratch: Floats, /) -> None:
        units = out.shape[1]
        np.maximum(z[:, :units], z[:, units : 2 * units], out=out)
        for start in range(2 * units, z.shape[1], units):
            np.maximum(out, z[:, start : start + units], out=out)

    def derivative(self, at: UnitBuffers, /) -> None:
        """da/dz = 1 for the first piece that attains the maximum, 0 for the others; z is overwritten by it."""
        units = at.a.shape[1]
        for start in range(0, at.z.shape[1], units):
            piece = at.z[:, start : start + units]
            np.equal(piece, at.a, out=at.mask)
            np.copyto(at.scratch, at.mask)
            np.multiply(at.delta, at.scratch, out=piece)
            # the gradient goes to one piece alone: what this one took, an equal later one does not get
            np.subtract(at.delta, piece, out=at.delta)

    def side(self, z: Floats, /) -> NDArray[Any] | None:
        pieces = z.reshape(len(z), self.pieces, -1)
        first: NDArray[Any] = np.argmax(pieces, axis=1)
        return first


ACTIVATIONS: dict[str, type[Activation]] = {
    cls.kind: cls for cls in (Identity, Sigmoid, Tanh, ReLU, LeakyReLU, PReLU, Maxout)
}
"""Every activation by its name; a name stands for the class's default object."""
