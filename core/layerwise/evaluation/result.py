"""The result of an evaluation."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from layerwise.data.labels import Label
from layerwise.evaluation.importances import Importances
from layerwise.evaluation.report import report

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles of a regression's residuals."""

T = TypeVar("T")


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
    """Metrics of one output of a regression, or their means over the outputs.

    `residual_quantiles` are the 5 %, 25 %, 50 %, 75 % and 95 % quantiles of actual - predicted; None for the means.
    """

    mean_squared_error: float
    root_mean_squared_error: float
    mean_absolute_error: float
    median_absolute_error: float
    max_error: float
    r2: float
    explained_variance: float
    residual_quantiles: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """Metrics of the best constant prediction for the same rows.

    That is the most frequent `label`, the more frequent value of each flag, or the mean of each output, `values`. The
    log loss is that of the shares of the labels as probabilities; errors are means over the outputs; the R² is 0.
    """

    label: Label | None = None
    values: tuple[float, ...] | None = None
    accuracy: float | None = None
    log_loss: float | None = None
    root_mean_squared_error: float | None = None
    mean_absolute_error: float | None = None


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
        Mean ROC AUC of the labels or flags listed that have positive and negative rows. Without probabilities, rows
        are ranked by how far the label's output exceeds the highest other one.
    log_loss, brier_score : float or None
    calibration_error : float or None
        Expected calibration error, in 10 bins of equal width.
    confidence : float or None
        Mean probability of the predicted label; a calibrated network's is near its accuracy.
    classes : tuple of ClassEvaluation or None
        Metrics of each label; of at most `most_classes`.
    classes_left_out : int or None
        Number of labels that are not in `classes`.
    confusion_matrix : tuple of tuple or None
        Number or weight of rows by actual (row) and predicted label (column), in the order of `classes`. If labels were
        left out, a last row and column are of all of them.
    flags : tuple of FlagEvaluation or None
        Metrics of each flag.
    outputs, mean : tuple of OutputEvaluation, and OutputEvaluation, or None
        Metrics of each output of a regression, and their means.
    baseline : Baseline or None
        Metrics of the best constant prediction.
    target : str or None
        The column with the actual values, if it has a name.
    measured_on : {"held_out", "trained_on"} or None
        In the evaluation of a training job, whether its rows were held out or, as none were, trained on.
    sampled_from : int or None
        How many rows there were, if `rows` of them, chosen at random, were evaluated.
    unknown_labels : mapping of str to int, or None
        Numbers of rows that were left out because training never saw their label, by label; at most 20 labels.
    unknown_rows : int or None
        How many rows that were.
    importances : Importances or None
        How much the network depends on each column or feature, if that was measured with it.
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
    confidence: float | None = None
    classes: tuple[ClassEvaluation, ...] | None = None
    classes_left_out: int | None = None
    confusion_matrix: tuple[tuple[float, ...], ...] | None = None
    flags: tuple[FlagEvaluation, ...] | None = None
    outputs: tuple[OutputEvaluation, ...] | None = None
    mean: OutputEvaluation | None = None
    baseline: Baseline | None = None
    target: str | None = None
    measured_on: Literal["held_out", "trained_on"] | None = None
    sampled_from: int | None = None
    unknown_labels: Mapping[str, int] | None = None
    unknown_rows: int | None = None
    importances: Importances | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form.

        Returns
        -------
        dict
            The fields that are not None, by name, as numbers, strings, lists and dictionaries.
        """
        found = {name: value for name, value in _plain(dataclasses.asdict(self)).items() if value is not None}
        if self.baseline is not None:
            found["baseline"] = {name: value for name, value in found["baseline"].items() if value is not None}
        return found

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Evaluation":
        """Return the evaluation of a JSON form.

        Parameters
        ----------
        value : mapping
            As `to_json` returns it. Whole numbers may be floats, as some JSON readers make them. Unknown fields, of a
            later release, are ignored.

        Returns
        -------
        Evaluation
        """
        given = {name: _whole(item) if name in _COUNTS else item for name, item in value.items()}
        for name, kind in _LISTS.items():
            if name in given:
                given[name] = tuple(_part(kind, each) for each in given[name])
        for name, kind in (("mean", OutputEvaluation), ("baseline", Baseline)):
            if name in given:
                given[name] = _part(kind, given[name])
        if "confusion_matrix" in given:
            given["confusion_matrix"] = tuple(tuple(map(_whole, row)) for row in given["confusion_matrix"])
        if "unknown_labels" in given:
            given["unknown_labels"] = {name: _whole(count) for name, count in given["unknown_labels"].items()}
        if "importances" in given:
            given["importances"] = Importances.from_json(given["importances"])
        return _part(cls, given)

    def __str__(self) -> str:
        return report(self.to_json())


_LISTS: Mapping[str, Any] = {"classes": ClassEvaluation, "flags": FlagEvaluation, "outputs": OutputEvaluation}
_COUNTS = ("rows", "weight", "support", "label", "classes_left_out", "sampled_from", "unknown_rows")


def _part(kind: type[T], value: Mapping[str, Any]) -> T:
    """Return the dataclass `kind` with the fields in `value` that it has."""
    names = {field.name for field in dataclasses.fields(cast(Any, kind))}
    given = {name: _whole(item) if name in _COUNTS else item for name, item in value.items() if name in names}
    return kind(**{name: _frozen(item) for name, item in given.items()})


def _whole(value: Any) -> Any:
    """Return a float that is a whole number as an integer, anything else unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _frozen(value: Any) -> Any:
    """Return a list as a tuple, anything else unchanged."""
    return tuple(cast(list[object], value)) if isinstance(value, list) else value


def _plain(value: object) -> Any:
    """Return `value` with tuples replaced by lists."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in cast(dict[str, object], value).items()}
    return [_plain(part) for part in cast(tuple[object, ...], value)] if isinstance(value, tuple) else value
