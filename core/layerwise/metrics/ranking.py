"""Metrics of scores that need no threshold: ROC AUC, average precision, top-k accuracy."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import choice, whole_number
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput
from layerwise.metrics.arguments import Flags, ScoredRows, Values, mean, read_scores
from layerwise.metrics.curves import cumulative_weights

Average = Literal["macro", "micro", "weighted"]
AVERAGES = ("macro", "micro", "weighted")


def roc_auc(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    average: Average = "macro",
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """Return the area under the ROC curve.

    It is the probability that a positive row scores above a negative one, ties counting a half. Each of several columns
    is compared with all other labels. NaN if there are no positive or no negative rows; columns without weight in a
    weighted average are left out. Fawcett 2006.

    Parameters
    ----------
    y : array-like (n,) or (n, c)
        Actual labels, or 0/1 flags.
    scores : array-like (n,) or (n, c)
        Scores of the positive label, higher meaning more likely, or one column for each label or flag.
    average : {"macro", "weighted", "micro"}, default "macro"
        Of several columns: their mean, their mean by the weight of positive rows, or the score of all columns as one.
    positive : label, optional
        The label to score against all others; by default the second of two labels.
    labels : array-like (c,), optional
        The labels of the columns. By default they are 0 to c - 1 if `y` has such integers, and the sorted labels
        of `y` otherwise.
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
    >>> from layerwise.metrics import roc_auc
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    scored = read_scores(y, scores, labels=labels, positive=positive, weights=weights)
    return _averaged(_area, scored, average)


def average_precision(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    average: Average = "macro",
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """Return the average precision, Σ (Rᵢ - Rᵢ₋₁) Pᵢ over falling thresholds with recall R and precision P.

    It is 0 without positive rows.

    Parameters
    ----------
    y : array-like (n,) or (n, c)
        Actual labels, or 0/1 flags.
    scores : array-like (n,) or (n, c)
        Scores of the positive label, higher meaning more likely, or one column for each label or flag.
    average : {"macro", "weighted", "micro"}, default "macro"
        As for `roc_auc`.
    positive : label, optional
        The label to score against all others; by default the second of two labels.
    labels : array-like (c,), optional
        The labels of the columns. By default they are 0 to c - 1 if `y` has such integers, and the sorted labels
        of `y` otherwise.
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
    scored = read_scores(y, scores, labels=labels, positive=positive, weights=weights)
    return _averaged(_summed_precision, scored, average)


def top_k_accuracy(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    k: int = 2,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """Return the share of rows whose label is among the `k` highest scores.

    Of equal scores the later label ranks higher. Scores (n,) of two labels predict the second above 0.5, or above 0 if
    they are not probabilities.

    Parameters
    ----------
    y : array-like (n,)
        Actual labels.
    scores : array-like (n,) or (n, c)
        Scores of the positive label, higher meaning more likely, or one column for each label.
    k : int, default 2
        Number of labels that count.
    labels : array-like (c,), optional
        The labels of the columns. By default they are 0 to c - 1 if `y` has such integers, and the sorted labels
        of `y` otherwise.
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
    k = whole_number("k", k, least=1)
    if np.ndim(y) == 2 and np.shape(y)[1] > 1:
        raise InvalidInput("y", "expected one label for each row, got flags")
    scored = read_scores(y, scores, labels=labels, positive=None, weights=weights)
    assert scored.classes is not None
    classes = scored.classes[:, None]
    columns: int = scored.scores.shape[1]
    if columns > 1:
        own = np.take_along_axis(scored.scores, classes, axis=1)
        later = np.arange(columns) > classes
        above: Flags = (scored.scores > own) | ((scored.scores == own) & later)
        hits = np.count_nonzero(above, axis=1) < k
    else:
        only = scored.scores[:, 0]
        threshold = 0.5 if only.min() >= 0 and only.max() <= 1 else 0.0
        hits = ((only > threshold) == scored.classes) | (k > 1)
    return float(mean(hits, scored.weights))


def _averaged(score: Callable[[Flags, Values, Values | None], float], scored: ScoredRows, average: Average) -> float:
    """Return `score` of the single column, or its average over all columns."""
    choice("average", average, AVERAGES)
    columns: int = scored.scores.shape[1]
    if average == "micro" and columns > 1:
        positives = np.stack([scored.positive(column) for column in range(columns)], axis=1)
        repeated = None if scored.weights is None else np.repeat(scored.weights, columns)
        return score(positives.reshape(-1), scored.scores.reshape(-1), repeated)
    found, share = np.empty(columns), np.ones(columns)
    for column in range(columns):
        positive = scored.positive(column)
        found[column] = score(positive, scored.scores[:, column], scored.weights)
        if average == "weighted" and columns > 1:
            own = positive if scored.weights is None else scored.weights[positive]
            share[column] = np.add.reduce(own, dtype=np.float64)
    if not share.any():  # flags none of which is set
        return 0.0
    some = share > 0
    return float(np.average(found[some], weights=share[some]))


def _area(positive: Flags, scores: Values, weights: Values | None) -> float:
    _, false, true = cumulative_weights(positive, scores, weights)
    whole = false[-1] * true[-1]
    # trapezoids: equal scores of both kinds count a half
    area = np.dot(np.diff(false, prepend=0.0), true + np.concatenate([[0.0], true[:-1]])) / 2
    return float(area / whole) if whole else float("nan")


def _summed_precision(positive: Flags, scores: Values, weights: Values | None) -> float:
    _, false, true = cumulative_weights(positive, scores, weights)
    gained: NDArray[np.float64] = np.diff(true, prepend=0.0)
    return float(np.dot(gained, true / (true + false)) / true[-1]) if true[-1] else 0.0
