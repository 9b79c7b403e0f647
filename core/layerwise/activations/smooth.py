"""The smooth activations."""

import math
from dataclasses import dataclass

import numpy as np

from layerwise.activations.activation import Activation, UnitBuffers
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class Identity(Activation):
    """a = z."""

    kind = "identity"
    works_in_place = True
    formula = "z"

    @property
    def slope_below_zero(self) -> float:
        return 1.0

    def value(self, z: Floats, _slope: Floats, out: Floats, _scratch: Floats, /) -> None:
        if out is not z:
            np.copyto(out, z)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = 1."""


@dataclass(frozen=True, slots=True)
class Sigmoid(Activation):
    """a = 1 / (1 + exp(-z))."""

    kind = "sigmoid"
    works_in_place = True
    saturation = 0.005, 0.995
    onnx_operator = "Sigmoid"
    formula = "0.5 * np.tanh(0.5 * z) + 0.5"

    def value(self, z: Floats, _slope: Floats, out: Floats, _scratch: Floats, /) -> None:
        _sigmoid(z, out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = a (1 - a)."""
        np.subtract(1.0, buffers.a, out=buffers.scratch)
        np.multiply(buffers.scratch, buffers.a, out=buffers.scratch)
        np.multiply(buffers.delta, buffers.scratch, out=buffers.z_gradient)


def _sigmoid(z: Floats, out: Floats) -> None:
    """Write (1 + tanh(z / 2)) / 2 into `out`; exp() of a large negative z would overflow."""
    np.multiply(z, 0.5, out=out)
    np.tanh(out, out=out)
    np.multiply(out, 0.5, out=out)
    np.add(out, 0.5, out=out)


@dataclass(frozen=True, slots=True)
class Tanh(Activation):
    """a = tanh(z)."""

    kind = "tanh"
    works_in_place = True
    saturation = -0.98, 0.98
    onnx_operator = "Tanh"
    formula = "np.tanh(z)"

    def value(self, z: Floats, _slope: Floats, out: Floats, _scratch: Floats, /) -> None:
        np.tanh(z, out=out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = 1 - a²."""
        np.multiply(buffers.a, buffers.a, out=buffers.scratch)
        np.subtract(1.0, buffers.scratch, out=buffers.scratch)
        np.multiply(buffers.delta, buffers.scratch, out=buffers.z_gradient)


GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBE = 0.044715


@dataclass(frozen=True, slots=True)
class GELU(Activation):
    """a = z Φ(z), with Φ, the normal distribution, in its tanh form.

    Φ(z) ≈ (1 + t) / 2, t = tanh(√(2/π) (z + 0.044715 z³)). Hendrycks and Gimpel 2016. The form with erf, which NumPy
    lacks, differs by less than 5e-4.
    """

    kind = "gelu"
    usual_initializer = "he_normal"
    keeps_input = True
    formula = f"z * (0.5 * (1 + np.tanh({GELU_SCALE!r} * (z + {GELU_CUBE!r} * z * z * z))))"

    def value(self, z: Floats, _slope: Floats, out: Floats, scratch: Floats, /) -> None:
        np.multiply(z, z, out=out)
        _gelu_tanh(z, out, scratch)
        np.add(scratch, 1.0, out=scratch)
        np.multiply(scratch, 0.5, out=scratch)
        np.multiply(z, scratch, out=out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = (1 + t) / 2 · (1 + z (1 - t) √(2/π) (1 + 3 · 0.044715 z²))."""
        z, t, rest = buffers.z, buffers.scratch, buffers.a
        np.multiply(z, z, out=rest)
        _gelu_tanh(z, rest, t)
        np.multiply(rest, 3 * GELU_CUBE * GELU_SCALE, out=rest)
        np.add(rest, GELU_SCALE, out=rest)
        np.multiply(rest, z, out=rest)
        np.subtract(1.0, t, out=z)
        np.multiply(rest, z, out=rest)
        np.add(rest, 1.0, out=rest)
        np.add(t, 1.0, out=t)
        np.multiply(t, 0.5, out=t)
        np.multiply(rest, t, out=rest)
        np.multiply(buffers.delta, rest, out=buffers.z_gradient)


def _gelu_tanh(z: Floats, square: Floats, out: Floats) -> None:
    """Write tanh(√(2/π) (z + 0.044715 z³)) into `out`; `square` is z²."""
    np.multiply(square, GELU_CUBE * GELU_SCALE, out=out)
    np.add(out, GELU_SCALE, out=out)
    np.multiply(out, z, out=out)
    np.tanh(out, out=out)


@dataclass(frozen=True, slots=True)
class SiLU(Activation):
    """a = z σ(z), with σ the sigmoid; also called swish. Elfwing et al. 2018, Ramachandran et al. 2017."""

    kind = "silu"
    usual_initializer = "he_normal"
    keeps_input = True
    formula = "z * (0.5 * np.tanh(0.5 * z) + 0.5)"

    def value(self, z: Floats, _slope: Floats, out: Floats, scratch: Floats, /) -> None:
        _sigmoid(z, scratch)
        np.multiply(z, scratch, out=out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = σ + a (1 - σ)."""
        z, sigmoid, rest = buffers.z, buffers.scratch, buffers.a
        _sigmoid(z, sigmoid)
        np.subtract(1.0, sigmoid, out=z)
        np.multiply(rest, z, out=rest)
        np.add(rest, sigmoid, out=rest)
        np.multiply(buffers.delta, rest, out=buffers.z_gradient)


@dataclass(frozen=True, slots=True)
class Softplus(Activation):
    """a = log(1 + exp(z)), a smooth ReLU. Dugas et al. 2001."""

    kind = "softplus"
    usual_initializer = "he_normal"
    onnx_operator = "Softplus"
    formula = "np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))"

    def value(self, z: Floats, _slope: Floats, out: Floats, scratch: Floats, /) -> None:
        """As max(z, 0) + log(1 + exp(-|z|)): exp() of a large z would overflow."""
        np.absolute(z, out=scratch)
        np.negative(scratch, out=scratch)
        np.exp(scratch, out=scratch)
        np.log1p(scratch, out=scratch)
        np.maximum(z, 0.0, out=out)
        np.add(out, scratch, out=out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = σ(z) = 1 - exp(-a)."""
        np.negative(buffers.a, out=buffers.scratch)
        np.expm1(buffers.scratch, out=buffers.scratch)
        np.negative(buffers.scratch, out=buffers.scratch)
        np.multiply(buffers.delta, buffers.scratch, out=buffers.z_gradient)
