"""What a trained network is worth on rows that it was not trained on: every metric that fits its loss, in one pass."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise import metrics
from layerwise.data.arrays import blocks
from layerwise.data.labels import Label, label_array
from layerwise.data.targets import read_targets
from layerwise.errors import InvalidInput
from layerwise.evaluation.report import report
from layerwise.losses import Loss, LossBuffers
from layerwise.metrics.arguments import read_weights
from layerwise.metrics.classes import indices
from layerwise.model import MLP
from layerwise.network.target_scale import TargetScale
from layerwise.tables import TableLike
from layerwise.types import Floats
from layerwise.workspace import Arena


@dataclass(frozen=True, slots=True)
class ClassEvaluation:
    """One label against all others; `support` is the number of its rows, or the sum of their weights."""

    label: Label
    precision: float
    recall: float
    f1: float
    roc_auc: float | None
    support: float


@dataclass(frozen=True, slots=True)
class FlagEvaluation:
    """One flag, or the means over the flags; `support` is the number of rows that have it, or the sum of weights."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    roc_auc: float | None
    average_precision: float
    log_loss: float
    brier_score: float
    calibration_error: float
    support: float


@dataclass(frozen=True, slots=True)
class OutputEvaluation:
    """One output of a regression, or the means over the outputs."""

    mean_squared_error: float
    root_mean_squared_error: float
    mean_absolute_error: float
    median_absolute_error: float
    max_error: float
    r2: float
    explained_variance: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of a network on some rows; printed, it is a report. What does not fit the network's loss is None.

    `weight` is the sum of the rows' weights, their number without. `loss` is that of the plan without its penalties,
    Σ w loss / Σ w, and `loss_name` its name; of a regression whose targets were standardised for the training, it is in
    those units as there. Precision, recall and F1 are 0 where they were 0/0. `roc_auc` is the mean
    over those labels, or flags, of which some rows are and some are not, or None; it ranks rows by the label's
    probability, of a hinge by how far its output leads the others. `confusion_matrix[i][j]` is how often
    label i was there and label j was said, in the order of `classes`.
    """

    kind: Literal["classes", "flags", "values"]
    rows: int
    weight: float
    loss_name: str
    loss: float
    accuracy: float | None = None
    """Of flags, the share of right ones."""
    exact_match: float | None = None
    """The share of rows whose flags are all right."""
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    """The mean over the labels that occur, in what was there or what was said, or over all flags."""
    roc_auc: float | None = None
    log_loss: float | None = None
    brier_score: float | None = None
    calibration_error: float | None = None
    """Expected, of 10 bins of equal width."""
    classes: tuple[ClassEvaluation, ...] | None = None
    confusion_matrix: tuple[tuple[float, ...], ...] | None = None
    flags: tuple[FlagEvaluation, ...] | None = None
    outputs: tuple[OutputEvaluation, ...] | None = None
    mean: OutputEvaluation | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields by name, those that are None left out, as numbers, strings, lists and dictionaries."""
        return {name: value for name, value in _plain(dataclasses.asdict(self)).items() if value is not None}

    def __str__(self) -> str:
        return report(self.to_json())


def evaluate(model: MLP, X: ArrayLike | TableLike, y: ArrayLike, *, weights: ArrayLike | None = None) -> Evaluation:
    """Every metric that fits the loss of `model`, of what it predicts for the rows `X`.

    `X` is (n, inputs), read in blocks of bounded memory, or a table, if the model has an encoder; `y` is what the loss
    wants, as `fit` takes it: (n,) labels, (n, outputs) flags, or (n,) or (n, outputs) values. A flag that is a
    probability counts as set above a half, the loss apart. `weights` (n,) is what the rows weigh in every number; class
    weights of the plan play no part. The rows pass the network once. Raises InvalidInput.
    """
    if model.plan is None:
        raise InvalidInput("model", "expected a trained network, got one that was not")
    loss = model.plan.loss
    outputs = model.outputs(X)
    rows = len(outputs)
    if not rows:
        raise InvalidInput("X", "expected at least one row, got none")
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        raise InvalidInput(f"X[{int(finite.argmin())}]", f"expected a row whose outputs are finite in {model.dtype}")
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
        return _of_classes(base, model, outputs, targets, labels=labels, weights=own)
    if kind == "flags":
        return _of_flags(base, model, outputs, targets, own)
    return _of_values(base, model, outputs, targets, own)


