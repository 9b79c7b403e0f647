"""How an attempt at a job ends while the stores fail, the worker stops, or another worker has the job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from helpers.service_values import LIMITS
from helpers.waiting import wait_until
from helpers.worked_jobs import failing, failure, story
from layerwise import MLP, TableEncoder
from layerwise_service.domain.datasets import Batch
from layerwise_service.domain.jobs import Claim, Job, NewJob
from layerwise_service.errors import NoSpace, Unavailable
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.leases import Leases
from layerwise_service.stores.schema import jobs
from layerwise_service.stores.table_reader import StoredTable
from layerwise_service.wiring import Stores, build_worker
from layerwise_service.worker import reports
from layerwise_service.worker.worker import Worker

FULL = NoSpace("the disk of the service is full")
AWAY = Unavailable("the database does not answer")
LONG = {"epochs": 100_000, "batch_size": 1}


@pytest.fixture
def runner(settings: Settings, stores: Stores) -> Iterator[Worker]:
    """A worker that works until the test has ended, or stops it."""
    made = build_worker(settings, "w")
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.stop()
    thread.join(20)
    assert not thread.is_alive()


def give_to_another(stores: Stores) -> None:
    """Requeue the job of every worker, as if it had been silent, but leave the workers."""
    with stores.database.write() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.state == "RUNNING").values(worker="silent"))
    stores.leases.take_back_from("silent")


def beats(stores: Stores) -> int:
    with stores.database.read() as connection:
        found: int = connection.scalar(sa.select(jobs.c.beats))
    return found


def wait_for_beats(stores: Stores, number: int) -> None:
    end = beats(stores) + number
    wait_until(lambda: beats(stores) >= end)


def test_a_job_that_runs_out_of_memory_fails_and_says_so(
    submit: Callable[..., Job], work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ArtifactStore, "keep_model", MemoryError())

    reason, message = failure(work(submit()))

    assert reason == "OUT_OF_MEMORY"
    assert message == "the worker has too little memory for this network and batch size"


def test_training_waits_when_too_many_records_are_not_stored(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_STORE_SECONDS", 1000.0)
    monkeypatch.setattr(reports, "_MOST_UNSTORED", 5)
    calls = failing(monkeypatch, Leases, "add_records", FULL)

    ended = work(submit(epochs=12))

    assert story(ended)[1:] == [
        ("RUNNING", "CLAIMED"),
        ("WAITING", "NO_SPACE"),
        ("RUNNING", "CONTINUED"),
        ("SUCCEEDED", "PUBLISHED"),
    ]
    assert [len(records) for _, records in calls] == [5, 5, 5, 2]


def submit_table(stores: Stores) -> Job:
    writer = stores.artifacts.new_dataset(classes=None, **LIMITS)
    table = {"x": np.array([0.0, 1.0, 2.0, 3.0])}
    writer.add(Batch(table, ["no", "yes", "yes", "no"]))
    dataset = writer.finish()
    stores.artifacts.keep(writer, dataset)
    encoder = TableEncoder().fit(table)
    architecture = {"inputs": encoder.width, "layers": [{"units": 2}]}
    new = NewJob(
        "t", architecture, {"epochs": 2}, dataset.sha256, "accuracy", fingerprint="f", preprocessing=encoder.to_json()
    )
    return stores.jobs.submit(new, dataset, max_open=100)


@pytest.mark.parametrize("kind", ["rows", "table", "lbfgs"])
def test_a_job_that_is_cancelled_after_its_last_step_is_not_published(
    submit: Callable[..., Job],
    stores: Stores,
    work: Callable[[Job], Job],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    keep = ArtifactStore.keep_model

    def cancel_and_keep(store: ArtifactStore, model: MLP) -> tuple[str, int]:
        assert stores.job_control.cancel(job.id).state == "CANCELLING"
        return keep(store, model)

    monkeypatch.setattr(ArtifactStore, "keep_model", cancel_and_keep)
    plan = {"optimizer": {"kind": "lbfgs"}, "batch_size": None} if kind == "lbfgs" else {}
    job = submit_table(stores) if kind == "table" else submit(**plan)

    ended = work(job)

    assert story(ended)[1:] == [
        ("RUNNING", "CLAIMED"),
        ("CANCELLING", "CANCEL_REQUESTED"),
        ("CANCELLED", "CANCEL_REQUESTED"),
    ]
    assert stores.versions.page(limit=1, after="") == []


def test_a_worker_learns_of_a_cancel_when_it_stores_records(
    submit: Callable[..., Job], stores: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_STORE_SECONDS", 0.0)
    job = submit(**LONG)
    rare_beats = msgspec.structs.replace(settings, lease_seconds=3600.0)
    worker = build_worker(rare_beats, "w")
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_until(lambda: stores.jobs.get(job.id).record is not None)

    stores.job_control.cancel(job.id)

    wait_until(lambda: stores.jobs.get(job.id).state == "CANCELLED")
    worker.stop()
    thread.join()


@pytest.mark.parametrize("way", ["stops", "is cancelled"])
def test_a_table_is_not_encoded_run_to_completion_when_the_job_is_left(
    stores: Stores, runner: Worker, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    blocks = StoredTable.blocks

    def leave_before_the_second(table: StoredTable, *given: Any) -> Iterator[Any]:
        for block in blocks(table, *given):
            yield block
            if way == "stops":
                runner.stop()
                continue
            stores.job_control.cancel(job.id)
            wait_for_beats(stores, 2)  # the worker has learned of it

    monkeypatch.setattr(StoredTable, "blocks", leave_before_the_second)

    job = submit_table(stores)

    last = ("QUEUED", "WORKER_STOPPED") if way == "stops" else ("CANCELLED", "CANCEL_REQUESTED")
    wait_until(lambda: story(stores.jobs.get(job.id))[-1] == last)


def test_a_job_that_cannot_be_released_is_requeued_when_its_worker_ends(
    submit: Callable[..., Job], stores: Stores, runner: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = failing(monkeypatch, Leases, "release", AWAY)
    job = submit(**LONG)
    wait_until(lambda: stores.jobs.get(job.id).progress > 0)

    runner.stop()

    wait_until(lambda: stores.jobs.get(job.id).state == "QUEUED")
    assert len(calls) == 1
    assert story(stores.jobs.get(job.id))[-1] == ("QUEUED", "WORKER_STOPPED")


def test_a_worker_drops_a_job_that_another_has_and_takes_the_next(
    submit: Callable[..., Job], stores: Stores, runner: Worker
) -> None:
    job = submit(**LONG)
    wait_until(lambda: stores.jobs.get(job.id).progress > 0)

    give_to_another(stores)

    wait_until(lambda: stores.jobs.get(job.id).attempt == 2)  # this worker claims it again, with a new token
    assert ("QUEUED", "WORKER_LOST") in story(stores.jobs.get(job.id))
    with stores.database.read() as connection:
        assert connection.scalar(sa.select(jobs.c.losses)) == 0  # it was alive


def test_a_failure_is_stored_as_soon_as_there_is_space(
    submit: Callable[..., Job], work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ArtifactStore, "keep_model", MemoryError())
    calls = failing(monkeypatch, Leases, "fail", FULL)

    assert failure(work(submit()))[0] == "OUT_OF_MEMORY"
    assert len(calls) == 2


def test_a_worker_that_stops_does_not_wait_to_store_a_failure(
    submit: Callable[..., Job], stores: Stores, runner: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ArtifactStore, "keep_model", MemoryError())
    calls = failing(monkeypatch, Leases, "fail", *[FULL] * 1000)
    job = submit()
    wait_until(lambda: len(calls) > 0)

    runner.stop()

    wait_until(lambda: story(stores.jobs.get(job.id))[-1] == ("QUEUED", "WORKER_STOPPED"))


def test_a_failure_is_not_stored_if_another_worker_has_the_job(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ArtifactStore, "keep_model", MemoryError())
    fail = Leases.fail

    def taken_first(leases: Leases, claim: Claim, *given: Any) -> None:
        give_to_another(stores)
        fail(leases, claim, *given)

    monkeypatch.setattr(Leases, "fail", taken_first)

    ended = work(submit())

    assert (ended.state, ended.attempt) == ("SUCCEEDED", 2)


def test_a_worker_that_waits_to_store_a_failure_learns_that_another_has_the_job(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ArtifactStore, "keep_model", MemoryError())
    calls: list[Claim] = []

    def full_until_taken(leases: Leases, claim: Claim, *given: Any) -> None:
        if not calls:
            give_to_another(stores)
        calls.append(claim)
        raise FULL

    monkeypatch.setattr(Leases, "fail", full_until_taken)

    ended = work(submit())

    assert (ended.state, ended.attempt) == ("SUCCEEDED", 2)


def test_the_worker_goes_on_if_a_failure_cannot_be_stored_at_all(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ArtifactStore, "keep_model", MemoryError())
    failing(monkeypatch, Leases, "fail", ZeroDivisionError())
    first, second = submit(), submit()

    assert work(second).state == "SUCCEEDED"
    wait_until(lambda: stores.jobs.get(first.id).state == "SUCCEEDED")  # claimed again when its lease has expired
    assert stores.jobs.get(first.id).attempt == 2


@pytest.mark.parametrize("error", [AWAY, ZeroDivisionError("unexpected")])
def test_a_worker_that_cannot_claim_tries_again(
    submit: Callable[..., Job], work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    calls = failing(monkeypatch, Leases, "claim", error)

    assert work(submit()).state == "SUCCEEDED"
    assert len(calls) > 1
