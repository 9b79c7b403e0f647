"""Conversion between jobs and their events and the rows of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise import Finding
from layerwise.training.records import EpochRecord
from layerwise_service.domain.columns import ColumnCounts
from layerwise_service.domain.job_states import JobState
from layerwise_service.domain.jobs import MOST_TRANSITIONS, Event, Failure, Job, Start, TableSource, Transition
from layerwise_service.errors import InvalidRequest, NotFound
from layerwise_service.stores.database import now
from layerwise_service.stores.schema import datasets, events, jobs

NEWEST = "last"
"""Stands for the id of the newest job."""
_LEAST_PREFIX = 4
_SHOWN = 3  # ids that an error lists
_SOURCE = datasets.alias("source")


class JobNotFound(NotFound):
    """No job has this id."""

    reason = "JOB_NOT_FOUND"

    def __init__(self, job: str, *, hint: str = "") -> None:
        detail = "there is no job yet" if job == NEWEST else f"no job has the id {job[:64]!r}{hint}"
        super().__init__(detail, pointer="job_id")


def find_job(connection: Connection, given: str) -> str:
    """Return the id of a job that is given as its id, as the beginning of it that no other has, or as `NEWEST`.

    Raises `JobNotFound`, or `InvalidRequest` if several ids begin so.
    """
    if given == NEWEST:
        newest: str | None = connection.scalar(sa.select(jobs.c.id).order_by(jobs.c.number.desc()).limit(1))
        if newest is None:
            raise JobNotFound(given)
        return newest
    if connection.scalar(sa.select(jobs.c.id).where(jobs.c.id == given)) is not None:
        return given
    if len(given) < _LEAST_PREFIX:
        raise JobNotFound(given, hint=f"; give at least {_LEAST_PREFIX} characters of one")
    begin = sa.func.substr(jobs.c.id, 1, len(given)) == given  # reads all ids, whatever the database's collation
    found = connection.scalars(sa.select(jobs.c.id).where(begin).order_by(jobs.c.id).limit(_SHOWN + 1)).all()
    if not found:
        raise JobNotFound(given)
    if len(found) > 1:
        shown = ", ".join(found[:_SHOWN]) + (" …" if len(found) > _SHOWN else "")
        raise InvalidRequest(f"the ids of several jobs begin with {given!r}: {shown}", pointer="job_id")
    return str(found[0])


def read_job(connection: Connection, job: str) -> Job:
    """Return the job. Raises `JobNotFound`."""
    row = connection.execute(select_jobs(*_FULL).where(jobs.c.id == job)).one_or_none()
    if row is None:
        raise JobNotFound(job)
    return _job(row, _last_transitions(connection, job), _newest_record(connection, job))


def _last_transitions(connection: Connection, job: str) -> tuple[Transition, ...]:
    query = sa.select(events.c.state, events.c.time, events.c.reason, events.c.attempt)
    query = query.where(events.c.job == job, events.c.step.is_(None))
    rows = connection.execute(query.order_by(events.c.number.desc()).limit(MOST_TRANSITIONS)).all()
    return tuple(_transition(row) for row in reversed(rows))


def _newest_record(connection: Connection, job: str) -> EpochRecord | None:
    """Return the newest record; the index on (job, step) finds it."""
    query = sa.select(events.c.step, events.c.record).where(events.c.job == job, events.c.step.is_not(None))
    row = connection.execute(query.order_by(events.c.step.desc()).limit(1)).one_or_none()
    return None if row is None else _record({"step": row.step, **row.record})


def epochs_done(connection: Connection, job: str) -> int:
    """Return how many epochs a job has trained, whichever of them its version has."""
    record = _newest_record(connection, job)
    return 0 if record is None else record.epoch


def event_of(row: Any) -> Event:
    """Return the event in a row of `events`."""
    if row.state is None:
        return Event(row.number, record=_record({"step": row.step, **row.record}))
    return Event(row.number, transition=_transition(row))


def _transition(row: Any) -> Transition:
    return Transition(JobState(row.state), row.time, row.reason, row.attempt)


def _record(stored: Mapping[str, Any]) -> EpochRecord:
    return msgspec.convert(stored, EpochRecord)


def seconds_held() -> sa.ColumnElement[float]:
    """Return how long workers have held a job until now."""
    return jobs.c.seconds + sa.func.coalesce(now() - jobs.c.held_since, 0.0)


SUMMARY = (
    jobs.c.id,
    jobs.c.model,
    jobs.c.state,
    jobs.c.dataset,
    jobs.c.metric,
    jobs.c.attempt,
    jobs.c.created,
    jobs.c.progress,
    jobs.c.version,
    jobs.c.failure_reason,
    jobs.c.failure_message,
    jobs.c.start,
    jobs.c.metric_value,
    jobs.c.started,
    jobs.c.finished,
    seconds_held().label("seconds"),
    jobs.c.priority,
    jobs.c.labels,
    jobs.c.note,
    datasets.c.rows,
    _SOURCE.c.name.label("source_name"),
)
"""What a summary needs; none of it is large."""


def select_jobs(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return the query for these columns of jobs, of their rows, and of the datasets that those were made of."""
    joined = jobs.join(datasets, datasets.c.sha256 == jobs.c.dataset)
    return sa.select(*columns).select_from(joined.outerjoin(_SOURCE, _SOURCE.c.sha256 == jobs.c.source))


def summary_of(row: Any) -> dict[str, Any]:
    """Return the fields of a `JobSummary` from a row with `SUMMARY`."""
    values = {column.name: getattr(row, column.name) for column in SUMMARY}
    values["seconds"] = max(0.0, row.seconds)  # a clock may have been set back
    reason, message = values.pop("failure_reason"), values.pop("failure_message")
    values["state"] = JobState(row.state)
    values["labels"] = row.labels or {}
    values["failure"] = None if reason is None else Failure(reason, message)
    values["start"] = None if row.start is None else Start(**row.start)
    return values


_FULL = (
    *SUMMARY,
    *(jobs.c.architecture, jobs.c.plan, jobs.c.kept, jobs.c.findings, jobs.c.columns, jobs.c.held_out),
    *(jobs.c.source, jobs.c.source_choices),
)


def _job(row: Any, transitions: tuple[Transition, ...], record: EpochRecord | None) -> Job:
    return Job(
        **summary_of(row),
        architecture=row.architecture,
        plan=row.plan,
        transitions=transitions,
        record=_record(row.kept) if row.kept else record,
        findings=msgspec.convert(row.findings or (), tuple[Finding, ...]),
        columns=None if row.columns is None else ColumnCounts(**row.columns),
        held_out=row.held_out,
        source=None if row.source is None else _source(row.source, row.source_choices),
    )


def source_columns(source: TableSource | None) -> dict[str, Any]:
    """Return the values of the columns that describe the source of a job."""
    if source is None:
        return {"source": None, "source_choices": None}
    choices = asdict(source)
    return {"source": choices.pop("dataset"), "source_choices": choices}


def _source(dataset: str, choices: Mapping[str, Any]) -> TableSource:
    return msgspec.convert({"dataset": dataset, **choices}, TableSource)
