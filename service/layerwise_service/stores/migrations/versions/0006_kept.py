"""The record of the epoch whose weights the version of a job has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("kept", sa.JSON(none_as_null=True)))
