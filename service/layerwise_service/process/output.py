"""Output streams that never raise and never block, even if their reader is slow or gone."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue

_MOST_BYTES = 2**20  # waiting to be written: some 4,000 events
_DRAIN_SECONDS = 1.0  # how long the end of the process waits for the queue


class Output(io.TextIOBase):
    """A text stream that writes to a file descriptor in a thread of its own, behind a bounded queue.

    Lines are lost if the queue is full or they cannot be written (a full disk, a pipe without a reader). `on_lost` is
    called with their number, and `notice(number)` is written in their place as soon as writing works again.
    """

    def __init__(
        self, descriptor: int, *, on_lost: Callable[[int], None], notice: Callable[[int], str] = lambda lost: ""
    ) -> None:
        self._descriptor = descriptor
        self._on_lost = on_lost
        self._notice = notice
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # a fork has no thread, and may have copied a held lock

    def _begin(self) -> None:
        # Re-entrant: garbage collection or a signal handler may write in the middle of a write.
        self._lock = threading.RLock()
        self._waiting: SimpleQueue[tuple[int, bytes] | threading.Event] = SimpleQueue()
        self._waiting_bytes = 0
        self._partial = ""
        self._dropped = 0  # lines, since the last one that was queued
        self._thread: threading.Thread | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str, /) -> int:
        """Queue `text`, which is written when its line is complete."""
        with self._lock:
            whole, newline, self._partial = (self._partial + text).rpartition("\n")
            if newline:
                self._take(f"{whole}\n".encode(self.encoding, self.errors))
        return len(text)

    def drain(self, seconds: float = _DRAIN_SECONDS) -> None:
        """Wait until everything queued is written, for at most `seconds`."""
        written = threading.Event()
        with self._lock:
            if self._partial:
                self.write("\n")
            if self._thread is None:
                return
            self._waiting.put(written)
        written.wait(seconds)

    def _take(self, lines: bytes) -> None:
        count = lines.count(b"\n")
        try:
            if self._waiting_bytes and self._waiting_bytes + len(lines) > _MOST_BYTES:
                raise BlockingIOError
            if self._thread is None:
                thread = threading.Thread(target=self._write_all, name="output", daemon=True)
                thread.start()
                self._thread = thread
        except (BlockingIOError, RuntimeError):  # the queue is full, or no thread can be started
            self._dropped += count
            self._on_lost(count)
            return
        self._waiting_bytes += len(lines)
        self._waiting.put((self._dropped, lines))
        self._dropped = 0

    def _write_all(self) -> None:
        lost = 0  # lines, since the last notice that was written
        torn = False
        waiting, lock = self._waiting, self._lock
        while True:
            item = waiting.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            dropped, lines = item
            with lock:
                self._waiting_bytes -= len(lines)
            lost += dropped
            text = (b"\n" if torn else b"") + (self._notice(lost).encode() if lost else b"") + lines
            left = self._write(text)
            if left:
                count = lines.count(b"\n")
                lost += count
                self._on_lost(count)
                torn = len(left) < len(text) or torn
            else:
                lost, torn = 0, False

    def _write(self, text: bytes) -> memoryview:
        """Write `text`, and return what could not be written."""
        left = memoryview(text)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # a process that shares the descriptor made it non-blocking
                select.select([], [self._descriptor], [])
            except OSError:
                break
        return left


def drain_streams() -> None:
    """Wait until what was written to stdout and stderr has left this process, for at most a second each."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Output):
            stream.drain()


def hold_standard_descriptors() -> None:
    """Open /dev/null at 0, 1 and 2 where they are closed: the next file that is opened must not become the log."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w", closefd=False))
