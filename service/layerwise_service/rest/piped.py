"""Answers of any length that a thread makes while granian sends them, as fast as their reader takes them.

granian's own stream of an answer takes any number of bytes at once and keeps them in memory. A named pipe does not.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path

import structlog
from granian.rsgi import HTTPProtocol  # type: ignore[attr-defined]  # not in an __all__

from layerwise_service.errors import ServiceError

log = structlog.get_logger()

_OPEN_SECONDS = 30.0  # until granian opens the pipe
_BETWEEN_SECONDS = 0.002


class Piped:
    """The chunks of an answer. `close` is called when they have been sent, or their reader has gone."""

    def __init__(self, chunks: Iterable[bytes], close: Callable[[], None] | None, threads: Executor) -> None:
        self._chunks = chunks
        self._close = close
        self._threads = threads

    def send(self, protocol: HTTPProtocol, status: int, headers: list[tuple[str, str]]) -> None:
        """Begin to send; a thread writes the chunks."""
        folder = Path(tempfile.mkdtemp(prefix="layerwise-answer-"))
        pipe = folder / "pipe"
        os.mkfifo(pipe, 0o600)
        self._threads.submit(self._write, pipe)
        protocol.response_file(status, headers, str(pipe))

    def _write(self, pipe: Path) -> None:
        try:
            with suppress(BrokenPipeError, TimeoutError), os.fdopen(_opened(pipe), "wb") as file:
                try:
                    for chunk in self._chunks:
                        file.write(chunk)
                except ServiceError as error:  # nothing else tells the reader that this is not the end
                    log.error("answer_broke_off", detail=str(error))
                    file.write(f"\nthe answer breaks off here: {error}\n".encode())
        finally:
            shutil.rmtree(pipe.parent, ignore_errors=True)
            if self._close:
                self._close()


def _opened(pipe: Path) -> int:
    """Return the writing end, once there is a reader. Raises `TimeoutError`."""
    until = time.monotonic() + _OPEN_SECONDS
    while True:
        try:
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > until:
                raise TimeoutError from error
            time.sleep(_BETWEEN_SECONDS)
        else:
            os.set_blocking(descriptor, True)
            return descriptor
