"""SQLite: its file, which is never created by accident or replaced unnoticed, and its safe settings.

Every writing transaction is BEGIN IMMEDIATE (a reader cannot always become a writer), synchronous is FULL (committed
data survives a power cut), and the write-ahead log is used only if the library has no WAL reset race
(sqlite.org/wal.html#walresetbug), else a rollback journal.
"""

from __future__ import annotations

import os
import sqlite3 as standard_sqlite
import time
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from layerwise_service.errors import DatabaseUnusable, DataLoss, Unavailable
from layerwise_service.stores.files import (
    DATABASE_ENDINGS,
    check_writable,
    locked,
    make_private_folder,
    storage_errors,
    tighten,
)

_CACHE = "cache_size=-256"  # kibibytes of each connection; 2,000 in each grow with the database, and are no faster
_LOOK_SECONDS = 0.05  # between two looks whether the database was written


class DatabaseFile:
    """The file of a database. No method opens it, since closing it would drop SQLite's locks on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: tuple[int, int] | None = None

    @property
    def holds_nothing(self) -> bool:
        """Return whether the file is missing or has no bytes, which SQLite treats as an empty database."""
        try:
            return self.path.stat().st_size == 0
        except FileNotFoundError:
            return True

    def make(self) -> None:
        """Create the file, empty and private, unless it exists. Raises `DatabaseUnusable`."""
        try:
            make_private_folder(self.path.parent)
            if not self.path.exists():
                os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return  # another process was quicker, or the folder is a file: opening it will say so
        except OSError as error:
            raise DatabaseUnusable(f"cannot create the database {self.path}: {error.strerror}") from error

    def opened(self) -> None:
        """Remember which file this is, and remove other users' permissions on it."""
        found = self.path.stat()
        self._opened = found.st_dev, found.st_ino
        for ending in DATABASE_ENDINGS:
            tighten(self.path.with_name(f"{self.path.name}{ending}"))

    def check(self) -> None:
        """Raise `Unavailable` or `DataLoss` unless the file at the path is still the one that was opened."""
        if self._opened is None:
            return
        try:
            found = self.path.stat()
        except FileNotFoundError as error:
            detail = "the file of the database was removed while the service was running: put it back, or restore it"
            raise Unavailable(detail, reason="DATABASE_MISSING") from error
        except OSError as error:
            raise Unavailable(f"the file of the database: {error.strerror}", reason="DATABASE_MISSING") from error
        if (found.st_dev, found.st_ino) != self._opened:
            detail = "the file of the database was replaced while the service was running: restart to use the new one"
            raise Unavailable(detail, reason="DATABASE_REPLACED")
        if found.st_size == 0:
            raise DataLoss("the file of the database is empty: restore it from a backup", reason="DATABASE_MISSING")

    def check_writable(self) -> None:
        """Raise `NoSpace` or `Unavailable` if the disk takes no writes."""
        with storage_errors():
            check_writable(self.path.parent)


class SqliteListener:
    """Waits for what any process writes to the database, on a connection of its own; for one thread at a time.

    The database counts its writes. The times of its files would not do: of two writes within some milliseconds, the
    second may not change them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Any = None
        self._seen: int | None = None

    def wait(self, seconds: float) -> None:
        """Wait until something was written since the last call, but at most `seconds`."""
        end = time.monotonic() + seconds
        while (written := self._writes()) == self._seen and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
        self._seen = written

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _writes(self) -> int | None:
        """Return a number that changes with each write; None while the database cannot be read."""
        try:
            if self._connection is None:
                opened = self._engine.raw_connection()
                opened.detach()
                self._connection = opened.dbapi_connection
            found: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except (self._engine.dialect.loaded_dbapi.Error, DBAPIError, Unavailable, DataLoss):
            self.close()
            return None
        return found


def sqlite_path(url: sa.URL) -> Path:
    """Return the path of the file in `url`. Raises `DatabaseUnusable`."""
    name = url.database or ""
    if name.startswith("file:"):
        name = unquote(urlsplit(name).path)
    if name in ("", ":memory:") or url.query.get("mode") == "memory":
        raise DatabaseUnusable(
            "database_url: expected the path of a file, such as sqlite:////var/lib/layerwise.db, got a database in "
            "memory, which several processes cannot share"
        )
    return Path(name).absolute()


def sqlite_engine(url: sa.URL, file: DatabaseFile, *, busy_seconds: float, connections: int) -> Engine:
    """Open the database, which must exist. Raises `DatabaseUnusable`."""
    module = _sqlite_module()
    existing = url.set(database=f"file:{quote(str(file.path))}", query={**url.query, "uri": "true", "mode": "rw"})
    engine = sa.create_engine(
        existing,
        module=module,
        connect_args={"timeout": busy_seconds},
        max_overflow=connections,
        pool_timeout=busy_seconds,
        hide_parameters=True,  # parameters are callers' data, which must not be logged
    )
    journal = "WAL" if wal_is_safe(module.sqlite_version_info) else "TRUNCATE"

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        try:
            file.check()  # otherwise this connection could be to another file than the others
        except BaseException:
            connection.close()
            raise
        connection.isolation_level = None  # transactions begin only in `begin` below
        for pragma in (f"journal_mode={journal}", "synchronous=FULL", "foreign_keys=ON", "mmap_size=0", _CACHE):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        writes = connection.get_execution_options().get("layerwise_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    if not file.path.exists():  # checked first: connecting would create files
        raise DatabaseUnusable(f"there is no database {file.path}")
    try:
        # one process at a time: the first one switches the journal mode, which needs the file for itself
        with locked(Path(f"{file.path}.opening")), engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
            file.opened()
    except OperationalError as error:
        raise DatabaseUnusable(f"the database {file.path} cannot be opened: {error.orig}") from error
    except DatabaseError as error:
        raise DatabaseUnusable(
            f"the database {file.path} cannot be opened ({error.orig}). If it is damaged, restore it from a backup "
            "together with the artefacts beside it; it has not been changed."
        ) from error
    except OSError as error:
        raise DatabaseUnusable(f"the database {file.path} cannot be opened: {error.strerror}") from error
    return engine


def _sqlite_module() -> ModuleType:
    """Return the newest SQLite module: pysqlite3's wheel has its own library, the standard module the system's."""
    try:
        from pysqlite3 import dbapi2  # noqa: PLC0415 - there are wheels for Linux alone
    except ImportError:
        return standard_sqlite
    return dbapi2  # type: ignore[no-any-return]


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Return whether this version of SQLite is free of the race in its write-ahead log."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51)
