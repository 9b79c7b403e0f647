"""The losses: each one's value and gradient side by side, and the table of their names.

Scores are the outputs of the last layer, (n, k). Targets are class indices (n,), or values (n, k) of a regression.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from layerwise.activations import Floats
from layerwise.arena import Arena
from layerwise.kinds import Kind


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


@dataclass(frozen=True, slots=True)
class Loss(Kind, ABC):
    """Measures scores against targets."""

    targets: ClassVar[Literal["classes", "values"]]
    """What the targets are: class indices (n,), or numbers (n, k)."""
    gives_probabilities: ClassVar[bool] = False
    """Whether softmax(scores) estimates the probability of each class."""

    @property
    def classifies(self) -> bool:
        """Whether the targets are classes."""
        return self.targets == "classes"

    @abstractmethod
    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        """Writes each row's loss into `at.row` (n, 1), and its gradient in the scores into `at.gradient` (n, k)."""

    def evaluate(
        self, scores: Floats, targets: NDArray[Any], at: LossBuffers, weights: Floats | None = None
    ) -> float:
        """The mean over the rows, each times its weight (n,); its gradient in `scores` is left in `at.gradient`."""
        rows = len(scores)
        self.measure(scores, targets, at)
        if weights is None:
            np.multiply(at.gradient, 1 / rows, out=at.gradient)
            return float(np.add.reduce(at.flat_row)) / rows
        loss = float(np.dot(at.flat_row, weights)) / rows
        np.multiply(weights, 1 / rows, out=at.flat_row)
        np.multiply(at.gradient, at.row, out=at.gradient)
        return loss

    def side(self, scores: Floats, targets: NDArray[Any], /) -> NDArray[Any] | None:
        """Which linear piece each score is on, or None of a smooth loss: it changes where a kink is crossed."""
        del scores, targets
        return None


@dataclass(frozen=True, slots=True)
class SoftmaxCrossEntropy(Loss):
    """-log softmax(scores) at the target, fused: the gradient is softmax(scores) - onehot. Bishop 2006, eq. 4.108."""

    kind = "softmax_cross_entropy"
    targets = "classes"
    gives_probabilities = True

    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        # shift first: exp() of a large score overflows
        np.maximum.reduce(scores, axis=1, keepdims=True, out=at.row)
        np.subtract(scores, at.row, out=at.gradient)
        np.add(at.first, targets, out=at.index)
        np.take(at.flat_gradient, at.index, out=at.picked, mode="clip")
        np.exp(at.gradient, out=at.gradient)
        np.add.reduce(at.gradient, axis=1, keepdims=True, out=at.row)
        np.divide(at.gradient, at.row, out=at.gradient)
        np.log(at.row, out=at.row)
        np.subtract(at.flat_row, at.picked, out=at.flat_row)
        np.take(at.flat_gradient, at.index, out=at.picked, mode="clip")
        np.subtract(at.picked, 1.0, out=at.picked)
        at.flat_gradient[at.index] = at.picked


@dataclass(frozen=True, slots=True)
class Hinge(Loss):
    """The sum over the wrong classes j of max(0, s_j - s_target + 1). Weston and Watkins 1999."""

    kind = "hinge"
    targets = "classes"

    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        np.add(at.first, targets, out=at.index)
        np.take(scores.reshape(-1), at.index, out=at.flat_row, mode="clip")
        np.subtract(scores, at.row, out=at.gradient)
        np.add(at.gradient, 1.0, out=at.gradient)
        np.maximum(at.gradient, 0.0, out=at.gradient)
        at.flat_gradient[at.index] = 0.0
        np.add.reduce(at.gradient, axis=1, keepdims=True, out=at.row)
        # each violated margin pulls its own score down and the target's up
        np.sign(at.gradient, out=at.gradient)
        np.add.reduce(at.gradient, axis=1, out=at.picked)
        np.negative(at.picked, out=at.picked)
        at.flat_gradient[at.index] = at.picked

    def side(self, scores: Floats, targets: NDArray[Any], /) -> NDArray[Any] | None:
        margins: Floats = scores - scores[np.arange(len(scores)), targets][:, None] + 1
        return margins > 0


@dataclass(frozen=True, slots=True)
class SquaredError(Loss):
    """The mean over the outputs of (score - target)², without a half."""

    kind = "squared_error"
    targets = "values"

    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        outputs = scores.shape[1]
        np.subtract(scores, targets, out=at.gradient)
        np.einsum("ij,ij->i", at.gradient, at.gradient, out=at.flat_row)
        np.multiply(at.flat_row, 1 / outputs, out=at.flat_row)
        np.multiply(at.gradient, 2 / outputs, out=at.gradient)


LOSSES: dict[str, type[Loss]] = {cls.kind: cls for cls in (SoftmaxCrossEntropy, Hinge, SquaredError)}
"""Every loss by its name; a name stands for the class's default object."""


def softmax(scores: Floats) -> Floats:
    """The probabilities (n, k) of `scores` (n, k): positive, each row's sum is 1."""
    p: Floats = scores - scores.max(axis=1, keepdims=True)
    np.exp(p, out=p)
    np.divide(p, p.sum(axis=1, keepdims=True), out=p)
    return p
