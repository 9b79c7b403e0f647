"""Sending a file: a header, then chunks. A stream that breaks off goes on where it was."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import grpc

from layerwise_client._data.places import invalid
from layerwise_client._transport.connection import Connection, Deadline, retrying
from layerwise_client._transport.outbox import Outbox, StreamCall
from layerwise_client.errors import InvalidRequest, Unavailable
from layerwise_client.progress import Progress, sending_of, waiting_of
from layerwise_proto.v1 import datasets_pb2

CHUNK_BYTES = 1 << 20


def send_file(
    connection: Connection, path: Path, header: datasets_pb2.FileHeader, progress: Progress
) -> datasets_pb2.Dataset:
    """Send the file, and return its dataset when the service has read and stored it.

    If the connection fails, the upload goes on, until the client's timeout without any progress. Raises
    `InvalidRequest`.
    """
    header.upload_id = str(uuid.uuid4())
    with path.open("rb") as file:
        header.size = file.seek(0, 2)
        sending = _Sending(connection, file, header, sending_of(progress))
        retries = connection.retries(waiting_of(progress) or connection.on_waiting)

        def attempt() -> datasets_pb2.Dataset:
            before = sending.arrived
            try:
                return sending.attempt()
            finally:
                if sending.arrived > before:
                    retries.succeeded()

        try:
            dataset = retrying(attempt, retries, Deadline(None))
        except InvalidRequest as exc:
            if exc.place[:1] != ("formats",):
                raise
            place = ("columns", *exc.place[1:])
            raise invalid(place, exc.detail, reason=exc.reason, request_id=exc.request_id) from exc
    if dataset.file_sha256 != sending.sha256:
        raise InvalidRequest(f"{path} changed while it was sent; send it again", reason="FILE_CHANGED")
    return dataset


class _Sending:
    """One upload, over as many streams as it takes. `arrived` bytes are known to be on the service's disk."""

    def __init__(
        self,
        connection: Connection,
        file: BinaryIO,
        header: datasets_pb2.FileHeader,
        show: Callable[[int, int], None] | None,
    ) -> None:
        self._connection = connection
        self._file = file
        self._header = header
        self._show = show
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._begun = False
        self.arrived = 0

    @property
    def sha256(self) -> str:
        """SHA-256 of the file as it was sent."""
        return self._digest.hexdigest()

    def attempt(self) -> datasets_pb2.Dataset:
        """Send what is missing in one stream, and return the answer."""
        connection = self._connection
        connection.check_open()
        if self._begun:
            request = datasets_pb2.GetUploadRequest(upload_id=self._header.upload_id)
            left = Deadline(connection.timeout)
            self.arrived = connection.try_once(connection.datasets.GetUpload, request, left).offset
        self._begun = True
        outbox = Outbox[datasets_pb2.UploadDatasetRequest](connection)
        call = connection.datasets.UploadDataset.future(iter(outbox))
        try:
            self._send(outbox, call)
            # Commands show the answer with the library, and load it while the service reads the file.
            import_module("layerwise")
            return call.result()
        except grpc.RpcError as exc:
            error = connection.error(exc)
            if error.reason == "WRONG_OFFSET":  # an older stream has gone on after it was asked
                error = Unavailable(str(error), reason=error.reason)
            raise error from exc
        finally:
            outbox.close(call)

    def _send(self, outbox: Outbox[datasets_pb2.UploadDatasetRequest], call: StreamCall) -> None:
        if not outbox.hand_over(datasets_pb2.UploadDatasetRequest(header=self._header), call):
            return
        offset = self._file.seek(self.arrived)
        while data := self._file.read(CHUNK_BYTES):
            chunk = datasets_pb2.FileChunk(offset=offset, data=data)
            if not outbox.hand_over(datasets_pb2.UploadDatasetRequest(chunk=chunk), call):
                return
            offset += len(data)
            if offset > self._hashed:
                self._digest.update(data[self._hashed - offset :])
                self._hashed = offset
            if self._show is not None:
                self._show(offset, self._header.size)
        outbox.hand_over(None, call)
