"""The doctor: examines each layer while a network trains, and reports problems in words.

After CS231n, "Neural Networks 1" (dead and saturated units) and "Neural Networks 3" (update ratios, over-fitting).
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from layerwise.activations import Activation
from layerwise.data.reader import Split
from layerwise.data.variation import is_constant
from layerwise.losses import Loss
from layerwise.model import MLP
from layerwise.network.parameters import views
from layerwise.training.baseline import Baseline, compare_with_constant
from layerwise.training.constant_inputs import constant_inputs
from layerwise.training.records import Finding, LayerHealth
from layerwise.training.state import TrainingState
from layerwise.types import Floats
from layerwise.wording import number_words

MOST_ROWS = 512
"""The most rows to examine. A unit that outputs 0 for all of them counts as dead."""
TIME_SHARE = 0.02
"""The share of training time to spend on examinations. Examining n rows takes about as long as training on n/3."""
FIXED_COST = 6
"""The fixed cost of an examination, in training steps."""

MANY_DEAD = 0.2
MANY_SATURATED = 0.5
LARGE_UPDATE = 0.1
SMALL_UPDATE = 1e-6
FAILED_GROWTH = 3.0
"""Training has failed if the norm of a layer's weights has grown by more than this factor since the start …"""
FAILED_LOSS = 0.9
"""… while the loss is above this share of the first loss."""
LARGE_VALUES = 10.0
"""Inputs and targets are too large if their root mean square is above this."""
COARSE_RESOLUTION = 0.05
"""Targets vary too little if the spacing of numbers at their size is above this share of their deviation."""
OVERFITTING_EPOCHS = 3
"""The epochs for which the validation loss must be above its best before overfitting is reported."""
OVERFITTING_RISE = 0.02
"""The share of its best by which the validation loss must be above it …"""
STANDARD_ERRORS = 2.0
"""… and, of n rows, this many times 1 / √n: the standard error of their mean, if losses scatter as much as their mean.
With fewer rows, a rise may be chance."""
MOST_GROWTH = 1000
"""The largest growth of weights that a message gives as a number."""

NEXT_EXAMINATION = "next_look"
"""The key in `TrainingState.health` of the step from which on an examination is due."""


