"""Leases: how a worker claims a job, keeps it, stores its records, and ends or releases it.

Every write has the claim's token, the number of the attempt. The token of a worker that was silent for too long is
outdated, since the job was given to another worker: its writes raise `Fenced`.

A job that is CANCELLING ends as CANCELLED, however its worker ends or releases it, and is never published.

The holder of a job raises the job's counter `beats`. A worker that looks for work requeues a job whose counter has not
changed for `lease_seconds`, by its own monotonic clock. Time in which this worker could not write to the database does
not count, since the holder could not write either: in the second half of the lease it writes at each look, and starts
counting again when a write fails or has to wait long.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from layerwise import Finding
from layerwise.training.records import EpochRecord
from layerwise_service.domain.job_states import HELD, JobState, Reason, Wish
from layerwise_service.domain.jobs import Checkpoint, Claim, Failure, JSONObject, record_values
from layerwise_service.domain.models import Version
from layerwise_service.errors import ServiceError
from layerwise_service.process.silence import Clock, Silence, milliseconds_here, this_boot
from layerwise_service.stores.database import Database, now
from layerwise_service.stores.job_rows import read_job
from layerwise_service.stores.job_store import change_state
from layerwise_service.stores.lost_workers import MOST_BACK_OFF, subtract_loss, take_back
from layerwise_service.stores.progress import (
    add_new_records,
    checkpoints_of,
    forget_checkpoints,
    forget_progress,
    forget_records,
    metric_value,
    note_checkpoint,
)
from layerwise_service.stores.schema import jobs, workers
from layerwise_service.stores.version_store import insert_version

log = structlog.get_logger()


class Fenced(Exception):
    """The job is no longer this worker's."""


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A verified artefact that shall become a version."""

    sha256: str
    size_bytes: int
    metrics: dict[str, float]
    parameters: int
    labels: tuple[int | str | bool, ...] | None
    evaluation: JSONObject | None = None
    """The JSON form of its `layerwise.Evaluation`."""
    kept: EpochRecord | None = None
    """The record of the epoch whose weights it has, with its figures; None: the newest record, unchanged."""
    last_step: int | None = None
    """The step with which training ended."""


class Leases:
    """The workers' operations on jobs. Every method but `wait_for_job` is one transaction."""

    def __init__(
        self, database: Database, *, lease_seconds: float, max_losses: int, clock: Clock = time.monotonic
    ) -> None:
        self._database = database
        self.lease_seconds = lease_seconds
        self._max_losses = max_losses
        self._clock = clock
        self._silence = Silence(most_gap=lease_seconds / 4, clock=clock)

    def claim(self, worker: str) -> Claim | None:
        """Give the job whose turn it is to `worker`; None if none waits.

        A job also becomes free when this object has seen its holder silent for `lease_seconds`, over several calls.
        """
        try:
            with self._database.read() as connection:  # a look without a write lock
                waits = connection.scalar(sa.select(jobs.c.id).where(_claimable()).limit(1)) is not None
                silent = self._silence.look(_beats(connection))
            suspected = any(seconds >= self.lease_seconds / 2 for seconds in silent.values())
            if not waits and not suspected:
                return None
            asked_at = self._clock()
            with self._database.write() as connection:
                if suspected:
                    self._take_back_silent(connection, worker, asked_at)
                return self._claim_next(connection, worker)
        except ServiceError:
            self._silence.forget()
            raise

    def wait_for_job(self, seconds: float) -> None:
        """Wait until there may be a job to claim, but not longer than `seconds`."""
        self._database.wait_for_job(seconds)

    def renew(self, claim: Claim, *, progress: float) -> Wish | None:
        """Renew the lease, and return what callers want of the job. Raises `Fenced`."""
        renewed = sa.update(jobs).where(_held(claim)).values(beats=jobs.c.beats + 1, progress=progress)
        with self._database.write() as connection:
            found = connection.execute(renewed.returning(jobs.c.wish)).one_or_none()
        if found is None:
            raise Fenced
        return _wish(found.wish)

    def add_records(
        self, claim: Claim, records: Sequence[EpochRecord], *, progress: float, findings: Sequence[Finding] = ()
    ) -> Wish | None:
        """Store the records of epochs, and the doctor's findings after the last of them.

        Records that are given again, because an answer was lost, are stored once. Returns what callers want of the job.
        Raises `Fenced`.
        """
        with self._database.write() as connection:
            wish = _lock_held_job(connection, claim)
            add_new_records(connection, claim, records)
            found = [asdict(finding) for finding in findings]
            columns = {"progress": progress, "findings": found, "beats": jobs.c.beats + 1}
            connection.execute(sa.update(jobs).where(jobs.c.id == claim.job.id).values(columns))
        return wish

    def keep_checkpoint(self, claim: Claim, checkpoint: Checkpoint) -> tuple[Checkpoint, ...]:
        """Note a checkpoint as the newest, and return those that are kept. Raises `Fenced`."""
        with self._database.write() as connection:
            _lock_held_job(connection, claim)
            return note_checkpoint(connection, claim.job.id, checkpoint)

    def start_over(self, claim: Claim) -> None:
        """Forget what attempts before have reached, since none of their checkpoints can be used. Raises `Fenced`."""
        with self._database.write() as connection:
            _lock_held_job(connection, claim)
            forget_progress(connection, claim.job.id)

    def wait(self, claim: Claim, reason: str) -> None:
        """Set the state of a RUNNING job to WAITING with the `reason`. Raises `Fenced`."""
        self._change(claim, JobState.RUNNING, JobState.WAITING, reason)

    def resume(self, claim: Claim) -> None:
        """Set the job's state from WAITING back to RUNNING. Raises `Fenced`."""
        self._change(claim, JobState.WAITING, JobState.RUNNING, Reason.CONTINUED)

    def publish(self, claim: Claim, new: NewVersion) -> Version | None:
        """Publish the artefact as the model's next version, and end the job. Raises `Fenced`.

        Returns None, and ends the job as CANCELLED, if it is to be cancelled.
        """
        with self._database.write() as connection:
            if _lock_held_job(connection, claim) is Wish.CANCEL:
                self._leave(connection, claim, JobState.CANCELLED, Reason.CANCEL_REQUESTED)
                return None
            if new.last_step is not None:  # a training that ends after some seconds may have ended earlier this time
                forget_records(connection, claim.job.id, after=new.last_step)
            version = insert_version(
                connection,
                claim.job,
                sha256=new.sha256,
                size_bytes=new.size_bytes,
                metrics=new.metrics,
                parameters=new.parameters,
                labels=new.labels,
                evaluation=new.evaluation,
            )
            columns: dict[str, Any] = {"version": version.number, "progress": 1.0}
            if new.kept is not None:
                columns |= {"kept": record_values(new.kept), "metric_value": metric_value(new.kept)}
            self._leave(connection, claim, JobState.SUCCEEDED, Reason.PUBLISHED, **columns)
        return version

    def fail(self, claim: Claim, failure: Failure) -> None:
        """End the job with a failure that another attempt would meet again. Raises `Fenced`."""
        columns = {"failure_reason": failure.reason, "failure_message": failure.message}
        with self._database.write() as connection:
            self._leave(connection, claim, JobState.FAILED, failure.reason, **columns)

    def release(self, claim: Claim, reason: str = Reason.WORKER_STOPPED) -> None:
        """Leave the job: it is paused if callers want that, else queued again for the `reason`. Raises `Fenced`."""
        with self._database.write() as connection:
            self._leave(connection, claim, JobState.QUEUED, reason)

    def forget_checkpoints(self, *, most: int) -> list[str]:
        """Forget the checkpoints of ended jobs, but the newest one of each of the `most` jobs that ended last.

        Returns the names of those that are forgotten.
        """
        with self._database.write() as connection:
            return forget_checkpoints(connection, most=most)

    def undo_loss(self, claim: Claim) -> None:
        """Subtract the loss that was counted when the job was given to another worker: this one is alive."""
        with self._database.write() as connection:
            subtract_loss(connection, claim)

    def take_back_from(self, worker: str, *, to_blame: bool = True) -> None:
        """Requeue the job of a worker that has ended, and forget the worker.

        The loss counts against the job only if the job may be `to_blame`.
        """
        with self._database.write() as connection:
            theirs = sa.select(jobs).where(jobs.c.worker == worker, jobs.c.state.in_(HELD))
            for held in connection.execute(theirs.with_for_update()).all():
                take_back(connection, held, to_blame=to_blame, max_losses=self._max_losses)
            connection.execute(sa.delete(workers).where(workers.c.id == worker))

    def report_alive(self, worker: str) -> None:
        """Store a sign of life of the worker."""
        with self._database.write() as connection:
            _store_sign_of_life(connection, worker)

    def _claim_next(self, connection: Connection, worker: str) -> Claim | None:
        first = sa.select(jobs.c.id).where(_claimable()).order_by(jobs.c.turn, jobs.c.number).limit(1)
        found = connection.scalar(first.with_for_update(skip_locked=True))
        if found is None:
            return None
        job = read_job(connection, found)
        token = job.attempt + 1
        held = {"attempt": token, "worker": worker, "beats": jobs.c.beats + 1, "not_before": None, "held_since": now()}
        checkpoints = checkpoints_of(connection, job.id)
        if not checkpoints or job.started is None:
            held["started"] = now()
        reason = Reason.RESUMED if checkpoints else Reason.CLAIMED
        change_state(connection, job, JobState.RUNNING, reason, attempt=token, columns=held)
        if not checkpoints:
            forget_progress(connection, job.id)
        wish = _wish(connection.scalar(sa.select(jobs.c.wish).where(jobs.c.id == found)))
        return Claim(read_job(connection, job.id), token, checkpoints, wish)

    def _take_back_silent(self, connection: Connection, worker: str, asked_at: float) -> None:
        """Requeue the jobs whose holders have been silent for `lease_seconds`; `worker` is the one that looks."""
        _store_sign_of_life(connection, worker)  # this write proves that the holders could have written as well
        if self._clock() - asked_at > self.lease_seconds / 8:  # the database was locked: the holders had to wait, too
            self._silence.forget()
            return
        beats = _beats(connection)
        silent = [job for job, seconds in self._silence.look(beats).items() if seconds >= self.lease_seconds]
        theirs = sa.select(jobs).where(jobs.c.id.in_(silent), jobs.c.state.in_(HELD))
        for held in connection.execute(theirs.with_for_update(skip_locked=True)).all():
            if (held.attempt, held.beats) == beats[held.id]:
                to_blame = held.worker != worker  # a worker that looks has not died
                try:
                    with connection.begin_nested():
                        take_back(connection, held, to_blame=to_blame, max_losses=self._max_losses)
                except AssertionError as error:  # a fault of ours with one job must not keep all others waiting
                    log.error("job_not_taken_back", job=held.id, error=str(error))

    def _change(self, claim: Claim, before: JobState, after: JobState, reason: str) -> None:
        with self._database.write() as connection:
            _lock_held_job(connection, claim)
            job = read_job(connection, claim.job.id)
            if job.state is before:
                change_state(connection, job, after, reason, attempt=claim.token)

    def _leave(self, connection: Connection, claim: Claim, after: JobState, reason: str, **columns: Any) -> None:
        """Move the job to the state `after`, or to the one that callers want, and free its worker."""
        wish = _lock_held_job(connection, claim)
        if wish is Wish.CANCEL:
            after, reason, columns = JobState.CANCELLED, Reason.CANCEL_REQUESTED, {}
        elif wish is Wish.PAUSE and after is JobState.QUEUED:
            after, reason = JobState.PAUSED, Reason.PAUSE_REQUESTED
        if after is not JobState.QUEUED:
            columns["wish"] = None
        job = read_job(connection, claim.job.id)
        change_state(connection, job, after, reason, attempt=claim.token, columns={"worker": None, **columns})


