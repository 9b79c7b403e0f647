"""Where the steps of a request run: those that take long in a thread, so that an event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from time import perf_counter
from typing import Any, TypeVar

from layerwise_service.process.prediction_request import current_request

T = TypeVar("T")

_FEW_VALUES = 2_000  # to write them takes about as long as to hand them to a thread


async def in_turn(call: Callable[..., T], *arguments: Any) -> T:
    """Return the result of a call that only computes, made as by `in_thread` when it is its turn."""
    request = current_request()
    if request.threads is None:
        return call(*arguments)
    asked = perf_counter()
    async with request.threads.turns:
        request.waited(perf_counter() - asked)
        return await in_thread(call, *arguments)


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Return the result of a call that may take long, made in a thread of the current request.

    If the request is answered in a thread already, the call is made at once. Raises `DeadlineExceeded`, without making
    the call, if nobody waits for the answer any more when a thread is free.
    """
    request = current_request()
    if (threads := request.threads) is None:
        return call(*arguments)
    context, asked = copy_context(), perf_counter()

    def run() -> T:
        request.waited(perf_counter() - asked)
        request.check()
        request.threads = None
        try:
            return context.run(call, *arguments)
        finally:
            request.threads = threads

    made = asyncio.get_running_loop().run_in_executor(threads, run)
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:  # the caller has gone, the thread has not: keep its turn and its room until it has
        request.give_up()
        await _settled(made)
        raise


async def _settled(made: asyncio.Future[Any]) -> None:
    """Wait until a thread has ended, whatever came of it, and however often this is cancelled."""
    while not made.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([made])
    if not made.cancelled():
        made.exception()  # nobody else asks for it


async def in_thread_if_many(values: int, call: Callable[..., T], *arguments: Any) -> T:
    """Return the result of a call whose time grows with so many `values`: made here if they are few."""
    return call(*arguments) if values <= _FEW_VALUES else await in_thread(call, *arguments)


def run_now(steps: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never waits, since its request is answered in a thread."""
    try:
        steps.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    steps.close()
    raise RuntimeError("a step of a request in a thread waits for an event loop")
