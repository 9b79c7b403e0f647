"""Sending rows to the training service: a header, then batches; the answer is the accepted job."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

import grpc

from layerwise_client._data.places import invalid, placed
from layerwise_client._data.tables import TableRows
from layerwise_client._data.training_data import TrainingData
from layerwise_client._transport.connection import MESSAGE_BYTES, Connection, Deadline, Retries, retrying
from layerwise_client.errors import DeadlineExceeded, InvalidRequest, ServiceFault
from layerwise_client.progress import Progress, waiting_of
from layerwise_proto.v1 import training_pb2

BLOCK_BYTES = 2 << 20  # of numbers; the API asks for 1 to 4 MB
TABLE_BYTES = 1 << 20  # of a table; as Python objects, its texts take about thirty times as much memory
_BLOCK_ROWS = 65_536  # most rows of a batch: the labels of narrow rows are larger than the rows
_FITTING = 1e-5  # seconds to wait for each cell: fitting the encoder, before the job is accepted, takes about 1e-6
_POLL = 0.1  # seconds between looks at whether the service has already answered


class _EventStream(Protocol):
    """The part of a gRPC call that is used here."""

    def __iter__(self) -> Iterator[training_pb2.TrainEvent]: ...

    def is_active(self) -> bool: ...

    def cancel(self) -> object: ...


def submit(
    connection: Connection, header: training_pb2.TrainHeader, data: TrainingData, progress: Progress
) -> training_pb2.Job:
    """Send the data, and return the job once the service has accepted it, and so has stored the data.

    The request id makes another try safe. If the connection breaks or cannot be made, it is tried again, until the
    client's timeout after the first failure.
    """
    on_waiting = waiting_of(progress) or connection.on_waiting
    retries = Retries(connection.target, patience=connection.timeout, on_waiting=on_waiting)
    return retrying(lambda: _submit_once(connection, header, data, progress), retries, Deadline(None))


def _submit_once(
    connection: Connection, header: training_pb2.TrainHeader, data: TrainingData, progress: Progress
) -> training_pb2.Job:
    connection.check_open()
    # gRPC reads requests in a thread of its own. The batches are made here and handed over one at a time, so that an
    # error in the data is raised in the caller's thread, and does not look like the end of the stream.
    outbox: queue.Queue[training_pb2.TrainRequest | None] = queue.Queue(maxsize=1)
    call: _EventStream = connection.training.Train(iter(outbox.get, None))
    starts = [0]
    try:
        _hand_over(outbox, training_pb2.TrainRequest(header=header), call, connection)
        for batch, sent in _batches(data):
            if not _hand_over(outbox, training_pb2.TrainRequest(batch=batch), call, connection):
                break
            starts.append(sent)
            progress.uploaded(sent, data.rows.count)
        else:
            _hand_over(outbox, None, call, connection)
        return _accepted(call, connection, patience=connection.timeout + _FITTING * data.rows.fitted)
    except InvalidRequest as exc:
        raise placed(exc, starts) from exc
    finally:
        call.cancel()  # before the end of the stream, which would look like the end of the data
        with suppress(queue.Full):
            outbox.put_nowait(None)


def _hand_over(
    outbox: queue.Queue[training_pb2.TrainRequest | None],
    request: training_pb2.TrainRequest | None,
    call: _EventStream,
    connection: Connection,
) -> bool:
    """Hand a request to gRPC, after it took the one before. Returns False if the service has ended the call."""
    deadline = Deadline(connection.timeout)
    while call.is_active():
        try:
            outbox.put(request, timeout=_POLL)
        except queue.Full:
            if deadline.passed():
                raise _silent(connection, "take any data", connection.timeout) from None
        else:
            return True
    return False


def _accepted(call: _EventStream, connection: Connection, *, patience: float) -> training_pb2.Job:
    gave_up = threading.Event()

    def give_up() -> None:
        gave_up.set()
        call.cancel()

    alarm = threading.Timer(patience, give_up)
    alarm.daemon = True
    alarm.start()
    try:
        for event in call:
            if event.WhichOneof("event") == "accepted":
                return event.accepted
    except grpc.RpcError as exc:
        if gave_up.is_set():
            raise _silent(connection, "accept the job", patience) from exc
        raise connection.error(exc) from exc
    finally:
        alarm.cancel()
    raise ServiceFault(f"{connection.target} ended the stream without accepting the job or saying why")


def _batches(data: TrainingData) -> Iterator[tuple[training_pb2.TrainBatch, int]]:
    """Yield the batches, each with the number of rows up to its end."""
    most = TABLE_BYTES if isinstance(data.rows, TableRows) else BLOCK_BYTES
    step = min(max(1, most // data.row_bytes), _BLOCK_ROWS)
    start = 0
    while start < data.rows.count:
        stop = min(start + step, data.rows.count)
        batch = data.batch(start, stop)
        size = batch.ByteSize()
        if size > MESSAGE_BYTES - 1024:
            if stop - start == 1:
                detail = f"a row with its label does not fit a message of {MESSAGE_BYTES >> 20} MiB"
                raise invalid(("X", start), detail, reason="ROW_TOO_LARGE")
            step = (stop - start) // 2  # its texts are long
            continue
        yield batch, stop
        if isinstance(data.rows, TableRows):  # only now it is known how long the texts are
            step = min(max(1, (stop - start) * most // size), _BLOCK_ROWS)
        start = stop


def _silent(connection: Connection, what: str, seconds: float) -> DeadlineExceeded:
    return DeadlineExceeded(f"{connection.target} did not {what} within {seconds:g} s")
