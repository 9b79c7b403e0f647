"""Bodies as granian gives them: chunk by chunk to an event loop, and from there to the threads that Flask runs in."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Awaitable
from contextlib import suppress
from typing import Any, TypeVar

from granian.rsgi import HTTPProtocol, ProtocolClosed  # type: ignore[attr-defined]  # not in an __all__

from layerwise_service.errors import InvalidRequest
from layerwise_service.rest.messages import SMALL
from layerwise_service.rest.room import Place, Room, too_slow

T = TypeVar("T")

_DROPPED, _DROPPING_SECONDS = 128 * 2**20, 10.0
"""Bytes of a body that nobody wants that are read and dropped, and for how long."""


class BodyCutOff(InvalidRequest):
    """A body that ended too early, or one of whose chunks cannot be read."""


class SmallBodies:
    """Receives small bodies, each of which has `seconds` to come.

    One timer looks at all that are awaited: a timer for each would take a twentieth of the rate of small requests.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begun: dict[asyncio.Task[Any], float] = {}  # in order of their begin
        self._stalled: set[asyncio.Task[Any]] = set()
        self._looks = False

    async def whole(self, protocol: HTTPProtocol) -> bytes:
        """Return all of a body; nothing of one that is cut off. Raises `InvalidRequest` if it stops coming."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._begun[task] = loop.time()
        if not self._looks:
            self._looks = True
            loop.call_later(self.seconds / 4, self._look, loop)
        try:
            return await protocol()
        except ProtocolClosed:
            return b""
        except asyncio.CancelledError:
            if task not in self._stalled:
                raise
            task.uncancel()
            raise _stalled(f"it did not come within {self.seconds:g} s") from None
        finally:
            del self._begun[task]
            self._stalled.discard(task)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        before = loop.time() - self.seconds
        for task, begun in self._begun.items():
            if begun > before:
                break
            if task not in self._stalled:
                self._stalled.add(task)
                task.cancel()
        self._looks = bool(self._begun)
        if self._looks:
            loop.call_later(self.seconds / 4, self._look, loop)


def _stalled(what: str) -> InvalidRequest:
    return InvalidRequest(f"expected the rest of the body, {what}", reason="BODY_STALLED")


class RsgiBody:
    """A body that the event loop receives; it may pause for `idle_seconds`. If it is large, it needs a place in `room`.

    It keeps its place until it is closed: what is received takes memory until it is answered.
    """

    def __init__(self, protocol: HTTPProtocol, room: Room, small: SmallBodies) -> None:
        self._protocol = protocol
        self._room = room
        self._small = small
        self._idle_seconds = small.seconds
        self._source: Any = None
        self._begun: AsyncGenerator[bytes] | None = None
        self._place: Place | None = None
        self._idle: asyncio.Timeout | None = None

    async def whole(self, length: int | None, most: int) -> bytes:
        """As `Body` says. Raises `Unavailable` if there is no room, or if it comes too slowly while others wait."""
        if length is not None and length <= SMALL:
            return await self._small.whole(self._protocol)
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in self.chunks():
                chunks.append(chunk)
                size += len(chunk)
                if size > most:
                    break
                if self._place is None and size > SMALL:
                    whole = most if length is None else length
                    self._place = await self._room.place(
                        whole, self._stop, seconds=self._idle_seconds, promised=length is not None
                    )
                if self._place is not None:
                    self._place.has(size)
        except BodyCutOff:
            if length is None:
                raise
        if size > most:
            self.close()  # nothing of it is needed
        elif self._place is not None:
            self._place.has_arrived()
        return b"".join(chunks)

    def close(self) -> None:
        """Give back the place of the body."""
        if self._place is not None:
            self._place.free()
            self._place = None

    def _stop(self) -> None:
        """Let the wait for the next chunk end now."""
        if self._idle is not None and not self._idle.expired():
            self._idle.reschedule(0.0)

    async def drop(self) -> None:
        """As `Body` says; nothing is kept, so it needs no place."""
        self.close()
        left = _DROPPED
        with suppress(InvalidRequest, TimeoutError):
            async with asyncio.timeout(_DROPPING_SECONDS):
                async for chunk in self.chunks():
                    left -= len(chunk)
                    if left < 0:
                        return

    def chunks(self) -> AsyncGenerator[bytes]:
        """Return the one iterator over what arrives. It raises `BodyCutOff`, and `InvalidRequest` if nothing comes."""
        self._begun = self._begun or self._arriving()
        return self._begun

    async def _arriving(self) -> AsyncGenerator[bytes]:
        empty = 0
        while True:
            try:
                self._source = self._source or aiter(self._protocol)
                async with asyncio.timeout(self._idle_seconds) as self._idle:
                    chunk: bytes = await anext(self._source)
            except (StopAsyncIteration, RuntimeError) as error:
                if isinstance(error, StopAsyncIteration) and empty < 2:
                    return
                raise BodyCutOff(
                    "expected the rest of the body, it was cut off, or its chunks cannot be read"
                ) from None
            except TimeoutError:
                if self._place is not None and self._place.too_slow:
                    raise too_slow(self._place) from None
                raise _stalled(f"nothing came for {self._idle_seconds:g} s") from None
            finally:
                self._idle = None
            if chunk:
                yield chunk
            else:
                empty += 1  # granian gives an empty chunk at the end, and one more for a body that is not whole


async def stream_for_thread(body: RsgiBody, length: int | None) -> io.BufferedIOBase:
    """Return a body for a thread to read, of which the loop has received what is small.

    Of a body with a `length` that is cut off, it gives what has arrived. Raises `InvalidRequest`.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in body.chunks():
            chunks.append(chunk)
            size += len(chunk)
            if size > SMALL:
                return io.BufferedReader(_Stream(b"".join(chunks), body, length))
    except BodyCutOff:
        if length is None:
            raise
    return io.BytesIO(b"".join(chunks))


class _Stream(io.RawIOBase):
    """A body that a thread reads while the event loop receives it."""

    def __init__(self, begin: bytes, body: RsgiBody, length: int | None) -> None:
        self._rest = memoryview(begin)
        self._body = body
        self._length = length
        self._loop = asyncio.get_running_loop()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived, as much as fits; 0: the body has ended. Raises `InvalidRequest`."""
        if not self._rest:
            try:
                self._rest = memoryview(in_loop(self._loop, anext(self._body.chunks(), b"")))
            except BodyCutOff:
                if self._length is None:
                    raise
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def in_loop(loop: asyncio.AbstractEventLoop, steps: Awaitable[T]) -> T:
    """Return the result of what only the event loop can await, in a thread."""

    async def wait() -> T:
        return await steps

    return asyncio.run_coroutine_threadsafe(wait(), loop).result()
