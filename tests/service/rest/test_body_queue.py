"""Large bodies wait in a queue, in the order in which they came; small ones wait for none."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from layerwise_service.process.prediction_request import PredictionRequest
from layerwise_service.process.step_threads import StepThreads
from layerwise_service.process.threads import in_thread, in_turn
from layerwise_service.rest import body_queue as module
from layerwise_service.rest.body_queue import BodyQueue
from layerwise_service.rest.messages import Request
from layerwise_service.rest.row_requests import quickly

SECONDS = 30.0


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 0)


def run(steps: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(steps, SECONDS))


def test_no_more_bytes_have_their_turn_than_are_allowed_and_all_get_one_in_order() -> None:
    async def steps() -> None:
        queue = BodyQueue(10)
        held, most, order = 0, 0, list[int]()

        async def take(number: int, size: int) -> None:
            nonlocal held, most
            async with queue.turn(size):
                order.append(number)
                held += size
                most = max(most, held)
                await asyncio.sleep(0)
                held -= size

        await asyncio.gather(*(take(number, size) for number, size in enumerate([1, 4, 5, 3, 25] * 100)))

        assert most == 25  # one that is larger than what is allowed, alone
        assert order == [*range(500)]

    run(steps())


def test_a_block_that_fails_gives_its_turn_back() -> None:
    async def steps() -> None:
        queue = BodyQueue(10)
        with pytest.raises(ValueError, match="odd"):
            async with queue.turn(10):
                raise ValueError("odd")
        async with queue.turn(10):
            pass

    run(steps())


def test_a_body_whose_caller_goes_away_leaves_the_queue() -> None:
    async def steps() -> None:
        queue = BodyQueue(10)
        ended = list[int]()

        async def take(number: int, size: int) -> None:
            async with queue.turn(size):
                ended.append(number)

        async with queue.turn(9):
            tasks = [asyncio.create_task(take(number, size)) for number, size in enumerate([10, 1, 10])]
            await asyncio.sleep(0)
            assert ended == []
            tasks[0].cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert ended == [1]  # there is room for it beside the first, once the large one before it has gone
        await tasks[2]
        tasks = [asyncio.create_task(take(3, 10)), asyncio.create_task(take(4, 10))]
        await asyncio.sleep(0)
        tasks[1].cancel()  # as its turn comes
        await tasks[0]
        async with queue.turn(10):
            pass

    run(steps())


def answered(*bodies: tuple[bytes, str], work: Callable[[bytes], Any], most: int = 10**6) -> list[Any]:
    """Return what `work` makes of each body, all of them sent at the same time, with their codings."""

    async def answer(request: Request) -> Any:
        return work(request.body())

    async def one(threads: StepThreads, queue: BodyQueue, body: bytes, coding: str) -> Any:
        with PredictionRequest(threads=threads):
            headers = {"content-length": str(len(body)), "content-encoding": coding}
            return await quickly(Request("POST", "/", "", headers, Sent(body), max_body_bytes=most), queue, answer)

    async def steps() -> list[Any]:
        threads, queue = StepThreads(64, name="t"), BodyQueue(most)
        return await asyncio.gather(*(one(threads, queue, body, coding) for body, coding in bodies))

    return asyncio.run(asyncio.wait_for(steps(), SECONDS))


class Sent:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def whole(self, length: int | None, most: int) -> bytes:
        return self._body

    async def drop(self) -> None: ...


class Counted:
    """Work of which so many are done at the same time, at `most`."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, body: bytes) -> int:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        with self._lock:
            self._now -= 1
        return len(body)


def test_large_bodies_of_every_kind_are_computed_in_turn() -> None:
    work = Counted()
    body = b"x" * 400_000

    found = answered(*[(body, "")] * 20, *[(gzip.compress(body), "gzip")] * 20, work=work)

    assert found == [400_000] * 40
    assert work.most <= 2  # two of them are what the queue allows at a time


def test_small_packed_bodies_are_not_refused_and_do_not_wait_for_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # their true size counts
    row = json.dumps({"instances": [[1, 2, 3]]}).encode()
    held, done = threading.Event(), list[int]()

    def work(body: bytes) -> int:
        if len(body) > len(row):
            assert held.wait(SECONDS)
        else:
            done.append(len(body))
            if len(done) == 30:
                held.set()
        return len(body)

    large = row + b" " * 2**21
    found = answered((large, ""), *[(gzip.compress(row), "gzip")] * 30, work=work, most=3 * 2**20)

    assert found == [len(large), *[len(row)] * 30]


def test_what_a_packed_body_may_become_is_reckoned_by_the_most_that_deflate_can_do() -> None:
    packed = gzip.compress(bytes(3_000_000))

    request = Request("POST", "/", "", {"content-encoding": "gzip"}, None, max_body_bytes=10**9)
    request._received = packed

    assert 3_000_000 <= request.most_bytes <= 1_032 * len(packed)
    request.unpack(2_999_999)
    assert request.is_packed
    request.unpack(3_000_000)
    assert not request.is_packed
    assert request.most_bytes == len(request.body()) == 3_000_000


@pytest.mark.parametrize("make", [in_thread, in_turn])
def test_the_turn_of_a_caller_that_has_gone_is_kept_until_its_thread_has_ended(make: Any) -> None:
    work = Counted()
    ended = list[str]()

    async def one(threads: StepThreads) -> None:
        with PredictionRequest(threads=threads):
            try:
                await make(work, b"")
            finally:
                ended.append(f"{work._now} at work")

    async def steps() -> None:
        threads = StepThreads(64, name="t")
        threads.turns = asyncio.Semaphore(2)
        for _ in range(10):
            tasks = [asyncio.create_task(one(threads)) for _ in range(2)]
            await asyncio.sleep(0.005)
            for task in tasks:
                task.cancel()
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.gather(*tasks)
            await asyncio.wait(tasks)

    run(steps())
    assert work.most <= 2
    assert ended[-1] == "0 at work"
