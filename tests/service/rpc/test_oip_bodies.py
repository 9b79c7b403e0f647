"""Requests of the Open Inference Protocol over gRPC that are wrong: refused with the status of a caller's error."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import DecodeError

from helpers.published import publish
from helpers.rpc_requests import running_rpc
from helpers.triton.infer_requests import BINARY, ROW
from helpers.triton.ours import CLASSES, publish_all
from helpers.triton.rpc_case import Stub
from helpers.triton.rpc_requests import COLOUR, COLOURS, FRESH, RAW_TABLE, SIZE, SIZES, request, tensor
from layerwise import MLP, Architecture, Layer
from layerwise_proto.oip import grpc_service_pb2 as oip
from layerwise_service.settings import Settings

CALLERS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,
}
"""The statuses of errors that the caller made."""


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    settings = Settings(home=str(tmp_path_factory.mktemp("bodies") / "home"), rpc_address="127.0.0.1:0")
    publish_all(settings)
    huge = MLP(Architecture(2, (Layer(4, "relu"), Layer(2))), seed=0)
    huge.parameters[:] = 3e38
    huge.labels = ("no", "yes")
    publish(settings, "huge", huge, CLASSES, labels=("no", "yes"))
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as channel:
        yield Stub(channel)


def status(stub: Stub, sent: oip.ModelInferRequest) -> grpc.StatusCode:
    """The status of an answer: OK, or an error of the caller's with a message."""
    try:
        stub.ModelInfer(sent, timeout=20)
    except grpc.RpcError as error:
        failed: Any = error
        assert failed.code() in CALLERS, failed
        assert failed.details()
        assert len(failed.details()) < 2_000
        assert "Traceback" not in failed.details()
        code: grpc.StatusCode = failed.code()
        return code
    return grpc.StatusCode.OK


NO_TEXTS = tensor([2, 1], "colour", "BYTES", bytes_contents=[b"\xff", b"a"])
ONE_INFINITE = tensor([2, 1], "size", "FP64", fp64_contents=[1e999])
WRONG = {
    "a name of 100,000 letters": request(tensor(name="i" * 100_000), raw=[BINARY]),
    "a datatype of 100,000 letters": request(tensor(datatype="F" * 100_000), raw=[BINARY]),
    "a shape of 100,000 dimensions": request(tensor([1] * 100_000), raw=[BINARY]),
    "a shape whose product overflows": request(tensor([2**62] * 8), raw=[BINARY]),
    "a shape of zeros": request(tensor([0, 0]), raw=[b""]),
    "10,000 inputs": request(*[tensor()] * 10_000, raw=[BINARY] * 10_000),
    "10,000 raw contents": request(tensor(), raw=[b""] * 10_000),
    "10,000 unknown outputs": request(outputs=map(str, range(10_000))),
    "infinite numbers": request(tensor(), raw=[np.full(30, np.inf, "<f4").tobytes()]),
    "texts that are no UTF-8": request(SIZE, NO_TEXTS, FRESH, model="table"),
    "a text longer than its bytes": request(*RAW_TABLE, raw=[SIZES, b"\xff" * 4 + COLOURS, b"\1\0"], model="table"),
    "an infinite number, and too few": request(ONE_INFINITE, COLOUR, FRESH, model="table"),
    "texts as numbers": request(tensor(datatype="BYTES", bytes_contents=[b"1"] * 30)),
    "contents of another kind": request(tensor(datatype="INT64", uint_contents=[1] * 30)),
    "whole numbers beyond their datatype": request(tensor(datatype="INT8", int_contents=[1000] * 30)),
    "numbers that FP32 does not hold": request(tensor(datatype="FP64", fp64_contents=[*ROW[:29], 0.1234567890123])),
}


@pytest.mark.parametrize("sent", WRONG.values(), ids=list(WRONG))
def test_59_a_request_that_is_wrong_is_refused(sent: oip.ModelInferRequest, stub: Stub) -> None:
    assert status(stub, sent) is grpc.StatusCode.INVALID_ARGUMENT


def test_61_outputs_that_are_no_numbers_are_refused_not_sent(stub: Stub) -> None:
    for wanted in ("probabilities", "label", "logits"):
        sent = request(tensor([1, 2], fp32_contents=[1, 1]), model="huge", outputs=[wanted])
        assert status(stub, sent) in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)


@pytest.mark.parametrize("model", ["bench", "table"])
def test_a_request_that_is_changed_at_random_is_answered_or_refused(model: str, stub: Stub) -> None:
    draw = random.Random(model)
    whole = [request(id="7", parameters={"a": oip.InferParameter(int64_param=1)}), request(tensor(fp32_contents=ROW))]
    if model == "table":
        raw = [SIZES, COLOURS, b"\1\0"]
        whole = [request(SIZE, COLOUR, FRESH, model=model), request(*RAW_TABLE, raw=raw, model=model)]
    found = set()
    for body in (one.SerializeToString() for one in whole):
        for _ in range(1_000):
            at = draw.randrange(len(body))
            sent = body[:at] + bytes([draw.randrange(256)]) * draw.randrange(3) + body[at + 1 :]
            try:
                changed = oip.ModelInferRequest.FromString(sent)
            except DecodeError:
                continue
            found.add(status(stub, changed))

    assert found >= {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}


def test_a_stream_that_is_changed_at_random_answers_each_request(stub: Stub) -> None:
    draw = random.Random("stream")
    requests = []
    for number in range(200):
        sent = request(id=str(number), model=draw.choice(["bench", "nobody", "table", ""]))
        sent.inputs[0].shape[draw.randrange(2)] = draw.choice([-1, 0, 1, 2, 30, 2**62])
        requests.append(sent)

    answers = list(stub.ModelStreamInfer(iter(requests), timeout=60))

    assert [answer.infer_response.id for answer in answers] == [sent.id for sent in requests]
    assert any(answer.error_message for answer in answers)


@pytest.mark.parametrize(
    "name", ["", "..", "../bench", "%2e%2e", "a/b", "\0", "a" * 5_000, "ＢＥＮＣＨ", ".bench", "b#?", "bench\n"]
)
def test_47_names_and_versions_that_are_none_are_not_found(name: str, stub: Stub) -> None:
    asked: list[Any] = [
        lambda: stub.ModelMetadata(oip.ModelMetadataRequest(name=name)),
        lambda: stub.ModelConfig(oip.ModelConfigRequest(name=name)),
        lambda: stub.ModelInfer(request(model=name)),
        lambda: stub.RepositoryModelLoad(oip.RepositoryModelLoadRequest(model_name=name)),
    ]
    if name:  # without a version the latest is meant, and without a model the statistics of all
        asked += [
            lambda: stub.ModelMetadata(oip.ModelMetadataRequest(name="bench", version=name)),
            lambda: stub.ModelInfer(request(model_version=name)),
            lambda: stub.ModelStatistics(oip.ModelStatisticsRequest(name=name)),
            lambda: stub.ModelStatistics(oip.ModelStatisticsRequest(name="bench", version=name)),
        ]
    for ask in asked:
        with pytest.raises(grpc.RpcError) as caught:
            ask()
        failed: Any = caught.value
        assert failed.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT), failed
        assert len(failed.details()) < 2_000
    assert not stub.ModelReady(oip.ModelReadyRequest(name=name)).ready
    stub.RepositoryModelUnload(
        oip.RepositoryModelUnloadRequest(model_name=name)
    )  # as in Triton: there is none to unload
