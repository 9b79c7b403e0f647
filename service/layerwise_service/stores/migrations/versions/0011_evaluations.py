"""The evaluation of a version, on the rows that its training held out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("model_versions", sa.Column("evaluation", sa.JSON(none_as_null=True)))
