"""Counts of actual, predicted and correctly predicted rows of each label, from which scores are computed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import shown
from layerwise.errors import InvalidInput
from layerwise.metrics.arguments import Values, has_columns, read_flag_pair, read_weights
from layerwise.metrics.classes import distinct_labels, indices, label_pair, selected_labels


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Scores of each of c labels, returned by `class_scores`.

    Attributes
    ----------
    labels : ndarray (c,)
    precision, recall, f1 : ndarray (c,)
    support : ndarray (c,)
        Number of rows with the label, or sum of their weights.
    """

    labels: NDArray[Any]
    precision: Values
    recall: Values
    f1: Values
    support: Values


@dataclass(frozen=True, slots=True, eq=False)
class LabelCounts:
    """How often each of c labels occurs, is predicted, and both: sums of weights, all (c,)."""

    labels: NDArray[Any]
    support: Values
    predicted: Values
    correct: Values

    def sum(self) -> "LabelCounts":
        """Return the counts of all labels summed up."""
        parts = (self.support, self.predicted, self.correct)
        return LabelCounts(self.labels[:1], *(np.add.reduce(part, keepdims=True) for part in parts))

    def only(self, label: Any) -> "LabelCounts":
        """Return the counts of one label, zeros if it does not occur."""
        parts = (self.support, self.predicted, self.correct)
        here = self.labels == label
        return LabelCounts(np.array([label]), *(np.add.reduce(part[here], keepdims=True) for part in parts))

    def scores(self, zero_division: float) -> ClassScores:
        def ratio(numerator: Values, denominator: Values) -> Values:
            none = denominator == 0
            return np.where(none, zero_division, numerator / np.where(none, 1.0, denominator))

        return ClassScores(
            self.labels,
            precision=ratio(self.correct, self.predicted),
            recall=ratio(self.correct, self.support),
            f1=ratio(2 * self.correct, self.support + self.predicted),
            support=self.support,
        )


def counts_of_labels(
    y: ArrayLike, predicted: ArrayLike, labels: ArrayLike | None, weights: ArrayLike | None
) -> LabelCounts:
    """Count labels (n,)."""
    true, other = label_pair(y, predicted)
    own = read_weights(weights, len(true))
    known = distinct_labels(true, other) if labels is None else selected_labels(labels, true)

    def summed(places: NDArray[np.intp], kept: NDArray[np.bool_]) -> Values:
        own_kept = None if own is None else own[kept]
        return np.bincount(places[kept], own_kept, minlength=len(known)).astype(np.float64)

    i, j = indices(true, known), indices(other, known)
    return LabelCounts(known, summed(i, i >= 0), summed(j, j >= 0), summed(i, (i >= 0) & (i == j)))


def count_labels_or_flags(
    y: ArrayLike, predicted: ArrayLike, labels: ArrayLike | None, weights: ArrayLike | None
) -> LabelCounts:
    if not has_columns(y):
        return counts_of_labels(y, predicted, labels, weights)
    flags, predicted_flags = read_flag_pair(y, predicted)
    own = read_weights(weights, len(flags))
    own = np.ones(len(flags)) if own is None else own
    columns: int = flags.shape[1]
    known = np.arange(columns)
    picked = known if labels is None else indices(selected_labels(labels, known), known)
    if (picked < 0).any():
        raise InvalidInput("labels", f"expected numbers of flags below {len(known)}, got {shown(labels)}")
    parts = [
        np.dot(own, part[:, picked]).astype(np.float64) for part in (flags, predicted_flags, flags & predicted_flags)
    ]
    return LabelCounts(picked, *parts)
