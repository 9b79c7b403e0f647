"""Training on standardised targets, for a model that predicts in the targets' own units.

A copy of the model, `Rescaled.trained`, learns the standardised targets. After every record its weights are copied to
the model, with the scale of the targets folded into the output layer. So the model, its file and every reader of the
file predict in the targets' own units.
"""

import copy
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import instance
from layerwise.data.arrays import blocks
from layerwise.data.moments import Moments, moments
from layerwise.data.reader import Split
from layerwise.data.splits import RowNumbers
from layerwise.errors import InvalidInput
from layerwise.losses import Loss
from layerwise.model import MLP
from layerwise.network.architecture import Architecture
from layerwise.network.parameters import LayerParameters, views
from layerwise.network.target_scale import TargetScale
from layerwise.plan import Plan
from layerwise.training.state import TrainingState
from layerwise.types import Floats

D = TypeVar("D", Split, Split | None)

MAX_SCALED_BYTES = 2**26
"""Targets of more bytes are scaled batch by batch, so that a mapped file is not copied into memory."""
LARGEST_SHARE = 1e-6
"""Predictions could overflow if targets exceed this share of the largest number of the network's dtype."""
ROUNDING = 2.0**-22
"""The scale of constant targets, relative to their size: 2 units in the last place of float32."""
LEAST_SCALE = 1e-30
"""The smallest scale of constant targets, so that weights keep their precision in float32."""
FIRST_PREDICTION = 1e-3
"""The first prediction for targets that are all 0, if the outputs are logarithms."""
MAX_SCALES = 8.0
"""Targets whose root mean square exceeds this many scales need a new scale: training would be poor or diverge."""


class Rescaled:
    """A model, and the network that is trained in its place: the model itself if targets are not scaled."""

    def __init__(self, model: MLP, trained: MLP) -> None:
        self.model, self.trained = model, trained
        self._scale = scale = trained.target_scale
        if scale is not None:
            own, dtype = _output_layer(model), model.dtype
            self._weight, self._bias = _output_factors(own), own.bias
            logarithmic = scale.link == "exp"
            self._factor: Floats | None = None if logarithmic else scale.scales.astype(dtype)
            self._shift: Floats = (np.log(scale.scales) if logarithmic else scale.shifts).astype(dtype)

    def split(self, data: D) -> D:
        """Return the same rows with the scale of their targets."""
        return data if data is None else replace(data, scale=self._scale)

    def train_split(self, data: Split) -> Split:
        """Return the training rows; unless they are large, their targets are scaled here, and not in every step."""
        if self._scale is None or data.targets.nbytes > MAX_SCALED_BYTES:
            return self.split(data)
        scaled_targets: Floats = np.empty(data.targets.shape, self.model.dtype)
        for block in blocks(len(scaled_targets), scaled_targets.shape[1]):
            scaled_targets[block] = self._scale.scale_targets(data.targets[block])
        return replace(data, scale=self._scale, scaled_targets=scaled_targets)

    def publish(self) -> None:
        """Copy the weights of the trained network to the model, in the targets' own units. Allocates nothing."""
        model, trained = self.model, self.trained
        if trained is model:
            return
        np.copyto(model.parameters, trained.parameters)
        if model.statistics.size:
            np.copyto(model.statistics, trained.statistics)
        with np.errstate(over="ignore", invalid="ignore"):  # training may diverge
            if self._factor is not None:
                np.multiply(self._weight, self._factor, out=self._weight)
                np.multiply(self._bias, self._factor, out=self._bias)
            np.add(self._bias, self._shift, out=self._bias)
        model.metrics, model.kept_optimizer = trained.metrics, trained.kept_optimizer


def rescaled(
    model: MLP, plan: Plan, data: Split, state: TrainingState | None = None, *, online: bool = False
) -> Rescaled:
    """Return the network to train by `plan` on `data`, from the `state` of a training if there is one.

    The scale is that of the state; or else that of the model, if it is close enough to the targets; or else that of the
    targets. A network that was never trained, with output biases of 0, is assumed to predict standardised targets.
    Training of any other network continues from its predictions. Raises InvalidInput if the scale in the state does not
    fit the network, or is that of constant targets while these vary, or if the targets are so large that predictions
    could overflow.
    """
    fresh = model.plan is None and not _output_layer(model).bias.any()
    link, outputs = plan.loss.link, model.architecture.outputs
    if state is not None:
        kept = instance("state", state, TrainingState).target_scale
        scale = None if kept is None else TargetScale.from_array(kept, outputs, link)
        if scale is not None:
            _check_constant_targets(scale, data, plan.loss)
    else:
        scale = _scale(model, plan, data, online=online, fresh=fresh)
    if scale is None:
        if model.target_scale is not None:
            model.target_scale, model.kept_optimizer = None, None
        return Rescaled(model, model)
    trained = copy.copy(model)
    if scale != model.target_scale:
        trained.kept_optimizer = None  # its gradients are in other units
    trained.target_scale = model.target_scale = scale
    if not fresh:
        _remove_scale(_output_layer(trained), scale)
    elif scale.link == "exp" and state is None and not online:
        _predict_constants(_output_layer(trained), moments(data.targets, data.rows, data.weights))
    return Rescaled(model, trained)


