"""Background loops: no error ends one, and one that hangs is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from helpers.waiting import wait_until
from layerwise_service.errors import Unavailable
from layerwise_service.process.loops import AsyncLoop, Loop, late


@pytest.mark.parametrize(
    "error", [Unavailable("no database"), OSError(28, "No space left"), KeyError("x"), MemoryError()]
)
def test_a_loop_goes_on_after_any_error(error: Exception) -> None:
    turns: list[Exception | None] = []
    to_come: Iterator[Exception | None] = iter([None, error, error, None])

    def work() -> None:
        turns.append(error := next(to_come, None))
        if error is not None:
            raise error

    loop = Loop("work", work, every=0.001)
    loop.start()
    wait_until(lambda: len(turns) >= 6)
    loop.stop()

    assert turns[:4] == [None, error, error, None]


def test_an_unexpected_error_is_logged_with_its_traceback_and_the_next_turn_comes_later() -> None:
    def work() -> None:
        raise KeyError("unexpected")

    loop = Loop("work", work, every=0.5)

    with capture_logs() as logged:
        delays = [loop.turn() for _ in range(5)]

    assert delays == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert len(logged) == 5
    assert isinstance(logged[0]["exc_info"], KeyError)


def test_an_expected_error_is_logged_once_and_so_is_its_end() -> None:
    away = [True]

    def work() -> None:
        if away[0]:
            raise Unavailable("the database does not answer")

    loop = Loop("work", work, every=0.5)
    with capture_logs() as logged:
        delays = [loop.turn() for _ in range(3)]
        away[0] = False
        loop.turn()
        loop.turn()

    assert delays == [0.5, 0.5, 0.5]
    assert [(entry["event"], entry.get("error")) for entry in logged] == [
        ("loop_failed", "the database does not answer"),
        ("loop_recovered", None),
    ]


def test_a_loop_slower_than_its_pace_keeps_its_pace_after_an_error() -> None:
    loop = Loop("hourly", lambda: 1 / 0, every=3600.0)

    assert loop.turn() == 3600.0


def test_a_loop_is_late_while_a_turn_hangs_or_fails_and_not_while_a_service_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise KeyError("unexpected")

    def away() -> None:
        raise Unavailable("the database does not answer")

    seconds = [1000.0]
    monkeypatch.setattr("layerwise_service.process.loops.time.monotonic", lambda: seconds[0])
    works = {"hanging": None, "failing": fail, "waiting": away, "working": lambda: None}
    loops = {name: Loop(name, work or fail, every=1.0, late_after=60.0) for name, work in works.items()}

    def turn() -> list[str]:
        with capture_logs():
            for name in ("failing", "waiting", "working"):
                loops[name].turn()
        return late(loops.values())

    assert turn() == []
    seconds[0] += 62
    assert turn() == ["hanging has not completed for 62 s", "failing has not completed for 62 s"]


def test_a_loop_of_the_event_loop_goes_on_after_any_error_and_stops() -> None:
    turns: list[int] = []

    async def work() -> None:
        turns.append(len(turns))
        if len(turns) == 2:
            raise KeyError("unexpected")
        if len(turns) == 3:
            raise Unavailable("away")

    async def run() -> None:
        loop = AsyncLoop("work", work, every=0.001)
        loop.start()
        loop.start()  # the same task
        async with asyncio.timeout(20):
            while len(turns) < 6:
                await asyncio.sleep(0.005)
        await loop.stop()
        count = len(turns)
        await asyncio.sleep(0.02)
        assert len(turns) == count

    asyncio.run(run())
