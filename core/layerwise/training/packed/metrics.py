"""The metrics of K networks over their batches, with the sums of `layerwise.metrics.running`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import kernels
from layerwise.losses import Loss
from layerwise.types import Flags, Floats
from layerwise.workspace import Arena


class PackedMetric:
    """Sums up what the metric of each of K networks needs, over batches of `rows` rows each.

    `parts` (K · rows, c) is what each row adds to the sums: 1 if its class is correct; 1 for each correct flag; or the
    squared error of each output. It is multiplied by the row weights, which have a sum of their own.
    """

    def __init__(
        self, loss: Loss, targets: NDArray[Any], *, networks: int, rows: int, dtype: np.dtype[Any], arena: Arena
    ) -> None:
        self._loss, self._classes = loss, targets.ndim == 1
        self._shape = networks, rows
        width = 1 if self._classes else targets.shape[1]
        self._parts: Floats = arena.empty((networks * rows, width), dtype)
        self._predicted: NDArray[np.intp] = arena.empty((networks * rows if self._classes else 0,), np.intp)
        self._flags: Flags = arena.empty((2, networks * rows, width), np.bool_)
        self._sums: Floats = arena.empty((networks, width), dtype)
        self._total: Floats = arena.empty((networks,), dtype)

    def measure(self, scores: Floats, targets: NDArray[Any], weights: Floats | None, sums: NDArray[np.float64]) -> None:
        """Add the sums of a batch to `sums` (K, sums). Allocates nothing."""
        parts = self._parts
        if self._classes:
            self._mark_correct_classes(scores, targets)
        elif self._loss.classifies:
            self._mark_correct_flags(scores, targets)
        else:
            self._squared_errors(scores, targets)
        if weights is not None:
            np.multiply(parts, weights[:, None], out=parts)
            np.add.reduce(weights.reshape(self._shape), axis=1, out=self._total)
            np.add(sums[:, -1], self._total, out=sums[:, -1])
        np.add.reduce(parts.reshape(*self._shape, -1), axis=1, out=self._sums)
        if self._loss.classifies:
            np.add.reduce(self._sums, axis=1, out=self._total)
            np.add(sums[:, 0], self._total, out=sums[:, 0])
        else:
            own = sums[:, : self._sums.shape[1]]
            np.add(own, self._sums, out=own)

    def _mark_correct_classes(self, scores: Floats, targets: NDArray[Any]) -> None:
        """Write 1 where the class of the largest score, or of the sign of a single score, is the target."""
        loops = kernels.compiled()
        if loops and scores.shape[1] > 1:
            loops.mark_correct(scores, targets, self._parts)
            return
        correct = self._flags[0, :, 0]
        if scores.shape[1] > 1:
            np.argmax(scores, axis=1, out=self._predicted)
        else:
            np.greater(scores[:, 0], 0.0, out=correct)
            np.copyto(self._predicted, correct)
        np.equal(self._predicted, targets, out=correct)
        np.copyto(self._parts[:, 0], correct)

    def _mark_correct_flags(self, scores: Floats, targets: NDArray[Any]) -> None:
        """Write 1 where a score is positive and the flag above 1/2, or neither."""
        predicted, flags = self._flags
        np.greater(scores, 0.0, out=predicted)
        np.greater(targets, 0.5, out=flags)
        np.equal(predicted, flags, out=predicted)
        np.copyto(self._parts, predicted)

    def _squared_errors(self, scores: Floats, targets: NDArray[Any]) -> None:
        """Write (prediction - target)²."""
        error = self._parts
        if self._loss.link == "exp":
            np.exp(scores, out=error)
            np.subtract(error, targets, out=error)
        else:
            np.subtract(scores, targets, out=error)
        np.multiply(error, error, out=error)
