"""The moves of aliases, and the numbers of deleted versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "alias_moves",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("alias", sa.String(length=63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.Column("before", sa.Integer()),
        sa.Column("after", sa.Integer()),
        sa.Column("rollback", sa.Boolean(), nullable=False),
        sa.Column("request_id", sa.String(length=128)),
        sa.PrimaryKeyConstraint("model", "alias", "number", name=op.f("pk_alias_moves")),
        sa.UniqueConstraint("request_id", name=op.f("uq_alias_moves_request_id")),
    )
    op.create_table(
        "deleted_versions",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model", "number", name=op.f("pk_deleted_versions")),
    )
