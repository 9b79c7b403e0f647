"""HTTP connections that are kept open between requests, a few at a time."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

_IDLE = 8
"""Connections kept for the next request; of more threads than that at once, the others' are closed after each."""


class Pool:
    """Connections to one address, made by `connect` as they are needed; no thread owns one."""

    def __init__(self, connect: Callable[[], http.client.HTTPConnection]) -> None:
        self._connect = connect
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def connection(self) -> Generator[http.client.HTTPConnection]:
        """A connection for one request; after an error it is closed, and what was idle with it, as old as it is."""
        connection = self._take()
        try:
            yield connection
        except BaseException:
            connection.close()
            self._close_idle()
            raise
        self._give_back(connection)

    def close(self) -> None:
        """Closes what is idle now, and what is in use when its request has ended."""
        with self._lock:
            self._closed = True
        self._close_idle()

    def _take(self) -> http.client.HTTPConnection:
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
