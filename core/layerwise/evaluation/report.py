"""Text report of an evaluation."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from layerwise.checks import counted
from layerwise.wording import number_words, score_words

MOST_LABELS = 12
"""With more labels a matrix is wider than a terminal, and the most frequent confusions are listed instead."""

LISTED = 10
"""Number of confusions listed."""
MOST_IMPORTANCES = 20
"""Number of columns or features whose importance is listed."""
CALIBRATED = 0.02
"""A network whose mean confidence is at least this near its accuracy counts as well calibrated."""

TITLES = {
    "accuracy": "accuracy",
    "exact_match": "exact match",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "roc_auc": "ROC AUC",
    "log_loss": "log loss",
    "brier_score": "Brier score",
    "calibration_error": "calibration error",
}

CLASS_COLUMNS = {"precision": "precision", "recall": "recall", "f1": "F1", "roc_auc": "ROC AUC", "support": "support"}
FLAG_COLUMNS = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "brier_score": "Brier",
    "support": "support",
}
OUTPUT_COLUMNS = {
    "root_mean_squared_error": "RMSE",
    "mean_absolute_error": "MAE",
    "median_absolute_error": "median AE",
    "max_error": "max error",
    "r2": "R²",
    "explained_variance": "explained",
}
RESIDUAL_TITLES = ("5 %", "25 %", "median", "75 %", "95 %")
WHERE = {
    "held_out": "held out",
    "trained_on": "trained on (none were held out: other rows may be predicted worse)",
}
METRICS = {"accuracy": "accuracy", "r2": "R²"}


def report(found: Mapping[str, Any]) -> str:
    """Return the text report of an evaluation.

    Parameters
    ----------
    found : mapping
        `Evaluation.to_json()`.

    Returns
    -------
    str
    """
    parts = [_headline(found)]
    if found.get("unknown_rows"):
        parts.append(_unknown(found))
    scores = [(title, _shown(found[name])) for name, title in TITLES.items() if name in found]
    if scores:
        parts.append(_table(scores))
    if baseline := _baseline(found):
        parts.append(baseline)
    if "confidence" in found:
        parts.append(_calibration(found))
    if "classes" in found:
        labels = [str(entry["label"]) for entry in found["classes"]]
        parts.append(_entries("label", labels, found["classes"], CLASS_COLUMNS))
        if left := found.get("classes_left_out"):
            parts.append(f"{counted(left, 'more label')} with fewer rows: not listed")
            labels.append("other labels")
        parts.append(_confusions(labels, found["confusion_matrix"]))
    if "flags" in found:
        parts.append(_entries("flag", [str(j) for j in range(len(found["flags"]))], found["flags"], FLAG_COLUMNS))
    if "outputs" in found:
        names, entries = [str(j) for j in range(len(found["outputs"]))], list(found["outputs"])
        if "target" in found and len(entries) == 1:
            names = [found["target"]]
        parts.append(_residuals(names, entries))
        if len(entries) > 1:
            names, entries = [*names, "mean"], [*entries, found["mean"]]
        parts.insert(-1, _entries("output", names, entries, OUTPUT_COLUMNS))
    if "importances" in found:
        parts.append(importance_report(found["importances"]))
    return "\n\n".join(parts)


def _headline(found: Mapping[str, Any]) -> str:
    weight = "" if found["weight"] == found["rows"] else f" of weight {found['weight']:,.6g}"
    where = f" {WHERE[found['measured_on']]}" if "measured_on" in found else ""
    sample = f", chosen at random from {found['sampled_from']:,}" if "sampled_from" in found else ""
    loss = f"{found['loss_name']} {number_words(found['loss'], digits=5)}"
    return f"{counted(found['rows'], 'row')}{weight}{where}{sample}, {loss}"


def _unknown(found: Mapping[str, Any]) -> str:
    rows = found["unknown_rows"]
    labels = sorted(found["unknown_labels"].items(), key=lambda entry: (-entry[1], entry[0]))
    named = ", ".join(f"{label} ({count:,})" for label, count in labels)
    text = f"{counted(rows, 'row')} left out, with labels that training never saw: {named}"
    if "accuracy" in found and found["weight"] == found["rows"]:
        share = found["accuracy"] * found["rows"] / (found["rows"] + rows)
        text += f"; counted as wrong, they make the accuracy {share:.4f}"
    return text


def _baseline(found: Mapping[str, Any]) -> str:
    given = found.get("baseline", {})
    if "label" in given:
        text = f"always predicting {given['label']}, the most frequent label: accuracy {given['accuracy']:.4f}"
        return (
            f"{text}, log loss {given['log_loss']:.4f} with the shares of the labels" if "log_loss" in found else text
        )
    if "accuracy" in given:
        return f"always predicting the more frequent value of each flag: accuracy {given['accuracy']:.4f}"
    if "values" not in given:
        return ""
    values = given["values"]
    what = f"the mean, {number_words(values[0])}" if len(values) == 1 else "the mean of each output"
    errors = given["root_mean_squared_error"], given["mean_absolute_error"]
    return f"always predicting {what}: RMSE {_shown(errors[0])}, MAE {_shown(errors[1])}, R² 0"


def _calibration(found: Mapping[str, Any]) -> str:
    confidence, accuracy = found["confidence"], found["accuracy"]
    off = confidence - accuracy
    error = 2 * math.sqrt(accuracy * (1 - accuracy) / found["rows"])  # two standard errors of the accuracy
    if abs(off) <= max(CALIBRATED, error):
        how = "well calibrated" if error <= CALIBRATED else "well calibrated, as far as so few rows can show"
    else:
        how = "overconfident" if off > 0 else "too cautious"
    return f"calibration: {confidence:.1%} sure of its predictions on average, {accuracy:.1%} are right: {how}"


def _residuals(names: Sequence[str], entries: Sequence[Mapping[str, Any]]) -> str:
    rows: list[tuple[str, ...]] = [("actual - predicted", *RESIDUAL_TITLES)]
    rows += [
        (name, *(_shown(value) for value in entry["residual_quantiles"]))
        for name, entry in zip(names, entries, strict=True)
    ]
    return _table(rows)


def importance_report(found: Mapping[str, Any]) -> str:
    """Return the table of importances, given as the fields of `Importances`."""
    metric, columns = METRICS[found["metric"]], found["columns"]
    rows = [("importance", f"fall of {metric}", "±")]
    rows += [
        (str(each["name"]), score_words(each["mean"]), score_words(each["deviation"]))
        for each in columns[:MOST_IMPORTANCES]
    ]
    left = len(columns) - MOST_IMPORTANCES
    more = f"\n{left:,} more" if left > 0 else ""
    note = (
        f"if its values are shuffled: mean of {counted(found['repeats'], 'shuffle')} of {counted(found['rows'], 'row')}"
    )
    return f"{_table(rows)}{more}\n{note}, ± their standard deviation"


def _entries(title: str, names: Sequence[str], entries: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    rows = [(title, *columns.values())]
    rows += [(name, *(_shown(entry[column]) for column in columns)) for name, entry in zip(names, entries, strict=True)]
    return _table(rows)


def _confusions(labels: Sequence[str], matrix: Sequence[Sequence[float]]) -> str:
    if len(labels) <= MOST_LABELS:
        rows = [("actual \\ predicted", *labels)]
        rows += [(label, *(_count(n) for n in row)) for label, row in zip(labels, matrix, strict=True)]
        return _table(rows)
    wrong = [(n, labels[i], labels[j]) for i, row in enumerate(matrix) for j, n in enumerate(row) if n > 0 and i != j]
    if not wrong:
        return "no label was confused with another"
    # the sort is stable: equal counts stay in the order of the labels
    most = sorted(wrong, key=lambda entry: -entry[0])[:LISTED]
    return _table([("actual", "predicted", "rows"), *((actual, predicted, _count(n)) for n, actual, predicted in most)])


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns: the first to the left, the others to the right."""
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _shown(value: float | None) -> str:
    """Format a metric: four decimals if it is small, five digits if it is large, integers in full."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return _count(value)
    return f"{value:.4f}" if 0.001 <= abs(value) < 100 or not value else number_words(value, digits=5)


def _count(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"
