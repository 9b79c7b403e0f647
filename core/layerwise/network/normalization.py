"""Normalising the linear part of a layer: each one's value and derivative side by side.

With z (n, columns) the products x @ weight, a normalised layer goes on with

    scale · h + bias,    h = (z - mean) / √(variance + EPSILON),

`scale` and `bias` (columns,) being learnt. Mean and variance are those of a column over the batch, or of a row.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from layerwise.network.parameters import LayerParameters, LayerStatistics
from layerwise.types import Floats
from layerwise.workspace import Arena

EPSILON = 1e-5
"""Keeps a constant column or row from a division by zero."""
MOMENTUM = 0.1
"""The share of the newest batch in the running statistics."""


def predict_batch(z: Floats, own: LayerParameters, seen: LayerStatistics) -> None:
    """Normalises `z` (n, columns) in place by the running statistics."""
    np.subtract(z, seen.mean, out=z)
    np.multiply(z, own.scale / np.sqrt(seen.variance + EPSILON), out=z)
    np.add(z, own.bias, out=z)


def predict_layer(z: Floats, own: LayerParameters, _seen: LayerStatistics) -> None:
    """Normalises each row of `z` (n, columns) in place."""
    np.subtract(z, z.mean(axis=1, keepdims=True), out=z)
    variance = np.einsum("ij,ij->i", z, z)[:, None] / z.shape[1]
    np.divide(z, np.sqrt(variance + EPSILON), out=z)
    np.multiply(z, own.scale, out=z)
    np.add(z, own.bias, out=z)


class Normalization(ABC):
    """One layer's normalisation in training steps of n rows, in buffers made once.

    `h` (n, columns) is kept from `forward` to `backward`, which overwrites it.
    """

    def __init__(
        self, own: LayerParameters, gradient: LayerParameters, seen: LayerStatistics, *, rows: int, arena: Arena
    ) -> None:
        self._own, self._gradient, self._seen = own, gradient, seen
        self._h: Floats = arena.empty((rows, own.bias.size), own.bias.dtype)
        self._prepare(rows, own.bias.size, own.bias.dtype, arena)

    @abstractmethod
    def _prepare(self, rows: int, columns: int, dtype: np.dtype[Any], arena: Arena, /) -> None:
        """Makes the further buffers."""

    @abstractmethod
    def forward(self, z: Floats, /) -> None:
        """Turns `z` (n, columns) in place into scale · h + bias."""

    @abstractmethod
    def backward(self, delta: Floats, /) -> None:
        """Turns the gradient in scale · h + bias (n, columns) into the gradient in z, in place.

        The gradients in scale and bias are left in their vector.
        """

    def _shift_and_scale(self, z: Floats) -> None:
        np.multiply(self._h, self._own.scale, out=z)
        np.add(z, self._own.bias, out=z)

    def _learn(self, delta: Floats) -> None:
        """dL/dbias = Σ δ and dL/dscale = Σ δ h, over the rows."""
        np.add.reduce(delta, axis=0, out=self._gradient.bias)
        np.einsum("ij,ij->j", delta, self._h, out=self._gradient.scale)


class BatchNormalization(Normalization):
    """Mean and variance of each column over the rows of the batch. Ioffe and Szegedy 2015.

    Each batch moves the running statistics, which predictions use, by MOMENTUM towards its mean and its unbiased
    variance. A batch of one row, which has no variance, is normalised by the running statistics, and leaves them.
    """

    def _prepare(self, rows: int, columns: int, dtype: np.dtype[Any], arena: Arena, /) -> None:
        self._rows = rows
        self._mean: Floats = arena.empty((columns,), dtype)
        self._variance: Floats = arena.empty((columns,), dtype)
        self._factor: Floats = arena.empty((columns,), dtype)
        """1 / √(variance + EPSILON)."""

    def forward(self, z: Floats, /) -> None:
        h, n, seen = self._h, self._rows, self._seen
        if n == 1:
            np.subtract(z, seen.mean, out=h)
            np.add(seen.variance, EPSILON, out=self._factor)
        else:
            np.add.reduce(z, axis=0, out=self._mean)
            np.multiply(self._mean, 1 / n, out=self._mean)
            np.subtract(z, self._mean, out=h)
            np.einsum("ij,ij->j", h, h, out=self._variance)
            np.multiply(self._variance, 1 / n, out=self._variance)
            np.add(self._variance, EPSILON, out=self._factor)
            np.multiply(self._variance, n / (n - 1), out=self._variance)
            _move(seen.mean, self._mean)
            _move(seen.variance, self._variance)
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
        np.multiply(self._factor, self._own.scale, out=self._factor)
        np.multiply(delta, self._factor, out=delta)


class LayerNormalization(Normalization):
    """Mean and variance of each row over the layer's columns, the same in training and prediction. Ba et al. 2016."""

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
        np.multiply(delta, self._own.scale, out=delta)
        np.add.reduce(delta, axis=1, keepdims=True, out=self._mean)
        np.multiply(self._mean, 1 / self._columns, out=self._mean)
        np.einsum("ij,ij->i", delta, h, out=self._flat_product)
        np.multiply(self._product, 1 / self._columns, out=self._product)
        np.multiply(h, self._product, out=h)
        np.add(h, self._mean, out=h)
        np.subtract(delta, h, out=delta)
        np.multiply(delta, self._factor, out=delta)


def _move(seen: Floats, batch: Floats) -> None:
    """seen ← (1 - MOMENTUM) · seen + MOMENTUM · batch; `batch` is overwritten."""
    np.multiply(seen, 1 - MOMENTUM, out=seen)
    np.multiply(batch, MOMENTUM, out=batch)
    np.add(seen, batch, out=seen)


PREDICTING: dict[str, Callable[[Floats, LayerParameters, LayerStatistics], None]] = {
    "batch": predict_batch,
    "layer": predict_layer,
}
"""How a layer of each of `architecture.NORMALIZATIONS` predicts."""

TRAINING: dict[str, type[Normalization]] = {"batch": BatchNormalization, "layer": LayerNormalization}
"""How it trains."""
