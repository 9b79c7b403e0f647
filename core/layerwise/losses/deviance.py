"""Unit deviances of positive targets: twice the log-likelihood of a perfect fit minus that of the model.

The score is the logarithm of the mean, μ = exp(s), so that scores may have any value. Each loss is the mean over the
outputs. McCullagh and Nelder 1989, chapter 2.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from layerwise.limits import Limits
from layerwise.losses.loss import Loss, LossBuffers
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class Poisson(Loss):
    """2 (y log(y/μ) + μ - y), of counts y >= 0, where 0 log 0 is 0; its gradient in s is 2 (μ - y)."""

    kind = "poisson"
    targets = "values"
    link = "exp"
    min_target = 0.0

    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        np.exp(scores, out=buffers.gradient)
        np.subtract(buffers.gradient, targets, out=buffers.gradient)
        np.maximum(targets, buffers.tiny, out=buffers.scratch)
        np.log(buffers.scratch, out=buffers.scratch)
        np.subtract(buffers.scratch, scores, out=buffers.scratch)
        np.multiply(buffers.scratch, targets, out=buffers.scratch)
        np.add(buffers.scratch, buffers.gradient, out=buffers.scratch)
        np.add.reduce(buffers.scratch, axis=1, out=buffers.losses)
        buffers.scale(2 / scores.shape[1])


@dataclass(frozen=True, slots=True)
class Gamma(Loss):
    """2 (log(μ/y) + y/μ - 1), of amounts y > 0; its gradient in s is 2 (1 - y/μ)."""

    kind = "gamma"
    targets = "values"
    link = "exp"
    targets_above = 0.0

    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        np.log(targets, out=buffers.scratch)
        np.subtract(scores, buffers.scratch, out=buffers.scratch)
        np.negative(buffers.scratch, out=buffers.gradient)
        np.exp(buffers.gradient, out=buffers.gradient)
        np.subtract(1.0, buffers.gradient, out=buffers.gradient)
        np.subtract(buffers.scratch, buffers.gradient, out=buffers.scratch)
        np.add.reduce(buffers.scratch, axis=1, out=buffers.losses)
        buffers.scale(2 / scores.shape[1])


@dataclass(frozen=True, slots=True)
class Tweedie(Loss):
    """2 (y²⁻ᵖ / ((1-p)(2-p)) - y μ¹⁻ᵖ / (1-p) + μ²⁻ᵖ / (2-p)), of y >= 0; its gradient in s is 2 (μ²⁻ᵖ - y μ¹⁻ᵖ).

    The deviance of a sum of a random number of gamma-distributed amounts, such as insurance claims. Jørgensen 1987.

    Parameters
    ----------
    power : float, default 1.5
        p, between 1 (Poisson) and 2 (gamma), both excluded.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    power: Annotated[float, Limits(above=1, below=2)] = 1.5

    kind = "tweedie"
    targets = "values"
    link = "exp"
    min_target = 0.0

    def measure(self, scores: Floats, targets: NDArray[Any], buffers: LossBuffers, /) -> None:
        one, two = 1 - self.power, 2 - self.power
        np.power(targets, two, out=buffers.second_scratch)
        np.add.reduce(buffers.second_scratch, axis=1, out=buffers.losses)
        np.multiply(buffers.losses, 1 / (one * two), out=buffers.losses)
        # y μ¹⁻ᵖ; bounded, because y = 0 and a mean near 0 would give 0 · infinity
        np.multiply(scores, one, out=buffers.scratch)
        np.minimum(buffers.scratch, buffers.largest_exponent, out=buffers.scratch)
        np.exp(buffers.scratch, out=buffers.scratch)
        np.multiply(buffers.scratch, targets, out=buffers.scratch)
        np.add.reduce(buffers.scratch, axis=1, out=buffers.row_scratch)
        np.multiply(buffers.row_scratch, 1 / one, out=buffers.row_scratch)
        np.subtract(buffers.losses, buffers.row_scratch, out=buffers.losses)
        # μ²⁻ᵖ
        np.multiply(scores, two, out=buffers.gradient)
        np.exp(buffers.gradient, out=buffers.gradient)
        np.add.reduce(buffers.gradient, axis=1, out=buffers.row_scratch)
        np.multiply(buffers.row_scratch, 1 / two, out=buffers.row_scratch)
        np.add(buffers.losses, buffers.row_scratch, out=buffers.losses)
        np.subtract(buffers.gradient, buffers.scratch, out=buffers.gradient)
        buffers.scale(2 / scores.shape[1])
