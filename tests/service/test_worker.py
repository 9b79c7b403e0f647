"""The worker: what becomes of a job whose training goes wrong, and what a heartbeat learns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from layerwise_service.datasets import Dataset
from layerwise_service.errors import NoSpace, Unavailable
from layerwise_service.jobs import Job, NewJob
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.leases import Leases
from layerwise_service.wiring import Stores, build_worker
from layerwise_service.worker.heartbeat import Heartbeat, Order

ARCHITECTURE = {"inputs": 2, "layers": [{"units": 4, "activation": "relu"}, {"units": 2}]}


@pytest.fixture
def submit(stores: Stores, dataset: Dataset) -> Callable[..., Job]:
    def make(**plan: Any) -> Job:
        new = NewJob("xor", dict(ARCHITECTURE), {"epochs": 3, **plan}, dataset.sha256, "accuracy", fingerprint="f")
        return stores.jobs.submit(new, dataset, max_open=100)

    return make


@pytest.fixture
def work(settings: Settings, stores: Stores) -> Iterator[Callable[[Job], Job]]:
    """Lets a worker work until the job has ended."""
    workers = []

    def run(job: Job) -> Job:
        worker = build_worker(settings, "w")
        thread = threading.Thread(target=worker.run)
        workers.append((worker, thread))
        thread.start()
        deadline = time.monotonic() + 20
        while not (found := stores.jobs.get(job.id)).state.ended:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return found

    yield run
    for worker, thread in workers:
        worker.stop()
        thread.join()


def failure(job: Job) -> tuple[str, str]:
    assert job.failure is not None
    return job.failure.reason, job.failure.message


def test_a_full_disk_fails_the_job_with_that_reason(
    submit: Callable[..., Job], work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise NoSpace("the disk of the service is full")

    monkeypatch.setattr(ArtifactStore, "keep_model", full)

    assert failure(work(submit())) == ("NO_SPACE", "the disk of the service is full")


def test_an_unknown_error_fails_the_job_without_its_details(
    submit: Callable[..., Job], work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(ArtifactStore, "keep_model", fail)

    reason, message = failure(work(submit()))

    assert reason == "INTERNAL"
    assert "secret" not in message


def test_a_damaged_dataset_fails_the_job(
    submit: Callable[..., Job], work: Callable[[Job], Job], settings: Settings, dataset: Dataset
) -> None:
    path = settings.home_path / "artifacts" / "datasets" / dataset.sha256 / "rows.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    assert failure(work(submit()))[0] == "DATASET_DAMAGED"


def test_the_worker_goes_on_after_a_job_that_failed(
    submit: Callable[..., Job], work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = ArtifactStore.keep_model
    calls: list[object] = []

    def fail_once(store: ArtifactStore, model: Any) -> tuple[str, int]:
        calls.append(model)
        if len(calls) == 1:
            raise ZeroDivisionError
        return keep(store, model)

    monkeypatch.setattr(ArtifactStore, "keep_model", fail_once)
    first, second = submit(), submit()

    assert [work(job).state for job in (first, second)] == ["FAILED", "SUCCEEDED"]


def test_a_busy_database_is_waited_for(
    submit: Callable[..., Job], work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Leases.publish
    calls: list[object] = []

    def busy_once(leases: Leases, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise Unavailable("the database does not answer")
        return publish(leases, *arguments)

    monkeypatch.setattr(Leases, "publish", busy_once)

    assert work(submit()).state == "SUCCEEDED"
    assert len(calls) == 2


def test_a_heartbeat_learns_what_to_do_with_the_claim_in_hand_alone(stores: Stores, submit: Callable[..., Job]) -> None:
    leases = Leases(stores.database, lease_seconds=0.4, max_losses=3)
    heartbeat = Heartbeat(leases, "w")
    ended, current = submit(), submit()
    first = leases.claim("w")
    second = leases.claim("w")
    assert first is not None
    assert second is not None
    assert (first.job.id, second.job.id) == (ended.id, current.id)

    heartbeat.hold(first)
    stores.leases.release(first)
    wait_until(lambda: heartbeat.order(progress=0.5) is Order.DROP)
    heartbeat.let_go()
    heartbeat.hold(second)
    assert heartbeat.order(progress=0.5) is Order.GO_ON
    wait_until(lambda: stores.jobs.get(current.id).progress == 0.5)  # it has beaten since
    assert heartbeat.order(progress=0.5) is Order.GO_ON

    stores.jobs.cancel(current.id)
    wait_until(lambda: heartbeat.order(progress=0.5) is Order.CANCEL)
    heartbeat.close()


def wait_until(condition: Callable[[], object], *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
