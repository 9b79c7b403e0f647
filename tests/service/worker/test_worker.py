"""The worker: what becomes of a job whose training goes wrong or has to wait, and what a heartbeat learns."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from helpers.service_values import LIMITS
from helpers.waiting import wait_until
from helpers.worked_jobs import failing, failure, story
from layerwise import MLP, Finding, Record, TableEncoder, Training
from layerwise_service.domain.datasets import Batch, Dataset
from layerwise_service.domain.jobs import Claim, Job, NewJob
from layerwise_service.errors import NoSpace, Unavailable
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.leases import Leases, NewVersion
from layerwise_service.stores.schema import jobs, pending_artifacts
from layerwise_service.wiring import Stores, build_worker
from layerwise_service.worker import encoding, reports
from layerwise_service.worker.heartbeat import Heartbeat, Instruction

FULL = NoSpace("the disk of the service is full")
NEVER_ENDS = [FULL] * 1000


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FULL, "NO_SPACE"),
        (OSError(errno.ENOSPC, "No space left on device"), "NO_SPACE"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "NO_SPACE"),
        (OSError(errno.EROFS, "Read-only file system"), "STORAGE_UNAVAILABLE"),
        (OSError(errno.EIO, "Input/output error"), "STORAGE_UNAVAILABLE"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "STORAGE_UNAVAILABLE"),
        (PermissionError(errno.EACCES, "Permission denied"), "STORAGE_UNAVAILABLE"),
    ],
)
def test_a_job_whose_model_cannot_be_written_waits_and_goes_on_with_what_it_has_trained(
    submit: Callable[..., Job],
    work: Callable[[Job], Job],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
) -> None:
    calls = failing(monkeypatch, ArtifactStore, "keep_model", error)

    ended = work(submit())

    assert story(ended)[1:] == [
        ("RUNNING", "CLAIMED"),
        ("WAITING", reason),
        ("RUNNING", "CONTINUED"),
        ("SUCCEEDED", "PUBLISHED"),
    ]
    assert len(calls) == 2
    assert calls[0] == calls[1]  # the same model: it was not trained again


def test_a_finding_that_goes_away_and_comes_back_is_reported_once(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    since = {1: (1,), 2: (), 3: (3,), 4: (4,)}  # of the only finding, by epoch

    step = Training.__next__

    def find(training: Training) -> Record:
        record = step(training)
        found = (Finding("overfitting", None, 1.5, start, f"rises since {start}") for start in since[record.epoch])
        return replace(record, findings=tuple(found))

    monkeypatch.setattr(Training, "__next__", find)

    ended = work(submit(epochs=4))

    stored = [event.record for event in stores.jobs.events(ended.id, after=0) if event.record is not None]
    assert [[finding.since for finding in record.findings] for record in stored] == [[1], [], [], []]
    assert [finding.since for finding in ended.findings] == [4]  # the job has the current form


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (JobStore, "dataset_shape"),
        (ArtifactStore, "open_dataset"),
        (Leases, "publish"),
    ],
)
@pytest.mark.parametrize("error", [FULL, Unavailable("the database does not answer"), OSError(errno.EIO, "I/O error")])
def test_a_job_waits_wherever_it_needs_the_stores(
    submit: Callable[..., Job],
    work: Callable[[Job], Job],
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    error: Exception,
) -> None:
    failing(monkeypatch, owner, name, error)

    ended = work(submit())

    assert (ended.state, ended.attempt, ended.version) == ("SUCCEEDED", 1, 1)


def test_a_table_that_is_encoded_into_a_file_waits_for_space(
    stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "LARGE", 1)
    failing(monkeypatch, ArtifactStore, "nameless_file", FULL)
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

    ended = work(stores.jobs.submit(new, dataset, max_open=100))

    assert ("WAITING", "NO_SPACE") in story(ended)
    assert (ended.state, ended.attempt) == ("SUCCEEDED", 1)


def test_a_model_that_was_swept_while_its_job_waited_is_stored_again(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = ArtifactStore.keep_model
    kept: list[str] = []

    def keep_and_wait_for_days(self: ArtifactStore, model: MLP) -> tuple[str, int]:
        sha256, size = keep(self, model)
        kept.append(sha256)
        if len(kept) == 1:
            with stores.database.write() as connection:
                connection.execute(sa.update(pending_artifacts).values(registered=0.0))
            stores.artifacts.sweep()
        return sha256, size

    monkeypatch.setattr(ArtifactStore, "keep_model", keep_and_wait_for_days)

    ended = work(submit())

    assert (ended.state, ended.attempt, ended.version) == ("SUCCEEDED", 1, 1)
    assert len(kept) == 2
    assert kept[0] == kept[1]
    stores.artifacts.load_model(kept[0])


def test_a_folder_in_the_place_of_a_file_is_not_waited_for(
    submit: Callable[..., Job], work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ArtifactStore, "open_dataset", IsADirectoryError(errno.EISDIR, "Is a directory"))

    assert work(submit()).state == "FAILED"


def test_a_job_that_has_succeeded_has_no_seconds_left_whichever_weights_it_kept(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job]
) -> None:
    keeps_the_first = {"watch": "loss", "patience": 2, "tolerance": 1e6}

    ended = work(submit(epochs=50, early_stopping=keeps_the_first))

    records = [event.record for event in stores.jobs.events(ended.id, after=0) if event.record is not None]
    assert ended.record is not None
    assert ended.record.epoch < records[-1].epoch
    assert records[ended.record.epoch - 1].seconds_left > 0
    assert ended.record.seconds_left == 0


def test_a_job_that_waits_is_cancelled_when_asked(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ArtifactStore, "keep_model", *NEVER_ENDS)
    job = submit()
    canceller = threading.Thread(target=cancel_when_it_waits, args=(stores, job))
    canceller.start()

    ended = work(job)

    canceller.join()
    assert [state for state, _ in story(ended)[-3:]] == ["WAITING", "CANCELLING", "CANCELLED"]


def cancel_when_it_waits(stores: Stores, job: Job) -> None:
    wait_until(lambda: stores.jobs.get(job.id).state == "WAITING", seconds=20)
    stores.job_control.cancel(job.id)


def test_a_job_that_waits_is_given_back_when_its_worker_is_told_to_stop(
    submit: Callable[..., Job], stores: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ArtifactStore, "keep_model", *NEVER_ENDS)
    job = submit()
    worker = build_worker(settings, "w")
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_until(lambda: stores.jobs.get(job.id).state == "WAITING", seconds=20)

    worker.stop()
    thread.join(20)

    assert not thread.is_alive()
    assert story(stores.jobs.get(job.id))[-1] == ("QUEUED", "WORKER_STOPPED")
    monkeypatch.undo()
    again = stores.leases.claim("other")
    assert again is not None


def test_training_goes_on_while_its_records_cannot_be_stored(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_STORE_SECONDS", 0.0)
    monkeypatch.setattr(reports, "_RETRY_SECONDS", 0.0)
    calls = failing(monkeypatch, Leases, "add_records", *[Unavailable("the database does not answer"), FULL] * 5)

    ended = work(submit(epochs=30, batch_size=2))

    assert ("WAITING", "NO_SPACE") not in story(ended)
    assert len(calls) > 10
    records = [event.record for event in stores.jobs.events(ended.id, after=0) if event.record is not None]
    assert [record.epoch for record in records] == list(range(1, 31))
    assert ended.progress == 1.0


def test_a_heartbeat_goes_on_after_any_error(
    stores: Stores, submit: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = failing(monkeypatch, Leases, "renew", KeyError("unexpected"), OSError(24, "Too many open files"))
    leases = Leases(stores.database, lease_seconds=0.2, max_losses=3)
    heartbeat = Heartbeat(leases, "w")
    job = submit()
    claim = leases.claim("w")
    assert claim is not None

    heartbeat.hold(claim)
    stores.job_control.cancel(job.id)

    wait_until(lambda: heartbeat.instruction(progress=0.5) is Instruction.CANCEL)
    assert len(calls) >= 3
    heartbeat.close()


def test_a_worker_whose_job_was_taken_while_it_slept_is_no_loss(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times another takes the job just before it is published; each time the first proves to be alive."""
    publish = Leases.publish
    taken: list[Claim] = []

    def taken_first(leases: Leases, claim: Claim, new: NewVersion) -> Any:
        if len(taken) < 3:
            with stores.database.write() as connection:
                connection.execute(sa.update(jobs).values(worker="silent"))
            stores.leases.take_back_from("silent")
            taken.append(claim)
        return publish(leases, claim, new)

    monkeypatch.setattr(Leases, "publish", taken_first)

    ended = work(submit())

    assert (ended.state, ended.attempt) == ("SUCCEEDED", 4)
    assert story(ended).count(("QUEUED", "WORKER_LOST")) == 3


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

    assert failure(work(submit()))[0] == "STORAGE"


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
    wait_until(lambda: heartbeat.instruction(progress=0.5) is Instruction.DROP)
    heartbeat.drop_claim()
    heartbeat.hold(second)
    assert heartbeat.instruction(progress=0.5) is Instruction.CONTINUE
    wait_until(lambda: stores.jobs.get(current.id).progress == 0.5)  # it has beaten since
    assert heartbeat.instruction(progress=0.5) is Instruction.CONTINUE

    stores.job_control.cancel(current.id)
    wait_until(lambda: heartbeat.instruction(progress=0.5) is Instruction.CANCEL)
    heartbeat.close()
