"""Versions that are deleted: which may be, and the numbers of those that were, which are not given again."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise_service.domain.job_states import UNFINISHED
from layerwise_service.errors import Conflict
from layerwise_service.stores.database import now
from layerwise_service.stores.schema import aliases, deleted_versions, jobs


def check_unused(connection: Connection, model: str, number: int) -> None:
    """Raise `Conflict` if an alias points at the version, or a job that has not ended starts from it."""
    pointing = sa.select(aliases.c.alias).where(aliases.c.model == model, aliases.c.number == number)
    if named := connection.scalars(pointing.order_by(aliases.c.alias)).all():
        these = ("alias " if len(named) == 1 else "aliases ") + ", ".join(named)
        detail = f"version {number} of {model} has the {these}, to be moved or deleted first"
        raise Conflict(detail, pointer="version", reason="VERSION_IN_USE")
    starting = sa.select(jobs.c.id, jobs.c.start).where(jobs.c.state.in_(UNFINISHED), jobs.c.start.is_not(None))
    for job in connection.execute(starting):
        if (job.start["model"], job.start["version"]) == (model, number):
            detail = f"the job {job.id} has not ended and starts from {model}/{number}: cancel it, or wait for its end"
            raise Conflict(detail, pointer="version", reason="VERSION_IN_USE")


def keep_number(connection: Connection, model: str, number: int) -> None:
    """Keep the number of a version that is deleted."""
    connection.execute(sa.insert(deleted_versions).values(model=model, number=number, time=now()))


def deleted_numbers(connection: Connection, model: str) -> list[int]:
    """Return the numbers of the model's deleted versions."""
    return [*connection.scalars(sa.select(deleted_versions.c.number).where(deleted_versions.c.model == model))]
