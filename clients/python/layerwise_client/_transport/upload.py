"""Upload of training data: a header, then batches of rows. The answer is the accepted job."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Protocol

import grpc

from layerwise_client._data.held_out import about_validation
from layerwise_client._data.places import invalid, placed
from layerwise_client._data.table_rows import TableRows
from layerwise_client._data.training_data import TrainingData
from layerwise_client._transport.blocks import TABLE_BYTES, messages
from layerwise_client._transport.connection import Connection, Deadline, retrying
from layerwise_client._transport.outbox import Outbox, StreamCall, no_answer
from layerwise_client.errors import InvalidRequest, ServiceFault
from layerwise_client.progress import Progress, waiting_of
from layerwise_proto.v1 import training_pb2

BLOCK_BYTES = 2 << 20  # of numbers; the API asks for 1 to 4 MB
FITTING_SECONDS = 1e-5  # to wait for each cell; fitting the encoder, before the job is accepted, takes about 1e-6


class _EventStream(StreamCall, Protocol):
    def __iter__(self) -> Iterator[training_pb2.TrainEvent]: ...


def submit(
    connection: Connection, header: training_pb2.TrainHeader, parts: Sequence[TrainingData], progress: Progress
) -> training_pb2.Job:
    """Send the rows to train on and, as a second part, those to hold out; return the job once it is accepted.

    If the connection fails, the upload is repeated, until the client's timeout after the first failure. The request id
    makes that safe.
    """
    on_waiting = waiting_of(progress) or connection.on_waiting
    retries = connection.retries(on_waiting)
    return retrying(lambda: _submit_once(connection, header, parts, progress), retries, Deadline(None))


def _submit_once(
    connection: Connection, header: training_pb2.TrainHeader, parts: Sequence[TrainingData], progress: Progress
) -> training_pb2.Job:
    connection.check_open()
    outbox = Outbox[training_pb2.TrainRequest](connection)
    call: _EventStream = connection.training.Train(iter(outbox))
    batches: list[Sequence[int]] = []  # the rows of each
    others: set[int] = set()  # batches with rows of `validation`, not of X
    done = 0
    try:
        outbox.hand_over(training_pb2.TrainRequest(header=header), call)
        for batch, rows, in_validation in _batches_of(parts):
            if in_validation:
                others.add(len(batches))
            batches.append(rows)
            if not outbox.hand_over(training_pb2.TrainRequest(batch=batch), call):
                break
            done += len(rows)
            progress.uploaded(done, header.rows)
        else:
            outbox.hand_over(None, call)
        cells = sum(part.rows.fitted for part in parts)
        return _accepted(call, connection, patience=connection.timeout + FITTING_SECONDS * cells)
    except InvalidRequest as exc:
        match exc.place:
            case ("batches", int(number), *_) if number in others:
                raise about_validation(placed(exc, batches)) from exc
            case ("held_out",):
                raise invalid("validation", exc.detail, reason=exc.reason, request_id=exc.request_id) from exc
            case _:
                raise placed(exc, batches) from exc
    finally:
        outbox.close(call)


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
            raise no_answer(connection, "accept the job", patience) from exc
        raise connection.error(exc) from exc
    finally:
        alarm.cancel()
    raise ServiceFault(f"{connection.target} ended the stream without accepting the job or saying why")


def _batches_of(
    parts: Sequence[TrainingData],
) -> Iterator[tuple[training_pb2.TrainBatch, Sequence[int], bool]]:
    """Yield the batches of all parts, each with the numbers of its rows, and whether it is of rows in `validation`."""
    for part in parts:
        in_validation = part.rows is not parts[0].rows
        try:
            for batch, rows in _batches(part):
                yield batch, rows, in_validation
        except InvalidRequest as exc:
            raise about_validation(exc) if in_validation else exc from exc


def _batches(data: TrainingData) -> Iterator[tuple[training_pb2.TrainBatch, Sequence[int]]]:
    """Yield the batches, each with the numbers of its rows."""
    is_table = isinstance(data.rows, TableRows)
    for batch, start, stop in messages(
        data.rows.count,
        data.batch,
        row_bytes=data.row_bytes,
        most=TABLE_BYTES if is_table else BLOCK_BYTES,
        measured=is_table,
    ):
        if rows := data.rows_sent(start, stop):
            yield batch, rows
