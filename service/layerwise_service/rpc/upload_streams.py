"""Streams of uploads: how many at once, how long one may be silent, and work in threads that is never cut short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from layerwise_service.errors import Exhausted, ServiceError, TimedOut, Unavailable

_STOPPING_SECONDS = 0.5  # how long a sender may pause while the service stops
_SILENT_SECONDS = 2.0  # how long a sender may pause while another waits for its place

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class UploadStream:
    """A stream that is being read. While it is silent, `silent_since` and `limit`, its deadline, are set.

    `what` is sent, in words, and `what_next` is what the caller should do after an error.
    """

    what: str
    what_next: str
    silent_since: float = 0.0
    limit: asyncio.Timeout | None = None
    gives_way: bool = False


class UploadStreams:
    """The streams that are being read: at most `max_uploads` at once, each silent for at most `idle_seconds`.

    When one stream too many arrives, the one that has been silent for longest is ended to make room for it.
    """

    def __init__(self, *, max_uploads: int, idle_seconds: float) -> None:
        self._max_uploads = max_uploads
        self._idle_seconds = idle_seconds
        self._streams: set[UploadStream] = set()
        self._stopping = False

    def stop(self) -> None:
        """End streams that are silent; those that send go on."""
        self._stopping = True
        soon = asyncio.get_running_loop().time() + _STOPPING_SECONDS
        for stream in self._streams:
            if stream.limit is not None:
                stream.limit.reschedule(soon)

    @contextmanager
    def counted(self, what: str, *, what_next: str) -> Generator[UploadStream]:
        """Count a stream until the end of the block. Raises `Exhausted` if there are too many."""
        if len(self._streams) >= self._max_uploads:
            self._make_room()
        stream = UploadStream(what, what_next)
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    async def next(self, requests: AsyncIterator[T], stream: UploadStream) -> T | None:
        """Return the next message; None at the end of the stream.

        gRPC ends the stream of a caller that was killed like any other, so only the number of rows or bytes shows
        whether the stream is complete. Raises `TimedOut` if it falls silent, `Unavailable` if it does so while the
        service stops or another stream needs its place.
        """
        limit = asyncio.timeout(_STOPPING_SECONDS if self._stopping else self._idle_seconds)
        stream.silent_since = asyncio.get_running_loop().time()
        try:
            async with limit:
                stream.limit = limit
                return await anext(requests, None)
        except TimeoutError as error:
            raise self._silent(stream) from error
        finally:
            stream.limit = None

    def _make_room(self) -> None:
        """End the stream that has been silent for longest. Raises `Exhausted` if all of them are sending."""
        now = asyncio.get_running_loop().time()
        silent = [stream for stream in self._streams if stream.limit is not None]
        longest = min(silent, key=lambda stream: stream.silent_since, default=None)
        if longest is None or longest.limit is None or now - longest.silent_since < _SILENT_SECONDS:
            detail = f"{len(self._streams)} callers are sending rows or files, the most allowed (max_uploads)"
            raise Exhausted(f"{detail}; try again", reason="TOO_MANY_UPLOADS", retry_after=5)
        longest.gives_way = True
        longest.limit.reschedule(now)
        self._streams.remove(longest)

    def _silent(self, stream: UploadStream) -> ServiceError:
        if stream.gives_way:
            detail = f"nothing was sent for {_SILENT_SECONDS:g} s while another caller was waiting to send"
            return Unavailable(f"{detail}; {stream.what_next}", reason="UPLOAD_GAVE_WAY", retry_after=5)
        if self._stopping:
            return Unavailable(f"the service is stopping; send {stream.what} again when it is back")
        detail = f"nothing was sent for {self._idle_seconds:g} s; {stream.what_next}"
        return TimedOut(detail, reason="UPLOAD_IDLE")


async def run_to_completion(
    work: Callable[[], T], *, executor: Executor | None = None, hurry: Callable[[], None] = lambda: None
) -> T:
    """Run `work` in a thread, to its end even if this call is cancelled: no files are removed while it writes.

    `hurry` is called then, to bring the end about.
    """
    running = asyncio.get_running_loop().run_in_executor(executor, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        hurry()
        while not running.done():
            with suppress(asyncio.CancelledError):  # cancelled again, by a server that stops
                await asyncio.wait([running])
        running.exception()  # marks it as retrieved: the caller is gone
        raise
    finally:
        del running  # its error would keep this frame alive, and with it the rows that `work` holds
