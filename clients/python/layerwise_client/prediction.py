"""The answer to a prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from layerwise_client.errors import ServiceFault

if TYPE_CHECKING:
    import numpy as np

    from layerwise import Contributions
    from layerwise.tables import TableWarning
    from layerwise_client.dataset import Cell

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Predictions for n rows, in their order.

    Attributes
    ----------
    model : str
        Name of the model.
    version : int
        Number of the version that predicted.
    labels : numpy.ndarray or None
        Predicted classes (n,) of a classifier, int64, str or bool as in training.
    values : numpy.ndarray or None
        Predicted numbers of a regression, float32, (n,) or (n, outputs); or flags (n, outputs), each 0 or 1.
    probabilities : numpy.ndarray or None
        Probability of each class (n, classes), or of each flag being 1 (n, outputs), float32; None if the model's loss
        gives none.
    classes : numpy.ndarray or None
        Classes of a classifier in the order of the probabilities, in the type of `labels`; None for a regression.
    warnings : tuple of TableWarning
        What is unlike the rows of the training, once for each column and reason: `reason`, `column`, the number of
        `rows`, the first `row`, its `value`, and a `message` in words.
    contributions : layerwise.Contributions or None
        With `explain`, what each column contributes to the probability or score of the predicted class, or to the
        value: `values` (n, columns), which add up to `outputs` less `baselines`, of the `columns` by name. The
        baseline is that of an average row.
    """

    model: str
    version: int
    labels: Array | None
    values: Array | None
    probabilities: Array | None
    classes: Array | None = None
    warnings: tuple[TableWarning, ...] = ()
    contributions: Contributions | None = None

    def __len__(self) -> int:
        predicted = self.values if self.labels is None else self.labels
        return 0 if predicted is None else len(predicted)


@dataclass(frozen=True, slots=True, eq=False)
class PredictedRows:
    """Predictions for consecutive rows of a file.

    Attributes
    ----------
    prediction : Prediction
        The predictions.
    kept : mapping of str to list
        Values of the columns to keep, by name; None is a missing value.
    unused : tuple of str
        In the first block: columns that the version does not take, and that were not in its training.
    truth : numpy.ndarray or None
        What the column `target` says, (n,) float64: places among `prediction.classes`, -1 for a value that is none of
        them; or numbers. NaN is a missing value.
    """

    prediction: Prediction
    kept: Mapping[str, list[Cell]]
    unused: tuple[str, ...] = ()
    truth: Array | None = None

    def __len__(self) -> int:
        return len(self.prediction)


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Join the predictions of consecutive blocks of rows. Raises `ServiceFault` if they are of different versions."""
    import numpy as np

    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts:
        if _form(part) != _form(first):
            wanted = f"version {first.version} of {first.model} for all rows, in one form"
            raise ServiceFault(f"expected answers of {wanted}, got one of version {part.version} of {part.model}")

    def join(name: str) -> Array | None:
        arrays = [getattr(part, name) for part in parts]
        return None if arrays[0] is None else np.concatenate(arrays)

    return Prediction(
        model=first.model,
        version=first.version,
        labels=join("labels"),
        values=join("values"),
        probabilities=join("probabilities"),
        classes=first.classes,
        warnings=_joined_warnings(parts),
        contributions=_joined_contributions(parts),
    )


def _joined_contributions(parts: Sequence[Prediction]) -> Contributions | None:
    found = [part.contributions for part in parts if part.contributions is not None]
    return type(found[0]).joined(found) if found else None


def contributions_of(
    kind: str, columns: Sequence[str | int], *, values: Array, outputs: Array, baselines: Array
) -> Contributions:
    """Return the contributions of an answer. Raises `ValueError` if their sizes do not fit."""
    from layerwise import Contributions

    if values.ndim != 2 or outputs.shape != baselines.shape or values.shape != (len(outputs), len(columns)):
        raise ValueError(f"expected contributions of {len(columns)} columns, got {values.shape}")
    return Contributions(kind, tuple(columns), values, outputs, baselines)


def _joined_warnings(parts: Sequence[Prediction]) -> tuple[TableWarning, ...]:
    """Return the warnings of consecutive blocks, with rows counted over all of them."""
    if not any(part.warnings for part in parts):
        return ()
    from layerwise.tables.unusual import merged, moved

    found: list[TableWarning] = []
    start = 0
    for part in parts:
        found += moved(part.warnings, start)
        start += len(part)
    return tuple(merged(found))


def warnings_of(items: Sequence[Mapping[str, Any]]) -> tuple[TableWarning, ...]:
    """Return the warnings of an answer. Raises `LookupError`, `TypeError`, `ValueError`."""
    if not items:
        return ()
    from layerwise.tables import TableWarning

    return tuple(
        TableWarning(
            reason=str(item["reason"]),
            column=str(item["column"]),
            rows=int(item["rows"]),
            row=int(item["row"]),
            value=str(item["value"]),
            message=str(item["message"]),
        )
        for item in items
    )


def joined_rows(blocks: Iterable[PredictedRows]) -> Prediction:
    """Return the predictions for all rows of a file, whose warnings count rows over the whole file already."""
    from layerwise.tables.unusual import merged

    parts = [rows.prediction for rows in blocks]
    warnings = merged([warning for part in parts for warning in part.warnings])
    return replace(joined([replace(part, warnings=()) for part in parts]), warnings=tuple(warnings))


def _form(answer: Prediction) -> tuple[object, ...]:
    """Return what all answers of one version have in common."""
    explained = None if answer.contributions is None else answer.contributions.values
    arrays = (answer.labels, answer.values, answer.probabilities, explained)
    return (
        answer.model,
        answer.version,
        *(None if array is None else (array.dtype.kind, array.shape[1:]) for array in arrays),
    )
