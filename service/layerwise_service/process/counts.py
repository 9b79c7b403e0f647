"""Counters of this process, since its last report to the process that keeps the totals."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import add
from typing import Final, NamedTuple

Series = tuple[str, ...]
"""The key of a counter: its kind, one of those below, and the values of its labels."""

PREDICTIONS: Final = "predictions"  # model, version: a histogram of seconds, and rows
INFERENCES: Final = "inferences"  # model, version: an `Inferences`
LAST: Final = "last"  # model, version: when it last predicted, in seconds since 1970; the greatest number counts
WARNINGS: Final = "warnings"  # model, version, reason: cells of rows to predict that are unlike those of the training
ANSWERS: Final = "answers"  # method, route, status: a histogram of seconds
LOST_LINES: Final = "lost_lines"  # process: lines of the log

OF_VERSIONS: Final = (PREDICTIONS, INFERENCES, LAST, WARNINGS)
"""The kinds whose labels begin with model and version."""
BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds of the histograms, in seconds; the last bucket has none."""
_BUCKETS = len(BOUNDS) + 1


class Inferences(NamedTuple):
    """What a version has predicted: requests and the seconds that they took, in all and by stage."""

    successes: float = 0.0
    success_seconds: float = 0.0
    failures: float = 0.0
    failure_seconds: float = 0.0
    queue_seconds: float = 0.0
    input_seconds: float = 0.0
    infer_seconds: float = 0.0
    output_seconds: float = 0.0
    rows: float = 0.0
    executions: float = 0.0


def joined(series: Series, known: Sequence[float], more: Sequence[float]) -> list[float]:
    """Return the numbers of a series that has the numbers `known` and gets `more`."""
    return list(map(max if series[0] == LAST else add, known, more))


class Counts:
    """Numbers by series, which grow until they are taken. Safe to use from any thread."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin to count."""
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


def count_prediction(
    model: str,
    version: int,
    *,
    start: float,
    computed: float,
    end: float,
    queue_seconds: float,
    infer_seconds: float,
    rows: int,
    executions: int,
) -> None:
    """Count a request that was answered: times of `time.perf_counter`, of which `computed` is that of the outputs.

    It waited for `queue_seconds`, and `infer_seconds` were those in the network; the rest before `computed` went to the
    encoding of the rows. `executions` are the passes through the network that are counted here.
    """
    names = model, str(version)
    COUNTS.observe((PREDICTIONS, *names), end - start, rows)
    numbers = Inferences(
        successes=1.0,
        success_seconds=end - start,
        queue_seconds=queue_seconds,
        input_seconds=computed - start - queue_seconds - infer_seconds,
        infer_seconds=infer_seconds,
        output_seconds=end - computed,
        rows=float(rows),
        executions=float(executions),
    )
    COUNTS.add((INFERENCES, *names), numbers)
    COUNTS.add((LAST, *names), [time.time()])


def count_failure(model: str, version: int, *, start: float) -> None:
    """Count a request that failed; `start` is what `time.perf_counter` gave at its start."""
    failed = Inferences(failures=1.0, failure_seconds=time.perf_counter() - start)
    COUNTS.add((INFERENCES, model, str(version)), failed)
