"""Calls that take much memory: few at the same time, few that wait, and a clear answer to all others."""

from __future__ import annotations

import asyncio
import threading

import pytest

from layerwise_service.errors import ErrorKind, ServiceError
from layerwise_service.rpc.limited_threads import MOST_WAITING, LimitedThreads

AT_ONCE = 2


def test_few_calls_run_at_once_some_wait_and_more_are_refused() -> None:
    running, most, lock, free = 0, 0, threading.Lock(), threading.Event()

    def work() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        free.wait(30)
        with lock:
            running -= 1
        return "done"

    async def ask() -> list[str]:
        threads = LimitedThreads(AT_ONCE, "evaluations")
        try:
            asked = [asyncio.ensure_future(threads.run(work)) for _ in range(AT_ONCE + MOST_WAITING)]
            await asyncio.sleep(0)  # until all of them wait for a thread
            with pytest.raises(ServiceError, match="18 evaluations are asked for at the same time") as caught:
                await threads.run(work)
            assert (caught.value.kind, caught.value.retry_after) == (ErrorKind.UNAVAILABLE, 10)
            free.set()
            return [*await asyncio.gather(*asked), await threads.run(work)]
        finally:
            free.set()
            threads.close()

    answers = asyncio.run(ask())

    assert answers == ["done"] * (AT_ONCE + MOST_WAITING + 1)
    assert most == AT_ONCE
