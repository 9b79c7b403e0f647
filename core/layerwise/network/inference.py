"""The forward pass of predictions, reading a network's parameters in place."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import kernels
from layerwise.activations import Activation, Compiled
from layerwise.network.architecture import Architecture
from layerwise.network.normalization import PREDICTING
from layerwise.network.parameters import LayerParameters, LayerStatistics, statistics_views, views
from layerwise.types import Floats

FEW_PRODUCTS = 32_768
"""Up to this many multiplications, one compiled call for all layers is faster than a matrix product for each."""

TRANSPOSE_ROWS, TRANSPOSE_WEIGHTS = 4, 100_000
"""From this many rows and parameters on, OpenBLAS is 10 to 33 % faster on transposed activations (units, n)."""


@dataclass(frozen=True, slots=True)
class InferenceLayer:
    """One layer: its activation and views of its parameters."""

    activation: Activation
    parameters: LayerParameters
    statistics: LayerStatistics
    normalize: Callable[[Floats, LayerParameters, LayerStatistics], None] | None
    residual: bool
    loops: Compiled | None

    def activations(self, x: Floats) -> Floats:
        """Return the activations (n, units) for the rows `x` (n, inputs), in new memory."""
        activation, parameters = self.activation, self.parameters
        z: Floats = np.dot(x, parameters.weight)
        if self.loops:
            self.loops.value(z, parameters.bias, *self.loops.constants)
            return z
        if self.normalize is None:
            np.add(z, parameters.bias, out=z)
        else:
            self.normalize(z, parameters, self.statistics)
        if activation.works_in_place:
            activation.value(z, parameters.slope, z, z)
            return z
        shape = len(z), z.shape[1] // activation.linear_pieces
        a: Floats = np.empty(shape, z.dtype) if activation.keeps_input else z
        activation.value(z, parameters.slope, a, np.empty(shape, z.dtype))
        return a

    def transposed(self, x: Floats) -> Floats:
        """Return the activations (units, n) for `x` (inputs, n): `activations` transposed, for plain layers only."""
        z: Floats = np.dot(self.parameters.weight.T, x)
        np.add(z, self.parameters.bias[:, None], out=z)
        self.activation.value(z, self.parameters.slope, z, z)
        return z


class InferencePass:
    """Forward pass of a network of `architecture`; thread-safe, and sees later changes of both vectors."""

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
                parameters=layer_parameters,
                statistics=layer_statistics,
                normalize=PREDICTING[layer.normalization] if layer.normalization else None,
                residual=layer.residual,
                loops=None if layer.normalization else layer.activation.compiled(),
            )
            for layer, layer_parameters, layer_statistics in parts
        ]
        self._parameters = parameters
        plain = all(
            layer.activation.works_in_place and not layer.normalization and not layer.residual
            for layer in architecture.layers
        )
        self._transposes = plain and parameters.size >= TRANSPOSE_WEIGHTS
        self._few_rows_loop = _few_rows_loop(architecture, parameters)
        self._most_few_rows = FEW_PRODUCTS // parameters.size if self._few_rows_loop else 0

    def outputs(self, x: Floats) -> Floats:
        """Return the outputs (n, k) of the last layer for the rows `x` (n, inputs), by matrix products."""
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
        """Return the outputs (n, k) of a few finite rows `x`, in one compiled call, or None if that does not apply.

        It applies to small networks of identity, ReLU and leaky ReLU layers. The sums are in another order than those
        of `outputs`, so results may differ by rounding.
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
        """Yield the activations (n, units) of each layer in turn for the rows `x` (n, inputs).

        Those of a residual layer exclude the inputs that it adds.
        """
        for layer in self._layers:
            a = layer.activations(x)
            yield a
            x = a + x if layer.residual else a


def _few_rows_loop(architecture: Architecture, parameters: Floats) -> Callable[[NDArray[Any]], Floats | None] | None:
    """Return the compiled function for a few rows, or None if the compiled loop does not support the network."""
    loops = kernels.compiled()
    if loops is None or architecture.input_scale != 1 or architecture.input_shift:
        return None
    slopes: list[float] = []
    for layer in architecture.layers:
        slope = layer.activation.slope_below_zero
        if slope is None or layer.normalization or layer.residual:
            return None
        slopes.append(slope)
    widths: NDArray[np.int64] = np.array((*architecture.widths, architecture.outputs), np.int64)
    slope_array: Floats = np.array(slopes, parameters.dtype)

    def outputs(x: NDArray[Any]) -> Floats | None:
        found, finite = loops.few_rows(x, parameters, widths, slope_array)
        return found if finite else None

    return outputs
