"""Counters of this process, since its last report to the process that keeps the totals."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

Series = tuple[str, ...]
"""The key of a counter: its kind, one of those below, and the values of its labels."""

PREDICTIONS: Final = "predictions"  # model, version: a histogram of seconds, and rows
WARNINGS: Final = "warnings"  # model, version, reason: cells of rows to predict that are unlike those of the training
ANSWERS: Final = "answers"  # method, route, status: a histogram of seconds
LOST_LINES: Final = "lost_lines"  # process: lines of the log

OF_VERSIONS: Final = (PREDICTIONS, WARNINGS)
"""The kinds whose labels begin with model and version."""
BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds of the histograms, in seconds; the last bucket has none."""
_BUCKETS = len(BOUNDS) + 1


class Counts:
    """Numbers by series, which grow until they are taken. Safe to use from any thread."""

    def __init__(self) -> None:
        # Re-entrant: garbage collection may log in the middle of a call, and lost log lines are counted here.
        self._lock = threading.RLock()
        self._counts: dict[Series, list[float]] = {}

    def observe(self, series: Series, seconds: float, amount: float = 1.0) -> None:
        """Count one event that took `seconds`, and add `amount` to the last number of the series (rows, say)."""
        with self._lock:
            numbers = self._counts.get(series)
            if numbers is None:
                numbers = self._counts[series] = [0.0] * (_BUCKETS + 2)
            numbers[bisect_left(BOUNDS, seconds)] += 1.0
            numbers[-2] += seconds
            numbers[-1] += amount

    def add(self, series: Series, numbers: Sequence[float]) -> None:
        """Add `numbers` to those of the series, element by element."""
        with self._lock:
            known = self._counts.get(series)
            self._counts[series] = (
                list(numbers) if known is None else [a + b for a, b in zip(known, numbers, strict=True)]
            )

    def take(self) -> dict[Series, list[float]]:
        """Return the counts since the last call."""
        with self._lock:
            taken, self._counts = self._counts, {}
        return taken

    def put_back(self, taken: Iterable[tuple[Series, list[float]]]) -> None:
        """Add counts again that were taken but could not be reported."""
        for series, numbers in taken:
            self.add(series, numbers)


COUNTS = Counts()
"""The counters of this process."""
