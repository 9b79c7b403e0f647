"""How well probabilities are those that they say: proper scores, and the error of calibration.

y and the probabilities are (n,) labels and (n,) probabilities of the positive one; (n,) labels and (n, c), a column for
each label, whose sum is 1, of which two columns count as one; or both (n, c), of flags. Labels and columns are matched
as `read_scores` says.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import choice, whole_number
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput
from layerwise.metrics.arguments import ScoredRows, Values, has_columns, mean, read_scores

Strategy = Literal["uniform", "quantile"]
STRATEGIES = ("uniform", "quantile")


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """What was said and what happened, bin by bin of the probabilities, all (b,).

    `lower` and `upper` bound a bin, which holds its upper bound and not its lower one, the first both; `rows` is the
    number of rows in it and `weight` the sum of their weights; `confidence` is the mean of their probabilities,
    `accuracy` the share of them of which it came true. Both are NaN where nothing weighs.
    """

    lower: Values
    upper: Values
    rows: NDArray[np.intp]
    weight: Values
    confidence: Values
    accuracy: Values

    @property
    def expected_error(self) -> float:
        """The mean of |accuracy - confidence| over the bins, each by its weight. Naeini et al. 2015."""
        some = self.weight > 0
        return float(np.average(np.abs(self.accuracy - self.confidence)[some], weights=self.weight[some]))

    @property
    def maximum_error(self) -> float:
        """The largest |accuracy - confidence| of a bin."""
        return float(np.nanmax(np.abs(self.accuracy - self.confidence)))

    def __str__(self) -> str:
        lines = ["probability        rows  confidence  accuracy"]
        for low, high, rows, said, seen in zip(
            self.lower, self.upper, self.rows, self.confidence, self.accuracy, strict=True
        ):
            told = f"{said:>12.4f}{seen:>10.4f}" if rows else f"{'':>22}"
            lines.append(f"{low:.3f} – {high:.3f}{rows:>10,}{told}".rstrip())
        return "\n".join(lines)


def log_loss(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    positive: Label | None = None,
    labels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """The mean of -log p of what was there; of flags the mean over all of them.

    `y` is (n,) labels or (n, c) flags, `probabilities` (n,) or (n, c), `weights` (n,). Probabilities are kept ε away
    from 0 and 1, the distance from 1 to the next number of their type, so that the loss is finite. Raises InvalidInput.
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
    """The mean squared distance of the probabilities from what was there, 1 or 0. Brier 1950.

    Of two labels (p - [y is positive])², from 0 to 1; of more the sum over all columns, from 0 to 2; of flags the mean
    over them. Arguments and errors are those of `log_loss`.
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
    """What was said and what happened, in `bins` bins of equal width, or with "quantile" of about as many rows each.

    Of two labels, or one `positive`, it is about the positive label's probability; of more, about the highest of each
    row and whether its label was right. Of flags, each flag is a case of its own. Arguments and errors are otherwise
    those of `log_loss`.
    """
    bins = whole_number("bins", bins, least=1, most=10**6)
    choice("strategy", strategy, STRATEGIES)
    said, happened, own = _cases(_probabilities(y, probabilities, positive, labels, weights))
    edges: Values = np.linspace(0.0, 1.0, bins + 1)
    if strategy == "quantile":
        edges = np.percentile(said, edges * 100)
    at = np.searchsorted(edges[1:-1], said)
    rows = np.bincount(at, minlength=bins)
    weight = np.bincount(at, own, minlength=bins).astype(np.float64)
    some = np.where(weight > 0, weight, np.nan)
    confidence = np.bincount(at, said if own is None else said * own, minlength=bins) / some
    accuracy = np.bincount(at, happened if own is None else happened * own, minlength=bins) / some
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
    """Σ |accuracy - confidence| weight / Σ weight over the bins of `reliability`, whose arguments and errors it has."""
    table = reliability(
        y, probabilities, bins=bins, strategy=strategy, positive=positive, labels=labels, weights=weights
    )
    return table.expected_error


def _cases(scored: ScoredRows) -> tuple[Values, Values, Values | None]:
    """The probability of each case, whether it came true, as 0 or 1, and what it weighs."""
    if scored.flags is not None:
        columns = scored.scores.shape[1]
        own = None if scored.weights is None else np.repeat(scored.weights, columns)
        return scored.scores.reshape(-1), scored.flags.reshape(-1).astype(np.float64), own
    if scored.scores.shape[1] == 1:
        return scored.scores[:, 0], scored.positive(0).astype(np.float64), scored.weights
    highest = scored.scores.argmax(axis=1)
    said = np.take_along_axis(scored.scores, highest[:, None], axis=1)[:, 0]
    return said, (highest == scored.classes).astype(np.float64), scored.weights


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
        where = f"{name}[{row}]" + (f"[{column}]" if given.shape[1] > 1 else "")
        raise InvalidInput(where, f"expected a number from 0 to 1, got {given[row, column]}")
    if given.shape[1] > 1 and not has_columns(y):
        total = given.sum(axis=1)
        off = np.abs(total - 1) > 2 * np.sqrt(scored.resolution)
        if off.any():
            row = int(np.argmax(off))
            raise InvalidInput(f"{name}[{row}]", f"expected probabilities whose sum is 1, got {total[row]:.6g}")
    return scored
