"""A training job: follow it, wait for it, pause and cancel it. It runs in the service, with or without a client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message

from layerwise_client._data.arguments import labels_of, note_of, text, whole
from layerwise_client._transport.connection import Connection, Deadline
from layerwise_client._transport.messages import snapshot_of
from layerwise_client._transport.pages import VersionOrJob, columns_of
from layerwise_client.column import Column
from layerwise_client.errors import InvalidRequest
from layerwise_client.job_facts import JobFacts
from layerwise_client.outcome import check_succeeded, warn_of_poor_model
from layerwise_client.progress import Progress, Silent, changed_of, show_left, show_pause, show_waiting, waiting_of
from layerwise_client.results import Failure, Finding, Record, Snapshot, Summary, Transition
from layerwise_client.source import Source
from layerwise_proto.v1 import training_pb2

if TYPE_CHECKING:
    import grpc

    from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub

R = TypeVar("R", bound=Message)


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
        """State of the job: QUEUED, RUNNING, WAITING, PAUSED, CANCELLING, SUCCEEDED, FAILED or CANCELLED.

        A job is WAITING while the disk of the service is full or its storage does not answer. The reason of the last
        transition says which.
        """
        return self._facts.newest().state

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the job as of the last answer."""
        return self.summary.labels

    @property
    def note(self) -> str:
        """Note about the job as of the last answer."""
        return self.summary.note

    @property
    def priority(self) -> int:
        """Priority of the job, from -10 to 10."""
        return self.summary.priority

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
        terminal, says if the service does not answer, or if the job is paused.

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
            for _ in self._facts.records(newest.step if newest else 0, Deadline(timeout), on_waiting, show_pause):
                pass
        check_succeeded(self.summary)
        if not self._findings_shown:
            self._findings_shown = True
            warn_of_poor_model(self.snapshot)
        return self

    def cancel(self, *, keep: str | None = None) -> Job:
        """Cancel the job, or end its training here and publish what it has.

        A job that waits or is paused is cancelled at once, one that trains within a second or two. Without `keep` it
        publishes no version. A job that has ended stays as it is. `resume` lets it go on.

        Parameters
        ----------
        keep : "best", optional
            Publish the weights that the job would have if its plan ended here, with early stopping those of its best
            epoch, but not before its first epoch. It then has SUCCEEDED.

        Returns
        -------
        Job
            The job itself. `wait` raises `JobCancelled` when it has been cancelled.

        Raises
        ------
        Conflict
            If there is nothing to keep.
        Unavailable, DeadlineExceeded
            If the service does not answer in time.
        """
        if keep not in (None, "best"):
            raise InvalidRequest(f'keep: expected "best" or None, got {keep!r}', pointer="keep")
        number = training_pb2.KEEP_BEST if keep else training_pb2.KEEP_UNSPECIFIED
        return self._changed(self._calls.CancelJob, training_pb2.CancelJobRequest(job_id=self.id, keep=number))

    def pause(self) -> Job:
        """Pause the job: its worker stores the state of the training and leaves it within a second or two.

        Returns
        -------
        Job
            The job itself, which may still be RUNNING.

        Raises
        ------
        Conflict
            If it has ended or is being cancelled.
        Unavailable, DeadlineExceeded
            If the service does not answer in time.
        """
        return self._changed(self._calls.PauseJob, training_pb2.PauseJobRequest(job_id=self.id))

    def resume(self, *, epochs: int | None = None) -> Job:
        """Let a job go on that is paused, cancelled or failed, or train one that has succeeded for more epochs.

        It goes on where it was, to the same weights as if it had never stopped, and then publishes a version. If the
        state of its training is not kept any more, it starts again.

        Parameters
        ----------
        epochs : int, optional
            Number of epochs that the job shall have, if that changes: more than it has trained.

        Returns
        -------
        Job
            The job itself, which waits for a worker.

        Raises
        ------
        Conflict
            If nothing is left to train, or what it needs is gone.
        InvalidRequest
            If `epochs` is too small or too large.
        ResourceExhausted
            If too many jobs wait.
        Unavailable, DeadlineExceeded
            If the service does not answer in time.
        """
        request = training_pb2.ResumeJobRequest(job_id=self.id)
        if epochs is not None:
            request.epochs = whole(epochs, "epochs")
        return self._changed(self._calls.ResumeJob, request)

    def update(self, *, labels: Mapping[str, str | None] = MappingProxyType({}), note: str | None = None) -> Job:
        """Set labels and the note of the job.

        Parameters
        ----------
        labels : mapping of str to str or None
            Labels to set; None removes one. Others stay.
        note : str, optional
            The new note.

        Returns
        -------
        Job
            The job itself.

        Raises
        ------
        InvalidRequest
            If a label or the note may not be so.
        Unavailable, DeadlineExceeded
            If the service does not answer in time.
        """
        if not isinstance(labels, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidRequest(f"labels: expected texts by name, got {type(labels).__name__}", pointer="labels")
        set_now = {name: value for name, value in labels.items() if value is not None}
        request = training_pb2.UpdateJobRequest(
            job_id=self.id,
            labels=labels_of(set_now, "labels"),
            remove_labels=[text(name, "labels") for name in labels if name not in set_now],
            note=None if note is None else note_of(note),
        )
        return self._changed(self._calls.UpdateJob, request)

    def delete(self) -> None:
        """Delete the job, which must have ended, with its records and its rows; its versions stay.

        Raises
        ------
        Conflict
            If it has not ended.
        NotFound
            If it was deleted already.
        Unavailable, DeadlineExceeded
            If the service does not answer in time.
        """
        self._connection.call(self._calls.DeleteJob, training_pb2.DeleteJobRequest(job_id=self.id))

    @property
    def _calls(self) -> TrainingServiceStub:
        return self._connection.training

    def _changed(self, call: grpc.UnaryUnaryMultiCallable[R, training_pb2.Job], request: R) -> Job:
        """Make a call that changes the job, and keep the answer."""
        self._facts.keep(snapshot_of(self._connection.call(call, request)))
        return self

    def __repr__(self) -> str:
        seen = self.summary
        if seen.version is not None:
            return f"<Job {seen.id} {seen.model} {seen.state} version {seen.version}>"
        return f"<Job {seen.id} {seen.model} {seen.state} {seen.progress:.0%}>"
