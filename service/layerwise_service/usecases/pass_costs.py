"""What passes of each size through a network cost, and so how many rows go together best."""

from __future__ import annotations

from collections.abc import Sequence

MOST_JOINED = 256
"""Rows of several requests in one pass."""
_WORTH = 0.8  # a row in company takes less than so much of the time of a row alone, or rows are not joined
_BETTER = 0.95  # the same, for waiting for more company
_TRY_AGAIN = 1_000  # passes until joining is tried again
_WEIGHT = 0.2  # of the newest measurement in a mean


class Costs:
    """What passes of one network cost, by their rows: means of what was measured, for each power of two."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}  # of a row, in passes of up to 2 ** key rows
        self._passes = 0

    @property
    def joining_helps(self) -> bool:
        """Whether a row in company takes less time than alone, as far as is known. Now and then it is tried again."""
        if 0 not in self._seconds or self._passes % _TRY_AGAIN < _TRY_AGAIN // 50:
            return True
        in_company = [seconds for size, seconds in self._seconds.items() if size > 1]
        return not in_company or min(in_company) < _WORTH * self._seconds[0]

    def add(self, rows: int, seconds: float) -> None:
        """Take down a pass."""
        size = (rows - 1).bit_length()
        known = self._seconds.get(size)
        own = seconds / rows
        self._seconds[size] = own if known is None else known + _WEIGHT * (own - known)
        self._passes += 1

    def least_of_a_row(self) -> float:
        """Return the least seconds that a row takes, 0 if nothing is known."""
        return min(self._seconds.values(), default=0.0)

    def is_better(self, rows: int, than: int) -> bool:
        """Return whether a row takes much less time in a pass of `rows` than in one of fewer, as far as is known."""
        known, fewer = self._of_a_row(rows), self._of_a_row(max(1, than))
        return known is not None and fewer is not None and known < _BETTER * fewer

    def _of_a_row(self, rows: int) -> float | None:
        return self._seconds.get((min(rows, MOST_JOINED) - 1).bit_length())

    def best_of(self, sizes: Sequence[int]) -> int:
        """Return how many of the requests of these sizes go together: so many that a row takes least.

        Sizes that are not known are tried.
        """
        best, least, rows = 1, float("inf"), 0
        for count, size in enumerate(sizes, 1):
            rows += size
            if count > 1 and rows > MOST_JOINED:
                break
            seconds = self._seconds.get((rows - 1).bit_length(), 0.0)
            if seconds <= least * 1.05:
                best, least = count, min(least, seconds)
        return best
