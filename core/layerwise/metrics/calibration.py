"""Quality of predicted probabilities: log loss, Brier score and calibration."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import choice, whole_number
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput, Place
from layerwise.metrics.arguments import ScoredRows, Values, has_columns, mean, read_scores

Strategy = Literal["uniform", "quantile"]
STRATEGIES = ("uniform", "quantile")


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Reliability diagram in b bins of predicted probability, returned by `reliability`.

    A bin includes its upper bound and excludes its lower one, except that the first includes both.

    Attributes
    ----------
    lower, upper : ndarray (b,)
        Bounds of each bin.
    rows : ndarray (b,)
        Number of rows in each bin.
    weight : ndarray (b,)
        Sum of their weights.
    confidence : ndarray (b,)
        Mean predicted probability; NaN without weight.
    accuracy : ndarray (b,)
        Actual share of positive rows; NaN without weight.
    expected_error, maximum_error : float
        Weighted mean and largest of |accuracy - confidence|. Naeini et al. 2015.
    """

    lower: Values
    upper: Values
    rows: NDArray[np.intp]
    weight: Values
    confidence: Values
    accuracy: Values

    @property
    def expected_error(self) -> float:
        """Weighted mean of |accuracy - confidence| over the bins. Naeini et al. 2015."""
        some = self.weight > 0
        return float(np.average(np.abs(self.accuracy - self.confidence)[some], weights=self.weight[some]))

    @property
    def maximum_error(self) -> float:
        """Largest |accuracy - confidence| of a bin."""
        return float(np.nanmax(np.abs(self.accuracy - self.confidence)))

    def __str__(self) -> str:
        lines = ["probability        rows  confidence  accuracy"]
        for low, high, rows, predicted, seen in zip(
            self.lower, self.upper, self.rows, self.confidence, self.accuracy, strict=True
        ):
            values = f"{predicted:>12.4f}{seen:>10.4f}" if rows else f"{'':>22}"
            lines.append(f"{low:.3f} – {high:.3f}{rows:>10,}{values}".rstrip())
        return "\n".join(lines)


