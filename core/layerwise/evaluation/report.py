"""Text report of an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

from layerwise.wording import number_words

MOST_LABELS = 12
"""With more labels a matrix is wider than a terminal, and the most frequent confusions are listed instead."""

LISTED = 10
"""Number of confusions listed."""

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
    weight = "" if found["weight"] == found["rows"] else f" of weight {found['weight']:,.6g}"
    noun = "row" if found["rows"] == 1 else "rows"
    parts = [f"{found['rows']:,} {noun}{weight}, {found['loss_name']} {number_words(found['loss'], digits=5)}"]
    scores = [(title, _shown(found[name])) for name, title in TITLES.items() if name in found]
    if scores:
        parts.append(_table(scores))
    if "classes" in found:
        labels = [str(entry["label"]) for entry in found["classes"]]
        parts.append(_entries("label", labels, found["classes"], CLASS_COLUMNS))
        parts.append(_confusions(labels, found["confusion_matrix"]))
    if "flags" in found:
        parts.append(_entries("flag", [str(j) for j in range(len(found["flags"]))], found["flags"], FLAG_COLUMNS))
    if "outputs" in found:
        names, entries = [str(j) for j in range(len(found["outputs"]))], list(found["outputs"])
        if len(entries) > 1:
            names, entries = [*names, "mean"], [*entries, found["mean"]]
        parts.append(_entries("output", names, entries, OUTPUT_COLUMNS))
    return "\n\n".join(parts)


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
