"""The training pass of K networks of one architecture at once.

Compared with `layerwise.training.passes.TrainingPass`, arrays have one more axis: rows are (K, rows, width), weights
(K, inputs, columns), and each matrix product is K products. Operations on single numbers or rows get (K · rows, width).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.activations import UnitBuffers
from layerwise.losses import Loss, LossBuffers
from layerwise.network.architecture import Architecture, Layer
from layerwise.network.parameters import LayerParameters, views
from layerwise.types import Flags, Floats
from layerwise.workspace import Arena


def stacked_views(architecture: Architecture, matrix: Floats) -> tuple[LayerParameters, ...]:
    """Return each layer's part of `matrix` (K, parameters), as `views` does for a vector, with K as the first axis."""
    places = views(architecture, np.arange(architecture.parameters, dtype=np.float64))

    def part(where: Floats) -> Floats:
        start = int(where.flat[0]) if where.size else 0
        return matrix[:, start : start + where.size].reshape(len(matrix), *where.shape)

    return tuple(
        LayerParameters(weight=part(at.weight), bias=part(at.bias), scale=part(at.scale), slope=part(at.slope))
        for at in places
    )


class PackedPass:
    """Forward and backward through K networks for batches of `rows` rows each, in buffers made once.

    `parameters` and `gradient` are (K, parameters). Fill `inputs` (K, rows, features), which `forward` may change, then
    call `forward` and `backward`.
    """

    def __init__(
        self, architecture: Architecture, parameters: Floats, gradient: Floats, loss: Loss, *, rows: int, arena: Arena
    ) -> None:
        networks, dtype = len(parameters), parameters.dtype
        self.inputs: Floats = arena.empty((networks, rows, architecture.inputs), dtype)
        self._rows, self._loss, self._noise = rows, loss, architecture.input_noise
        widest = max(architecture.inputs, *(layer.units for layer in architecture.layers))
        scratch: Floats = arena.empty((networks * rows * widest,), dtype)
        mask: Flags = arena.empty((networks * rows * widest,), np.bool_)
        self._input_dropout = _Dropout(self.inputs, architecture.input_dropout, scratch, mask, arena)
        layer_parameters, gradients = stacked_views(architecture, parameters), stacked_views(architecture, gradient)
        self._layers: list[_LayerPass] = []
        x = self._input_dropout.out
        for i, layer in enumerate(architecture.layers):
            unit = _LayerPass(layer, layer_parameters[i], gradients[i], x, scratch=scratch, mask=mask, arena=arena)
            self._layers.append(unit)
            x = unit.out
        self.scores: Floats = _flat(x)
        delta = _flat(self._layers[-1].delta)
        self._loss_buffers = LossBuffers(networks * rows, architecture.outputs, dtype, arena, gradient=delta)
        self._row_losses: Floats = self._loss_buffers.losses.reshape(networks, rows)

    def forward(self, generators: Sequence[np.random.Generator]) -> Floats:
        """Return the scores (K · rows, k) of `inputs`; each network draws noise and dropout from its own generator."""
        if self._noise:
            noise = self._input_dropout.scratch
            for rng, values in zip(generators, noise, strict=True):
                rng.standard_normal(out=values, dtype=values.dtype.type)
            np.multiply(noise, self._noise, out=noise)
            np.add(self.inputs, noise, out=self.inputs)
        self._input_dropout.forward(generators)
        for layer in self._layers:
            layer.forward(generators)
        return self.scores

    def backward(self, targets: NDArray[Any], weights: Floats | None, losses: Floats) -> None:
        """Write each network's loss against `targets` (K · rows, ...) to `losses` (K,), and fill the gradients.

        `weights` (K · rows,) are the row weights.
        """
        self._evaluate(targets, weights, losses)
        for i in range(len(self._layers) - 1, -1, -1):
            self._layers[i].backward(self._layers[i - 1].delta if i else None)

    def _evaluate(self, targets: NDArray[Any], weights: Floats | None, losses: Floats) -> None:
        """Compute the mean over each network's rows, as `Loss.evaluate` does for one network."""
        buffers = self._loss_buffers
        self._loss.measure(self.scores, targets, buffers)
        if weights is not None:
            np.multiply(buffers.losses, weights, out=buffers.losses)
        np.add.reduce(self._row_losses, axis=1, out=losses)
        np.multiply(losses, 1 / self._rows, out=losses)
        if weights is None:
            np.multiply(buffers.gradient, 1 / self._rows, out=buffers.gradient)
        else:
            np.multiply(weights, 1 / self._rows, out=buffers.losses)
            np.multiply(buffers.gradient, buffers.losses_column, out=buffers.gradient)

    def first_not_finite(self, network: int) -> int | None:
        """Return the first layer of this network with a weight or an output that is not finite, or None."""
        for i, layer in enumerate(self._layers):
            if not (np.isfinite(layer.parameters.weight[network]).all() and np.isfinite(layer.a[network]).all()):
                return i
        return None


