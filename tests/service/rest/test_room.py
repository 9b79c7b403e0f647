"""Room for large bodies: who waits, who is let in, and who is ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from layerwise_service.errors import Unavailable
from layerwise_service.rest import room as of_room
from layerwise_service.rest.room import Place, Room, too_slow


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_room, "_LOOK_SECONDS", 0.1)


def nothing() -> None:
    raise AssertionError("this body was not slow")


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def waiting(room: Room, size: int, *, seconds: float = 20) -> asyncio.Task[Place]:
    return asyncio.create_task(room.place(size, nothing, seconds=seconds))


def test_bodies_are_let_in_as_they_came_when_there_is_room_for_all_of_them() -> None:
    async def run() -> None:
        room = Room(10)
        first = await room.place(6, nothing, seconds=20)
        large, small = waiting(room, 10), waiting(room, 1)
        await settle()
        assert not large.done()
        assert not small.done()  # it would fit, but large ones would wait for ever
        first.free()
        await settle()
        assert large.done()
        assert not small.done()
        large.result().free()
        (await small).free()
        assert (await room.place(10, nothing, seconds=20)).size == 10  # nothing was lost

    asyncio.run(run())


def test_a_body_larger_than_the_room_is_let_in_alone() -> None:
    async def run() -> None:
        room = Room(10)
        alone = await room.place(50, nothing, seconds=20)
        next_one = waiting(room, 1)
        await settle()
        assert not next_one.done()
        alone.free()
        (await next_one).free()

    asyncio.run(run())


def test_room_that_a_body_did_not_need_is_given_to_the_next() -> None:
    async def run() -> None:
        room = Room(10)
        chunked = await room.place(10, nothing, seconds=20)
        chunked.has(2)
        next_one = waiting(room, 8)
        await settle()
        assert not next_one.done()
        chunked.has_arrived()
        await next_one
        chunked.free()
        chunked.free()  # twice is once
        third = waiting(room, 3)
        await settle()
        assert not third.done()
        next_one.result().free()
        await third

    asyncio.run(run())


@pytest.mark.parametrize("gone", ["cancelled", "out of time"])
def test_one_that_no_longer_waits_keeps_nobody_behind_it(gone: str) -> None:
    async def run() -> None:
        room = Room(10)
        held = await room.place(5, nothing, seconds=20)
        held.has(5)
        held.has_arrived()
        large = waiting(room, 10, seconds=20 if gone == "cancelled" else 0)
        small = waiting(room, 1)
        await settle()
        if gone == "cancelled":
            large.cancel()
            with pytest.raises(asyncio.CancelledError):
                await large
        else:
            with pytest.raises(Unavailable, match="this one waited for 0 s"):
                await large
        assert (await small).size == 1

    asyncio.run(run())


def test_while_others_wait_a_slow_body_is_ended_and_a_quick_one_is_not() -> None:
    async def run() -> None:
        room, ended = Room(10, grace_seconds=0.5), list[str]()

        def end(name: str) -> Callable[[], None]:
            return lambda: ended.append(name)

        async def trickle(place: Place) -> None:
            while True:
                await asyncio.sleep(0.2)
                place.has(place.arrived + 1)

        slow = await room.place(4, end("slow"), seconds=20)
        quick = await room.place(3, end("quick"), seconds=20)
        here = await room.place(3, end("here"), seconds=20)
        here.has_arrived()
        slow.has(2**26)  # at once, and then hardly any more
        slowly = asyncio.create_task(trickle(slow))
        await asyncio.sleep(0.8)
        assert ended == []  # nobody waits
        quick.has(2**26)
        start = time.monotonic()
        waits = waiting(room, 4)
        while not ended:
            await asyncio.sleep(0.05)
            quick.has(quick.arrived + 2**20)
        slowly.cancel()
        assert time.monotonic() - start < 4
        assert ended == ["slow"]
        assert slow.too_slow
        assert "of this one 67108" in str(too_slow(slow))
        slow.free()
        await waits
        assert ended == ["slow"]

    asyncio.run(run())


def test_bodies_of_which_nothing_came_for_long_make_room_at_once() -> None:
    async def run() -> None:
        room = Room(10, grace_seconds=0.5)
        places: list[Place] = []

        def end() -> None:
            places[0].free()

        places.append(await room.place(10, end, seconds=20))
        places[0].has(2**30)
        await asyncio.sleep(0.8)
        start = time.monotonic()
        await room.place(10, nothing, seconds=20)
        assert time.monotonic() - start < 0.3

    asyncio.run(run())


def test_no_more_wait_than_may_wait() -> None:
    async def run() -> None:
        room = Room(10, most_waiting=10)
        held = await room.place(10, nothing, seconds=20)
        first = waiting(room, 25)  # alone, it may be larger
        await settle()
        with pytest.raises(Unavailable, match="1 wait already"):
            await room.place(1, nothing, seconds=20)
        held.free()
        (await first).free()

    asyncio.run(run())


def test_a_large_body_must_come_within_a_minute_while_others_wait() -> None:
    async def run() -> None:
        room, ended = Room(6_000_000_000, grace_seconds=0.5), list[str]()
        large = await room.place(6_000_000_000, lambda: ended.append("large"), seconds=20)
        waits = waiting(room, 1)
        while not ended:
            await asyncio.sleep(0.05)
            large.has(large.arrived + 1_000_000)  # 20 MB a second; 100 are needed
        large.free()
        await waits

    asyncio.run(run())