def _store_sign_of_life(connection: Connection, worker: str) -> None:
    sign = {"seen": now(), "boot": this_boot(), "beat": milliseconds_here()}
    if connection.execute(sa.update(workers).where(workers.c.id == worker).values(sign)).rowcount == 0:
        connection.execute(sa.delete(workers).where(workers.c.seen < now() - 86_400))
        new = {"id": worker, "host": socket.gethostname(), "pid": os.getpid(), "started": now(), **sign}
        connection.execute(sa.insert(workers).values(new))


def _claimable() -> sa.ColumnElement[bool]:
    """Return the condition: a clock that was set back must not keep a job from being claimed for long."""
    wait = jobs.c.not_before - now()
    return (jobs.c.state == JobState.QUEUED) & (jobs.c.not_before.is_(None) | ~wait.between(0, MOST_BACK_OFF))


def _beats(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return the counters of all jobs that are held."""
    held = sa.select(jobs.c.id, jobs.c.attempt, jobs.c.beats).where(jobs.c.state.in_(HELD))
    return {row.id: (row.attempt, row.beats) for row in connection.execute(held)}


def _held(claim: Claim) -> sa.ColumnElement[bool]:
    return (jobs.c.id == claim.job.id) & (jobs.c.attempt == claim.token) & jobs.c.state.in_(HELD)


def _lock_held_job(connection: Connection, claim: Claim) -> Wish | None:
    """Lock the job's row for this transaction, and return what callers want of the job.

    Raises `Fenced` if the claim does not hold it any more.
    """
    found = connection.execute(sa.select(jobs.c.wish).where(_held(claim)).with_for_update()).one_or_none()
    if found is None:
        raise Fenced
    return _wish(found.wish)


def _wish(stored: str | None) -> Wish | None:
    return None if stored is None else Wish(stored)
