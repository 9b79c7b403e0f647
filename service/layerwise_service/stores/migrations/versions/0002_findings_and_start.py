"""Findings of jobs, and the version that a job starts from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("start", sa.JSON(none_as_null=True)))
    op.add_column("jobs", sa.Column("findings", sa.JSON(none_as_null=True)))
