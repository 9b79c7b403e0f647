"""Models that are not served until they are loaded again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "unloaded_models",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_unloaded_models")),
    )
