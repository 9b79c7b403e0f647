"""A real gRPC server whose answers the test writes, and a client of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from layerwise_client import Client
from layerwise_proto.v1 import errors_pb2, models_pb2_grpc, training_pb2, training_pb2_grpc


class ScriptedService:
    """Answers each call by the function set for its name; keeps the requests, streams as lists."""

    def __init__(self) -> None:
        self.address = ""
        self.answers: dict[str, Callable[..., Any]] = {}
        self.requests: dict[str, list[Any]] = {}
        self.metadata: dict[str, str | bytes] = {}

    def called(self, name: str) -> int:
        return len(self.requests.get(name, []))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The servicer's method `name`, such as GetJob."""

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self.metadata = dict(context.invocation_metadata())
            self.requests.setdefault(name, []).append(request)
            return self.answers[name](request, context)

        return answer

    @staticmethod
    def fail(
        context: grpc.ServicerContext, code: grpc.StatusCode, message: str, reason: str = "", **metadata: str
    ) -> None:
        """Ends the call with a status; with a `reason`, also with the service's ErrorInfo."""
        if reason:
            info = errors_pb2.ErrorInfo(reason=reason, domain="layerwise", metadata=metadata)
            packed = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info.SerializeToString())
            status = errors_pb2.ErrorStatus(code=code.value[0], message=message, details=[packed])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, message)

    @staticmethod
    def job(state: str = "RUNNING", **fields: Any) -> training_pb2.Job:
        """A job of the model "digits" that trains for 3 epochs."""
        fields = {"id": "job-1", "model": "digits", "metric": "accuracy", **fields}
        job = training_pb2.Job(state=training_pb2.JobState.Value(f"JOB_STATE_{state}"), **fields)
        job.plan.epochs = 3
        return job

    @staticmethod
    def record(step: int) -> training_pb2.TrainEvent:
        """The record of an epoch that is one step long."""
        return training_pb2.TrainEvent(
            record=training_pb2.TrainRecord(step=step, epoch=step, loss=1 / step, metric=0.5)
        )


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    script = ScriptedService()
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 8 << 20)])
    training_pb2_grpc.add_TrainingServiceServicer_to_server(script, server)
    models_pb2_grpc.add_ModelServiceServicer_to_server(script, server)
    models_pb2_grpc.add_PredictionServiceServicer_to_server(script, server)
    script.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield script
    server.stop(grace=0).wait(5)


@pytest.fixture
def client(service: ScriptedService) -> Iterator[Client]:
    with Client(service.address, timeout=5) as client:
        yield client
