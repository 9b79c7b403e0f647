"""Text streams of a process that never raise and never block, whatever becomes of their reader."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue

_MOST_BYTES = 2**20  # that wait to be written: some 4,000 events
_DRAIN_SECONDS = 1.0  # at the end of a process


class Output(io.TextIOBase):
    """A stream over a file descriptor, with a thread that writes and a bounded queue before it.

    Lines that find the queue full, or that cannot be written (a full disk, a pipe without a reader), are lost:
    `on_lost` is called with their number, and once the descriptor takes text again, the text that `notice` makes of
    their number stands in their place.
    """

    def __init__(
        self, descriptor: int, *, on_lost: Callable[[int], None], notice: Callable[[int], str] = lambda lost: ""
    ) -> None:
        self._descriptor = descriptor
        self._on_lost = on_lost
        self._notice = notice
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # a forked process has no thread, and perhaps a held lock

    def _begin(self) -> None:
        # Re-entrant: a collection of garbage, or a signal handler, may write in the middle of a write.
        self._lock = threading.RLock()
        self._waiting: SimpleQueue[tuple[int, bytes] | threading.Event] = SimpleQueue()
        self._waiting_bytes = 0
        self._partial = ""
        self._dropped = 0  # lines, since the last one that found room
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
        """Take `text`; it is written as soon as its line is complete."""
        with self._lock:
            whole, newline, self._partial = (self._partial + text).rpartition("\n")
            if newline:
                self._take(f"{whole}\n".encode(self.encoding, self.errors))
        return len(text)

    def drain(self, seconds: float = _DRAIN_SECONDS) -> None:
        """Wait until all that was taken is written, but no longer than `seconds`."""
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
        except (BlockingIOError, RuntimeError):  # no room; no thread to be had
            self._dropped += count
            self._on_lost(count)
            return
        self._waiting_bytes += len(lines)
        self._waiting.put((self._dropped, lines))
        self._dropped = 0

    def _write_all(self) -> None:
        lost = 0  # lines of which no notice was written yet
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
        """Write `text`; gives what could not be written."""
        left = memoryview(text)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # somebody who shares the descriptor made it so
                select.select([], [self._descriptor], [])
            except OSError:
                break
        return left


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
