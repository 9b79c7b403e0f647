"""The events of jobs for any number of watchers: what several watch is read and converted to messages once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable
from typing import Any, TypeVar

from layerwise_proto.v1 import training_pb2
from layerwise_service.domain.jobs import Event
from layerwise_service.errors import NotFound, Unavailable
from layerwise_service.process.loops import AsyncLoop
from layerwise_service.rpc.job_converters import write_finding, write_record, write_transition
from layerwise_service.usecases.training import TrainingJobs

POLL_SECONDS = 0.1
_GONE = -1
"""In place of the number of the newest event: the job was deleted."""

T = TypeVar("T")
EventMessages = tuple[Event, list[training_pb2.TrainEvent]]
"""An event, and the messages for it."""


class JobFeed:
    """Follows jobs. Slow watchers read at their own speed: what they have not read stays in the store, not in memory.

    `loop` looks for new events; the owner of the feed starts it.
    """

    def __init__(self, training: TrainingJobs) -> None:
        self._training = training
        self.loop = AsyncLoop("feed", self._poll, every=POLL_SECONDS)
        self._watched: dict[str, _Watched] = {}
        self._asked: dict[Hashable, asyncio.Future[Any]] = {}
        self._closed = False

    async def follow(self, job: str, *, from_step: int) -> AsyncGenerator[EventMessages, None]:
        """Yield all events of the job, past and future, to its end, without records up to step `from_step`.

        Raises `Unavailable` if the service stops before the job ends; WatchJob can continue later.
        """
        watched = self._watched.setdefault(job, _Watched())
        watched.watchers += 1
        seen, left_out, ended = 0, from_step, False
        try:
            while True:
                newest = watched.newest
                # a read that began before the newest event was known may lack it, so the key has that event's number
                key = ("events", job, seen, left_out, newest)
                found = await self.once(key, self._read, job, seen, left_out)
                for event, messages in found:
                    seen = event.number
                    if event.record is None or event.record.step > from_step:
                        yield event, messages
                    if event.transition is not None:
                        ended = event.transition.state.ended
                if not found and ended:  # and was not resumed since
                    return
                if not found:
                    # Records that are left out count as seen, or they would be new for ever. And from here on, all
                    # watchers share the same reads, whatever their first step.
                    seen, left_out = max(seen, newest), 0
                    await self._wait_for_news(watched, seen)
        finally:
            watched.watchers -= 1
            if watched.watchers == 0:
                del self._watched[job]

    async def once(self, key: Hashable, read: Callable[..., T], *arguments: object) -> T:
        """Return the result of `read`, run in a thread and shared by all watchers that ask for `key` meanwhile."""
        asked = self._asked.get(key)
        if asked is None:
            asked = asyncio.ensure_future(asyncio.to_thread(read, *arguments))
            self._asked[key] = asked
            asked.add_done_callback(lambda done: self._answered(key, done))
        try:
            found: T = await asyncio.shield(asked)
            return found
        finally:
            del asked  # its error would keep this frame alive

    async def close(self) -> None:
        """End all watchers."""
        self._closed = True
        for watched in self._watched.values():
            watched.wake()
        await self.loop.stop()

    def _read(self, job: str, after: int, from_step: int) -> list[EventMessages]:
        found = self._training.events(job, after=after, from_step=from_step)
        return [(event, _messages(event)) for event in found]

    def _answered(self, key: Hashable, done: asyncio.Future[Any]) -> None:
        del self._asked[key]
        if not done.cancelled():
            done.exception()  # the watchers may all have left

    async def _wait_for_news(self, watched: _Watched, seen: int) -> None:
        while watched.newest <= seen and watched.newest != _GONE and not self._closed:
            await watched.news.wait()
        if watched.newest == _GONE:
            raise NotFound("the job was deleted", reason="JOB_NOT_FOUND", pointer="job_id")
        if self._closed:
            raise Unavailable("the service is stopping; the job goes on: call WatchJob again when it is back")

    async def _poll(self) -> None:
        if not self._watched:
            return
        found = await asyncio.to_thread(self._training.last_events, list(self._watched))
        for job, watched in self._watched.items():
            number = found.get(job, _GONE)
            if watched.newest != number:
                watched.newest = number
                watched.wake()


class _Watched:
    """A job that is watched: its number of watchers, the number of its newest event, and what they wait for."""

    def __init__(self) -> None:
        self.watchers = 0
        self.newest = 0
        self.news = asyncio.Event()

    def wake(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


def _messages(event: Event) -> list[training_pb2.TrainEvent]:
    messages: list[training_pb2.TrainEvent] = []
    if (record := event.record) is not None:
        messages.append(training_pb2.TrainEvent(record=write_record(record)))
        messages += [training_pb2.TrainEvent(finding=write_finding(finding)) for finding in record.findings]
    if (change := event.transition) is not None:
        messages.append(training_pb2.TrainEvent(transition=write_transition(change)))
    return messages
