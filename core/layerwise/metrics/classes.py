"""Labels as indices: the distinct labels of columns, and the index of each row's label."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import counted, shown
from layerwise.data.labels import Label, label_column
from layerwise.errors import InvalidInput, Place

Indices = NDArray[np.intp]


def label_pair(y: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return `y` and `predicted`, both (n,), as arrays of labels that can be compared.

    Booleans beside integers count as 0 and 1. Raises InvalidInput.
    """
    true, other = label_column(y, None, "y"), label_column(predicted, None, "predicted")
    if len(other) != len(true):
        raise InvalidInput("predicted", f"expected {counted(len(true), 'label')}, as many as y has, got {len(other)}")
    return true, same_kind(other, true, "predicted")


def same_kind(labels: NDArray[Any], y: NDArray[Any], pointer: str) -> NDArray[Any]:
    """Return `labels`; raise InvalidInput if they are strings and those of `y` are not, or the reverse."""
    if (labels.dtype.kind == "U") != (y.dtype.kind == "U"):
        wanted = "a string" if y.dtype.kind == "U" else "an integer or a boolean"
        raise InvalidInput(Place(pointer, 0), f"expected {wanted} as the labels of y are, got {shown(labels[0])}")
    return labels


def distinct_labels(*columns: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct labels (c,) of all `columns`, sorted."""
    if all(column.dtype.kind == "b" for column in columns):
        return np.array([label for label in (False, True) if any((column == label).any() for column in columns)])
    if all(column.dtype.kind in "iub" for column in columns):
        columns = tuple(_wide(column) for column in columns)
        low, high = min(int(c.min()) for c in columns), max(int(c.max()) for c in columns)
        if _dense(low, high, columns):
            seen = np.zeros(high - low + 1, np.bool_)
            for column in columns:
                seen[column - low] = True
            return np.flatnonzero(seen) + low
    return np.unique(np.concatenate([np.unique(column) for column in columns]))


def indices(column: NDArray[Any], labels: NDArray[Any]) -> Indices:
    """Return the index in the distinct `labels` (c,) of each label of `column` (n,); -1 if it is not among them."""
    if column.dtype.kind != "U":
        column, labels = _wide(column), _wide(labels)
        low, high = (int(bound) for bound in (column.min(), column.max()))
        if _dense(low, high, (column,)):
            place = np.full(high - low + 1, -1, np.intp)
            known = (labels >= low) & (labels <= high)
            place[labels[known] - low] = np.flatnonzero(known)
            found: Indices = place[column - low]
            return found
    order = np.argsort(labels, kind="stable")
    nearest = order[np.searchsorted(labels, column, sorter=order).clip(max=len(labels) - 1)]
    return np.where(labels[nearest] == column, nearest, -1)


def selected_labels(labels: ArrayLike, y: NDArray[Any]) -> NDArray[Any]:
    """Check the argument `labels` (c,): distinct, and of the type of those of `y`. Raises InvalidInput."""
    if np.shape(labels) == (0,):
        raise InvalidInput("labels", "expected at least one label, got none")
    given = same_kind(label_column(labels, None, "labels"), y, "labels")
    values, counts = np.unique(given, return_counts=True)
    if (counts > 1).any():
        raise InvalidInput("labels", f"expected distinct labels, got {shown(values[counts > 1][0])} twice")
    return given


def known_label(label: Label, labels: NDArray[Any]) -> Any:
    """Check that `label` is one of `labels` (c,); beside a single label it may be another. Raises InvalidInput."""
    try:
        given = same_kind(label_column([label], None, "positive"), labels, "positive")
    except InvalidInput as error:  # of a list of one, of which the caller knows nothing
        raise InvalidInput("positive", error.detail) from None
    if len(labels) > 1 and indices(given, labels)[0] < 0:
        raise InvalidInput("positive", f"expected one of the labels, got {shown(label)}")
    return given[0]


def _wide(column: NDArray[Any]) -> NDArray[np.int64]:
    """Return integers or booleans as int64, which can be subtracted from one another."""
    return column.astype(np.int64, copy=False)


def _dense(low: int, high: int, columns: Sequence[NDArray[Any]]) -> bool:
    """Return whether a table of all integers from `low` to `high` is about as small as the columns."""
    return high - low < 1024 + 4 * sum(len(column) for column in columns)
