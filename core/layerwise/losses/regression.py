"""Losses of the errors d = score - target of a regression, each the mean over the outputs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.limits import OpenFraction, Positive
from layerwise.losses.loss import Loss, LossBuffers
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class SquaredError(Loss):
    """d², without a half; its gradient is 2 d. The scores estimate the mean of the targets."""

    kind = "squared_error"
    targets = "values"
    link = "identity"

    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        outputs = scores.shape[1]
        np.subtract(scores, targets, out=buffers.gradient)
        np.einsum("ij,ij->i", buffers.gradient, buffers.gradient, out=buffers.losses)
        np.multiply(buffers.losses, 1 / outputs, out=buffers.losses)
        np.multiply(buffers.gradient, 2 / outputs, out=buffers.gradient)


@dataclass(frozen=True, slots=True)
class AbsoluteError(Loss):
    """|d|; its gradient is the sign of d. The scores estimate the median of the targets."""

    kind = "absolute_error"
    targets = "values"
    link = "identity"

    @property
    def quantile_level(self) -> float:
        return 0.5

    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        np.subtract(scores, targets, out=buffers.gradient)
        np.abs(buffers.gradient, out=buffers.scratch)
        np.add.reduce(buffers.scratch, axis=1, out=buffers.losses)
        np.sign(buffers.gradient, out=buffers.gradient)
        buffers.scale(1 / scores.shape[1])

    def active_piece(self, scores: Floats, targets: NDArray[Any], /) -> NDArray[Any] | None:
        return scores > targets


@dataclass(frozen=True, slots=True)
class Huber(Loss):
    """d²/2 where |d| <= δ, else δ (|d| - δ/2). Huber 1964.

    With c = d clipped to [-δ, δ] both are c (d - c/2), and the gradient is c.

    Parameters
    ----------
    delta : float, default 1
        δ, above 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    delta: Positive = 1.0

    kind = "huber"
    targets = "values"
    link = "identity"

    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        np.subtract(scores, targets, out=buffers.scratch)
        np.minimum(buffers.scratch, self.delta, out=buffers.gradient)
        np.maximum(buffers.gradient, -self.delta, out=buffers.gradient)
        np.multiply(buffers.gradient, 0.5, out=buffers.second_scratch)
        np.subtract(buffers.scratch, buffers.second_scratch, out=buffers.scratch)
        np.einsum("ij,ij->i", buffers.gradient, buffers.scratch, out=buffers.losses)
        buffers.scale(1 / scores.shape[1])

    def active_piece(self, scores: Floats, targets: NDArray[Any], /) -> NDArray[Any] | None:
        pieces: NDArray[Any] = np.clip(np.trunc((scores - targets) / self.delta), -1, 1)
        return pieces


@dataclass(frozen=True, slots=True)
class Quantile(Loss):
    """(1 - q) d where d >= 0, else -q d: the scores estimate the q-quantile of the targets. Koenker and Bassett 1978.

    The gradient is 1 - q or -q, and the loss is d times it.

    Parameters
    ----------
    quantile : float, default 0.5
        q, above 0 and below 1.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    quantile: OpenFraction = 0.5

    kind = "quantile"
    targets = "values"
    link = "identity"

    @property
    def quantile_level(self) -> float:
        return self.quantile

    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        np.subtract(scores, targets, out=buffers.scratch)
        # q at d = 0, so that the gradient is zero there
        np.heaviside(buffers.scratch, self.quantile, out=buffers.gradient)
        np.subtract(buffers.gradient, self.quantile, out=buffers.gradient)
        np.einsum("ij,ij->i", buffers.scratch, buffers.gradient, out=buffers.losses)
        buffers.scale(1 / scores.shape[1])

    def active_piece(self, scores: Floats, targets: NDArray[Any], /) -> NDArray[Any] | None:
        return scores > targets
