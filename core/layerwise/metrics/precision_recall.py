"""Precision, recall and F1 of predicted labels or flags."""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from layerwise.checks import choice, shown
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput
from layerwise.metrics.arguments import Values
from layerwise.metrics.classes import known_label
from layerwise.metrics.label_counts import ClassScores, LabelCounts, count_labels_or_flags

Average = Literal["macro", "micro", "weighted"]
AVERAGES = ("macro", "micro", "weighted")


def class_scores(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    zero_division: float = 0.0,
) -> ClassScores:
    """Return precision, recall, F1 and support of each label.

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual and predicted labels, or 0/1 flags. The labels of flags are 0 to k - 1.
    labels : array-like (c,), optional
        The labels to include, in this order; by default all labels that occur, sorted.
    weights : array-like (n,), optional
        Row weights, at least 0.
    zero_division : {0, 1, nan}, default 0
        Value of 0/0: the precision of a label that is never predicted, the recall of one that never occurs.

    Returns
    -------
    ClassScores

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.

    Examples
    --------
    >>> from layerwise.metrics import class_scores
    >>> class_scores(["cat", "dog", "dog", "cat"], ["cat", "dog", "cat", "cat"]).recall
    array([1. , 0.5])
    """
    return count_labels_or_flags(y, predicted, labels, weights).scores(_zero_division(zero_division))


def precision(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    average: Average = "macro",
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    zero_division: float = 0.0,
) -> float:
    """Return the share of rows predicted as a label that have it, tp / (tp + fp).

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual and predicted labels, or 0/1 flags.
    average : {"macro", "weighted", "micro"}, default "macro"
        Mean over the labels, mean weighted by support, or the score of all labels' counts added up.
    positive : label, optional
        Score this label only, instead of an average.
    labels : array-like (c,), optional
        The labels to include, in this order; by default all labels that occur, sorted.
    weights : array-like (n,), optional
        Row weights, at least 0.
    zero_division : {0, 1, nan}, default 0
        Value of 0/0: the precision of a label that is never predicted, the recall of one that never occurs.

    Returns
    -------
    float

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.

    Examples
    --------
    >>> from layerwise.metrics import precision
    >>> precision([0, 0, 1, 1], [0, 1, 1, 1], positive=1)
    0.6666666666666666
    """
    counts = _counts(y, predicted, average=average, positive=positive, labels=labels, weights=weights)
    scores = counts.scores(_zero_division(zero_division))
    return _mean(scores.precision, scores.support if average == "weighted" else None)


def recall(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    average: Average = "macro",
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    zero_division: float = 0.0,
) -> float:
    """Return the share of rows with a label that are predicted as such, tp / (tp + fn).

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual and predicted labels, or 0/1 flags.
    average : {"macro", "weighted", "micro"}, default "macro"
        Mean over the labels, mean weighted by support, or the score of all labels' counts added up.
    positive : label, optional
        Score this label only, instead of an average.
    labels : array-like (c,), optional
        The labels to include, in this order; by default all labels that occur, sorted.
    weights : array-like (n,), optional
        Row weights, at least 0.
    zero_division : {0, 1, nan}, default 0
        Value of 0/0: the precision of a label that is never predicted, the recall of one that never occurs.

    Returns
    -------
    float

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.

    Examples
    --------
    >>> from layerwise.metrics import recall
    >>> recall([0, 0, 1, 1], [0, 1, 1, 1], positive=0)
    0.5
    """
    counts = _counts(y, predicted, average=average, positive=positive, labels=labels, weights=weights)
    scores = counts.scores(_zero_division(zero_division))
    return _mean(scores.recall, scores.support if average == "weighted" else None)


def f1(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    average: Average = "macro",
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    zero_division: float = 0.0,
) -> float:
    """Return the harmonic mean of precision and recall, 2 tp / (2 tp + fp + fn).

    Averages are means of the labels' F1, not harmonic means of averages.

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual and predicted labels, or 0/1 flags.
    average : {"macro", "weighted", "micro"}, default "macro"
        Mean over the labels, mean weighted by support, or the score of all labels' counts added up.
    positive : label, optional
        Score this label only, instead of an average.
    labels : array-like (c,), optional
        The labels to include, in this order; by default all labels that occur, sorted.
    weights : array-like (n,), optional
        Row weights, at least 0.
    zero_division : {0, 1, nan}, default 0
        Value of 0/0: the precision of a label that is never predicted, the recall of one that never occurs.

    Returns
    -------
    float

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.

    Examples
    --------
    >>> from layerwise.metrics import f1
    >>> f1([0, 0, 1, 1], [0, 1, 1, 1], positive=1)
    0.8
    """
    counts = _counts(y, predicted, average=average, positive=positive, labels=labels, weights=weights)
    scores = counts.scores(_zero_division(zero_division))
    return _mean(scores.f1, scores.support if average == "weighted" else None)


def _counts(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    average: Average,
    positive: Label | None,
    labels: ArrayLike | None,
    weights: ArrayLike | None,
) -> LabelCounts:
    """Return the counts of the labels to average over."""
    choice("average", average, AVERAGES)
    if positive is None:
        counts = count_labels_or_flags(y, predicted, labels, weights)
        return counts.sum() if average == "micro" else counts
    if labels is not None:
        raise InvalidInput("labels", "expected None together with positive, which selects the label")
    counts = count_labels_or_flags(y, predicted, None, weights)
    return counts.only(known_label(positive, counts.labels))


def _mean(scores: Values, share: Values | None) -> float:
    """Return the mean of the scores that are not NaN, weighted by `share` if any of it is positive."""
    numbers = ~np.isnan(scores)
    if not numbers.any():
        return float("nan")
    own = None if share is None or not share[numbers].any() else share[numbers]
    return float(np.average(scores[numbers], weights=own))


def _zero_division(value: object) -> float:
    if not isinstance(value, int | float) or not (value in (0, 1) or math.isnan(value)):
        raise InvalidInput("zero_division", f"expected 0, 1 or NaN, got {shown(value)}")
    return float(value)
