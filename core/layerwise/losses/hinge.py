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
    """Base class of the losses that sum a penalty of margins over the outputs."""

    form: Literal["weston_watkins", "one_vs_rest"] = "weston_watkins"
    """Compare each score with that of the actual class (Weston and Watkins 1999), or each with 0."""

    targets = "classes"
    link = "identity"

    @property
    def binary(self) -> bool:
        return self.form == "one_vs_rest"

    @abstractmethod
    def penalize(self, at: LossBuffers, /) -> None:
        """Write the penalties of the margins in `at.gradient` into `at.row`, and replace the margins by derivatives."""

    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        if scores.shape[1] == 1:
            np.multiply(targets, 2, out=at.index)
            np.subtract(at.index, 1, out=at.index)
            np.copyto(at.picked, at.index)
            np.multiply(scores, at.column, out=at.gradient)
            np.subtract(1.0, at.gradient, out=at.gradient)
            np.maximum(at.gradient, 0.0, out=at.gradient)
            self.penalize(at)
            np.multiply(at.gradient, at.column, out=at.gradient)
            np.negative(at.gradient, out=at.gradient)
            return
        np.add(at.first, targets, out=at.index)
        np.take(scores.reshape(-1), at.index, out=at.picked, mode="clip")
        if self.form == "weston_watkins":
            np.subtract(scores, at.column, out=at.gradient)
            np.add(at.gradient, 1.0, out=at.gradient)
            at.flat_gradient[at.index] = 0.0
        else:
            np.add(scores, 1.0, out=at.gradient)
            np.subtract(1.0, at.picked, out=at.picked)
            at.flat_gradient[at.index] = at.picked
        np.maximum(at.gradient, 0.0, out=at.gradient)
        self.penalize(at)
        if self.form == "weston_watkins":
            np.add.reduce(at.gradient, axis=1, out=at.picked)
        else:
            np.take(at.flat_gradient, at.index, out=at.picked, mode="clip")
        np.negative(at.picked, out=at.picked)
        at.flat_gradient[at.index] = at.picked

    def side(self, scores: Floats, targets: NDArray[Any], /) -> NDArray[Any] | None:
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

    def penalize(self, at: LossBuffers, /) -> None:
        np.add.reduce(at.gradient, axis=1, out=at.flat_row)
        np.sign(at.gradient, out=at.gradient)


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

    def penalize(self, at: LossBuffers, /) -> None:
        np.einsum("ij,ij->i", at.gradient, at.gradient, out=at.flat_row)
        np.multiply(at.gradient, 2.0, out=at.gradient)
