"""What a practitioner watches while a network trains, layer by layer, and what that means in words.

After CS231n, "Neural Networks 1" (dead and saturated units) and "Neural Networks 3" (update ratios, over-fitting).
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from layerwise.data.reader import Split
from layerwise.data.variation import unvaried
from layerwise.losses import Loss
from layerwise.model import MLP
from layerwise.network.parameters import views
from layerwise.training.baseline import Baseline, no_better
from layerwise.training.constant_inputs import constant_inputs
from layerwise.training.records import Finding, LayerHealth
from layerwise.training.state import TrainingState
from layerwise.types import Floats
from layerwise.wording import number_words

ROWS = 512
"""Rows looked at: enough to call a unit dead that none of them wakes."""
SHARE = 0.02
"""Of the training time that looking may take: a look at n rows costs about what training on n/3 does."""
CALLS = 6
"""Training steps that a look costs whatever the number of rows."""

MANY_DEAD = 0.2
MANY_SATURATED = 0.5
LARGE_UPDATE = 0.1
SMALL_UPDATE = 1e-6
FAR = 3.0
"""Times the length from which the weights of a layer began, which a good training seldom leaves behind."""
BARELY = 0.9
"""Of the loss from which training began: above, it has not fallen to speak of."""
LARGE = 10.0
"""The root mean square of an input, or of a target, that is too large."""
COARSE = 0.05
"""Deviations of the targets: the dtype tells no smaller differences apart."""
PATIENCE = 3
"""Epochs for which the validation loss must be above its best before it is said to rise."""
RISE = 1.02

SATURATION = {"tanh": 0.98, "sigmoid": 0.99}
"""The activation, mapped to (-1, 1), beyond which the derivative is below a twentieth of its largest."""


class Doctor:
    """Looks at a network in training every so many steps, which follow from the sizes alone: any two runs agree.

    `data` are rows it may look at: those held out, or else those trained on. What was found when is kept in the
    state's `health`.
    """

    def __init__(self, model: MLP, gradient: Floats, loss: Loss, data: Split, *, batch_size: int) -> None:
        self._model, self._loss, self._data = model, loss, data
        rows = data.rows[:: max(1, -(-len(data.rows) // ROWS))]
        self._x = data.table[rows].astype(model.dtype)
        self._targets = data.targets[rows] if loss.takes_any_value else None
        self._pause = max(1, round((CALLS + len(rows) / 3 / batch_size) / SHARE))
        self._layers = views(model.architecture, model.parameters)
        self._gradients = views(model.architecture, gradient)
        self._before: Floats | None = None
        self._constant = constant_inputs(model, self._x)

    def findings(self, health: Mapping[str, float]) -> tuple[Finding, ...]:
        """What stands in the `health` of the training state, and which inputs do not vary."""
        found = findings(health)
        return found if self._constant is None else (self._constant, *found)

    def is_due(self, step: int, health: Mapping[str, float]) -> bool:
        """Whether to look after `step`, the last of an epoch."""
        return step >= health.get("next_look", 1)

    def begin(self, health: dict[str, float], loss: float) -> None:
        """Notes the loss and the lengths of the weights from which training begins."""
        health["start.loss"] = loss
        for i, layer in enumerate(self._layers):
            health[f"start.norm:{i}"] = float(np.linalg.norm(layer.weight))

    def before_update(self) -> None:
        """Notes the parameters before the step after which it looks."""
        self._before = self._model.parameters.copy()

    def look(self, state: TrainingState, values: Mapping[str, float], *, epoch: int) -> tuple[LayerHealth, ...]:
        """The health of each layer, if a look is due; findings are remembered in `state.health`."""
        _watch_validation(state.health, values, epoch)
        if self._before is None:
            return ()
        with np.errstate(over="ignore", invalid="ignore"):  # of a training that is about to diverge
            health = tuple(self._examine(self._before))
        self._before = None
        if "next_look" not in state.health:
            self._examine_inputs(state.health, epoch)
            self._examine_targets(state.health, epoch)
        state.health["next_look"] = state.step + self._pause
        growth = max(_growth(state.health, i, layer) for i, layer in enumerate(health))
        lost = growth > FAR and values["loss"] > BARELY * state.health.get("start.loss", np.inf)
        _note(state.health, "lost", growth, epoch, found=lost)
        for i, layer in enumerate(health):
            hidden = i < len(health) - 1
            _note(state.health, f"dead:{i}", layer.dead, epoch, found=hidden and (layer.dead or 0) >= MANY_DEAD)
            saturates = hidden and (layer.saturated or 0) >= MANY_SATURATED
            _note(state.health, f"saturated:{i}", layer.saturated, epoch, found=saturates)
            _note(state.health, f"large_update:{i}", layer.update_ratio, epoch, found=layer.update_ratio > LARGE_UPDATE)
            small = 0 <= layer.update_ratio < SMALL_UPDATE and layer.weight_norm > 0
            _note(state.health, f"small_update:{i}", layer.update_ratio, epoch, found=small)
        return health

    def _examine(self, before: Floats) -> Iterable[LayerHealth]:
        old = views(self._model.architecture, before)
        outputs = self._model.layer_outputs(self._x)
        for layer, own, gradient, past, a in zip(
            self._model.architecture.layers, self._layers, self._gradients, old, outputs, strict=True
        ):
            kind = layer.activation.kind
            weight_norm = float(np.linalg.norm(own.weight))
            update_norm = float(np.linalg.norm(own.weight - past.weight))
            yield LayerHealth(
                dead=float(np.mean(~(a > 0).any(axis=0))) if kind == "relu" else None,
                saturated=_saturated(kind, a),
                gradient_norm=float(np.linalg.norm(gradient.weight)),
                weight_norm=weight_norm,
                update_ratio=update_norm / weight_norm if weight_norm else 0.0,
            )

    def _examine_inputs(self, health: dict[str, float], epoch: int) -> None:
        """Notes the column that lies farthest from the range in which networks learn."""
        size = np.sqrt(np.mean(np.square(self._model.scaled(self._x), dtype=np.float64), axis=0))
        _note_largest(health, "inputs", size, epoch)

    def _examine_targets(self, health: dict[str, float], epoch: int) -> None:
        """Notes the output whose targets are too large to be learnt as they are, or vary too little for the dtype."""
        if self._targets is None:
            return
        scale = self._data.scale
        if scale is None:
            size = np.sqrt(np.mean(np.square(self._targets, dtype=np.float64), axis=0))
            _note_largest(health, "targets", size, epoch)
        else:
            resolution = np.finfo(self._model.dtype).eps * np.abs(scale.shifts) / scale.scales
            coarsest = float(np.max(resolution, initial=0.0, where=~unvaried(self._targets)))
            if coarsest > COARSE:
                health |= {"precision": epoch, "precision.value": coarsest}

    def judge(self, state: TrainingState, metrics: Mapping[str, float], name: str) -> None:
        """Notes whether the network that the training ended with is no better than a constant answer.

        `metrics` are those of the model, the one called `name` its accuracy or R².
        """
        held_out = f"validation_{name}" in metrics
        metric = metrics[f"validation_{name}" if held_out else name]
        found = no_better(self._model, self._loss, self._data, metric, held_out=held_out)
        epoch = state.epoch + (state.position > 0)
        _note(state.health, "baseline", found.value if found else None, epoch, found=found is not None)
        if found:
            own = {"kind": found.kind, "constant": found.constant, "held_out": held_out, "trained": metrics[name]}
            state.health |= {f"baseline.{key}": float(value) for key, value in own.items()}


def findings(health: Mapping[str, float]) -> tuple[Finding, ...]:
    """What stands in the `health` of a training state, in words."""
    found: list[Finding] = []
    for key, since in health.items():
        kind, _, layer = key.partition(":")
        if kind in _WORDS and f"{key}.value" in health:
            i, value = int(layer) if layer else None, health[f"{key}.value"]
            column = int(health.get(f"{kind}.column", 0))
            if kind == "baseline":
                found.append(Finding(kind, None, value, int(since), _baseline(health)))
                continue
            words = _SMALL_UPDATE[_cause(health)] if kind == "small_update" else _WORDS[kind]
            message = words.format(
                layer=i,
                value=value,
                percent=_percent(value),
                since=int(since),
                column=column,
                shown=number_words(value, digits=3),
                growth=number_words(health.get("lost.value", 1.0), digits=3),
            )
            found.append(Finding(kind, i, value, int(since), message))
    return tuple(found)


_WORDS = {
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
    "standardize_targets on and the output layer linear, or bring them to zero mean and unit deviation",
    "precision": "targets vary too little for their size: the network's type cannot tell values apart that are "
    "closer than {value:.2g} standard deviations, so that predictions are worse than what is measured here: subtract a "
    "constant from the targets, or use float64",
    "inputs": "inputs are not standardised: column {column} has a root mean square of {shown}: bring every column "
    "to zero mean and unit deviation",
}


_STILL = "layer {layer}: a step changes its weights by {value:.1e} of their size since epoch {since}, "
_SMALL_UPDATE = {
    "": f"{_STILL}about 1e-3 is usual: raise the learning rate, or look for what stops the gradient",
    "units": f"{_STILL}about 1e-3 is usual: dead or saturated units let no gradient through",
    "lost": f"{_STILL}and training is lost: the loss has not fallen since its start, while weights grew to "
    "{growth} times their length: start again with a lower learning rate",
}
"""What steps that are too small mean, by their cause."""


def _cause(health: Mapping[str, float]) -> str:
    """What makes steps small: the training is lost, or units pass no gradient, or else the rate alone."""
    if "lost" in health:
        return "lost"
    return "units" if any(key.startswith(("dead:", "saturated:")) for key in health) else ""


def _baseline(health: Mapping[str, float]) -> str:
    kind, constant = int(health["baseline.kind"]), health["baseline.constant"]
    found = Baseline(kind, health["baseline.value"], constant)
    return found.words(held_out=bool(health["baseline.held_out"]), trained=health["baseline.trained"])


def _saturated(kind: str, a: Floats) -> float | None:
    if kind not in SATURATION:
        return None
    centred = 2 * a - 1 if kind == "sigmoid" else a
    return float(np.mean(np.abs(centred) > SATURATION[kind]))


def _note(health: dict[str, float], key: str, value: float | None, epoch: int, *, found: bool) -> None:
    """Keeps since when something is found, and its newest value; forgets what is no longer so."""
    if found and value is not None:
        health.setdefault(key, epoch)
        health[f"{key}.value"] = value
    else:
        health.pop(key, None)
        health.pop(f"{key}.value", None)


def _note_largest(health: dict[str, float], kind: str, size: NDArray[np.float64], epoch: int) -> None:
    """Notes the column of the largest `size` (k,) if it is too large."""
    column = int(size.argmax())
    if size[column] > LARGE:
        health |= {kind: epoch, f"{kind}.value": float(size[column]), f"{kind}.column": column}


def _watch_validation(health: dict[str, float], values: Mapping[str, float], epoch: int) -> None:
    if "validation_loss" not in values:
        return
    held, loss = values["validation_loss"], values["loss"]
    if held < health.get("best.held", np.inf):
        health |= {"best.held": held, "best.loss": loss, "best.epoch": epoch}
    rises = held > RISE * health["best.held"] and loss < health["best.loss"]
    since = int(health["best.epoch"]) + 1
    _note(health, "overfitting", held, since, found=rises and epoch - since >= PATIENCE)


def _growth(health: Mapping[str, float], i: int, layer: LayerHealth) -> float:
    """How many times as long the weights of layer `i` are as they were when training began, if that is known."""
    start = health.get(f"start.norm:{i}", 0.0)
    return layer.weight_norm / start if start else 1.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
