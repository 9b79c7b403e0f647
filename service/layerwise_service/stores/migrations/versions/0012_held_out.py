"""The number of rows that a job holds out: of any job, not only of one on a dataset."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("held_out", sa.BigInteger(), nullable=False, server_default="0"))
    jobs = sa.table("jobs", sa.column("id"), sa.column("source_choices", sa.JSON), sa.column("held_out"))
    connection = op.get_bind()
    made = sa.select(jobs.c.id, jobs.c.source_choices).where(jobs.c.source_choices.is_not(None))
    for row in connection.execute(made).all():
        if held_out := row.source_choices.get("held_out", 0):
            connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(held_out=held_out))
