"""Many watchers of a job: what they ask for is read once, and none of them keeps the store busy."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial

import grpc
import pytest

from helpers.rpc_requests import running_rpc
from helpers.service_values import RECORD
from helpers.worked_jobs import end_as_cancelled
from layerwise_proto.v1 import training_pb2
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.jobs import Claim, Event, Failure, NewJob
from layerwise_service.rpc.job_feed import JobFeed
from layerwise_service.settings import Settings
from layerwise_service.usecases.training import TrainingJobs
from layerwise_service.wiring import Stores


class Counted(TrainingJobs):
    """Counts the reads."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        super().__init__(stores.jobs, stores.job_control, stores.versions, stores.artifacts, settings)
        self.reads: Counter[str] = Counter()

    def events(self, job: str, *, after: int, from_step: int) -> list[Event]:
        self.reads["events"] += 1
        return super().events(job, after=after, from_step=from_step)

    def last_events(self, jobs: Collection[str]) -> Mapping[str, int]:
        self.reads["polls"] += 1
        return super().last_events(jobs)


@pytest.fixture
def training(settings: Settings, stores: Stores) -> Counted:
    return Counted(stores, settings)


@pytest.fixture
def claim(stores: Stores, dataset: Dataset) -> Claim:
    """A job that trains."""
    new = NewJob("xor", {"inputs": 2, "layers": []}, {}, dataset.sha256, "accuracy", fingerprint="f")
    stores.jobs.submit(new, dataset, max_open=10)
    claimed = stores.leases.claim("w")
    assert claimed is not None
    return claimed


@asynccontextmanager
async def running(training: TrainingJobs) -> AsyncIterator[JobFeed]:
    feed = JobFeed(training)
    feed.loop.start()
    yield feed
    await feed.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def all_are_at(step: int, found: list[list[int]]) -> bool:
    return all(steps[-1:] == [step] for steps in found)


async def steps_of(feed: JobFeed, job: str, from_step: int, found: list[int]) -> None:
    async with aclosing(feed.follow(job, from_step=from_step)) as events:
        async for event, _ in events:
            if event.record is not None:
                found.append(event.record.step)


def test_a_watcher_that_is_ahead_of_the_attempt_waits_without_reading(
    training: Counted, stores: Stores, claim: Claim
) -> None:
    async def watch() -> None:
        async with running(training) as feed:
            steps: list[int] = []
            watching = asyncio.create_task(steps_of(feed, claim.job.id, 100, steps))
            stores.leases.add_records(claim, [replace(RECORD, step=step) for step in (1, 2, 3)], progress=0.1)
            await until(lambda: training.reads["events"] >= 2)
            training.reads.clear()

            await until(lambda: training.reads["polls"] >= 5)
            quiet = training.reads["events"]
            stores.leases.add_records(claim, [replace(RECORD, step=step) for step in (100, 101)], progress=0.2)
            await until(lambda: steps)

            assert quiet <= 2  # the news of the three records may come after they were read
            assert steps == [101]
            end_as_cancelled(stores, claim)
            await watching

    asyncio.run(watch())


def test_a_hundred_watchers_read_as_often_as_one(training: Counted, stores: Stores, claim: Claim) -> None:
    async def watch() -> None:
        async with running(training) as feed:
            found: list[list[int]] = [[] for _ in range(100)]
            watching = [asyncio.create_task(steps_of(feed, claim.job.id, 0, steps)) for steps in found]
            for step in (1, 2, 3):
                stores.leases.add_records(claim, [replace(RECORD, step=step)], progress=0.1)
                await until(partial(all_are_at, step, found))
            end_as_cancelled(stores, claim)
            await asyncio.gather(*watching)

            assert found == [[1, 2, 3]] * 100
            assert training.reads["events"] <= 12  # at most two for each of the events, and those that find nothing

    asyncio.run(watch())


class Held(Counted):
    """Keeps what its first reader of the third event has read, until it is released."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        super().__init__(stores, settings)
        self.held, self.released = threading.Event(), threading.Event()

    def events(self, job: str, *, after: int, from_step: int) -> list[Event]:
        found = super().events(job, after=after, from_step=from_step)
        if after == 2 and not self.held.is_set():
            self.held.set()
            assert self.released.wait(20)
        return found


def test_a_watcher_is_not_given_what_another_read_before_the_newest_event(
    settings: Settings, stores: Stores, claim: Claim
) -> None:
    training = Held(stores, settings)

    async def watch() -> None:
        async with running(training) as feed:
            slow = feed.follow(claim.job.id, from_step=0)
            for _ in range(2):
                await anext(slow)
            quick = asyncio.create_task(steps_of(feed, claim.job.id, 0, []))
            await until(training.held.is_set)
            stores.leases.fail(claim, Failure("DIVERGED", "x"))
            polls = training.reads["polls"]
            await until(lambda: training.reads["polls"] > polls + 1)

            last = asyncio.create_task(anext(slow))
            await asyncio.sleep(0)
            training.released.set()
            async with asyncio.timeout(20):
                event, _ = await last
                await quick

            assert event.transition is not None
            assert event.transition.state.ended

    asyncio.run(watch())


def test_a_watcher_that_does_not_read_holds_nobody_up(training: Counted, stores: Stores, claim: Claim) -> None:
    async def watch() -> None:
        async with running(training) as feed:
            slow = feed.follow(claim.job.id, from_step=0)
            await anext(slow)  # and no more
            steps: list[int] = []
            watching = asyncio.create_task(steps_of(feed, claim.job.id, 0, steps))
            stores.leases.add_records(claim, [replace(RECORD, step=step) for step in range(1, 2001)], progress=0.1)
            await until(lambda: len(steps) == 2000)
            end_as_cancelled(stores, claim)
            await watching

            assert [event.record.step async for event, _ in slow if event.record is not None] == list(range(1, 2001))

    asyncio.run(watch())


def test_more_watchers_than_one_connection_used_to_take_are_all_told_the_end(
    settings: Settings, stores: Stores, claim: Claim
) -> None:
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as channel:
        watch = TrainingServiceStub(channel).WatchJob
        request = training_pb2.WatchJobRequest(job_id=claim.job.id)
        streams: list[Iterator[training_pb2.TrainEvent]] = [watch(request, timeout=60) for _ in range(400)]
        accepted = [next(stream).WhichOneof("event") for stream in streams]
        end_as_cancelled(stores, claim)
        last = [list(stream)[-1].transition.state for stream in streams]

    assert accepted == ["accepted"] * 400
    assert last == [training_pb2.JOB_STATE_CANCELLED] * 400
