"""Model files over gRPC: the streams of `ImportVersion` and `DownloadVersion`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import BinaryIO

from layerwise_proto.v1 import datasets_pb2, models_pb2
from layerwise_service.errors import InvalidRequest
from layerwise_service.rpc.converters import write_version, write_version_summary
from layerwise_service.rpc.upload_streams import UploadStream, UploadStreams, run_to_completion
from layerwise_service.usecases.file_upload import FileUpload
from layerwise_service.usecases.model_files import Imported, ModelFileHeader, ModelFiles

_CHUNK_BYTES = 2**20
_HEADER_MISSING = "missing; the first message of the stream must be a header"
_WHAT_NEXT = "send all of it again; a file with an upload_id goes on where GetUpload says"
_Upload = FileUpload[Imported]


class VersionFiles:
    """Reads the streams of `ImportVersion`, and writes those of `DownloadVersion`."""

    def __init__(self, files: ModelFiles, streams: UploadStreams) -> None:
        self._files = files
        self._streams = streams
        # of its own: reading a large model takes seconds, and one is read at a time
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="import")

    async def receive(
        self, requests: AsyncIterator[models_pb2.ImportVersionRequest]
    ) -> models_pb2.ImportVersionResponse:
        """Read the stream to its end, then the file, and publish it.

        Raises as `DatasetReceiver.receive`.
        """
        with self._streams.counted("the model file", what_next=_WHAT_NEXT) as stream:
            begun: list[_Upload] = []  # filled by the thread, so that it is known here even if this is cancelled
            try:
                await self._read(requests, stream, begun)
                imported = await run_to_completion(begun[0].submit, executor=self._reading)
            finally:
                for upload in begun:
                    await run_to_completion(upload.close)
        return await asyncio.to_thread(_answer, imported)

    async def send(
        self, request: models_pb2.DownloadVersionRequest
    ) -> AsyncIterator[models_pb2.DownloadVersionResponse]:
        """Yield the version, then its file from the offset on."""
        version, file = await run_to_completion(partial(self._files.open, request.model, request.version))
        try:
            if not 0 <= request.offset <= version.size_bytes:
                detail = f"expected an offset of 0 to {version.size_bytes}, the size of the file, got {request.offset}"
                raise InvalidRequest(detail, pointer="offset", reason="WRONG_OFFSET")
            yield models_pb2.DownloadVersionResponse(version=write_version_summary(version))
            offset = file.seek(request.offset)
            while data := await run_to_completion(partial(_next, file)):
                chunk = datasets_pb2.FileChunk(offset=offset, data=data)
                yield models_pb2.DownloadVersionResponse(chunk=chunk)
                offset += len(data)
        finally:
            file.close()

    def close(self) -> None:
        """End the thread, once all calls have ended."""
        self._reading.shutdown()

    async def _read(
        self, requests: AsyncIterator[models_pb2.ImportVersionRequest], stream: UploadStream, begun: list[_Upload]
    ) -> None:
        while (request := await self._streams.next(requests, stream)) is not None:
            match request.WhichOneof("part"):
                case "header" if not begun:
                    await run_to_completion(partial(self._begin, request.header, begun))
                case "header":
                    raise InvalidRequest("sent twice; only the first message is a header", pointer="header")
                case "chunk" if begun:
                    add = partial(begun[0].add, request.chunk.data, offset=request.chunk.offset)
                    await run_to_completion(add)
                case "chunk":
                    raise InvalidRequest(_HEADER_MISSING, pointer="header")
                case None:
                    raise InvalidRequest("expected a header or a chunk, got an empty message")
        if not begun:
            raise InvalidRequest(_HEADER_MISSING, pointer="header")

    def _begin(self, sent: models_pb2.ModelFileHeader, begun: list[_Upload]) -> None:
        header = ModelFileHeader(model=sent.model, size=sent.size, upload_id=sent.upload_id, sha256=sent.sha256)
        begun.append(self._files.upload(header))


def _answer(imported: Imported) -> models_pb2.ImportVersionResponse:
    return models_pb2.ImportVersionResponse(version=write_version(imported.version), created=imported.created)


def _next(file: BinaryIO) -> bytes:
    return file.read(_CHUNK_BYTES)
