"""The requests of a stream, handed to gRPC one at a time."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from layerwise_client._transport.connection import Connection, Deadline
from layerwise_client.errors import DeadlineExceeded

R = TypeVar("R")
_POLL = 0.1  # seconds between checks whether the service has already answered


class StreamCall(Protocol):
    """The part of a gRPC call that is used here."""

    def is_active(self) -> bool: ...

    def cancel(self) -> object: ...


class Outbox(Generic[R]):
    """gRPC reads requests in its own thread.

    They are made in the caller's thread and handed over one at a time, so that an error in them is raised there, and
    does not look like the end of the stream.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queue: queue.Queue[R | None] = queue.Queue(maxsize=1)

    def __iter__(self) -> Iterator[R]:
        while (request := self._queue.get()) is not None:
            yield request

    def hand_over(self, request: R | None, call: StreamCall) -> bool:
        """Hand over a request, or None for the end, when gRPC has taken the previous one.

        Returns False if the service has ended the call.
        """
        deadline = Deadline(self._connection.timeout)
        while call.is_active():
            try:
                self._queue.put(request, timeout=_POLL)
            except queue.Full:
                if deadline.passed():
                    raise no_answer(self._connection, "take any data", self._connection.timeout) from None
            else:
                return True
        return False

    def close(self, call: StreamCall) -> None:
        """End the call, and then the stream, whose end would else look like that of the data."""
        call.cancel()
        with suppress(queue.Full):
            self._queue.put_nowait(None)


def no_answer(connection: Connection, what: str, seconds: float) -> DeadlineExceeded:
    """Return the error of a service that did not do `what` in time."""
    return DeadlineExceeded(f"{connection.target} did not {what} within {seconds:g} s")
