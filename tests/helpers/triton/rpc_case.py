"""A case of the comparison with Triton over gRPC: requests of one method, and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from helpers.triton.statistics import growth, without_numbers
from layerwise_proto.oip.grpc_service_pb2 import ModelStatisticsRequest, ModelStatisticsResponse
from layerwise_proto.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub

Stub = GRPCInferenceServiceStub


@dataclass(frozen=True)
class RpcCase:
    """Requests in their order, each with its method; of a stream, all requests belong to one call.

    With `counted`, what they add to the model's statistics is recorded instead of the answers.
    """

    name: str
    calls: tuple[tuple[str, Message], ...]
    stream: bool = False
    counted: bool = False
    compressed: bool = False


def rpc_answers(stub: Stub, case: RpcCase) -> Any:
    """The answers of a case as they are recorded: of one request its answer, of more a list."""
    if case.counted:
        return growth(lambda: _statistics(stub), lambda: _answers(stub, case))
    found = _answers(stub, case)
    return found[0] if len(found) == 1 and not case.stream else found


def _statistics(stub: Stub) -> dict[str, Any]:
    found = stub.ModelStatistics(ModelStatisticsRequest(name="bench", version="1"))
    return MessageToDict(found.model_stats[0], preserving_proto_field_name=True)


def _answers(stub: Stub, case: RpcCase) -> list[Any]:
    if case.stream:
        return _streamed(stub, case)
    compression = grpc.Compression.Gzip if case.compressed else None
    found = []
    for method, request in case.calls:
        try:
            message = getattr(stub, method)(request, timeout=20, compression=compression)
            found.append({"status": "OK", "message": _plain(message)})
        except grpc.RpcError as error:
            found.append(_failure(error))
    return found


def _streamed(stub: Stub, case: RpcCase) -> list[Any]:
    """What a stream answers, each request sent when the one before has its answer, and how the stream ends."""
    requests: SimpleQueue[Any] = SimpleQueue()
    stream = iter(stub.ModelStreamInfer(iter(requests.get, None), timeout=20))
    found: list[Any] = []
    try:
        for _, request in case.calls:
            requests.put(request)
            found.append(_plain(next(stream)))
        requests.put(None)
        return [*found, *map(_plain, stream), {"status": "OK"}]
    except grpc.RpcError as error:
        return [*found, _failure(error)]
    finally:
        requests.put(None)


def _failure(error: Any) -> dict[str, str]:
    return {"status": error.code().name, "error": error.details().partition("\n")[0]}


def _plain(message: Message) -> dict[str, Any]:
    zeros = isinstance(message, ModelStatisticsResponse)
    found = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=zeros)
    return without_numbers(found)
