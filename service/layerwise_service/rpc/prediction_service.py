"""layerwise.v1.PredictionService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from layerwise_proto.v1 import models_pb2
from layerwise_proto.v1.models_pb2_grpc import PredictionServiceServicer
from layerwise_service.errors import InvalidRequest
from layerwise_service.process.step_threads import StepThreads
from layerwise_service.process.threads import in_thread, in_turn, run_now
from layerwise_service.rpc.converters import read_tensor, write_prediction
from layerwise_service.rpc.dataset_converters import (
    read_dataset_request,
    read_version_names,
    write_evaluations,
    write_predicted_rows,
)
from layerwise_service.rpc.limited_threads import LimitedThreads
from layerwise_service.rpc.predicting import prediction_request
from layerwise_service.rpc.table_converters import read_typed_table, write_signature
from layerwise_service.usecases.evaluations import Evaluations
from layerwise_service.usecases.file_prediction import FilePredictor
from layerwise_service.usecases.prediction import VersionPredictor

Context = aio.ServicerContext[Any, Any]
_AT_ONCE = 2**16  # bytes of a request that is read in the event loop


class PredictionServicer(PredictionServiceServicer):
    """Converts the request, calls a use-case, converts the result."""

    def __init__(
        self,
        predictor: VersionPredictor,
        files: FilePredictor,
        evaluations: Evaluations,
        threads: StepThreads,
        *,
        evaluating: LimitedThreads,
    ) -> None:
        self._predictor = predictor
        self._files = files
        self._evaluations = evaluations
        self._evaluating = evaluating
        self._threads = threads  # separate threads: matrix products must not delay calls to the stores

    async def Predict(self, request: models_pb2.PredictRequest, context: Context) -> models_pb2.PredictResponse:
        with prediction_request(context, self._threads):
            if request.ByteSize() > _AT_ONCE:
                return await in_turn(lambda: run_now(self._predict(request)))
            return await self._predict(request)

    async def PredictDataset(
        self, request: models_pb2.PredictDatasetRequest, context: Context
    ) -> AsyncIterator[models_pb2.PredictedRows]:
        if request.offset < 0:
            raise InvalidRequest(f"expected at least 0, got {request.offset}", pointer="offset")
        with prediction_request(context, self._threads):
            found = await asyncio.to_thread(self._files.predict, read_dataset_request(request))
        blocks, unused = found.blocks(request.offset), found.unused

        def next_rows() -> models_pb2.PredictedRows | None:
            rows = next(blocks, None)
            return None if rows is None else write_predicted_rows(rows, found.kept, unused)

        while True:
            with prediction_request(context, self._threads) as block:
                block.found(found.version.model, found.version.version)
                message = await in_thread(next_rows)
            if message is None:
                break
            yield message
            unused = ()

    async def EvaluateDataset(
        self, request: models_pb2.EvaluateDatasetRequest, context: Context
    ) -> models_pb2.EvaluateDatasetResponse:
        versions = read_version_names(request.versions)
        return await self._evaluating.run(
            lambda: write_evaluations(self._evaluations.evaluate(request.dataset, request.target, versions))
        )

    async def GetSignature(self, request: models_pb2.GetSignatureRequest, context: Context) -> models_pb2.Signature:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._signature, request)

    def _signature(self, request: models_pb2.GetSignatureRequest) -> models_pb2.Signature:
        return write_signature(self._predictor.signature(model=request.model or None, version=request.version or None))

    async def _predict(self, request: models_pb2.PredictRequest) -> models_pb2.PredictResponse:
        at = request.WhichOneof("data") or "rows"
        rows = read_typed_table(request.table, at=at) if at == "table" else read_tensor(request.rows, at=at)
        model, version = request.model or None, request.version or None
        found = await self._predictor.predict_soon(rows, model=model, version=version, at=at, explain=request.explain)
        return write_prediction(found)
