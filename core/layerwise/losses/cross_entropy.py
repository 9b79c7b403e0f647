"""Cross-entropies: minus the logarithm of the predicted probability of the target."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import kernels
from layerwise.limits import Fraction
from layerwise.losses.loss import Loss, LossBuffers
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class SoftmaxCrossEntropy(Loss):
    """-Σ q log p, where p = softmax(s), fused: its gradient in s is p - q. Bishop 2006, eq. 4.108.

    q is 1 at the target, else 0. With label smoothing ε it is (1 - ε) at the target, plus ε/k at each of the k classes:
    Szegedy et al. 2016, section 7. Targets are class indices (n,).

    Parameters
    ----------
    label_smoothing : float, default 0
        ε, at least 0 and below 1.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    label_smoothing: Fraction = 0.0

    kind = "softmax_cross_entropy"
    targets = "classes"
    link = "softmax"

    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        rows, classes = scores.shape
        everywhere = self.label_smoothing / classes
        s = buffers.transposed_scratch  # the classes first: sums over few classes are then sums of whole rows of memory
        loops = kernels.compiled()
        if loops and not everywhere and rows > 1:  # of one row, NumPy adds the numbers up in another order
            loops.shift_scores(scores, targets, s, buffers.row_scratch)
            np.exp(s, out=s)
            loops.softmax_gradient(s, targets, buffers.losses, buffers.gradient)
            np.log(buffers.losses, out=buffers.losses)
            np.subtract(buffers.losses, buffers.row_scratch, out=buffers.losses)
            return
        np.copyto(s, scores.T)
        # shift first: exp() of a large score overflows
        np.maximum.reduce(s, axis=0, out=buffers.losses)
        np.subtract(s, buffers.losses, out=s)
        # Σ q s, and then log Σ exp(s) - Σ q s
        np.multiply(targets, rows, out=buffers.flat_index)
        np.add(buffers.flat_index, buffers.row_numbers, out=buffers.flat_index)
        np.take(buffers.flat_scratch, buffers.flat_index, out=buffers.row_scratch, mode="clip")
        if everywhere:
            np.multiply(buffers.row_scratch, 1 - self.label_smoothing, out=buffers.row_scratch)
            np.add.reduce(s, axis=0, out=buffers.losses)
            np.multiply(buffers.losses, everywhere, out=buffers.losses)
            np.add(buffers.row_scratch, buffers.losses, out=buffers.row_scratch)
        np.exp(s, out=s)
        np.add.reduce(s, axis=0, out=buffers.losses)
        np.divide(s, buffers.losses, out=s)
        np.log(buffers.losses, out=buffers.losses)
        np.subtract(buffers.losses, buffers.row_scratch, out=buffers.losses)
        # p - q
        np.take(buffers.flat_scratch, buffers.flat_index, out=buffers.row_scratch, mode="clip")
        np.subtract(buffers.row_scratch, 1.0 - self.label_smoothing, out=buffers.row_scratch)
        buffers.flat_scratch[buffers.flat_index] = buffers.row_scratch
        if everywhere:
            np.subtract(s, everywhere, out=s)
        np.copyto(buffers.gradient, s.T)


@dataclass(frozen=True, slots=True)
class SigmoidCrossEntropy(Loss):
    """-t log p - (1 - t) log(1 - p), where p = sigmoid(s): max(s, 0) - s t + log(1 + exp(-|s|)), gradient p - t.

    The mean over the outputs. Bishop 2006, eq. 4.90. It has three uses:

    - Flags: targets (n, k) from 0 to 1, of which several may be 1.
    - Two classes and one output, whose sign decides.
    - k classes and k outputs, each of which separates its class from the others.
    """

    kind = "sigmoid_cross_entropy"
    targets = "flags"
    link = "sigmoid"
    min_target, max_target = 0.0, 1.0

    @property
    def binary(self) -> bool:
        return True

    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        # e = exp(-|s|) never overflows, and sigmoid(s) is 1 / (1 + e) for s >= 0, else e / (1 + e)
        e = buffers.scratch
        np.abs(scores, out=e)
        np.negative(e, out=e)
        np.exp(e, out=e)
        np.heaviside(scores, 1.0, out=buffers.gradient)
        np.maximum(buffers.gradient, e, out=buffers.gradient)
        np.add(e, 1.0, out=buffers.second_scratch)
        np.divide(buffers.gradient, buffers.second_scratch, out=buffers.gradient)
        np.log1p(e, out=e)
        np.maximum(scores, 0.0, out=buffers.second_scratch)
        np.add(e, buffers.second_scratch, out=e)
        np.add.reduce(e, axis=1, out=buffers.losses)
        self._subtract_targets(scores, targets, buffers)
        buffers.scale(1 / scores.shape[1])

    @staticmethod
    def _subtract_targets(scores: Floats, targets: NDArray[Any], buffers: LossBuffers) -> None:
        """Subtract Σ s t from the rows' losses, and t from the gradient; t is 1 at the row's class, else 0."""
        if targets.ndim > 1:
            np.einsum("ij,ij->i", scores, targets, out=buffers.row_scratch)
            np.subtract(buffers.gradient, targets, out=buffers.gradient)
        elif scores.shape[1] == 1:
            np.copyto(buffers.row_scratch, targets)
            np.subtract(buffers.gradient, buffers.row_scratch_column, out=buffers.gradient)
            np.multiply(scores, buffers.row_scratch_column, out=buffers.row_scratch_column)
        else:
            np.add(buffers.row_starts, targets, out=buffers.flat_index)
            np.take(buffers.flat_gradient, buffers.flat_index, out=buffers.row_scratch, mode="clip")
            np.subtract(buffers.row_scratch, 1.0, out=buffers.row_scratch)
            buffers.flat_gradient[buffers.flat_index] = buffers.row_scratch
            np.take(scores.reshape(-1), buffers.flat_index, out=buffers.row_scratch, mode="clip")
        np.subtract(buffers.losses, buffers.row_scratch, out=buffers.losses)