class Doctor:
    """Examines a network in training, at intervals that depend on sizes alone, so that runs can be repeated.

    `data` are the rows to examine: those held out, or else the training rows. Each problem, and the epoch in which it
    began, is stored in the state's `health`.
    """

    def __init__(self, model: MLP, gradient: Floats, loss: Loss, data: Split, *, batch_size: int) -> None:
        self._model, self._loss, self._data = model, loss, data
        rows = data.rows[:: max(1, -(-len(data.rows) // MOST_ROWS))]
        self._x = data.table[rows].astype(model.dtype)
        self._targets = data.targets[rows] if loss.takes_any_value else None
        self._steps_between = max(1, round((FIXED_COST + len(rows) / 3 / batch_size) / TIME_SHARE))
        self._layers = views(model.architecture, model.parameters)
        self._gradients = views(model.architecture, gradient)
        self._before: Floats | None = None
        self._constant = constant_inputs(model, self._x)

    def findings(self, health: Mapping[str, float]) -> tuple[Finding, ...]:
        """Return the problems in the `health` of a training state, and the inputs that are constant."""
        found = findings(health)
        return found if self._constant is None else (self._constant, *found)

    def is_due(self, step: int, health: Mapping[str, float]) -> bool:
        """Return whether to examine the network after `step`, the last of an epoch."""
        return step >= health.get(NEXT_EXAMINATION, 1)

    def begin(self, health: dict[str, float], loss: float) -> None:
        """Store the loss and the norms of the weights at the start of training."""
        health["start.loss"] = loss
        for i, layer in enumerate(self._layers):
            health[f"start.norm:{i}"] = float(np.linalg.norm(layer.weight))

    def before_update(self) -> None:
        """Store the parameters before the step after which the network is examined."""
        self._before = self._model.parameters.copy()

    def examine(self, state: TrainingState, values: Mapping[str, float], *, epoch: int) -> tuple[LayerHealth, ...]:
        """Return the health of each layer, or () if no examination is due; store the problems in `state.health`."""
        _check_overfitting(state.health, values, epoch, rows=len(self._data.rows))
        if self._before is None:
            return ()
        with np.errstate(over="ignore", invalid="ignore"):  # training may be about to diverge
            health = tuple(self._layer_health(self._before))
        self._before = None
        if NEXT_EXAMINATION not in state.health:
            self._check_inputs(state.health, epoch)
            self._check_targets(state.health, epoch)
        state.health[NEXT_EXAMINATION] = state.step + self._steps_between
        growth = max(_growth(state.health, i, layer) for i, layer in enumerate(health))
        lost = growth > FAILED_GROWTH and values["loss"] > FAILED_LOSS * state.health.get("start.loss", np.inf)
        _update_finding(state.health, "lost", growth, epoch, found=lost)
        for i, layer in enumerate(health):
            hidden = i < len(health) - 1
            _update_finding(
                state.health, f"dead:{i}", layer.dead, epoch, found=hidden and (layer.dead or 0) >= MANY_DEAD
            )
            saturates = hidden and (layer.saturated or 0) >= MANY_SATURATED
            _update_finding(state.health, f"saturated:{i}", layer.saturated, epoch, found=saturates)
            _update_finding(
                state.health, f"large_update:{i}", layer.update_ratio, epoch, found=layer.update_ratio > LARGE_UPDATE
            )
            small = 0 <= layer.update_ratio < SMALL_UPDATE and layer.weight_norm > 0
            _update_finding(state.health, f"small_update:{i}", layer.update_ratio, epoch, found=small)
        return health

    def _layer_health(self, before: Floats) -> Iterable[LayerHealth]:
        old = views(self._model.architecture, before)
        outputs = self._model.layer_outputs(self._x)
        for layer, own, gradient, past, a in zip(
            self._model.architecture.layers, self._layers, self._gradients, old, outputs, strict=True
        ):
            weight_norm = float(np.linalg.norm(own.weight))
            update_norm = float(np.linalg.norm(own.weight - past.weight))
            yield LayerHealth(
                dead=float(np.mean(~(a > 0).any(axis=0))) if layer.activation.can_die else None,
                saturated=_saturated(layer.activation, a),
                gradient_norm=float(np.linalg.norm(gradient.weight)),
                weight_norm=weight_norm,
                update_ratio=update_norm / weight_norm if weight_norm else 0.0,
            )

    def _check_inputs(self, health: dict[str, float], epoch: int) -> None:
        """Store the input with the largest root mean square, if it is too large."""
        size = np.sqrt(np.mean(np.square(self._model.scaled(self._x), dtype=np.float64), axis=0))
        _find_largest(health, "inputs", size, epoch)

    def _check_targets(self, health: dict[str, float], epoch: int) -> None:
        """Store the output whose targets are too large, or vary too little for the dtype."""
        if self._targets is None:
            return
        scale = self._data.scale
        if scale is None:
            size = np.sqrt(np.mean(np.square(self._targets, dtype=np.float64), axis=0))
            _find_largest(health, "targets", size, epoch)
        else:
            resolution = np.finfo(self._model.dtype).eps * np.abs(scale.shifts) / scale.scales
            coarsest = float(np.max(resolution, initial=0.0, where=~is_constant(self._targets)))
            if coarsest > COARSE_RESOLUTION:
                health |= {"precision": epoch, "precision.value": coarsest}

    def check_baseline(self, state: TrainingState, metrics: Mapping[str, float], name: str) -> None:
        """Store whether the final network is no better than a constant prediction.

        `metrics` are those of the model; `name` is that of its accuracy or R².
        """
        held_out = f"validation_{name}" in metrics
        metric = metrics[f"validation_{name}" if held_out else name]
        found = compare_with_constant(self._model, self._loss, self._data, metric, held_out=held_out)
        epoch = state.epoch + (state.position > 0)
        _update_finding(state.health, "baseline", found.value if found else None, epoch, found=found is not None)
        if found:
            own = {"kind": found.kind, "constant": found.constant, "held_out": held_out, "trained": metrics[name]}
            state.health |= {f"baseline.{key}": float(value) for key, value in own.items()}


def findings(health: Mapping[str, float]) -> tuple[Finding, ...]:
    """Return the problems in the `health` of a training state, in words."""
    found: list[Finding] = []
    for key, since in health.items():
        kind, _, layer = key.partition(":")
        if kind in _MESSAGES and f"{key}.value" in health:
            i, value = int(layer) if layer else None, health[f"{key}.value"]
            column = int(health.get(f"{kind}.column", 0))
            if kind == "baseline":
                found.append(Finding(kind, None, value, int(since), _baseline(health)))
                continue
            words = _SMALL_UPDATE_MESSAGES[_cause(health)] if kind == "small_update" else _MESSAGES[kind]
            message = words.format(
                layer=i,
                value=value,
                percent=_percent(value),
                since=int(since),
                column=column,
                shown=number_words(value, digits=3),
                change=f" by {number_words(value, digits=2)} of their size" if value else "",
                never="" if value else "no longer ",
                growth=_growth_words(health.get("lost.value", 1.0)),
            )
            found.append(Finding(kind, i, value, int(since), message))
    return tuple(found)


_MESSAGES = {
    "dead": "layer {layer}: {percent} of its ReLU units are dead since epoch {since}: lower the learning rate, or use "
    "leaky ReLU or maxout",
    "saturated": "layer {layer}: {percent} of its outputs are saturated since epoch {since}: use ReLU, smaller initial "
    "weights or a lower learning rate",
    "large_update": "layer {layer}: a step changes its weights by {percent} since epoch {since}, about 0.1 % is usual: "
    "lower the learning rate",
    "small_update": "",
    "overfitting": "validation loss rises since epoch {since} while training loss falls: raise l2 or dropout, or stop "
    "early; do not use fewer units",
    "baseline": "",
    "targets": "targets are not standardised: output {column} has a root mean square of {shown}: leave "
    "standardize_targets on and the output layer linear, or bring them to zero mean and unit standard deviation",
    "precision": "targets vary too little for their size: the network's dtype cannot distinguish values closer than "
    "{shown} standard deviations, so that predictions are worse than the metrics of training: subtract a constant "
    "from the targets, or use float64",
    "inputs": "inputs are not standardised: column {column} has a root mean square of {shown}: bring every column "
    "to zero mean and unit standard deviation",
}


_SMALL_UPDATE_START = "layer {layer}: a step {never}changes its weights{change} since epoch {since}, "
_SMALL_UPDATE_MESSAGES = {
    "": f"{_SMALL_UPDATE_START}about 1e-3 is usual: raise the learning rate, or find out why the gradient is small",
    "units": f"{_SMALL_UPDATE_START}about 1e-3 is usual: dead or saturated units let no gradient through",
    "lost": f"{_SMALL_UPDATE_START}and training has failed: the loss has not fallen since the start, while the norm of "
    "the weights grew {growth}-fold: start again with a lower learning rate",
}
"""The messages about steps that are too small, by their cause."""


def _growth_words(growth: float) -> str:
    return number_words(growth, digits=3) if growth <= MOST_GROWTH else f"more than {MOST_GROWTH:,}"


def _cause(health: Mapping[str, float]) -> str:
    """Return why steps are small: "lost" (training failed), "units" (dead or saturated), or "" (learning rate)."""
    if "lost" in health:
        return "lost"
    return "units" if any(key.startswith(("dead:", "saturated:")) for key in health) else ""


def _baseline(health: Mapping[str, float]) -> str:
    kind, constant = int(health["baseline.kind"]), health["baseline.constant"]
    found = Baseline(kind, health["baseline.value"], constant)
    return found.message(held_out=bool(health["baseline.held_out"]), trained=health["baseline.trained"])


def _saturated(activation: Activation, a: Floats) -> float | None:
    """Return the share of saturated outputs, None if the units of `activation` do not saturate."""
    if activation.saturation is None:
        return None
    low, high = activation.saturation
    return float(np.mean((a < low) | (a > high)))


def _update_finding(health: dict[str, float], key: str, value: float | None, epoch: int, *, found: bool) -> None:
    """Store the first epoch and the newest value of a problem if it is `found`; else remove it."""
    if found and value is not None:
        health.setdefault(key, epoch)
        health[f"{key}.value"] = value
    else:
        health.pop(key, None)
        health.pop(f"{key}.value", None)


def _find_largest(health: dict[str, float], kind: str, size: NDArray[np.float64], epoch: int) -> None:
    """Store the column of the largest `size` (k,), if that is too large."""
    column = int(size.argmax())
    if size[column] > LARGE_VALUES:
        health |= {kind: epoch, f"{kind}.value": float(size[column]), f"{kind}.column": column}


def _check_overfitting(health: dict[str, float], values: Mapping[str, float], epoch: int, *, rows: int) -> None:
    """Store whether the loss of the `rows` held out rises while that of training falls."""
    if "validation_loss" not in values:
        return
    held, loss = values["validation_loss"], values["loss"]
    if held < health.get("best.held", np.inf):
        health |= {"best.held": held, "best.loss": loss, "best.epoch": epoch}
    least = 1 + max(OVERFITTING_RISE, STANDARD_ERRORS / math.sqrt(rows))
    rises = held > least * health["best.held"] and loss < health["best.loss"]
    since = int(health["best.epoch"]) + 1
    _update_finding(health, "overfitting", held, since, found=rises and epoch - since >= OVERFITTING_EPOCHS)


def _growth(health: Mapping[str, float], i: int, layer: LayerHealth) -> float:
    """Return the norm of the weights of layer `i` over that at the start of training; 1 if that is not known."""
    start = health.get(f"start.norm:{i}", 0.0)
    return layer.weight_norm / start if start else 1.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
