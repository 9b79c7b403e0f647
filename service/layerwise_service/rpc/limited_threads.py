"""Threads for calls that take much memory or a core: few run at the same time, and few wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from layerwise_service.errors import Unavailable

MOST_WAITING = 16
_RETRY_SECONDS = 10
Result = TypeVar("Result")


class LimitedThreads:
    """Runs `at_once` calls at the same time; `what` names them, in the plural."""

    def __init__(self, at_once: int, what: str) -> None:
        self._most = at_once + MOST_WAITING
        self._what = what
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=what)
        self._asked = 0

    async def run(self, call: Callable[[], Result]) -> Result:
        """Return the result of `call`, made in a thread. Raises `Unavailable` if too many wait already."""
        if self._asked >= self._most:
            detail = f"{self._asked} {self._what} are asked for at the same time, the most allowed: ask again later"
            raise Unavailable(detail, retry_after=_RETRY_SECONDS)
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        finally:
            self._asked -= 1

    def close(self) -> None:
        """Wait for the calls that run; those that wait are not made."""
        self._threads.shutdown(cancel_futures=True)
