"""A training job: follow it, wait for it, cancel it. The job itself lives in the service and needs no client."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import grpc

from layerwise_client._transport.connection import Connection, Deadline, Retries
from layerwise_client._transport.pages import Source, columns_of
from layerwise_client.column import Column
from layerwise_client.errors import DeadlineExceeded, JobCancelled, JobFailed, Unavailable, WaitTimeout
from layerwise_client.progress import Progress, Silent, changed_of, tell_left, tell_waiting, waiting_of
from layerwise_client.results import (
    Failure,
    Finding,
    PoorModelWarning,
    Record,
    Snapshot,
    Summary,
    Transition,
    record_of,
    snapshot_of,
    transition_of,
)
from layerwise_proto.v1 import training_pb2

_FAR_OFF = 100.0
"""The root mean square of an input or a target from which on training seldom comes to anything."""
_AS_TABLE = "; the service does so itself with the columns of a table, such as a DataFrame"


class Job:
    """A handle on one job.

    What can change (`state`, `version`, `attempt`, `transitions`, `progress`, `record`, `findings`, `failure`) is asked
    of the service each time it is read, until the job has ended; `snapshot` holds all of it as of the last answer. Of a
    job out of a list only `summary` is there without a call; the rest is asked for when it is first read. Any call may
    raise `NotFound`, `Unavailable` or `DeadlineExceeded`.
    """

    __slots__ = ("_columns", "_connection", "_findings_shown", "_seen")

    def __init__(self, connection: Connection, seen: Summary) -> None:
        self._connection = connection
        self._seen = seen
        self._columns: tuple[Column, ...] | None = None
        self._findings_shown = False

    @property
    def summary(self) -> Summary:
        """The job in short as of the last answer, without a call."""
        return self._seen

    @property
    def snapshot(self) -> Snapshot:
        """The whole job as of the last answer."""
        return self._seen if isinstance(self._seen, Snapshot) else self._refreshed()

    @property
    def id(self) -> str:
        return self._seen.id

    @property
    def model(self) -> str:
        return self._seen.model

    @property
    def architecture(self) -> Mapping[str, Any]:
        return self.snapshot.architecture

    @property
    def plan(self) -> Mapping[str, Any]:
        return self.snapshot.plan

    @property
    def start_from(self) -> str | None:
        """The version whose weights it started with, as "model/version"; None if it began anew."""
        return self._seen.start_from

    @property
    def dataset(self) -> str:
        return self._seen.dataset

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that its version takes; none if it was trained on rows of numbers."""
        if self._columns is None:
            self._columns = ()
            if self.snapshot.columns is not None:
                self._columns = columns_of(self._connection, Source(job_id=self.id), with_categories=True)
        return self._columns

    @property
    def created(self) -> datetime:
        return self._seen.created

    @property
    def metric(self) -> str:
        return self._seen.metric

    @property
    def state(self) -> str:
        """QUEUED, RUNNING, WAITING, SUCCEEDED, FAILED or CANCELLED.

        A job is WAITING while its worker has no space or no storage: the reason of its last transition says which.
        """
        return self._fresh().state

    @property
    def version(self) -> int | None:
        """Number of the version that the job published; None before."""
        return self._fresh().version

    @property
    def attempt(self) -> int:
        return self._fresh().attempt

    @property
    def transitions(self) -> tuple[Transition, ...]:
        return self._whole().transitions

    @property
    def progress(self) -> float:
        return self._fresh().progress

    @property
    def record(self) -> Record | None:
        """The newest record; once there is a version, that of the epoch whose weights it has, with its figures."""
        return self._whole().record

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the doctor finds in the network, as of the newest record; the newest last."""
        return self._whole().findings

    @property
    def failure(self) -> Failure | None:
        return self._fresh().failure

    def refresh(self) -> Job:
        """Asks the service anew; gives the job itself."""
        self._refreshed()
        return self

    def watch(self, from_step: int = 0) -> Iterator[Record]:
        """The records after `from_step`, past ones at once and new ones as they come, until the job has ended.

        A broken connection is made again, and no record is lost or comes twice; `Unavailable` is raised only after
        `timeout` seconds (the client's) without any success. How the job ended says `state`, or `wait`.
        """
        return self._follow(from_step, Deadline(None), None)

    def follow(self, display: Progress, *, from_step: int = 0) -> None:
        """As `watch`, each record shown on `display`; Ctrl-C leaves the job running, and says so.

        If `display` has a method `waiting(address)`, that is called while the service is away; if it has a method
        `changed(transition)`, that is called with each change of the job's state.
        """
        on_waiting = waiting_of(display) or self._connection.on_waiting
        try:
            for record in self._follow(from_step, Deadline(None), on_waiting, changed_of(display)):
                display.trained(record)
            self._findings_shown |= type(display) is not Silent
        except KeyboardInterrupt:
            tell_left(display, self.id)
            raise

    def wait(self, timeout: float | None = None) -> Job:
        """The job itself, once it has SUCCEEDED; at most `timeout` seconds, None: as long as it takes.

        Raises `JobFailed` or `JobCancelled` if it ends so, `WaitTimeout` if it does not end in time, and `Unavailable`
        after the client's own timeout without a service. While the service is away, says so on a terminal. Where no
        display showed what the doctor found, warns with `PoorModelWarning` of a model that is probably useless.
        """
        if not self._seen.ended:
            on_waiting = self._connection.on_waiting or tell_waiting
            for _ in self._follow(_newest_step(self.snapshot), Deadline(timeout), on_waiting):
                pass
        self._check_succeeded()
        if not self._findings_shown:
            self._findings_shown = True
            for finding in self.snapshot.findings:
                if finding.kind == "baseline" or (finding.kind in ("inputs", "targets") and finding.value >= _FAR_OFF):
                    hint = _AS_TABLE if finding.kind == "inputs" else ""
                    text = f"model {self.model}: {finding.message}{hint}"
                    warnings.warn(text, PoorModelWarning, stacklevel=_level_of_caller())
        return self

    def cancel(self) -> Job:
        """Asks for the end of the job: at once if it is queued, at its next step if it runs.

        `wait` tells when it is over. An ended job stays as it is.
        """
        request = training_pb2.CancelJobRequest(job_id=self.id)
        self._seen = snapshot_of(self._connection.call(self._connection.training.CancelJob, request))
        return self

    def __repr__(self) -> str:
        seen = self._seen
        if seen.version is not None:
            return f"<Job {seen.id} {seen.model} {seen.state} version {seen.version}>"
        return f"<Job {seen.id} {seen.model} {seen.state} {seen.progress:.0%}>"

    def _fresh(self) -> Summary:
        return self._seen if self._seen.ended else self._refreshed()

    def _whole(self) -> Snapshot:
        return self.snapshot if self._seen.ended else self._refreshed()

    def _refreshed(self) -> Snapshot:
        request = training_pb2.GetJobRequest(job_id=self.id)
        self._seen = found = snapshot_of(self._connection.call(self._connection.training.GetJob, request))
        return found

    def _check_succeeded(self) -> None:
        seen = self._seen
        if seen.state == "FAILED":
            failure = seen.failure or Failure("", "the service does not say why")
            failed = JobFailed(f"job {seen.id} failed: {failure.message}", reason=failure.reason)
            failed.job_id = seen.id
            raise failed
        if seen.state == "CANCELLED":
            cancelled = JobCancelled(f"job {seen.id} was cancelled")
            cancelled.job_id = seen.id
            raise cancelled

    def _follow(
        self,
        from_step: int,
        deadline: Deadline,
        on_waiting: Callable[[str], None] | None,
        on_change: Callable[[Transition], None] | None = None,
    ) -> Iterator[Record]:
        """Records after `from_step` over as many connections as it takes; ends when the job has, and is refreshed."""
        step = from_step
        changes = 0
        retries = Retries(self._connection.target, patience=self._connection.timeout, on_waiting=on_waiting)
        while True:
            try:
                changed = 0  # on this connection, which begins with the first change again
                for event in self._stream(step, deadline):
                    retries.succeeded()
                    if isinstance(event, Transition):
                        changed += 1
                        if changed > changes:
                            changes = changed
                            if on_change is not None:
                                on_change(event)
                    # A worker that took the job up again repeats the steps of the one before, number for number.
                    elif event and event.step > step:
                        step = event.step
                        yield event
                if self._try_refresh(deadline).ended:
                    return
            except (Unavailable, DeadlineExceeded) as exc:
                if deadline.passed():
                    raise WaitTimeout(f"job {self.id} has not ended yet; it goes on") from exc
                if isinstance(exc, DeadlineExceeded) and deadline.left() is not None:
                    retries.pause(deadline)  # one slow call is no reason to end a longer wait
                else:
                    retries.failed(exc, deadline)
            else:
                retries.pause(deadline)

    def _try_refresh(self, deadline: Deadline) -> Snapshot:
        request = training_pb2.GetJobRequest(job_id=self.id)
        connection = self._connection
        self._seen = found = snapshot_of(connection.try_once(connection.training.GetJob, request, deadline))
        return found

    def _stream(self, from_step: int, deadline: Deadline) -> Iterator[Record | Transition | None]:
        """Records and changes of state of one call of WatchJob; None for every other event, a sign of life.

        What an event `finding` says stands in its record too.
        """
        connection = self._connection
        connection.check_open()
        request = training_pb2.WatchJobRequest(job_id=self.id, from_step=from_step)
        call = connection.training.WatchJob(request, timeout=deadline.left())
        try:
            for event in call:
                match event.WhichOneof("event"):
                    case "record":
                        yield record_of(event.record)
                    case "transition":
                        yield transition_of(event.transition)
                    case _:
                        yield None
        except grpc.RpcError as exc:
            raise connection.error(exc) from exc
        finally:
            call.cancel()


def _level_of_caller() -> int:
    """The `stacklevel`, for whoever calls this, of the first frame outside this package."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("layerwise_client."):
        level, frame = level + 1, frame.f_back
    return level


def _newest_step(seen: Snapshot) -> int:
    return seen.record.step if seen.record else 0
