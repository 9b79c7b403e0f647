"""Brings the database to the schema of this release."""

from __future__ import annotations

import fcntl
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import sqlalchemy as sa

from layerwise_service.stores.database import Database, DatabaseUnusable

HEAD = "0004"


def migrate(database: Database) -> None:
    """Applies the missing migrations, all or none; at once if there are none.

    Several processes may call it at the same time: one migrates, the others wait for it.
    """
    if _revision(database) == HEAD:
        return
    from alembic import command  # noqa: PLC0415 - slow to load, and hardly ever needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    with _alone(database):
        if (revision := _revision(database)) == HEAD:
            return
        if revision is not None and revision > HEAD:
            raise DatabaseUnusable(
                f"the database has schema {revision}, newer than this release knows ({HEAD}): use a newer Layerwise"
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


@contextmanager
def _alone(database: Database) -> Generator[None]:
    """Keeps other processes of this machine from migrating the same SQLite file."""
    if database.url.get_backend_name() != "sqlite" or not database.url.database:
        with nullcontext():
            yield
        return
    with Path(f"{database.url.database}.migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
