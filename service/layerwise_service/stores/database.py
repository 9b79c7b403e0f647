"""The database: opening it safely, its transactions, its clock, and its schema's version.

SQLite's rules: every writing transaction is BEGIN IMMEDIATE (a reader that turns writer may find that it cannot),
synchronous is FULL (what is acknowledged survives a power cut), and the write-ahead log is used only by libraries
without its reset race (sqlite.org/wal.html#walresetbug); others get a rollback journal.
"""

from __future__ import annotations

import fcntl
import sqlite3 as standard_sqlite
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from layerwise_service.errors import DataLoss, NoSpace, Unavailable

log = structlog.get_logger()

BUSY_SECONDS = 5.0  # longer than any transaction of ours; a caller hears "try again" rather than wait for ever


MOST_CONNECTIONS = 80  # one for each thread of a process, and some


class DatabaseUnusable(Exception):
    """The database cannot be opened; the message says which, why, and what to do."""


class now(FunctionElement[float]):  # noqa: N801 - it reads as SQL
    """Seconds since 1970, UTC, by the database's clock: the one clock that leases are measured by."""

    type = sa.Float()
    inherit_cache = True


@compiles(now)
def _now(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())"


@compiles(now, "sqlite")
def _now_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


class Database:
    """Connections to the database at `url`; `read()` and `write()` give transactions."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self._engine = (
            _sqlite_engine(self.url)
            if self.url.get_backend_name() == "sqlite"
            else sa.create_engine(url, hide_parameters=True)
        )
        self._writing = self._engine.execution_options(layerwise_write=True)

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A transaction that sees one state of the database and changes nothing."""
        with _troubles_told(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A transaction that may change things: committed at the end of the block, undone by an exception."""
        with _troubles_told(), self._writing.begin() as connection:
            yield connection

    @property
    def engine(self) -> Engine:
        return self._engine

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def _troubles_told() -> Generator[None]:
    """Turns the database's troubles into errors that callers are told."""
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):
        raise  # ours: a statement that the schema refuses
    except (DBAPIError, PoolTimeout) as error:
        cause = getattr(error, "orig", error)
        match getattr(cause, "sqlite_errorname", "").removeprefix("SQLITE_").split("_")[0]:
            case "FULL":
                raise NoSpace("the database's disk is full") from error
            case "CORRUPT" | "NOTADB":
                raise DataLoss("the database is damaged: restore it from a backup") from error
            case "ERROR":
                raise  # ours: a statement that the schema does not fit
            case _:
                pass
        log.warning("database_unavailable", error=str(cause))
        raise Unavailable("the database does not answer; try again", retry_after=1) from error


def _sqlite_engine(url: sa.URL) -> Engine:
    module = _sqlite_module()
    if url.database:
        path = Path(url.database)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseUnusable(f"cannot make the folder {path.parent}: {error.strerror}") from error
    engine = sa.create_engine(
        url,
        module=module,
        connect_args={"timeout": BUSY_SECONDS},
        max_overflow=MOST_CONNECTIONS,
        pool_timeout=BUSY_SECONDS,
        hide_parameters=True,  # they are callers' data, which no log is to hold
    )
    journal = "WAL" if wal_is_safe(module.sqlite_version_info) else "TRUNCATE"

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # transactions begin where `begin` below says so, never by themselves
        for pragma in (f"journal_mode={journal}", "synchronous=FULL", "foreign_keys=ON", "mmap_size=0"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        writes = connection.get_execution_options().get("layerwise_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    try:
        # one process after the other: whoever comes first switches the journal, which nobody else may look at then
        with _alone(url), engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
    except OperationalError as error:
        raise DatabaseUnusable(f"the database {url.database} cannot be opened: {error.orig}") from error
    except DatabaseError as error:
        raise DatabaseUnusable(
            f"the database {url.database} cannot be opened ({error.orig}). If it is damaged, restore it from a backup "
            "together with the artefacts beside it; it has not been changed."
        ) from error
    return engine


@contextmanager
def _alone(url: sa.URL) -> Generator[None]:
    if not url.database or url.database == ":memory:":
        yield
        return
    with Path(f"{url.database}.opening").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sqlite_module() -> ModuleType:
    """The newest SQLite there is: pysqlite3's wheel brings its own, the standard library has the system's."""
    try:
        from pysqlite3 import dbapi2  # noqa: PLC0415 - there are wheels for Linux alone
    except ImportError:
        return standard_sqlite
    return dbapi2  # type: ignore[no-any-return]


def wal_is_safe(version: tuple[int, ...]) -> bool:
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51)
