"""Compares a trained network with the best constant prediction: one value, or one class, for every row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.arrays import blocks
from layerwise.data.moments import moments
from layerwise.data.reader import Split
from layerwise.losses import Loss, LossBuffers
from layerwise.model import MLP
from layerwise.training.validation import Validation
from layerwise.types import Floats
from layerwise.wording import number_words
from layerwise.workspace import Arena

MEAN, LEVEL, CLASS, FLAGS, SAME = range(5)
"""The best constant prediction: the mean or a quantile of the targets, a class, flags, or the only target there is."""

SURELY = 0.05
"""The R² above which the network is better for certain, so that nothing is measured."""
MUCH = 0.05
"""A network that is this far from the constant to a perfect prediction has learnt its training rows."""
SAMPLE = 100_000
"""The most rows that a quantile is computed from."""


WORDS = (
    "no better than the mean: R² is {value:.2g} on the rows {rows}",
    "no better than a constant: the loss is {shown} on the rows {rows}, the best constant has {best}",
    "no better than the most frequent class: {value:.1%} of the rows {rows} are right, that class has {constant:.1%}",
    "no better than the same flags for all rows: {value:.1%} of the flags of the rows {rows} are right, those have "
    "{constant:.1%}",
)
LEARNT = (
    "what was learnt of the rows trained on does not hold for others: raise l2 or dropout, stop early, or train on "
    "more rows; if nothing helps, the inputs may not tell the target"
)
NOT_LEARNT = (
    "train for more epochs or at another learning rate, and mend what else is found here; if nothing helps, the inputs "
    "may not tell the target"
)


SAME_TARGET = "the target is the same in every row {rows}: there is nothing to learn"
FEW_HELD_OUT = ", or too few rows are held out to measure it"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The accuracy, R² or loss of a network, `value`, which is no better than that of the constant prediction."""

    kind: int
    value: float
    constant: float

    def words(self, *, held_out: bool, trained: float) -> str:
        """Return what is found and what may help; `trained` is the metric of the training rows, during training."""
        rows = "held out" if held_out else "trained on"
        if self.kind == SAME:
            return SAME_TARGET.format(rows=rows) + (FEW_HELD_OUT if held_out else "")
        shown, best = number_words(self.value), number_words(self.constant)
        found = WORDS[self.kind].format(value=self.value, constant=self.constant, rows=rows, shown=shown, best=best)
        least = 0.0 if self.kind in (MEAN, LEVEL) else self.constant
        learnt = held_out and trained > least + MUCH * (1 - least)
        return f"{found}: {LEARNT if learnt else NOT_LEARNT}"


def no_better(model: MLP, loss: Loss, data: Split, metric: float, *, held_out: bool) -> Baseline | None:
    """Compare `model` with the best constant prediction on the rows of `data`; return None if it is better.

    `metric` is its accuracy or R² on these rows: after training if they were `held_out`, else during training. If the
    targets of a regression are all the same, no network can be better, which is returned too.
    """
    if loss.classifies:
        return _of_classes(model, loss, data, metric, held_out=held_out)
    if loss.quantile_level is None and SURELY < metric < 1:  # it is 0 or 1 where the targets do not vary
        return None
    found = moments(data.targets, data.rows, data.weights)
    if found.constant.all():
        return Baseline(SAME, metric, 0.0) if len(data.rows) > 1 else None
    best = found.mean * found.unit if loss.quantile_level is None else _quantile(data, loss.quantile_level)
    scores = (best - data.scale.shifts) / data.scale.scales if data.scale else best
    constant = _loss(loss, data, np.log(np.maximum(scores, 1e-30)) if loss.link == "exp" else scores, model.dtype)
    value, r2 = Validation(model, loss, data).measure()
    if value < constant:
        return None
    return Baseline(MEAN, r2, 0.0) if loss.quantile_level is None else Baseline(LEVEL, value, constant)


def _of_classes(model: MLP, loss: Loss, data: Split, metric: float, *, held_out: bool) -> Baseline | None:
    kind = CLASS if data.targets.ndim == 1 else FLAGS
    counts: NDArray[np.float64] = np.zeros(
        (len(model.labels or ()) or 2, 1 if kind == CLASS else data.targets.shape[1])
    )
    for block in blocks(len(data.rows), counts.shape[1]):
        rows = data.rows[block]
        own = np.ones(len(rows)) if data.weights is None else data.weights[rows]
        if kind == CLASS:
            counts[:, 0] += np.bincount(data.targets[rows], own, len(counts))
        else:
            there = data.targets[rows] > 0.5
            counts += np.stack([own @ ~there, own @ there])
    constant = float((counts.max(axis=0) / counts.sum(axis=0)).mean())
    if metric > constant or constant >= 1:
        return None
    if not held_out:
        _, metric = Validation(model, loss, data).measure()
    return None if metric > constant else Baseline(kind, metric, constant)


def _quantile(data: Split, level: float) -> NDArray[np.float64]:
    """Return the quantile of each output's targets, over a sample of the rows whose weight is above 0."""
    rows = data.rows[:: max(1, len(data.rows) // SAMPLE)]
    if data.weights is not None:
        rows = rows[data.weights[rows] > 0]
    found: NDArray[np.float64] = np.quantile(data.targets[rows].astype(np.float64), level, axis=0)
    return found


def _loss(loss: Loss, data: Split, scores: NDArray[np.float64], dtype: np.dtype[Any]) -> float:
    """Return the loss of the same `scores` (k,) for every row."""
    total, k = 0.0, len(scores)
    for block in blocks(len(data.rows), k):
        rows = data.rows[block]
        targets = data.targets[rows]
        targets = (data.scale.scale_targets(targets) if data.scale else targets).astype(dtype)
        weights = None if data.weights is None else data.weights[rows].astype(dtype)
        same: Floats = np.tile(scores.astype(dtype), (len(rows), 1))
        buffers = LossBuffers(len(rows), k, dtype, Arena())
        total += loss.evaluate(same, targets, buffers, weights) * len(rows)
    return total / len(data.rows)
