"""Records and changes of state of a job, across broken connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import grpc

from layerwise_client._transport.messages import record_of, transition_of
from layerwise_client.errors import DeadlineExceeded, Unavailable, WaitTimeout
from layerwise_client.results import Record, Snapshot, Transition
from layerwise_proto.v1 import training_pb2

if TYPE_CHECKING:
    from layerwise_client._transport.connection import Connection, Deadline


def watch_job(
    connection: Connection,
    job_id: str,
    *,
    from_step: int,
    deadline: Deadline,
    refresh: Callable[[Deadline], Snapshot],
    on_waiting: Callable[[str], None] | None = None,
    on_change: Callable[[Transition], None] | None = None,
) -> Iterator[Record]:
    """Yield the records after `from_step`, until `refresh`, which asks for the job, says that it has ended.

    After a broken connection it continues without losing or repeating a record. Raises `WaitTimeout` if `deadline` has
    passed, and `Unavailable` after the client's timeout without any answer.
    """
    step = from_step
    changes, state = 0, ""
    retries = connection.retries(on_waiting)
    while True:
        try:
            changed = 0  # each connection repeats all changes of state
            for event in _events(connection, job_id, step, deadline):
                retries.succeeded()
                if isinstance(event, Transition):
                    changed, state = changed + 1, event.state
                    if changed > changes:
                        changes = changed
                        if on_change is not None:
                            on_change(event)
                # A worker that resumes the job repeats the last steps of the one before it.
                elif event and event.step > step:
                    step = event.step
                    yield event
            if refresh(deadline).ended:
                return
        except (Unavailable, DeadlineExceeded) as exc:
            if deadline.passed():
                goes_on = "it is paused: resume() lets it go on" if state == "PAUSED" else "it goes on"
                raise WaitTimeout(f"job {job_id} has not ended yet; {goes_on}") from exc
            if isinstance(exc, DeadlineExceeded) and deadline.left() is not None:
                retries.pause(deadline)  # one slow call does not end the wait
            else:
                retries.failed(exc, deadline)
        else:
            retries.pause(deadline)


def _events(
    connection: Connection, job_id: str, from_step: int, deadline: Deadline
) -> Iterator[Record | Transition | None]:
    """Yield the records and changes of state of one call of WatchJob, and None for any other event.

    Findings are left out, since the records have them.
    """
    connection.check_open()
    request = training_pb2.WatchJobRequest(job_id=job_id, from_step=from_step)
    call = connection.training.WatchJob(request, timeout=deadline.left())
    try:
        for event in call:
            match event.WhichOneof("event"):
                case "record":
                    yield record_of(event.record)
                case "transition":
                    yield transition_of(event.transition)
                case _:
                    yield None
    except grpc.RpcError as exc:
        raise connection.error(exc) from exc
    finally:
        call.cancel()
