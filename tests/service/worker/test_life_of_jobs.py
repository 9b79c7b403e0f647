"""Jobs that are paused, cancelled, resumed, ended early and trained further: with the same bits as if left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from helpers.waiting import wait_until
from helpers.worked_jobs import story
from layerwise import Training
from layerwise_service.domain.jobs import Job
from layerwise_service.errors import Conflict, InvalidRequest
from layerwise_service.settings import Settings
from layerwise_service.stores.schema import jobs as jobs_table
from layerwise_service.wiring import Stores, build_worker
from layerwise_service.worker.worker import Worker

Submit = Callable[..., Job]

EPOCHS = 30
PLANS: dict[str, dict[str, Any]] = {
    "adam": {"epochs": EPOCHS, "batch_size": 2},
    "early-stopping": {
        "epochs": EPOCHS,
        "batch_size": 2,
        "early_stopping": {"watch": "loss", "patience": EPOCHS, "restore": True},
    },
    "average": {"epochs": EPOCHS, "batch_size": 2, "average": 0.9},
    "lbfgs": {"epochs": EPOCHS, "optimizer": {"kind": "lbfgs"}, "batch_size": None},
}
MOST = 100


@pytest.fixture
def settings(settings: Settings, slow_steps: None) -> Settings:
    return msgspec.structs.replace(settings, lease_seconds=1.0)  # a worker learns eight times as often what is wanted


@pytest.fixture
def slow_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step takes a while, so that something can happen meanwhile."""
    step = Training.__next__

    def slow(training: Training) -> Any:
        time.sleep(0.02)
        return step(training)

    monkeypatch.setattr(Training, "__next__", slow)


@pytest.fixture
def running(settings: Settings, stores: Stores) -> Iterator[Worker]:
    """A worker that works."""
    worker = build_worker(settings, "w")
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield worker
    worker.stop()
    thread.join()


def wait_for_epoch(stores: Stores, job: Job, epoch: int) -> None:
    def reached() -> bool:
        record = stores.jobs.get(job.id).record
        return record is not None and record.epoch >= epoch

    wait_until(reached, what=f"epoch {epoch}")


def wait_for_state(stores: Stores, job: Job, *states: str) -> Job:
    wait_until(lambda: stores.jobs.get(job.id).state in states, what=f"{states}")
    return stores.jobs.get(job.id)


def parameters(stores: Stores, job: Job) -> np.ndarray[Any, Any]:
    version = stores.versions.find(job.model, str(stores.jobs.get(job.id).version))
    return stores.artifacts.load_model(version.sha256).parameters


