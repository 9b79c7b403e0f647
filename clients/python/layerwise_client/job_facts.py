"""The facts of a job that a client has, and the calls that fetch newer ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from layerwise_client._transport.messages import snapshot_of
from layerwise_client._transport.watch import watch_job
from layerwise_client.results import Snapshot, Summary
from layerwise_proto.v1 import training_pb2

if TYPE_CHECKING:
    from layerwise_client._transport.connection import Connection, Deadline
    from layerwise_client.results import Record, Transition


class JobFacts:
    """Facts of a job as of the last answer of the service: `last` is a summary if the job is from a list."""

    __slots__ = ("_connection", "last")

    def __init__(self, connection: Connection, found: Summary) -> None:
        self._connection = connection
        self.last = found
        if isinstance(found, Snapshot):
            self.keep(found)

    def all(self) -> Snapshot:
        """Return all facts as of the last answer; asks the service if only a summary is known."""
        return self.last if isinstance(self.last, Snapshot) else self.fetch()

    def newest(self) -> Summary:
        """Return the main facts as of now; asks the service unless the job has ended."""
        return self.last if self.last.ended else self.fetch()

    def all_newest(self) -> Snapshot:
        """Return all facts as of now; asks the service unless the job has ended and they are known."""
        return self.all() if self.last.ended else self.fetch()

    def fetch(self) -> Snapshot:
        """Ask the service for all facts."""
        return self.keep(snapshot_of(self._connection.call(self._connection.training.GetJob, self._request())))

    def keep(self, found: Snapshot) -> Snapshot:
        """Replace the facts by those of a newer answer, and return these."""
        self.last = found
        if found.version is not None:
            published = self._connection.published
            published[found.model] = max(found.version, published.get(found.model, 0))
        return found

    def records(
        self,
        from_step: int,
        deadline: Deadline,
        on_waiting: Callable[[str], None] | None,
        on_change: Callable[[Transition], None] | None = None,
    ) -> Iterator[Record]:
        """Yield the records after `from_step` until the job has ended; then the facts are up to date."""
        return watch_job(
            self._connection,
            self.last.id,
            from_step=from_step,
            deadline=deadline,
            refresh=self._try_fetch,
            on_waiting=on_waiting,
            on_change=on_change,
        )

    def _try_fetch(self, deadline: Deadline) -> Snapshot:
        call = self._connection.training.GetJob
        return self.keep(snapshot_of(self._connection.try_once(call, self._request(), deadline)))

    def _request(self) -> training_pb2.GetJobRequest:
        return training_pb2.GetJobRequest(job_id=self.last.id)
