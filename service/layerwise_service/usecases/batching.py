"""Joins the rows of requests that arrive together into one pass through the network, where that is worth it.

The weights of a large network have to come from memory for every pass, whether for one row or for fifty. So a request
that comes while the network computes waits for the end of that pass, and all that wait then go together. A request
that comes alone runs at once, in its own thread. There is nothing to set: what passes of each size cost is measured.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from layerwise import MLP
from layerwise_service.errors import Unavailable
from layerwise_service.process.counts import Levels
from layerwise_service.process.prediction_request import PredictionRequest, current_request, too_late

LEAST_PARAMETERS = 400_000
"""A smaller network takes less time for a row than it takes to hand a row to another thread."""
MOST_ROWS_OF_ONE = 64
"""A larger request does not wait for others, nor others for it."""
_MOST_JOINED = 256
_MOST_SECONDS = 5.0  # of computing that may wait; further requests are refused
_WORTH = 0.8  # a row in company takes less than so much of the time of a row alone, or rows are not joined
_TRY_AGAIN = 1_000  # passes until joining is tried again
_WEIGHT = 0.2  # of the newest measurement in a mean

Floats = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Computed:
    """The outputs (n, k) for the rows of a request, the seconds that it waited and that its pass took.

    `executions` is 1 for one of the requests of a pass, and 0 for the others.
    """

    outputs: Floats
    queue_seconds: float
    infer_seconds: float
    executions: int


def joined_parts(parts: Sequence[Computed]) -> Computed:
    """Return what was computed for consecutive rows of one request as one."""
    return Computed(
        np.concatenate([part.outputs for part in parts]),
        sum(part.queue_seconds for part in parts),
        sum(part.infer_seconds for part in parts),
        sum(part.executions for part in parts),
    )


class Batches:
    """Computes outputs for the requests of a process; at most `slots` passes of one large network at a time."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._lock = threading.Lock()
        self._batchers: WeakKeyDictionary[MLP, Batcher] = WeakKeyDictionary()

    def compute(self, network: MLP, rows: Floats) -> Computed:
        """Return the outputs for checked `rows` (n, inputs).

        Raises `Unavailable` if too many wait, and `DeadlineExceeded` if the current request was given up meanwhile.
        """
        if network.parameters.size < LEAST_PARAMETERS or len(rows) > MOST_ROWS_OF_ONE:
            start = time.perf_counter()
            outputs = network.outputs(rows, check=False)
            return Computed(outputs, 0.0, time.perf_counter() - start, 1)
        with self._lock:
            batcher = self._batchers.get(network)
            if batcher is None:
                batcher = self._batchers[network] = Batcher(self._slots)
        return batcher.compute(network, rows)

    def waiting(self) -> Levels:
        """Return how many requests wait now, by model and version."""
        with self._lock:
            batchers = list(self._batchers.values())
        found = Counter(version for batcher in batchers for version in batcher.waiting())
        return {version: (count,) for version, count in found.items()}


@dataclass(eq=False, slots=True)
class _Waiter:
    """A request that waits: for its outputs, or to be told to compute."""

    rows: Floats
    since: float
    request: PredictionRequest = field(default_factory=current_request)
    told: threading.Lock = field(default_factory=threading.Lock)  # held until then
    group: Sequence[_Waiter] = ()
    """The requests whose rows this one shall compute, its own first; empty if another did so."""
    found: Computed | None = None
    """None if the pass failed: then each request computes for itself, and has its own error; or if it was given up."""

    def __post_init__(self) -> None:
        self.told.acquire()


class Batcher:
    """Joins requests to one network, at most `slots` passes at a time."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: deque[_Waiter] = deque()
        self._costs = Costs()

    def compute(self, network: MLP, rows: Floats) -> Computed:
        """Return the outputs for `rows`, as `Batches.compute` does."""
        start = time.perf_counter()
        with self._lock:
            alone = self._running < self._slots and not self._waiting
            waiter = None if alone or not self._costs.joining_helps else self._enqueue(rows, start)
            self._running += waiter is None
        if waiter is None:
            return self._run(network, rows, start)
        self._wait(waiter)
        if waiter.group:
            self._run_group(network, waiter.group)
        if waiter.found is None:
            waiter.request.check()
        return waiter.found or self._run(network, rows, start, counted=False)

    def waiting(self) -> list[tuple[str, str]]:
        """Return the model and the version of each request that waits."""
        with self._lock:
            return [each.request.version for each in self._waiting]

    def _enqueue(self, rows: Floats, now: float) -> _Waiter:
        """Raises `Unavailable`."""
        waiting = sum(len(each.rows) for each in self._waiting)
        if self._costs.least_of_a_row() * waiting > _MOST_SECONDS * self._slots:
            detail = f"{len(self._waiting)} requests to this model are waiting, more than it can answer in time"
            raise Unavailable(f"{detail}; try again in 1 s", reason="TOO_MANY_WAITING", retry_after=1)
        waiter = _Waiter(rows, now)
        self._waiting.append(waiter)
        return waiter

    def _wait(self, waiter: _Waiter) -> None:
        """Wait until the request is told. Raises `DeadlineExceeded`."""
        if (deadline := waiter.request.deadline) is None:
            waiter.told.acquire()
            return
        if waiter.told.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                raise too_late()
        waiter.told.acquire()  # its pass has begun

    def _run(self, network: MLP, rows: Floats, since: float, *, counted: bool = True) -> Computed:
        """Compute alone. A pass that is `counted` makes room for those that wait."""
        begin = time.perf_counter()
        try:
            outputs = network.outputs(rows, check=False)
            seconds = time.perf_counter() - begin
        finally:
            if counted:
                self._next()
        self._costs.add(len(rows), seconds)
        return Computed(outputs, begin - since, seconds, 1)

    def _run_group(self, network: MLP, group: Sequence[_Waiter]) -> None:
        """Compute the rows of several requests, and tell them."""
        begin = time.perf_counter()
        try:
            rows = group[0].rows if len(group) == 1 else np.concatenate([each.rows for each in group])
            outputs = network.outputs(rows, check=False)
            seconds = time.perf_counter() - begin
            self._costs.add(len(rows), seconds)
            start = 0
            for each in group:
                own = outputs[start : start + len(each.rows)]
                each.found = Computed(own, begin - each.since, seconds, int(each is group[0]))
                start += len(each.rows)
        except Exception:  # noqa: BLE001, S110 – each request then computes its own rows, and meets its own error
            pass
        finally:
            self._next()
            for each in group[1:]:
                each.told.release()

    def _next(self) -> None:
        """Let those that wait go on, after a pass."""
        with self._lock:
            for given_up in [each for each in self._waiting if each.request.is_pointless]:
                self._waiting.remove(given_up)
                given_up.told.release()
            if not self._waiting:
                self._running -= 1
                return
            sizes = [len(each.rows) for each in self._waiting]
            group = [self._waiting.popleft() for _ in range(self._costs.best_of(sizes))]
            group[0].group = group
        group[0].told.release()


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

    def best_of(self, sizes: Sequence[int]) -> int:
        """Return how many of the requests of these sizes go together: so many that a row takes least.

        Sizes that are not known are tried.
        """
        best, least, rows = 1, float("inf"), 0
        for count, size in enumerate(sizes, 1):
            rows += size
            if count > 1 and rows > _MOST_JOINED:
                break
            seconds = self._seconds.get((rows - 1).bit_length(), 0.0)
            if seconds <= least * 1.05:
                best, least = count, min(least, seconds)
        return best
