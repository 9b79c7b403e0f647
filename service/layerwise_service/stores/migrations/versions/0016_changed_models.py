"""When the versions or aliases of each model last changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "changed_models",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_changed_models")),
    )
    op.create_index(op.f("ix_changed_models_revision"), "changed_models", ["revision"])