def can_scale(architecture: Architecture, loss: Loss) -> bool:
    """Return whether the scale of targets can be folded into the output layer, which must be linear."""
    last = architecture.layers[-1]
    return loss.targets == "values" and last.activation.is_linear and not last.residual


def scale_of_targets(
    targets: NDArray[Any], rows: RowNumbers, weights: NDArray[Any] | None, loss: Loss, *, online: bool = False
) -> TargetScale | None:
    """Return the scale that standardises `targets[rows]` (n, k), or None if they are not finite.

    It gives them mean 0 and standard deviation 1, or a mean of 1 if the outputs are logarithms. Rows count by
    `weights[rows]`. Constant targets get a scale as small as rounding, so that what the network learns hardly changes
    its predictions. With `online`, where later targets may vary or the network already predicts something else,
    constant targets are divided by their size.
    """
    found = moments(targets, rows, weights)
    mean = found.mean * found.unit
    if not np.isfinite(mean).all():
        return None
    if loss.link == "exp":
        scale, mean = np.where(mean > 0, mean, 1.0), np.zeros_like(mean)
    else:
        deviation, size = np.sqrt(found.variance) * found.unit, np.where(mean == 0, 1.0, np.abs(mean))
        of_constant = size if online else np.maximum(np.maximum(ROUNDING * size, LEAST_SCALE), deviation)
        scale = np.where(found.constant, of_constant, deviation)
    return TargetScale(tuple(mean.tolist()), tuple(scale.tolist()), loss.link)


def _scale(model: MLP, plan: Plan, data: Split, *, online: bool, fresh: bool) -> TargetScale | None:
    """Return the scale for `data`: the model's own if it is close enough. Raises InvalidInput."""
    if not plan.standardize_targets or not can_scale(model.architecture, plan.loss):
        return None
    found, known = scale_of_targets(data.targets, data.rows, data.weights, plan.loss, online=online), model.target_scale
    if found is None:
        return None
    limit = LARGEST_SHARE * float(np.finfo(model.dtype).max)
    if (np.hypot(found.shifts, found.scales) > limit).any():
        detail = f"expected targets within about {limit:.0e}, because predictions of larger ones overflow {model.dtype}"
        raise InvalidInput("y", f"{detail}: divide them by a constant")
    if known is not None and known.link == found.link:
        spread = np.hypot(found.shifts - known.shifts, found.scales)
        if (spread <= MAX_SCALES * known.scales).all():
            return known
    if fresh or online:
        return found
    return scale_of_targets(data.targets, data.rows, data.weights, plan.loss, online=True)


def _check_constant_targets(scale: TargetScale, data: Split, loss: Loss) -> None:
    """Raise InvalidInput if an output has the `scale` of constant targets, and the targets of `data` differ."""
    was_constant = scale.scales <= 2 * ROUNDING * np.where(scale.shifts == 0, 1.0, np.abs(scale.shifts))
    if scale.link == "exp" or not was_constant.any():
        return
    found = scale_of_targets(data.targets, data.rows, data.weights, loss)
    if (
        found is not None
        and (np.hypot(found.shifts - scale.shifts, found.scales) > MAX_SCALES * scale.scales)[was_constant].any()
    ):
        raise InvalidInput(
            "state",
            "expected one of targets that vary, its targets were constant and different: start without the state",
        )


def _output_layer(model: MLP) -> LayerParameters:
    """Return the parameters of the output layer."""
    return views(model.architecture, model.parameters)[-1]


def _output_factors(own: LayerParameters) -> Floats:
    """Return the factors that scale the outputs: the weights, or the scales of a normalised layer."""
    return own.scale if own.scale.size else own.weight


def _predict_constants(own: LayerParameters, found: Moments) -> None:
    """Let outputs for constant targets start at their mean in every row, if outputs are logarithms."""
    _output_factors(own)[..., found.constant] = 0
    own.bias[found.constant & (found.mean == 0)] = np.log(FIRST_PREDICTION)


def _remove_scale(own: LayerParameters, scale: TargetScale) -> None:
    """Remove `scale` from an output layer whose outputs are in the targets' own units."""
    if scale.link == "exp":
        own.bias[:] = own.bias - np.log(scale.scales)
        return
    weight = _output_factors(own)
    weight[:] = weight / scale.scales
    own.bias[:] = (own.bias - scale.shifts) / scale.scales
