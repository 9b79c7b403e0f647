"""Counters of this process, since its last report to the process that keeps the totals."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import add
from typing import Final

Series = tuple[str, ...]
"""The key of a counter: its kind, one of those below, and the values of its labels."""
Levels = Mapping[tuple[str, ...], Sequence[float]]
"""Numbers of a kind by their labels, without that of the process."""

PREDICTIONS: Final = "predictions"  # model, version: what `Predictions` reads
FAILURES: Final = "failures"  # model, version, reason: requests for predictions that failed, and their seconds
WARNINGS: Final = "warnings"  # model, version, reason: cells of rows to predict that are unlike those of the training
ANSWERS: Final = "answers"  # method, route, status: a histogram of seconds
LOST_LINES: Final = "lost_lines"  # process: lines of the log
LOADED: Final = "loaded"  # process id: models in its memory, and their bytes
WAITING: Final = "waiting"  # process id, model, version: requests for predictions that wait for others

OF_VERSIONS: Final = (PREDICTIONS, FAILURES, WARNINGS)
"""The kinds whose labels begin with model and version."""
LEVELS: Final = (LOADED, WAITING)
"""The kinds whose numbers are those of now, in one process; the numbers of all others grow."""
BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds of the histograms, in seconds; the last bucket has none."""
WHOLE: Final = "whole"
STAGES: Final = ("queue", "decode", "compute", "encode")
"""The parts of a request for predictions, whose seconds add up to those of the whole."""

_BUCKETS = len(BOUNDS) + 1
_HISTOGRAM = _BUCKETS + 1  # numbers: the buckets, and the sum of the seconds
_HISTOGRAMS = (WHOLE, *STAGES)
_AFTER = 3  # numbers after the histograms of a version: rows, executions, the time of the last request


class Predictions:
    """The requests for predictions that a version has answered, read from the numbers of its series."""

    def __init__(self, numbers: Sequence[float] = (0.0,) * (len(_HISTOGRAMS) * _HISTOGRAM + _AFTER)) -> None:
        parts = (numbers[at * _HISTOGRAM :][:_HISTOGRAM] for at in range(len(_HISTOGRAMS)))
        self.histograms: Mapping[str, Sequence[float]] = dict(zip(_HISTOGRAMS, parts, strict=True))
        """Counts of requests by their seconds, and the sum of these, of the whole and of each stage."""
        self.rows, self.executions, self.last = numbers[-_AFTER:]
        """`last` is the time of the last request, in seconds since 1970."""

    @property
    def requests(self) -> float:
        return sum(self.histograms[WHOLE][:-1])

    def seconds(self, part: str) -> float:
        """Return the seconds that a stage, or the whole, took in all requests."""
        return self.histograms[part][-1]


def joined(series: Series, known: Sequence[float], more: Sequence[float]) -> list[float]:
    """Return the numbers of a series that has the numbers `known` and gets `more`."""
    numbers = list(map(add, known, more))
    if series[0] == PREDICTIONS:
        numbers[-1] = max(known[-1], more[-1])
    return numbers


class Counts:
    """Numbers by series, which grow until they are taken. Safe to use from any thread."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin to count."""
        # Re-entrant: garbage collection may log in the middle of a call, and lost log lines are counted here.
        self._lock = threading.RLock()
        self._counts: dict[Series, list[float]] = {}
        self._followed: dict[str, Callable[[], Levels]] = {}

    def follow(self, kind: str, read: Callable[[], Levels]) -> None:
        """Have the levels of a kind read by `read` from now on."""
        self._followed[kind] = read

    def levels(self) -> dict[Series, list[float]]:
        """Return all levels as they are now."""
        process = str(os.getpid())
        return {
            (kind, process, *labels): list(numbers)
            for kind, read in self._followed.items()
            for labels, numbers in read().items()
        }

    def observe(self, series: Series, seconds: float) -> None:
        """Count one event that took `seconds`."""
        with self._lock:
            numbers = self._counts.get(series)
            if numbers is None:
                numbers = self._counts[series] = [0.0] * _HISTOGRAM
            numbers[bisect_left(BOUNDS, seconds)] += 1.0
            numbers[-1] += seconds

    def predicted(
        self, model: str, version: str, seconds: tuple[float, ...], *, rows: float, executions: float
    ) -> None:
        """Count a request that was answered; `seconds` are those of the whole, and of each of the `STAGES`."""
        series = PREDICTIONS, model, version
        with self._lock:
            numbers = self._counts.get(series)
            if numbers is None:
                numbers = self._counts[series] = [0.0] * (len(_HISTOGRAMS) * _HISTOGRAM + _AFTER)
            end = 0
            for each in seconds:
                numbers[end + bisect_left(BOUNDS, each)] += 1.0
                end += _HISTOGRAM
                numbers[end - 1] += each
            numbers[-3] += rows
            numbers[-2] += executions
            numbers[-1] = time.time()

    def add(self, series: Series, numbers: Sequence[float]) -> None:
        """Join `numbers` with those of the series, element by element: most are added."""
        with self._lock:
            known = self._counts.get(series)
            self._counts[series] = list(numbers) if known is None else joined(series, known, numbers)

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
os.register_at_fork(after_in_child=COUNTS.begin)  # the lock may have been held, and the counts are the parent's
