"""The network that learns standardised targets, and the same network in the targets' own units.

What is trained is a copy of the model, `Rescaled.trained`. The scale of its targets is drawn into the weights and
biases of the model's output layer after every record, so that the model, its file and every reader of the file predict
in the targets' own units.
"""

import copy
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from layerwise.activations import Identity
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

MANY_BYTES = 2**26
"""Targets of more are scaled batch by batch, lest a mapped file be copied into memory."""
LARGEST = 1e-6
"""Of the largest number of the network's type: answers to larger targets could overflow."""
ROUNDING = 2.0**-22
"""The scale of targets that do not vary, relative to their size: 2 units in the last place of float32."""
LEAST_SCALE = 1e-30
"""The smallest scale of targets that do not vary, so that weights keep their digits in float32."""
NOTHING = 1e-3
"""The first answer to targets that are all zero, of a network whose outputs are logarithms."""
FAR = 8.0
"""Scales: targets of a larger root mean square need a new scale, for a network would learn them badly or diverge."""


class Rescaled:
    """A model and the network that is trained in its place, which is the model itself if no target is scaled."""

    def __init__(self, model: MLP, trained: MLP) -> None:
        self.model, self.trained = model, trained
        self._scale = scale = trained.target_scale
        if scale is not None:
            own, dtype = _output(model), model.dtype
            self._weight, self._bias = _last(own), own.bias
            logarithmic = scale.link == "exp"
            self._factor: Floats | None = None if logarithmic else scale.scales.astype(dtype)
            self._shift: Floats = (np.log(scale.scales) if logarithmic else scale.shifts).astype(dtype)

    def split(self, data: D) -> D:
        """The same rows, their targets as the trained network learns them."""
        return data if data is None else replace(data, scale=self._scale)

    def train_split(self, data: Split) -> Split:
        """The same to train on: if they are few, they are scaled once and not in every step."""
        if self._scale is None or data.targets.nbytes > MANY_BYTES:
            return self.split(data)
        learnt: Floats = np.empty(data.targets.shape, self.model.dtype)
        for block in blocks(len(learnt), learnt.shape[1]):
            learnt[block] = self._scale.scale_targets(data.targets[block])
        return replace(data, scale=self._scale, learnt=learnt)

    def publish(self) -> None:
        """Makes the model what the trained network is by now. Allocates nothing."""
        model, trained = self.model, self.trained
        if trained is model:
            return
        np.copyto(model.parameters, trained.parameters)
        if model.statistics.size:
            np.copyto(model.statistics, trained.statistics)
        with np.errstate(over="ignore", invalid="ignore"):  # of a training that diverges
            if self._factor is not None:
                np.multiply(self._weight, self._factor, out=self._weight)
                np.multiply(self._bias, self._factor, out=self._bias)
            np.add(self._bias, self._shift, out=self._bias)
        model.metrics, model.kept_optimizer = trained.metrics, trained.kept_optimizer


def rescaled(
    model: MLP, plan: Plan, data: Split, state: TrainingState | None = None, *, online: bool = False
) -> Rescaled:
    """What is to be trained by `plan` on `data`, from the `state` of a training if there is one.

    The scale is the state's, or the model's own if the targets are not far outside of it, or else that of the targets.
    A network that was never trained, and whose output biases are all zero, is taken to answer standardised targets;
    any other goes on from what it predicts. Raises InvalidInput if the state has no scale of such a network or is of
    targets that did not vary, as these do, or if the targets are so large that answers to them could overflow.
    """
    fresh = model.plan is None and not _output(model).bias.any()
    link, outputs = plan.loss.link, model.architecture.outputs
    if state is not None:
        kept = instance("state", state, TrainingState).target_scale
        scale = None if kept is None else TargetScale.from_array(kept, outputs, link)
        if scale is not None:
            _check_still(scale, data, plan.loss)
    else:
        scale = _scale(model, plan, data, online=online, fresh=fresh)
    if scale is None:
        if model.target_scale is not None:
            model.target_scale, model.kept_optimizer = None, None
        return Rescaled(model, model)
    trained = copy.copy(model)
    if scale != model.target_scale:
        trained.kept_optimizer = None  # it remembers gradients in other units
    trained.target_scale = model.target_scale = scale
    if not fresh:
        _undo(_output(trained), scale)
    elif scale.link == "exp" and state is None and not online:
        _answer_constants(_output(trained), moments(data.targets, data.rows, data.weights))
    return Rescaled(model, trained)


