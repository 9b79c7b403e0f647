"""The checkpoints of a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("checkpoints", sa.JSON(none_as_null=True)))
