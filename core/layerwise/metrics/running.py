"""What a record tells beside the loss: accuracy of a classifier, R² of a regression, summed up batch by batch."""

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
    """The metric that goes with the loss, an object or its name: "accuracy" or "r2". Raises InvalidInput."""
    return Accuracy.name if variants.chosen("loss", loss, LOSSES).classifies else RSquared.name


class Metric(ABC):
    """Adds up over batches what the metric of all their rows needs.

    If rows have weights, it is the weighted mean: divided by the weights' sum, not the rows' number as a loss is. Of
    rows that weigh nothing it is 0.
    """

    name: ClassVar[str]
    sums: int
    """How many sums it keeps; the last is that of the weights, if there are any."""

    def __init__(self, sums: int, *, weighted: bool) -> None:
        self.sums = sums + weighted
        self._weighted = weighted

    @abstractmethod
    def measure(
        self, scores: Floats, targets: NDArray[Any], out: NDArray[np.float64], weights: Floats | None = None
    ) -> None:
        """Writes the sums of a batch into `out` (sums,); `weights` (n,) if it is weighted. Allocates nothing."""

    def value(self, sums: NDArray[np.float64], rows: int) -> float:
        """The metric of `rows` rows whose sums, added up, are `sums`."""
        total = float(sums[-1]) if self._weighted else float(rows)
        return self.mean(sums, total) if total else 0.0

    @abstractmethod
    def mean(self, sums: NDArray[np.float64], total: float) -> float:
        """The metric, `total` being the sum of the weights, or the number of rows."""


class Accuracy(Metric):
    """The share of rows whose largest score, or sign of a single one, is the target's."""

    name = "accuracy"

    def __init__(self, rows: int, dtype: np.dtype[Any], *, weighted: bool = False) -> None:
        super().__init__(1, weighted=weighted)
        self._decided: NDArray[np.intp] = np.empty(rows, np.intp)
        self._right: NDArray[np.bool_] = np.empty(rows, np.bool_)
        self._counted: Floats = np.empty(rows if weighted else 0, dtype)

    def measure(
        self, scores: Floats, targets: NDArray[Any], out: NDArray[np.float64], weights: Floats | None = None
    ) -> None:
        rows = len(scores)
        loops = kernels.compiled()
        if loops and weights is None and scores.shape[1] > 1:
            out[0] = loops.count_right(scores, targets)
            return
        decided, right = self._decided[:rows], self._right[:rows]
        if scores.shape[1] > 1:
            np.argmax(scores, axis=1, out=decided)
        else:
            np.greater(scores[:, 0], 0.0, out=right)
            np.copyto(decided, right)
        np.equal(decided, targets, out=right)
        if weights is None:
            out[0] = np.count_nonzero(right)
        else:
            counted = self._counted[:rows]
            np.copyto(counted, right)
            out[0] = np.dot(counted, weights)
            out[1] = np.add.reduce(weights)

    def mean(self, sums: NDArray[np.float64], total: float) -> float:
        return float(sums[0]) / total


class FlagAccuracy(Metric):
    """The share of right decisions among all entries (n, k): a positive score says 1, and is right if the flag is
    above a half.
    """

    name = "accuracy"

    def __init__(self, rows: int, outputs: int, dtype: np.dtype[Any], *, weighted: bool = False) -> None:
        super().__init__(1, weighted=weighted)
        self._decided: NDArray[np.bool_] = np.empty((rows, outputs), np.bool_)
        self._flags: NDArray[np.bool_] = np.empty((rows, outputs), np.bool_)
        self._counted: Floats = np.empty((rows if weighted else 0, outputs), dtype)
        self._sum: Floats = np.empty(outputs, dtype)

    def measure(
        self, scores: Floats, targets: NDArray[Any], out: NDArray[np.float64], weights: Floats | None = None
    ) -> None:
        rows = len(scores)
        decided, flags = self._decided[:rows], self._flags[:rows]
        np.greater(scores, 0.0, out=decided)
        np.greater(targets, 0.5, out=flags)
        np.equal(decided, flags, out=decided)
        if weights is None:
            out[0] = np.count_nonzero(decided)
        else:
            counted = self._counted[:rows]
            np.copyto(counted, decided)
            np.dot(weights, counted, out=self._sum)
            out[0] = np.add.reduce(self._sum)
            out[1] = np.add.reduce(weights)

    def mean(self, sums: NDArray[np.float64], total: float) -> float:
        return float(sums[0]) / (total * len(self._sum))


class RSquared(Metric):
    """1 - (squared errors) / (squared deviations from the mean), averaged over the outputs.

    The errors are those of the predictions, exp(score) for a loss with a logarithmic link. The mean and the
    deviations are those of `targets[rows]`, whatever part of these rows is measured; scores and targets that are
    measured may be by a `scale`. Of targets that differ by rounding alone it is 1 if every error is zero, else 0, as
    scikit-learn has it of equal ones.
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
        self._spread = np.where(found.constant, 0.0, found.variance * unit * unit)
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
        errors, constant = sums[: len(self._sum)], self._spread == 0
        unexplained = np.where(constant, errors > 0, errors / total / np.where(constant, 1.0, self._spread))
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
    """The metric that goes with the loss, of `targets[rows]` and `weights[rows]`, for batches of up to `batch` rows.

    Scores and targets of the batches are by `scale`, if there is one.
    """
    weighted = weights is not None
    if targets.ndim == 1:
        return Accuracy(batch, dtype, weighted=weighted)
    if loss.classifies:
        return FlagAccuracy(batch, targets.shape[1], dtype, weighted=weighted)
    return RSquared(targets, rows, batch, dtype, weights=weights, scale=scale, exponential=loss.link == "exp")
