"""Migrations of the database to the schema of this release."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from layerwise_service.errors import DatabaseUnusable
from layerwise_service.stores.database import Database

HEAD = "0016"


def migrate(database: Database) -> None:
    """Apply the missing migrations, all or none.

    Several processes may call it at the same time: one migrates, the others wait for it.
    """
    if _revision(database) == HEAD:
        return
    from alembic import command  # noqa: PLC0415 - slow to load, and rarely needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    with database.alone("migrating"):
        if (revision := _revision(database)) == HEAD:
            return
        if revision is not None and revision > HEAD:
            raise DatabaseUnusable(
                f"the database has schema {revision}, newer than this release's ({HEAD}): use a newer Layerwise"
            )
        with database.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD)


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return revision
