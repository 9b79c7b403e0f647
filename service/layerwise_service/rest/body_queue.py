"""A queue for large request bodies. Decoded, a body takes many times its size, so few are decoded at the same time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import perf_counter

from layerwise_service.process.prediction_request import current_request

LARGE = 2**20
"""Bytes of a body; smaller ones do not wait."""


class BodyQueue:
    """Lets bodies of `most_bytes` in total be decoded at a time, in order of arrival; a single one may be larger.

    It serves one event loop, in which bodies wait without a thread. How many bytes may wait is left to their room.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0  # of the bodies whose turn it is
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncGenerator[None]:
        """Run the block when a body of `size` bytes has its turn; a small one waits for nothing.

        A body whose caller goes away meanwhile leaves the queue.
        """
        if size <= LARGE:
            yield
            return
        start = perf_counter()
        if self._waiting or not self._fits(size):
            await self._wait(size)
        else:
            self._bytes += size
        current_request().waited(perf_counter() - start)
        try:
            yield
        finally:
            self._leave(size)

    async def _wait(self, size: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the turn came at the same moment
                self._leave(size)
            else:
                self._waiting.remove((size, turn))
                self._let_in()  # those behind it may be smaller
            raise

    def _leave(self, size: int) -> None:
        self._bytes -= size
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, turn = self._waiting.popleft()
            self._bytes += size
            turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._bytes == 0 or self._bytes + size <= self._most_bytes
