"""Joins the rows of requests that arrive together into one pass through the network, where that is worth it.

The weights of a large network have to come from memory for every pass, whether for one row or for fifty. So a request
that comes while the network computes waits for the end of that pass, and all that wait then go together. A request
that comes alone runs at once. There is nothing to set: what passes of each size cost is measured.

A request waits in its own thread, or in an event loop. Passes for those of an event loop are made one after the other
by a thread, which hands on outputs and takes the next rows, so that the loop reads and answers requests meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

import numpy as np

from layerwise import MLP
from layerwise_service.errors import Unavailable
from layerwise_service.process.counts import Levels
from layerwise_service.process.overflow import overflowing
from layerwise_service.process.prediction_request import current_request
from layerwise_service.process.threads import in_thread
from layerwise_service.usecases.pass_costs import MOST_JOINED, Costs
from layerwise_service.usecases.pass_waiter import Computed, Floats, Waiter, seconds_left, tell

LEAST_PARAMETERS = 400_000
"""A smaller network takes less time for a row than it takes to hand a row to another thread."""
MOST_ROWS_OF_ONE = 64
"""A larger request does not wait for others, nor others for it."""
_MOST_SECONDS = 5.0  # of computing that may wait; further requests are refused
_PATIENCE = 1.5  # times as long as the last pass took


def joins(network: MLP, rows: int) -> bool:
    """Return whether so many rows for `network` may be joined with those of other requests."""
    return network.parameters.size >= LEAST_PARAMETERS and rows <= MOST_ROWS_OF_ONE


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
        if not joins(network, len(rows)):
            return _computed(network, rows)
        return self._batcher(network).compute(network, rows)

    async def compute_soon(self, network: MLP, rows: Floats) -> Computed:
        """Return what `compute` does for rows that may be joined with others, while the event loop goes on."""
        return await self._batcher(network).compute_soon(network, rows)

    def waiting(self) -> Levels:
        """Return how many requests wait now, by model and version."""
        with self._lock:
            batchers = list(self._batchers.values())
        found = Counter(version for batcher in batchers for version in batcher.waiting())
        return {version: (count,) for version, count in found.items()}

    def _batcher(self, network: MLP) -> Batcher:
        with self._lock:
            batcher = self._batchers.get(network)
            if batcher is None:
                batcher = self._batchers[network] = Batcher(self._slots)
        return batcher


class Batcher:
    """Joins requests to one network, at most `slots` passes at a time."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        # Threads of its own: those of requests may all wait for the pass that would wait for one of them.
        self._passes = ThreadPoolExecutor(slots, thread_name_prefix="pass")
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: deque[Waiter] = deque()
        self._costs = Costs()
        self._wanted_rows = 0
        """So many waiting rows make the next pass worth while; 0: it does not wait for them."""
        self._gathered = threading.Event()

    def compute(self, network: MLP, rows: Floats) -> Computed:
        """Return the outputs for `rows`, as `Batches.compute` does."""
        waiter = Waiter(rows, time.perf_counter())
        if self._begins(waiter):
            return self._run(network, waiter, counted=True)
        self._wait(waiter)
        if waiter.group:
            self._run_group(network, waiter.group)
            self._go_on(network)
        if waiter.found is None:
            waiter.request.check()
        return waiter.found or self._run_again(network, waiter)

    async def compute_soon(self, network: MLP, rows: Floats) -> Computed:
        """Return the outputs for `rows`, as `Batches.compute_soon` does: passes are made in a thread."""
        waiter = Waiter(rows, time.perf_counter(), asyncio.get_running_loop(), asyncio.Event())
        if self._begins(waiter):
            self._start(network, [waiter])
        await self._wait_soon(waiter)
        if (found := waiter.found) is not None:
            return found
        waiter.request.check()
        return await in_thread(self._run_again, network, waiter)

    def waiting(self) -> list[tuple[str, str]]:
        """Return the model and the version of each request that waits."""
        with self._lock:
            return [each.request.version for each in self._waiting]

    def _begins(self, waiter: Waiter) -> bool:
        """Return whether to compute the rows now; else they wait with others. Raises `Unavailable`."""
        with self._lock:
            alone = self._running < self._slots and not self._waiting
            if alone or not self._costs.joining_helps:
                self._running += 1
                return True
            waiting = sum(len(each.rows) for each in self._waiting)
            if self._costs.least_of_a_row() * waiting > _MOST_SECONDS * self._slots:
                detail = f"{len(self._waiting)} requests to this model are waiting, more than it can answer in time"
                raise Unavailable(f"{detail}; try again in 1 s", reason="TOO_MANY_WAITING", retry_after=1)
            self._waiting.append(waiter)
            if self._wanted_rows and waiting + len(waiter.rows) >= self._wanted_rows:
                self._gathered.set()
            return False

    def _wait(self, waiter: Waiter) -> None:
        """Wait until the request is told. Raises `DeadlineExceeded`."""
        assert isinstance(waiter.told, threading.Event)
        if not waiter.told.wait(seconds_left(waiter)):
            self._give_up(waiter)
            waiter.told.wait()  # its pass has begun

    async def _wait_soon(self, waiter: Waiter) -> None:
        assert isinstance(waiter.told, asyncio.Event)
        seconds = seconds_left(waiter)
        if seconds is None:
            await waiter.told.wait()
            return
        try:
            await asyncio.wait_for(waiter.told.wait(), seconds)
        except TimeoutError:
            self._give_up(waiter)
            await waiter.told.wait()

    def _give_up(self, waiter: Waiter) -> None:
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                raise current_request().too_late()

    def _run(self, network: MLP, waiter: Waiter, *, counted: bool = False) -> Computed:
        """Compute alone. A pass that is `counted` makes room for those that wait."""
        begin = time.perf_counter()
        try:
            outputs, seconds = _outputs(network, waiter.rows)
        finally:
            if counted:
                self._go_on(network)
        self._costs.add(len(waiter.rows), seconds)
        return Computed(outputs, begin - waiter.since, seconds, 1)

    def _run_again(self, network: MLP, waiter: Waiter) -> Computed:
        """Compute alone after a pass that failed."""
        waiter.since = time.perf_counter()
        return self._run(network, waiter)

    def _run_group(self, network: MLP, group: Sequence[Waiter]) -> None:
        """Compute the rows of several requests."""
        begin = time.perf_counter()
        try:
            rows = group[0].rows if len(group) == 1 else np.concatenate([each.rows for each in group])
            outputs, seconds = _outputs(network, rows)
            self._costs.add(len(rows), seconds)
            start = 0
            for each in group:
                own = outputs[start : start + len(each.rows)]
                each.found = Computed(own, begin - each.since, seconds, int(each is group[0]))
                start += len(each.rows)
        except Exception:  # noqa: BLE001, S110 – each request then computes its own rows, and meets its own error
            pass
        finally:
            tell(group)

    def _start(self, network: MLP, group: Sequence[Waiter]) -> None:
        """Have a pass made in a thread, and those that follow."""

        def run() -> None:
            following = group
            while following:
                begin = time.perf_counter()
                self._run_group(network, following)
                self._gather(following, time.perf_counter() - begin)
                following = self._next()
                if following and following[0].loop is None:
                    following = self._hand_to(following)

        self._passes.submit(run)

    def _gather(self, answered: Sequence[Waiter], seconds: float) -> None:
        """Wait until those that a pass of so many `seconds` has answered ask again, if that makes the next pass better.

        A request alone has no company that would come back.
        """
        if len(answered) == 1:
            return
        with self._lock:
            waiting = sum(len(each.rows) for each in self._waiting)
            wanted = min(waiting + sum(len(each.rows) for each in answered), MOST_JOINED)
            if self._wanted_rows or wanted <= waiting or not self._costs.is_better(wanted, waiting):
                return
            self._wanted_rows = wanted
            self._gathered.clear()
        self._gathered.wait(_PATIENCE * seconds)
        self._wanted_rows = 0

    def _go_on(self, network: MLP) -> None:
        """Let those that wait go on, after a pass in the thread of a request."""
        if group := self._next():
            if group[0].loop is None:
                self._hand_to(group)
            else:
                self._start(network, group)

    def _hand_to(self, group: Sequence[Waiter]) -> Sequence[Waiter]:
        """Have a pass made by the first request, which has a thread; return that nothing is left to do here."""
        group[0].group = group
        tell(group[:1])
        return ()

    def _next(self) -> Sequence[Waiter]:
        """Return the requests that the next pass is for; none: there is no next pass."""
        with self._lock:
            given_up = [each for each in self._waiting if each.request.is_pointless]
            for each in given_up:
                self._waiting.remove(each)
            sizes = [len(each.rows) for each in self._waiting]
            group = [self._waiting.popleft() for _ in range(self._costs.best_of(sizes))] if sizes else []
            self._running -= not group
        tell(given_up)
        return group


def _computed(network: MLP, rows: Floats) -> Computed:
    outputs, seconds = _outputs(network, rows)
    return Computed(outputs, 0.0, seconds, 1)


def _outputs(network: MLP, rows: Floats) -> tuple[Floats, float]:
    """Return the outputs for `rows`, finite or not, and the seconds that they took."""
    begin = time.perf_counter()
    outputs = overflowing(network.outputs, rows, check=False)
    return outputs, time.perf_counter() - begin
