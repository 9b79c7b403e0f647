"""HTTP connections that are kept open between requests, a few at a time."""

from __future__ import annotations

import http.client
import os
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager

_IDLE = 8
"""Connections kept for the next request; of more threads than that at once, the others' are closed after each."""


class Pool:
    """Connections to one address, made by `connect` as they are needed.

    One thread at a time has a connection. A process that is forked begins with none: on a connection that two
    processes use, each reads answers to the other's requests.
    """

    def __init__(self, connect: Callable[[], http.client.HTTPConnection]) -> None:
        self._connect = connect
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._closed = False
        _pools.add(self)

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

    def after_fork(self) -> None:
        """Begins anew in a forked process; the parent's connections stay open there."""
        self._lock = threading.Lock()  # a thread that is not here may have held the old one
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


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is forked
    os.register_at_fork(after_in_child=_after_fork)
