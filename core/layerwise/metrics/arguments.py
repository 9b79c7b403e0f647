"""Checks of the metrics' arguments: values, flags, scores and weights."""

from collections.abc import Sized
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import counted, shown
from layerwise.data.arrays import checked_values, checked_weights
from layerwise.data.labels import Label, label_column
from layerwise.errors import InvalidInput, Place
from layerwise.metrics.classes import Indices, distinct_labels, indices, known_label, selected_labels

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINARY = ((0, 1), (-1, 1))
"""Pairs of labels whose second is the positive one, even if `y` has only one of them."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows:
    """Scores of rows and their actual labels or flags.

    `scores` is (n, c): one column for the positive label, or one for each of c labels or flags. `classes` (n,) are
    indices of labels, 0 or 1 if c is 1, or None for flags, which are then in `flags` (n, c). `weights` is (n,), None if
    all are 1. `resolution` is the machine epsilon of the scores' type.
    """

    scores: Values
    classes: Indices | None
    flags: Flags | None
    weights: Values | None
    resolution: float

    def positive(self, column: int) -> Flags:
        """Return whether each row (n,) has the label or flag of `column`."""
        if self.flags is not None:
            return self.flags[:, column]
        assert self.classes is not None
        found: Flags = self.classes == (1 if self.scores.shape[1] == 1 else column)
        return found


def read_weights(weights: ArrayLike | None, rows: int) -> NDArray[Any] | None:
    """Return `weights` (n,) as numbers of at least 0, at least one of them positive; None stays None.

    Raises InvalidInput.
    """
    if weights is None:
        return None
    _check_rows(weights, rows, "weights")
    return checked_weights(weights, rows=rows)


def read_values(y: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None) -> tuple[Values, Values, Values | None]:
    """Return `y` and `predicted`, (n,) or (n, k), as finite numbers (n, k), and the weights. Raises InvalidInput."""
    true = _table(y, "y")
    _check_rows(predicted, len(true), "predicted")
    other = checked_values(predicted, true.shape[1], rows=len(true), dtype=np.float64, pointer="predicted", finite=True)
    return true, other.astype(np.float64, copy=False), _floats(read_weights(weights, len(true)))


def read_flags(y: ArrayLike, pointer: str = "y") -> Flags:
    """Return `y` (n, k) of 0 and 1 as booleans. Raises InvalidInput, naming row and column."""
    table = _table(y, pointer)
    wrong = (table != 0) & (table != 1)
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise InvalidInput(Place(pointer, row, column), f"expected a flag, 0 or 1, got {table[row, column]:g}")
    flags: Flags = table == 1
    return flags


def read_flag_pair(y: ArrayLike, predicted: ArrayLike) -> tuple[Flags, Flags]:
    """Return two arrays (n, k) of 0 and 1 as booleans. Raises InvalidInput."""
    true, other = read_flags(y), read_flags(predicted, "predicted")
    if other.shape != true.shape:
        raise InvalidInput("predicted", f"expected shape {true.shape} as y has, got {other.shape}")
    return true, other


def read_scores(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    labels: ArrayLike | None,
    positive: Label | None,
    weights: ArrayLike | None,
    pointer: str = "scores",
) -> ScoredRows:
    """Return the checked arguments of a metric of scores. Raises InvalidInput.

    `y` is (n,) labels, `scores` (n,) of the positive label or (n, c), a column for each label; or both are (n, c), for
    flags. The positive label is `positive`, else the second of two. The columns are those of `labels`; without them,
    they are 0 to c - 1 if `y` has such integers, and the sorted labels of `y` otherwise.
    """
    table, resolution = _table(scores, pointer), _resolution(scores)
    if has_columns(y):
        flags = read_flags(y)
        if flags.shape != table.shape:
            raise InvalidInput(pointer, f"expected shape {flags.shape} as y has, got {table.shape}")
        return ScoredRows(table, None, flags, _floats(read_weights(weights, len(table))), resolution)
    column = label_column(y, None, "y")
    if len(table) != len(column):
        raise InvalidInput(pointer, f"expected {counted(len(column), 'row')}, as many as y has, got {len(table)}")
    if table.shape[1] == 1:
        wanted = _positive(column, labels, positive, pointer)
        classes: Indices = (column == wanted).astype(np.intp)
    else:
        known = _labels_of_columns(column, labels, table.shape[1], pointer)
        classes = indices(column, known)
        if (classes < 0).any():
            row = int(np.argmax(classes < 0))
            raise InvalidInput(Place("y", row), f"expected one of the labels, got {shown(column[row])}")
        # one column is enough for two classes
        place = 1 if len(known) == 2 and positive is None else _column_of(known, positive)
        if place is not None:
            classes, table = (classes == place).astype(np.intp), table[:, [place]]
    return ScoredRows(table, classes, None, _floats(read_weights(weights, len(table))), resolution)


def has_columns(y: ArrayLike) -> bool:
    """Return whether `y` has several columns: flags, not labels."""
    try:
        shape = np.shape(y)
    except ValueError:  # rows of different lengths
        return True
    return len(shape) == 2 and shape[1] > 1


def mean(values: NDArray[Any], weights: NDArray[Any] | None) -> Values:
    """Return the weighted mean over the rows of `values`, (n,) or (n, k); shape () or (k,)."""
    if weights is None:
        return np.asarray(values.mean(axis=0, dtype=np.float64))
    return np.asarray(np.dot(weights, values) / np.add.reduce(weights), np.float64)


def _positive(y: NDArray[Any], labels: ArrayLike | None, positive: Label | None, pointer: str) -> Any:
    """Return the label that a single column of scores is for."""
    if positive is not None:
        return known_label(positive, distinct_labels(y))
    if labels is not None:
        known = selected_labels(labels, y)
        if len(known) != 2:
            wanted = f"expected a column for each of {counted(len(known), 'label')}"
            raise InvalidInput(pointer, f"{wanted}, or two labels, got one column")
        if (indices(y, known) < 0).any():
            row = int(np.argmax(indices(y, known) < 0))
            raise InvalidInput(Place("y", row), f"expected one of the labels, got {shown(y[row])}")
        return known[1]
    found = distinct_labels(y)
    if len(found) > 2:
        raise InvalidInput(pointer, f"expected a column for each of the {len(found)} labels of y, got one column")
    if len(found) == 2:
        return found[1]
    only = found[0]
    for pair in BINARY if y.dtype.kind != "U" else ():
        if only in pair:
            return y.dtype.type(pair[1])
    raise InvalidInput("labels", f"expected two labels, because y has only {shown(only)}")


def _labels_of_columns(y: NDArray[Any], labels: ArrayLike | None, columns: int, pointer: str) -> NDArray[Any]:
    if labels is not None:
        known = selected_labels(labels, y)
        if len(known) != columns:
            raise InvalidInput(pointer, f"expected {counted(len(known), 'column')}, one for each label, got {columns}")
        return known
    if y.dtype.kind == "b" and columns == 2:
        return np.array([False, True])
    if y.dtype.kind in "iu" and y.min() >= 0 and y.max() < columns:
        return np.arange(columns)
    found = distinct_labels(y)
    if len(found) != columns:
        detail = f"expected {columns} labels, one for each column of {pointer}, because y has {len(found)}"
        raise InvalidInput("labels", detail)
    return found


def _column_of(labels: NDArray[Any], positive: Label | None) -> int | None:
    """Return the column of `positive`, None if it is None."""
    if positive is None:
        return None
    return int(indices(np.array([known_label(positive, labels)]), labels)[0])


def _table(values: ArrayLike, pointer: str) -> Values:
    """Return `values`, (n,) or (n, k), as finite numbers (n, k)."""
    rows = _rows(values, pointer)
    try:
        shape = np.shape(values)
    except ValueError:  # rows of different lengths: refused below
        shape = (rows, len(cast("Any", values)[0]))
    if len(shape) == 2 and not shape[1]:
        raise InvalidInput(pointer, "expected at least one column, got none")
    width = shape[1] if len(shape) > 1 else 1
    table = checked_values(values, width, rows=rows, dtype=np.float64, pointer=pointer, finite=True)
    return table.astype(np.float64, copy=False)


def _resolution(scores: object) -> float:
    single = getattr(scores, "dtype", None) == np.float32
    return float(np.finfo(np.float32 if single else np.float64).eps)


def _rows(values: ArrayLike, pointer: str) -> int:
    if not isinstance(values, Sized) or np.ndim(cast("Any", values) if isinstance(values, np.ndarray) else [0]) == 0:
        raise InvalidInput(pointer, f"expected rows of numbers, got {shown(values)}")
    if not len(values):
        raise InvalidInput(pointer, "expected at least one row, got none")
    return len(values)


def _check_rows(values: ArrayLike, rows: int, pointer: str) -> None:
    if (own := _rows(values, pointer)) != rows:
        raise InvalidInput(pointer, f"expected {counted(rows, 'row')}, as many as y has, got {own}")


def _floats(weights: NDArray[Any] | None) -> Values | None:
    return None if weights is None else weights.astype(np.float64, copy=False)
