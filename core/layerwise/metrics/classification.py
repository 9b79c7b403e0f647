"""How well predicted labels, or flags, agree with those that were there.

y and the prediction are (n,) labels: integers, booleans or strings. Where it is said, both may be tables (n, k) of
flags, 0 and 1, of which several may hold at once.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import choice, shown
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput
from layerwise.metrics.arguments import Values, has_columns, mean, read_flag_pair, read_weights
from layerwise.metrics.classes import distinct_labels, indices, known_label, label_pair, selected_labels

Average = Literal["macro", "micro", "weighted"]
AVERAGES = ("macro", "micro", "weighted")


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Precision, recall, F1 and support of each of c labels, all (c,).

    The support is how many rows have the label, or the sum of their weights.
    """

    labels: NDArray[Any]
    precision: Values
    recall: Values
    f1: Values
    support: Values


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """How often each of c labels was there, was predicted, and both, all (c,): weights added up."""

    labels: NDArray[Any]
    support: Values
    predicted: Values
    right: Values

    def sum(self) -> "_Counts":
        """All labels together, as one."""
        parts = (self.support, self.predicted, self.right)
        return _Counts(self.labels[:1], *(np.add.reduce(part, keepdims=True) for part in parts))

    def only(self, label: Any) -> "_Counts":
        """That of one label, zero if it does not occur."""
        parts = (self.support, self.predicted, self.right)
        here = self.labels == label
        return _Counts(np.array([label]), *(np.add.reduce(part[here], keepdims=True) for part in parts))

    def scores(self, zero_division: float) -> ClassScores:
        def ratio(numerator: Values, denominator: Values) -> Values:
            none = denominator == 0
            return np.where(none, zero_division, numerator / np.where(none, 1.0, denominator))

        return ClassScores(
            self.labels,
            precision=ratio(self.right, self.predicted),
            recall=ratio(self.right, self.support),
            f1=ratio(2 * self.right, self.support + self.predicted),
            support=self.support,
        )


def accuracy(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """The share of rows whose prediction is right: Σ w [y = ŷ] / Σ w.

    `y` and `predicted` are (n,) labels, or (n, k) flags, of which a row is right if all are; `weights` is (n,).
    Raises InvalidInput.
    """
    if has_columns(y):
        flags, decided = read_flag_pair(y, predicted)
        right = (flags == decided).all(axis=1)
    else:
        true, other = label_pair(y, predicted)
        right = np.asarray(true == other)
    return float(mean(right, read_weights(weights, len(right))))


def balanced_accuracy(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """The mean of the recalls of the labels of `y`: what a constant prediction of k labels makes 1/k.

    `y` and `predicted` are (n,) labels, `weights` (n,). Labels without weight in `y` are left out. Brodersen et al.
    2010. Raises InvalidInput.
    """
    counts = _counts_of_labels(y, predicted, None, weights)
    there = counts.support > 0
    return float(np.mean(counts.right[there] / counts.support[there]))


def confusion_matrix(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    normalize: Literal["true", "predicted", "all"] | None = None,
) -> NDArray[Any]:
    """How often label i was there and label j was predicted, (c, c): the number of rows, or the sum of their weights.

    `y` and `predicted` are (n,) labels, `weights` (n,). Row i and column i belong to `labels[i]`, by default all labels
    that occur, in ascending order; rows of other labels are left out. Whole numbers unless the weights are none.
    `normalize` divides by the sum of the row, of the column, or of all; a sum of zero gives zeros. Raises InvalidInput.
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


def class_scores(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    zero_division: float = 0.0,
) -> ClassScores:
    """Precision, recall, F1 and support of each label, as arrays (c,).

    `y` and `predicted` are (n,) labels, or (n, k) flags, whose labels are 0 to k - 1; `weights` is (n,). `labels`
    are those to tell of, by default all that occur, in ascending order. `zero_division` stands for 0/0: the precision
    of a label that was never predicted, the recall of one that was never there, the F1 of both. Raises InvalidInput.
    """
    return _counts(y, predicted, labels, weights).scores(_zero_division(zero_division))


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
    """The share of rows predicted as a label that have it: tp / (tp + fp).

    Of the label `positive`, else the average over the labels: "macro", their mean; "weighted", each by its support;
    "micro", of the counts of all labels added up. Other arguments and errors are those of `class_scores`.
    """
    counts = _asked(y, predicted, average=average, positive=positive, labels=labels, weights=weights)
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
    """The share of rows with a label that are predicted as such: tp / (tp + fn). Arguments as of `precision`."""
    counts = _asked(y, predicted, average=average, positive=positive, labels=labels, weights=weights)
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
    """The harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn). Arguments as of `precision`.

    Averages are those of the labels' F1, not the harmonic mean of averages.
    """
    counts = _asked(y, predicted, average=average, positive=positive, labels=labels, weights=weights)
    scores = counts.scores(_zero_division(zero_division))
    return _mean(scores.f1, scores.support if average == "weighted" else None)


def _asked(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    average: Average,
    positive: Label | None,
    labels: ArrayLike | None,
    weights: ArrayLike | None,
) -> _Counts:
    """The counts of the labels whose scores are averaged."""
    choice("average", average, AVERAGES)
    if positive is None:
        counts = _counts(y, predicted, labels, weights)
        return counts.sum() if average == "micro" else counts
    if labels is not None:
        raise InvalidInput("labels", "expected None beside positive, which is the only label that counts")
    counts = _counts(y, predicted, None, weights)
    return counts.only(known_label(positive, counts.labels))


def _mean(scores: Values, share: Values | None) -> float:
    """The mean of the scores that are numbers, each by its `share`; of no share at all, the plain mean."""
    numbers = ~np.isnan(scores)
    if not numbers.any():
        return float("nan")
    own = None if share is None or not share[numbers].any() else share[numbers]
    return float(np.average(scores[numbers], weights=own))


def _counts(y: ArrayLike, predicted: ArrayLike, labels: ArrayLike | None, weights: ArrayLike | None) -> _Counts:
    if not has_columns(y):
        return _counts_of_labels(y, predicted, labels, weights)
    flags, decided = read_flag_pair(y, predicted)
    own = read_weights(weights, len(flags))
    own = np.ones(len(flags)) if own is None else own
    columns: int = flags.shape[1]
    known = np.arange(columns)
    picked = known if labels is None else indices(selected_labels(labels, known), known)
    if (picked < 0).any():
        raise InvalidInput("labels", f"expected numbers of flags below {len(known)}, got {shown(labels)}")
    parts = [np.dot(own, part[:, picked]).astype(np.float64) for part in (flags, decided, flags & decided)]
    return _Counts(picked, *parts)


def _counts_of_labels(
    y: ArrayLike, predicted: ArrayLike, labels: ArrayLike | None, weights: ArrayLike | None
) -> _Counts:
    true, other = label_pair(y, predicted)
    own = read_weights(weights, len(true))
    known = distinct_labels(true, other) if labels is None else selected_labels(labels, true)

    def added(places: NDArray[np.intp], kept: NDArray[np.bool_]) -> Values:
        own_kept = None if own is None else own[kept]
        return np.bincount(places[kept], own_kept, minlength=len(known)).astype(np.float64)

    i, j = indices(true, known), indices(other, known)
    return _Counts(known, added(i, i >= 0), added(j, j >= 0), added(i, (i >= 0) & (i == j)))


def _zero_division(value: object) -> float:
    if not isinstance(value, int | float) or not (value in (0, 1) or math.isnan(value)):
        raise InvalidInput("zero_division", f"expected 0, 1 or NaN, got {shown(value)}")
    return float(value)
