"""Stochastic gradient descent, with Polyak's or Nesterov's momentum."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from layerwise import kernels
from layerwise.errors import InvalidInput
from layerwise.limits import Fraction, Positive
from layerwise.optimizers.optimizer import Optimizer
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class SGD(Optimizer):
    """Gradient descent with momentum: v ← μ v + g, p ← p - η v. Polyak 1964.

    With `nesterov`: p ← p - η (g + μ v). Nesterov 1983, in the form of Sutskever et al. 2013.

    Parameters
    ----------
    learning_rate : float, optional
        None is chosen by `Plan.completed` from 0.01.
    momentum : float, default 0
        μ, at least 0 and below 1.
    nesterov : bool, default False
        Use Nesterov's momentum, which must be above 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    learning_rate: Positive | None = None
    momentum: Fraction = 0.0
    nesterov: bool = False

    kind = "sgd"
    usual_rate = 0.01
    state_vectors = ("velocity",)

    def check_together(self) -> None:
        if self.nesterov and not self.momentum:
            raise InvalidInput("nesterov", "expected a momentum above 0 to go with it, got 0")

    @property
    def vectors(self) -> tuple[str, ...]:
        return self.state_vectors if self.momentum else ()

    @property
    def constants(self) -> tuple[float, ...]:
        return (self.momentum,) if self.momentum else ()

    def compiled(self) -> Callable[..., None] | None:
        kind = "nesterov" if self.nesterov else "momentum" if self.momentum else "sgd"
        return getattr(kernels.compiled(), kind, None)

    def move(
        self, p: Floats, g: Floats, vectors: Sequence[Floats], scratch: Sequence[Floats], numbers: tuple[float, ...], /
    ) -> None:
        (s,), (rate,), direction = scratch, numbers, g
        if self.momentum:
            (v,) = vectors
            np.multiply(v, self.momentum, out=v)
            np.add(v, g, out=v)
            direction = v
        if self.nesterov:
            np.multiply(direction, self.momentum, out=s)
            np.add(s, g, out=s)
            direction = s
        np.multiply(direction, rate, out=s)
        np.subtract(p, s, out=p)
