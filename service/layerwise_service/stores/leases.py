"""What workers do with jobs: claim one under a lease, keep the lease, report, and end it one way or another.

Every write carries the claim's token, the attempt's number. A worker that was silent for too long finds its token
outdated: the job was given to another, and the late writer hears `Fenced`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise import Finding
from layerwise_service.jobs import Claim, Failure, JobState, Reason, TrainingRecord
from layerwise_service.models import Version
from layerwise_service.stores.database import Database, now
from layerwise_service.stores.job_store import add_events, change_state, read_job
from layerwise_service.stores.schema import events, jobs, workers
from layerwise_service.stores.version_store import insert_version


class Fenced(Exception):
    """The job is no longer this worker's."""


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A verified artefact that is to become a version."""

    sha256: str
    size_bytes: int
    metrics: dict[str, float]
    parameters: int
    labels: tuple[int | str | bool, ...] | None


class Leases:
    """The workers' side of the jobs. Every method is one transaction."""

    def __init__(self, database: Database, *, lease_seconds: float, max_losses: int) -> None:
        self._database = database
        self.lease_seconds = lease_seconds
        self._max_losses = max_losses

    def claim(self, worker: str) -> Claim | None:
        """The oldest waiting job, now in the hands of `worker`; None if there is none."""
        with self._database.read() as connection:  # looking costs no write lock
            if connection.scalar(sa.select(jobs.c.id).where(_claimable() | _expired()).limit(1)) is None:
                return None
        with self._database.write() as connection:
            expired = sa.select(jobs).where(_expired()).with_for_update(skip_locked=True)
            for silent in connection.execute(expired).all():
                self._take_back(connection, silent)
            query = sa.select(jobs.c.id).where(_claimable()).order_by(jobs.c.id).limit(1)
            found = connection.scalar(query.with_for_update(skip_locked=True))
            if found is None:
                return None
            job = read_job(connection, found)
            token = job.attempt + 1
            held = {
                "attempt": token,
                "worker": worker,
                "lease_until": now() + self.lease_seconds,
                "progress": 0.0,
                "findings": None,
            }
            change_state(connection, job, JobState.RUNNING, Reason.CLAIMED, attempt=token, columns=held)
            # This attempt tells the story from its start: each step stands in it once.
            connection.execute(sa.delete(events).where(events.c.job == job.id, events.c.step.is_not(None)))
            return Claim(read_job(connection, job.id), token)

    def renew(self, claim: Claim, *, progress: float) -> bool:
        """Keeps the lease, and tells whether the job is to be cancelled. Raises `Fenced`."""
        with self._database.write() as connection:
            cancel = connection.scalar(
                sa.update(jobs)
                .where(_held(claim))
                .values(lease_until=now() + self.lease_seconds, progress=progress)
                .returning(jobs.c.cancel_requested)
            )
        if cancel is None:
            raise Fenced
        return bool(cancel)

    def add_records(
        self, claim: Claim, records: Sequence[TrainingRecord], *, progress: float, findings: Sequence[Finding] = ()
    ) -> None:
        """Tells what epochs gave, and what the doctor finds after the last of them. Raises `Fenced`."""
        with self._database.write() as connection:
            _hold(connection, claim)
            add_events(connection, claim.job.id, [_record_row(record, claim.token) for record in records])
            told = [asdict(finding) for finding in findings]
            kept = {"progress": progress, "findings": told, "lease_until": now() + self.lease_seconds}
            connection.execute(sa.update(jobs).where(jobs.c.id == claim.job.id).values(kept))

    def publish(self, claim: Claim, new: NewVersion) -> Version:
        """Makes the artefact the model's next version and ends the job. Raises `Fenced`."""
        with self._database.write() as connection:
            version = insert_version(connection, claim.job, **asdict(new))
            self._let_go(connection, claim, JobState.SUCCEEDED, Reason.PUBLISHED, version=version.number, progress=1.0)
        return version

    def fail(self, claim: Claim, failure: Failure) -> None:
        """Ends the job for a reason that another attempt would meet again. Raises `Fenced`."""
        told = {"failure_reason": failure.reason, "failure_message": failure.message}
        with self._database.write() as connection:
            self._let_go(connection, claim, JobState.FAILED, failure.reason, **told)

    def cancelled(self, claim: Claim) -> None:
        """Ends the job as it was asked to. Raises `Fenced`."""
        with self._database.write() as connection:
            self._let_go(connection, claim, JobState.CANCELLED, Reason.CANCEL_REQUESTED)

    def release(self, claim: Claim) -> None:
        """Gives the job back, since this worker stops. Raises `Fenced`."""
        with self._database.write() as connection:
            self._let_go(connection, claim, JobState.QUEUED, Reason.WORKER_STOPPED)

    def lost(self, worker: str, *, to_blame: bool = True) -> None:
        """Takes back at once what a worker held that is known to have ended, and forgets the worker.

        Unless what it did is `to_blame` for its end, the loss does not count against the job.
        """
        with self._database.write() as connection:
            theirs = sa.select(jobs).where(jobs.c.worker == worker, jobs.c.state == JobState.RUNNING)
            for held in connection.execute(theirs.with_for_update()).all():
                self._take_back(connection, held, to_blame=to_blame)
            connection.execute(sa.delete(workers).where(workers.c.id == worker))

    def seen(self, worker: str) -> None:
        """Tells that the worker lives."""
        with self._database.write() as connection:
            known = connection.execute(sa.update(workers).where(workers.c.id == worker).values(seen=now()))
            if known.rowcount == 0:
                connection.execute(sa.delete(workers).where(workers.c.seen < now() - 86_400))
                connection.execute(
                    sa.insert(workers).values(
                        id=worker, host=socket.gethostname(), pid=os.getpid(), started=now(), seen=now()
                    )
                )

    def _let_go(self, connection: Connection, claim: Claim, after: JobState, reason: str, **columns: Any) -> None:
        _hold(connection, claim)
        job = read_job(connection, claim.job.id)
        change_state(connection, job, after, reason, attempt=claim.token, columns=_FREE | columns)

    def _take_back(self, connection: Connection, held: Any, *, to_blame: bool = True) -> None:
        """What becomes of a job, given as its row, whose worker fell silent."""
        job = read_job(connection, held.id)
        losses = held.losses + to_blame
        columns: dict[str, Any] = _FREE | {"losses": losses}
        if held.cancel_requested:
            after, reason = JobState.CANCELLED, Reason.CANCEL_REQUESTED
        elif losses >= self._max_losses:
            after, reason = JobState.FAILED, Reason.ATTEMPTS_EXHAUSTED
            message = f"{losses} workers were lost while they trained it; their logs may say why, memory perhaps"
            columns |= {"failure_reason": reason, "failure_message": message}
        else:
            after, reason = JobState.QUEUED, Reason.WORKER_LOST if to_blame else Reason.WORKER_STOPPED
        change_state(connection, job, after, reason, attempt=job.attempt, columns=columns)


def _record_row(record: TrainingRecord, attempt: int) -> dict[str, Any]:
    values = {name: value for name, value in asdict(record).items() if value != ()}
    return {"attempt": attempt, "step": values.pop("step"), "record": values}


_FREE = {"worker": None, "lease_until": None}


def _claimable() -> sa.ColumnElement[bool]:
    return jobs.c.state == JobState.QUEUED


def _expired() -> sa.ColumnElement[bool]:
    return (jobs.c.state == JobState.RUNNING) & (jobs.c.lease_until < now())


def _held(claim: Claim) -> sa.ColumnElement[bool]:
    return (jobs.c.id == claim.job.id) & (jobs.c.attempt == claim.token) & (jobs.c.state == JobState.RUNNING)


def _hold(connection: Connection, claim: Claim) -> None:
    """Locks the job's row for this transaction, if it is still the claim's. Raises `Fenced`."""
    if connection.scalar(sa.select(jobs.c.id).where(_held(claim)).with_for_update()) is None:
        raise Fenced
