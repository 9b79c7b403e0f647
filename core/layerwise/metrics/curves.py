"""ROC and precision-recall curves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from layerwise.data.labels import Label
from layerwise.errors import InvalidInput
from layerwise.metrics.arguments import Flags, ScoredRows, Values, read_scores


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """ROC curve, from (0, 0) to (1, 1). A rate without rows of its class is NaN.

    Attributes
    ----------
    false_positive_rate, true_positive_rate : ndarray (m,)
    thresholds : ndarray (m,)
        Falling, the first infinite; rows with at least this score count as positive.
    """

    false_positive_rate: Values
    true_positive_rate: Values
    thresholds: Values


@dataclass(frozen=True, slots=True, eq=False)
class PrecisionRecallCurve:
    """Precision-recall curve, ending at precision 1 and recall 0.

    Without positive rows the recall is 1 at every threshold.

    Attributes
    ----------
    precision, recall : ndarray (m + 1,)
    thresholds : ndarray (m,)
        Rising; the last point has none.
    """

    precision: Values
    recall: Values
    thresholds: Values


def roc_curve(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    drop_intermediate: bool = True,
) -> RocCurve:
    """Return the ROC curve of the positive label.

    Parameters
    ----------
    y : array-like (n,)
        Actual labels.
    scores : array-like (n,) or (n, c)
        Scores of the positive label, higher meaning more likely, or one column for each label,
        of which `positive` names one.
    positive : label, optional
        The label to score against all others; by default the second of two labels.
    labels : array-like (c,), optional
        The labels of the columns. By default they are 0 to c - 1 if `y` has such integers, and the sorted labels
        of `y` otherwise.
    weights : array-like (n,), optional
        Row weights, at least 0.
    drop_intermediate : bool, default True
        Leave out points on a straight line between others.

    Returns
    -------
    RocCurve

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.
    """
    positives, only, own = _single(read_scores(y, scores, labels=labels, positive=positive, weights=weights))
    thresholds, false, true = cumulative_weights(positives, only, own)
    if drop_intermediate and len(true) > 2:
        kept = np.ones(len(true), np.bool_)
        kept[1:-1] = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
        thresholds, false, true = thresholds[kept], false[kept], true[kept]
    return RocCurve(_rate(false), _rate(true), np.concatenate([[np.inf], thresholds]))


def precision_recall_curve(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> PrecisionRecallCurve:
    """Return precision and recall of the positive label at every threshold.

    Parameters
    ----------
    y : array-like (n,)
        Actual labels.
    scores : array-like (n,) or (n, c)
        Scores of the positive label, higher meaning more likely, or one column for each label,
        of which `positive` names one.
    positive : label, optional
        The label to score against all others; by default the second of two labels.
    labels : array-like (c,), optional
        The labels of the columns. By default they are 0 to c - 1 if `y` has such integers, and the sorted labels
        of `y` otherwise.
    weights : array-like (n,), optional
        Row weights, at least 0.

    Returns
    -------
    PrecisionRecallCurve

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.
    """
    positives, only, own = _single(read_scores(y, scores, labels=labels, positive=positive, weights=weights))
    thresholds, false, true = cumulative_weights(positives, only, own)
    share = true / (true + false)
    found = true / true[-1] if true[-1] else np.ones(len(true))
    return PrecisionRecallCurve(
        np.concatenate([share[::-1], [1.0]]), np.concatenate([found[::-1], [0.0]]), thresholds[::-1]
    )


def _single(scored: ScoredRows) -> tuple[Flags, Values, Values | None]:
    if scored.scores.shape[1] > 1:
        raise InvalidInput("positive", "expected the label of the curve, because there are more than two labels")
    return scored.positive(0), scored.scores[:, 0], scored.weights


def cumulative_weights(positive: Flags, scores: Values, weights: Values | None) -> tuple[Values, Values, Values]:
    """Return the distinct scores (m,), falling, and the weights of negative and positive rows at or above each."""
    if weights is not None and not weights.all():
        weighing = weights > 0
        positive, scores, weights = positive[weighing], scores[weighing], weights[weighing]
    order = np.argsort(-scores)
    ranked, hits = scores[order], positive[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    if weights is None:
        above = np.cumsum(hits)[last]
        return ranked[last], (last + 1 - above).astype(np.float64), above.astype(np.float64)
    own = weights[order]
    true, false = np.cumsum(np.where(hits, own, 0.0)), np.cumsum(np.where(hits, 0.0, own))
    return ranked[last], false[last], true[last]


def _rate(counts: Values) -> Values:
    """Return `counts` divided by the last, with a leading 0, (m + 1,); NaN if all are 0."""
    total = counts[-1] if counts[-1] else np.nan
    return np.concatenate([[0.0], counts]) / total
