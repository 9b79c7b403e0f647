"""The training pass: forward through a network, and backward for the gradient."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import kernels
from layerwise.activations import UnitBuffers
from layerwise.losses import Loss, LossBuffers
from layerwise.network.architecture import Architecture, Layer
from layerwise.network.normalization import TRAINING
from layerwise.network.parameters import LayerParameters, LayerStatistics, statistics_views, views
from layerwise.randomness import draw
from layerwise.types import Flags, Floats
from layerwise.workspace import Arena


class TrainingPass:
    """Forward and backward through a network for batches of `rows` rows, in buffers made once.

    Fill `inputs` (rows, features), which `forward` may change, then call `forward` and `backward`. `statistics` is the
    vector of running statistics, which `forward` updates; only batch normalisation has any.
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters: Floats,
        gradient: Floats,
        loss: Loss,
        *,
        statistics: Floats,
        rows: int,
        arena: Arena,
    ) -> None:
        dtype = parameters.dtype
        self.inputs: Floats = arena.empty((rows, architecture.inputs), dtype)
        self.loss = loss
        self._noise = architecture.input_noise
        widest = max(architecture.inputs, *(layer.units for layer in architecture.layers))
        scratch: Floats = arena.empty((rows * widest,), dtype)
        mask: Flags = arena.empty((rows * widest,), np.bool_)
        self._input_dropout = _Dropout(self.inputs, architecture.input_dropout, scratch, mask, arena)
        self._layers: list[_LayerPass] = []
        layer_parameters, gradients = views(architecture, parameters), views(architecture, gradient)
        layer_statistics = statistics_views(architecture, statistics)
        x = self._input_dropout.out
        for i, layer in enumerate(architecture.layers):
            unit = _LayerPass(
                layer,
                layer_parameters[i],
                gradients[i],
                layer_statistics[i],
                x,
                scratch=scratch,
                mask=mask,
                arena=arena,
            )
            self._layers.append(unit)
            x = unit.out
        self.scores: Floats = x
        delta = self._layers[-1].buffers.delta
        self.loss_buffers = LossBuffers(rows, architecture.outputs, dtype, arena, gradient=delta)

    def forward(self, rng: np.random.Generator) -> Floats:
        """Return the scores (rows, k) of `inputs`, with noise and dropout drawn from `rng`."""
        if self._noise:
            noise = self._input_dropout.scratch
            draw(rng.standard_normal, noise)
            np.multiply(noise, self._noise, out=noise)
            np.add(self.inputs, noise, out=self.inputs)
        self._input_dropout.forward(rng)
        for layer in self._layers:
            layer.forward(rng)
        return self.scores

    def backward(self, targets: NDArray[Any], weights: Floats | None = None) -> float:
        """Return the loss of the last forward pass against `targets`, and fill the gradient.

        `weights` (rows,) are the row weights in the loss.
        """
        loss = self.loss.evaluate(self.scores, targets, self.loss_buffers, weights)
        for i in range(len(self._layers) - 1, -1, -1):
            self._layers[i].backward(self._layers[i - 1].buffers.delta if i else None)
        return loss

    def input_gradient(self, delta: Floats, out: Floats) -> Floats:
        """Return in `out` (rows, features) the gradient of `inputs`, given that of the scores, `delta` (rows, k).

        The scores are those of the last forward pass. The gradient vector is overwritten.
        """
        np.copyto(self._layers[-1].buffers.delta, delta)
        for i in range(len(self._layers) - 1, -1, -1):
            self._layers[i].backward(self._layers[i - 1].buffers.delta if i else out)
        return out

    def first_not_finite(self) -> int | None:
        """Return the first layer with a weight or an output of the last batch that is not finite, or None."""
        for i, layer in enumerate(self._layers):
            if not (np.isfinite(layer.parameters.weight).all() and np.isfinite(layer.buffers.a).all()):
                return i
        return None

    def active_pieces(self, targets: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the `active_piece` of each layer and of the loss after `forward`; one changes if a kink is crossed."""
        found = [layer.active_piece() for layer in self._layers]
        found.append(self.loss.active_piece(self.scores, targets))
        return [piece for piece in found if piece is not None]


class _LayerPass:
    """One layer's part of a training pass."""

    def __init__(
        self,
        layer: Layer,
        parameters: LayerParameters,
        gradient: LayerParameters,
        statistics: LayerStatistics,
        x: Floats,
        *,
        scratch: Floats,
        mask: Flags,
        arena: Arena,
    ) -> None:
        rows, columns, units, activation = len(x), layer.columns, layer.units, layer.activation
        self.activation, self.parameters, self.gradient, self.x = activation, parameters, gradient, x
        z: Floats = arena.empty((rows, columns), x.dtype)
        delta: Floats = arena.empty((rows, units), x.dtype)
        self.buffers = UnitBuffers(
            z=z,
            a=arena.empty((rows, units), x.dtype) if activation.keeps_input else z,
            delta=delta,
            z_gradient=z if activation.linear_pieces > 1 else delta,
            slope=parameters.slope,
            slope_gradient=gradient.slope,
            scratch=scratch[: rows * units].reshape(rows, units),
            mask=mask[: rows * units].reshape(rows, units),
        )
        self.normalization = (
            TRAINING[layer.normalization](parameters, gradient, statistics, rows=rows, arena=arena)
            if layer.normalization
            else None
        )
        self.dropout = _Dropout(self.buffers.a, layer.dropout, scratch, mask, arena)
        self.residual = layer.residual
        self.out: Floats = arena.empty((rows, units), x.dtype) if layer.residual else self.dropout.out
        self._x_transposed, self._weight_transposed = x.T, parameters.weight.T
        self._ones: Floats = np.ones(rows, x.dtype)
        self._compiled = None if layer.normalization else activation.compiled()

    def forward(self, rng: np.random.Generator) -> None:
        buffers = self.buffers
        np.dot(self.x, self.parameters.weight, out=buffers.z)  # quicker to begin than matmul
        if self._compiled:
            self._compiled.value(buffers.z, self.parameters.bias, *self._compiled.constants)
        else:
            if self.normalization is None:
                np.add(buffers.z, self.parameters.bias, out=buffers.z)
            else:
                self.normalization.forward(buffers.z)
            self.activation.value(buffers.z, buffers.slope, buffers.a, buffers.scratch)
        self.dropout.forward(rng)
        if self.residual:
            np.add(self.dropout.out, self.x, out=self.out)

    def backward(self, delta_below: Floats | None) -> None:
        """Fill the gradient of the layer's parameters, and that of its inputs in `delta_below`."""
        buffers = self.buffers
        if self.residual:  # for the connection around the layer; the sum is no longer needed
            np.copyto(self.out, buffers.delta)
        self.dropout.backward(buffers.delta)
        if self._compiled:
            self._compiled.derivative(buffers.delta, buffers.a, *self._compiled.constants)
        else:
            self.activation.derivative(buffers)
        if self.normalization is None:
            np.dot(self._ones, buffers.z_gradient, out=self.gradient.bias)  # the sum over the rows, as a product
        else:
            self.normalization.backward(buffers.z_gradient)
        np.dot(self._x_transposed, buffers.z_gradient, out=self.gradient.weight)
        if delta_below is not None:
            np.dot(buffers.z_gradient, self._weight_transposed, out=delta_below)
            if self.residual:
                np.add(delta_below, self.out, out=delta_below)

    def active_piece(self) -> NDArray[Any] | None:
        return self.activation.active_piece(self.buffers.z)


class _Dropout:
    """Inverted dropout of `x` (rows, units): kept numbers are scaled up, so that predictions need no scaling.

    Srivastava et al. 2014. `out` is `x` itself if nothing is dropped.
    """

    def __init__(self, x: Floats, rate: float, scratch: Floats, mask: Flags, arena: Arena) -> None:
        self.x, self.rate = x, rate
        self.scratch: Floats = scratch[: x.size].reshape(x.shape)
        self.mask: Flags = mask[: x.size].reshape(x.shape)
        self.scale: Floats = arena.empty(x.shape, x.dtype) if rate else x
        self.out: Floats = arena.empty(x.shape, x.dtype) if rate else x
        self._loops = kernels.compiled() if rate else None

    def forward(self, rng: np.random.Generator) -> None:
        if self.rate:
            draw(rng.random, self.scale)
            if self._loops:
                self._loops.dropout(self.x, self.scale, self.out, self.rate, 1 / (1 - self.rate))
                return
            np.greater_equal(self.scale, self.rate, out=self.mask)
            np.copyto(self.scale, self.mask)
            np.multiply(self.scale, 1 / (1 - self.rate), out=self.scale)
            np.multiply(self.x, self.scale, out=self.out)

    def backward(self, delta: Floats) -> None:
        if self.rate:
            np.multiply(delta, self.scale, out=delta)
