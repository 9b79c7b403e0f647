"""The ReLU family."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from layerwise import kernels
from layerwise.activations.activation import Activation, Compiled, UnitBuffers
from layerwise.limits import Fraction, Positive
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class ReLU(Activation):
    """a = max(0, z)."""

    kind = "relu"
    works_in_place = True
    usual_initializer = "he_normal"
    can_die = True
    onnx_operator = "Relu"
    formula = "np.maximum(z, 0)"

    @property
    def slope_below_zero(self) -> float:
        return 0.0

    def value(self, z: Floats, _slope: Floats, out: Floats, _scratch: Floats, /) -> None:
        np.maximum(z, 0.0, out=out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = 1 where a > 0, else 0."""
        np.greater(buffers.a, 0.0, out=buffers.mask)
        # By way of floats: multiplying by booleans, or with where=, is slower and allocates.
        np.copyto(buffers.scratch, buffers.mask)
        np.multiply(buffers.delta, buffers.scratch, out=buffers.z_gradient)

    def compiled(self) -> Compiled | None:
        loops = kernels.compiled()
        return Compiled(loops.bias_relu, loops.relu_derivative, loops.packed_bias_relu) if loops else None

    def active_piece(self, z: Floats, /) -> NDArray[Any] | None:
        return z > 0


@dataclass(frozen=True, slots=True)
class LeakyReLU(Activation):
    """a = z where z > 0, else slope · z, with a fixed slope.

    Parameters
    ----------
    slope : float, default 0.01
        At least 0 and below 1.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    slope: Fraction = 0.01

    kind = "leaky_relu"
    usual_initializer = "he_normal"
    onnx_operator = "LeakyRelu"
    onnx_attributes: ClassVar[Mapping[str, str]] = {"alpha": "slope"}
    formula = "np.maximum(z, slope * z)"

    @property
    def slope_below_zero(self) -> float:
        return self.slope

    def value(self, z: Floats, _slope: Floats, out: Floats, scratch: Floats, /) -> None:
        """As max(z, slope · z), which holds for slopes below 1."""
        np.multiply(z, self.slope, out=scratch)
        np.maximum(z, scratch, out=out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = 1 where a > 0, else slope: a has the sign of z."""
        np.greater(buffers.a, 0.0, out=buffers.mask)
        np.copyto(buffers.scratch, buffers.mask)
        np.maximum(buffers.scratch, self.slope, out=buffers.scratch)
        np.multiply(buffers.delta, buffers.scratch, out=buffers.z_gradient)

    def compiled(self) -> Compiled | None:
        loops = kernels.compiled()
        if loops is None:
            return None
        packed = loops.packed_bias_leaky_relu
        return Compiled(loops.bias_leaky_relu, loops.leaky_relu_derivative, packed, (self.slope,))

    def active_piece(self, z: Floats, /) -> NDArray[Any] | None:
        return z > 0


@dataclass(frozen=True, slots=True)
class PReLU(Activation):
    """a = z where z > 0, else slope · z, with a learnt slope per unit.

    He et al. 2015, Delving deep into rectifiers.

    Parameters
    ----------
    slope : float, default 0.25
        Initial slope of each unit.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    slope: float = 0.25

    kind = "prelu"
    usual_initializer = "he_normal"
    keeps_input = True
    learns_slope = True
    formula = "np.maximum(z, 0) + slope * np.minimum(z, 0)"

    def value(self, z: Floats, slope: Floats, out: Floats, scratch: Floats, /) -> None:
        np.minimum(z, 0.0, out=scratch)
        np.multiply(scratch, slope, out=scratch)
        np.maximum(z, 0.0, out=out)
        np.add(out, scratch, out=out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = 1 where z > 0, else slope; da/dslope = min(0, z)."""
        np.minimum(buffers.z, 0.0, out=buffers.scratch)
        np.multiply(buffers.scratch, buffers.delta, out=buffers.scratch)
        np.add.reduce(buffers.scratch, axis=0, out=buffers.slope_gradient)
        # 1 · positive + slope · (1 - positive) is exact where positive is 0 or 1
        np.greater(buffers.z, 0.0, out=buffers.mask)
        np.copyto(buffers.scratch, buffers.mask)
        np.multiply(buffers.delta, buffers.scratch, out=buffers.a)
        np.subtract(1.0, buffers.scratch, out=buffers.scratch)
        np.multiply(buffers.scratch, buffers.slope, out=buffers.scratch)
        np.multiply(buffers.scratch, buffers.delta, out=buffers.z_gradient)
        np.add(buffers.z_gradient, buffers.a, out=buffers.z_gradient)

    def active_piece(self, z: Floats, /) -> NDArray[Any] | None:
        return z > 0


