"""Datasets made of table files: their name, their file and their schema; and the dataset that a job was made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("datasets", sa.Column("name", sa.String(length=255)))
    op.add_column("datasets", sa.Column("file_sha256", sa.String(length=64)))
    op.add_column("datasets", sa.Column("schema", sa.JSON(none_as_null=True)))
    op.add_column("jobs", sa.Column("source", sa.String(length=64)))
    op.add_column("jobs", sa.Column("source_choices", sa.JSON(none_as_null=True)))
