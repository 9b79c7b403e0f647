"""Receiving uploads: how many streams at once, how long one may be silent, what happens to one that breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from layerwise.errors import Place
from layerwise_proto.v1 import training_pb2
from layerwise_service.domain.jobs import Job
from layerwise_service.errors import Exhausted, InvalidRequest, ServiceError, TimedOut, Unavailable
from layerwise_service.rpc.converters import read_batch, read_labels, read_spec
from layerwise_service.usecases.training import TrainingJobs
from layerwise_service.usecases.upload import Submission, Upload

_HEADER_MISSING = "missing; the first message of the stream must be a header"
_STOPPING_SECONDS = 0.5  # how long a sender may pause while the service stops
_SILENT_SECONDS = 2.0  # how long a sender may pause while another waits for its place

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Stream:
    """A stream that is being read. While it is silent, `silent_since` and `limit`, its deadline, are set."""

    silent_since: float = 0.0
    limit: asyncio.Timeout | None = None
    gives_way: bool = False


class UploadReceiver:
    """Reads the streams of `Train`, at most `max_uploads` at once, each silent for at most `idle_seconds`.

    When one stream too many arrives, the one that has been silent for longest is ended to make room for it.
    """

    def __init__(self, training: TrainingJobs, *, max_uploads: int, idle_seconds: float) -> None:
        self._training = training
        self._max_uploads = max_uploads
        self._idle_seconds = idle_seconds
        self._streams: set[_Stream] = set()
        self._stopping = False

    async def receive(self, requests: AsyncIterator[training_pb2.TrainRequest]) -> Job:
        """Read the stream to its end and queue the job; after an error nothing of it is kept.

        Raises `Exhausted` if there are too many streams, `TimedOut` if this one falls silent, `Unavailable` if it does
        so while the service stops or another stream needs its place, `InvalidRequest` if the contents are wrong.
        """
        with self._admitted() as stream:
            begun: list[Upload] = []  # filled by the thread, so that it is known here even if this call is cancelled
            try:
                await self._read(requests, stream, begun)
                return await _run_to_completion(begun[0].submit)
            except BaseException:  # a cancelled call leaves nothing behind either
                for upload in begun:
                    await _run_to_completion(upload.discard)
                raise

    def stop(self) -> None:
        """End streams that are silent; those that send go on."""
        self._stopping = True
        soon = asyncio.get_running_loop().time() + _STOPPING_SECONDS
        for stream in self._streams:
            if stream.limit is not None:
                stream.limit.reschedule(soon)

    @contextmanager
    def _admitted(self) -> Generator[_Stream]:
        if len(self._streams) >= self._max_uploads:
            self._make_room()
        stream = _Stream()
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    def _make_room(self) -> None:
        """End the stream that has been silent for longest. Raises `Exhausted` if all of them are sending."""
        now = asyncio.get_running_loop().time()
        silent = [stream for stream in self._streams if stream.limit is not None]
        longest = min(silent, key=lambda stream: stream.silent_since, default=None)
        if longest is None or longest.limit is None or now - longest.silent_since < _SILENT_SECONDS:
            detail = f"{len(self._streams)} callers are sending rows, the most allowed (max_uploads); try again"
            raise Exhausted(detail, reason="TOO_MANY_UPLOADS", retry_after=5)
        longest.gives_way = True
        longest.limit.reschedule(now)
        self._streams.remove(longest)

    async def _read(
        self, requests: AsyncIterator[training_pb2.TrainRequest], stream: _Stream, begun: list[Upload]
    ) -> None:
        batches = 0
        while (request := await self._next(requests, stream)) is not None:
            part = request.WhichOneof("part")
            if not begun:
                if part != "header":
                    raise InvalidRequest(_HEADER_MISSING, pointer="header")
                await _run_to_completion(partial(self._begin, request.header, begun))
            elif part == "batch":
                await _run_to_completion(partial(_add, begun[0], request.batch, batches))
                batches += 1
            elif part == "header":
                raise InvalidRequest("sent twice; only the first message is a header", pointer="header")
            else:
                raise InvalidRequest("expected a batch, got an empty message", pointer=Place("batches", batches))
        if not begun:
            raise InvalidRequest(_HEADER_MISSING, pointer="header")

    def _begin(self, header: training_pb2.TrainHeader, begun: list[Upload]) -> None:
        begun.append(self._training.upload(_submission(header)))

    async def _next(
        self, requests: AsyncIterator[training_pb2.TrainRequest], stream: _Stream
    ) -> training_pb2.TrainRequest | None:
        """Return the next message; None at the end of the stream.

        gRPC ends the stream of a caller that was killed like any other, so only the number of rows shows whether the
        stream is complete.
        """
        limit = asyncio.timeout(_STOPPING_SECONDS if self._stopping else self._idle_seconds)
        stream.silent_since = asyncio.get_running_loop().time()
        try:
            async with limit:
                stream.limit = limit
                return await anext(requests, None)
        except TimeoutError as error:
            raise self._silent(stream) from error
        finally:
            stream.limit = None

    def _silent(self, stream: _Stream) -> ServiceError:
        if stream.gives_way:
            detail = f"nothing was sent for {_SILENT_SECONDS:g} s while another caller was waiting to send"
            return Unavailable(
                f"{detail}; the rows received so far are discarded: send all of them again, without a pause",
                reason="UPLOAD_GAVE_WAY",
                retry_after=5,
            )
        if self._stopping:
            return Unavailable("the service is stopping; send the rows again when it is back")
        detail = f"nothing was sent for {self._idle_seconds:g} s; the rows received are discarded: send them again"
        return TimedOut(detail, reason="UPLOAD_IDLE")


async def _run_to_completion(work: Callable[[], T]) -> T:
    """Run `work` in a thread, to its end even if this call is cancelled: no files are removed while it writes."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):  # cancelled again, by a server that stops
                await asyncio.wait([running])
        running.exception()  # marks it as retrieved: the caller is gone
        raise
    finally:
        del running  # its error would keep this frame alive, and with it the rows that `work` holds


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
    )
