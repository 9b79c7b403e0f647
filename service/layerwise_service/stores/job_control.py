"""What callers do with jobs that exist: cancel, finish, pause, resume, label and delete them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise_service.domain.job_notes import check_labels
from layerwise_service.domain.job_states import HELD, OPEN, JobState, Reason, Wish
from layerwise_service.domain.jobs import Job
from layerwise_service.errors import Conflict, InvalidRequest, NotFound
from layerwise_service.stores.database import Database
from layerwise_service.stores.encoder_store import delete_encoder
from layerwise_service.stores.job_rows import epochs_done, find_job, read_job
from layerwise_service.stores.job_store import change_state, check_room, check_start, turn_of
from layerwise_service.stores.pending import Artifact, release_artifact
from layerwise_service.stores.schema import datasets, events, jobs, registry, versions

_REACHED_ITS_EPOCHS = "epochs"  # as in `Record.stopped`
_FINISHED_EARLY = "requested"


class JobControl:
    """Changes of jobs, each of which is one transaction.

    A job is given as in `find_job`. Every method raises `JobNotFound`, or `InvalidRequest` if the id is ambiguous, and
    returns the job as it is afterwards.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def cancel(self, given: str) -> Job:
        """Cancel a job. A running one is CANCELLING until its worker has left it; an ended one stays as it is."""
        with self._changing(given) as (connection, job):
            if job.state in (JobState.QUEUED, JobState.PAUSED):
                _change(connection, job, JobState.CANCELLED, Reason.CANCEL_REQUESTED, wish=None)
            elif job.state in HELD and job.state is not JobState.CANCELLING:
                _change(connection, job, JobState.CANCELLING, Reason.CANCEL_REQUESTED, wish=Wish.CANCEL)
            return read_job(connection, job.id)

    def finish(self, given: str, *, max_open: int) -> Job:
        """End the training of a job where it is, and have its worker publish what it has; a succeeded one stays.

        Raises `Conflict` if it has not trained yet, or its state is not kept, `Exhausted` as `resume` does.
        """
        with self._changing(given) as (connection, job):
            if job.state is JobState.SUCCEEDED:
                return job
            if job.state is JobState.CANCELLING:
                raise _being_cancelled(job)
            if job.state in HELD:
                _set(connection, job.id, wish=Wish.FINISH)
            else:
                if not _checkpoints(connection, job.id):
                    detail = f"{job.id} is {job.state} and has trained nothing yet that could be published"
                    raise Conflict(detail, pointer="keep", reason="NOTHING_TRAINED")
                if job.state is not JobState.QUEUED:
                    _queue(connection, job, Reason.FINISH_REQUESTED, max_open=max_open)
                _set(connection, job.id, wish=Wish.FINISH)
            return read_job(connection, job.id)

    def pause(self, given: str) -> Job:
        """Pause a job: its worker stores its state and leaves it. A paused job stays as it is.

        Raises `Conflict` if it has ended, or will end.
        """
        with self._changing(given) as (connection, job):
            if job.state.ended:
                raise Conflict(f"{job.id} has ended and is {job.state}", pointer="job_id", reason="JOB_ENDED")
            if job.state is JobState.CANCELLING:
                raise _being_cancelled(job)
            if job.state is JobState.QUEUED:
                _change(connection, job, JobState.PAUSED, Reason.PAUSE_REQUESTED, wish=None)
            elif job.state in HELD:
                _set(connection, job.id, wish=Wish.PAUSE)
            return read_job(connection, job.id)

    def resume(self, given: str, *, epochs: int | None, max_open: int) -> Job:
        """Queue a job that is paused or has ended; `epochs` is the number that it shall have then, if it changes.

        A job that waits or trains stays as it is, and is not paused. It goes on from its last checkpoint, or from the
        start if there is none. Raises `Conflict` if nothing is left to train, or a version that it starts from was
        deleted, `InvalidRequest` for too few `epochs`, `Exhausted` if `max_open` jobs are waiting or training.
        """
        with self._changing(given) as (connection, job):
            if job.state is JobState.CANCELLING:
                raise _being_cancelled(job)
            if job.state in OPEN:
                if epochs not in (None, job.plan.get("epochs")):
                    detail = f"{job.id} is {job.state}: pause it before you change its epochs"
                    raise Conflict(detail, pointer="epochs", reason="JOB_NOT_PAUSED")
                not_to_pause = sa.case((jobs.c.wish == Wish.PAUSE, sa.null()), else_=jobs.c.wish)
                _set(connection, job.id, wish=not_to_pause)
                return read_job(connection, job.id)
            done = epochs_done(connection, job.id)
            if job.state is JobState.SUCCEEDED and epochs == job.plan.get("epochs") == done:
                return job  # the same request again
            if epochs is not None:
                _set(connection, job.id, plan=_with_epochs(job, epochs, done=done))
            if job.state is JobState.SUCCEEDED:
                _check_extension(job, epochs, has_state=bool(_checkpoints(connection, job.id)))
            _queue(connection, job, Reason.RESUME_REQUESTED, max_open=max_open)
            return read_job(connection, job.id)

    def update(self, given: str, *, labels: Mapping[str, str | None], note: str | None) -> Job:
        """Set the `labels`, remove those that are None, and set the `note` unless it is None."""
        with self._changing(given) as (connection, job):
            merged = {name: text for name, text in (job.labels | dict(labels)).items() if text is not None}
            check_labels(merged)
            _set(connection, job.id, labels=merged or None, note=job.note if note is None else note)
            return read_job(connection, job.id)

    def delete(self, given: str) -> Job:
        """Delete a job that has ended, with its records and its rows; its versions stay. Return what it was.

        Raises `Conflict` if it has not ended.
        """
        with self._changing(given) as (connection, job):
            if not job.state.ended:
                detail = f"{job.id} is {job.state}: cancel it first"
                raise Conflict(detail, pointer="job_id", reason="JOB_NOT_ENDED")
            connection.execute(sa.select(registry.c.id).with_for_update())  # nobody begins to use the same rows now
            connection.execute(sa.delete(events).where(events.c.job == job.id))
            connection.execute(sa.delete(jobs).where(jobs.c.id == job.id))
            if connection.scalar(sa.select(versions.c.number).where(versions.c.encoder == job.id).limit(1)) is None:
                delete_encoder(connection, job.id)
            _release_rows(connection, job.dataset)
            return job

    @contextmanager
    def _changing(self, given: str) -> Generator[tuple[Connection, Job]]:
        """Run the block in a transaction in which nobody else changes the job."""
        with self._database.read() as connection:  # first, so that an id that the database cannot store is refused
            found = find_job(connection, given)
        with self._database.write() as connection:
            connection.execute(sa.select(jobs.c.id).where(jobs.c.id == found).with_for_update())
            yield connection, read_job(connection, found)


