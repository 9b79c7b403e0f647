"""Taking rows in: how many streams at once, how long one may be silent, what becomes of one that breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

from layerwise_proto.v1 import training_pb2
from layerwise_service.errors import Exhausted, InvalidRequest, TimedOut, Unavailable
from layerwise_service.jobs import Job
from layerwise_service.rpc.translate import read_batch, read_labels, read_spec
from layerwise_service.training import Submission, Training, Upload

_HEADER_MISSING = "missing; the first message of the stream must be a header"
_STOPPING_SECONDS = 0.5  # how long a sender may pause while the service stops

T = TypeVar("T")


class Intake:
    """Reads the streams of `Train`, at most `max_uploads` at once, each silent for at most `idle_seconds`."""

    def __init__(self, training: Training, *, max_uploads: int, idle_seconds: float) -> None:
        self._training = training
        self._max_uploads = max_uploads
        self._idle_seconds = idle_seconds
        self._uploads = 0
        self._waiting: set[asyncio.Timeout] = set()
        self._stopping = False

    async def take_in(self, requests: AsyncIterator[training_pb2.TrainRequest]) -> Job:
        """Reads the stream to its end and queues the job; on any trouble before that, nothing is left of it.

        Raises `Exhausted` if there are too many streams, `TimedOut` if this one falls silent, `Unavailable` if it
        does while the service stops, and whatever is wrong with what is sent.
        """
        with self._counted():
            begun: list[Upload] = []  # filled in the thread: known here even if the call is cancelled meanwhile
            try:
                await self._read(requests, begun)
                return await _to_its_end(begun[0].submit)
            except BaseException:  # a cancelled call too leaves nothing behind
                for upload in begun:
                    await asyncio.shield(asyncio.to_thread(upload.discard))
                raise

    def stop(self) -> None:
        """Gives up on senders that are silent; those that send go on."""
        self._stopping = True
        soon = asyncio.get_running_loop().time() + _STOPPING_SECONDS
        for waiting in self._waiting:
            waiting.reschedule(soon)

    @contextmanager
    def _counted(self) -> Generator[None]:
        if self._uploads >= self._max_uploads:
            detail = f"{self._uploads} callers are sending rows, as many as are allowed; try again"
            raise Exhausted(detail, reason="TOO_MANY_UPLOADS", retry_after=5)
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    async def _read(self, requests: AsyncIterator[training_pb2.TrainRequest], begun: list[Upload]) -> None:
        batches = 0
        while (request := await self._next(requests)) is not None:
            part = request.WhichOneof("part")
            if not begun:
                if part != "header":
                    raise InvalidRequest(_HEADER_MISSING, pointer="header")
                await _to_its_end(partial(self._begin, request.header, begun))
            elif part == "batch":
                await _to_its_end(partial(_add, begun[0], request.batch, batches))
                batches += 1
            elif part == "header":
                raise InvalidRequest("sent twice; only the first message is a header", pointer="header")
            else:
                raise InvalidRequest("expected a batch, got an empty message", pointer=f"batches[{batches}]")
        if not begun:
            raise InvalidRequest(_HEADER_MISSING, pointer="header")

    def _begin(self, header: training_pb2.TrainHeader, begun: list[Upload]) -> None:
        begun.append(self._training.upload(_submission(header)))

    async def _next(self, requests: AsyncIterator[training_pb2.TrainRequest]) -> training_pb2.TrainRequest | None:
        """The next message; None at the end of the stream.

        gRPC ends the stream of a caller that broke off like any other: that all rows came tells a whole one.
        """
        waiting = asyncio.timeout(_STOPPING_SECONDS if self._stopping else self._idle_seconds)
        try:
            async with waiting:
                self._waiting.add(waiting)
                return await anext(requests, None)
        except TimeoutError as error:
            if self._stopping:
                raise Unavailable("the service is stopping; send the rows again when it is back") from error
            detail = f"nothing was sent for {self._idle_seconds:g} s; the rows that came are not kept"
            raise TimedOut(detail, reason="UPLOAD_IDLE") from error
        finally:
            self._waiting.discard(waiting)


async def _to_its_end(work: Callable[[], T]) -> T:
    """Runs `work` in a thread, to its end even if this call is cancelled: nobody takes files away while it writes."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):  # cancelled again, by a server that stops
                await asyncio.wait([running])
        running.exception()  # told to nobody: the caller is gone
        raise
    finally:
        del running  # its error would keep this frame, and with it the rows that `work` has


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
