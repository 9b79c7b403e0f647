"""A queue for large request bodies. Decoded, a body takes many times its size, so few are decoded at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from layerwise_service.errors import Unavailable
from layerwise_service.process.prediction_request import current_request

_MOST_WAITING = 32  # half of the threads, so that small requests find a free one
_LARGE = 2**20  # bytes of a body; smaller ones do not wait
_NO_TURN = nullcontext()
_WAITING_TIMES = 4  # so many times `most_bytes` may wait


def may_wait(size: int, *, packed: bool) -> bool:
    """Return whether a body may have to wait for a turn."""
    return packed or size > _LARGE


class BodyQueue:
    """Lets bodies of `most_bytes` in total be decoded at a time, in order of arrival; a single one may be larger."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._bytes = 0  # of the bodies whose turn it is
        self._waiting: dict[int, int] = {}  # sizes by number, in order of arrival
        self._next = 0

    def turn_for(self, size: int, *, packed: bool) -> AbstractContextManager[None]:
        """Return the turn of a body; a small one waits for nothing, a packed one may be as large as any."""
        if not may_wait(size, packed=packed):
            return _NO_TURN
        return self.turn(self._most_bytes if packed else size)

    @contextmanager
    def turn(self, size: int) -> Generator[None]:
        """Run the block when a body of `size` bytes has its turn. Raises `Unavailable` if too many wait already."""
        start = time.perf_counter()
        with self._changed:
            if (self._waiting or not self._fits(size)) and self._is_full(size):
                detail = f"{len(self._waiting)} large requests are waiting already, the most allowed; try again in 1 s"
                raise Unavailable(detail, reason="TOO_MANY_LARGE_REQUESTS", retry_after=1)
            number, self._next = self._next, self._next + 1
            self._waiting[number] = size
            self._changed.wait_for(lambda: next(iter(self._waiting)) == number and self._fits(size))
            del self._waiting[number]
            self._bytes += size
            self._changed.notify_all()
        current_request().waited(time.perf_counter() - start)
        try:
            yield
        finally:
            with self._changed:
                self._bytes -= size
                self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return self._bytes == 0 or self._bytes + size <= self._most_bytes

    def _is_full(self, size: int) -> bool:
        held = sum(self._waiting.values())
        return len(self._waiting) >= _MOST_WAITING or held + size > _WAITING_TIMES * self._most_bytes
