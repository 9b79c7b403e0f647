"""A training job: follow it, wait for it, cancel it. It runs in the service, with or without a client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from layerwise_client._data.arguments import whole
from layerwise_client._transport.connection import Connection, Deadline
from layerwise_client._transport.messages import snapshot_of
from layerwise_client._transport.pages import VersionOrJob, columns_of
from layerwise_client.column import Column
from layerwise_client.job_facts import JobFacts
from layerwise_client.outcome import check_succeeded, warn_of_poor_model
from layerwise_client.progress import Progress, Silent, changed_of, show_left, show_waiting, waiting_of
from layerwise_client.results import Failure, Finding, Record, Snapshot, Summary, Transition
from layerwise_client.source import Source
from layerwise_proto.v1 import training_pb2


class Job:
    """One job of the service. `Client.train`, `Client.job` and `Client.jobs` return it.

    Until the job has ended, reading `state`, `version`, `attempt`, `transitions`, `progress`, `record`, `findings` or
    `failure` asks the service. `snapshot` has them as of the last answer, without a call. A job from a list has its
    `summary`; the rest is fetched when it is first read. Every call may raise `NotFound`, `Unavailable` or
    `DeadlineExceeded`.

    Examples
    --------
    >>> job = client.train("flowers", network, X, y, plan={"epochs": 3}, progress=False)
    >>> [record.epoch for record in job.watch()]
    [1, 2, 3]
    >>> job.wait().state
    'SUCCEEDED'
    """

    __slots__ = ("_columns", "_connection", "_facts", "_findings_shown")

    def __init__(self, connection: Connection, seen: Summary) -> None:
        self._connection = connection
        self._facts = JobFacts(connection, seen)
        self._columns: tuple[Column, ...] | None = None
        self._findings_shown = False

    @property
    def summary(self) -> Summary:
        """Main facts of the job as of the last answer, without a call."""
        return self._facts.last

    @property
    def snapshot(self) -> Snapshot:
        """All facts of the job as of the last answer; asks the service if the job is from a list."""
        return self._facts.all()

    @property
    def id(self) -> str:
        """Id of the job."""
        return self.summary.id

    @property
    def model(self) -> str:
        """Name of the model that is trained."""
        return self.summary.model

    @property
    def architecture(self) -> Mapping[str, Any]:
        """Architecture of the network in JSON form, with every size filled in."""
        return self.snapshot.architecture

    @property
    def plan(self) -> Mapping[str, Any]:
        """Plan of the training in JSON form, with every setting filled in."""
        return self.snapshot.plan

    @property
    def start_from(self) -> str | None:
        """Version whose weights the training started with, as "model/version"; None for new random weights."""
        return self.summary.start_from

    @property
    def dataset(self) -> str:
        """SHA-256 of the rows."""
        return self.summary.dataset

    @property
    def source(self) -> Source | None:
        """The dataset that the job trains on, what its target was taken for and why; None if it trains on no dataset.

        Files and tables become datasets; arrays do not, nor do tables with several targets, with `classes`, or with
        labels that a dataset would change.
        """
        return self.snapshot.source

    @property
    def held_out(self) -> int:
        """Number of rows held out, the last ones, if they were given as `validation`; 0 if the plan says which."""
        return self.snapshot.held_out

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the table that the version takes; empty if it was trained on rows of numbers."""
        if self._columns is None:
            self._columns = ()
            if self.snapshot.columns is not None:
                self._columns = columns_of(self._connection, VersionOrJob(job_id=self.id), with_categories=True)
        return self._columns

    @property
    def created(self) -> datetime:
        """Time at which the service accepted the job."""
        return self.summary.created

    @property
    def metric(self) -> str:
        """Name of the metric in the records: "accuracy" or "r2"."""
        return self.summary.metric

    @property
    def state(self) -> str:
        """State of the job: QUEUED, RUNNING, WAITING, SUCCEEDED, FAILED or CANCELLED.

        A job is WAITING while the disk of the service is full or its storage does not answer. The reason of the last
        transition says which.
        """
        return self._facts.newest().state

    @property
    def version(self) -> int | None:
        """Number of the version that the job published; None before that."""
        return self._facts.newest().version

    @property
    def attempt(self) -> int:
        """Number of workers that have started the job; above 1 if a worker was lost."""
        return self._facts.newest().attempt

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """Newest 1,000 changes of the state, the newest last."""
        return self._facts.all_newest().transitions

    @property
    def progress(self) -> float:
        """Share of the training that is done, from 0 to 1."""
        return self._facts.newest().progress

    @property
    def record(self) -> Record | None:
        """Newest record; once there is a version, the record of the epoch whose weights it has."""
        return self._facts.all_newest().record

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Problems that the doctor sees in the network at the newest record; the newest problem last."""
        return self._facts.all_newest().findings

    @property
    def failure(self) -> Failure | None:
        """Why the job failed; None if it has not."""
        return self._facts.newest().failure

    def refresh(self) -> Job:
        """Ask the service for the job's current state.

        Returns
        -------
        Job
            The job itself.

        Raises
        ------
        Unavailable, DeadlineExceeded
            If the service does not answer in time.
        """
        self._facts.fetch()
        return self

    def watch(self, from_step: int = 0) -> Iterator[Record]:
        """Yield the records of the job until it has ended: past ones at once, then each new one.

        After a broken connection it continues without losing or repeating a record. `state` or `wait` says how the job
        ended.

        Parameters
        ----------
        from_step : int
            Leave out the records up to this step.

        Yields
        ------
        Record
            The record of an epoch.

        Raises
        ------
        Unavailable
            If the service has not answered for the client's `timeout`.
        """
        return self._facts.records(whole(from_step, "from_step"), Deadline(None), None)

    def follow(self, display: Progress, *, from_step: int = 0) -> None:
        """Show the records on `display` until the job has ended. Ctrl-C stops the display; the job goes on.

        Parameters
        ----------
        display : Progress
            Shows the training; see `Progress` for its optional methods.
        from_step : int
            Leave out the records up to this step.

        Raises
        ------
        Unavailable
            If the service has not answered for the client's `timeout`.
        """
        on_waiting = waiting_of(display) or self._connection.on_waiting
        try:
            steps = whole(from_step, "from_step")
            for record in self._facts.records(steps, Deadline(None), on_waiting, changed_of(display)):
                display.trained(record)
            self._findings_shown |= type(display) is not Silent
        except KeyboardInterrupt:
            show_left(display, self.id)
            raise

    def wait(self, timeout: float | None = None) -> Job:
        """Wait until the job has succeeded.

        Warns with `PoorModelWarning` if the model is probably useless, unless a display has shown the findings. On a
        terminal, says if the service does not answer.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; by default until the job ends.

        Returns
        -------
        Job
            The job itself.

        Raises
        ------
        JobFailed, JobCancelled
            If the job ended that way.
        WaitTimeout
            If the job has not ended in time; it goes on.
        Unavailable
            If the service has not answered for the client's `timeout`.
        """
        if not self.summary.ended:
            on_waiting = self._connection.on_waiting or show_waiting
            newest = self.snapshot.record
            for _ in self._facts.records(newest.step if newest else 0, Deadline(timeout), on_waiting):
                pass
        check_succeeded(self.summary)
        if not self._findings_shown:
            self._findings_shown = True
            warn_of_poor_model(self.snapshot)
        return self

    def cancel(self) -> Job:
        """Cancel the job: at once if it is queued, within a second or two if it runs.

        It publishes no version afterwards. A job that has ended stays as it is.

        Returns
        -------
        Job
            The job itself. `wait` raises `JobCancelled` when it has ended.

        Raises
        ------
        Unavailable, DeadlineExceeded
            If the service does not answer in time.
        """
        request = training_pb2.CancelJobRequest(job_id=self.id)
        self._facts.keep(snapshot_of(self._connection.call(self._connection.training.CancelJob, request)))
        return self

    def __repr__(self) -> str:
        seen = self.summary
        if seen.version is not None:
            return f"<Job {seen.id} {seen.model} {seen.state} version {seen.version}>"
        return f"<Job {seen.id} {seen.model} {seen.state} {seen.progress:.0%}>"
