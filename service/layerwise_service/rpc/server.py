"""The gRPC server: its limits, its health, its shutdown."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import structlog
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from layerwise_proto.oip import grpc_service_pb2
from layerwise_proto.oip.grpc_service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from layerwise_proto.v1 import datasets_pb2, models_pb2, training_pb2
from layerwise_proto.v1.datasets_pb2_grpc import add_DatasetServiceServicer_to_server
from layerwise_proto.v1.models_pb2_grpc import (
    add_ModelServiceServicer_to_server,
    add_PredictionServiceServicer_to_server,
)
from layerwise_proto.v1.training_pb2_grpc import add_TrainingServiceServicer_to_server
from layerwise_service.process.lifecycle import AddressInUse
from layerwise_service.process.loops import AsyncLoop, Loop, late
from layerwise_service.process.ports import Share
from layerwise_service.process.step_threads import StepThreads
from layerwise_service.rpc.dataset_receiver import DatasetReceiver
from layerwise_service.rpc.dataset_service import DatasetServicer
from layerwise_service.rpc.error_boundary import ErrorBoundary
from layerwise_service.rpc.health import HealthServicer
from layerwise_service.rpc.job_feed import JobFeed
from layerwise_service.rpc.limited_threads import LimitedThreads
from layerwise_service.rpc.model_service import ModelServicer
from layerwise_service.rpc.oip_service import OipServicer
from layerwise_service.rpc.prediction_service import PredictionServicer
from layerwise_service.rpc.training_service import TrainingServicer
from layerwise_service.rpc.upload_receiver import UploadReceiver
from layerwise_service.rpc.upload_streams import UploadStreams
from layerwise_service.rpc.version_files import VersionFiles
from layerwise_service.settings import Settings
from layerwise_service.usecases.aliases import Aliases
from layerwise_service.usecases.dataset_jobs import DatasetJobs
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.evaluations import EVALUATIONS_AT_ONCE, Evaluations
from layerwise_service.usecases.file_prediction import FilePredictor
from layerwise_service.usecases.model_files import ModelFiles
from layerwise_service.usecases.oip.facade import Oip
from layerwise_service.usecases.prediction import VersionPredictor
from layerwise_service.usecases.profiles import PROFILES_AT_ONCE, Profiles
from layerwise_service.usecases.readiness import Readiness
from layerwise_service.usecases.registry import Registry
from layerwise_service.usecases.training import TrainingJobs

log = structlog.get_logger()

_THREADS = 16  # calls to the stores at the same time; others wait
_PREDICTIONS_AT_ONCE = 64  # most of which wait for those that compute, and then go together with others
_JOBS_AT_ONCE = 4  # made of datasets
_MOST_ANSWER = 4  # times the largest message that may be sent to the service
_SWEEP_SECONDS = 60.0  # short, since files left behind by killed uploads may be large
_SWEEP_LATE_SECONDS = 3600.0
_HEALTH_SECONDS = 1.0
_PREDICTIONS = models_pb2.DESCRIPTOR.services_by_name["PredictionService"].full_name
_OIP = grpc_service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
_NAMES = (
    training_pb2.DESCRIPTOR.services_by_name["TrainingService"].full_name,
    datasets_pb2.DESCRIPTOR.services_by_name["DatasetService"].full_name,
    models_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
    _PREDICTIONS,
    _OIP,
)


class RpcServer:
    """The gRPC services, which call these use-cases. `start` and `stop` must be called in the same event loop."""

    def __init__(
        self,
        *,
        training: TrainingJobs,
        model_files: ModelFiles,
        datasets: Datasets,
        profiles: Profiles,
        dataset_jobs: DatasetJobs,
        registry: Registry,
        aliases: Aliases,
        predictor: VersionPredictor,
        file_predictor: FilePredictor,
        evaluations: Evaluations,
        oip: Oip,
        sweep: Callable[[], None],
        readiness: Readiness,
        loops: Sequence[Loop],
        close: Callable[[], None],
        share: Share | None = None,
        settings: Settings,
    ) -> None:
        self._sweep = sweep
        self._readiness = readiness
        self._close = close
        self._sweeping = AsyncLoop("sweep", self._sweep_once, every=_SWEEP_SECONDS, late_after=_SWEEP_LATE_SECONDS)
        self._health_loop = AsyncLoop("health", self._update_health, every=_HEALTH_SECONDS)
        self._settings = settings
        self._feed = JobFeed(training)
        self._hanging: list[str] = []
        own = share or Share()
        self._sweeps = own.place == 0
        self._loops = (*loops, self._feed.loop, *((self._sweeping,) if self._sweeps else ()))
        self._uploads = UploadStreams(
            max_uploads=max(1, settings.max_uploads // own.count), idle_seconds=settings.upload_idle_seconds
        )
        self._files = DatasetReceiver(datasets, self._uploads, threads=settings.max_uploads)
        self._version_files = VersionFiles(model_files, self._uploads)
        self._predicting = StepThreads(_PREDICTIONS_AT_ONCE, name="predict")
        self._creating = LimitedThreads(_JOBS_AT_ONCE, "jobs on datasets")
        self._profiling = LimitedThreads(PROFILES_AT_ONCE, "profiles")
        self._evaluating = LimitedThreads(EVALUATIONS_AT_ONCE, "evaluations")
        # a thread of its own: calls that wait for a disk that hangs may hold all other threads
        self._checking = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._health = HealthServicer()
        self._boundary = ErrorBoundary(max_answer_bytes=_MOST_ANSWER * settings.max_message_bytes)
        self._server = aio.server(options=_options(settings, shared=share is not None))
        guarded = self._boundary.around(self._server)
        add_TrainingServiceServicer_to_server(
            TrainingServicer(
                training,
                dataset_jobs,
                registry,
                feed=self._feed,
                uploads=UploadReceiver(training, self._uploads),
                creating=self._creating,
            ),
            guarded,
        )
        add_DatasetServiceServicer_to_server(
            DatasetServicer(datasets, profiles, self._files, profiling=self._profiling), guarded
        )
        add_ModelServiceServicer_to_server(ModelServicer(registry, aliases, self._version_files), guarded)
        add_PredictionServiceServicer_to_server(
            PredictionServicer(predictor, file_predictor, evaluations, self._predicting, evaluating=self._evaluating),
            guarded,
        )
        add_GRPCInferenceServiceServicer_to_server(OipServicer(oip, self._predicting), guarded)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, guarded)
        if settings.reflection:
            names = (*_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME)
            generated = cast(Any, reflection_pb2_grpc)  # without types
            generated.add_ServerReflectionServicer_to_server(reflection.aio.ReflectionServicer(names), guarded)

    async def start(self) -> str:
        """Start to answer, and return the address, its port filled in. Raises `AddressInUse`."""
        address = self._settings.rpc_address
        host = address.rpartition(":")[0]
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise AddressInUse(
                f"cannot listen at {address}: does another process? Choose another address with --rpc HOST:PORT"
            ) from error
        await self._server.start()
        await self._update_health()
        self._feed.loop.start()
        if self._sweeps:
            self._sweeping.start()
        self._health_loop.start()
        return f"{host}:{port}"

    async def stop(self) -> None:
        """End watchers, give running calls `stop_seconds` to finish, stop, and close the stores."""
        await self._health_loop.stop()
        await self._set_health(whole=False, predictions=False)
        await self._health.end()
        self._uploads.stop()
        await self._feed.close()
        await self._sweeping.stop()
        await self._server.stop(self._settings.stop_seconds)
        await self._boundary.ended()
        self._predicting.shutdown(cancel_futures=True)
        self._creating.close()
        self._profiling.close()
        self._evaluating.close()
        self._files.close()
        self._version_files.close()
        self._checking.shutdown()
        await asyncio.to_thread(self._close)

    async def _sweep_once(self) -> None:
        await asyncio.to_thread(self._sweep)

    async def _update_health(self) -> None:
        """Set the health of each service: not serving while a background loop has not completed for too long."""
        hanging = late(self._loops)
        if hanging and not self._hanging:
            log.error("loops_hang", loops=hanging)
        self._hanging = hanging
        report = await asyncio.get_running_loop().run_in_executor(self._checking, self._readiness.report)
        await self._set_health(
            whole=not hanging and _all_ok(report.whole), predictions=not hanging and _all_ok(report.predictions)
        )

    async def _set_health(self, *, whole: bool, predictions: bool) -> None:
        status = health_pb2.HealthCheckResponse
        for name in ("", *_NAMES):
            ready = predictions if name in (_PREDICTIONS, _OIP) else whole
            await self._health.set(name, status.SERVING if ready else status.NOT_SERVING)


def _all_ok(checks: Mapping[str, str]) -> bool:
    return all(outcome == "ok" for outcome in checks.values())


async def serve_rpc(server: RpcServer, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; call `ready` with the address."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="rpc"))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    address = await server.start()
    log.info("rpc_listens", address=address)
    ready(address)
    await stopping.wait()
    log.info("rpc_stops")
    await server.stop()


def _options(settings: Settings, *, shared: bool) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", _MOST_ANSWER * settings.max_message_bytes),
        ("grpc.max_metadata_size", 16 * 1024),
        # of one connection, which all watchers of a program share; a further call would wait without an error
        ("grpc.max_concurrent_streams", 1_024),
        # Two services on one port would answer by turns, unnoticed: one that shares a port has reserved it first.
        ("grpc.so_reuseport", int(shared)),
        # A caller whose machine is gone is noticed within 40 s. One that pings more often than every 10 s is cut off.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]
