"""Background loops: work that is repeated until the process stops, whatever errors it raises."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import structlog

from layerwise_service.errors import ServiceError

log = structlog.get_logger()

_LATE_SECONDS = 60.0  # a turn may wait for a busy database several times
_LEAST_BACK_OFF = 0.05
_MOST_BACK_OFF = 5.0  # seconds: short, so that recovery is noticed soon


class _RepeatedWork:
    """The outcomes of one loop's turns: how long to wait for the next turn, and whether turns still complete."""

    def __init__(self, name: str, *, every: float, late_after: float = _LATE_SECONDS) -> None:
        self.name = name
        self._every = every
        self._late_after = every + late_after
        self._completed_at = time.monotonic()
        self._failures = 0
        self._reported = ""

    @property
    def late(self) -> str:
        """The error if no turn has completed for too long, else an empty string.

        A turn that raised a `ServiceError` counts as complete: the loop works, and a restart of the process would not
        bring back the database. A turn that raised another error does not.
        """
        seconds = time.monotonic() - self._completed_at
        return f"{self.name} has not completed for {seconds:.0f} s" if seconds > self._late_after else ""

    def _succeeded(self) -> float:
        self._completed_at = time.monotonic()
        if self._reported:
            log.info("loop_recovered", loop=self.name)
        self._failures, self._reported = 0, ""
        return self._every

    def _failed(self, error: Exception) -> float:
        if isinstance(error, ServiceError):
            self._completed_at = time.monotonic()
            if str(error) != self._reported:  # log it once, not at every turn
                log.warning("loop_failed", loop=self.name, error=str(error))
            self._reported = str(error)
            return self._every
        self._failures += 1
        doubled: float = max(self._every, _LEAST_BACK_OFF) * 2 ** min(self._failures, 16)
        delay = max(self._every, min(doubled, _MOST_BACK_OFF))
        log.error("loop_failed", loop=self.name, again_in_seconds=delay, exc_info=error)
        self._reported = repr(error)
        return delay


class Loop(_RepeatedWork):
    """Calls `work` every `every` seconds: in a thread of its own after `start`, or at each call of `turn`.

    A `ServiceError` is logged once while it repeats; any other error is logged each time with its traceback, and delays
    the next turn. `late` is set when no turn has completed for `every` + `late_after` seconds.
    """

    def __init__(
        self, name: str, work: Callable[[], object], *, every: float, late_after: float = _LATE_SECONDS
    ) -> None:
        super().__init__(name, every=every, late_after=late_after)
        self._work = work
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def turn(self) -> float:
        """Work once, log any error, and return the seconds to wait before the next turn."""
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - the boundary of every background loop
            return self._failed(error)
        return self._succeeded()

    def start(self) -> None:
        """Start the thread; the first turn comes after `every` seconds."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its current turn."""
        self._stopped.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        delay = self._every
        while not self._stopped.wait(delay):
            delay = self.turn()


class AsyncLoop(_RepeatedWork):
    """A `Loop` as a task of the running event loop, with its first turn at once."""

    def __init__(
        self, name: str, work: Callable[[], Awaitable[object]], *, every: float, late_after: float = _LATE_SECONDS
    ) -> None:
        super().__init__(name, every=every, late_after=late_after)
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task, unless it runs already."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Cancel the task and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._work()
            except Exception as error:  # noqa: BLE001 - the boundary of every background loop
                delay = self._failed(error)
            else:
                delay = self._succeeded()
            await asyncio.sleep(delay)


def late(loops: Iterable[_RepeatedWork]) -> list[str]:
    """Return the errors of those `loops` that have not completed a turn for too long."""
    return [said for loop in loops if (said := loop.late)]
