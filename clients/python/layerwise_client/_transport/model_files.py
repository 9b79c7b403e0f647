"""Model files: sending one that becomes a version, and receiving that of a version."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import grpc

from layerwise_client._data.arguments import text
from layerwise_client._data.file_header import open_path
from layerwise_client._transport.connection import Connection, Deadline, retrying
from layerwise_client._transport.send_file import Upload, check_not_empty, check_unchanged, sent
from layerwise_client.errors import ServiceFault
from layerwise_client.progress import Progress
from layerwise_proto.v1 import models_pb2

if TYPE_CHECKING:
    from layerwise import MLP

_IMPORT = Upload[models_pb2.ImportVersionResponse](
    lambda connection, requests: connection.models.ImportVersion.future(requests), models_pb2.ImportVersionRequest
)


def imported(
    connection: Connection,
    model: str,
    file: str | PathLike[str] | bytes | MLP,
    progress: Progress,
    *,
    sha256: str | None,
) -> models_pb2.ModelVersion:
    """Send a model file, and return the version that it became. Raises `InvalidRequest`."""
    header = models_pb2.ModelFileHeader(
        model=text(model, "model"), sha256="" if sha256 is None else text(sha256, "sha256")
    )
    with _opened(file) as opened:
        check_not_empty(opened, "a model file (.npz)")
        answer, digest = sent(connection, opened, header, progress, _IMPORT)
    if isinstance(file, str | PathLike):
        check_unchanged(file, digest, answer.version.sha256)
    newest = connection.published.get(answer.version.model, 0)
    connection.published[answer.version.model] = max(newest, answer.version.version)
    return answer.version


def downloaded(connection: Connection, model: str, version: str, path: str | PathLike[str]) -> models_pb2.ModelVersion:
    """Replace the file at `path` by that of a version, and return the version."""
    from layerwise.files import atomic

    found: list[models_pb2.ModelVersion] = []
    atomic.write(Path(path), lambda file: found.append(receive(connection, model, version, file)))
    return found[0]


def loaded(connection: Connection, model: str, version: str) -> MLP:
    """Return the model of a version."""
    from layerwise import MLP

    with tempfile.TemporaryFile() as file:
        found = receive(connection, model, version, file)
        return MLP.load(file, sha256=found.sha256)


def receive(connection: Connection, model: str, version: str, file: BinaryIO) -> models_pb2.ModelVersion:
    """Write the model file of a version to an open `file`, verified against its hash, and return the version.

    If the connection breaks, it goes on where it was, until the client's timeout without any progress.
    """
    receiving = _Receiving(connection, models_pb2.DownloadVersionRequest(model=model, version=version), file)
    retries = connection.retries(connection.on_waiting)

    def attempt() -> models_pb2.ModelVersion:
        before = receiving.arrived
        try:
            return receiving.attempt()
        finally:
            if receiving.arrived > before:
                retries.succeeded()

    return retrying(attempt, retries, Deadline(None))


class _Receiving:
    """One download, over as many streams as it takes, all of the version that the first one found."""

    def __init__(self, connection: Connection, request: models_pb2.DownloadVersionRequest, file: BinaryIO) -> None:
        self._connection = connection
        self._request = request
        self._file = file
        self._digest = hashlib.sha256()

    @property
    def arrived(self) -> int:
        return self._request.offset

    def attempt(self) -> models_pb2.ModelVersion:
        """Receive what is missing in one stream."""
        self._connection.check_open()
        version = models_pb2.ModelVersion()
        call = self._connection.models.DownloadVersion(self._request)
        try:
            for response in call:
                if response.WhichOneof("part") == "version":
                    version = response.version
                    self._request.version = str(version.version)
                elif response.chunk.offset == self._request.offset:
                    self._file.write(response.chunk.data)
                    self._digest.update(response.chunk.data)
                    self._request.offset += len(response.chunk.data)
        except grpc.RpcError as exc:
            raise self._connection.error(exc) from exc
        finally:
            call.cancel()
        if self._request.offset != version.size_bytes or self._digest.hexdigest() != version.sha256:
            name = f"{version.model}/{version.version}"
            detail = f"the file of {name} did not arrive as it is stored: {self._request.offset} bytes, another SHA-256"
            raise ServiceFault(detail, reason="FILE_CHANGED")
        return version


@contextmanager
def _opened(file: object) -> Generator[BinaryIO]:
    if isinstance(file, bytes):
        yield io.BytesIO(file)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = file
        if not isinstance(file, str | PathLike):
            from layerwise import MLP

            if isinstance(file, MLP):
                file.save(path := Path(folder, "model.npz"))
        with open_path(path, "file", or_else=", its bytes or an MLP").open("rb") as opened:
            yield opened
