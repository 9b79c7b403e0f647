"""layerwise.v1.ModelService and PredictionService."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc import aio

from layerwise_proto.v1 import models_pb2
from layerwise_proto.v1.models_pb2_grpc import ModelServiceServicer, PredictionServiceServicer
from layerwise_service.prediction import Predictor
from layerwise_service.registry import Registry
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

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def Predict(self, request: models_pb2.PredictRequest, context: Context) -> models_pb2.PredictResponse:
        rows = read_tensor(request.rows, at="rows")
        prediction = await asyncio.to_thread(
            self._predictor.predict, rows, model=request.model or None, version=request.version or None, at="rows"
        )
        return write_prediction(prediction)
