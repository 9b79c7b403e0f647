"""Jobs: looking at them, following them over broken connections, waiting, cancelling, listing."""

from __future__ import annotations

import io
import threading
import time
import warnings
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from layerwise_client import (
    Client,
    Finding,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    LayerHealth,
    NotFound,
    PoorModelWarning,
    Transition,
    Unavailable,
    WaitTimeout,
)
from layerwise_client.cli.live import JSONLines
from layerwise_client.progress import Bar
from layerwise_proto.v1 import training_pb2

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def job(service, client):
    """A handle on a job that runs; the service then says that it has succeeded."""
    service.answers["GetJob"] = lambda request, context: service.job()
    handle = client.job("job-1")
    service.answers["GetJob"] = lambda request, context: service.job("SUCCEEDED", version=2)
    return handle


def watching(service, *calls):
    """WatchJob: each call gives its events in turn, then ends or, with a status, fails."""
    left = list(calls)

    def watch(request, context):
        yield training_pb2.TrainEvent(accepted=service.job())
        for event in left.pop(0):
            if isinstance(event, grpc.StatusCode):
                service.fail(context, event, "broken")
            else:
                yield event

    service.answers["WatchJob"] = watch


def silent(watch):
    """A WatchJob without the event `accepted`: the service gives no sign of life before it fails."""

    def events(request, context):
        told = watch(request, context)
        next(told)
        yield from told

    return events


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_job_tells_all_that_the_service_knows(service, client):
    when = Timestamp()
    when.FromDatetime(STARTED)
    full = service.job(
        "FAILED",
        attempt=2,
        dataset="ab12",
        create_time=when,
        progress=0.5,
        transitions=[training_pb2.JobTransition(state="JOB_STATE_RUNNING", time=when, reason="CLAIMED", attempt=2)],
        record=training_pb2.TrainRecord(step=9, epoch=3, loss=0.25, metric=0.75, validation_loss=0.5),
        failure=training_pb2.JobFailure(reason="DIVERGED", message="loss is nan"),
    )
    service.answers["GetJob"] = lambda request, context: full

    job = client.job("job-1")

    assert (job.id, job.model, job.state, job.version, job.attempt) == ("job-1", "digits", "FAILED", None, 2)
    assert (job.dataset, job.created, job.progress, job.metric) == ("ab12", STARTED, 0.5, "accuracy")
    assert job.plan == {"epochs": 3}
    assert job.transitions == (Transition("RUNNING", STARTED, "CLAIMED", 2),)
    assert (job.record.step, job.record.validation_loss, job.record.validation_metric) == (9, 0.5, None)
    assert (job.failure.reason, job.failure.message) == ("DIVERGED", "loss is nan")


def test_a_record_tells_how_the_layers_do_and_what_was_found(service, job):
    relu = training_pb2.LayerHealth(dead=0.0, gradient_norm=1.5, weight_norm=2.0, update_ratio=1e-3)
    tanh = training_pb2.LayerHealth(saturated=0.25, gradient_norm=0.5, weight_norm=4.0, update_ratio=2e-3)
    found = training_pb2.Finding(kind="inputs", value=40.0, since=1, message="inputs are not standardised")
    first, last = service.record(1), service.record(2)
    first.record.layers.extend([relu, tanh])
    first.record.findings.append(found)
    last.record.stopped = "converged"
    watching(service, [first, training_pb2.TrainEvent(finding=found), last])

    records = list(job.watch())

    assert records[0].layers == (LayerHealth(0.0, None, 1.5, 2.0, 1e-3), LayerHealth(None, 0.25, 0.5, 4.0, 2e-3))
    assert records[0].findings == (Finding("inputs", None, 40.0, 1, "inputs are not standardised"),)
    assert records[0].stopped is None
    assert (records[1].layers, records[1].findings, records[1].stopped) == ((), (), "converged")


def test_the_findings_of_a_job_are_asked_anew_until_it_has_ended(service, client):
    dead = training_pb2.Finding(kind="dead", layer=0, value=0.5, since=2, message="layer 0: dead")
    service.answers["GetJob"] = lambda request, context: service.job()
    job = client.job("job-1")

    assert job.findings == ()
    service.answers["GetJob"] = lambda request, context: service.job("SUCCEEDED", findings=[dead])

    assert job.findings == (Finding("dead", 0, 0.5, 2, "layer 0: dead"),)
    assert job.snapshot.findings == job.findings


