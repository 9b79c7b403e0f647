"""Predictions that nobody waits for any more are not computed; all calls that predict are counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from helpers.rpc_requests import tensor
from helpers.waiting import wait_until
from layerwise_proto.oip import grpc_service_pb2 as oip
from layerwise_proto.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from layerwise_proto.v1 import models_pb2
from layerwise_proto.v1.models_pb2_grpc import PredictionServiceStub
from layerwise_service.domain.models import Version
from layerwise_service.errors import STATUS, ServiceError
from layerwise_service.process import step_threads
from layerwise_service.process.prediction_request import PredictionRequest
from layerwise_service.usecases.loaded_version import LoadedVersion
from layerwise_service.usecases.outputs import Prediction

MANY = np.zeros((30_000, 2), np.float32)
"""Rows that are not predicted in the event loop."""
TURNS = step_threads._TURNS


class HeldPredictions:
    """Predictions begin, and end once they are let go; `arrived` and `left` are the calls for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrived = self.begun = self.left = 0
        self.go = threading.Event()
        original = LoadedVersion.predict
        lock = threading.Lock()

        def predict(version: LoadedVersion, rows: Any, **options: Any) -> Prediction:
            with lock:
                self.begun += 1
            assert self.go.wait(20)
            return original(version, rows, **options)

        enter, leave = PredictionRequest.__enter__, PredictionRequest.__exit__

        def arrive(request: PredictionRequest) -> PredictionRequest:
            self.arrived += 1
            return enter(request)

        def go_away(request: PredictionRequest, *error: Any) -> None:
            leave(request, *error)
            self.left += 1

        monkeypatch.setattr(LoadedVersion, "predict", predict)
        monkeypatch.setattr(PredictionRequest, "__exit__", go_away)
        monkeypatch.setattr(PredictionRequest, "__enter__", arrive)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, publish: Callable[..., Version]) -> Iterator[HeldPredictions]:
    publish("xor")
    found = HeldPredictions(monkeypatch)
    yield found
    found.go.set()


def infer(**parameters: int) -> oip.ModelInferRequest:
    given = {name: oip.InferParameter(int64_param=value) for name, value in parameters.items()}
    sent = oip.ModelInferRequest(model_name="xor", raw_input_contents=[MANY.tobytes()], parameters=given)
    sent.inputs.add(name="input", datatype="FP32", shape=MANY.shape)
    return sent


def predict_request() -> models_pb2.PredictRequest:
    return models_pb2.PredictRequest(model="xor", rows=tensor(MANY))


CALLS: dict[str, Callable[[grpc.Channel], tuple[Any, Any]]] = {
    "ModelInfer": lambda channel: (GRPCInferenceServiceStub(channel).ModelInfer, infer()),
    "Predict": lambda channel: (PredictionServiceStub(channel).Predict, predict_request()),
}


def hold_all_turns(channel: grpc.Channel, held: HeldPredictions) -> list[Any]:
    stub = PredictionServiceStub(channel)
    calls = [stub.Predict.future(predict_request(), timeout=30) for _ in range(TURNS)]
    wait_until(lambda: held.begun == TURNS)
    return calls


@pytest.mark.parametrize("name", CALLS)
def test_a_call_whose_deadline_passes_while_it_waits_is_not_computed(
    channel: grpc.Channel, held: HeldPredictions, name: str
) -> None:
    calls = hold_all_turns(channel, held)
    call, request = CALLS[name](channel)

    with pytest.raises(grpc.RpcError) as late:
        call(request, timeout=0.2)
    wait_until(lambda: held.left == 1)
    held.go.set()

    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED  # type: ignore[attr-defined]
    for each in calls:
        each.result()
    call(request, timeout=20)
    assert held.begun == TURNS + 1


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_cancelled_while_it_waits_is_not_computed(
    channel: grpc.Channel, held: HeldPredictions, name: str
) -> None:
    calls = hold_all_turns(channel, held)
    call, request = CALLS[name](channel)

    cancelled = call.future(request)
    wait_until(lambda: held.arrived == TURNS + 1)
    cancelled.cancel()
    wait_until(lambda: held.left == 1)
    held.go.set()

    for each in calls:
        each.result()
    call(request, timeout=20)
    assert held.begun == TURNS + 1


def test_a_request_whose_parameter_timeout_passes_while_it_waits_is_not_computed(
    channel: grpc.Channel, held: HeldPredictions
) -> None:
    stub = GRPCInferenceServiceStub(channel)
    calls = hold_all_turns(channel, held)

    hurried = stub.ModelInfer.future(infer(timeout=1), timeout=30)
    patient = stub.ModelInfer.future(infer(timeout=60_000_000), timeout=30)
    wait_until(lambda: held.arrived == TURNS + 2)
    held.go.set()

    with pytest.raises(grpc.RpcError, match="was over before it was computed"):
        hurried.result()
    assert hurried.code() == grpc.StatusCode.UNAVAILABLE
    assert len(patient.result().outputs) > 0
    for each in calls:
        each.result()
    assert held.begun == TURNS + 1


def test_a_passed_deadline_has_the_code_of_one_that_is_not_tried_again() -> None:
    late = PredictionRequest(seconds=0)
    limited = PredictionRequest(seconds=60)
    limited.limit(0)

    for request, code in ((late, 4), (limited, 14)):
        with pytest.raises(ServiceError) as caught:
            request.check()
        assert (STATUS[caught.value.kind][0], caught.value.reason) == (code, "DEADLINE_EXCEEDED")


def test_time_spent_waiting_for_a_thread_is_counted_as_such(channel: grpc.Channel, held: HeldPredictions) -> None:
    def queued() -> int:
        asked = oip.ModelStatisticsRequest(name="xor", version="1")
        stats = GRPCInferenceServiceStub(channel).ModelStatistics(asked, timeout=10).model_stats
        return int(stats[0].inference_stats.queue.ns)

    before = queued()
    calls = hold_all_turns(channel, held)
    last = PredictionServiceStub(channel).Predict.future(predict_request(), timeout=30)
    wait_until(lambda: held.arrived == TURNS + 1)
    with pytest.raises(grpc.FutureTimeoutError):
        last.result(timeout=0.2)
    held.go.set()

    for each in (*calls, last):
        each.result()
    assert queued() - before >= 200_000_000
