"""The losses: each one's value and gradient side by side, and the table of their names.

Scores are the outputs of the last layer, (n, k). Targets are class indices (n,), or values (n, k) of a regression.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from layerwise.activations import Floats
from layerwise.arena import Arena


class LossBuffers:
    """Where a loss of n rows and k outputs writes; `gradient` (n, k) receives the gradient in the scores."""

    def __init__(self, rows: int, outputs: int, dtype: DTypeLike, arena: Arena) -> None:
        self.gradient: Floats = arena.empty((rows, outputs), dtype)
        self.flat_gradient: Floats = self.gradient.reshape(-1)
        self.row: Floats = arena.empty((rows, 1), dtype)
        self.flat_row: Floats = self.row.reshape(-1)
        self.picked: Floats = arena.empty((rows,), dtype)
        self.first: NDArray[np.intp] = np.arange(0, rows * outputs, outputs, dtype=np.intp)
        self.index: NDArray[np.intp] = arena.empty((rows,), np.intp)


class Loss(ABC):
    """Measures scores against targets."""

    classifies: ClassVar[bool]
    """Whether the targets are classes."""
    gives_probabilities: ClassVar[bool] = False
    """Whether softmax(scores) estimates the probability of each class."""

    @abstractmethod
    def evaluate(self, scores: Floats, targets: NDArray[Any], at: LossBuffers) -> float:
        """The mean over the rows; its gradient in `scores` is left in `at.gradient`."""

    def side(self, scores: Floats, targets: NDArray[Any], /) -> NDArray[Any] | None:
        """Which linear piece each score is on, or None of a smooth loss: it changes where a kink is crossed."""
        del scores, targets
        return None


class SoftmaxCrossEntropy(Loss):
    """-log softmax(scores) at the target, fused: the gradient is softmax(scores) - onehot. Bishop 2006, eq. 4.108."""

    classifies = True
    gives_probabilities = True

    def evaluate(self, scores: Floats, targets: NDArray[Any], at: LossBuffers) -> float:
        rows = len(scores)
        # shift first: exp() of a large score overflows
        np.maximum.reduce(scores, axis=1, keepdims=True, out=at.row)
        np.subtract(scores, at.row, out=at.gradient)
        np.add(at.first, targets, out=at.index)
        np.take(at.flat_gradient, at.index, out=at.picked, mode="clip")
        loss = -float(np.add.reduce(at.picked))
        np.exp(at.gradient, out=at.gradient)
        np.add.reduce(at.gradient, axis=1, keepdims=True, out=at.row)
        np.divide(at.gradient, at.row, out=at.gradient)
        np.log(at.row, out=at.row)
        loss += float(np.add.reduce(at.flat_row))
        np.take(at.flat_gradient, at.index, out=at.picked, mode="clip")
        np.subtract(at.picked, 1.0, out=at.picked)
        at.flat_gradient[at.index] = at.picked
        np.multiply(at.gradient, 1 / rows, out=at.gradient)
        return loss / rows


class Hinge(Loss):
    """The sum over the wrong classes j of max(0, s_j - s_target + 1). Weston and Watkins 1999."""

    classifies = True

    def evaluate(self, scores: Floats, targets: NDArray[Any], at: LossBuffers) -> float:
        rows = len(scores)
        np.add(at.first, targets, out=at.index)
        np.take(scores.reshape(-1), at.index, out=at.flat_row, mode="clip")
        np.subtract(scores, at.row, out=at.gradient)
        np.add(at.gradient, 1.0, out=at.gradient)
        np.maximum(at.gradient, 0.0, out=at.gradient)
        at.flat_gradient[at.index] = 0.0
        loss = float(np.add.reduce(at.flat_gradient)) / rows
        # each violated margin pulls its own score down and the target's up
        np.sign(at.gradient, out=at.gradient)
        np.add.reduce(at.gradient, axis=1, keepdims=True, out=at.row)
        np.negative(at.flat_row, out=at.picked)
        at.flat_gradient[at.index] = at.picked
        np.multiply(at.gradient, 1 / rows, out=at.gradient)
        return loss

    def side(self, scores: Floats, targets: NDArray[Any], /) -> NDArray[Any] | None:
        margins: Floats = scores - scores[np.arange(len(scores)), targets][:, None] + 1
        return margins > 0


class SquaredError(Loss):
    """The mean over rows and outputs of (score - target)², without a half."""

    classifies = False

    def evaluate(self, scores: Floats, targets: NDArray[Any], at: LossBuffers) -> float:
        np.subtract(scores, targets, out=at.gradient)
        loss = float(np.dot(at.flat_gradient, at.flat_gradient)) / scores.size
        np.multiply(at.gradient, 2 / scores.size, out=at.gradient)
        return loss


LOSSES: dict[str, Loss] = {
    "softmax_cross_entropy": SoftmaxCrossEntropy(),
    "hinge": Hinge(),
    "squared_error": SquaredError(),
}
"""Every loss by its name."""


def softmax(scores: Floats) -> Floats:
    """The probabilities (n, k) of `scores` (n, k): positive, each row's sum is 1."""
    p: Floats = scores - scores.max(axis=1, keepdims=True)
    np.exp(p, out=p)
    np.divide(p, p.sum(axis=1, keepdims=True), out=p)
    return p
