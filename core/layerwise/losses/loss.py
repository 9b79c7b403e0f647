"""The base class of losses: value, gradient, and what other packages need to know of the class.

Scores are the outputs of the last layer, (n, k). Targets are class indices (n,), flags (n, k) or values (n, k).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from layerwise.types import Floats
from layerwise.variants import Variant
from layerwise.workspace import Arena


class LossBuffers:
    """The arrays that a loss of n rows and k outputs writes; `gradient` (n, k) receives the gradient.

    `scratch` and `spare` (n, k), `across`, the memory of `scratch` as (k, n), `picked` (n,) and the same memory as
    `column` (n, 1) may be overwritten by a loss.
    """

    def __init__(
        self, rows: int, outputs: int, dtype: DTypeLike, arena: Arena, *, gradient: Floats | None = None
    ) -> None:
        self.gradient: Floats = arena.empty((rows, outputs), dtype) if gradient is None else gradient
        self.flat_gradient: Floats = self.gradient.reshape(-1)
        self.row: Floats = arena.empty((rows, 1), dtype)
        self.flat_row: Floats = self.row.reshape(-1)
        self.picked: Floats = arena.empty((rows,), dtype)
        self.column: Floats = self.picked.reshape(-1, 1)
        self.scratch: Floats = arena.empty((rows, outputs), dtype)
        self.across: Floats = self.scratch.reshape(outputs, rows)
        self.flat_across: Floats = self.scratch.reshape(-1)
        self.spare: Floats = arena.empty((rows, outputs), dtype)
        self.first: NDArray[np.intp] = np.arange(0, rows * outputs, outputs, dtype=np.intp)
        self.counted: NDArray[np.intp] = np.arange(rows, dtype=np.intp)
        self.index: NDArray[np.intp] = arena.empty((rows,), np.intp)
        self.tiny = float(np.finfo(dtype).tiny)
        """The smallest normal number, a lower bound for the argument of a logarithm."""
        self.longest = -math.log(self.tiny)
        """The exponential of a larger number may overflow."""

    def scale(self, factor: float) -> None:
        """Multiply the rows' losses and their gradients."""
        if factor != 1:
            np.multiply(self.flat_row, factor, out=self.flat_row)
            np.multiply(self.gradient, factor, out=self.gradient)


@dataclass(frozen=True, slots=True)
class Loss(Variant, ABC):
    """A measure of the difference between scores and targets. To add one, see docs/architecture.md."""

    targets: ClassVar[Literal["classes", "flags", "values"]]
    """Class indices (n,); "flags", numbers from 0 to 1 (n, k), or classes; or numbers (n, k)."""
    link: ClassVar[Literal["softmax", "sigmoid", "exp", "identity"]]
    """The function from scores to predictions, which are probabilities or estimates of the targets."""
    least: ClassVar[float] = -math.inf
    """Targets are at least this."""
    above: ClassVar[float] = -math.inf
    """Targets are above this."""
    most: ClassVar[float] = math.inf
    """Targets are at most this."""

    @property
    def classifies(self) -> bool:
        """Whether the targets are classes, or flags."""
        return self.targets != "values"

    @property
    def takes_any_value(self) -> bool:
        """Whether the targets are values of any sign and size."""
        return self.targets == "values" and self.link == "identity"

    @property
    def gives_probabilities(self) -> bool:
        """Whether the scores estimate probabilities."""
        return self.link in ("softmax", "sigmoid")

    @property
    def binary(self) -> bool:
        """Whether the sign of a single output separates two classes."""
        return False

    @property
    def level(self) -> float | None:
        """The quantile of the targets that the scores estimate; None for the mean, or if the targets are classes."""
        return None

    def classes(self, outputs: int) -> int:
        """Return the number of classes that `outputs` outputs separate; fewer than 2 means none."""
        return 2 if self.binary and outputs == 1 else outputs

    @abstractmethod
    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        """Write each row's loss into `at.row` (n, 1), and its gradient into `at.gradient` (n, k)."""

    def evaluate(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, weights: Floats | None = None) -> float:
        """Return the sum of loss · weight over the rows, divided by n; its gradient is written into `at.gradient`.

        The divisor is the number of rows, not the sum of the weights: weights with the mean 1 keep the size of the
        loss relative to the penalties.
        """
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
        """Return the smooth piece that each score is on, which changes at a kink; None for a smooth loss."""
        del scores, targets
        return None
