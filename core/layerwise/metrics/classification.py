"""Agreement of predicted and actual labels or flags: accuracy and the confusion matrix."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import choice
from layerwise.metrics.arguments import has_columns, mean, read_flag_pair, read_weights
from layerwise.metrics.classes import distinct_labels, indices, label_pair, selected_labels
from layerwise.metrics.label_counts import counts_of_labels


def accuracy(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the share of rows that are predicted correctly, Σ w [y = ŷ] / Σ w.

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual and predicted labels, or 0/1 flags. A row of flags is correct if all its flags are.
    weights : array-like (n,), optional
        Row weights, at least 0.

    Returns
    -------
    float

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.

    Examples
    --------
    >>> from layerwise.metrics import accuracy
    >>> accuracy(["cat", "dog", "dog", "cat"], ["cat", "dog", "cat", "cat"])
    0.75
    """
    if has_columns(y):
        flags, predicted_flags = read_flag_pair(y, predicted)
        correct = (flags == predicted_flags).all(axis=1)
    else:
        true, other = label_pair(y, predicted)
        correct = np.asarray(true == other)
    return float(mean(correct, read_weights(weights, len(correct))))


def balanced_accuracy(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the mean of the recalls of the labels of `y`.

    A constant prediction scores 1/k for k labels. Labels without rows of positive weight are left out.
    Brodersen et al. 2010.

    Parameters
    ----------
    y, predicted : array-like (n,)
        Actual and predicted labels: integers, booleans or strings.
    weights : array-like (n,), optional
        Row weights, at least 0.

    Returns
    -------
    float

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.
    """
    counts = counts_of_labels(y, predicted, None, weights)
    there = counts.support > 0
    return float(np.mean(counts.correct[there] / counts.support[there]))


def confusion_matrix(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    normalize: Literal["true", "predicted", "all"] | None = None,
) -> NDArray[Any]:
    """Return how often label i occurs and label j is predicted.

    Parameters
    ----------
    y, predicted : array-like (n,)
        Actual and predicted labels: integers, booleans or strings.
    labels : array-like (c,), optional
        The labels of rows and columns; other rows are left out; by default all labels that occur, sorted.
    weights : array-like (n,), optional
        Row weights, at least 0.
    normalize : {"true", "predicted", "all"}, optional
        Divide by the sum of the row, of the column, or of all entries; a sum of zero gives zeros.

    Returns
    -------
    ndarray (c, c)
        Number of rows, or sum of their weights, by actual (row) and predicted label (column). Integers if the weights
        are, or there are none.

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.

    Examples
    --------
    >>> from layerwise.metrics import confusion_matrix
    >>> confusion_matrix(["cat", "dog", "dog", "cat"], ["cat", "dog", "cat", "cat"])
    array([[2, 0],
           [1, 1]])
    """
    if normalize is not None:
        choice("normalize", normalize, ("true", "predicted", "all"))
    true, other = label_pair(y, predicted)
    own = read_weights(weights, len(true))
    known = distinct_labels(true, other) if labels is None else selected_labels(labels, true)
    k, i, j = len(known), indices(true, known), indices(other, known)
    if labels is not None:
        kept = (i >= 0) & (j >= 0)
        i, j, own = i[kept], j[kept], None if own is None else own[kept]
    matrix: NDArray[Any] = np.bincount(i * k + j, own, minlength=k * k).reshape(k, k)
    if normalize is None:
        return matrix.astype(np.int64) if own is None or own.dtype.kind in "iub" else matrix
    axis = {"true": 1, "predicted": 0, "all": None}[normalize]
    total: NDArray[Any] = np.asarray(matrix.sum(axis=axis, keepdims=True))
    return matrix / np.where(total == 0, 1, total)
