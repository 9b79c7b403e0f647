"""L-BFGS: a quasi-Newton method, each of whose steps uses all rows."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from layerwise.checks import real_number
from layerwise.limits import Count, Limits, OpenFraction, Positive
from layerwise.optimizers.full_batch import FullBatchOptimizer
from layerwise.optimizers.line_search import Point, strong_wolfe
from layerwise.optimizers.optimizer import chunks
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class LBFGS(FullBatchOptimizer):
    """p ← p - t H g, with H from the last pairs of a step s and the change y of the gradient.

    t satisfies the strong Wolfe conditions. Liu and Nocedal 1989; Nocedal and Wright 2006, algorithm 7.5.

    One iteration over all rows is a step and an epoch. The plan's batch size and shuffling have no effect. Training
    ends, `converged`, when a step along the negative gradient does not lower the loss.

    Parameters
    ----------
    learning_rate : float, optional
        The first t that is tried. None is chosen by `Plan.completed` from 1.
    history : int, default 10
        Number of pairs, 1 to 1000.
    max_evaluations : int, default 25
        Largest number of evaluations of the loss in a step.
    c1, c2 : float, default 1e-4 and 0.9
        The constants of the Wolfe conditions, 0 < c1 < c2 < 1.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    learning_rate: Positive | None = None
    history: Annotated[int, Limits(least=1, most=1000)] = 10
    max_evaluations: Count = 25
    c1: OpenFraction = 1e-4
    c2: float = 0.9

    kind = "lbfgs"
    usual_rate = 1.0

    def check_together(self) -> None:
        real_number("c2", self.c2, above=self.c1, below=1)

    @property
    def vector_count(self) -> int:
        return 2 * self.history

    def init(self, parameters: Floats) -> dict[str, Floats]:
        """Return the pairs as rows, the newest at (`pairs` - 1) modulo `history`, and the last loss and gradient."""
        shape = self.history, parameters.size
        return {
            "steps": np.zeros(shape, parameters.dtype),
            "changes": np.zeros(shape, parameters.dtype),
            "products": np.zeros(self.history),
            "pairs": np.zeros(1),
        } | FullBatchOptimizer.init(self, parameters)

    def direction(self, state: Mapping[str, Floats], out: Floats, scratch: Floats) -> None:
        """Compute -H g by the two-loop recursion, algorithm 7.4, with H₀ of equation 7.20.

        Parameters
        ----------
        state : mapping of str to ndarray
            As `init` returns.
        out : ndarray (p,)
            Receives the direction.
        scratch : ndarray
            A buffer of at least CHUNK numbers, which is overwritten.
        """
        steps, changes, products = state["steps"], state["changes"], state["products"]
        pairs = int(state["pairs"][0])
        newest_first = [i % self.history for i in range(pairs - 1, max(pairs - self.history, 0) - 1, -1)]
        alphas: list[float] = []
        np.negative(state["gradient"], out=out)
        for i in newest_first:
            alpha = float(np.dot(steps[i], out)) / float(products[i])
            _add(out, -alpha, changes[i], scratch)
            alphas.append(alpha)
        if newest_first:
            i = newest_first[0]
            np.multiply(out, float(products[i]) / float(np.dot(changes[i], changes[i])), out=out)
        for i, alpha in zip(reversed(newest_first), reversed(alphas), strict=True):
            beta = float(np.dot(changes[i], out)) / float(products[i])
            _add(out, alpha - beta, steps[i], scratch)

    def search(self, phi: Callable[[float], Point], start: Point, *, first: float) -> Point | None:
        """Return a point that satisfies the strong Wolfe conditions, or the lowest found; None if none is lower."""
        return strong_wolfe(phi, start, first=first, c1=self.c1, c2=self.c2, max_evaluations=self.max_evaluations)

    def store_pair(self, state: Mapping[str, Floats], step: Floats, change: Floats) -> None:
        """Replace the oldest pair by a new one if s·y is above 0, so that H stays positive definite.

        Parameters
        ----------
        state : mapping of str to ndarray
            As `init` returns; it is changed.
        step, change : ndarray (p,)
            s and y.
        """
        product, size = float(np.dot(step, change)), float(np.dot(change, change))
        if not product > float(np.finfo(step.dtype).eps) * size or not math.isfinite(size):
            return
        place = int(state["pairs"][0]) % self.history
        np.copyto(state["steps"][place], step)
        np.copyto(state["changes"][place], change)
        state["products"][place] = product
        state["pairs"][0] += 1

    def drop_pairs(self, state: Mapping[str, Floats]) -> bool:
        """Drop all pairs, so that H is the identity again.

        Parameters
        ----------
        state : mapping of str to ndarray
            As `init` returns; it is changed.

        Returns
        -------
        bool
            Whether there were any pairs.
        """
        had_pairs = bool(state["pairs"][0])
        state["pairs"][0] = 0
        return had_pairs

    def knows_curvature(self, state: Mapping[str, Floats]) -> bool:
        """Return whether there are any pairs."""
        return bool(state["pairs"][0])


def _add(vector: Floats, factor: float, other: Floats, scratch: Floats) -> None:
    """vector ← vector + factor · other."""
    for chunk in chunks(vector.size):
        v = vector[chunk]
        s = scratch[: v.size]
        np.multiply(other[chunk], factor, out=s)
        np.add(v, s, out=v)