def can_scale(architecture: Architecture, loss: Loss) -> bool:
    """Whether the scale of targets can be drawn into the output layer, which must be linear then."""
    last = architecture.layers[-1]
    return loss.targets == "values" and isinstance(last.activation, Identity) and not last.residual


def scale_of_targets(
    targets: NDArray[Any], rows: RowNumbers, weights: NDArray[Any] | None, loss: Loss, *, online: bool = False
) -> TargetScale | None:
    """What brings `targets[rows]`, of (n, k), to zero mean and unit deviation, or else to a mean of 1, by the link.

    Rows count by `weights[rows]`. Targets that do not vary get a scale as small as rounding, so that whatever the
    network learns of them hardly changes its answers. Those that are `online`, of which others may come that vary, or
    of a network that already answers something else, are divided by their size. None if the targets are not finite.
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
    """The scale for `data`, the model's own if there is one that will do. Raises InvalidInput."""
    if not plan.standardize_targets or not can_scale(model.architecture, plan.loss):
        return None
    found, known = scale_of_targets(data.targets, data.rows, data.weights, plan.loss, online=online), model.target_scale
    if found is None:
        return None
    limit = LARGEST * float(np.finfo(model.dtype).max)
    if (np.hypot(found.shifts, found.scales) > limit).any():
        detail = f"expected targets within about {limit:.0e}, for answers to larger ones overflow {model.dtype}"
        raise InvalidInput("y", f"{detail}: divide them by a constant")
    if known is not None and known.link == found.link:
        spread = np.hypot(found.shifts - known.shifts, found.scales)
        if (spread <= FAR * known.scales).all():
            return known
    if fresh or online:
        return found
    return scale_of_targets(data.targets, data.rows, data.weights, plan.loss, online=True)


def _check_still(scale: TargetScale, data: Split, loss: Loss) -> None:
    """Raises InvalidInput if an output has the `scale` of targets that do not vary, and those of `data` are others."""
    still = scale.scales <= 2 * ROUNDING * np.where(scale.shifts == 0, 1.0, np.abs(scale.shifts))
    if scale.link == "exp" or not still.any():
        return
    found = scale_of_targets(data.targets, data.rows, data.weights, loss)
    if found is not None and (np.hypot(found.shifts - scale.shifts, found.scales) > FAR * scale.scales)[still].any():
        raise InvalidInput("state", "it is of targets that did not vary, and these are others: go on without the state")


def _output(model: MLP) -> LayerParameters:
    """The parameters of the output layer."""
    return views(model.architecture, model.parameters)[-1]


def _last(own: LayerParameters) -> Floats:
    """What the outputs are proportional to: the weights, or of a layer that normalises its scales."""
    return own.scale if own.scale.size else own.weight


def _answer_constants(own: LayerParameters, found: Moments) -> None:
    """Lets an output whose targets do not vary begin with their mean in every row, where outputs are logarithms."""
    _last(own)[..., found.constant] = 0
    own.bias[found.constant & (found.mean == 0)] = np.log(NOTHING)


def _undo(own: LayerParameters, scale: TargetScale) -> None:
    """Takes `scale` out of an output layer whose outputs are in the targets' own units."""
    if scale.link == "exp":
        own.bias[:] = own.bias - np.log(scale.scales)
        return
    weight = _last(own)
    weight[:] = weight / scale.scales
    own.bias[:] = (own.bias - scale.shifts) / scale.scales
