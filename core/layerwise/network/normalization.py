"""Batch and layer normalisation of the linear part of a layer: value and derivative side by side.

With z = x @ weight (n, columns), a normalised layer computes

    scale · h + bias,    h = (z - mean) / √(variance + EPSILON),

where `scale` and `bias` (columns,) are learnt. Mean and variance are those of a column over the batch, or of a row.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from layerwise.network.parameters import LayerParameters, LayerStatistics
from layerwise.types import Floats
from layerwise.workspace import Arena

EPSILON = 1e-5
"""Added to the variance, so that a constant column or row does not divide by zero."""
MOMENTUM = 0.1
"""The weight of the newest batch in the running statistics."""


def predict_batch(z: Floats, parameters: LayerParameters, statistics: LayerStatistics) -> None:
    """Normalise `z` (n, columns) in place with the running statistics."""
    np.subtract(z, statistics.mean, out=z)
    np.multiply(z, parameters.scale / np.sqrt(statistics.variance + EPSILON), out=z)
    np.add(z, parameters.bias, out=z)


def predict_layer(z: Floats, parameters: LayerParameters, _statistics: LayerStatistics) -> None:
    """Normalise each row of `z` (n, columns) in place."""
    np.subtract(z, z.mean(axis=1, keepdims=True), out=z)
    variance = np.einsum("ij,ij->i", z, z)[:, None] / z.shape[1]
    np.divide(z, np.sqrt(variance + EPSILON), out=z)
    np.multiply(z, parameters.scale, out=z)
    np.add(z, parameters.bias, out=z)


class Normalization(ABC):
    """Normalisation of one layer in training, for batches of n rows, in preallocated buffers.

    `forward` keeps h (n, columns); `backward` overwrites it.
    """

    def __init__(
        self,
        parameters: LayerParameters,
        gradient: LayerParameters,
        statistics: LayerStatistics,
        *,
        rows: int,
        arena: Arena,
    ) -> None:
        self._parameters, self._gradient, self._statistics = parameters, gradient, statistics
        self._h: Floats = arena.empty((rows, parameters.bias.size), parameters.bias.dtype)
        self._prepare(rows, parameters.bias.size, parameters.bias.dtype, arena)

    @abstractmethod
    def _prepare(self, rows: int, columns: int, dtype: np.dtype[Any], arena: Arena, /) -> None:
        """Allocate further buffers."""

    @abstractmethod
    def forward(self, z: Floats, /) -> None:
        """Replace `z` (n, columns) by scale · h + bias."""

    @abstractmethod
    def backward(self, delta: Floats, /) -> None:
        """Replace `delta` (n, columns), the gradient of the output, by the gradient of z.

        The gradients of scale and bias are written into the gradient vector.
        """

    def _shift_and_scale(self, z: Floats) -> None:
        np.multiply(self._h, self._parameters.scale, out=z)
        np.add(z, self._parameters.bias, out=z)

    def _learn(self, delta: Floats) -> None:
        """Write dL/dbias = Σ δ and dL/dscale = Σ δ h, summed over the rows."""
        np.add.reduce(delta, axis=0, out=self._gradient.bias)
        np.einsum("ij,ij->j", delta, self._h, out=self._gradient.scale)


class BatchNormalization(Normalization):
    """Normalisation of each column over the rows of the batch. Ioffe and Szegedy 2015.

    Each batch moves the running statistics, which predictions use, by MOMENTUM towards its mean and its unbiased
    variance. A batch of one row has no variance: it is normalised with the running statistics and does not change them.
    """

    def _prepare(self, rows: int, columns: int, dtype: np.dtype[Any], arena: Arena, /) -> None:
        self._rows = rows
        self._mean: Floats = arena.empty((columns,), dtype)
        self._variance: Floats = arena.empty((columns,), dtype)
        self._factor: Floats = arena.empty((columns,), dtype)
        """1 / √(variance + EPSILON)."""

    def forward(self, z: Floats, /) -> None:
        h, n, statistics = self._h, self._rows, self._statistics
        if n == 1:
            np.subtract(z, statistics.mean, out=h)
            np.add(statistics.variance, EPSILON, out=self._factor)
        else:
            np.add.reduce(z, axis=0, out=self._mean)
            np.multiply(self._mean, 1 / n, out=self._mean)
            np.subtract(z, self._mean, out=h)
            np.einsum("ij,ij->j", h, h, out=self._variance)
            np.multiply(self._variance, 1 / n, out=self._variance)
            np.add(self._variance, EPSILON, out=self._factor)
            np.multiply(self._variance, n / (n - 1), out=self._variance)
            _move(statistics.mean, self._mean)
            _move(statistics.variance, self._variance)
        np.sqrt(self._factor, out=self._factor)
        np.divide(1.0, self._factor, out=self._factor)
        np.multiply(h, self._factor, out=h)
        self._shift_and_scale(z)

    def backward(self, delta: Floats, /) -> None:
        """dL/dz = scale · factor · (δ - mean(δ) - h · mean(δ h)), the means over the rows."""
        self._learn(delta)
        h, n = self._h, self._rows
        if n > 1:  # the statistics of one row are constants
            np.multiply(self._gradient.scale, 1 / n, out=self._variance)
            np.multiply(self._gradient.bias, 1 / n, out=self._mean)
            np.multiply(h, self._variance, out=h)
            np.add(h, self._mean, out=h)
            np.subtract(delta, h, out=delta)
        np.multiply(self._factor, self._parameters.scale, out=self._factor)
        np.multiply(delta, self._factor, out=delta)


class LayerNormalization(Normalization):
    """Normalisation of each row over the layer's columns, in training and prediction alike. Ba et al. 2016."""

    def _prepare(self, rows: int, columns: int, dtype: np.dtype[Any], arena: Arena, /) -> None:
        self._columns = columns
        self._mean: Floats = arena.empty((rows, 1), dtype)
        self._factor: Floats = arena.empty((rows, 1), dtype)
        """1 / √(variance + EPSILON)."""
        self._flat_factor: Floats = self._factor.reshape(-1)
        self._product: Floats = arena.empty((rows, 1), dtype)
        self._flat_product: Floats = self._product.reshape(-1)

    def forward(self, z: Floats, /) -> None:
        h, factor = self._h, self._factor
        np.add.reduce(z, axis=1, keepdims=True, out=self._mean)
        np.multiply(self._mean, 1 / self._columns, out=self._mean)
        np.subtract(z, self._mean, out=h)
        np.einsum("ij,ij->i", h, h, out=self._flat_factor)
        np.multiply(factor, 1 / self._columns, out=factor)
        np.add(factor, EPSILON, out=factor)
        np.sqrt(factor, out=factor)
        np.divide(1.0, factor, out=factor)
        np.multiply(h, factor, out=h)
        self._shift_and_scale(z)

    def backward(self, delta: Floats, /) -> None:
        """dL/dz = factor · (g - mean(g) - h · mean(g h)), g = scale · δ, the means over the columns."""
        self._learn(delta)
        h = self._h
        np.multiply(delta, self._parameters.scale, out=delta)
        np.add.reduce(delta, axis=1, keepdims=True, out=self._mean)
        np.multiply(self._mean, 1 / self._columns, out=self._mean)
        np.einsum("ij,ij->i", delta, h, out=self._flat_product)
        np.multiply(self._product, 1 / self._columns, out=self._product)
        np.multiply(h, self._product, out=h)
        np.add(h, self._mean, out=h)
        np.subtract(delta, h, out=delta)
        np.multiply(delta, self._factor, out=delta)


def _move(running: Floats, batch: Floats) -> None:
    """running ← (1 - MOMENTUM) · running + MOMENTUM · batch; `batch` is overwritten."""
    np.multiply(running, 1 - MOMENTUM, out=running)
    np.multiply(batch, MOMENTUM, out=batch)
    np.add(running, batch, out=running)


PREDICTING: dict[str, Callable[[Floats, LayerParameters, LayerStatistics], None]] = {
    "batch": predict_batch,
    "layer": predict_layer,
}
"""The prediction function of each of `architecture.NORMALIZATIONS`."""

TRAINING: dict[str, type[Normalization]] = {"batch": BatchNormalization, "layer": LayerNormalization}
"""The training class of each."""
