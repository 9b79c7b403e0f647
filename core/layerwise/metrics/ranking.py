"""How well scores put the rows of a label before the others, whatever threshold is set.

y is (n,) labels. The scores are (n,), the higher the likelier the positive label, or (n, c), a column for each of c
labels, each of which is compared with all others; of two labels the second column says all. Or both are (n, c), of
flags. Labels and columns are matched as `read_scores` says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import choice, whole_number
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput
from layerwise.metrics.arguments import Flags, ScoredRows, Values, mean, read_scores

Average = Literal["macro", "micro", "weighted"]
AVERAGES = ("macro", "micro", "weighted")


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """The rates at falling thresholds, all (m,): a row is called positive if its score is at least the threshold.

    It begins at (0, 0), where the threshold is infinite, and ends at (1, 1). A rate of a class without rows is NaN.
    """

    false_positive_rate: Values
    true_positive_rate: Values
    thresholds: Values


@dataclass(frozen=True, slots=True, eq=False)
class PrecisionRecallCurve:
    """Precision and recall (m + 1,) at rising thresholds (m,).

    The last pair, precision 1 at recall 0, has no threshold. Without positive rows the recall is 1 at every one.
    """

    precision: Values
    recall: Values
    thresholds: Values


def roc_auc(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    average: Average = "macro",
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """The area under the ROC curve: the probability that a positive row scores above a negative one, ties a half.

    `y` is (n,) labels or (n, c) flags, `scores` (n,) or (n, c), `weights` (n,). Of several columns each is compared
    with all others; then `average` is "macro", the mean over the columns; "weighted", each by the weight of its
    positive rows; or "micro", all columns as one. `positive` asks for that label's alone. NaN if there is no positive
    row or no negative one; so is the average, unless the column has no weight in it. Fawcett 2006. Raises InvalidInput.
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
    """Σ (Rᵢ - Rᵢ₋₁) Pᵢ over the falling thresholds: the precision at each, by what the recall gains there.

    Arguments and averages are those of `roc_auc`. Without positive rows it is 0. Raises InvalidInput.
    """
    scored = read_scores(y, scores, labels=labels, positive=positive, weights=weights)
    return _averaged(_summed_precision, scored, average)


def roc_curve(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    drop_intermediate: bool = True,
) -> RocCurve:
    """The ROC curve of `scores` (n,) for the positive label; of scores (n, c) for more than two, name `positive`.

    Points on a straight line between others are left out, unless `drop_intermediate` is false. Raises InvalidInput.
    """
    positives, only, own = _single(read_scores(y, scores, labels=labels, positive=positive, weights=weights))
    thresholds, false, true = _cumulated(positives, only, own)
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
    """Precision and recall at every threshold; arguments are those of `roc_curve`. Raises InvalidInput."""
    positives, only, own = _single(read_scores(y, scores, labels=labels, positive=positive, weights=weights))
    thresholds, false, true = _cumulated(positives, only, own)
    share = true / (true + false)
    found = true / true[-1] if true[-1] else np.ones(len(true))
    return PrecisionRecallCurve(
        np.concatenate([share[::-1], [1.0]]), np.concatenate([found[::-1], [0.0]]), thresholds[::-1]
    )


def top_k_accuracy(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    k: int = 2,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """The share of rows whose label is among the `k` with the highest scores; of equal scores the later label leads.

    `y` is (n,) labels, `scores` (n, c), `weights` (n,). Scores (n,) of two labels are one for k = 1 if above a half, or
    above 0 where they are no probabilities. With k of at least c it is 1. Raises InvalidInput.
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


def _single(scored: ScoredRows) -> tuple[Flags, Values, Values | None]:
    if scored.scores.shape[1] > 1:
        raise InvalidInput("positive", "expected the label that the curve is of, for there are more than two")
    return scored.positive(0), scored.scores[:, 0], scored.weights


def _cumulated(positive: Flags, scores: Values, weights: Values | None) -> tuple[Values, Values, Values]:
    """The different scores (m,), falling, and the weight of negative and of positive rows at or above each."""
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


def _area(positive: Flags, scores: Values, weights: Values | None) -> float:
    _, false, true = _cumulated(positive, scores, weights)
    whole = false[-1] * true[-1]
    # trapezoids: equal scores of both kinds count a half
    area = np.dot(np.diff(false, prepend=0.0), true + np.concatenate([[0.0], true[:-1]])) / 2
    return float(area / whole) if whole else float("nan")


def _summed_precision(positive: Flags, scores: Values, weights: Values | None) -> float:
    _, false, true = _cumulated(positive, scores, weights)
    gained: NDArray[np.float64] = np.diff(true, prepend=0.0)
    return float(np.dot(gained, true / (true + false)) / true[-1]) if true[-1] else 0.0


def _rate(counts: Values) -> Values:
    """From 0 to 1, (m + 1,); NaN if there is nothing to count."""
    total = counts[-1] if counts[-1] else np.nan
    return np.concatenate([[0.0], counts]) / total
