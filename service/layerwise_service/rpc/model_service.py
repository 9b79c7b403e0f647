"""layerwise.v1.ModelService and PredictionService."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import Any

from grpc import aio

from layerwise_proto.v1 import models_pb2
from layerwise_proto.v1.models_pb2_grpc import ModelServiceServicer, PredictionServiceServicer
from layerwise_service.prediction import Predictor
from layerwise_service.registry import Registry
from layerwise_service.rpc.tables import read_table
from layerwise_service.rpc.translate import read_tensor, write_model, write_prediction

Context = aio.ServicerContext[Any, Any]


class ModelFace(ModelServiceServicer):
    """Translates, calls a use-case, translates back."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: Context
    ) -> models_pb2.ListModelsResponse:
        models, token = await asyncio.to_thread(
            self._registry.page, page_size=request.page_size, page_token=request.page_token
        )
        return models_pb2.ListModelsResponse(models=[write_model(model) for model in models], next_page_token=token)

    async def GetModel(self, request: models_pb2.GetModelRequest, context: Context) -> models_pb2.Model:
        return write_model(await asyncio.to_thread(self._registry.get, request.name))

    async def SetAlias(self, request: models_pb2.SetAliasRequest, context: Context) -> models_pb2.Model:
        model = await asyncio.to_thread(self._registry.set_alias, request.model, request.alias, request.version)
        return write_model(model)


class PredictionFace(PredictionServiceServicer):
    """Translates, calls a use-case, translates back."""

    def __init__(self, predictor: Predictor, threads: Executor) -> None:
        self._predictor = predictor
        self._threads = threads  # of its own: matrix products must not keep calls to the stores waiting

    async def Predict(self, request: models_pb2.PredictRequest, context: Context) -> models_pb2.PredictResponse:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._predict, request)

    def _predict(self, request: models_pb2.PredictRequest) -> models_pb2.PredictResponse:
        at = request.WhichOneof("data") or "rows"
        rows = read_table(request.table, at=at) if at == "table" else read_tensor(request.rows, at=at)
        model, version = request.model or None, request.version or None
        return write_prediction(self._predictor.predict(rows, model=model, version=version, at=at))
