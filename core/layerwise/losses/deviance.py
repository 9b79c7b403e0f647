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
    least = 0.0

    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        np.exp(scores, out=at.gradient)
        np.subtract(at.gradient, targets, out=at.gradient)
        np.maximum(targets, at.tiny, out=at.scratch)
        np.log(at.scratch, out=at.scratch)
        np.subtract(at.scratch, scores, out=at.scratch)
        np.multiply(at.scratch, targets, out=at.scratch)
        np.add(at.scratch, at.gradient, out=at.scratch)
        np.add.reduce(at.scratch, axis=1, out=at.flat_row)
        at.scale(2 / scores.shape[1])


@dataclass(frozen=True, slots=True)
class Gamma(Loss):
    """2 (log(μ/y) + y/μ - 1), of amounts y > 0; its gradient in s is 2 (1 - y/μ)."""

    kind = "gamma"
    targets = "values"
    link = "exp"
    above = 0.0

    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        np.log(targets, out=at.scratch)
        np.subtract(scores, at.scratch, out=at.scratch)
        np.negative(at.scratch, out=at.gradient)
        np.exp(at.gradient, out=at.gradient)
        np.subtract(1.0, at.gradient, out=at.gradient)
        np.subtract(at.scratch, at.gradient, out=at.scratch)
        np.add.reduce(at.scratch, axis=1, out=at.flat_row)
        at.scale(2 / scores.shape[1])


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
    least = 0.0

    def measure(self, scores: Floats, targets: NDArray[Any], at: LossBuffers, /) -> None:
        one, two = 1 - self.power, 2 - self.power
        np.power(targets, two, out=at.spare)
        np.add.reduce(at.spare, axis=1, out=at.flat_row)
        np.multiply(at.flat_row, 1 / (one * two), out=at.flat_row)
        # y μ¹⁻ᵖ; bounded, because y = 0 and a mean near 0 would give 0 · infinity
        np.multiply(scores, one, out=at.scratch)
        np.minimum(at.scratch, at.longest, out=at.scratch)
        np.exp(at.scratch, out=at.scratch)
        np.multiply(at.scratch, targets, out=at.scratch)
        np.add.reduce(at.scratch, axis=1, out=at.picked)
        np.multiply(at.picked, 1 / one, out=at.picked)
        np.subtract(at.flat_row, at.picked, out=at.flat_row)
        # μ²⁻ᵖ
        np.multiply(scores, two, out=at.gradient)
        np.exp(at.gradient, out=at.gradient)
        np.add.reduce(at.gradient, axis=1, out=at.picked)
        np.multiply(at.picked, 1 / two, out=at.picked)
        np.add(at.flat_row, at.picked, out=at.flat_row)
        np.subtract(at.gradient, at.scratch, out=at.gradient)
        at.scale(2 / scores.shape[1])