def _change(connection: Connection, job: Job, after: JobState, reason: str, **columns: Any) -> None:
    change_state(connection, job, after, reason, attempt=job.attempt, columns=columns)


def _set(connection: Connection, job: str, **columns: Any) -> None:
    connection.execute(sa.update(jobs).where(jobs.c.id == job).values(columns))


def _checkpoints(connection: Connection, job: str) -> list[Any]:
    return connection.scalar(sa.select(jobs.c.checkpoints).where(jobs.c.id == job)) or []


def _queue(connection: Connection, job: Job, reason: str, *, max_open: int) -> None:
    """Queue a job again, behind those that wait already. What was wrong with it is forgotten."""
    newest = connection.scalar(sa.select(registry.c.newest_job).with_for_update()) or 0  # no version is deleted now
    check_room(connection, max_open)
    try:
        check_start(connection, job.start)
    except NotFound as error:
        detail = f"{job.id} starts from {job.start}, which was deleted since"
        raise Conflict(detail, pointer="job_id", reason="START_DELETED") from error
    _change(
        connection,
        job,
        JobState.QUEUED,
        reason,
        turn=turn_of(newest, job.priority),
        not_before=None,
        losses=0,
        wish=None,
        kept=None,
        failure_reason=None,
        failure_message=None,
    )


def _with_epochs(job: Job, epochs: int, *, done: int) -> dict[str, object]:
    """Return the plan with another number of epochs. Raises `InvalidRequest` if it has trained as many already."""
    if epochs <= done:
        detail = f"expected more than {done} epochs, which {job.id} has trained already, got {epochs}"
        raise InvalidRequest(detail, pointer="epochs")
    return {**job.plan, "epochs": epochs}


def _check_extension(job: Job, epochs: int | None, *, has_state: bool) -> None:
    """Raise `Conflict` if a job that has succeeded cannot be trained further."""
    stopped = None if job.record is None else job.record.stopped
    restart = f"start a new job from its version ({job.model}/{job.version}) instead"
    if not has_state:
        raise Conflict(
            f"the state of {job.id}'s training is not kept any more: {restart}", pointer="job_id", reason="STATE_GONE"
        )
    if stopped == _REACHED_ITS_EPOCHS and epochs is None:
        detail = f"{job.id} has trained all of its {job.plan.get('epochs')} epochs: say how many it shall have"
        raise Conflict(detail, pointer="epochs", reason="JOB_COMPLETE")
    if stopped not in (_REACHED_ITS_EPOCHS, _FINISHED_EARLY):
        detail = f"{job.id} was ended by {stopped}, and would end at once again: {restart}"
        raise Conflict(detail, pointer="job_id", reason="JOB_COMPLETE")


def _being_cancelled(job: Job) -> Conflict:
    return Conflict(f"{job.id} is being cancelled", pointer="job_id", reason="JOB_CANCELLING")


def _release_rows(connection: Connection, dataset: str) -> None:
    """Delete the rows that a job was trained on, unless they are a dataset of their own or another job has them."""
    used = sa.select(jobs.c.id).where(jobs.c.dataset == dataset).exists()
    made = (datasets.c.sha256 == dataset) & datasets.c.schema.is_(None) & ~used
    if connection.execute(sa.delete(datasets).where(made)).rowcount:
        release_artifact(connection, Artifact.DATASET, dataset)
