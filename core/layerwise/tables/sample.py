"""A sample of a column that comes in blocks: all numbers as long as they fit, then an even choice of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_SIZE = 2**16
"""How many numbers of a column are kept, 512 KiB: quantiles of longer columns are those of so many rows at random."""


class Sample:
    """The numbers added so far, or `kept` of them, each with the same chance: algorithm R of Vitter 1985.

    What is kept follows from `seed` and the numbers alone, not from the blocks they come in.
    """

    def __init__(self, *, seed: int = 0, kept: int = SAMPLE_SIZE) -> None:
        self._rng = np.random.default_rng(seed)
        self._kept = np.empty(kept)
        self._seen = 0

    def add(self, numbers: NDArray[np.floating[Any]]) -> None:
        """Adds the `numbers` (n,)."""
        size = len(self._kept)
        fitting = numbers[: max(0, size - self._seen)]
        self._kept[self._seen : self._seen + len(fitting)] = fitting
        rest = numbers[len(fitting) :]
        if len(rest):
            first = self._seen + len(fitting) + 1
            places = self._rng.integers(0, np.arange(first, first + len(rest)))
            stays = places < size
            # of two numbers for one place the later stays, as when they come one by one
            self._kept[places[stays]] = rest[stays]
        self._seen += len(numbers)

    def quantiles(self, count: int) -> NDArray[np.float64]:
        """`count` quantiles at even distances, the first the least number, the last the greatest, interpolated.

        At least one number must have been added.
        """
        ordered = np.sort(self._kept[: self._seen])
        # whole steps and a rest, both exact: equal numbers give equal quantiles
        steps, rest = np.divmod(np.arange(count) * (len(ordered) - 1), count - 1)
        low, high = ordered[steps], ordered[np.minimum(steps + 1, len(ordered) - 1)]
        found: NDArray[np.float64] = low + (high - low) * (rest / (count - 1))
        return found

    def __len__(self) -> int:
        return min(self._seen, len(self._kept))
