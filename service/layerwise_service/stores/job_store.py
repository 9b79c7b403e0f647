"""Jobs and their events in the database: submitting and reading.

For what callers do with jobs see job_control.py, for what workers do leases.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise_service.domain.columns import column_counts
from layerwise_service.domain.datasets import Dataset, Shape
from layerwise_service.domain.job_states import FOLLOWING, HELD, OPEN, JobState, Reason
from layerwise_service.domain.jobs import ALL_JOBS, Event, Job, JobFilter, JobSummary, NewJob, Start
from layerwise_service.domain.names import new_id
from layerwise_service.errors import AlreadyExists, Exhausted, InvalidRequest, NotFound
from layerwise_service.process.silence import Silence, milliseconds_here, this_boot
from layerwise_service.stores.database import Database, now
from layerwise_service.stores.encoder_store import EncoderStore, keep_encoder
from layerwise_service.stores.job_rows import (
    SUMMARY,
    event_of,
    find_job,
    read_job,
    seconds_held,
    select_jobs,
    source_columns,
    summary_of,
)
from layerwise_service.stores.pending import Artifact, use_artifact
from layerwise_service.stores.postgres import wake_workers
from layerwise_service.stores.schema import datasets, events, jobs, registry, workers
from layerwise_service.stores.version_store import check_version
from layerwise_service.stores.whole_datasets import shape_of

JOBS_PER_PRIORITY = 100
"""How many jobs that were submitted before it a job overtakes, for each point of its priority."""
MOST_EVENTS = 250  # in one read: a job may have a hundred thousand, and a record of 64 layers has 10 kB


class JobStore:
    """The jobs. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._silence = Silence()  # of workers on other machines
        self.encoders = EncoderStore(database)

    def submit(self, new: NewJob, dataset: Dataset, *, max_open: int) -> Job:
        """Queue a job on `dataset`, or return the job that was submitted under the same request id before.

        Raises `AlreadyExists` if that job has other content, `Exhausted` if `max_open` jobs are waiting or training,
        `NotFound` if the version to start from was deleted.
        """
        with self._database.write() as connection:
            number = _next_number(connection)  # first, so that others that submit at the same time wait for this one
            if new.request_id is not None and (known := _by_request(connection, new.request_id)) is not None:
                if known.fingerprint != new.fingerprint:
                    raise AlreadyExists(
                        f"the request id {new.request_id!r} was used for another job, {known.id}; take a new one",
                        pointer="request_id",
                        reason="REQUEST_ID_REUSED",
                    )
                return read_job(connection, known.id)
            check_room(connection, max_open)
            check_start(connection, new.start)
            _keep_dataset(connection, dataset)
            job = new_id()
            row = asdict(new)
            del row["preprocessing"]
            row |= row.pop("notes")
            row |= source_columns(new.source)
            row |= {"id": job, "number": number, "state": JobState.QUEUED, "turn": turn_of(number, new.notes.priority)}
            if (form := new.preprocessing) is not None:
                row["columns"] = asdict(column_counts(form))
            connection.execute(sa.insert(jobs).values(created=now(), **row))
            if form is not None:
                keep_encoder(connection, job, form)
            add_events(connection, job, [{"attempt": 0, "state": JobState.QUEUED, "reason": Reason.SUBMITTED}])
            return read_job(connection, job)

    def check_room(self, *, max_open: int, request_id: str | None = None) -> None:
        """Raise `Exhausted` if `max_open` jobs are waiting or training, unless `request_id` has its job already.

        Raises `NoSpace` or `Unavailable` if no job can be stored now.
        """
        self._database.check()
        with self._database.read() as connection:
            if request_id is None or _by_request(connection, request_id) is None:
                check_room(connection, max_open)

    def get(self, job: str) -> Job:
        """Return a job, which is given as in `find_job`. Raises `JobNotFound`, or `InvalidRequest`."""
        with self._database.read() as connection:
            return read_job(connection, find_job(connection, job))

    def checkpoints(self, job: str) -> list[str] | None:
        """Return the names of the checkpoints that a job may go on from; None: no job has this id."""
        query = sa.select(jobs.c.checkpoints).where(jobs.c.id == job)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else [each["name"] for each in row.checkpoints or ()]

    def page(self, wanted: JobFilter = ALL_JOBS, *, limit: int, before: str = "") -> list[JobSummary]:
        """Return at most `limit` of the jobs that are `wanted`, newest first, older than job `before` (if not empty).

        Raises `InvalidRequest` if no job has the id `before`.
        """
        query = select_jobs(*SUMMARY).where(*_conditions(wanted)).order_by(jobs.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            if before:
                query = query.where(jobs.c.number < _number_of(connection, before))
            return [JobSummary(**summary_of(row)) for row in connection.execute(query)]

    def events(self, job: str, *, after: int, from_step: int = 0) -> list[Event]:
        """Return at most `MOST_EVENTS` events after number `after`, without records up to step `from_step`."""
        query = sa.select(events).where(events.c.job == job, events.c.number > after)
        if from_step:
            query = query.where(events.c.step.is_(None) | (events.c.step > from_step))
        query = query.order_by(events.c.number).limit(MOST_EVENTS)
        with self._database.read() as connection:
            return [event_of(row) for row in connection.execute(query)]

    def last_events(self, ids: Collection[str]) -> Mapping[str, int]:
        """Return the number of each job's newest event."""
        with self._database.read() as connection:
            query = sa.select(jobs.c.id, jobs.c.last_event).where(jobs.c.id.in_(ids))
            return {row.id: row.last_event for row in connection.execute(query)}

    def count_by_state(self) -> Mapping[JobState, int]:
        """Return the number of jobs in each state."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(jobs.c.state, sa.func.count().label("n")).group_by(jobs.c.state))
            counts = {row.state: row.n for row in found}
        return {state: counts.get(state, 0) for state in JobState}

    def dataset_shape(self, sha256: str) -> Shape:
        """Return the sizes and types of a dataset. Raises `NotFound`."""
        query = sa.select(datasets).where(datasets.c.sha256 == sha256)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound("no dataset has this id", pointer="dataset", reason="DATASET_NOT_FOUND")
        return shape_of(dict(row))

    def workers_seen(self, *, seconds: float, host: str = "") -> int:
        """Return how many workers (of `host`, if given) showed a sign of life in the last `seconds`.

        Workers on this machine are judged by its clock; others count until this process has seen no sign of life from
        them for so long.
        """
        query = sa.select(workers)
        with self._database.read() as connection:
            rows = connection.execute(query.where(workers.c.host == host) if host else query).all()
        here = [row for row in rows if row.boot == this_boot()]
        seen: int = sum(0 <= milliseconds_here() - row.beat < seconds * 1000 for row in here)
        if not host:
            elsewhere = {row.id: row.beat for row in rows if row.boot != this_boot()}
            seen += sum(silent < seconds for silent in self._silence.look(elsewhere).values())
        return seen


def change_state(
    connection: Connection,
    job: Job,
    after: JobState,
    reason: str,
    *,
    attempt: int,
    columns: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Move a job, read in this transaction, to the state `after`, add the event, and set `columns`."""
    if after not in FOLLOWING[job.state]:
        raise AssertionError(f"{job.state} cannot be followed by {after}")
    values = {"state": after, "finished": now() if after.ended else None, **columns}
    if job.state in HELD and after not in HELD:
        values |= {"seconds": seconds_held(), "held_since": None}
    connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(values))
    add_events(connection, job.id, [{"attempt": attempt, "state": after, "reason": reason}])