def test_a_wait_warns_of_a_poor_model_once_where_no_display_has_shown_it(service, client):
    kinds = (("dead", 0.5), ("baseline", 0.5), ("inputs", 1000.0), ("targets", 20.0))
    found = [training_pb2.Finding(kind=kind, value=value, since=2, message=f"{kind}: …") for kind, value in kinds]
    service.answers["GetJob"] = lambda request, context: service.job("SUCCEEDED", findings=found, version=1)
    as_table = "; the service does so itself with the columns of a table, such as a DataFrame"
    watching(service, [])
    job, shown, listed = (client.job("job-1") for _ in range(3))

    with pytest.warns(PoorModelWarning) as warned:
        job.wait()
    watching(service, [], [])
    shown.follow(Bar(io.StringIO()))
    listed.follow(JSONLines())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        job.wait()
        shown.wait()
        listed.wait()

    assert [str(each.message) for each in warned] == ["model digits: baseline: …", f"model digits: inputs: …{as_table}"]
    assert warned[0].filename == __file__


def test_the_state_is_asked_anew_until_the_job_has_ended(service, client):
    states = ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED"]
    service.answers["GetJob"] = lambda request, context: service.job(states.pop(0))

    job = client.job("job-1")

    assert job.snapshot.state == "QUEUED"
    assert [job.state for _ in range(4)] == ["RUNNING", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]


def test_a_job_shows_itself_in_one_line_without_a_call(service, job):
    before = service.called("GetJob")

    assert repr(job) == "<Job job-1 digits RUNNING 0%>"
    assert repr(job.refresh()) == "<Job job-1 digits SUCCEEDED version 2>"
    assert service.called("GetJob") == before + 1


def test_watch_gives_the_records_and_ends_with_the_job(service, job):
    watching(service, [service.record(step) for step in (1, 2, 3)])

    records = list(job.watch())

    assert [(each.step, each.epoch, each.loss, each.validation_loss) for each in records] == [
        (1, 1, 1, None),
        (2, 2, 1 / 2, None),
        (3, 3, 1 / 3, None),
    ]
    assert job.snapshot.state == "SUCCEEDED"


@pytest.mark.parametrize("broken", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED], ids=lambda code: code.name)
def test_a_broken_stream_is_continued_without_a_lost_or_a_repeated_record(service, job, broken):
    watching(
        service,
        [service.record(1), service.record(2), broken],
        [broken],
        [service.record(2), service.record(3)],  # told again: a worker that took the job up began from its start
    )

    assert [record.step for record in job.watch()] == [1, 2, 3]
    assert [request.from_step for request in service.requests["WatchJob"]] == [0, 2, 2]


def test_a_display_is_told_each_change_of_state_once_however_often_the_stream_breaks(service, job):
    def moved(state):
        return training_pb2.TrainEvent(transition=training_pb2.JobTransition(state=f"JOB_STATE_{state}"))

    class Display:
        def __init__(self):
            self.changes = []

        def uploaded(self, rows, of): ...
        def accepted(self, job): ...
        def trained(self, record): ...
        def closed(self): ...

        def changed(self, transition):
            self.changes.append(transition.state)

    watching(
        service,
        [moved("RUNNING"), moved("WAITING"), grpc.StatusCode.UNAVAILABLE],
        [moved("RUNNING"), moved("WAITING"), moved("RUNNING"), service.record(1)],
    )
    display = Display()

    job.follow(display)

    assert display.changes == ["RUNNING", "WAITING", "RUNNING"]


def test_a_stream_that_ends_before_the_job_has_is_continued(service, job):
    states = ["RUNNING", "SUCCEEDED"]
    service.answers["GetJob"] = lambda request, context: service.job(states.pop(0))
    watching(service, [service.record(1)], [service.record(2)])

    assert [record.step for record in job.watch()] == [1, 2]


def test_watch_begins_where_it_is_told_to(service, job):
    watching(service, [service.record(8)])

    assert [record.step for record in job.watch(from_step=7)] == [8]
    assert service.requests["WatchJob"][0].from_step == 7


def test_leaving_a_watch_ends_the_call(service, job):
    left = threading.Event()

    def watch(request, context):
        context.add_callback(left.set)
        yield service.record(1)
        left.wait(20)

    service.answers["WatchJob"] = watch

    next(job.watch())

    assert left.wait(5)


def test_reconnecting_ends_after_the_clients_timeout(service):
    service.answers["GetJob"] = lambda request, context: service.job()
    service.answers["WatchJob"] = lambda request, context: service.fail(context, grpc.StatusCode.UNAVAILABLE, "no")

    with Client(service.address, timeout=1) as client:
        job = client.job("job-1")
        began = time.monotonic()
        with pytest.raises(Unavailable):
            list(job.watch())

    assert 1 <= time.monotonic() - began < 20


