"""Datasets of columns, and the encoders of the jobs and versions on them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("datasets", sa.Column("columns", sa.JSON(none_as_null=True)))
    op.add_column("jobs", sa.Column("preprocessing", sa.JSON(none_as_null=True)))
    op.add_column("model_versions", sa.Column("preprocessing", sa.JSON(none_as_null=True)))
