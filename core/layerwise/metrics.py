"""What a record tells beside the loss: accuracy of a classifier, R² of a regression, summed up batch by batch."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from layerwise import kinds
from layerwise.activations import Floats
from layerwise.data import blocks
from layerwise.losses import LOSSES, Loss
from layerwise.splits import Rows


def metric_name(loss: str | Loss) -> str:
    """The metric that goes with the loss, an object or its name: "accuracy" or "r2". Raises InvalidInput."""
    return Accuracy.name if kinds.chosen("loss", loss, LOSSES).classifies else RSquared.name


class Metric(ABC):
    """Adds up over batches what the metric of all their rows needs."""

    name: ClassVar[str]
    sums: int
    """How many sums it keeps."""

    @abstractmethod
    def measure(self, scores: Floats, targets: NDArray[Any], out: NDArray[np.float64]) -> None:
        """Writes the sums of a batch into `out` (sums,)."""

    @abstractmethod
    def value(self, sums: NDArray[np.float64], rows: int) -> float:
        """The metric of `rows` rows whose sums, added up, are `sums`."""


class Accuracy(Metric):
    """The share of rows whose largest score is the target's."""

    name = "accuracy"
    sums = 1

    def __init__(self, rows: int) -> None:
        self._decided: NDArray[np.intp] = np.empty(rows, np.intp)
        self._right: NDArray[np.bool_] = np.empty(rows, np.bool_)

    def measure(self, scores: Floats, targets: NDArray[Any], out: NDArray[np.float64]) -> None:
        rows = len(scores)
        decided, right = self._decided[:rows], self._right[:rows]
        np.argmax(scores, axis=1, out=decided)
        np.equal(decided, targets, out=right)
        out[0] = np.count_nonzero(right)

    def value(self, sums: NDArray[np.float64], rows: int) -> float:
        return float(sums[0]) / rows


class RSquared(Metric):
    """1 - (squared errors) / (squared deviations from the mean), averaged over the outputs.

    The mean and the deviations are those of `targets[rows]`, whatever part of these rows is measured. Of targets that
    are all equal it is 1 if every error is zero, else 0, as scikit-learn has it.
    """

    name = "r2"

    def __init__(self, targets: NDArray[Any], rows: Rows, batch: int, dtype: np.dtype[Any]) -> None:
        self.sums = targets.shape[1]
        self._spread = _spread(targets, rows) / len(rows)
        self._error: Floats = np.empty((batch, self.sums), dtype)
        self._sum: Floats = np.empty(self.sums, dtype)

    def measure(self, scores: Floats, targets: NDArray[Any], out: NDArray[np.float64]) -> None:
        error = self._error[: len(scores)]
        np.subtract(scores, targets, out=error)
        np.multiply(error, error, out=error)
        np.add.reduce(error, axis=0, out=self._sum)
        np.copyto(out, self._sum)

    def value(self, sums: NDArray[np.float64], rows: int) -> float:
        constant = self._spread == 0
        unexplained = np.where(constant, sums > 0, sums / rows / np.where(constant, 1.0, self._spread))
        return float(np.mean(1.0 - unexplained))


def metric_of(loss: Loss, targets: NDArray[Any], rows: Rows, batch: int, dtype: np.dtype[Any]) -> Metric:
    """The metric that goes with the loss, of `targets[rows]`, for batches of up to `batch` rows."""
    return Accuracy(batch) if loss.classifies else RSquared(targets, rows, batch, dtype)


def _spread(targets: NDArray[Any], rows: Rows) -> NDArray[np.float64]:
    """The sum of squared deviations from the mean of each column of `targets[rows]`, read block by block."""
    width = targets.shape[1]
    total = np.zeros(width)
    for block in blocks(len(rows), width):
        total += targets[rows[block]].sum(axis=0, dtype=np.float64)
    mean = total / len(rows)
    spread = np.zeros(width)
    for block in blocks(len(rows), width):
        deviation = targets[rows[block]] - mean
        spread += np.einsum("ij,ij->j", deviation, deviation)
    return spread
