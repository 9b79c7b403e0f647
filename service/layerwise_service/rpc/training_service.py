"""layerwise.v1.TrainingService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from layerwise_proto.v1 import training_pb2
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceServicer
from layerwise_service.domain.job_states import JobState
from layerwise_service.errors import InvalidRequest, NotFound
from layerwise_service.rpc.converters import write_version
from layerwise_service.rpc.job_converters import (
    read_changed_labels,
    read_dataset_job,
    read_filter,
    write_job,
    write_job_summary,
)
from layerwise_service.rpc.job_feed import JobFeed
from layerwise_service.rpc.limited_threads import LimitedThreads
from layerwise_service.rpc.upload_receiver import UploadReceiver
from layerwise_service.usecases.dataset_jobs import DatasetJobs
from layerwise_service.usecases.registry import Registry
from layerwise_service.usecases.training import TrainingJobs

Context = aio.ServicerContext[Any, Any]


class TrainingServicer(TrainingServiceServicer):
    """Converts the request, calls a use-case, converts the result: in threads, since a long list takes a while."""

    def __init__(
        self,
        training: TrainingJobs,
        dataset_jobs: DatasetJobs,
        registry: Registry,
        *,
        feed: JobFeed,
        uploads: UploadReceiver,
        creating: LimitedThreads,
    ) -> None:
        """Jobs on datasets are made in the threads of `creating`, since their rows take a while."""
        self._training = training
        self._dataset_jobs = dataset_jobs
        self._registry = registry
        self._feed = feed
        self._uploads = uploads
        self._creating = creating

    async def Train(
        self, request_iterator: AsyncIterator[training_pb2.TrainRequest], context: Context
    ) -> AsyncIterator[training_pb2.TrainEvent]:
        job = await self._uploads.receive(request_iterator)
        yield training_pb2.TrainEvent(accepted=await asyncio.to_thread(write_job, job))
        async for event in self._follow(job.id, from_step=0):
            yield event

    async def WatchJob(
        self, request: training_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[training_pb2.TrainEvent]:
        if request.from_step < 0:
            raise InvalidRequest(f"expected at least 0, got {request.from_step}", pointer="from_step")
        accepted = await self._feed.once(("job", request.job_id), self._accepted, request.job_id)
        yield accepted
        async for event in self._follow(accepted.accepted.id, from_step=request.from_step):
            yield event

    async def CreateJob(self, request: training_pb2.CreateJobRequest, context: Context) -> training_pb2.Job:
        return await self._creating.run(lambda: write_job(self._dataset_jobs.create(read_dataset_job(request))))

    async def GetJob(self, request: training_pb2.GetJobRequest, context: Context) -> training_pb2.Job:
        return await asyncio.to_thread(lambda: write_job(self._training.get(request.job_id)))

    async def ListJobs(self, request: training_pb2.ListJobsRequest, context: Context) -> training_pb2.ListJobsResponse:
        return await asyncio.to_thread(self._list_jobs, request)

    async def CancelJob(self, request: training_pb2.CancelJobRequest, context: Context) -> training_pb2.Job:
        if request.keep not in training_pb2.Keep.values():
            raise InvalidRequest(f"expected a value of the enum Keep, got {request.keep}", pointer="keep")
        finish = request.keep == training_pb2.KEEP_BEST
        return await asyncio.to_thread(lambda: write_job(self._training.cancel(request.job_id, finish=finish)))

    async def PauseJob(self, request: training_pb2.PauseJobRequest, context: Context) -> training_pb2.Job:
        return await asyncio.to_thread(lambda: write_job(self._training.pause(request.job_id)))

    async def ResumeJob(self, request: training_pb2.ResumeJobRequest, context: Context) -> training_pb2.Job:
        epochs = request.epochs if request.HasField("epochs") else None
        return await asyncio.to_thread(lambda: write_job(self._training.resume(request.job_id, epochs=epochs)))

    async def UpdateJob(self, request: training_pb2.UpdateJobRequest, context: Context) -> training_pb2.Job:
        labels, note = read_changed_labels(request), request.note if request.HasField("note") else None
        return await asyncio.to_thread(
            lambda: write_job(self._training.update(request.job_id, labels=labels, note=note))
        )

    async def DeleteJob(
        self, request: training_pb2.DeleteJobRequest, context: Context
    ) -> training_pb2.DeleteJobResponse:
        await asyncio.to_thread(self._training.delete, request.job_id)
        return training_pb2.DeleteJobResponse()

    def _list_jobs(self, request: training_pb2.ListJobsRequest) -> training_pb2.ListJobsResponse:
        wanted = read_filter(request)
        page = self._training.page(wanted, page_size=request.page_size, page_token=request.page_token)
        jobs = [write_job_summary(job) for job in page.items]
        return training_pb2.ListJobsResponse(jobs=jobs, next_page_token=page.next_token)

    def _accepted(self, job: str) -> training_pb2.TrainEvent:
        return training_pb2.TrainEvent(accepted=write_job(self._training.get(job)))

    async def _follow(self, job: str, *, from_step: int) -> AsyncIterator[training_pb2.TrainEvent]:
        state = JobState.QUEUED
        sent = from_step  # a job that is trained again repeats its first steps: each step is sent once
        async for event, messages in self._feed.follow(job, from_step=from_step):
            if event.record is not None:
                if event.record.step <= sent:
                    continue
                sent = event.record.step
            for message in messages:
                yield message
            if event.transition is not None:
                state = event.transition.state
        last = await self._feed.once(("end", job), self._last_event, job, state)
        if last is not None:
            yield last

    def _last_event(self, job_id: str, state: JobState) -> training_pb2.TrainEvent | None:
        job = self._training.get(job_id)
        if state is JobState.SUCCEEDED and job.version is not None:
            try:
                version = self._registry.version(job.model, job.version)
            except NotFound:  # it was deleted since
                return None
            return training_pb2.TrainEvent(published=write_version(version))
        if state is JobState.FAILED:
            return training_pb2.TrainEvent(failure=write_job(job).failure)
        return None
