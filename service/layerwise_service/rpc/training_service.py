"""layerwise.v1.TrainingService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, TypeVar

from grpc import aio

from layerwise_proto.v1 import training_pb2
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceServicer
from layerwise_service.errors import InvalidRequest
from layerwise_service.jobs import Job, JobState
from layerwise_service.registry import Registry
from layerwise_service.rpc.feed import JobFeed
from layerwise_service.rpc.translate import (
    read_batch,
    read_labels,
    read_spec,
    read_state,
    write_job,
    write_record,
    write_transition,
    write_version,
)
from layerwise_service.training import Submission, Training, Upload

_HEADER_MISSING = "missing; the first message of the stream must be a header"

T = TypeVar("T")
Context = aio.ServicerContext[Any, Any]


class TrainingFace(TrainingServiceServicer):
    """Translates, calls a use-case, translates back."""

    def __init__(self, training: Training, registry: Registry, feed: JobFeed) -> None:
        self._training = training
        self._registry = registry
        self._feed = feed

    async def Train(
        self, request_iterator: AsyncIterator[training_pb2.TrainRequest], context: Context
    ) -> AsyncIterator[training_pb2.TrainEvent]:
        job = await self._take_in(request_iterator, context)
        yield training_pb2.TrainEvent(accepted=write_job(job))
        async for event in self._follow(job.id, from_step=0):
            yield event

    async def WatchJob(
        self, request: training_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[training_pb2.TrainEvent]:
        if request.from_step < 0:
            raise InvalidRequest(f"expected at least 0, got {request.from_step}", pointer="from_step")
        job = await asyncio.to_thread(self._training.get, request.job_id)
        yield training_pb2.TrainEvent(accepted=write_job(job))
        async for event in self._follow(job.id, from_step=request.from_step):
            yield event

    async def GetJob(self, request: training_pb2.GetJobRequest, context: Context) -> training_pb2.Job:
        return write_job(await asyncio.to_thread(self._training.get, request.job_id))

    async def ListJobs(self, request: training_pb2.ListJobsRequest, context: Context) -> training_pb2.ListJobsResponse:
        jobs, token = await asyncio.to_thread(
            self._training.page,
            model=request.model,
            state=read_state(request.state),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return training_pb2.ListJobsResponse(jobs=[write_job(job) for job in jobs], next_page_token=token)

    async def CancelJob(self, request: training_pb2.CancelJobRequest, context: Context) -> training_pb2.Job:
        return write_job(await asyncio.to_thread(self._training.cancel, request.job_id))

    async def _take_in(self, requests: AsyncIterator[training_pb2.TrainRequest], context: Context) -> Job:
        """Reads the stream to its end and queues the job; on any trouble before that, nothing is left of it."""
        begun: list[Upload] = []  # filled in the thread: known here even if the call is cancelled meanwhile
        batches = 0
        try:
            async for request in requests:
                part = request.WhichOneof("part")
                if not begun:
                    if part != "header":
                        raise InvalidRequest(_HEADER_MISSING, pointer="header")
                    submission = _submission(request.header)
                    await _to_its_end(lambda: begun.append(self._training.upload(submission)))  # noqa: B023
                elif part == "batch":
                    rows, expected = read_batch(request.batch, batches)
                    await _to_its_end(partial(begun[0].add, rows, expected))
                    batches += 1
                elif part == "header":
                    raise InvalidRequest("sent twice; only the first message is a header", pointer="header")
                else:
                    raise InvalidRequest("expected a batch, got an empty message", pointer=f"batches[{batches}]")
            if context.cancelled():  # gRPC ends the stream of a caller that broke off like any other
                raise asyncio.CancelledError
            if not begun:
                raise InvalidRequest(_HEADER_MISSING, pointer="header")
            return await _to_its_end(begun[0].submit)
        except BaseException:  # a cancelled call too leaves nothing behind
            for upload in begun:
                await asyncio.shield(asyncio.to_thread(upload.discard))
            raise

    async def _follow(self, job_id: str, *, from_step: int) -> AsyncIterator[training_pb2.TrainEvent]:
        told = from_step  # a job that is trained again tells its first steps again: each step is told once
        async for event in self._feed.follow(job_id):
            if (record := event.record) is not None and record.step > told:
                told = record.step
                yield training_pb2.TrainEvent(record=write_record(record))
            if (change := event.transition) is not None:
                yield training_pb2.TrainEvent(transition=write_transition(change))
                if change.state.ended and (last := await self._last_event(job_id, change.state)) is not None:
                    yield last

    async def _last_event(self, job_id: str, state: JobState) -> training_pb2.TrainEvent | None:
        job = await asyncio.to_thread(self._training.get, job_id)
        if state is JobState.SUCCEEDED and job.version is not None:
            version = await asyncio.to_thread(self._registry.version, job.model, job.version)
            return training_pb2.TrainEvent(published=write_version(version))
        if state is JobState.FAILED:
            return training_pb2.TrainEvent(failure=write_job(job).failure)
        return None


async def _to_its_end(work: Callable[[], T]) -> T:
    """Runs `work` in a thread, to its end even if this call is cancelled: nobody takes files away while it writes."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _submission(header: training_pb2.TrainHeader) -> Submission:
    return Submission(
        model=header.model,
        architecture=read_spec(header.architecture),
        plan=read_spec(header.plan),
        request_id=header.request_id or None,
        classes=read_labels(header.classes) if header.HasField("classes") else None,
        rows=header.rows if header.HasField("rows") else None,
    )
