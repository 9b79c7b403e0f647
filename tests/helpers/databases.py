"""Databases as older releases made them."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from layerwise_service.stores import migrations
from layerwise_service.stores.database import Database


def database_at(revision: str, place: Path | sa.URL) -> Database:
    """A database with the schema of `revision`: a new file of SQLite, or one of PostgreSQL that is empty."""
    database = Database(f"sqlite:///{place}" if isinstance(place, Path) else place, create=True)
    with database.write() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return database