def _mean_loss(
    loss: Loss, outputs: Floats, targets: NDArray[Any], weights: NDArray[Any] | None, scale: TargetScale | None
) -> float:
    """The sum of the rows' losses, each times its weight, divided by their number; of targets by `scale`."""
    total, width = 0.0, outputs.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite shows in the loss
        for block in blocks(len(outputs), width):
            scores, there = outputs[block], targets[block]
            if scale is not None:
                scores, there = scale.scale_outputs(scores), scale.scale_targets(there)
            there = there.astype(np.intp if targets.ndim == 1 else outputs.dtype, copy=False)
            own = None if weights is None else weights[block].astype(outputs.dtype, copy=False)
            at = LossBuffers(len(scores), width, outputs.dtype, Arena())
            total += loss.evaluate(scores, there, at, own) * len(scores)
    return total / len(outputs)


def _of_classes(
    base: Evaluation,
    model: MLP,
    outputs: Floats,
    targets: NDArray[Any],
    *,
    labels: tuple[Label, ...],
    weights: NDArray[Any] | None,
) -> Evaluation:
    said, numbers = indices(model.decide(outputs), label_array(labels)), range(len(labels))
    every = metrics.class_scores(targets, said, labels=numbers, weights=weights)
    probabilities = model.probabilities(outputs) if model.gives_probabilities else None
    scores = _leads(outputs) if probabilities is None else probabilities
    if len(labels) == 2:  # one label's area is the other's
        areas = [_number(metrics.roc_auc(targets, scores[:, -1], labels=numbers, weights=weights))] * 2
    else:
        areas = [_number(metrics.roc_auc(targets == j, scores[:, j], positive=True, weights=weights)) for j in numbers]
    matrix = metrics.confusion_matrix(targets, said, labels=numbers, weights=weights)
    found = dataclasses.replace(
        base,
        accuracy=metrics.accuracy(targets, said, weights=weights),
        balanced_accuracy=metrics.balanced_accuracy(targets, said, weights=weights),
        macro_f1=metrics.f1(targets, said, weights=weights),
        roc_auc=_mean(areas),
        classes=tuple(
            ClassEvaluation(
                label,
                precision=float(every.precision[j]),
                recall=float(every.recall[j]),
                f1=float(every.f1[j]),
                roc_auc=areas[j],
                support=_whole(float(every.support[j]), weights),
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


def _leads(outputs: Floats) -> Floats:
    """By how much each output (n, k) is above the highest other; a single one is above zero."""
    # a hinge between the labels fixes no more than differences: outputs of one label do not compare across rows
    if outputs.shape[1] == 1:
        return outputs
    highest: Floats = np.partition(outputs, -2, axis=1)[:, -2:]
    others: Floats = np.where(outputs == highest[:, 1:], highest[:, :1], highest[:, 1:])
    return np.subtract(outputs, others)


def _of_flags(
    base: Evaluation, model: MLP, outputs: Floats, targets: NDArray[Any], weights: NDArray[Any] | None
) -> Evaluation:
    there: NDArray[np.bool_] = targets > 0.5
    said: NDArray[np.bool_] = model.decide(outputs) > 0
    p = model.probabilities(outputs)
    flags = tuple(_of_flag(there[:, j], said[:, j], p[:, j], weights) for j in range(there.shape[1]))
    return dataclasses.replace(
        base,
        accuracy=_mean([flag.accuracy for flag in flags]),
        exact_match=metrics.accuracy((there == said).all(axis=1), np.ones(base.rows, np.bool_), weights=weights),
        macro_f1=_mean([flag.f1 for flag in flags]),
        roc_auc=_mean([flag.roc_auc for flag in flags]),
        log_loss=_mean([flag.log_loss for flag in flags]),
        brier_score=_mean([flag.brier_score for flag in flags]),
        calibration_error=_mean([flag.calibration_error for flag in flags]),
        flags=flags,
    )


def _of_flag(
    there: NDArray[np.bool_], said: NDArray[np.bool_], p: Floats, weights: NDArray[Any] | None
) -> FlagEvaluation:
    own = metrics.class_scores(there, said, labels=[True], weights=weights)
    return FlagEvaluation(
        accuracy=metrics.accuracy(there, said, weights=weights),
        precision=float(own.precision[0]),
        recall=float(own.recall[0]),
        f1=float(own.f1[0]),
        roc_auc=_number(metrics.roc_auc(there, p, weights=weights)),
        average_precision=metrics.average_precision(there, p, weights=weights),
        log_loss=metrics.log_loss(there, p, weights=weights),
        brier_score=metrics.brier_score(there, p, weights=weights),
        calibration_error=metrics.expected_calibration_error(there, p, weights=weights),
        support=_whole(float(own.support[0]), weights),
    )


def _of_values(
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


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mean(values: list[float | None]) -> float | None:
    """The mean of those that are not None."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _whole(support: float, weights: NDArray[Any] | None) -> float:
    """A number of rows as an integer, a sum of weights as it is."""
    return int(support) if weights is None else support


def _plain(value: object) -> Any:
    """Lists in the place of tuples."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in cast(dict[str, object], value).items()}
    return [_plain(part) for part in cast(tuple[object, ...], value)] if isinstance(value, tuple) else value