def log_loss(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """Return the mean of -log p of the actual label; for flags the mean over all of them.

    Probabilities are clipped to [ε, 1 - ε], ε being the machine epsilon of their type, so that the loss is finite.

    Parameters
    ----------
    y : array-like (n,) or (n, c)
        Actual labels, or 0/1 flags.
    probabilities : array-like (n,) or (n, c)
        Probabilities of the positive label, or one column for each label, adding up to 1, or for each flag.
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
    >>> from layerwise.metrics import log_loss
    >>> log_loss([0, 1], [0.5, 0.5])
    0.6931471805599453
    """
    scored = _probabilities(y, probabilities, positive, labels, weights)
    near = scored.resolution
    p = np.clip(scored.scores, near, 1 - near)
    if scored.classes is not None and p.shape[1] > 1:
        return float(mean(-np.log(np.take_along_axis(p, scored.classes[:, None], axis=1)[:, 0]), scored.weights))
    columns = [np.where(scored.positive(j), p[:, j], 1 - p[:, j]) for j in range(p.shape[1])]
    return float(np.mean([mean(-np.log(column), scored.weights) for column in columns]))


def brier_score(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """Return the mean squared difference of probabilities and outcomes, 0 or 1. Brier 1950.

    For two labels it is the mean of (p - [y is positive])², from 0 to 1; for more labels the sum over the columns, from
    0 to 2; for flags the mean over the columns.

    Parameters
    ----------
    y : array-like (n,) or (n, c)
        Actual labels, or 0/1 flags.
    probabilities : array-like (n,) or (n, c)
        Probabilities of the positive label, or one column for each label, adding up to 1, or for each flag.
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
    scored = _probabilities(y, probabilities, positive, labels, weights)
    columns = range(scored.scores.shape[1])
    parts = [mean((scored.scores[:, j] - scored.positive(j)) ** 2, scored.weights) for j in columns]
    return float(np.mean(parts) if scored.flags is not None else np.sum(parts))


def reliability(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    bins: int = 10,
    strategy: Strategy = "uniform",
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Reliability:
    """Return predicted probabilities and actual frequencies in bins.

    With two labels, or `positive`, the bins are of the probability of the positive label; with more, of the highest
    probability of each row, and whether its label is correct; each flag counts as a row of its own.

    Parameters
    ----------
    y : array-like (n,) or (n, c)
        Actual labels, or 0/1 flags.
    probabilities : array-like (n,) or (n, c)
        Probabilities of the positive label, or one column for each label, adding up to 1, or for each flag.
    bins : int, default 10
        Number of bins.
    strategy : {"uniform", "quantile"}, default "uniform"
        Bins of equal width, or with about equally many rows.
    positive : label, optional
        The label to score against all others; by default the second of two labels.
    labels : array-like (c,), optional
        The labels of the columns. By default they are 0 to c - 1 if `y` has such integers, and the sorted labels
        of `y` otherwise.
    weights : array-like (n,), optional
        Row weights, at least 0.

    Returns
    -------
    Reliability

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.
    """
    bins = whole_number("bins", bins, least=1, most=10**6)
    choice("strategy", strategy, STRATEGIES)
    predicted, outcome, own = _cases(_probabilities(y, probabilities, positive, labels, weights))
    edges: Values = np.linspace(0.0, 1.0, bins + 1)
    if strategy == "quantile":
        edges = np.percentile(predicted, edges * 100)
    at = np.searchsorted(edges[1:-1], predicted)
    rows = np.bincount(at, minlength=bins)
    weight = np.bincount(at, own, minlength=bins).astype(np.float64)
    some = np.where(weight > 0, weight, np.nan)
    confidence = np.bincount(at, predicted if own is None else predicted * own, minlength=bins) / some
    accuracy = np.bincount(at, outcome if own is None else outcome * own, minlength=bins) / some
    return Reliability(edges[:-1], edges[1:], rows, weight, confidence, accuracy)


def expected_calibration_error(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    bins: int = 10,
    strategy: Strategy = "uniform",
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """Return the weighted mean of |accuracy - confidence| over the bins of `reliability`.

    Parameters
    ----------
    y : array-like (n,) or (n, c)
        Actual labels, or 0/1 flags.
    probabilities : array-like (n,) or (n, c)
        Probabilities of the positive label, or one column for each label, adding up to 1, or for each flag.
    bins : int, default 10
        Number of bins.
    strategy : {"uniform", "quantile"}, default "uniform"
        Bins of equal width, or with about equally many rows.
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
    table = reliability(
        y, probabilities, bins=bins, strategy=strategy, positive=positive, labels=labels, weights=weights
    )
    return table.expected_error


def _cases(scored: ScoredRows) -> tuple[Values, Values, Values | None]:
    """Return the probability of each case, its outcome as 0 or 1, and its weight."""
    if scored.flags is not None:
        columns = scored.scores.shape[1]
        own = None if scored.weights is None else np.repeat(scored.weights, columns)
        return scored.scores.reshape(-1), scored.flags.reshape(-1).astype(np.float64), own
    if scored.scores.shape[1] == 1:
        return scored.scores[:, 0], scored.positive(0).astype(np.float64), scored.weights
    highest = scored.scores.argmax(axis=1)
    predicted = np.take_along_axis(scored.scores, highest[:, None], axis=1)[:, 0]
    return predicted, (highest == scored.classes).astype(np.float64), scored.weights


def _probabilities(
    y: ArrayLike,
    probabilities: ArrayLike,
    positive: Label | None,
    labels: ArrayLike | None,
    weights: ArrayLike | None,
) -> ScoredRows:
    name = "probabilities"
    scored = read_scores(y, probabilities, labels=labels, positive=positive, weights=weights, pointer=name)
    given: Values = np.asarray(probabilities, np.float64).reshape(len(scored.scores), -1)
    wrong = (given < 0) | (given > 1)
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        index = (row, column) if given.shape[1] > 1 else (row,)
        raise InvalidInput(Place(name, index), f"expected a number from 0 to 1, got {given[row, column]}")
    if given.shape[1] > 1 and not has_columns(y):
        total = given.sum(axis=1)
        off = np.abs(total - 1) > 2 * np.sqrt(scored.resolution)
        if off.any():
            row = int(np.argmax(off))
            raise InvalidInput(Place(name, row), f"expected probabilities whose sum is 1, got {total[row]:.6g}")
    return scored
