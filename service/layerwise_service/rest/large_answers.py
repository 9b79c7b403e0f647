"""Large answers to predictions: how many bytes of them wait for their readers.

granian keeps an answer in memory until it is read. So a large one goes through a named pipe, which tells how far it was
read.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from granian.rsgi import HTTPProtocol  # type: ignore[attr-defined]  # not in an __all__

from layerwise_service.errors import ServiceError
from layerwise_service.rest.piped import new_pipe
from layerwise_service.rest.room import Room

LARGE = 2**18
"""Bytes of an answer; what is shorter is given to granian."""
_AT_ONCE = 2**16  # bytes that are written without looking whether others have to be answered
_OPEN_SECONDS, _BETWEEN_SECONDS = 2.0, 0.002  # until granian opens the pipe: it never does if the caller has gone
_GRACE_SECONDS = 10.0  # the buffers of a connection hold so much that a slow reader lets nothing move for seconds


class LargeAnswers:
    """Sends answers of `most_bytes` in total at a time; as many may wait, for `seconds` at most.

    While one waits, those that are read too slowly are cut off: by their Content-Length, readers see that.
    """

    def __init__(self, most_bytes: int, *, seconds: float) -> None:
        self._room = Room(most_bytes, most_waiting=most_bytes, grace_seconds=_GRACE_SECONDS)
        self._seconds = seconds
        self._sending: set[asyncio.Task[None]] = set()

    async def send(self, protocol: HTTPProtocol, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Begin to send an answer. Raises `Unavailable` if too many others are not read."""
        sending: asyncio.Task[None] | None = None

        def cut_off() -> None:
            if sending is not None:
                sending.cancel()

        place = await self._room.place(len(body), cut_off, seconds=self._seconds)
        try:
            pipe = new_pipe()
        except ServiceError:  # no room in the temporary folder: granian may keep this one in memory
            place.free()
            protocol.response_bytes(status, headers, body)
            return
        folder = pipe.parent

        async def write() -> None:
            with suppress(BrokenPipeError, TimeoutError):  # the reader has gone
                descriptor = await _opened(pipe)
                shutil.rmtree(folder, ignore_errors=True)
                try:
                    left = memoryview(body)
                    while left:
                        left = left[await _written(descriptor, left[:_AT_ONCE]) :]
                        place.has(len(body) - len(left))
                finally:
                    os.close(descriptor)

        def end(sending: asyncio.Task[None]) -> None:  # also of one that is cut off before it begins
            self._sending.discard(sending)
            shutil.rmtree(folder, ignore_errors=True)
            place.free()

        sending = asyncio.create_task(write())
        self._sending.add(sending)
        sending.add_done_callback(end)
        protocol.response_file(status, headers, str(pipe))


async def _opened(pipe: Path) -> int:
    """Return the writing end, once granian reads. Raises `TimeoutError`."""
    async with asyncio.timeout(_OPEN_SECONDS):
        while True:
            try:
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
            await asyncio.sleep(_BETWEEN_SECONDS)


async def _written(descriptor: int, part: memoryview) -> int:
    """Write a part, and return how many bytes were taken. Raises `BrokenPipeError` if nobody reads any more."""
    loop, writable = asyncio.get_running_loop(), asyncio.Event()
    while True:
        with suppress(BlockingIOError):
            return os.write(descriptor, part)
        writable.clear()
        loop.add_writer(descriptor, writable.set)
        try:
            await writable.wait()
        finally:
            loop.remove_writer(descriptor)
