"""Evaluation of a trained network: all metrics that fit its loss, from one pass over the rows."""

import dataclasses
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise import metrics
from layerwise.data.arrays import blocks
from layerwise.data.labels import Label, label_array
from layerwise.data.targets import read_targets
from layerwise.errors import InvalidInput, Place
from layerwise.evaluation.result import ClassEvaluation, Evaluation, FlagEvaluation, OutputEvaluation
from layerwise.losses import Loss, LossBuffers
from layerwise.metrics.arguments import read_weights
from layerwise.metrics.classes import indices
from layerwise.model import MLP
from layerwise.network.target_scale import TargetScale
from layerwise.tables import TableLike
from layerwise.types import Floats
from layerwise.workspace import Arena


def evaluate(model: MLP, X: ArrayLike | TableLike, y: ArrayLike, *, weights: ArrayLike | None = None) -> Evaluation:
    """Evaluate a trained model with every metric that fits its loss.

    The rows pass the network once, in blocks of bounded memory. Class weights of the plan do not count.

    Parameters
    ----------
    model : MLP
        A trained model.
    X : array-like (n, inputs), or a table if the model has an encoder
        The rows.
    y : array-like
        Actual labels (n,), flags (n, k), or values (n,) or (n, k), as for `fit`. A flag between 0 and 1 counts as set
        above 0.5, except in the loss.
    weights : array-like (n,), optional
        Row weights, used in every metric.

    Returns
    -------
    Evaluation

    Raises
    ------
    InvalidInput
        If the model is not trained, or the rows do not fit it.

    Examples
    --------
    >>> from layerwise import MLP, Architecture, Layer, Plan, evaluate
    >>> model = MLP(Architecture(inputs=1, layers=(Layer(2),)), weights={"layer0/weight": [[-1.0, 1.0]]})
    >>> model.plan, model.labels = Plan(loss="softmax_cross_entropy"), ("negative", "positive")
    >>> found = evaluate(model, [[-2.0], [-1.0], [1.0], [3.0]], ["negative", "positive", "positive", "positive"])
    >>> found.accuracy, found.confusion_matrix
    (0.75, ((1, 0), (1, 2)))
    """
    if model.plan is None:
        raise InvalidInput("model", "expected a trained model, got an untrained one")
    loss = model.plan.loss
    outputs = model.outputs(X)
    rows = len(outputs)
    if not rows:
        raise InvalidInput("X", "expected at least one row, got none")
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        raise InvalidInput(
            Place("X", int(finite.argmin())), f"expected a row whose outputs are finite in {model.dtype}"
        )
    targets, labels = read_targets(
        y,
        model.labels,
        loss=loss,
        architecture=model.architecture,
        rows=rows,
        dtype=model.dtype,
        pointer="y",
        check=True,
    )
    own = read_weights(weights, rows)
    total = rows if own is None else float(np.add.reduce(own, dtype=np.float64))
    measured = _mean_loss(loss, outputs, targets, own, model.target_scale) * (rows / total)
    kind: Literal["classes", "flags", "values"] = "values"
    if loss.classifies:
        kind = "flags" if labels is None else "classes"
    base = Evaluation(kind, rows, total, loss.kind, measured)
    if labels is not None:
        return _evaluate_classes(base, model, outputs, targets, labels=labels, weights=own)
    if kind == "flags":
        return _evaluate_flags(base, model, outputs, targets, own)
    return _evaluate_values(base, model, outputs, targets, own)


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
) -> Evaluation:
    predicted, numbers = indices(model.decide(outputs), label_array(labels)), range(len(labels))
    every = metrics.class_scores(targets, predicted, labels=numbers, weights=weights)
    probabilities = model.probabilities(outputs) if model.gives_probabilities else None
    scores = _margins(outputs) if probabilities is None else probabilities
    if len(labels) == 2:  # both labels have the same area
        areas = [_none_if_nan(metrics.roc_auc(targets, scores[:, -1], labels=numbers, weights=weights))] * 2
    else:
        areas = [
            _none_if_nan(metrics.roc_auc(targets == j, scores[:, j], positive=True, weights=weights)) for j in numbers
        ]
    matrix = metrics.confusion_matrix(targets, predicted, labels=numbers, weights=weights)
    found = dataclasses.replace(
        base,
        accuracy=metrics.accuracy(targets, predicted, weights=weights),
        balanced_accuracy=metrics.balanced_accuracy(targets, predicted, weights=weights),
        macro_f1=metrics.f1(targets, predicted, weights=weights),
        roc_auc=_mean(areas),
        classes=tuple(
            ClassEvaluation(
                label,
                precision=float(every.precision[j]),
                recall=float(every.recall[j]),
                f1=float(every.f1[j]),
                roc_auc=areas[j],
                support=_support(float(every.support[j]), weights),
            )
            for j, label in enumerate(labels)
        ),
        confusion_matrix=tuple(tuple(row) for row in matrix.tolist()),
    )
    if probabilities is None:
        return found
    return dataclasses.replace(
        found,
        log_loss=metrics.log_loss(targets, probabilities, labels=numbers, weights=weights),
        brier_score=metrics.brier_score(targets, probabilities, labels=numbers, weights=weights),
        calibration_error=metrics.expected_calibration_error(targets, probabilities, labels=numbers, weights=weights),
    )


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
    found = metrics.regression_scores(targets, model.decide(outputs), weights=weights)
    names = [field.name for field in dataclasses.fields(OutputEvaluation)]
    columns: dict[str, NDArray[np.float64]] = {name: getattr(found, name) for name in names}
    each = tuple(
        OutputEvaluation(**{name: float(column[j]) for name, column in columns.items()})
        for j in range(targets.shape[1])
    )
    means = {name: float(np.mean(column)) for name, column in columns.items()}
    return dataclasses.replace(base, outputs=each, mean=OutputEvaluation(**means))


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mean(values: list[float | None]) -> float | None:
    """Return the mean of the values that are not None."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _support(support: float, weights: NDArray[Any] | None) -> float:
    """Return a support as an integer, if it is a number of rows."""
    return int(support) if weights is None else support
