"""Where the steps of a request run."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from layerwise_service.errors import CallTooLate
from layerwise_service.process import step_threads
from layerwise_service.process.prediction_request import PredictionRequest
from layerwise_service.process.step_threads import StepThreads
from layerwise_service.process.threads import in_thread, in_turn


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(step_threads, "_TURNS", 2)
    with StepThreads(8, name="step") as threads:
        yield threads


def test_steps_that_compute_take_turns_and_others_do_not_wait_for_them(threads: StepThreads) -> None:
    released, running, most = threading.Event(), set[int](), list[int]()

    def step(number: int) -> int:
        running.add(number)
        most.append(len(running))
        assert released.wait(20)
        running.discard(number)
        return number

    async def ask(number: int) -> int:
        with PredictionRequest(threads=threads):
            return await in_turn(step, number)

    async def run() -> list[int]:
        asked = [asyncio.create_task(ask(number)) for number in range(6)]
        with PredictionRequest(threads=threads):
            assert await in_thread(lambda: "another") == "another"
        released.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(run()) == list(range(6))
    assert max(most) <= 2


def test_a_step_whose_caller_waits_no_longer_is_not_made_and_gives_its_turn_back(threads: StepThreads) -> None:
    released = threading.Event()

    async def ask(seconds: float | None) -> bool:
        with PredictionRequest(seconds=seconds, threads=threads):
            return await in_turn(released.wait, 20)

    async def run() -> None:
        held = [asyncio.create_task(ask(None)) for _ in range(2)]
        late = asyncio.create_task(ask(0.05))
        gone = asyncio.create_task(ask(None))
        await asyncio.sleep(0.1)
        gone.cancel()
        released.set()
        assert await asyncio.gather(*held) == [True, True]
        with pytest.raises(CallTooLate):
            await late
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert await ask(None)
        assert not threads.turns.locked()

    asyncio.run(run())
