"""Hinge losses: 0 where the score of the actual class exceeds the others by a margin of 1.

Both compute margins m >= 0 from the scores s and the target y, sum a penalty of each, and turn the derivative of the
penalty with respect to m into the gradient with respect to s:

    form               margins                                          gradient, g = derivative of the penalty
    weston_watkins     m_j = max(0, 1 + s_j - s_y), m_y = 0             g_j, and -Σ g_j at y
    one_vs_rest        m_j = max(0, 1 + s_j), m_y = max(0, 1 - s_y)     g_j, and -g_y at y
    the same, k = 1    m = max(0, 1 - t s), t = -1, 1 of two classes    -t g
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from layerwise.losses.loss import Loss, LossBuffers
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class MarginLoss(Loss, ABC):
    """Base class of losses that are the sum of a penalty of each margin."""

    form: Literal["weston_watkins", "one_vs_rest"] = "weston_watkins"
    """Compare each score with that of the actual class (Weston and Watkins 1999), or each with 0."""

    targets = "classes"
    link = "identity"

    @property
    def binary(self) -> bool:
        return self.form == "one_vs_rest"

    @abstractmethod
    def penalize(self, buffers: LossBuffers, /) -> None:
        """Compute the sum of the penalties of each row, and their derivatives.

        Parameters
        ----------
        buffers : LossBuffers
            `gradient` holds the margins, which the derivatives replace; `losses` receives the sums.
        """

    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        if scores.shape[1] == 1:
            np.multiply(targets, 2, out=buffers.flat_index)
            np.subtract(buffers.flat_index, 1, out=buffers.flat_index)
            np.copyto(buffers.row_scratch, buffers.flat_index)
            np.multiply(scores, buffers.row_scratch_column, out=buffers.gradient)
            np.subtract(1.0, buffers.gradient, out=buffers.gradient)
            np.maximum(buffers.gradient, 0.0, out=buffers.gradient)
            self.penalize(buffers)
            np.multiply(buffers.gradient, buffers.row_scratch_column, out=buffers.gradient)
            np.negative(buffers.gradient, out=buffers.gradient)
            return
        np.add(buffers.row_starts, targets, out=buffers.flat_index)
        np.take(scores.reshape(-1), buffers.flat_index, out=buffers.row_scratch, mode="clip")
        if self.form == "weston_watkins":
            np.subtract(scores, buffers.row_scratch_column, out=buffers.gradient)
            np.add(buffers.gradient, 1.0, out=buffers.gradient)
            buffers.flat_gradient[buffers.flat_index] = 0.0
        else:
            np.add(scores, 1.0, out=buffers.gradient)
            np.subtract(1.0, buffers.row_scratch, out=buffers.row_scratch)
            buffers.flat_gradient[buffers.flat_index] = buffers.row_scratch
        np.maximum(buffers.gradient, 0.0, out=buffers.gradient)
        self.penalize(buffers)
        if self.form == "weston_watkins":
            np.add.reduce(buffers.gradient, axis=1, out=buffers.row_scratch)
        else:
            np.take(buffers.flat_gradient, buffers.flat_index, out=buffers.row_scratch, mode="clip")
        np.negative(buffers.row_scratch, out=buffers.row_scratch)
        buffers.flat_gradient[buffers.flat_index] = buffers.row_scratch

    def active_piece(self, scores: Floats, targets: NDArray[Any], /) -> NDArray[Any] | None:
        margins: Floats
        classes: NDArray[np.intp] = np.arange(scores.shape[1], dtype=np.intp)
        right: NDArray[np.bool_] = np.equal(classes, targets[:, None])
        if scores.shape[1] == 1:
            margins = 1 - scores * (2 * targets[:, None] - 1)
        elif self.form == "weston_watkins":
            margins = 1 + scores - scores[right][:, None]
        else:
            margins = np.where(right, 1 - scores, 1 + scores)
        return margins > 0


@dataclass(frozen=True, slots=True)
class Hinge(MarginLoss):
    """Σ m. With two classes and one output it is the loss of a support vector machine.

    Parameters
    ----------
    form : {"weston_watkins", "one_vs_rest"}, default "weston_watkins"
        Compare each score with that of the actual class (Weston and Watkins 1999), or each with 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    kind = "hinge"

    def penalize(self, buffers: LossBuffers, /) -> None:
        np.add.reduce(buffers.gradient, axis=1, out=buffers.losses)
        np.sign(buffers.gradient, out=buffers.gradient)


@dataclass(frozen=True, slots=True)
class SquaredHinge(MarginLoss):
    """Σ m², a smooth hinge loss, with the derivative 2 m.

    Parameters
    ----------
    form : {"weston_watkins", "one_vs_rest"}, default "weston_watkins"
        Compare each score with that of the actual class (Weston and Watkins 1999), or each with 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    kind = "squared_hinge"

    def penalize(self, buffers: LossBuffers, /) -> None:
        np.einsum("ij,ij->i", buffers.gradient, buffers.gradient, out=buffers.losses)
        np.multiply(buffers.gradient, 2.0, out=buffers.gradient)
