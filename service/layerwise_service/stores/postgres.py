"""PostgreSQL: connections that do not wait for ever, and words that wake workers on every machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

if TYPE_CHECKING:
    import psycopg

log = structlog.get_logger()

_CHANNEL = "layerwise_jobs"
_CONNECTIONS, _MORE_CONNECTIONS = 5, 15  # of a process: kept, and made when many threads ask at once
_PAUSE_SECONDS = 0.5  # after a lost connection, at most
_IDLE_SECONDS = 60  # after which the server ends a transaction whose process does not go on, so that it locks nothing


def postgres_engine(url: sa.URL, *, busy_seconds: float) -> Engine:
    """Return an engine whose statements wait for a lock, and whose threads for a connection, `busy_seconds` at most."""
    engine = sa.create_engine(
        url,
        connect_args={"connect_timeout": url.query.get("connect_timeout", max(2, round(busy_seconds)))},
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        pool_timeout=busy_seconds,
        pool_pre_ping=True,  # a server that was started again has closed the connections that are kept
        hide_parameters=True,  # parameters are callers' data, which must not be logged
    )

    @event.listens_for(engine, "connect")
    def configure(connection: psycopg.Connection[Any], _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        limits = {"lock_timeout": busy_seconds, "idle_in_transaction_session_timeout": _IDLE_SECONDS}
        for name, seconds in limits.items():
            connection.execute(f"SET {name} = {int(seconds * 1000)}".encode())
        connection.commit()

    return engine


def wake_workers(connection: Connection) -> None:
    """Wake the workers that wait for a job, when this transaction is committed."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(_CHANNEL, "")))


class PostgresListener:
    """Waits for words of `wake_workers`, on a connection of its own; for one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listening: psycopg.Connection[Any] | None = None

    def wait(self, seconds: float) -> None:
        """Wait until workers were woken since the last call, but at most `seconds`."""
        import psycopg  # noqa: PLC0415 - installed only where it is needed

        end = time.monotonic() + seconds
        try:
            listening = self._listening or self._listen()
            for _ in listening.notifies(timeout=max(0.0, end - time.monotonic()), stop_after=1):
                pass
        except psycopg.Error as error:
            log.warning("workers_not_woken", error=type(error).__name__)  # they look again after `seconds`
            self.close()
            time.sleep(min(_PAUSE_SECONDS, max(0.0, end - time.monotonic())))

    def close(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def _listen(self) -> psycopg.Connection[Any]:
        arguments, named = self._engine.dialect.create_connect_args(self._engine.url)
        import psycopg  # noqa: PLC0415

        listening = psycopg.connect(*arguments, **named, connect_timeout=2, autocommit=True)
        self._listening = listening
        listening.execute(f"LISTEN {_CHANNEL}".encode())
        return listening
