"""inference.GRPCInferenceService: the Open Inference Protocol v2 with Triton's extensions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict
from grpc import aio

from layerwise_proto.oip import grpc_service_pb2 as oip
from layerwise_proto.oip.grpc_service_pb2_grpc import GRPCInferenceServiceServicer
from layerwise_service.errors import NotFound, ServiceError, Unsupported
from layerwise_service.process.step_threads import StepThreads
from layerwise_service.rpc.oip_converters import read_infer_request, write_infer_answer, write_metadata
from layerwise_service.rpc.predicting import prediction_request
from layerwise_service.usecases.oip.facade import Oip
from layerwise_service.usecases.oip.metadata import EXTENSIONS, NAME, server_version
from layerwise_service.usecases.oip.settings import LOG, TRACE, check_log, check_trace

_PARAMETERS = {bool: "bool_param", int: "uint32_param", str: "string_param"}
"""The field of a setting's message for each type of value."""
Context = aio.ServicerContext[Any, Any]
T = TypeVar("T")


class OipServicer(GRPCInferenceServiceServicer):
    """Converts the request, calls a use-case, converts the result.

    What takes little time is done in the event loop: to hand it to a thread would take as long again.
    """

    def __init__(self, use_cases: Oip, threads: StepThreads) -> None:
        self._inference = use_cases.inference
        self._metadata = use_cases.metadata
        self._repository = use_cases.repository
        self._statistics = use_cases.statistics
        self._threads = threads

    async def ServerLive(self, request: oip.ServerLiveRequest, context: Context) -> oip.ServerLiveResponse:
        return oip.ServerLiveResponse(live=True)

    async def ServerReady(self, request: oip.ServerReadyRequest, context: Context) -> oip.ServerReadyResponse:
        return oip.ServerReadyResponse(ready=await asyncio.to_thread(self._metadata.ready))

    async def ModelReady(self, request: oip.ModelReadyRequest, context: Context) -> oip.ModelReadyResponse:
        ready = await self._run(lambda: self._metadata.model_ready(request.name, request.version))
        return oip.ModelReadyResponse(ready=ready)

    async def ServerMetadata(self, request: oip.ServerMetadataRequest, context: Context) -> oip.ServerMetadataResponse:
        return oip.ServerMetadataResponse(name=NAME, version=server_version(), extensions=EXTENSIONS)

    async def ModelMetadata(self, request: oip.ModelMetadataRequest, context: Context) -> oip.ModelMetadataResponse:
        return await self._run(lambda: write_metadata(self._metadata.model(request.name, request.version)))

    async def ModelInfer(self, request: oip.ModelInferRequest, context: Context) -> oip.ModelInferResponse:
        return await self._infer(request, context)

    async def ModelStreamInfer(
        self, request_iterator: AsyncIterator[oip.ModelInferRequest], context: Context
    ) -> AsyncIterator[oip.ModelStreamInferResponse]:
        async for each in request_iterator:
            try:
                answer = await self._infer(each, context)
            except ServiceError as error:  # it fails this request alone; the stream goes on
                empty = oip.ModelInferResponse(id=each.id)
                yield oip.ModelStreamInferResponse(error_message=str(error), infer_response=empty)
            else:
                answer.parameters["triton_final_response"].bool_param = True
                yield oip.ModelStreamInferResponse(infer_response=answer)

    async def ModelConfig(self, request: oip.ModelConfigRequest, context: Context) -> oip.ModelConfigResponse:
        config = await self._run(lambda: self._metadata.config(request.name, request.version))
        return ParseDict({"config": config}, oip.ModelConfigResponse(), ignore_unknown_fields=True)

    async def ModelStatistics(
        self, request: oip.ModelStatisticsRequest, context: Context
    ) -> oip.ModelStatisticsResponse:
        found = await asyncio.to_thread(self._statistics.of, request.name, request.version)
        return ParseDict({"model_stats": found}, oip.ModelStatisticsResponse())

    async def RepositoryIndex(
        self, request: oip.RepositoryIndexRequest, context: Context
    ) -> oip.RepositoryIndexResponse:
        _check_repository(request.repository_name)
        found = await self._run(self._repository.index)
        chosen = [each for each in found if each["state"] == "READY"] if request.ready else found
        return ParseDict({"models": chosen}, oip.RepositoryIndexResponse())

    async def RepositoryModelLoad(
        self, request: oip.RepositoryModelLoadRequest, context: Context
    ) -> oip.RepositoryModelLoadResponse:
        _check_repository(request.repository_name)
        await self._run(lambda: self._repository.load(request.model_name, request.parameters))
        return oip.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(
        self, request: oip.RepositoryModelUnloadRequest, context: Context
    ) -> oip.RepositoryModelUnloadResponse:
        await self._run(lambda: self._repository.unload(request.model_name))
        return oip.RepositoryModelUnloadResponse()

    async def SystemSharedMemoryStatus(
        self, request: oip.SystemSharedMemoryStatusRequest, context: Context
    ) -> oip.SystemSharedMemoryStatusResponse:
        _check_region(request.name)
        return oip.SystemSharedMemoryStatusResponse()

    async def SystemSharedMemoryRegister(
        self, request: oip.SystemSharedMemoryRegisterRequest, context: Context
    ) -> oip.SystemSharedMemoryRegisterResponse:
        raise _no_shared_memory()

    async def SystemSharedMemoryUnregister(
        self, request: oip.SystemSharedMemoryUnregisterRequest, context: Context
    ) -> oip.SystemSharedMemoryUnregisterResponse:
        return oip.SystemSharedMemoryUnregisterResponse()

    async def CudaSharedMemoryStatus(
        self, request: oip.CudaSharedMemoryStatusRequest, context: Context
    ) -> oip.CudaSharedMemoryStatusResponse:
        _check_region(request.name)
        return oip.CudaSharedMemoryStatusResponse()

    async def CudaSharedMemoryRegister(
        self, request: oip.CudaSharedMemoryRegisterRequest, context: Context
    ) -> oip.CudaSharedMemoryRegisterResponse:
        raise _no_shared_memory()

    async def CudaSharedMemoryUnregister(
        self, request: oip.CudaSharedMemoryUnregisterRequest, context: Context
    ) -> oip.CudaSharedMemoryUnregisterResponse:
        return oip.CudaSharedMemoryUnregisterResponse()

    async def TraceSetting(self, request: oip.TraceSettingRequest, context: Context) -> oip.TraceSettingResponse:
        await self._run(lambda: self._repository.check_model(request.model_name))
        check_trace({name: setting.value for name, setting in request.settings.items()})
        settings = {name: {"value": list(values)} for name, values in TRACE.items()}
        return ParseDict({"settings": settings}, oip.TraceSettingResponse())

    async def LogSettings(self, request: oip.LogSettingsRequest, context: Context) -> oip.LogSettingsResponse:
        check_log({name: _value(setting) for name, setting in request.settings.items()})
        settings = {name: {_PARAMETERS[type(value)]: value} for name, value in LOG.items()}
        return ParseDict({"settings": settings}, oip.LogSettingsResponse())

    async def _infer(self, request: oip.ModelInferRequest, context: Context) -> oip.ModelInferResponse:
        with prediction_request(context, self._threads):
            return write_infer_answer(await self._inference.infer(read_infer_request(request)), request)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _value(setting: oip.LogSettingsRequest.SettingValue) -> object:
    kind = setting.WhichOneof("parameter_choice")
    return getattr(setting, kind) if kind else None


def _check_repository(name: str) -> None:
    if name:
        raise Unsupported("repository_name is not supported: there is one repository")


def _check_region(name: str) -> None:
    if name:
        raise NotFound(f"there is no region of shared memory {name[:64]!r}")


def _no_shared_memory() -> Unsupported:
    return Unsupported("this service reads no shared memory; send the tensors in the request")
