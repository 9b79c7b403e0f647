"""Receiving files and tables: what happens to a stream that breaks off, and while a file is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from layerwise.errors import Place
from layerwise_proto.v1 import datasets_pb2
from layerwise_service.domain.table_datasets import TableDataset
from layerwise_service.errors import InvalidRequest
from layerwise_service.rpc.dataset_converters import read_header
from layerwise_service.rpc.table_converters import read_kinds, read_table
from layerwise_service.rpc.upload_streams import UploadStream, UploadStreams, run_to_completion
from layerwise_service.usecases.dataset_headers import TableHeader
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.file_upload import FileUpload
from layerwise_service.usecases.table_upload import TableUpload

_HEADER_MISSING = "missing; the first message of the stream must be a header"
_WHAT_NEXT = "send all of it again; a file with an upload_id goes on where GetUpload says"
_WRITES_AT_ONCE = 4  # messages that are unpacked and written: each takes much memory, and they share the interpreter
_Upload = FileUpload[TableDataset] | TableUpload


class DatasetReceiver:
    """Reads the streams of `UploadDataset`, and waits for their files to be read."""

    def __init__(self, datasets: Datasets, streams: UploadStreams, *, threads: int) -> None:
        self._datasets = datasets
        self._streams = streams
        # threads of their own: those that write, or wait for readers, would keep other calls waiting
        self._writing = ThreadPoolExecutor(_WRITES_AT_ONCE, thread_name_prefix="write")
        self._reading = ThreadPoolExecutor(threads, thread_name_prefix="read")

    async def receive(self, requests: AsyncIterator[datasets_pb2.UploadDatasetRequest]) -> TableDataset:
        """Read the stream to its end, then the file or table, and store the dataset.

        What has arrived is kept if it can go on.

        Raises `Exhausted` if there are too many streams, `TimedOut` if this one falls silent, `Unavailable` if it does
        so while the service stops or another stream needs its place, `InvalidRequest` if the contents are wrong.
        """
        with self._streams.counted("the dataset", what_next=_WHAT_NEXT) as stream:
            begun: list[_Upload] = []  # filled by the thread, so that it is known here even if this is cancelled
            try:
                await self._read(requests, stream, begun)
                (upload,) = begun
                return await run_to_completion(upload.submit, executor=self._reading, hurry=upload.stop)
            finally:
                for upload in begun:
                    await run_to_completion(upload.close)

    def close(self) -> None:
        """End the threads, once all calls have ended."""
        self._writing.shutdown()
        self._reading.shutdown()

    async def _read(
        self,
        requests: AsyncIterator[datasets_pb2.UploadDatasetRequest],
        stream: UploadStream,
        begun: list[_Upload],
    ) -> None:
        while (request := await self._streams.next(requests, stream)) is not None:
            part = request.WhichOneof("part")
            if not begun:
                if part != "header":
                    raise InvalidRequest(_HEADER_MISSING, pointer="header")
                await run_to_completion(partial(self._begin, request.header, begun))
            elif part == "header":
                raise InvalidRequest("sent twice; only the first message is a header", pointer="header")
            else:
                await run_to_completion(partial(_add, begun[0], request), executor=self._writing)
        if not begun:
            raise InvalidRequest(_HEADER_MISSING, pointer="header")

    def _begin(self, sent: datasets_pb2.FileHeader, begun: list[_Upload]) -> None:
        header = read_header(sent)
        if isinstance(header, TableHeader):
            begun.append(self._datasets.upload_table(header))
        else:
            begun.append(self._datasets.upload(header))


def _add(upload: _Upload, request: datasets_pb2.UploadDatasetRequest) -> None:
    part = request.WhichOneof("part")
    if isinstance(upload, FileUpload) and part == "chunk":
        upload.add(request.chunk.data, offset=request.chunk.offset)
    elif isinstance(upload, TableUpload) and part == "table":
        upload.add(read_table(request.table, at=Place()), read_kinds(request.table))
    else:
        wanted = "chunk" if isinstance(upload, FileUpload) else "table"
        raise InvalidRequest(f"expected a {wanted}, got {f'a {part}' if part else 'an empty message'}", pointer=wanted)
