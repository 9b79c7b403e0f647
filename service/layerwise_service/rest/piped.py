"""Answers of any length that a thread makes while granian sends them, as fast as their reader takes them.

granian's own stream of an answer takes any number of bytes at once and keeps them in memory. A named pipe does not.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import structlog
from granian.rsgi import HTTPProtocol  # type: ignore[attr-defined]  # not in an __all__

from layerwise_service.errors import ServiceError, Unavailable
from layerwise_service.stores.files import storage_errors

log = structlog.get_logger()

_OPEN_SECONDS = 2.0  # until granian opens the pipe: it never does if the caller has gone
_BETWEEN_SECONDS = 0.002
_OLD_SECONDS = 60.0
_PREFIX = "layerwise-answer-"


class Pipes:
    """Writes answers in threads of its own, `most` at a time: a reader holds one for as long as it likes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = threading.Semaphore(most)
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="pipe")

    def piped(self, chunks: Iterable[bytes], close: Callable[[], None] | None) -> Piped:
        """Return an answer of `chunks`; `close` is called when they have been sent, or their reader has gone.

        Raises `Unavailable` if no thread is free.
        """
        if not self._free.acquire(blocking=False):
            detail = f"{self._most} answers of many rows are being read already, the most at a time; try again in 5 s"
            raise Unavailable(detail, reason="TOO_MANY_READERS", retry_after=5)

        def end() -> None:
            self._free.release()
            if close:
                close()

        return Piped(chunks, end, self._threads)


class Piped:
    """The chunks of an answer. `end` is called when they have been sent, or their reader has gone."""

    def __init__(self, chunks: Iterable[bytes], end: Callable[[], None], threads: Executor) -> None:
        self._chunks = chunks
        self._end = end
        self._threads = threads

    def send(self, protocol: HTTPProtocol, status: int, headers: list[tuple[str, str]]) -> None:
        """Begin to send; a thread writes the chunks. Raises `ServiceError` if there can be no pipe."""
        try:
            pipe = new_pipe()
            try:
                self._threads.submit(self._write, pipe)
            except BaseException:
                shutil.rmtree(pipe.parent, ignore_errors=True)
                raise
        except BaseException:
            self._end()
            raise
        protocol.response_file(status, headers, str(pipe))

    def _write(self, pipe: Path) -> None:
        try:
            with suppress(BrokenPipeError, TimeoutError), os.fdopen(_opened(pipe), "wb") as file:
                shutil.rmtree(pipe.parent, ignore_errors=True)  # both ends are open
                try:
                    for chunk in self._chunks:
                        file.write(chunk)
                except BrokenPipeError:
                    raise
                except Exception as error:
                    said = error if isinstance(error, ServiceError) else "internal error; the service's log has more"
                    log.error("answer_broke_off", detail=str(error), exc_info=None if said is error else error)
                    file.write(f"\nthe answer breaks off here: {said}\n".encode())
        finally:
            shutil.rmtree(pipe.parent, ignore_errors=True)
            self._end()


def new_pipe() -> Path:
    """Return a new named pipe, alone in a new temporary folder. Raises `ServiceError` if there can be none."""
    with storage_errors():
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        try:
            os.mkfifo(pipe := folder / "pipe", 0o600)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return pipe


def remove_own_pipes() -> None:
    """Remove the folders of this process, which ends: nobody will open what is still in one."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}{os.getpid()}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def remove_old_pipes() -> None:
    """Remove the folders of processes that were killed: a pipe is opened within seconds, and its folder removed."""
    before = time.time() - _OLD_SECONDS
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            found = folder.lstat()
            if found.st_uid == os.getuid() and found.st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)


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
