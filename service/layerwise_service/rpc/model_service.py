"""layerwise.v1.ModelService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from layerwise_proto.v1 import models_pb2
from layerwise_proto.v1.models_pb2_grpc import ModelServiceServicer
from layerwise_service.rpc.alias_converters import read_condition, write_move
from layerwise_service.rpc.converters import write_labels, write_model, write_version, write_version_summary
from layerwise_service.rpc.table_converters import write_columns
from layerwise_service.rpc.version_files import VersionFiles
from layerwise_service.usecases.aliases import Aliases
from layerwise_service.usecases.registry import ColumnSource, Registry

Context = aio.ServicerContext[Any, Any]


class ModelServicer(ModelServiceServicer):
    """Converts the request, calls a use-case, converts the result: in threads, since pages may be large."""

    def __init__(self, registry: Registry, aliases: Aliases, files: VersionFiles) -> None:
        self._registry = registry
        self._aliases = aliases
        self._files = files

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: Context
    ) -> models_pb2.ListModelsResponse:
        return await asyncio.to_thread(self._list_models, request)

    async def GetModel(self, request: models_pb2.GetModelRequest, context: Context) -> models_pb2.Model:
        return write_model(await asyncio.to_thread(self._registry.get, request.name))

    async def ListVersions(
        self, request: models_pb2.ListVersionsRequest, context: Context
    ) -> models_pb2.ListVersionsResponse:
        return await asyncio.to_thread(self._list_versions, request)

    async def GetVersion(self, request: models_pb2.GetVersionRequest, context: Context) -> models_pb2.ModelVersion:
        return await asyncio.to_thread(
            lambda: write_version(self._registry.version(request.model, request.version)),
        )

    async def ListClasses(
        self, request: models_pb2.ListClassesRequest, context: Context
    ) -> models_pb2.ListClassesResponse:
        return await asyncio.to_thread(self._list_classes, request)

    async def ListColumns(
        self, request: models_pb2.ListColumnsRequest, context: Context
    ) -> models_pb2.ListColumnsResponse:
        return await asyncio.to_thread(self._list_columns, request)

    async def ListCategories(
        self, request: models_pb2.ListCategoriesRequest, context: Context
    ) -> models_pb2.ListCategoriesResponse:
        return await asyncio.to_thread(self._list_categories, request)

    async def SetAlias(self, request: models_pb2.SetAliasRequest, context: Context) -> models_pb2.Model:
        return await asyncio.to_thread(
            lambda: write_model(
                self._aliases.set(request.model, request.alias, request.version, read_condition(request))
            )
        )

    async def RollbackAlias(self, request: models_pb2.RollbackAliasRequest, context: Context) -> models_pb2.Model:
        return await asyncio.to_thread(
            lambda: write_model(self._aliases.rollback(request.model, request.alias, read_condition(request)))
        )

    async def DeleteAlias(self, request: models_pb2.DeleteAliasRequest, context: Context) -> models_pb2.Model:
        return await asyncio.to_thread(
            lambda: write_model(self._aliases.delete(request.model, request.alias, read_condition(request)))
        )

    async def ListAliasMoves(
        self, request: models_pb2.ListAliasMovesRequest, context: Context
    ) -> models_pb2.ListAliasMovesResponse:
        moves = await asyncio.to_thread(self._aliases.moves, request.model, request.alias)
        return models_pb2.ListAliasMovesResponse(moves=map(write_move, moves))

    async def DeleteVersion(
        self, request: models_pb2.DeleteVersionRequest, context: Context
    ) -> models_pb2.DeleteVersionResponse:
        await asyncio.to_thread(self._registry.delete_version, request.model, request.version)
        return models_pb2.DeleteVersionResponse()

    async def ImportVersion(
        self, request_iterator: AsyncIterator[models_pb2.ImportVersionRequest], context: Context
    ) -> models_pb2.ImportVersionResponse:
        return await self._files.receive(request_iterator)

    async def DownloadVersion(
        self, request: models_pb2.DownloadVersionRequest, context: Context
    ) -> AsyncIterator[models_pb2.DownloadVersionResponse]:
        async for response in self._files.send(request):
            yield response

    def _list_models(self, request: models_pb2.ListModelsRequest) -> models_pb2.ListModelsResponse:
        page = self._registry.page(page_size=request.page_size, page_token=request.page_token)
        models = [write_model(model) for model in page.items]
        return models_pb2.ListModelsResponse(models=models, next_page_token=page.next_token)

    def _list_versions(self, request: models_pb2.ListVersionsRequest) -> models_pb2.ListVersionsResponse:
        size, token = request.page_size, request.page_token
        page = self._registry.versions(request.model, page_size=size, page_token=token)
        versions = [write_version_summary(version) for version in page.items]
        return models_pb2.ListVersionsResponse(versions=versions, next_page_token=page.next_token)

    def _list_classes(self, request: models_pb2.ListClassesRequest) -> models_pb2.ListClassesResponse:
        size, token = request.page_size, request.page_token
        page = self._registry.classes(request.model, request.version, page_size=size, page_token=token)
        classes = write_labels(page.items) if page.items else None
        return models_pb2.ListClassesResponse(classes=classes, next_page_token=page.next_token)

    def _list_columns(self, request: models_pb2.ListColumnsRequest) -> models_pb2.ListColumnsResponse:
        page = self._registry.columns(
            ColumnSource(request.model, request.version, request.job_id),
            page_size=request.page_size,
            page_token=request.page_token,
            with_categories=request.with_categories,
        )
        return models_pb2.ListColumnsResponse(columns=write_columns(page.items), next_page_token=page.next_token)

    def _list_categories(self, request: models_pb2.ListCategoriesRequest) -> models_pb2.ListCategoriesResponse:
        source = ColumnSource(request.model, request.version, request.job_id)
        size, token = request.page_size, request.page_token
        page = self._registry.categories(source, request.column, page_size=size, page_token=token)
        return models_pb2.ListCategoriesResponse(categories=page.items, next_page_token=page.next_token)
