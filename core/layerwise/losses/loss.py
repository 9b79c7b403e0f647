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
    """The arrays that a loss of n rows and k outputs writes.

    Attributes
    ----------
    gradient : ndarray (n, k)
        Receives the gradient; `flat_gradient` is the same memory as (n · k,).
    losses : ndarray (n,)
        Receives the loss of each row; `losses_column` is the same memory as (n, 1).
    scratch, second_scratch : ndarray (n, k)
        To be overwritten; `transposed_scratch` (k, n) and `flat_scratch` (n · k,) share the memory of `scratch`.
    row_scratch : ndarray (n,)
        To be overwritten; `row_scratch_column` is the same memory as (n, 1).
    flat_index : ndarray (n,)
        To be overwritten by an index into a flat array for each row.
    row_numbers, row_starts : ndarray (n,)
        0, 1, 2 … and the flat index of the first number of each row.
    """

    def __init__(
        self, rows: int, outputs: int, dtype: DTypeLike, arena: Arena, *, gradient: Floats | None = None
    ) -> None:
        self.gradient: Floats = arena.empty((rows, outputs), dtype) if gradient is None else gradient
        self.flat_gradient: Floats = self.gradient.reshape(-1)
        self.losses_column: Floats = arena.empty((rows, 1), dtype)
        self.losses: Floats = self.losses_column.reshape(-1)
        self.row_scratch: Floats = arena.empty((rows,), dtype)
        self.row_scratch_column: Floats = self.row_scratch.reshape(-1, 1)
        self.scratch: Floats = arena.empty((rows, outputs), dtype)
        self.transposed_scratch: Floats = self.scratch.reshape(outputs, rows)
        self.flat_scratch: Floats = self.scratch.reshape(-1)
        self.second_scratch: Floats = arena.empty((rows, outputs), dtype)
        self.row_starts: NDArray[np.intp] = np.arange(0, rows * outputs, outputs, dtype=np.intp)
        self.row_numbers: NDArray[np.intp] = np.arange(rows, dtype=np.intp)
        self.flat_index: NDArray[np.intp] = arena.empty((rows,), np.intp)
        self.tiny = float(np.finfo(dtype).tiny)
        """The smallest normal number, a lower bound for the argument of a logarithm."""
        self.largest_exponent = -math.log(self.tiny)
        """exp() of a larger number may overflow."""

    def scale(self, factor: float) -> None:
        """Multiply the rows' losses and their gradients."""
        if factor != 1:
            np.multiply(self.losses, factor, out=self.losses)
            np.multiply(self.gradient, factor, out=self.gradient)


@dataclass(frozen=True, slots=True)
class Loss(Variant, ABC):
    """A measure of the difference between scores and targets. To add one, see docs/architecture.md.

    Attributes
    ----------
    kind : str
        The name of the class.
    targets : {"classes", "flags", "values"}
        Class indices (n,); numbers from 0 to 1 (n, k), or class indices; or numbers (n, k).
    link : {"softmax", "sigmoid", "exp", "identity"}
        The function from scores to predictions, which are probabilities or estimates of the targets.
    min_target, max_target : float
        The smallest and the largest target allowed.
    targets_above : float
        Targets must be larger than this number.
    """

    targets: ClassVar[Literal["classes", "flags", "values"]]
    link: ClassVar[Literal["softmax", "sigmoid", "exp", "identity"]]
    min_target: ClassVar[float] = -math.inf
    max_target: ClassVar[float] = math.inf
    targets_above: ClassVar[float] = -math.inf

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
    def quantile_level(self) -> float | None:
        """The quantile of the targets that the scores estimate; None for the mean, or if the targets are classes."""
        return None

    def classes(self, outputs: int) -> int:
        """Return the number of classes that a network can tell apart.

        Parameters
        ----------
        outputs : int
            The units of its output layer.

        Returns
        -------
        int
            Below 2 if the loss cannot train a classifier with so few outputs.
        """
        return 2 if self.binary and outputs == 1 else outputs

    @abstractmethod
    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        """Compute the loss of each row, and its gradient with respect to the scores.

        Parameters
        ----------
        scores : ndarray (n, k)
            The outputs of the last layer; not to be changed.
        targets : ndarray (n,) or (n, k)
            As the class attribute `targets` says, in the dtype of the scores unless they are class indices.
        buffers : LossBuffers
            Its `losses` and `gradient` receive the results.
        """

    def evaluate(
        self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, weights: Floats | None = None
    ) -> float:
        """Return the weighted mean loss, Σ loss · weight / n, and compute its gradient.

        The divisor is the number of rows, not the sum of the weights: weights with the mean 1 keep the size of the
        loss relative to the penalties.

        Parameters
        ----------
        scores : ndarray (n, k)
            The outputs of the last layer.
        targets : ndarray (n,) or (n, k)
            As for `measure`.
        buffers : LossBuffers
            Its `gradient` receives the gradient of the mean.
        weights : ndarray (n,), optional
            Row weights; all are 1 by default.

        Returns
        -------
        float
        """
        rows = len(scores)
        self.measure(scores, targets, buffers)
        if weights is None:
            np.multiply(buffers.gradient, 1 / rows, out=buffers.gradient)
            return float(np.add.reduce(buffers.losses)) / rows
        loss = float(np.dot(buffers.losses, weights)) / rows
        np.multiply(weights, 1 / rows, out=buffers.losses)
        np.multiply(buffers.gradient, buffers.losses_column, out=buffers.gradient)
        return loss

    def active_piece(self, scores: Floats, targets: NDArray[Any], /) -> NDArray[Any] | None:
        """Return which smooth piece of the loss applies to each score, so that `gradient_check` can leave out kinks.

        Parameters
        ----------
        scores : ndarray (n, k)
            The outputs of the last layer.
        targets : ndarray (n,) or (n, k)
            As for `measure`.

        Returns
        -------
        ndarray (n, k) or None
            A number or flag of the piece; None for a smooth loss.
        """
        del scores, targets
        return None
