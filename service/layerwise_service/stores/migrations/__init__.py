"""The schema of this release: made at once in a new database, by migrations in one of an older release."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from layerwise_service.errors import DatabaseUnusable
from layerwise_service.stores.database import Database
from layerwise_service.stores.schema import metadata, registry

HEAD = "0018"
_LOCK = 0x6C617965  # of PostgreSQL: held by who migrates, on whichever machine
_REVISION = sa.Table(  # as Alembic makes it
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def migrate(database: Database) -> None:
    """Make the schema of this release, or apply the missing migrations, all or none.

    Several processes may call it at the same time: one migrates, the others wait for it.
    """
    if _revision(database) == HEAD:
        return
    with database.alone("migrating"), database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if (revision := revision_of(connection)) == HEAD:
            return
        if revision is None:
            _create(connection)
        elif revision < HEAD:
            _upgrade(connection)
        else:
            raise DatabaseUnusable(
                f"the database has schema {revision}, newer than this release's ({HEAD}): use a newer Layerwise"
            )


def upgrade_to(database: Database, revision: str) -> None:
    """Make the schema of an older release in a new database."""
    with database.alone("migrating"), database.write() as connection:
        _upgrade(connection, revision)


def _create(connection: sa.Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    connection.execute(sa.insert(registry).values(id=1, revision=0))
    _REVISION.create(connection)
    connection.execute(sa.insert(_REVISION).values(version_num=HEAD))


def _upgrade(connection: sa.Connection, revision: str = HEAD) -> None:
    from alembic import command  # noqa: PLC0415 - slow to load, and rarely needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        return revision_of(connection)


def revision_of(connection: sa.Connection) -> str | None:
    """Return the revision of the schema, None for a database without one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.select(_REVISION))
    return revision