def recorded(stores: Stores, job: Job) -> list[tuple[int, float]]:
    records = [event.record for event in stores.jobs.events(job.id, after=0)]
    return [(record.step, record.loss) for record in records if record is not None]


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("way", ["pause", "cancel"])
def test_23_a_job_that_is_paused_or_cancelled_and_resumed_ends_with_the_same_bits(
    stores: Stores, submit: Submit, running: Worker, way: str, plan: dict[str, Any]
) -> None:
    undisturbed = submit(**plan)
    wait_for_state(stores, undisturbed, "SUCCEEDED")
    job = submit(**plan)
    wait_for_epoch(stores, job, 2)

    left = "PAUSED" if way == "pause" else "CANCELLED"
    getattr(stores.job_control, way)(job.id)
    epochs_done = len(recorded(stores, wait_for_state(stores, job, left)))
    stores.job_control.resume(job.id, epochs=None, max_open=MOST)
    ended = wait_for_state(stores, job, "SUCCEEDED", "FAILED")

    assert 0 < epochs_done < EPOCHS
    assert ("RUNNING", "RESUMED") in story(ended)
    assert recorded(stores, job) == recorded(stores, undisturbed)
    assert np.array_equal(parameters(stores, job), parameters(stores, undisturbed))


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_job_that_is_ended_early_publishes_what_it_has_and_goes_on_later_as_if_it_had_not(
    stores: Stores, submit: Submit, running: Worker, plan: dict[str, Any]
) -> None:
    undisturbed = submit(**plan)
    wait_for_state(stores, undisturbed, "SUCCEEDED")
    job = submit(**plan)
    wait_for_epoch(stores, job, 2)

    stores.job_control.finish(job.id, max_open=MOST)
    early = wait_for_state(stores, job, "SUCCEEDED", "FAILED")
    first = stores.versions.find("xor", str(early.version))

    assert early.record is not None
    assert early.record.stopped == "requested"
    assert 2 <= early.record.epoch < EPOCHS
    assert first.metrics["loss"] == pytest.approx(early.record.loss)
    assert first.evaluation is not None

    stores.job_control.resume(job.id, epochs=None, max_open=MOST)
    wait_until(lambda: stores.jobs.get(job.id).version == first.number + 1)

    assert np.array_equal(parameters(stores, job), parameters(stores, undisturbed))
    assert stores.jobs.get(job.id).record == stores.jobs.get(undisturbed.id).record
    assert stores.versions.find("xor", str(first.number)) == first


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_job_that_has_succeeded_is_trained_for_more_epochs_as_if_it_had_had_them_from_the_start(
    stores: Stores, submit: Submit, running: Worker, plan: dict[str, Any]
) -> None:
    longer = submit(**plan)
    job = submit(**plan | {"epochs": EPOCHS // 2})
    wait_for_state(stores, longer, "SUCCEEDED")
    short = wait_for_state(stores, job, "SUCCEEDED")

    stores.job_control.resume(job.id, epochs=EPOCHS, max_open=MOST)
    wait_until(lambda: stores.jobs.get(job.id).version != short.version)

    assert stores.jobs.get(job.id).plan["epochs"] == EPOCHS
    assert recorded(stores, job) == recorded(stores, longer)
    assert np.array_equal(parameters(stores, job), parameters(stores, longer))


def test_a_job_is_not_trained_further_than_it_was_without_a_number_of_epochs(
    stores: Stores, submit: Submit, running: Worker
) -> None:
    job = submit(epochs=3)
    wait_for_state(stores, job, "SUCCEEDED")

    assert stores.job_control.resume(job.id, epochs=3, max_open=MOST).state == "SUCCEEDED"  # it has them
    with pytest.raises(InvalidRequest, match="expected more than 3 epochs"):
        stores.job_control.resume(job.id, epochs=2, max_open=MOST)
    with pytest.raises(Conflict, match="say how many") as caught:
        stores.job_control.resume(job.id, epochs=None, max_open=MOST)
    assert caught.value.reason == "JOB_COMPLETE"


def test_a_job_that_ended_by_itself_is_not_trained_further(stores: Stores, submit: Submit, running: Worker) -> None:
    job = submit(epochs=9, max_steps=4)
    wait_for_state(stores, job, "SUCCEEDED")

    with pytest.raises(Conflict, match="was ended by max_steps") as caught:
        stores.job_control.resume(job.id, epochs=20, max_open=MOST)
    assert caught.value.reason == "JOB_COMPLETE"
    assert stores.jobs.get(job.id).plan["epochs"] == 9  # nothing was changed


def test_a_cancelled_job_can_be_published_after_all(stores: Stores, submit: Submit, running: Worker) -> None:
    job = submit(**PLANS["adam"])
    wait_for_epoch(stores, job, 2)
    stores.job_control.cancel(job.id)
    cancelled = wait_for_state(stores, job, "CANCELLED")
    steps = recorded(stores, job)

    stores.job_control.finish(job.id, max_open=MOST)
    ended = wait_for_state(stores, job, "SUCCEEDED", "FAILED")

    assert cancelled.version is None
    assert ended.version == 1
    assert len(recorded(stores, job)) <= len(steps) + 1  # it trained one step more, at most
    assert ("QUEUED", "FINISH_REQUESTED") in story(ended)


def test_a_pause_that_is_taken_back_in_time_changes_nothing(stores: Stores, submit: Submit, settings: Settings) -> None:
    job = submit(**PLANS["adam"])
    claim = stores.leases.claim("w")
    assert claim is not None

    stores.job_control.pause(job.id)
    stores.job_control.resume(job.id, epochs=None, max_open=MOST)

    assert stores.leases.renew(claim, progress=0.1) is None
    stores.job_control.pause(job.id)
    stores.leases.release(claim)
    assert stores.jobs.get(job.id).state == "PAUSED"


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_the_jobs_that_ended_last_keep_the_state_of_their_training(
    settings: Settings, stores: Stores, submit: Submit, kept: int
) -> None:
    worker = build_worker(msgspec.structs.replace(settings, resumable_jobs=kept), "w")
    thread = threading.Thread(target=worker.run)
    thread.start()
    jobs = [submit(epochs=2) for _ in range(3)]
    for job in jobs:
        wait_for_state(stores, job, "SUCCEEDED")
    worker.stop()
    thread.join()

    folder = settings.home_path / "artifacts" / "checkpoints"
    assert {path.name.partition("-")[0] for path in folder.iterdir()} == {job.id for job in jobs[len(jobs) - kept :]}
    with pytest.raises(Conflict) as caught:
        stores.job_control.resume(jobs[0].id, epochs=9, max_open=MOST)
    assert caught.value.reason == "STATE_GONE"
    assert f"start a new job from its version (xor/{stores.jobs.get(jobs[0].id).version})" in str(caught.value)
    assert stores.jobs.get(jobs[0].id).plan["epochs"] == 2  # nothing was changed


@pytest.mark.parametrize("then", ["pause", "cancel"])
def test_a_job_that_is_paused_or_cancelled_while_it_ends_early_goes_on_as_if_it_had_not(
    stores: Stores, submit: Submit, running: Worker, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    undisturbed = submit(**PLANS["adam"])
    wait_for_state(stores, undisturbed, "SUCCEEDED")
    job = submit(**PLANS["adam"])
    wait_for_epoch(stores, job, 2)
    stop = Training.stop

    def stop_and_change(training: Training) -> None:
        stop(training)
        getattr(stores.job_control, then)(job.id)
        beats = stores.jobs.get(job.id).attempt and wait_for_beat(stores, job)
        assert beats

    monkeypatch.setattr(Training, "stop", stop_and_change)
    stores.job_control.finish(job.id, max_open=MOST)
    wait_for_state(stores, job, "PAUSED", "CANCELLED", "SUCCEEDED")
    monkeypatch.setattr(Training, "stop", stop)
    if stores.jobs.get(job.id).state != "SUCCEEDED":  # the training had ended between two epochs
        stores.job_control.resume(job.id, epochs=None, max_open=MOST)
    wait_until(lambda: stores.jobs.get(job.id).state == "SUCCEEDED")
    if stores.jobs.get(job.id).record.epoch < EPOCHS:  # type: ignore[union-attr]
        stores.job_control.resume(job.id, epochs=None, max_open=MOST)
        wait_until(lambda: stores.jobs.get(job.id).record.epoch == EPOCHS)  # type: ignore[union-attr]
        wait_for_state(stores, job, "SUCCEEDED")

    assert np.array_equal(parameters(stores, job), parameters(stores, undisturbed))


def wait_for_beat(stores: Stores, job: Job) -> bool:
    """Wait until the worker of a job has renewed its lease, and so has learned what is wanted."""

    def beats() -> int:
        with stores.database.read() as connection:
            return int(connection.scalar(sa.select(jobs_table.c.beats).where(jobs_table.c.id == job.id)) or 0)

    before = beats()
    wait_until(lambda: beats() >= before + 2)
    return True


def test_epochs_count_from_those_that_were_trained_whichever_the_version_has(
    stores: Stores, submit: Submit, running: Worker
) -> None:
    plan = {"epochs": 6, "batch_size": 2, "optimizer": {"kind": "sgd", "learning_rate": 3.0}}
    job = submit(**plan, early_stopping={"watch": "loss", "patience": 6, "restore": True})
    ended = wait_for_state(stores, job, "SUCCEEDED", "FAILED")
    if ended.record is None or ended.record.epoch == 6:
        pytest.skip("the last epoch is the best: nothing to tell apart")

    again = stores.job_control.resume(job.id, epochs=6, max_open=MOST)
    assert (again.state, again.version) == ("SUCCEEDED", 1)
    with pytest.raises(InvalidRequest, match="expected more than 6 epochs"):
        stores.job_control.resume(job.id, epochs=5, max_open=MOST)


def test_what_is_lost_is_not_published_in_place_of_what_was_trained(
    settings: Settings, stores: Stores, submit: Submit, running: Worker
) -> None:
    job = submit(**PLANS["adam"])
    wait_for_epoch(stores, job, 3)
    stores.job_control.cancel(job.id)
    wait_for_state(stores, job, "CANCELLED")
    steps = recorded(stores, job)
    for path in (settings.home_path / "artifacts" / "checkpoints").glob(f"{job.id}-*"):
        path.write_bytes(b"damaged")

    stores.job_control.finish(job.id, max_open=MOST)
    ended = wait_for_state(stores, job, "FAILED", "SUCCEEDED")

    assert ended.failure is not None
    assert (ended.failure.reason, ended.version) == ("STORAGE", None)
    assert "nothing to publish" in ended.failure.message
    assert recorded(stores, job) == steps
