"""Receiving table files: what happens to a stream that breaks off, and while a file is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from layerwise_proto.v1 import datasets_pb2
from layerwise_service.domain.table_datasets import TableDataset
from layerwise_service.errors import InvalidRequest
from layerwise_service.rpc.dataset_converters import read_file_header
from layerwise_service.rpc.upload_streams import UploadStream, UploadStreams, run_to_completion
from layerwise_service.usecases.datasets import Datasets, FileUpload

_HEADER_MISSING = "missing; the first message of the stream must be a header"
_WHAT_NEXT = "send the file again; with an upload_id it goes on where GetUpload says"


class DatasetReceiver:
    """Reads the streams of `UploadDataset`, and waits for their files to be read."""

    def __init__(self, datasets: Datasets, streams: UploadStreams, *, threads: int) -> None:
        self._datasets = datasets
        self._streams = streams
        # threads of their own: those that wait for readers would keep other calls waiting
        self._reading = ThreadPoolExecutor(threads, thread_name_prefix="read")

    async def receive(self, requests: AsyncIterator[datasets_pb2.UploadDatasetRequest]) -> TableDataset:
        """Read the stream to its end, then the file, and store the dataset. What has arrived is kept if it can go on.

        Raises `Exhausted` if there are too many streams, `TimedOut` if this one falls silent, `Unavailable` if it does
        so while the service stops or another stream needs its place, `InvalidRequest` if the contents are wrong.
        """
        with self._streams.counted("the file", what_next=_WHAT_NEXT) as stream:
            begun: list[FileUpload] = []  # filled by the thread, so that it is known here even if this is cancelled
            try:
                await self._read(requests, stream, begun)
                (upload,) = begun
                return await run_to_completion(upload.submit, executor=self._reading, hurry=upload.stop)
            finally:
                for upload in begun:
                    await run_to_completion(upload.close)

    def close(self) -> None:
        """End the threads, once all calls have ended."""
        self._reading.shutdown()

    async def _read(
        self,
        requests: AsyncIterator[datasets_pb2.UploadDatasetRequest],
        stream: UploadStream,
        begun: list[FileUpload],
    ) -> None:
        while (request := await self._streams.next(requests, stream)) is not None:
            part = request.WhichOneof("part")
            if not begun:
                if part != "header":
                    raise InvalidRequest(_HEADER_MISSING, pointer="header")
                await run_to_completion(partial(self._begin, request.header, begun))
            elif part == "chunk":
                await run_to_completion(partial(begun[0].add, request.chunk.data, offset=request.chunk.offset))
            elif part == "header":
                raise InvalidRequest("sent twice; only the first message is a header", pointer="header")
            else:
                raise InvalidRequest("expected a chunk, got an empty message", pointer="chunk")
        if not begun:
            raise InvalidRequest(_HEADER_MISSING, pointer="header")

    def _begin(self, header: datasets_pb2.FileHeader, begun: list[FileUpload]) -> None:
        begun.append(self._datasets.upload(read_file_header(header)))
