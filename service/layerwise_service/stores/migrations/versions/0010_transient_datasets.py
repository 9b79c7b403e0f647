"""Datasets that are used once: not listed, and removed after a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("datasets", sa.Column("transient", sa.Boolean(), nullable=False, server_default=sa.false()))
