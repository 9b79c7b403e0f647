"""Metrics of a network's outputs: every one that fits its loss."""

import dataclasses
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from layerwise import metrics
from layerwise.data.arrays import blocks
from layerwise.data.labels import Label, label_array
from layerwise.errors import InvalidInput, Place
from layerwise.evaluation.baseline import baseline_of_classes, baseline_of_flags, baseline_of_values
from layerwise.evaluation.result import (
    QUANTILES,
    ClassEvaluation,
    Evaluation,
    FlagEvaluation,
    OutputEvaluation,
)
from layerwise.losses import Loss, LossBuffers
from layerwise.metrics.arguments import mean
from layerwise.metrics.classes import indices
from layerwise.model import MLP
from layerwise.network.target_scale import TargetScale
from layerwise.plan import Plan
from layerwise.types import Floats
from layerwise.workspace import Arena


def trained_plan(model: MLP) -> Plan:
    """Return the plan that `model` was trained with. Raises InvalidInput if it was not."""
    if model.plan is None:
        raise InvalidInput("model", "expected a trained model, got an untrained one")
    return model.plan


def evaluate_outputs(
    model: MLP,
    outputs: Floats,
    targets: NDArray[Any],
    *,
    labels: tuple[Label, ...] | None,
    weights: NDArray[Any] | None = None,
    most_classes: int | None = None,
) -> Evaluation:
    """Return the metrics of `outputs` (n, k) of `model` for `targets`: indices (n,) of `labels`, or numbers (n, k).

    `weights` (n,) have a positive sum. See `evaluate` for `most_classes`. Raises InvalidInput if an output is not
    finite.
    """
    loss, rows = trained_plan(model).loss, len(outputs)
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        raise InvalidInput(
            Place("X", int(finite.argmin())), f"expected a row whose outputs are finite in {model.dtype}"
        )
    total = rows if weights is None else float(np.add.reduce(weights, dtype=np.float64))
    measured = _mean_loss(loss, outputs, targets, weights, model.target_scale) * (rows / total)
    kind: Literal["classes", "flags", "values"] = "values"
    if loss.classifies:
        kind = "flags" if labels is None else "classes"
    base = Evaluation(kind, rows, total, loss.kind, measured)
    if labels is not None:
        return _evaluate_classes(
            base, model, outputs, targets, labels=labels, weights=weights, most=most_classes or len(labels)
        )
    if kind == "flags":
        return _evaluate_flags(base, model, outputs, targets, weights)
    return _evaluate_values(base, model, outputs, targets, weights)


def _mean_loss(
    loss: Loss, outputs: Floats, targets: NDArray[Any], weights: NDArray[Any] | None, scale: TargetScale | None
) -> float:
    """Return the weighted sum of the rows' losses, divided by their number; targets are scaled by `scale`."""
    total, width = 0.0, outputs.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite shows in the loss
        for block in blocks(len(outputs), width):
            scores, actual = outputs[block], targets[block]
            if scale is not None:
                scores, actual = scale.scale_outputs(scores), scale.scale_targets(actual)
            actual = actual.astype(np.intp if targets.ndim == 1 else outputs.dtype, copy=False)
            own = None if weights is None else weights[block].astype(outputs.dtype, copy=False)
            buffers = LossBuffers(len(scores), width, outputs.dtype, Arena())
            total += loss.evaluate(scores, actual, buffers, own) * len(scores)
    return total / len(outputs)


def _evaluate_classes(
    base: Evaluation,
    model: MLP,
    outputs: Floats,
    targets: NDArray[Any],
    *,
    labels: tuple[Label, ...],
    weights: NDArray[Any] | None,
    most: int,
) -> Evaluation:
    predicted, numbers = indices(model.decide(outputs), label_array(labels)), range(len(labels))
    every = metrics.class_scores(targets, predicted, labels=numbers, weights=weights)
    listed: list[int] = np.sort(np.argsort(-every.support, kind="stable")[:most]).tolist()
    probabilities = model.probabilities(outputs) if model.gives_probabilities else None
    scores = _margins(outputs) if probabilities is None else probabilities
    if len(labels) == 2:  # both labels have the same area
        areas = [_none_if_nan(metrics.roc_auc(targets, scores[:, -1], labels=numbers, weights=weights))] * len(listed)
    else:
        areas = [
            _none_if_nan(metrics.roc_auc(targets == j, scores[:, j], positive=True, weights=weights)) for j in listed
        ]
    found = dataclasses.replace(
        base,
        baseline=baseline_of_classes(targets, labels, weights),
        accuracy=metrics.accuracy(targets, predicted, weights=weights),
        balanced_accuracy=metrics.balanced_accuracy(targets, predicted, weights=weights),
        macro_f1=metrics.f1(targets, predicted, weights=weights),
        roc_auc=_mean(areas),
        classes=tuple(
            ClassEvaluation(
                labels[j],
                precision=float(every.precision[j]),
                recall=float(every.recall[j]),
                f1=float(every.f1[j]),
                roc_auc=area,
                support=_support(float(every.support[j]), weights),
            )
            for j, area in zip(listed, areas, strict=True)
        ),
        classes_left_out=len(labels) - len(listed) or None,
        confusion_matrix=_confusion_matrix(targets, predicted, listed, classes=len(labels), weights=weights),
    )
    if probabilities is None:
        return found
    return dataclasses.replace(
        found,
        log_loss=metrics.log_loss(targets, probabilities, labels=numbers, weights=weights),
        brier_score=metrics.brier_score(targets, probabilities, labels=numbers, weights=weights),
        calibration_error=metrics.expected_calibration_error(targets, probabilities, labels=numbers, weights=weights),
        confidence=float(mean(probabilities.max(axis=1), weights)),
    )


