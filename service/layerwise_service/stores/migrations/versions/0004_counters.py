"""Counters instead of clocks: for the order of jobs, for leases, and for the signs of life of workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("number", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("beats", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE jobs SET number = ordered.number "
        "FROM (SELECT id, row_number() OVER (ORDER BY created, id) AS number FROM jobs) AS ordered "
        "WHERE jobs.id = ordered.id"
    )
    op.create_index(op.f("ix_jobs_number"), "jobs", ["number"], unique=True)
    op.drop_column("jobs", "lease_until")
    op.add_column("registry", sa.Column("newest_job", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE registry SET newest_job = (SELECT coalesce(max(number), 0) FROM jobs)")
    op.add_column("workers", sa.Column("boot", sa.String(64), nullable=False, server_default=""))
    op.add_column("workers", sa.Column("beat", sa.BigInteger(), nullable=False, server_default="0"))
