"""The result of an evaluation."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, cast

from layerwise.data.labels import Label
from layerwise.evaluation.report import report


@dataclass(frozen=True, slots=True)
class ClassEvaluation:
    """Metrics of one label against all others; `support` is its number of rows, or the sum of their weights."""

    label: Label
    precision: float
    recall: float
    f1: float
    roc_auc: float | None
    support: float


@dataclass(frozen=True, slots=True)
class FlagEvaluation:
    """Metrics of one flag; `support` is the number of rows that have it, or the sum of their weights."""

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
    """Metrics of one output of a regression, or their means over the outputs."""

    mean_squared_error: float
    root_mean_squared_error: float
    mean_absolute_error: float
    median_absolute_error: float
    max_error: float
    r2: float
    explained_variance: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics of a network on some rows, returned by `evaluate`; `print` shows them as a report.

    Metrics that do not fit the network's loss are None.

    Attributes
    ----------
    kind : {"classes", "flags", "values"}
        What the network predicts.
    rows : int
        Number of rows.
    weight : float
        Sum of the row weights; without weights, the number of rows.
    loss_name : str
        Name of the plan's loss.
    loss : float
        Weighted mean of the loss, without penalties; of scaled targets if training scaled them.
    accuracy : float or None
        Share of correct labels, or of correct flags.
    exact_match : float or None
        Share of rows whose flags are all correct.
    balanced_accuracy : float or None
        Mean recall of the labels that occur.
    macro_f1 : float or None
        Mean F1 of the labels that occur or are predicted, or of the flags; 0/0 counts as 0.
    roc_auc : float or None
        Mean ROC AUC of the labels or flags that have positive and negative rows. Without probabilities, rows are
        ranked by how far the label's output exceeds the highest other one.
    log_loss, brier_score : float or None
    calibration_error : float or None
        Expected calibration error, in 10 bins of equal width.
    classes : tuple of ClassEvaluation or None
        Metrics of each label.
    confusion_matrix : tuple of tuple or None
        Number or weight of rows by actual (row) and predicted label (column), in the order of `classes`.
    flags : tuple of FlagEvaluation or None
        Metrics of each flag.
    outputs, mean : tuple of OutputEvaluation, and OutputEvaluation, or None
        Metrics of each output of a regression, and their means.
    """

    kind: Literal["classes", "flags", "values"]
    rows: int
    weight: float
    loss_name: str
    loss: float
    accuracy: float | None = None
    exact_match: float | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    roc_auc: float | None = None
    log_loss: float | None = None
    brier_score: float | None = None
    calibration_error: float | None = None
    classes: tuple[ClassEvaluation, ...] | None = None
    confusion_matrix: tuple[tuple[float, ...], ...] | None = None
    flags: tuple[FlagEvaluation, ...] | None = None
    outputs: tuple[OutputEvaluation, ...] | None = None
    mean: OutputEvaluation | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form.

        Returns
        -------
        dict
            The fields that are not None, by name, as numbers, strings, lists and dictionaries.
        """
        return {name: value for name, value in _plain(dataclasses.asdict(self)).items() if value is not None}

    def __str__(self) -> str:
        return report(self.to_json())


def _plain(value: object) -> Any:
    """Return `value` with tuples replaced by lists."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in cast(dict[str, object], value).items()}
    return [_plain(part) for part in cast(tuple[object, ...], value)] if isinstance(value, tuple) else value
