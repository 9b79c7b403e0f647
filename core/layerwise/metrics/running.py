"""Metrics of training records, accuracy or R², accumulated batch by batch."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from layerwise import kernels, variants
from layerwise.data.moments import moments
from layerwise.data.splits import RowNumbers
from layerwise.losses import LOSSES, Loss
from layerwise.network.target_scale import TargetScale
from layerwise.types import Floats


def metric_name(loss: str | Loss) -> str:
    """Return the name of the metric that training records show for a loss.

    Parameters
    ----------
    loss : str or Loss
        The loss, by name or as an object.

    Returns
    -------
    str
        "accuracy" or "r2".

    Raises
    ------
    InvalidInput
        If there is no loss of this name.

    Examples
    --------
    >>> from layerwise import metric_name
    >>> metric_name("softmax_cross_entropy"), metric_name("huber")
    ('accuracy', 'r2')
    """
    return Accuracy.name if variants.chosen("loss", loss, LOSSES).classifies else RSquared.name


class Metric(ABC):
    """A metric computed from sums over batches.

    With row weights it is the weighted mean, divided by the sum of the weights, and 0 if they are all 0. (A loss is
    divided by the number of rows instead.)
    """

    name: ClassVar[str]
    sums: int
    """Number of sums; the last is that of the weights, if there are any."""

    def __init__(self, sums: int, *, weighted: bool) -> None:
        self.sums = sums + weighted
        self._weighted = weighted

    @abstractmethod
    def measure(
        self, scores: Floats, targets: NDArray[Any], out: NDArray[np.float64], weights: Floats | None = None
    ) -> None:
        """Write the sums of a batch into `out` (sums,); `weights` (n,) if it is weighted. Allocates nothing."""

    def value(self, sums: NDArray[np.float64], rows: int) -> float:
        """Return the metric of `rows` rows, whose sums over all batches are `sums`."""
        total = float(sums[-1]) if self._weighted else float(rows)
        return self.mean(sums, total) if total else 0.0

    @abstractmethod
    def mean(self, sums: NDArray[np.float64], total: float) -> float:
        """Return the metric; `total` is the sum of the weights, or the number of rows."""


class Accuracy(Metric):
    """Share of rows whose predicted class is the target; a single score predicts by its sign."""

    name = "accuracy"

    def __init__(self, rows: int, dtype: np.dtype[Any], *, weighted: bool = False) -> None:
        super().__init__(1, weighted=weighted)
        self._predicted: NDArray[np.intp] = np.empty(rows, np.intp)
        self._correct: NDArray[np.bool_] = np.empty(rows, np.bool_)
        self._marks: Floats = np.empty(rows if weighted else 0, dtype)

    def measure(
        self, scores: Floats, targets: NDArray[Any], out: NDArray[np.float64], weights: Floats | None = None
    ) -> None:
        rows = len(scores)
        loops = kernels.compiled()
        if loops and weights is None and scores.shape[1] > 1:
            out[0] = loops.count_correct(scores, targets)
            return
        predicted, correct = self._predicted[:rows], self._correct[:rows]
        if scores.shape[1] > 1:
            np.argmax(scores, axis=1, out=predicted)
        else:
            np.greater(scores[:, 0], 0.0, out=correct)
            np.copyto(predicted, correct)
        np.equal(predicted, targets, out=correct)
        if weights is None:
            out[0] = np.count_nonzero(correct)
        else:
            marks = self._marks[:rows]
            np.copyto(marks, correct)
            out[0] = np.dot(marks, weights)
            out[1] = np.add.reduce(weights)

    def mean(self, sums: NDArray[np.float64], total: float) -> float:
        return float(sums[0]) / total


class FlagAccuracy(Metric):
    """Share of correct flags among all entries (n, k).

    A positive score predicts 1; a target above 0.5 counts as 1.
    """

    name = "accuracy"

    def __init__(self, rows: int, outputs: int, dtype: np.dtype[Any], *, weighted: bool = False) -> None:
        super().__init__(1, weighted=weighted)
        self._predicted: NDArray[np.bool_] = np.empty((rows, outputs), np.bool_)
        self._flags: NDArray[np.bool_] = np.empty((rows, outputs), np.bool_)
        self._marks: Floats = np.empty((rows if weighted else 0, outputs), dtype)
        self._sum: Floats = np.empty(outputs, dtype)

    def measure(
        self, scores: Floats, targets: NDArray[Any], out: NDArray[np.float64], weights: Floats | None = None
    ) -> None:
        rows = len(scores)
        predicted, flags = self._predicted[:rows], self._flags[:rows]
        np.greater(scores, 0.0, out=predicted)
        np.greater(targets, 0.5, out=flags)
        np.equal(predicted, flags, out=predicted)
        if weights is None:
            out[0] = np.count_nonzero(predicted)
        else:
            marks = self._marks[:rows]
            np.copyto(marks, predicted)
            np.dot(weights, marks, out=self._sum)
            out[0] = np.add.reduce(self._sum)
            out[1] = np.add.reduce(weights)

    def mean(self, sums: NDArray[np.float64], total: float) -> float:
        return float(sums[0]) / (total * len(self._sum))


class RSquared(Metric):
    """Coefficient of determination, averaged over the outputs.

    A prediction is the score, or exp(score) for a loss with a logarithmic link. Mean and variance are those of
    `targets[rows]`, even if only some of these rows are measured. Scores and targets may be scaled by `scale`. For
    constant targets R² is 1 if every error is zero, else 0, as in scikit-learn.
    """

    name = "r2"

    def __init__(
        self,
        targets: NDArray[Any],
        rows: RowNumbers,
        batch: int,
        dtype: np.dtype[Any],
        *,
        weights: NDArray[Any] | None = None,
        scale: TargetScale | None = None,
        exponential: bool = False,
    ) -> None:
        outputs = targets.shape[1]
        super().__init__(outputs, weighted=weights is not None)
        found = moments(targets, rows, weights)
        unit = found.unit / scale.scales if scale else found.unit
        self._variance = np.where(found.constant, 0.0, found.variance * unit * unit)
        self._exponential = exponential
        self._error: Floats = np.empty((batch, outputs), dtype)
        self._sum: Floats = np.empty(outputs, dtype)

    def measure(
        self, scores: Floats, targets: NDArray[Any], out: NDArray[np.float64], weights: Floats | None = None
    ) -> None:
        error = self._error[: len(scores)]
        if self._exponential:
            np.exp(scores, out=error)
            np.subtract(error, targets, out=error)
        else:
            np.subtract(scores, targets, out=error)
        np.multiply(error, error, out=error)
        if weights is None:
            np.add.reduce(error, axis=0, out=self._sum)
        else:
            np.dot(weights, error, out=self._sum)
            out[-1] = np.add.reduce(weights)
        np.copyto(out[: len(self._sum)], self._sum)

    def mean(self, sums: NDArray[np.float64], total: float) -> float:
        errors, constant = sums[: len(self._sum)], self._variance == 0
        unexplained = np.where(constant, errors > 0, errors / total / np.where(constant, 1.0, self._variance))
        return float(np.mean(1.0 - unexplained))


def metric_of(
    loss: Loss,
    targets: NDArray[Any],
    rows: RowNumbers,
    batch: int,
    dtype: np.dtype[Any],
    *,
    weights: NDArray[Any] | None = None,
    scale: TargetScale | None = None,
) -> Metric:
    """Return the metric of the loss for `targets[rows]` and `weights[rows]`, in batches of up to `batch` rows.

    Scores and targets of the batches are scaled by `scale`, if there is one.
    """
    weighted = weights is not None
    if targets.ndim == 1:
        return Accuracy(batch, dtype, weighted=weighted)
    if loss.classifies:
        return FlagAccuracy(batch, targets.shape[1], dtype, weighted=weighted)
    return RSquared(targets, rows, batch, dtype, weights=weights, scale=scale, exponential=loss.link == "exp")