def _confusion_matrix(
    targets: NDArray[Any],
    predicted: NDArray[Any],
    listed: list[int],
    *,
    classes: int,
    weights: NDArray[Any] | None,
) -> tuple[tuple[float, ...], ...]:
    """Return the confusion matrix of the classes `listed`, with a last row and column of all others together."""
    others = len(listed)
    place = np.full(classes, others, np.intp)
    place[listed] = range(others)
    size = others + (classes > others)
    matrix = metrics.confusion_matrix(place[targets], place[predicted], labels=range(size), weights=weights)
    return tuple(tuple(row) for row in matrix.tolist())


def _margins(outputs: Floats) -> Floats:
    """Return by how much each output (n, k) exceeds the highest other one; a single output as it is."""
    # a hinge loss determines only differences of outputs: those of one label cannot be compared across rows
    if outputs.shape[1] == 1:
        return outputs
    highest: Floats = np.partition(outputs, -2, axis=1)[:, -2:]
    others: Floats = np.where(outputs == highest[:, 1:], highest[:, :1], highest[:, 1:])
    return np.subtract(outputs, others)


def _evaluate_flags(
    base: Evaluation, model: MLP, outputs: Floats, targets: NDArray[Any], weights: NDArray[Any] | None
) -> Evaluation:
    actual: NDArray[np.bool_] = targets > 0.5
    predicted: NDArray[np.bool_] = model.decide(outputs) > 0
    p = model.probabilities(outputs)
    flags = tuple(_evaluate_flag(actual[:, j], predicted[:, j], p[:, j], weights) for j in range(actual.shape[1]))
    return dataclasses.replace(
        base,
        accuracy=_mean([flag.accuracy for flag in flags]),
        exact_match=metrics.accuracy((actual == predicted).all(axis=1), np.ones(base.rows, np.bool_), weights=weights),
        macro_f1=_mean([flag.f1 for flag in flags]),
        roc_auc=_mean([flag.roc_auc for flag in flags]),
        log_loss=_mean([flag.log_loss for flag in flags]),
        brier_score=_mean([flag.brier_score for flag in flags]),
        calibration_error=_mean([flag.calibration_error for flag in flags]),
        baseline=baseline_of_flags(actual, weights),
        flags=flags,
    )


def _evaluate_flag(
    actual: NDArray[np.bool_], predicted: NDArray[np.bool_], p: Floats, weights: NDArray[Any] | None
) -> FlagEvaluation:
    own = metrics.class_scores(actual, predicted, labels=[True], weights=weights)
    return FlagEvaluation(
        accuracy=metrics.accuracy(actual, predicted, weights=weights),
        precision=float(own.precision[0]),
        recall=float(own.recall[0]),
        f1=float(own.f1[0]),
        roc_auc=_none_if_nan(metrics.roc_auc(actual, p, weights=weights)),
        average_precision=metrics.average_precision(actual, p, weights=weights),
        log_loss=metrics.log_loss(actual, p, weights=weights),
        brier_score=metrics.brier_score(actual, p, weights=weights),
        calibration_error=metrics.expected_calibration_error(actual, p, weights=weights),
        support=_support(float(own.support[0]), weights),
    )


def _evaluate_values(
    base: Evaluation, model: MLP, outputs: Floats, targets: NDArray[Any], weights: NDArray[Any] | None
) -> Evaluation:
    predicted = model.decide(outputs).reshape(targets.shape)
    found = metrics.regression_scores(targets, predicted, weights=weights)
    names = [field.name for field in dataclasses.fields(metrics.RegressionScores)]
    columns: dict[str, Any] = {name: getattr(found, name) for name in names}
    residuals = np.subtract(targets, predicted, dtype=np.float64)
    each = tuple(
        dataclasses.replace(
            OutputEvaluation(**{name: column[j].item() for name, column in columns.items()}),
            residual_quantiles=_quantiles(residuals[:, j], weights),
        )
        for j in range(targets.shape[1])
    )
    means = OutputEvaluation(**{name: column.mean().item() for name, column in columns.items()})
    baseline = baseline_of_values(targets, weights)
    return dataclasses.replace(base, baseline=baseline, outputs=each, mean=means)


def _quantiles(values: NDArray[np.float64], weights: NDArray[Any] | None) -> tuple[float, ...]:
    """Return the QUANTILES of `values` (n,): each the least value that at least this share of the weight is up to."""
    order = np.argsort(values)
    share = np.cumsum(np.ones(len(values)) if weights is None else weights[order], dtype=np.float64)
    wanted: NDArray[np.float64] = np.array(QUANTILES) * share[-1] * (1 - 1e-12)
    at = np.searchsorted(share, wanted)
    return tuple(values[order[at]].tolist())


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mean(values: list[float | None]) -> float | None:
    """Return the mean of the values that are not None."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _support(support: float, weights: NDArray[Any] | None) -> float:
    """Return a support as an integer, if it is a number of rows."""
    return int(support) if weights is None else support
