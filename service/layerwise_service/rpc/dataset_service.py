"""layerwise.v1.DatasetService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from layerwise_proto.v1 import datasets_pb2, profiles_pb2
from layerwise_proto.v1.datasets_pb2_grpc import DatasetServiceServicer
from layerwise_service.rpc.converters import read_task
from layerwise_service.rpc.dataset_converters import write_dataset, write_dataset_summary, write_profile, write_rows
from layerwise_service.rpc.dataset_receiver import DatasetReceiver
from layerwise_service.rpc.limited_threads import LimitedThreads
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.profiles import Profiles

Context = aio.ServicerContext[Any, Any]


class DatasetServicer(DatasetServiceServicer):
    """Converts the request, calls a use-case, converts the result: in threads, since rows take a while."""

    def __init__(
        self, datasets: Datasets, profiles: Profiles, uploads: DatasetReceiver, *, profiling: LimitedThreads
    ) -> None:
        """Profiles are made in the threads of `profiling`, since they take a while."""
        self._datasets = datasets
        self._profiles = profiles
        self._profiling = profiling
        self._uploads = uploads

    async def UploadDataset(
        self, request_iterator: AsyncIterator[datasets_pb2.UploadDatasetRequest], context: Context
    ) -> datasets_pb2.Dataset:
        dataset = await self._uploads.receive(request_iterator)
        return await asyncio.to_thread(write_dataset, dataset)

    async def GetUpload(self, request: datasets_pb2.GetUploadRequest, context: Context) -> datasets_pb2.Upload:
        offset = await asyncio.to_thread(self._datasets.offset, request.upload_id)
        return datasets_pb2.Upload(upload_id=request.upload_id, offset=offset)

    async def GetDataset(self, request: datasets_pb2.GetDatasetRequest, context: Context) -> datasets_pb2.Dataset:
        return await asyncio.to_thread(lambda: write_dataset(self._datasets.get(request.id)))

    async def ListDatasets(
        self, request: datasets_pb2.ListDatasetsRequest, context: Context
    ) -> datasets_pb2.ListDatasetsResponse:
        return await asyncio.to_thread(self._list, request)

    async def DeleteDataset(
        self, request: datasets_pb2.DeleteDatasetRequest, context: Context
    ) -> datasets_pb2.DeleteDatasetResponse:
        await asyncio.to_thread(self._datasets.delete, request.id)
        return datasets_pb2.DeleteDatasetResponse()

    async def PreviewDataset(
        self, request: datasets_pb2.PreviewDatasetRequest, context: Context
    ) -> datasets_pb2.DatasetRows:
        return await asyncio.to_thread(self._preview, request)

    async def GetProfile(self, request: profiles_pb2.GetProfileRequest, context: Context) -> profiles_pb2.Profile:
        return await self._profiling.run(lambda: self._profile(request))

    def _list(self, request: datasets_pb2.ListDatasetsRequest) -> datasets_pb2.ListDatasetsResponse:
        page = self._datasets.page(page_size=request.page_size, page_token=request.page_token)
        datasets = [write_dataset_summary(dataset) for dataset in page.items]
        return datasets_pb2.ListDatasetsResponse(datasets=datasets, next_page_token=page.next_token)

    def _preview(self, request: datasets_pb2.PreviewDatasetRequest) -> datasets_pb2.DatasetRows:
        return write_rows(self._datasets.rows(request.id, offset=request.offset, limit=request.limit))

    def _profile(self, request: profiles_pb2.GetProfileRequest) -> profiles_pb2.Profile:
        found = self._profiles.get(
            request.id,
            target=request.target,
            validation=request.validation,
            task=read_task(request.task),
            ignore=request.ignore,
            quick=request.quick,
        )
        return write_profile(found)
