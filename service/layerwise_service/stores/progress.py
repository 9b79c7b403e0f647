"""How far the training of a job has come: its records and its checkpoints. Each call is a part of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise.training.records import EpochRecord
from layerwise_service.domain.jobs import Checkpoint, Claim, record_values
from layerwise_service.stores.job_store import add_events
from layerwise_service.stores.schema import events, jobs

_GENERATIONS = 2
"""Checkpoints that are kept: if the newest turns out to be damaged, there is the one before."""


def add_new_records(connection: Connection, claim: Claim, records: Sequence[EpochRecord]) -> None:
    """Store those of the records that are later than the ones stored, and the metric of the last one."""
    newest = sa.select(sa.func.max(events.c.step)).where(events.c.job == claim.job.id)
    stored = connection.scalar(newest) or 0
    rows = [_record_row(record, claim.token) for record in records if record.step > stored]
    if rows:
        add_events(connection, claim.job.id, rows)
        value = metric_value(records[-1])
        connection.execute(sa.update(jobs).where(jobs.c.id == claim.job.id).values(metric_value=value))


def metric_value(record: EpochRecord) -> float:
    """Return the metric of a record: on the rows held out, if there are any."""
    return record.metric if record.validation_metric is None else record.validation_metric


def note_checkpoint(connection: Connection, job: str, checkpoint: Checkpoint) -> tuple[Checkpoint, ...]:
    """Store a checkpoint as the newest, and return those that are kept: it and the one before it.

    The job has come further, so that workers that were lost before no longer count against it.
    """
    kept = (checkpoint, *checkpoints_of(connection, job))[:_GENERATIONS]
    columns = {"checkpoints": [asdict(each) for each in kept], "losses": 0, "beats": jobs.c.beats + 1}
    connection.execute(sa.update(jobs).where(jobs.c.id == job).values(columns))
    return kept


def checkpoints_of(connection: Connection, job: str) -> tuple[Checkpoint, ...]:
    """Return the checkpoints of a job, the newest first."""
    stored = connection.scalar(sa.select(jobs.c.checkpoints).where(jobs.c.id == job))
    return tuple(Checkpoint(**each) for each in stored or ())


def forget_checkpoints(connection: Connection, *, most: int) -> list[str]:
    """Forget the checkpoints of ended jobs, but the newest one of each of the `most` jobs that ended last.

    Returns the names of those that are forgotten.
    """
    ended = jobs.c.checkpoints.is_not(None) & jobs.c.finished.is_not(None)
    forgotten: list[str] = []
    query = sa.select(jobs.c.id, jobs.c.checkpoints).where(ended).order_by(jobs.c.finished.desc())
    for place, row in enumerate(connection.execute(query).all()):
        kept = 1 if place < most else 0
        if len(row.checkpoints) > kept:
            left = row.checkpoints[:kept] or None
            changed = sa.update(jobs).where(jobs.c.id == row.id, ended).values(checkpoints=left)
            if not connection.execute(changed).rowcount:  # it was resumed meanwhile
                continue
            forgotten += [each["name"] for each in row.checkpoints[kept:]]
    return forgotten


def forget_progress(connection: Connection, job: str) -> None:
    """Forget what a job has reached, since its next attempt starts from the first step: each step is there once."""
    forget_records(connection, job, after=0)
    columns = {"progress": 0.0, "findings": None, "checkpoints": None, "metric_value": None}
    connection.execute(sa.update(jobs).where(jobs.c.id == job).values(columns))


def forget_records(connection: Connection, job: str, *, after: int) -> None:
    """Remove the records of later steps than `after`."""
    connection.execute(sa.delete(events).where(events.c.job == job, events.c.step > after))


def _record_row(record: EpochRecord, attempt: int) -> dict[str, Any]:
    values = record_values(record)
    return {"attempt": attempt, "step": values.pop("step"), "record": values}
