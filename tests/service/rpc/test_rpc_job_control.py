"""Jobs over gRPC: named in short, listed by what is said of them, paused, resumed, ended, labelled and deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from helpers.rpc_requests import error_of
from helpers.service_values import RECORD
from layerwise_proto.v1 import training_pb2 as pb
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.job_notes import Notes
from layerwise_service.domain.jobs import NewJob
from layerwise_service.domain.models import Version
from layerwise_service.wiring import Stores

INVALID, IMPOSSIBLE = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION
MISSING = grpc.StatusCode.NOT_FOUND
Submit = Callable[..., str]


@pytest.fixture
def submit(stores: Stores, dataset: Dataset) -> Submit:
    def make(model: str = "xor", **notes: Any) -> str:
        architecture: dict[str, object] = {"inputs": 2, "layers": [{"units": 2}]}
        plan: dict[str, object] = {"epochs": 10}
        new = NewJob(model, architecture, plan, dataset.sha256, "accuracy", fingerprint="f", notes=Notes(**notes))
        return stores.jobs.submit(new, dataset, max_open=100).id

    return make


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str, str]:
    code, _, reason, pointer = error_of(call)
    return code, reason, pointer


def state_of(job: pb.Job) -> str:
    return pb.JobState.Name(job.state).removeprefix("JOB_STATE_")


def test_a_job_is_named_by_the_beginning_of_its_id_or_as_the_last(
    training: TrainingServiceStub, submit: Submit
) -> None:
    assert refused(lambda: training.GetJob(pb.GetJobRequest(job_id="last"))) == (MISSING, "JOB_NOT_FOUND", "job_id")
    first, last = submit(), submit()

    def get(given: str) -> str:
        return training.GetJob(pb.GetJobRequest(job_id=given)).id

    assert get(first) == first
    assert get(first[:-1]) == first
    assert get("last") == last
    code, message, _, pointer = error_of(lambda: get(first[:5]))  # both were made within a second
    assert (code, pointer) == (INVALID, "job_id")
    assert first in message
    assert last in message
    for nonsense in (first[:3], "", f"{first}x", "LAST", "../x", "%", "_" * 26, "x" * 5_000, first.upper()):
        assert refused(lambda given=nonsense: get(given)) == (MISSING, "JOB_NOT_FOUND", "job_id"), nonsense  # type: ignore[misc]
    assert next(iter(training.WatchJob(pb.WatchJobRequest(job_id="last")))).accepted.id == last


def test_jobs_are_listed_by_labels_and_time_with_what_one_wants_to_see(
    training: TrainingServiceStub, submit: Submit, stores: Stores
) -> None:
    first = submit(labels={"team": "blue", "try": "1"}, note="the first", priority=3)
    second = submit(labels={"team": "blue", "try": "2"})
    third = submit("iris", labels={"team": "red"})
    claim = stores.leases.claim("w")
    assert claim is not None
    stores.leases.add_records(claim, [RECORD], progress=0.5)

    def listed(**wanted: Any) -> list[str]:
        return [job.id for job in training.ListJobs(pb.ListJobsRequest(**wanted)).jobs]

    assert listed(labels={"team": "blue"}) == [second, first]
    assert listed(labels={"team": "blue", "try": "1"}) == [first]
    assert listed(labels={"team": "green"}) == listed(labels={"none": "blue"}) == []
    assert listed(labels={"team": "red"}, model="xor") == []
    (found,) = training.ListJobs(pb.ListJobsRequest(labels={"try": "1"})).jobs
    assert (found.note, found.priority, dict(found.labels)) == ("the first", 3, {"team": "blue", "try": "1"})
    assert (found.rows, state_of(found)) == (4, "RUNNING")
    assert found.metric_value == pytest.approx(RECORD.metric)
    assert found.HasField("start_time")
    assert not found.HasField("end_time")

    created = training.GetJob(pb.GetJobRequest(job_id=second)).create_time
    later = Timestamp(seconds=created.seconds + 3600)
    assert listed(created_before=later) == [third, second, first]
    assert listed(created_after=later) == []
    assert refused(lambda: listed(labels={"no good": "x"})) == (INVALID, "INVALID_ARGUMENT", "labels.no good")


def test_a_job_of_a_higher_priority_comes_first_but_not_before_all(submit: Submit, stores: Stores) -> None:
    ids = [submit(priority=priority) for priority in (0, 0, 2, -1, 0)]
    old = submit()

    claimed = []
    while (claim := stores.leases.claim("w")) is not None:
        claimed.append(claim.job.id)

    assert claimed == [ids[2], ids[0], ids[1], ids[4], old, ids[3]]


def test_a_job_is_paused_resumed_and_cancelled_in_every_state(
    training: TrainingServiceStub, submit: Submit, stores: Stores
) -> None:
    job = submit()

    def pause() -> str:
        return state_of(training.PauseJob(pb.PauseJobRequest(job_id=job)))

    def resume(**more: Any) -> str:
        return state_of(training.ResumeJob(pb.ResumeJobRequest(job_id=job, **more)))

    def cancel(**more: Any) -> str:
        return state_of(training.CancelJob(pb.CancelJobRequest(job_id=job, **more)))

    assert [pause(), pause(), resume(), resume()] == ["PAUSED", "PAUSED", "QUEUED", "QUEUED"]
    assert refused(lambda: resume(epochs=20)) == (IMPOSSIBLE, "JOB_NOT_PAUSED", "epochs")
    assert [pause(), resume(epochs=20)] == ["PAUSED", "QUEUED"]
    assert training.GetJob(pb.GetJobRequest(job_id=job)).plan.epochs == 20
    assert refused(lambda: cancel(keep=pb.KEEP_BEST)) == (IMPOSSIBLE, "NOTHING_TRAINED", "keep")
    assert refused(lambda: cancel(keep=7)) == (INVALID, "INVALID_ARGUMENT", "keep")
    claim = stores.leases.claim("w")
    assert claim is not None
    stores.leases.add_records(claim, [RECORD], progress=0.5)
    assert [pause(), cancel(keep=pb.KEEP_BEST), cancel(), cancel()] == [
        "RUNNING",
        "RUNNING",
        "CANCELLING",
        "CANCELLING",
    ]
    for call in (pause, resume, lambda: cancel(keep=pb.KEEP_BEST)):
        assert refused(call) == (IMPOSSIBLE, "JOB_CANCELLING", "job_id")
    stores.leases.release(claim)
    assert refused(pause) == (IMPOSSIBLE, "JOB_ENDED", "job_id")
    assert [cancel(), resume()] == ["CANCELLED", "QUEUED"]
    pause()
    for epochs in (0, -1, 2**40):
        assert refused(lambda given=epochs: resume(epochs=given)) == (INVALID, "INVALID_ARGUMENT", "epochs")  # type: ignore[misc]
    found = training.GetJob(pb.GetJobRequest(job_id=job))
    assert [pb.JobState.Name(each.state).removeprefix("JOB_STATE_") for each in found.transitions] == [
        *("QUEUED", "PAUSED", "QUEUED", "PAUSED", "QUEUED", "RUNNING", "CANCELLING", "CANCELLED", "QUEUED", "PAUSED"),
    ]


def test_labels_and_note_of_a_job_are_changed(training: TrainingServiceStub, submit: Submit) -> None:
    job = submit(labels={"team": "blue", "try": "1"}, note="a note")

    def update(**changes: Any) -> pb.Job:
        return training.UpdateJob(pb.UpdateJobRequest(job_id=job, **changes))

    changed = update(labels={"try": "2", "new": "x=y, z"}, remove_labels=["team", "none"])
    assert (dict(changed.labels), changed.note) == ({"try": "2", "new": "x=y, z"}, "a note")
    changed = update(note="")
    assert (dict(changed.labels), changed.note) == ({"try": "2", "new": "x=y, z"}, "")
    for bad, pointer in (
        ({"labels": {"a b": "x"}}, "labels.a b"),
        ({"labels": {"a": "x" * 129}}, "labels.a"),
        ({"labels": {f"l{i}": "" for i in range(33)}}, "labels"),
        ({"note": "x" * 4_001}, "note"),
        ({"labels": {"a": ""}, "remove_labels": ["a"]}, "remove_labels"),
    ):
        assert refused(lambda given=bad: update(**given)) == (INVALID, "INVALID_ARGUMENT", pointer)  # type: ignore[misc]


def test_a_job_that_has_ended_is_deleted_and_its_version_stays(
    training: TrainingServiceStub, publish: Callable[..., Version], stores: Stores
) -> None:
    version = publish("xor")
    open_job = stores.jobs.page(limit=1)[0].id
    assert version.job == open_job
    request = pb.DeleteJobRequest(job_id=open_job)

    training.DeleteJob(request)

    assert refused(lambda: training.DeleteJob(request)) == (MISSING, "JOB_NOT_FOUND", "job_id")
    assert stores.versions.find("xor", "1") == version
    assert stores.jobs.page(limit=1) == []


def test_a_job_that_has_not_ended_is_not_deleted(training: TrainingServiceStub, submit: Submit, stores: Stores) -> None:
    job = submit()
    request = pb.DeleteJobRequest(job_id=job)

    assert refused(lambda: training.DeleteJob(request)) == (IMPOSSIBLE, "JOB_NOT_ENDED", "job_id")
    stores.job_control.pause(job)
    assert refused(lambda: training.DeleteJob(request)) == (IMPOSSIBLE, "JOB_NOT_ENDED", "job_id")


def test_the_rows_of_a_deleted_job_go_unless_another_job_has_them(stores: Stores, submit: Submit) -> None:
    first, second = submit(), submit()
    for job in (first, second):
        stores.job_control.cancel(job)
    rows = stores.jobs.get(first).dataset

    stores.job_control.delete(first)
    assert stores.jobs.dataset_shape(rows).rows == 4
    stores.job_control.delete(second)

    with pytest.raises(Exception, match="no dataset has this id"):
        stores.jobs.dataset_shape(rows)


def test_a_watcher_of_a_job_that_is_resumed_goes_on(
    training: TrainingServiceStub, submit: Submit, stores: Stores
) -> None:
    job = submit()
    stores.job_control.cancel(job)
    stores.job_control.resume(job, epochs=None, max_open=100)
    claim = stores.leases.claim("w")
    assert claim is not None
    stores.leases.add_records(claim, [RECORD], progress=0.5)
    stores.job_control.cancel(job)
    stores.leases.release(claim)

    events = [*training.WatchJob(pb.WatchJobRequest(job_id=job), timeout=30)]

    kinds = [event.WhichOneof("event") for event in events]
    assert kinds == ["accepted", *["transition"] * 4, "record", *["transition"] * 2]


def test_a_watcher_of_a_job_that_is_deleted_is_told(
    training: TrainingServiceStub, submit: Submit, stores: Stores
) -> None:
    job = submit()
    events = training.WatchJob(pb.WatchJobRequest(job_id=job), timeout=30)
    assert [next(events).WhichOneof("event") for _ in range(2)] == ["accepted", "transition"]

    stores.job_control.cancel(job)
    stores.job_control.delete(job)

    with pytest.raises(grpc.RpcError) as caught:
        for _ in events:
            pass
    assert caught.value.code() == MISSING  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "a\u202eb"])
def test_labels_and_notes_are_what_every_database_and_terminal_can_show(
    training: TrainingServiceStub, submit: Submit, text: str
) -> None:
    job = submit()
    for bad, pointer in (({"labels": {"a": text}}, "labels.a"), ({"note": text}, "note")):
        call = pb.UpdateJobRequest(job_id=job, **bad)  # type: ignore[arg-type]
        assert refused(lambda call=call: training.UpdateJob(call)) == (INVALID, "INVALID_ARGUMENT", pointer)  # type: ignore[misc]
    assert training.UpdateJob(pb.UpdateJobRequest(job_id=job, note="two\n\tlines")).note == "two\n\tlines"


def test_a_job_has_at_most_so_many_labels_however_they_come(training: TrainingServiceStub, submit: Submit) -> None:
    job = submit(labels={f"l{i}": "" for i in range(32)})

    more = pb.UpdateJobRequest(job_id=job, labels={"one-more": ""})
    assert refused(lambda: training.UpdateJob(more)) == (INVALID, "INVALID_ARGUMENT", "labels")
    training.UpdateJob(pb.UpdateJobRequest(job_id=job, labels={"one-more": ""}, remove_labels=["l0"]))
