"""Receiving the rows of a job: what happens to a stream that breaks off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from layerwise.errors import Place
from layerwise_proto.v1 import training_pb2
from layerwise_service.domain.jobs import Job
from layerwise_service.errors import InvalidRequest
from layerwise_service.rpc.converters import read_batch, read_labels, read_spec
from layerwise_service.rpc.job_converters import read_notes
from layerwise_service.rpc.upload_streams import UploadStream, UploadStreams, run_to_completion
from layerwise_service.usecases.training import TrainingJobs
from layerwise_service.usecases.upload import Submission, Upload

_HEADER_MISSING = "missing; the first message of the stream must be a header"
_WHAT_NEXT = "the rows received are discarded: send all of them again, without a pause"


class UploadReceiver:
    """Reads the streams of `Train`."""

    def __init__(self, training: TrainingJobs, streams: UploadStreams) -> None:
        self._training = training
        self._streams = streams

    async def receive(self, requests: AsyncIterator[training_pb2.TrainRequest]) -> Job:
        """Read the stream to its end and queue the job; after an error nothing of it is kept.

        Raises `Exhausted` if there are too many streams, `TimedOut` if this one falls silent, `Unavailable` if it does
        so while the service stops or another stream needs its place, `InvalidRequest` if the contents are wrong.
        """
        with self._streams.counted("the rows", what_next=_WHAT_NEXT) as stream:
            begun: list[Upload] = []  # filled by the thread, so that it is known here even if this call is cancelled
            try:
                await self._read(requests, stream, begun)
                return await run_to_completion(begun[0].submit)
            except BaseException:  # a cancelled call leaves nothing behind either
                for upload in begun:
                    await run_to_completion(upload.discard)
                raise

    async def _read(
        self, requests: AsyncIterator[training_pb2.TrainRequest], stream: UploadStream, begun: list[Upload]
    ) -> None:
        batches = 0
        while (request := await self._streams.next(requests, stream)) is not None:
            part = request.WhichOneof("part")
            if not begun:
                if part != "header":
                    raise InvalidRequest(_HEADER_MISSING, pointer="header")
                await run_to_completion(partial(self._begin, request.header, begun))
            elif part == "batch":
                await run_to_completion(partial(_add, begun[0], request.batch, batches))
                batches += 1
            elif part == "header":
                raise InvalidRequest("sent twice; only the first message is a header", pointer="header")
            else:
                raise InvalidRequest("expected a batch, got an empty message", pointer=Place("batches", batches))
        if not begun:
            raise InvalidRequest(_HEADER_MISSING, pointer="header")

    def _begin(self, header: training_pb2.TrainHeader, begun: list[Upload]) -> None:
        begun.append(self._training.upload(_submission(header)))


def _add(upload: Upload, batch: training_pb2.TrainBatch, number: int) -> None:
    upload.add(read_batch(batch, number))


def _submission(header: training_pb2.TrainHeader) -> Submission:
    return Submission(
        model=header.model,
        architecture=read_spec(header.architecture),
        plan=read_spec(header.plan),
        rows=header.rows,
        request_id=header.request_id or None,
        classes=read_labels(header.classes) if header.HasField("classes") else None,
        start_from=(header.start_from.model, header.start_from.version) if header.HasField("start_from") else None,
        encoder=read_spec(header.encoder) if header.HasField("encoder") else None,
        held_out=header.held_out,
        notes=read_notes(header),
    )
