"""The optimisers: each is `init` and `update` over plain state, and the table of their names.

State is a few vectors as long as the parameters. An update runs over all of them in chunks that stay in the
processor's cache, in place, without allocating.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from layerwise.activations import Floats
from layerwise.checks import real_number
from layerwise.kinds import Kind

CHUNK = 16_384
"""Numbers a pass handles at once: four float32 vectors of them, 256 kB, fit the second-level cache."""


@dataclass(frozen=True, slots=True)
class Optimizer(Kind, ABC):
    """Moves the parameters against their gradient."""

    learning_rate: float

    usual_decay: ClassVar[float] = 0.0
    """The decoupled weight decay that goes with the optimiser, unless the plan gives another."""

    @abstractmethod
    def init(self, parameters: Floats) -> dict[str, Floats]:
        """The state before the first step: named vectors of the shape of `parameters`."""

    @abstractmethod
    def update(
        self,
        parameters: Floats,
        gradient: Floats,
        state: Mapping[str, Floats],
        *,
        rate: float,
        step: int,
        scratch: Floats,
    ) -> None:
        """Changes `parameters` and `state` in place by step number `step`, counted from 1, at the learning rate `rate`.

        `scratch` holds at least CHUNK numbers, or as many as there are parameters.
        """


def chunks(size: int) -> Iterator[slice]:
    """Slices of at most CHUNK that cover `size` numbers."""
    return (slice(start, min(start + CHUNK, size)) for start in range(0, size, CHUNK))


@dataclass(frozen=True, slots=True)
class SGD(Optimizer):
    """Stochastic gradient descent with classical momentum: v ← μ v + g, p ← p - η v. Polyak 1964."""

    learning_rate: float = 0.01
    momentum: float = 0.0

    kind = "sgd"

    def __post_init__(self) -> None:
        object.__setattr__(self, "learning_rate", real_number("learning_rate", self.learning_rate, above=0))
        object.__setattr__(self, "momentum", real_number("momentum", self.momentum, least=0, below=1))

    def init(self, parameters: Floats) -> dict[str, Floats]:
        return {"velocity": np.zeros_like(parameters)} if self.momentum else {}

    def update(
        self,
        parameters: Floats,
        gradient: Floats,
        state: Mapping[str, Floats],
        *,
        rate: float,
        step: int,
        scratch: Floats,
    ) -> None:
        del step
        for chunk in chunks(parameters.size):
            p, direction = parameters[chunk], gradient[chunk]
            s = scratch[: p.size]
            if self.momentum:
                v = state["velocity"][chunk]
                np.multiply(v, self.momentum, out=v)
                np.add(v, direction, out=v)
                direction = v
            np.multiply(direction, rate, out=s)
            np.subtract(p, s, out=p)


@dataclass(frozen=True, slots=True)
class Adam(Optimizer):
    """Adam with bias correction. Kingma and Ba 2015, algorithm 1; their α, β₁, β₂, ε."""

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    kind = "adam"

    def __post_init__(self) -> None:
        object.__setattr__(self, "learning_rate", real_number("learning_rate", self.learning_rate, above=0))
        object.__setattr__(self, "beta1", real_number("beta1", self.beta1, least=0, below=1))
        object.__setattr__(self, "beta2", real_number("beta2", self.beta2, least=0, below=1))
        object.__setattr__(self, "epsilon", real_number("epsilon", self.epsilon, above=0))

    def init(self, parameters: Floats) -> dict[str, Floats]:
        return {"mean": np.zeros_like(parameters), "variance": np.zeros_like(parameters)}

    def update(
        self,
        parameters: Floats,
        gradient: Floats,
        state: Mapping[str, Floats],
        *,
        rate: float,
        step: int,
        scratch: Floats,
    ) -> None:
        """p ← p - α m̂ / (√v̂ + ε), with both bias corrections drawn into the two scalars."""
        unbias = math.sqrt(1 - self.beta2**step)
        rate = rate * unbias / (1 - self.beta1**step)
        epsilon = self.epsilon * unbias
        for chunk in chunks(parameters.size):
            p, g, m, v = parameters[chunk], gradient[chunk], state["mean"][chunk], state["variance"][chunk]
            s = scratch[: p.size]
            np.subtract(g, m, out=s)
            np.multiply(s, 1 - self.beta1, out=s)
            np.add(m, s, out=m)
            np.multiply(v, self.beta2, out=v)
            np.multiply(g, g, out=s)
            np.multiply(s, 1 - self.beta2, out=s)
            np.add(v, s, out=v)
            np.sqrt(v, out=s)
            np.add(s, epsilon, out=s)
            np.divide(m, s, out=s)
            np.multiply(s, rate, out=s)
            np.subtract(p, s, out=p)


OPTIMIZERS: dict[str, type[Optimizer]] = {cls.kind: cls for cls in (SGD, Adam)}
"""Every optimiser by its name; a name stands for the class's default object."""
