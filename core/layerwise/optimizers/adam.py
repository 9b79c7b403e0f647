"""Adam, AdamW with decoupled weight decay, and NAdam with Nesterov's momentum."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from layerwise import kernels
from layerwise.limits import Fraction, NotNegative, Positive
from layerwise.optimizers.optimizer import Optimizer
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class Adam(Optimizer):
    """m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², p ← p - η m̂ / (√v̂ + ε).

    m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ) correct the bias of m and v, which start at 0; t is the step.
    Kingma and Ba 2015, algorithm 1; their α is η.

    Parameters
    ----------
    learning_rate : float, optional
        None is chosen by `Plan.completed` from 1e-3.
    beta1, beta2 : float, default 0.9 and 0.999
        Decay of the averages m and v, at least 0 and below 1.
    epsilon : float, default 1e-8
        Added to √v̂, above 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    learning_rate: Positive | None = None
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: Positive = 1e-8

    kind = "adam"
    usual_rate = 1e-3
    state_vectors = "mean", "variance"

    def numbers(self, state: Mapping[str, Floats], rate: float, step: int) -> tuple[float, ...]:
        """Return the rate and ε for m and v without their factors.

        m̂ = m (1 - β₁) / (1 - β₁ᵗ) and v̂ = v b, where b = (1 - β₂) / (1 - β₂ᵗ). So
        m̂ / (√v̂ + ε) = m (1 - β₁) / (1 - β₁ᵗ) / √b / (√v + ε / √b).
        """
        del state
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**step))
        return rate * (1 - self.beta1) / (1 - self.beta1**step) / root, self.epsilon / root

    @property
    def constants(self) -> tuple[float, ...]:
        return self.beta1, self.beta2

    def compiled(self) -> Callable[..., None] | None:
        loops = kernels.compiled()
        return loops.adam if loops else None

    def move(
        self, p: Floats, g: Floats, vectors: Sequence[Floats], scratch: Sequence[Floats], numbers: tuple[float, ...], /
    ) -> None:
        (m, v), (s,), (rate, epsilon) = vectors, scratch, numbers
        self.average(m, v, g, s)
        np.sqrt(v, out=s)
        np.add(s, epsilon, out=s)
        np.divide(m, s, out=s)
        np.multiply(s, rate, out=s)
        np.subtract(p, s, out=p)

    def average(self, m: Floats, v: Floats, g: Floats, s: Floats) -> None:
        """Update the averages: m ← β₁ m + g, v ← β₂ v + g². The factors 1 - β of the paper are in `numbers`.

        Parameters
        ----------
        m, v : ndarray (m,)
            The averages, which are changed.
        g : ndarray (m,)
            The gradient.
        s : ndarray (m,)
            Is overwritten.
        """
        np.multiply(m, self.beta1, out=m)
        np.add(m, g, out=m)
        np.multiply(v, self.beta2, out=v)
        np.multiply(g, g, out=s)
        np.add(v, s, out=v)


@dataclass(frozen=True, slots=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: each step also shrinks the weights, not the biases, by η · 0.01.

    The plan's `weight_decay` replaces 0.01. Loshchilov and Hutter 2019.

    Parameters
    ----------
    learning_rate : float, optional
        None is chosen by `Plan.completed` from 1e-3.
    beta1, beta2 : float, default 0.9 and 0.999
        Decay of the averages m and v, at least 0 and below 1.
    epsilon : float, default 1e-8
        Added to √v̂, above 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    kind = "adamw"
    usual_decay = 0.01


@dataclass(frozen=True, slots=True)
class NAdam(Adam):
    """Adam with Nesterov's momentum: p ← p - η ((1 - μₜ) g / (1 - Πₜ) + μₜ₊₁ m / (1 - Πₜ μₜ₊₁)) / (√v̂ + ε).

    μₜ = β₁ (1 - 0.96^(t ψ) / 2) rises to β₁, ψ is `momentum_decay`, Πₜ = μ₁ μ₂ … μₜ. Dozat 2016.

    Parameters
    ----------
    learning_rate : float, optional
        None is chosen by `Plan.completed` from 2e-3.
    beta1, beta2 : float, default 0.9 and 0.999
        Decay of the averages m and v, at least 0 and below 1.
    epsilon : float, default 1e-8
        Added to √v̂, above 0.
    momentum_decay : float, default 4e-3
        At least 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    momentum_decay: NotNegative = 4e-3

    kind = "nadam"
    usual_rate = 2e-3
    temporaries = 2
    state_numbers: ClassVar[Mapping[str, float]] = {"momentum_product": 1.0}

    def numbers(self, state: Mapping[str, Floats], rate: float, step: int) -> tuple[float, ...]:
        """Return the rates of g and m, and ε, each with the factor of √v̂; multiply Π by μₜ."""
        now, following = self._momentum(step), self._momentum(step + 1)
        state["momentum_product"][0] *= now
        product = float(state["momentum_product"][0])
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**step))
        rate /= root
        ahead = rate * following * (1 - self.beta1) / (1 - product * following)
        return rate * (1 - now) / (1 - product), ahead, self.epsilon / root

    def compiled(self) -> Callable[..., None] | None:
        loops = kernels.compiled()
        return loops.nadam if loops else None

    def move(
        self, p: Floats, g: Floats, vectors: Sequence[Floats], scratch: Sequence[Floats], numbers: tuple[float, ...], /
    ) -> None:
        (m, v), (s, direction), (rate_g, rate_m, epsilon) = vectors, scratch, numbers
        self.average(m, v, g, s)
        np.multiply(g, rate_g, out=direction)
        np.multiply(m, rate_m, out=s)
        np.add(direction, s, out=direction)
        np.sqrt(v, out=s)
        np.add(s, epsilon, out=s)
        np.divide(direction, s, out=s)
        np.subtract(p, s, out=p)

    def _momentum(self, step: int) -> float:
        return self.beta1 * (1 - 0.5 * math.pow(0.96, step * self.momentum_decay))
