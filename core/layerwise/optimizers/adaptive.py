"""Optimisers that divide each gradient by its root mean square: Adagrad, RMSprop, Adadelta."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerwise.limits import Fraction, Positive
from layerwise.optimizers.optimizer import Optimizer
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class Adagrad(Optimizer):
    """G ← G + g², p ← p - η g / (√G + ε). Duchi, Hazan and Singer 2011.

    Parameters
    ----------
    learning_rate : float, optional
        None is chosen by `Plan.completed` from 0.01.
    epsilon : float, default 1e-10
        Above 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    learning_rate: Positive | None = None
    epsilon: Positive = 1e-10

    kind = "adagrad"
    usual_rate = 0.01
    state_vectors = ("squares",)

    def move(
        self, p: Floats, g: Floats, vectors: Sequence[Floats], scratch: Sequence[Floats], numbers: tuple[float, ...], /
    ) -> None:
        (G,), (s,), (rate,) = vectors, scratch, numbers
        np.multiply(g, g, out=s)
        np.add(G, s, out=G)
        np.sqrt(G, out=s)
        np.add(s, self.epsilon, out=s)
        np.divide(g, s, out=s)
        np.multiply(s, rate, out=s)
        np.subtract(p, s, out=p)


@dataclass(frozen=True, slots=True)
class RMSprop(Optimizer):
    """v ← α v + (1 - α) g², d ← μ d + g / (√v + ε), p ← p - η d. Tieleman and Hinton 2012, lecture 6.5.

    α is `decay`, μ is `momentum`.

    Parameters
    ----------
    learning_rate : float, optional
        None is chosen by `Plan.completed` from 0.01.
    decay : float, default 0.99
        Decay of the averages, at least 0 and below 1.
    epsilon : float, default 1e-8
        Above 0.
    momentum : float, default 0
        At least 0 and below 1.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    learning_rate: Positive | None = None
    decay: Fraction = 0.99
    epsilon: Positive = 1e-8
    momentum: Fraction = 0.0

    kind = "rmsprop"
    usual_rate = 0.01
    state_vectors = "variance", "velocity"

    @property
    def vectors(self) -> tuple[str, ...]:
        return self.state_vectors if self.momentum else ("variance",)

    def move(
        self, p: Floats, g: Floats, vectors: Sequence[Floats], scratch: Sequence[Floats], numbers: tuple[float, ...], /
    ) -> None:
        (s,), (rate,), v = scratch, numbers, vectors[0]
        _average_squares(v, g, self.decay, s)
        np.sqrt(v, out=s)
        np.add(s, self.epsilon, out=s)
        np.divide(g, s, out=s)
        if self.momentum:
            d = vectors[1]
            np.multiply(d, self.momentum, out=d)
            np.add(d, s, out=d)
            np.copyto(s, d)
        np.multiply(s, rate, out=s)
        np.subtract(p, s, out=p)


@dataclass(frozen=True, slots=True)
class Adadelta(Optimizer):
    """v ← ρ v + (1 - ρ) g², Δ = g √(u + ε) / √(v + ε), u ← ρ u + (1 - ρ) Δ², p ← p - η Δ. Zeiler 2012, algorithm 1.

    ρ is `decay`. The steps have the units of the parameters, so that the rate is usually 1.

    Parameters
    ----------
    learning_rate : float, optional
        None is chosen by `Plan.completed` from 1.
    decay : float, default 0.9
        Decay of the averages, at least 0 and below 1.
    epsilon : float, default 1e-6
        Above 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    learning_rate: Positive | None = None
    decay: Fraction = 0.9
    epsilon: Positive = 1e-6

    kind = "adadelta"
    usual_rate = 1.0
    temporaries = 2
    state_vectors = "variance", "step_variance"

    def move(
        self, p: Floats, g: Floats, vectors: Sequence[Floats], scratch: Sequence[Floats], numbers: tuple[float, ...], /
    ) -> None:
        (v, u), (s, delta), (rate,) = vectors, scratch, numbers
        _average_squares(v, g, self.decay, s)
        np.add(v, self.epsilon, out=s)
        np.sqrt(s, out=s)
        np.add(u, self.epsilon, out=delta)
        np.sqrt(delta, out=delta)
        np.divide(delta, s, out=delta)
        np.multiply(delta, g, out=delta)
        _average_squares(u, delta, self.decay, s)
        np.multiply(delta, rate, out=delta)
        np.subtract(p, delta, out=p)


def _average_squares(average: Floats, x: Floats, decay: Fraction, scratch: Floats) -> None:
    """average ← decay · average + (1 - decay) · x²."""
    np.multiply(average, decay, out=average)
    np.multiply(x, x, out=scratch)
    np.multiply(scratch, 1 - decay, out=scratch)
    np.add(average, scratch, out=average)
