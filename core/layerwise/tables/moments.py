"""Running mean, variance and range of a column."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.variation import negligible


class RunningMoments:
    """Count, mean, variance, minimum and maximum of all numbers added so far.

    Blocks are merged by the formula of Chan, Golub and LeVeque 1983, which is accurate for means far from 0.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.least = math.inf
        self.greatest = -math.inf
        self._squares = 0.0

    def add(self, numbers: NDArray[np.floating[Any]]) -> None:
        """Add the finite `numbers` (n,)."""
        n = len(numbers)
        if not n:
            return
        mean = float(numbers.mean())
        with np.errstate(over="ignore"):  # the deviation is then infinite
            deviations = numbers - mean
            squares = float(np.square(deviations, out=deviations).sum())
        total = self.count + n
        delta = mean - self.mean
        self.mean += delta * (n / total)
        self._squares += squares + delta * delta * (self.count * (n / total))
        self.count = total
        self.least = min(self.least, float(numbers.min()))
        self.greatest = max(self.greatest, float(numbers.max()))

    @property
    def varies(self) -> bool:
        """Whether the numbers differ by more than rounding."""
        if self.least >= self.greatest:
            return False
        magnitude = max(abs(self.least), abs(self.greatest))
        return not negligible(self._root_mean_square, magnitude, self.count)

    @property
    def deviation(self) -> float:
        """The population standard deviation; 1 if the numbers do not vary, infinite if their squares overflow."""
        return self._root_mean_square if self.varies else 1.0

    @property
    def centre(self) -> float:
        """The mean; exactly the value itself if all are equal."""
        return self.least if self.least == self.greatest else self.mean

    @property
    def _root_mean_square(self) -> float:
        return math.sqrt(self._squares / self.count)
