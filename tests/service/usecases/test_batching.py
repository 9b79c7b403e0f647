"""Requests to a large network that arrive together are joined, and each has its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.waiting import wait_until
from layerwise import MLP, Architecture, Layer
from layerwise_service.errors import CallTooLate, DeadlineExceeded, Unavailable
from layerwise_service.process.prediction_request import PredictionRequest
from layerwise_service.usecases import batching
from layerwise_service.usecases.batching import LEAST_PARAMETERS, Batcher, Batches
from layerwise_service.usecases.pass_costs import Costs
from layerwise_service.usecases.pass_waiter import Computed, Waiter

Floats = NDArray[Any]


class HeldNetwork:
    """Doubles its rows, one pass at a time, each as soon as it is let; notes the rows of each pass."""

    def __init__(self) -> None:
        self.passes: list[int] = []
        self._turns = threading.Semaphore(0)
        self.fails: Callable[[Floats], bool] = lambda rows: False

    def outputs(self, rows: Floats, *, check: bool) -> Floats:
        self.passes.append(len(rows))
        assert self._turns.acquire(timeout=20)
        if self.fails(rows):
            raise MemoryError
        return rows * 2

    def let(self, passes: int = 1) -> None:
        self._turns.release(passes)


def row(value: float, count: int = 1) -> Floats:
    return np.full((count, 3), value, np.float32)


class Callers:
    """Threads that ask a batcher, in their order."""

    def __init__(self, pool: ThreadPoolExecutor, slots: int = 1) -> None:
        self.network = HeldNetwork()
        self.batcher = Batcher(slots)
        self.pool = pool

    def ask(self, rows: Floats) -> Future[Computed]:
        """Ask in a thread, as part of the current request."""
        network: Any = self.network
        known = len(self.batcher._waiting) + len(self.network.passes)
        asked = self.pool.submit(copy_context().run, self.batcher.compute, network, rows)
        wait_until(lambda: len(self.batcher._waiting) + len(self.network.passes) > known)
        return asked


@pytest.fixture
def callers() -> Any:
    with ThreadPoolExecutor(16) as pool:
        made = Callers(pool)
        yield made
        made.network.let(100)


def test_a_request_alone_runs_at_once_in_its_own_thread() -> None:
    threads: list[int] = []

    class Network:
        def outputs(self, rows: Floats, *, check: bool) -> Floats:
            threads.append(threading.get_ident())
            return rows

    network: Any = Network()
    found = Batcher(1).compute(network, row(1))

    assert threads == [threading.get_ident()]
    assert found.executions == 1
    assert found.queue_seconds < 0.1


def test_requests_that_come_during_a_pass_are_joined_and_each_gets_its_own_rows(callers: Callers) -> None:
    asked = [callers.ask(row(0))]
    asked += [callers.ask(row(i, count=i)) for i in (1, 2, 3)]

    callers.network.let(2)

    found = [each.result(timeout=20) for each in asked]
    assert callers.network.passes == [1, 6]
    for i, each in enumerate(found):
        np.testing.assert_array_equal(each.outputs, row(2 * i, count=max(1, i)))
    assert [each.executions for each in found] == [1, 1, 0, 0]
    assert all(each.queue_seconds > 0 for each in found[1:])


def test_as_many_passes_run_at_once_as_there_are_slots() -> None:
    with ThreadPoolExecutor(8) as pool:
        callers = Callers(pool, slots=2)
        asked = [callers.ask(row(i)) for i in range(5)]
        assert callers.network.passes == [1, 1]
        callers.network.let(3)
        assert [each.result(timeout=20).outputs[0, 0] for each in asked] == [0, 2, 4, 6, 8]
        assert callers.network.passes == [1, 1, 3]


def test_a_failing_pass_is_repeated_by_each_request_for_itself(callers: Callers) -> None:
    callers.network.fails = lambda rows: len(rows) > 1 or rows[0, 0] == 2
    asked = [callers.ask(row(i)) for i in (0, 1, 2, 3)]

    callers.network.let(5)

    assert [asked[i].result(timeout=20).outputs[0, 0] for i in (0, 1, 3)] == [0, 2, 6]
    with pytest.raises(MemoryError):
        asked[2].result(timeout=20)
    callers.network.let()
    assert callers.ask(row(7)).result(timeout=20).outputs[0, 0] == 14


def test_a_request_does_not_wait_beyond_its_deadline_and_is_not_computed(callers: Callers) -> None:
    first = callers.ask(row(0))
    with PredictionRequest(seconds=0.05):
        late = callers.ask(row(1))
        with PredictionRequest(seconds=60):
            patient = callers.ask(row(2))

            with pytest.raises(CallTooLate):
                late.result(timeout=20)
            callers.network.let(2)

            assert first.result(timeout=20).outputs[0, 0] == 0
            assert patient.result(timeout=20).outputs[0, 0] == 4
    assert callers.network.passes == [1, 1]


def test_a_request_whose_wait_would_be_long_is_refused(callers: Callers) -> None:
    callers.batcher._costs.add(1, 3.0)
    asked = [callers.ask(row(i)) for i in range(3)]

    with pytest.raises(Unavailable) as refused:
        callers.batcher.compute(callers.network, row(9))  # type: ignore[arg-type]

    assert refused.value.reason == "TOO_MANY_WAITING"
    assert refused.value.retry_after == 1
    callers.network.let(100)
    assert [each.result(timeout=20).outputs[0, 0] for each in asked] == [0, 2, 4]


def test_as_many_go_together_as_make_a_row_cheapest() -> None:
    costs = Costs()
    for rows, seconds in ((1, 1.0), (2, 1.2), (4, 1.6), (8, 6.4), (16, 16.0)):
        costs.add(rows, seconds)

    assert costs.best_of([1] * 16) == 4
    assert costs.best_of([1, 1]) == 2
    assert costs.best_of([3, 3, 3]) == 1
    assert costs.best_of([1] * 40) == 40  # a size that is not known is tried
    assert costs.joining_helps


def test_joining_ends_where_a_row_in_company_is_not_cheaper() -> None:
    costs = Costs()
    for _ in range(100):
        costs.add(1, 1.0)
        costs.add(4, 3.9)

    assert not costs.joining_helps


def test_small_networks_and_large_requests_are_not_joined() -> None:
    network = MLP(Architecture(inputs=3, layers=(Layer(2),)), seed=0)
    assert network.parameters.size < LEAST_PARAMETERS
    batches = Batches(1)

    assert batches.compute(network, row(1)).executions == 1
    assert batches.compute(network, row(1, count=1_000)).outputs.shape == (1_000, 2)
    assert not batches._batchers


def test_a_network_that_is_no_longer_used_is_forgotten() -> None:
    network = MLP(Architecture(inputs=3, layers=(Layer(LEAST_PARAMETERS // 3), Layer(2))), seed=0)
    batches = Batches(1)
    batches.compute(network, row(1))
    assert len(batches._batchers) == 1

    del network

    assert not batches._batchers


def test_many_threads_all_get_their_own_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "LEAST_PARAMETERS", 1)
    network = MLP(Architecture(inputs=3, layers=(Layer(64, activation="relu"), Layer(5))), seed=0)
    batches, rows = Batches(1), np.random.default_rng(0).standard_normal((400, 3)).astype(np.float32)
    expected = network.outputs(rows)

    def ask(start: int) -> None:
        for at in range(start, 400, 16):
            count = min(400 - at, 1 + at % 7)
            found = batches.compute(network, rows[at : at + count])
            np.testing.assert_allclose(found.outputs, expected[at : at + count], rtol=1e-4, atol=1e-6)

    with ThreadPoolExecutor(16) as pool:
        for each in [pool.submit(ask, start) for start in range(16)]:
            each.result(timeout=60)


def test_a_request_that_is_cancelled_while_it_waits_is_not_computed(callers: Callers) -> None:
    first = callers.ask(row(0))
    with PredictionRequest():  # the task of a call, which ends while its thread waits
        gone = callers.ask(row(1))
    patient = callers.ask(row(2))

    callers.network.let(2)

    assert (first.result(20).outputs[0, 0], patient.result(20).outputs[0, 0]) == (0, 4)
    with pytest.raises(DeadlineExceeded):
        gone.result(20)
    assert callers.network.passes == [1, 1]


async def ask_soon(callers: Callers, rows: Floats, *, seconds: float | None = None) -> asyncio.Task[Computed]:
    """Ask in the event loop, as a request of its own, and return when the rows wait or are computed."""
    network: Any = callers.network

    async def ask() -> Computed:
        with PredictionRequest(seconds=seconds, threads=callers.pool):
            return await callers.batcher.compute_soon(network, rows)

    known = len(callers.batcher._waiting) + len(callers.network.passes)
    asked = asyncio.create_task(ask())
    while len(callers.batcher._waiting) + len(callers.network.passes) == known:
        await asyncio.sleep(0.001)
    return asked


def test_requests_of_an_event_loop_are_joined_while_the_loop_goes_on(callers: Callers) -> None:
    async def run() -> list[Computed]:
        asked = [await ask_soon(callers, row(0))]
        asked += [await ask_soon(callers, row(i, count=i)) for i in (1, 2, 3)]
        callers.network.let(2)
        return await asyncio.gather(*asked)

    found = asyncio.run(run())

    assert callers.network.passes == [1, 6]
    for i, each in enumerate(found):
        np.testing.assert_array_equal(each.outputs, row(2 * i, count=max(1, i)))
    assert [each.executions for each in found] == [1, 1, 0, 0]


def test_requests_of_threads_and_of_an_event_loop_wait_in_one_queue(callers: Callers) -> None:
    async def run() -> list[Computed]:
        first = callers.ask(row(0))
        in_loop = [await ask_soon(callers, row(1))]
        in_thread = callers.ask(row(2))
        callers.network.let(1)
        await asyncio.to_thread(first.result, 20)
        in_loop.append(await ask_soon(callers, row(3)))
        second = callers.ask(row(4))
        callers.network.let(5)
        of_threads = [await asyncio.to_thread(each.result, 20) for each in (in_thread, second)]
        return [*await asyncio.gather(*in_loop), *of_threads]

    found = asyncio.run(run())

    assert [each.outputs[0, 0] for each in found] == [2, 6, 4, 8]
    assert sum(callers.network.passes) == 5


def test_a_failing_pass_is_repeated_by_each_request_of_an_event_loop(callers: Callers) -> None:
    callers.network.fails = lambda rows: len(rows) > 1 or rows[0, 0] == 2

    async def run() -> list[Computed | BaseException]:
        asked = [await ask_soon(callers, row(i)) for i in (0, 1, 2, 3)]
        callers.network.let(5)
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(run())

    assert [each.outputs[0, 0] for each in found if isinstance(each, Computed)] == [0, 2, 6]
    assert isinstance(found[2], MemoryError)


def test_a_request_of_an_event_loop_does_not_wait_beyond_its_deadline(callers: Callers) -> None:
    async def run() -> tuple[Computed, BaseException, Computed]:
        first = await ask_soon(callers, row(0))
        late = await ask_soon(callers, row(1), seconds=0.05)
        patient = await ask_soon(callers, row(2), seconds=60)
        await asyncio.wait([late])
        callers.network.let(2)
        error = late.exception()
        assert error is not None
        return await first, error, await patient

    first, error, patient = asyncio.run(run())

    assert isinstance(error, CallTooLate)
    assert (first.outputs[0, 0], patient.outputs[0, 0]) == (0, 4)
    assert callers.network.passes == [1, 1]


def test_a_request_that_is_cancelled_in_the_queue_is_not_computed(callers: Callers) -> None:
    async def run() -> Computed:
        first = await ask_soon(callers, row(0))
        given_up = await ask_soon(callers, row(1))
        given_up.cancel()
        await asyncio.wait([given_up])
        callers.network.let(1)
        return await first

    assert asyncio.run(run()).outputs[0, 0] == 0
    wait_until(lambda: callers.batcher._running == 0)
    assert callers.network.passes == [1]


def answered(requests: int) -> list[Waiter]:
    return [Waiter(row(0), 0.0) for _ in range(requests)]


def test_a_pass_waits_for_those_that_were_just_answered_if_company_makes_it_cheaper(callers: Callers) -> None:
    callers.batcher._costs._seconds = {0: 1.0, 3: 0.1}  # of a row alone, and of one among five to eight
    callers.ask(row(0))
    gathering = callers.pool.submit(callers.batcher._gather, answered(5), 20.0)
    wait_until(lambda: callers.batcher._wanted_rows == 5)

    for i in range(4):
        callers.ask(row(i))
    assert not gathering.done()
    callers.ask(row(5))

    gathering.result(timeout=10)
    callers.network.let(10)


@pytest.mark.parametrize(
    ("costs", "requests"),
    [({0: 0.1, 3: 0.1}, 5), ({0: 1.0, 3: 0.1}, 1), ({0: 1.0}, 5)],
    ids=["company is no cheaper", "a request alone has none", "nobody knows"],
)
def test_a_pass_waits_for_nobody(callers: Callers, costs: dict[int, float], requests: int) -> None:
    callers.batcher._costs._seconds = costs

    callers.batcher._gather(answered(requests), 1000.0)  # returns at once


def test_requests_that_hold_all_threads_do_not_keep_the_pass_from_beginning_that_they_wait_for() -> None:
    with ThreadPoolExecutor(1) as pool:
        callers = Callers(pool)
        network: Any = callers.network
        busy = threading.Event()

        async def run() -> tuple[Computed, Computed]:
            pool.submit(busy.wait, 20)
            in_thread = pool.submit(callers.batcher.compute, network, row(1))  # begins when the thread is free
            in_loop = await ask_soon(callers, row(0))  # holds the one slot
            busy.set()
            callers.network.let(2)
            return await asyncio.wait_for(in_loop, 20), await asyncio.to_thread(in_thread.result, 20)

        found = asyncio.run(run())

    assert [each.outputs[0, 0] for each in found] == [0, 2]
