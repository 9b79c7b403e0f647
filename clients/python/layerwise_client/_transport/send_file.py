"""Sending a file: a header, then chunks. A stream that breaks off goes on where it was."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from os import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import grpc

from layerwise_client._data.places import invalid
from layerwise_client._transport.connection import Connection, Deadline, retrying
from layerwise_client._transport.outbox import Outbox, StreamCall
from layerwise_client.errors import InvalidRequest, Unavailable
from layerwise_client.progress import Progress, sending_of, waiting_of
from layerwise_proto.v1 import datasets_pb2, models_pb2

CHUNK_BYTES = 1 << 20

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Upload(Generic[Answer]):
    """A call that takes a file: what begins it with a stream of requests, and the type of these."""

    begin: Callable[[Connection, Iterator[Any]], Any]
    request: Callable[..., Any]


_DATASET = Upload[datasets_pb2.Dataset](
    lambda connection, requests: connection.datasets.UploadDataset.future(requests), datasets_pb2.UploadDatasetRequest
)


def send_file(
    connection: Connection, path: Path, header: datasets_pb2.FileHeader, progress: Progress
) -> datasets_pb2.Dataset:
    """Send the file, and return its dataset when the service has read and stored it.

    If the connection fails, the upload goes on, until the client's timeout without any progress. Raises
    `InvalidRequest`.
    """
    with path.open("rb") as file:
        check_not_empty(file, "a table with a header and rows")
        try:
            dataset, sha256 = sent(connection, file, header, progress, _DATASET)
        except InvalidRequest as exc:
            if exc.place[:1] != ("formats",):
                raise
            place = ("columns", *exc.place[1:])
            raise invalid(place, exc.detail, reason=exc.reason, request_id=exc.request_id) from exc
    check_unchanged(path, sha256, dataset.file_sha256)
    return dataset


def sent(
    connection: Connection,
    file: BinaryIO,
    header: datasets_pb2.FileHeader | models_pb2.ModelFileHeader,
    progress: Progress,
    kind: Upload[Answer],
) -> tuple[Answer, str]:
    """Send an open file, and return the service's answer and the SHA-256 of what was sent.

    If the connection fails, the upload goes on, until the client's timeout without any progress.
    """
    header.upload_id = str(uuid.uuid4())
    header.size = file.seek(0, SEEK_END)
    sending = _Sending(connection, file, header, sending_of(progress), kind)
    retries = connection.retries(waiting_of(progress) or connection.on_waiting)

    def attempt() -> Answer:
        before = sending.arrived
        try:
            return sending.attempt()
        finally:
            if sending.arrived > before:
                retries.succeeded()

    return retrying(attempt, retries, Deadline(None)), sending.sha256


def check_not_empty(file: BinaryIO, wanted: str) -> None:
    """Raise `InvalidRequest` if the `file` has no byte, and is not what is `wanted`."""
    if file.seek(0, SEEK_END) == 0:
        raise InvalidRequest(f"expected {wanted}, the file is empty", reason="EMPTY_FILE")


def check_unchanged(path: object, sha256: str, stored: str) -> None:
    """Raise `InvalidRequest` if the service has `stored` another file than the one that was sent in the end."""
    if stored != sha256:
        raise InvalidRequest(f"{path} changed while it was sent; send it again", reason="FILE_CHANGED")


class _Sending(Generic[Answer]):
    """One upload, over as many streams as it takes. `arrived` bytes are known to be on the service's disk."""

    def __init__(
        self,
        connection: Connection,
        file: BinaryIO,
        header: datasets_pb2.FileHeader | models_pb2.ModelFileHeader,
        show: Callable[[int, int], None] | None,
        kind: Upload[Answer],
    ) -> None:
        self._connection = connection
        self._kind = kind
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

    def attempt(self) -> Answer:
        """Send what is missing in one stream, and return the answer."""
        connection = self._connection
        connection.check_open()
        if self._begun:
            request = datasets_pb2.GetUploadRequest(upload_id=self._header.upload_id)
            left = Deadline(connection.timeout)
            self.arrived = connection.try_once(connection.datasets.GetUpload, request, left).offset
        self._begun = True
        outbox = Outbox[Any](connection)
        call = self._kind.begin(connection, iter(outbox))
        try:
            self._send(outbox, call)
            # Commands show the answer with the library, and load it while the service reads the file.
            import_module("layerwise")
            answer: Answer = call.result()
        except grpc.RpcError as exc:
            error = connection.error(exc)
            if error.reason == "WRONG_OFFSET":  # an older stream has gone on after it was asked
                error = Unavailable(str(error), reason=error.reason)
            raise error from exc
        finally:
            outbox.close(call)
        return answer

    def _send(self, outbox: Outbox[Any], call: StreamCall) -> None:
        if not outbox.hand_over(self._kind.request(header=self._header), call):
            return
        offset = self._file.seek(self.arrived)
        while data := self._file.read(CHUNK_BYTES):
            chunk = datasets_pb2.FileChunk(offset=offset, data=data)
            if not outbox.hand_over(self._kind.request(chunk=chunk), call):
                return
            offset += len(data)
            if offset > self._hashed:
                self._digest.update(data[self._hashed - offset :])
                self._hashed = offset
            if self._show is not None:
                self._show(offset, self._header.size)
        outbox.hand_over(None, call)
