"""What happens to jobs, to any number of watchers: one query a tenth of a second asks for all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import structlog

from layerwise_service.errors import ServiceError, Unavailable
from layerwise_service.jobs import Event
from layerwise_service.training import Training

log = structlog.get_logger()

POLL_SECONDS = 0.1


class JobFeed:
    """Follows jobs. A slow watcher reads at its own speed; what it has not read waits in the store, not in memory."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._watched: Counter[str] = Counter()
        self._newest: dict[str, int] = {}
        self._news = asyncio.Condition()
        self._poller: asyncio.Task[None] | None = None
        self._closed = False

    async def follow(self, job: str, *, from_step: int) -> AsyncIterator[Event]:
        """All that happened to the job and all that will, to its end, but the records of its first steps.

        Raises `Unavailable` when the service stops before the job ends: WatchJob continues there.
        """
        self._watched[job] += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        seen = 0
        try:
            while True:
                found = await asyncio.to_thread(self._training.events, job, after=seen, from_step=from_step)
                for event in found:
                    seen = event.number
                    yield event
                    if event.transition is not None and event.transition.state.ended:
                        return
                if not found:
                    await self._wait_for_news(job, seen)
        finally:
            self._watched[job] -= 1
            if self._watched[job] == 0:
                del self._watched[job]
                self._newest.pop(job, None)

    async def close(self) -> None:
        """Lets all watchers go."""
        self._closed = True
        async with self._news:
            self._news.notify_all()
        if self._poller is not None:
            await self._poller

    async def _wait_for_news(self, job: str, seen: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self._closed or self._newest.get(job, 0) > seen)
        if self._closed:
            raise Unavailable("the service is stopping; the job goes on, and WatchJob will tell of it")

    async def _poll(self) -> None:
        while self._watched and not self._closed:
            try:
                found = await asyncio.to_thread(self._training.last_events, list(self._watched))
            except ServiceError as error:
                log.warning("feed_not_read", error=str(error))
                await asyncio.sleep(1)
                continue
            async with self._news:
                if any(self._newest.get(job) != number for job, number in found.items()):
                    self._newest.update((job, number) for job, number in found.items() if job in self._watched)
                    self._news.notify_all()
            await asyncio.sleep(POLL_SECONDS)