@dataclass(frozen=True, slots=True)
class ELU(Activation):
    """a = z where z > 0, else alpha (exp(z) - 1). Clevert et al. 2016.

    Parameters
    ----------
    alpha : float, default 1
        Above 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    alpha: Positive = 1.0

    kind = "elu"
    usual_initializer = "he_normal"
    onnx_operator = "Elu"
    onnx_attributes: ClassVar[Mapping[str, str]] = {"alpha": "alpha"}
    formula = "np.maximum(z, 0) + alpha * np.expm1(np.minimum(z, 0))"

    def value(self, z: Floats, _slope: Floats, out: Floats, scratch: Floats, /) -> None:
        """As max(z, 0) + alpha (exp(min(z, 0)) - 1): exp() of a large z would overflow."""
        np.minimum(z, 0.0, out=scratch)
        np.expm1(scratch, out=scratch)
        np.multiply(scratch, self.alpha, out=scratch)
        np.maximum(z, 0.0, out=out)
        np.add(out, scratch, out=out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = 1 where a > 0, else a + alpha: a has the sign of z."""
        np.greater(buffers.a, 0.0, out=buffers.mask)
        np.copyto(buffers.scratch, buffers.mask)
        np.minimum(buffers.a, 0.0, out=buffers.a)
        np.add(buffers.a, self.alpha, out=buffers.a)
        # min(a, 0) + alpha is alpha where a > 0, and has to become 1
        np.multiply(buffers.scratch, 1 - self.alpha, out=buffers.scratch)
        np.add(buffers.scratch, buffers.a, out=buffers.scratch)
        np.multiply(buffers.delta, buffers.scratch, out=buffers.z_gradient)

    def active_piece(self, z: Floats, /) -> NDArray[Any] | None:
        return z > 0


SELU_ELU = ELU(1.6732632423543772)
SELU_SCALE = 1.0507009873554805


@dataclass(frozen=True, slots=True)
class SELU(Activation):
    """a = λ ELU(z), with the alpha and λ that keep mean 0 and variance 1 from layer to layer.

    Klambauer et al. 2017, Self-normalizing neural networks. Its initialiser is LeCun's normal one.
    """

    kind = "selu"
    usual_initializer = "lecun_normal"
    onnx_operator = "Selu"
    formula = f"{SELU_SCALE!r} * (np.maximum(z, 0) + {SELU_ELU.alpha!r} * np.expm1(np.minimum(z, 0)))"

    def value(self, z: Floats, slope: Floats, out: Floats, scratch: Floats, /) -> None:
        SELU_ELU.value(z, slope, out, scratch)
        np.multiply(out, SELU_SCALE, out=out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = λ where a > 0, else a + λ alpha."""
        np.multiply(buffers.a, 1 / SELU_SCALE, out=buffers.a)
        SELU_ELU.derivative(buffers)
        np.multiply(buffers.z_gradient, SELU_SCALE, out=buffers.z_gradient)

    def active_piece(self, z: Floats, /) -> NDArray[Any] | None:
        return z > 0
