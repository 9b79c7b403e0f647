"""Sending a table in memory as a dataset: a header, then blocks of rows."""

from __future__ import annotations

import grpc

from layerwise_client._data.places import ALL_ROWS, invalid, placed
from layerwise_client._data.table_rows import TableRows
from layerwise_client._transport.blocks import TABLE_BYTES, messages
from layerwise_client._transport.connection import Connection, Deadline, retrying
from layerwise_client._transport.outbox import Outbox
from layerwise_client.errors import InvalidRequest
from layerwise_client.progress import Progress, waiting_of
from layerwise_proto.v1 import datasets_pb2


def send_table(
    connection: Connection, rows: TableRows, header: datasets_pb2.FileHeader, progress: Progress
) -> datasets_pb2.Dataset:
    """Send the rows, and return their dataset when the service has read and stored it.

    If the connection fails, all of them are sent again, until the client's timeout after the first failure. The same
    rows are the same dataset. Raises `InvalidRequest`.
    """
    header.rows, rows = rows.count, rows.as_given()
    retries = connection.retries(waiting_of(progress) or connection.on_waiting)
    try:
        return retrying(lambda: _send_once(connection, rows, header, progress), retries, Deadline(None))
    except InvalidRequest as exc:
        if exc.place[:1] == ("formats",):
            place = ("columns", *exc.place[1:])
            raise invalid(place, exc.detail, reason=exc.reason, request_id=exc.request_id) from exc
        raise placed(exc, [ALL_ROWS]) from exc


def _send_once(
    connection: Connection, rows: TableRows, header: datasets_pb2.FileHeader, progress: Progress
) -> datasets_pb2.Dataset:
    connection.check_open()
    outbox = Outbox[datasets_pb2.UploadDatasetRequest](connection)
    call = connection.datasets.UploadDataset.future(iter(outbox))
    try:
        if outbox.hand_over(datasets_pb2.UploadDatasetRequest(header=header), call):
            for request, _, done in messages(
                rows.count,
                lambda start, stop: datasets_pb2.UploadDatasetRequest(table=rows.block(start, stop).message()),
                row_bytes=rows.row_bytes(4),
                most=TABLE_BYTES,
                measured=True,
            ):
                if not outbox.hand_over(request, call):
                    break
                progress.uploaded(done, rows.count)
            else:
                outbox.hand_over(None, call)
        return call.result()
    except grpc.RpcError as exc:
        raise connection.error(exc) from exc
    finally:
        outbox.close(call)
