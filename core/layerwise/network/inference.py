"""Predicting: the outputs of rows by a network whose weights stand where they are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import kernels
from layerwise.activations import Activation, Compiled, Identity, LeakyReLU, ReLU
from layerwise.network.architecture import Architecture
from layerwise.network.normalization import PREDICTING
from layerwise.network.parameters import LayerParameters, LayerStatistics, statistics_views, views
from layerwise.types import Floats

FEW_PRODUCTS = 32_768
"""Multiplications up to which one compiled call for all layers is quicker than a matrix product for each."""

TRANSPOSE_ROWS, TRANSPOSE_WEIGHTS = 4, 100_000
"""Rows, and weights of a network, from which OpenBLAS is quicker, by a tenth to a third, with the units first."""

SLOPES: dict[type[Activation], float] = {Identity: 1.0, ReLU: 0.0}
"""What an activation multiplies numbers below zero by; of a leaky ReLU it is its field."""


@dataclass(frozen=True, slots=True)
class InferenceLayer:
    """One layer as predictions need it."""

    activation: Activation
    own: LayerParameters
    seen: LayerStatistics
    normalize: Callable[[Floats, LayerParameters, LayerStatistics], None] | None
    residual: bool
    loops: Compiled | None

    def activations(self, x: Floats) -> Floats:
        """What the units make of the rows `x` (n, inputs), (n, units) in new memory."""
        activation, own = self.activation, self.own
        z: Floats = np.dot(x, own.weight)
        if self.loops:
            self.loops.value(z, own.bias, *self.loops.constants)
            return z
        if self.normalize is None:
            np.add(z, own.bias, out=z)
        else:
            self.normalize(z, own, self.seen)
        if activation.overwrites_alone:
            activation.value(z, own.slope, z, z)
            return z
        shape = len(z), z.shape[1] // activation.linear_pieces
        a: Floats = np.empty(shape, z.dtype) if activation.keeps_input else z
        activation.value(z, own.slope, a, np.empty(shape, z.dtype))
        return a

    def transposed(self, x: Floats) -> Floats:
        """The same with the units first: of `x` (inputs, n), (units, n) in new memory; of a plain layer alone."""
        z: Floats = np.dot(self.own.weight.T, x)
        np.add(z, self.own.bias[:, None], out=z)
        self.activation.value(z, self.own.slope, z, z)
        return z


class InferencePass:
    """The outputs of a network of `architecture`, seeing its two vectors; any thread may call it."""

    def __init__(self, architecture: Architecture, parameters: Floats, statistics: Floats) -> None:
        parts = zip(
            architecture.layers,
            views(architecture, parameters),
            statistics_views(architecture, statistics),
            strict=True,
        )
        self._layers = [
            InferenceLayer(
                activation=layer.activation,
                own=own,
                seen=seen,
                normalize=PREDICTING[layer.normalization] if layer.normalization else None,
                residual=layer.residual,
                loops=None if layer.normalization else layer.activation.compiled(),
            )
            for layer, own, seen in parts
        ]
        self._parameters = parameters
        plain = all(
            layer.activation.overwrites_alone and not layer.normalization and not layer.residual
            for layer in architecture.layers
        )
        self._transposes = plain and parameters.size >= TRANSPOSE_WEIGHTS
        self._few_rows_loop = _few_rows_loop(architecture, parameters)
        self._most_few_rows = FEW_PRODUCTS // parameters.size if self._few_rows_loop else 0

    def outputs(self, x: Floats) -> Floats:
        """The outputs (n, k) of the last layer for the rows `x` (n, inputs), in new memory, by matrix products."""
        if self._transposes and len(x) >= TRANSPOSE_ROWS:
            transposed = x.T
            for layer in self._layers:
                transposed = layer.transposed(transposed)
            return np.ascontiguousarray(transposed.T)
        for layer in self._layers:
            a = layer.activations(x)
            if layer.residual:
                np.add(a, x, out=a)
            x = a
        return x

    def outputs_of_few_rows(self, x: NDArray[Any]) -> Floats | None:
        """The outputs of few finite rows by a network of bent linear units, in one compiled call; else None.

        Within rounding those of `outputs`, which adds up in another order.
        """
        if (
            self._few_rows_loop is None
            or len(x) > self._most_few_rows
            or x.dtype != self._parameters.dtype
            or not x.flags.carray
        ):
            return None
        return self._few_rows_loop(x)

    def layer_outputs(self, x: Floats) -> Iterator[Floats]:
        """What the units (n, units) of one layer after the other make of the rows `x` (n, inputs), each in new memory.

        A residual layer's is without the inputs that it adds.
        """
        for layer in self._layers:
            a = layer.activations(x)
            yield a
            x = a + x if layer.residual else a


def _few_rows_loop(architecture: Architecture, parameters: Floats) -> Callable[[NDArray[Any]], Floats | None] | None:
    """What `Predictor.of_few` calls, or None if no compiled loop knows such a network."""
    loops = kernels.compiled()
    if loops is None or architecture.input_scale != 1 or architecture.input_shift:
        return None
    slopes: list[float] = []
    for layer in architecture.layers:
        slope = layer.activation.slope if type(layer.activation) is LeakyReLU else SLOPES.get(type(layer.activation))
        if slope is None or layer.normalization or layer.residual:
            return None
        slopes.append(slope)
    widths: NDArray[np.int64] = np.array((*architecture.widths, architecture.outputs), np.int64)
    slope_array: Floats = np.array(slopes, parameters.dtype)

    def outputs(x: NDArray[Any]) -> Floats | None:
        found, finite = loops.few_rows(x, parameters, widths, slope_array)
        return found if finite else None

    return outputs
