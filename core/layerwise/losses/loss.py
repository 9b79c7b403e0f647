"""What every loss is: a measure of scores against targets, and its gradient in the scores.

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
    """Where a loss of n rows and k outputs writes; `gradient` (n, k) receives the gradient in the scores.

    `scratch` and `spare` (n, k), `across`, the memory of `scratch` as (k, n), `picked` (n,) and its other shape
    `column` (n, 1) are free for a loss to use.
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
        """The smallest normal number: a logarithm of what may be zero begins there."""
        self.longest = -math.log(self.tiny)
        """The exponential of more may overflow."""

    def scale(self, factor: float) -> None:
        """Multiplies the rows' losses and their gradients."""
        if factor != 1:
            np.multiply(self.flat_row, factor, out=self.flat_row)
            np.multiply(self.gradient, factor, out=self.gradient)


@dataclass(frozen=True, slots=True)
class Loss(Variant, ABC):
    """Measures scores against targets."""

    targets: ClassVar[Literal["classes", "flags", "values"]]
    """What the targets are: class indices (n,); numbers from 0 to 1 (n, k), or classes; or any numbers (n, k)."""
    link: ClassVar[Literal["softmax", "sigmoid", "exp", "identity"]]
    """What turns scores into predictions: probabilities, or the mean of the targets."""
    least: ClassVar[float] = -math.inf
    """No target is below."""
    above: ClassVar[float] = -math.inf
    """Every target is above."""
    most: ClassVar[float] = math.inf
    """No target is above."""

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
        """Whether the sign of a single output tells two classes apart."""
        return False

    @property
    def level(self) -> float | None:
        """Which quantile of the targets the scores estimate, None if it is their mean, or they are no values."""
        return None

    def classes(self, outputs: int) -> int:
        """How many classes `outputs` outputs tell apart; fewer than 2 are none."""
        return 2 if self.binary and outputs == 1 else outputs

    @abstractmethod
    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        """Writes each row's loss into `at.row` (n, 1), and its gradient in the scores into `at.gradient` (n, k)."""

    def evaluate(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, weights: Floats | None = None) -> float:
        """The sum over the rows, each times its weight (n,), divided by n; its gradient is left in `at.gradient`.

        The divisor is the number of rows whatever their weights: a row of weight 2 counts as two rows would, and
        weights whose mean is 1 leave the size of the loss, and of the penalties beside it, as it was.
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
        """Which smooth piece each score is on, or None of a loss that is one: it changes where a kink is crossed."""
        del scores, targets
        return None
