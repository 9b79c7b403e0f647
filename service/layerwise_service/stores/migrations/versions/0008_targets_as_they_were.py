"""Plans from before the option `standardize_targets` have it false."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    connection = op.get_bind()
    for name, keys in (("jobs", ("id",)), ("model_versions", ("model", "number"))):
        plan = sa.column("plan", sa.JSON())
        table = sa.table(name, plan, *map(sa.column, keys))
        own = [table.c[key] for key in keys]
        for row in connection.execute(sa.select(plan, *own).select_from(table)).mappings().all():
            stored: dict[str, Any] | None = row["plan"]
            if stored is not None and "standardize_targets" not in stored:
                this = sa.and_(*(column == row[column.name] for column in own))
                changed = {**stored, "standardize_targets": False}
                connection.execute(sa.update(table).where(this).values(plan=changed))