def add_events(connection: Connection, job: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add events to a job, numbered after its last one."""
    raised = sa.update(jobs).where(jobs.c.id == job).values(last_event=jobs.c.last_event + len(rows))
    last = connection.scalar(raised.returning(jobs.c.last_event)) or 0
    first = last - len(rows) + 1
    numbered = [{"job": job, "number": number, **row} for number, row in enumerate(rows, start=first)]
    connection.execute(sa.insert(events).values(time=now()), numbered)
    if any(row.get("state") == JobState.QUEUED for row in rows):
        wake_workers(connection)


def turn_of(number: int, priority: int) -> int:
    """Return the place in the queue of a job: one of a higher priority comes before some that were submitted earlier.

    It does not come before all of them, so that a job of a low priority has its turn, too.
    """
    return number - JOBS_PER_PRIORITY * priority


def _conditions(wanted: JobFilter) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.model:
        yield jobs.c.model == wanted.model
    if wanted.state is not None:
        yield jobs.c.state == wanted.state
    if wanted.created_after is not None:
        yield jobs.c.created > wanted.created_after
    if wanted.created_before is not None:
        yield jobs.c.created < wanted.created_before
    for name, value in wanted.labels.items():
        yield jobs.c.labels[name].as_string() == value


def check_room(connection: Connection, max_open: int) -> None:
    """Raise `Exhausted` if `max_open` jobs are waiting or training."""
    waiting = connection.scalar(sa.select(sa.func.count()).where(jobs.c.state.in_(OPEN))) or 0
    if waiting >= max_open:
        raise Exhausted(
            f"{waiting} jobs are waiting or training, the most allowed (max_queued_jobs); try again later",
            retry_after=30,
        )


def check_start(connection: Connection, start: Start | None) -> None:
    """Raise `NotFound` if the version to start from was deleted."""
    if start is not None:
        try:
            check_version(connection, start.model, start.version)
        except NotFound as exc:
            raise NotFound(exc.detail, reason=exc.reason, pointer="start_from") from exc


def _next_number(connection: Connection) -> int:
    """Return the next job's number, and lock its row until the transaction ends, so that numbers are unique."""
    raised = sa.update(registry).values(newest_job=registry.c.newest_job + 1)
    number: int = connection.execute(raised.returning(registry.c.newest_job)).scalar_one()
    return number


def _number_of(connection: Connection, job: str) -> int:
    number: int | None = connection.scalar(sa.select(jobs.c.number).where(jobs.c.id == job))
    if number is None:
        detail = f"expected the next_page_token of the page before, got {job[:64]!r}"
        raise InvalidRequest(detail, pointer="page_token")
    return number


def _by_request(connection: Connection, request_id: str) -> Any:
    query = sa.select(jobs.c.id, jobs.c.fingerprint).where(jobs.c.request_id == request_id)
    return connection.execute(query).one_or_none()


def _keep_dataset(connection: Connection, dataset: Dataset) -> None:
    use_artifact(connection, Artifact.DATASET, dataset.sha256)
    if connection.scalar(sa.select(datasets.c.sha256).where(datasets.c.sha256 == dataset.sha256)) is None:
        shape = asdict(dataset.shape)
        connection.execute(
            sa.insert(datasets).values(sha256=dataset.sha256, size_bytes=dataset.size_bytes, created=now(), **shape)
        )
