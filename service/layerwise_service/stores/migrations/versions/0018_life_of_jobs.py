"""What callers do with jobs: pause, resume, finish, label and delete them; when they began and ended; their turn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_RESUMABLE = sa.text("checkpoints IS NOT NULL AND finished IS NOT NULL")
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
_FAILURES = {"INVALID_DATA": "DATA", "ATTEMPTS_EXHAUSTED": "WORKER_LOST"}
_KEPT_FAILURES = ("DIVERGED", "OUT_OF_MEMORY", "INTERNAL", *_FAILURES.values())


def upgrade() -> None:
    for column in (
        sa.Column("labels", sa.JSON(none_as_null=True)),
        sa.Column("note", sa.Text(), nullable=False, server_default=""),
        sa.Column("priority", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("not_before", sa.Float()),
        sa.Column("wish", sa.String(16)),
        sa.Column("metric_value", sa.Float()),
        sa.Column("started", sa.Float()),
        sa.Column("held_since", sa.Float()),
        sa.Column("seconds", sa.Float(), nullable=False, server_default="0"),
        sa.Column("finished", sa.Float()),
    ):
        op.add_column("jobs", column)
    _fill()
    op.drop_column("jobs", "cancel_requested")
    op.drop_index("ix_jobs_state", "jobs")
    op.create_index("ix_jobs_state_turn", "jobs", ["state", "turn"])
    op.create_index("ix_jobs_resumable", "jobs", ["finished"], sqlite_where=_RESUMABLE, postgresql_where=_RESUMABLE)
    _free_versions_of_their_jobs()


def _fill() -> None:
    jobs = sa.table(
        "jobs",
        *map(sa.column, ("id", "state", "number", "turn", "wish", "cancel_requested", "failure_reason")),
        *map(sa.column, ("started", "finished", "seconds", "metric_value", "last_event", "attempt")),
        sa.column("kept", sa.JSON(none_as_null=True)),
    )
    events = sa.table("job_events", *map(sa.column, ("job", "number", "state", "time", "attempt", "reason")))
    op.execute(sa.update(jobs).values(turn=jobs.c.number))
    connection = op.get_bind()
    cancelled = sa.cast(jobs.c.cancel_requested, sa.Boolean) & jobs.c.state.not_in(_ENDED)
    for row in connection.execute(sa.select(jobs).where(cancelled)).all():
        held = row.state != "QUEUED"  # its worker is gone, and the lease finds that
        after = {"state": "CANCELLING", "wish": "CANCEL"} if held else {"state": "CANCELLED"}
        number = row.last_event + 1
        connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(last_event=number, **after))
        newest = sa.select(sa.func.max(events.c.time)).where(events.c.job == row.id)
        change = {"state": after["state"], "reason": "CANCEL_REQUESTED", "attempt": row.attempt}
        values = {"job": row.id, "number": number, "time": connection.scalar(newest) or 0.0, **change}
        connection.execute(sa.insert(events).values(values))
    of_job = events.c.job == jobs.c.id
    begun = sa.select(sa.func.min(events.c.time)).where(of_job, events.c.state == "RUNNING").scalar_subquery()
    ended = sa.select(sa.func.max(events.c.time)).where(of_job, events.c.state.in_(_ENDED)).scalar_subquery()
    op.execute(sa.update(jobs).values(started=begun, finished=ended))
    took = sa.func.coalesce(jobs.c.finished - jobs.c.started, 0.0)
    op.execute(sa.update(jobs).values(seconds=took))
    for row in connection.execute(sa.select(jobs.c.id, jobs.c.kept).where(jobs.c.kept.is_not(None))).all():
        value = row.kept.get("validation_metric")
        value = row.kept.get("metric") if value is None else value
        connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(metric_value=value))
    failed = events.c.state == "FAILED"
    for before, reason in _FAILURES.items():
        op.execute(sa.update(jobs).where(jobs.c.failure_reason == before).values(failure_reason=reason))
        op.execute(sa.update(events).where(failed, events.c.reason == before).values(reason=reason))
    stored = jobs.c.failure_reason.is_not(None) & jobs.c.failure_reason.not_in(_KEPT_FAILURES)
    op.execute(sa.update(jobs).where(stored).values(failure_reason="STORAGE"))
    op.execute(sa.update(events).where(failed, events.c.reason.not_in(_KEPT_FAILURES)).values(reason="STORAGE"))


def _free_versions_of_their_jobs() -> None:
    """Drop the foreign key: a job may be deleted, and its version stays."""
    connection = op.get_bind()
    aliases = sa.table("model_aliases", sa.column("model"), sa.column("alias"), sa.column("number"))
    pointing = [dict(row) for row in connection.execute(sa.select(aliases)).mappings()]
    op.execute(sa.delete(aliases))  # SQLite replaces the table of versions by a new one, and aliases refer to it
    with op.batch_alter_table("model_versions") as table:
        table.drop_constraint("fk_model_versions_job", type_="foreignkey")
    if pointing:
        connection.execute(sa.insert(aliases), pointing)
