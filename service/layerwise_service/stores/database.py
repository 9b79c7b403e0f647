"""The database: its transactions, its clock, and its errors as `ServiceError`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from layerwise_service.errors import DataLoss, InvalidRequest, NoSpace, StorageUnavailable, Unavailable
from layerwise_service.stores.database_url import parse_database_url, shown_database_url
from layerwise_service.stores.files import locked
from layerwise_service.stores.postgres import PostgresListener, postgres_engine
from layerwise_service.stores.sqlite import DatabaseFile, SqliteListener, sqlite_engine, sqlite_path

log = structlog.get_logger()

BUSY_SECONDS = 5.0  # longer than any transaction of ours; after that callers are asked to try again


MOST_CONNECTIONS = 80  # one for each thread of a process, and a few more


class now(FunctionElement[float]):  # noqa: N801 - it reads as SQL
    """Seconds since 1970, UTC, by the database's clock. Only for people to read: leases do not depend on it."""

    type = sa.Float()
    inherit_cache = True


@compiles(now)
def _now(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())"


@compiles(now, "sqlite")
def _now_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


class Database:
    """Connections to the database at `url`; `read()` and `write()` are transactions.

    The file of an SQLite database must exist, unless `create` is set. Raises `DatabaseUnusable`.
    """

    def __init__(self, url: str | sa.URL, *, create: bool = False) -> None:
        self.url = parse_database_url(url) if isinstance(url, str) else url
        self.file: DatabaseFile | None = None
        if self.url.get_backend_name() == "sqlite":
            self.file = DatabaseFile(sqlite_path(self.url))
            if create:
                self.file.make()
            self._engine = sqlite_engine(self.url, self.file, busy_seconds=BUSY_SECONDS, connections=MOST_CONNECTIONS)
            self._reading = self._engine
            self._listener: SqliteListener | PostgresListener = SqliteListener(self._engine)
        else:
            self._engine = postgres_engine(self.url, busy_seconds=BUSY_SECONDS)
            self._listener = PostgresListener(self._engine)
            self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._writing = self._engine.execution_options(layerwise_write=True)

    @contextmanager
    def read(self) -> Generator[Connection]:
        """Run the block in a transaction that sees one state of the database and changes nothing."""
        with self._translated_errors(), self._reading.begin() as connection:
            try:
                yield connection
            except DataError as error:  # PostgreSQL takes no NUL in texts, and limits numbers
                log.warning("database_refuses_value", error=type(error.orig).__name__)  # its message may have the value
                detail = "the database cannot store a value of this request: a NUL character, or too large a number"
                raise InvalidRequest(detail) from error

    @contextmanager
    def write(self) -> Generator[Connection]:
        """Run the block in a writing transaction, which an exception rolls back."""
        with self._translated_errors(), self._writing.begin() as connection:
            yield connection
            if self.file is not None:
                self.file.check()  # writes to a removed file would be lost when this process ends

    def check(self) -> None:
        """Raise `ServiceError` unless the database can be written now."""
        if self.file is not None:
            self.file.check_writable()
        with self.write() as connection:
            connection.execute(sa.text("SELECT 1"))

    def wait_for_job(self, seconds: float) -> None:
        """Wait until there may be a job to claim that was not there at the last call, but at most about `seconds`."""
        self._listener.wait(seconds)

    @contextmanager
    def alone(self, purpose: str) -> Generator[None]:
        """Run the block while no other process on this machine does so, for an SQLite file."""
        with nullcontext() if self.file is None else locked(Path(f"{self.file.path}.{purpose}")):
            yield

    @property
    def name(self) -> str:
        """The database as shown to people: a path, or a URL without its password."""
        return str(self.file.path) if self.file is not None else shown_database_url(self.url)

    @property
    def engine(self) -> Engine:
        return self._engine

    def close(self) -> None:
        self._listener.close()
        self._engine.dispose()

    @contextmanager
    def _translated_errors(self) -> Generator[None]:
        """Turn errors of the database into `ServiceError`."""
        try:
            yield
        except (IntegrityError, ProgrammingError, DataError):
            raise  # a fault of our own: the schema refuses the statement
        except (DBAPIError, PoolTimeout) as error:
            if self.file is not None:
                self.file.check()  # a removed or emptied file is the cause of any error of SQLite's
            cause = getattr(error, "orig", error)
            match getattr(cause, "sqlite_errorname", "").removeprefix("SQLITE_").split("_")[0]:
                case "FULL":
                    raise NoSpace("the disk of the database is full") from error
                case "READONLY":
                    raise StorageUnavailable("the database is read-only") from error
                case "CORRUPT" | "NOTADB":
                    raise DataLoss("the database is damaged: restore it from a backup") from error
                case "ERROR":
                    raise  # a fault of our own: the statement does not fit the schema
                case _:
                    pass
            log.warning("database_unavailable", error=str(cause))
            raise Unavailable("the database does not answer; try again", retry_after=1) from error
