"""A training job: follow it, wait for it, cancel it. It runs in the service, with or without a client."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from layerwise_client._transport.connection import Connection, Deadline, whole
from layerwise_client._transport.pages import VersionOrJob, columns_of
from layerwise_client._transport.watch import watch_job
from layerwise_client.column import Column
from layerwise_client.errors import JobCancelled, JobFailed
from layerwise_client.progress import Progress, Silent, changed_of, tell_left, tell_waiting, waiting_of
from layerwise_client.results import (
    Failure,
    Finding,
    PoorModelWarning,
    Record,
    Snapshot,
    Summary,
    Transition,
    snapshot_of,
)
from layerwise_proto.v1 import training_pb2

_FAR_OFF = 100.0
"""Training seldom succeeds if inputs or targets have a root mean square of this or more."""
_AS_TABLE = "; the service does so itself with the columns of a table, such as a DataFrame"


class Job:
    """One job of the service.

    Until the job has ended, reading `state`, `version`, `attempt`, `transitions`, `progress`, `record`, `findings` or
    `failure` asks the service. `snapshot` has them as of the last answer, without a call. A job from a list knows its
    `summary`; the rest is fetched when it is first read. Every call may raise `NotFound`, `Unavailable` or
    `DeadlineExceeded`.
    """

    __slots__ = ("_columns", "_connection", "_findings_shown", "_seen")

    def __init__(self, connection: Connection, seen: Summary) -> None:
        self._connection = connection
        self._seen = seen
        if isinstance(seen, Snapshot):
            self._take(seen)
        self._columns: tuple[Column, ...] | None = None
        self._findings_shown = False

    @property
    def summary(self) -> Summary:
        """Main facts of the job as of the last answer, without a call."""
        return self._seen

    @property
    def snapshot(self) -> Snapshot:
        """All facts of the job as of the last answer."""
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
        """Version whose weights the training started with, as "model/version"; None if it started from random ones."""
        return self._seen.start_from

    @property
    def dataset(self) -> str:
        return self._seen.dataset

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the table that its version takes; empty if it was trained on rows of numbers."""
        if self._columns is None:
            self._columns = ()
            if self.snapshot.columns is not None:
                self._columns = columns_of(self._connection, VersionOrJob(job_id=self.id), with_categories=True)
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

        A job is WAITING while the disk of the service is full or its storage does not answer; the reason of the last
        transition says which.
        """
        return self._fresh().state

    @property
    def version(self) -> int | None:
        """Number of the version that the job published; None before that."""
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
        """Newest record; once there is a version, the record of the epoch whose weights the version has."""
        return self._whole().record

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Problems that the doctor sees in the network as of the newest record; the newest last."""
        return self._whole().findings

    @property
    def failure(self) -> Failure | None:
        return self._fresh().failure

    def refresh(self) -> Job:
        """Ask the service for the job's current state, and return the job itself."""
        self._refreshed()
        return self

    def watch(self, from_step: int = 0) -> Iterator[Record]:
        """Yield the records of the job, past ones at once and new ones as they come, until it has ended.

        A broken connection is made again; no record is lost or comes twice. `state` or `wait` says how the job ended.

        Parameters
        ----------
        from_step : int
            Only records of later steps are wanted.

        Raises
        ------
        Unavailable
            If the service has not answered for the client's `timeout`.
        """
        return self._records(from_step, Deadline(None), None)

    def follow(self, display: Progress, *, from_step: int = 0) -> None:
        """Show the records on `display` until the job has ended. Ctrl-C leaves the job running, and says so.

        Parameters
        ----------
        display : Progress
            Shows the training. Its methods `waiting(address)`, for a service that is away, and `changed(transition)`,
            for a change of the job's state, are called if it has them.
        from_step : int
            Only records of later steps are shown.

        Raises
        ------
        Unavailable
            If the service has not answered for the client's `timeout`.
        """
        on_waiting = waiting_of(display) or self._connection.on_waiting
        try:
            for record in self._records(from_step, Deadline(None), on_waiting, changed_of(display)):
                display.trained(record)
            self._findings_shown |= type(display) is not Silent
        except KeyboardInterrupt:
            tell_left(display, self.id)
            raise

    def wait(self, timeout: float | None = None) -> Job:
        """Wait until the job has succeeded, and return it.

        Warns with `PoorModelWarning` of a model that is probably useless, unless a display has shown the findings. Says
        on a terminal if the service is away.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; by default as long as it takes.

        Raises
        ------
        JobFailed, JobCancelled
            If the job ended so.
        WaitTimeout
            If the job has not ended in time; it goes on.
        Unavailable
            If the service has not answered for the client's `timeout`.
        """
        if not self._seen.ended:
            on_waiting = self._connection.on_waiting or tell_waiting
            for _ in self._records(_newest_step(self.snapshot), Deadline(timeout), on_waiting):
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
        """Ask the service to end the job: at once if it is queued, at its next step if it runs.

        `wait` returns when it is over. A job that has ended stays as it is.
        """
        request = training_pb2.CancelJobRequest(job_id=self.id)
        self._take(snapshot_of(self._connection.call(self._connection.training.CancelJob, request)))
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
        return self._take(snapshot_of(self._connection.call(self._connection.training.GetJob, request)))

    def _take(self, found: Snapshot) -> Snapshot:
        self._seen = found
        if found.version is not None:
            published = self._connection.published
            published[found.model] = max(found.version, published.get(found.model, 0))
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

    def _records(
        self,
        from_step: int,
        deadline: Deadline,
        on_waiting: Callable[[str], None] | None,
        on_change: Callable[[Transition], None] | None = None,
    ) -> Iterator[Record]:
        """Yield the records after `from_step` until the job has ended; it is refreshed then."""
        return watch_job(
            self._connection,
            self.id,
            from_step=whole(from_step, "from_step"),
            deadline=deadline,
            refresh=self._try_refresh,
            on_waiting=on_waiting,
            on_change=on_change,
        )

    def _try_refresh(self, deadline: Deadline) -> Snapshot:
        request, call = training_pb2.GetJobRequest(job_id=self.id), self._connection.training.GetJob
        return self._take(snapshot_of(self._connection.try_once(call, request, deadline)))


def _level_of_caller() -> int:
    """Return the `stacklevel` with which a warning of the calling function points outside this package."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("layerwise_client."):
        level, frame = level + 1, frame.f_back
    return level


def _newest_step(seen: Snapshot) -> int:
    return seen.record.step if seen.record else 0