class _LayerPass:
    """One layer's part of a packed training pass."""

    def __init__(
        self,
        layer: Layer,
        parameters: LayerParameters,
        gradient: LayerParameters,
        x: Floats,
        *,
        scratch: Floats,
        mask: Flags,
        arena: Arena,
    ) -> None:
        networks, rows, _ = x.shape
        activation, shape = layer.activation, (networks, rows, layer.units)
        self.activation, self.parameters, self.gradient, self.x = activation, parameters, gradient, x
        self._bias: Floats = parameters.bias[:, None, :]
        self._bias_gradient: Floats = gradient.bias[:, None, :]
        self._ones: Floats = np.ones((1, rows), x.dtype)
        self._x_transposed: Floats = x.transpose(0, 2, 1)
        self._weight_transposed: Floats = parameters.weight.transpose(0, 2, 1)
        self._z: Floats = arena.empty((networks, rows, layer.columns), x.dtype)
        self.a: Floats = arena.empty(shape, x.dtype) if activation.keeps_input else self._z
        self.delta: Floats = arena.empty(shape, x.dtype)
        self._z_gradient = self._z if activation.linear_pieces > 1 else self.delta
        # each network has slopes (K, units): they broadcast over rows (rows, K, units), which sum over the first axis
        view = _rows_first if activation.learns_slope else _flat
        z, delta = view(self._z), view(self.delta)
        size = networks * rows * layer.units
        self._buffers = UnitBuffers(
            z=z,
            a=view(self.a) if activation.keeps_input else z,
            delta=delta,
            z_gradient=z if activation.linear_pieces > 1 else delta,
            slope=parameters.slope,
            slope_gradient=gradient.slope,
            scratch=view(scratch[:size].reshape(shape)),
            mask=view(mask[:size].reshape(shape)),
        )
        self._loops = activation.compiled()
        self._dropout = _Dropout(self.a, layer.dropout, scratch, mask, arena)
        self._residual = layer.residual
        self.out: Floats = arena.empty(shape, x.dtype) if layer.residual else self._dropout.out

    def forward(self, generators: Sequence[np.random.Generator]) -> None:
        buffers = self._buffers
        np.matmul(self.x, self.parameters.weight, out=self._z)
        if self._loops:
            self._loops.packed(self._z, self.parameters.bias, *self._loops.constants)
        else:
            np.add(self._z, self._bias, out=self._z)
            self.activation.value(buffers.z, buffers.slope, buffers.a, buffers.scratch)
        self._dropout.forward(generators)
        if self._residual:
            np.add(self._dropout.out, self.x, out=self.out)

    def backward(self, delta_below: Floats | None) -> None:
        """Fill the gradients of the layer's parameters, and those of its inputs in `delta_below`."""
        if self._residual:  # for the connection around the layer; the sum is no longer needed
            np.copyto(self.out, self.delta)
        self._dropout.backward(self.delta)
        if self._loops:
            self._loops.derivative(self._buffers.delta, self._buffers.a, *self._loops.constants)
        else:
            self.activation.derivative(self._buffers)
        np.matmul(self._ones, self._z_gradient, out=self._bias_gradient)  # the sums over the rows, as products
        np.matmul(self._x_transposed, self._z_gradient, out=self.gradient.weight)
        if delta_below is not None:
            np.matmul(self._z_gradient, self._weight_transposed, out=delta_below)
            if self._residual:
                np.add(delta_below, self.out, out=delta_below)


class _Dropout:
    """Inverted dropout of `x` (K, rows, units); each network draws from its own generator.

    `out` is `x` itself if nothing is dropped.
    """

    def __init__(self, x: Floats, rate: float, scratch: Floats, mask: Flags, arena: Arena) -> None:
        self._x, self._rate = x, rate
        self.scratch: Floats = scratch[: x.size].reshape(x.shape)
        self._mask: Flags = mask[: x.size].reshape(x.shape)
        self._scale: Floats = arena.empty(x.shape, x.dtype) if rate else x
        self.out: Floats = arena.empty(x.shape, x.dtype) if rate else x

    def forward(self, generators: Sequence[np.random.Generator]) -> None:
        if self._rate:
            for rng, values in zip(generators, self._scale, strict=True):
                rng.random(out=values, dtype=values.dtype.type)
            np.greater_equal(self._scale, self._rate, out=self._mask)
            np.copyto(self._scale, self._mask)
            np.multiply(self._scale, 1 / (1 - self._rate), out=self._scale)
            np.multiply(self._x, self._scale, out=self.out)

    def backward(self, delta: Floats) -> None:
        if self._rate:
            np.multiply(delta, self._scale, out=delta)


def _flat(x: NDArray[Any]) -> NDArray[Any]:
    """Return (K, rows, width) as (K · rows, width)."""
    return x.reshape(-1, x.shape[2])


def _rows_first(x: NDArray[Any]) -> NDArray[Any]:
    """Return (K, rows, width) as (rows, K, width)."""
    return x.transpose(1, 0, 2)
