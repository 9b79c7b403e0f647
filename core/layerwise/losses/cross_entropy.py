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

    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        rows, classes = scores.shape
        everywhere = self.label_smoothing / classes
        s = at.across  # the classes first: sums over few classes are then sums of whole rows of memory
        loops = kernels.compiled()
        if loops and not everywhere and rows > 1:  # of one row, NumPy adds the numbers up in another order
            loops.shift_scores(scores, targets, s, at.picked)
            np.exp(s, out=s)
            loops.softmax_gradient(s, targets, at.flat_row, at.gradient)
            np.log(at.flat_row, out=at.flat_row)
            np.subtract(at.flat_row, at.picked, out=at.flat_row)
            return
        np.copyto(s, scores.T)
        # shift first: exp() of a large score overflows
        np.maximum.reduce(s, axis=0, out=at.flat_row)
        np.subtract(s, at.flat_row, out=s)
        # Σ q s, and then log Σ exp(s) - Σ q s
        np.multiply(targets, rows, out=at.index)
        np.add(at.index, at.counted, out=at.index)
        np.take(at.flat_across, at.index, out=at.picked, mode="clip")
        if everywhere:
            np.multiply(at.picked, 1 - self.label_smoothing, out=at.picked)
            np.add.reduce(s, axis=0, out=at.flat_row)
            np.multiply(at.flat_row, everywhere, out=at.flat_row)
            np.add(at.picked, at.flat_row, out=at.picked)
        np.exp(s, out=s)
        np.add.reduce(s, axis=0, out=at.flat_row)
        np.divide(s, at.flat_row, out=s)
        np.log(at.flat_row, out=at.flat_row)
        np.subtract(at.flat_row, at.picked, out=at.flat_row)
        # p - q
        np.take(at.flat_across, at.index, out=at.picked, mode="clip")
        np.subtract(at.picked, 1.0 - self.label_smoothing, out=at.picked)
        at.flat_across[at.index] = at.picked
        if everywhere:
            np.subtract(s, everywhere, out=s)
        np.copyto(at.gradient, s.T)


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
    least, most = 0.0, 1.0

    @property
    def binary(self) -> bool:
        return True

    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        # e = exp(-|s|) never overflows, and sigmoid(s) is 1 / (1 + e) for s >= 0, else e / (1 + e)
        e = at.scratch
        np.abs(scores, out=e)
        np.negative(e, out=e)
        np.exp(e, out=e)
        np.heaviside(scores, 1.0, out=at.gradient)
        np.maximum(at.gradient, e, out=at.gradient)
        np.add(e, 1.0, out=at.spare)
        np.divide(at.gradient, at.spare, out=at.gradient)
        np.log1p(e, out=e)
        np.maximum(scores, 0.0, out=at.spare)
        np.add(e, at.spare, out=e)
        np.add.reduce(e, axis=1, out=at.flat_row)
        self._subtract_targets(scores, targets, at)
        at.scale(1 / scores.shape[1])

    @staticmethod
    def _subtract_targets(scores: Floats, targets: NDArray[Any], at: LossBuffers) -> None:
        """Subtract Σ s t from the rows' losses, and t from the gradient; t is 1 at the row's class, else 0."""
        if targets.ndim > 1:
            np.einsum("ij,ij->i", scores, targets, out=at.picked)
            np.subtract(at.gradient, targets, out=at.gradient)
        elif scores.shape[1] == 1:
            np.copyto(at.picked, targets)
            np.subtract(at.gradient, at.column, out=at.gradient)
            np.multiply(scores, at.column, out=at.column)
        else:
            np.add(at.first, targets, out=at.index)
            np.take(at.flat_gradient, at.index, out=at.picked, mode="clip")
            np.subtract(at.picked, 1.0, out=at.picked)
            at.flat_gradient[at.index] = at.picked
            np.take(scores.reshape(-1), at.index, out=at.picked, mode="clip")
        np.subtract(at.flat_row, at.picked, out=at.flat_row)
