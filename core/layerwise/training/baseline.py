"""Comparison of a trained network with the best constant prediction: one value or class for every row."""

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

MEAN, QUANTILE, CLASS, FLAGS, SAME = range(5)
"""The best constant prediction: the mean or a quantile of the targets, a class, flags, or the only target there is."""

CERTAINLY_BETTER = 0.05
"""The R² above which the network is certainly better than the mean, so that nothing is measured."""
LEARNT_SHARE = 0.05
"""A network has learnt its training rows if it is this much of the way from the constant to a perfect prediction."""
SAMPLE_ROWS = 100_000
"""The most rows that a quantile is computed from."""


MESSAGES = (
    "no better than the mean: R² is {r2} on the rows {rows}",
    "no better than a constant: the loss is {shown} on the rows {rows}, the best constant has {best}",
    "no better than the most frequent class: {value:.1%} of the rows {rows} are right, that class has {constant:.1%}",
    "no better than the same flags for all rows: {value:.1%} of the flags of the rows {rows} are right, those have "
    "{constant:.1%}",
)
OVERFITTED_ADVICE = (
    "what it learnt of the training rows does not hold for others: raise l2 or dropout, stop early, or train on more "
    "rows; if nothing helps, the inputs may say too little about the target"
)
NOT_LEARNT_ADVICE = (
    "train for more epochs or at another learning rate, and follow the other findings; if nothing helps, the inputs "
    "may say too little about the target"
)


SAME_TARGET = "the target is the same in every row {rows}: there is nothing to learn"
FEW_HELD_OUT = ", or too few rows are held out to measure it"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The accuracy, R² or loss of a network, `value`, and the `constant` prediction's, which is at least as good."""

    kind: int
    value: float
    constant: float

    def message(self, *, held_out: bool, trained: float) -> str:
        """Return the finding in words, with advice; `trained` is the metric of the training rows, during training."""
        rows = "held out" if held_out else "trained on"
        if self.kind == SAME:
            return SAME_TARGET.format(rows=rows) + (FEW_HELD_OUT if held_out else "")
        r2, shown, best = number_words(self.value, digits=2), number_words(self.value), number_words(self.constant)
        found = MESSAGES[self.kind].format(
            value=self.value, constant=self.constant, rows=rows, r2=r2, shown=shown, best=best
        )
        least = 0.0 if self.kind in (MEAN, QUANTILE) else self.constant
        learnt = held_out and trained > least + LEARNT_SHARE * (1 - least)
        return f"{found}: {OVERFITTED_ADVICE if learnt else NOT_LEARNT_ADVICE}"


def compare_with_constant(model: MLP, loss: Loss, data: Split, metric: float, *, held_out: bool) -> Baseline | None:
    """Compare `model` with the best constant prediction on the rows of `data`; return None if the model is better.

    `metric` is its accuracy or R² on these rows: after training if they were `held_out`, else during training. If all
    targets of a regression are the same, no model can be better, and the result says so.
    """
    if loss.classifies:
        return _compare_classes(model, loss, data, metric, held_out=held_out)
    if loss.quantile_level is None and CERTAINLY_BETTER < metric < 1:  # it is 0 or 1 where the targets do not vary
        return None
    found = moments(data.targets, data.rows, data.weights)
    if found.constant.all():
        return Baseline(SAME, metric, 0.0) if len(data.rows) > 1 else None
    best = found.mean * found.unit if loss.quantile_level is None else _quantile(data, loss.quantile_level)
    scores = (best - data.scale.shifts) / data.scale.scales if data.scale else best
    constant = _constant_loss(
        loss, data, np.log(np.maximum(scores, 1e-30)) if loss.link == "exp" else scores, model.dtype
    )
    value, r2 = Validation(model, loss, data).measure()
    if value < constant:
        return None
    return Baseline(MEAN, r2, 0.0) if loss.quantile_level is None else Baseline(QUANTILE, value, constant)


def _compare_classes(model: MLP, loss: Loss, data: Split, metric: float, *, held_out: bool) -> Baseline | None:
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
    rows = data.rows[:: max(1, len(data.rows) // SAMPLE_ROWS)]
    if data.weights is not None:
        rows = rows[data.weights[rows] > 0]
    found: NDArray[np.float64] = np.quantile(data.targets[rows].astype(np.float64), level, axis=0)
    return found


def _constant_loss(loss: Loss, data: Split, scores: NDArray[np.float64], dtype: np.dtype[Any]) -> float:
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
