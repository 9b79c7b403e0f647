"""The base class of optimisers each of whose steps uses all rows: a direction, and a search along it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from layerwise.errors import InvalidInput
from layerwise.optimizers.line_search import Point
from layerwise.optimizers.optimizer import Optimizer
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class FullBatchOptimizer(Optimizer, ABC):
    """An optimiser that may evaluate the loss of all rows several times in a step; `training.full_batch` calls it.

    Its state has the last `loss` and `gradient`, which the training writes, and what the subclass adds in `init`.
    """

    full_batch = True

    def init(self, parameters: Floats) -> dict[str, Floats]:
        """Return the state before the first step."""
        return {"gradient": np.zeros_like(parameters), "loss": np.zeros(1)}

    @abstractmethod
    def direction(self, state: Mapping[str, Floats], out: Floats, scratch: Floats) -> None:
        """Compute the direction in which the parameters move.

        Parameters
        ----------
        state : mapping of str to ndarray
            As `init` returns.
        out : ndarray (p,)
            Receives the direction.
        scratch : ndarray
            A buffer of at least CHUNK numbers, which is overwritten.
        """

    @abstractmethod
    def search(self, phi: Callable[[float], Point], start: Point, *, first: float) -> Point | None:
        """Search for a point with a lower loss along the direction.

        Parameters
        ----------
        phi : callable
            Evaluates the loss at a distance from `start`.
        start : Point
            The point where the search begins, at distance 0.
        first : float
            The distance to try first.

        Returns
        -------
        Point or None
            The point at which `phi` was called last; None if no lower loss was found.
        """

    @abstractmethod
    def store_pair(self, state: Mapping[str, Floats], step: Floats, change: Floats) -> None:
        """Learn from a step.

        Parameters
        ----------
        state : mapping of str to ndarray
            As `init` returns; it is changed.
        step, change : ndarray (p,)
            The step of the parameters, and the change of the gradient.
        """

    @abstractmethod
    def drop_pairs(self, state: Mapping[str, Floats]) -> bool:
        """Forget all steps, so that the next direction is the negative gradient.

        Parameters
        ----------
        state : mapping of str to ndarray
            As `init` returns; it is changed.

        Returns
        -------
        bool
            Whether there were any steps.
        """

    @abstractmethod
    def knows_curvature(self, state: Mapping[str, Floats]) -> bool:
        """Return whether the direction has a sensible length. If not, the first step is short.

        Parameters
        ----------
        state : mapping of str to ndarray
            As `init` returns.

        Returns
        -------
        bool
        """

    def move(
        self, p: Floats, g: Floats, vectors: Sequence[Floats], scratch: Sequence[Floats], numbers: tuple[float, ...], /
    ) -> NoReturn:
        """Raise InvalidInput: a step needs more than one gradient."""
        wanted = "expected an optimiser that trains in batches"
        raise InvalidInput("optimizer", f"{wanted}, {type(self).__name__} needs all rows at once")
