"""What happens to jobs, to any number of watchers: one query a tenth of a second asks for all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from layerwise_service.errors import Unavailable
from layerwise_service.jobs import Event
from layerwise_service.loops import AsyncLoop
from layerwise_service.training import Training

POLL_SECONDS = 0.1


class JobFeed:
    """Follows jobs. A slow watcher reads at its own speed; what it has not read waits in the store, not in memory.

    `loop` looks for news; whoever owns the feed starts it.
    """

    def __init__(self, training: Training) -> None:
        self._training = training
        self.loop = AsyncLoop("feed", self._poll, every=POLL_SECONDS)
        self._watched: Counter[str] = Counter()
        self._newest: dict[str, int] = {}
        self._news = asyncio.Condition()
        self._closed = False

    async def follow(self, job: str, *, from_step: int) -> AsyncIterator[Event]:
        """All that happened to the job and all that will, to its end, but the records of its first steps.

        Raises `Unavailable` when the service stops before the job ends: WatchJob continues there.
        """
        self._watched[job] += 1
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
        await self.loop.stop()

    async def _wait_for_news(self, job: str, seen: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self._closed or self._newest.get(job, 0) > seen)
        if self._closed:
            raise Unavailable("the service is stopping; the job goes on, and WatchJob will tell of it")

    async def _poll(self) -> None:
        if not self._watched:
            return
        found = await asyncio.to_thread(self._training.last_events, list(self._watched))
        async with self._news:
            if any(self._newest.get(job) != number for job, number in found.items()):
                self._newest.update((job, number) for job, number in found.items() if job in self._watched)
                self._news.notify_all()
