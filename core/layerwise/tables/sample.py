"""A random sample of a column that is read in blocks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_SIZE = 2**16
"""The size of a sample, 512 KiB. Quantiles of longer columns are those of the sample."""


class Sample:
    """The numbers added so far, or a uniform random sample of `size` of them. Algorithm R, Vitter 1985.

    The sample depends on `seed` and the numbers, not on how they are divided into blocks.
    """

    def __init__(self, *, seed: int = 0, kept: int = SAMPLE_SIZE) -> None:
        self._rng = np.random.default_rng(seed)
        self._kept = np.empty(kept)
        self._seen = 0

    def add(self, numbers: NDArray[np.floating[Any]]) -> None:
        """Add the `numbers` (n,)."""
        size = len(self._kept)
        fitting = numbers[: max(0, size - self._seen)]
        self._kept[self._seen : self._seen + len(fitting)] = fitting
        rest = numbers[len(fitting) :]
        if len(rest):
            first = self._seen + len(fitting) + 1
            places = self._rng.integers(0, np.arange(first, first + len(rest)))
            stays = places < size
            # if two numbers get one place, the later wins, as if they were added one by one
            self._kept[places[stays]] = rest[stays]
        self._seen += len(numbers)

    def quantiles(self, count: int) -> NDArray[np.float64]:
        """Return `count` evenly spaced quantiles, from the minimum to the maximum, interpolated.

        At least one number must have been added.
        """
        ordered = np.sort(self._kept[: self._seen])
        # divmod is exact, so that equal numbers give equal quantiles
        steps, rest = np.divmod(np.arange(count) * (len(ordered) - 1), count - 1)
        low, high = ordered[steps], ordered[np.minimum(steps + 1, len(ordered) - 1)]
        found: NDArray[np.float64] = low + (high - low) * (rest / (count - 1))
        return found

    def __len__(self) -> int:
        return min(self._seen, len(self._kept))