def test_wait_gives_the_job_that_succeeded(service, job):
    watching(service, [service.record(1)])

    assert job.wait(timeout=5).version == 2


@pytest.mark.parametrize(("state", "error"), [("FAILED", JobFailed), ("CANCELLED", JobCancelled)])
def test_wait_raises_for_a_job_that_ended_otherwise(service, job, state, error):
    watching(service, [])
    service.answers["GetJob"] = lambda request, context: service.job(state)

    with pytest.raises(error):
        job.wait()


def test_waiting_is_over_after_its_timeout_and_the_job_continues(service, job):
    service.answers["GetJob"] = lambda request, context: service.job()
    released = threading.Event()

    def watch(request, context):
        yield service.record(1)
        context.add_callback(released.set)
        released.wait(20)

    service.answers["WatchJob"] = watch

    with pytest.raises(WaitTimeout, match="job-1 has not ended yet; it goes on"):
        job.wait(timeout=0.2)

    assert released.wait(5)


def test_a_call_that_meets_the_clients_timeout_does_not_end_a_longer_wait(service):
    released = threading.Event()

    def slow_at_first(request, context):
        if service.called("GetJob") == 2:
            released.wait(60)
        return service.job("SUCCEEDED" if service.called("GetJob") > 2 else "RUNNING", version=2)

    service.answers["GetJob"] = slow_at_first
    watching(service, [service.record(1)], [])

    with Client(service.address, timeout=2) as client:
        assert client.job("job-1").wait(timeout=60).version == 2

    released.set()


def test_a_wait_ends_at_its_own_timeout_also_when_a_call_may_take_longer(service):
    released = threading.Event()
    watching(service, [])

    with Client(service.address, timeout=90) as client:
        service.answers["GetJob"] = lambda request, context: service.job()
        job = client.job("job-1")
        service.answers["GetJob"] = lambda request, context: released.wait(120)
        began = time.monotonic()
        with pytest.raises(WaitTimeout):
            job.wait(timeout=0.3)

        assert time.monotonic() - began < 45  # not the client's timeout
        released.set()


def test_a_wait_says_once_on_a_terminal_that_the_service_is_away(service, job, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    watching(service, *[[grpc.StatusCode.UNAVAILABLE]] * 4, [])
    service.answers["WatchJob"] = silent(service.answers["WatchJob"])

    job.wait()

    assert terminal.getvalue() == f"waiting for {service.address} …\n"


def test_cancel_tells_the_state_after_it(service, job):
    service.answers["CancelJob"] = lambda request, context: service.job("CANCELLED")

    assert job.cancel().snapshot.state == "CANCELLED"
    assert service.requests["CancelJob"][0].job_id == "job-1"


def test_a_job_that_is_not_there_is_not_found(service, client):
    service.answers["GetJob"] = lambda request, context: service.fail(
        context, grpc.StatusCode.NOT_FOUND, "no job nope", "JOB_NOT_FOUND"
    )

    with pytest.raises(NotFound, match="no job nope") as caught:
        client.job("nope")

    assert caught.value.reason == "JOB_NOT_FOUND"


@pytest.fixture
def listed(service):
    """ListJobs over five jobs, at most two a page."""

    def pages(request, context):
        start = int(request.page_token or 0)
        stop = start + min(request.page_size, 2)
        return training_pb2.ListJobsResponse(
            jobs=[service.job(id=f"job-{index}") for index in range(start, min(stop, 5))],
            next_page_token=str(stop) if stop < 5 else "",
        )

    service.answers["ListJobs"] = pages
    return service


@pytest.mark.parametrize(("limit", "count", "calls"), [(None, 5, 3), (3, 3, 2), (2, 2, 1), (0, 0, 0), (99, 5, 3)])
def test_jobs_are_listed_page_by_page_up_to_the_limit(listed, client, limit, count, calls):
    found = list(client.jobs(limit=limit))

    assert [job.id for job in found] == [f"job-{index}" for index in range(count)]
    assert listed.called("ListJobs") == calls


def test_jobs_are_listed_by_state_and_model(listed, client):
    list(client.jobs(state="RUNNING", model="digits"))

    request = listed.requests["ListJobs"][0]
    assert (request.state, request.model) == (training_pb2.JOB_STATE_RUNNING, "digits")


def test_a_state_that_does_not_exist_is_refused_at_once(client):
    with pytest.raises(InvalidRequest, match="expected one of QUEUED, RUNNING"):
        client.jobs(state="DONE")
