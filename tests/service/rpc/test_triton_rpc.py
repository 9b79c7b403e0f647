"""gRPC answers as a Triton does; what a Triton answered is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from helpers.rpc_requests import running_rpc
from helpers.triton.comparison import differences
from helpers.triton.meant import RPC_MEANT, unmeant
from helpers.triton.ours import publish_all
from helpers.triton.perf_analyzer import replay
from helpers.triton.record import load
from helpers.triton.rpc_case import RpcCase, Stub, rpc_answers
from helpers.triton.rpc_requests import RPC_CASES, request, tensor
from layerwise_proto.oip import grpc_service_pb2 as oip
from layerwise_service.settings import Settings

RECORDED = load("rpc")


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    settings = Settings(home=str(tmp_path_factory.mktemp("triton") / "home"), rpc_address="127.0.0.1:0")
    publish_all(settings)
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as channel:
        yield Stub(channel)


@pytest.mark.parametrize("case", RPC_CASES, ids=lambda case: case.name)
def test_grpc_answers_as_triton_does(case: RpcCase, stub: Stub) -> None:
    found = differences(RECORDED[case.name], rpc_answers(stub, case))

    assert unmeant(case.name, found, RPC_MEANT) == []


def test_each_recorded_answer_has_its_request_and_each_meant_difference_a_case() -> None:
    names = [case.name for case in RPC_CASES]

    assert names == list(RECORDED)
    assert all(any(each.concerns(name) for name in names) for each in RPC_MEANT)


def test_perf_analyzer_finds_what_it_needs_over_grpc(stub: Stub) -> None:
    asks: dict[str, Callable[[], Message]] = {
        "metadata": lambda: stub.ModelMetadata(oip.ModelMetadataRequest(name="bench")),
        "config": lambda: stub.ModelConfig(oip.ModelConfigRequest(name="bench")).config,
        "server": lambda: stub.ServerMetadata(oip.ServerMetadataRequest()),
        "statistics": lambda: stub.ModelStatistics(oip.ModelStatisticsRequest(name="bench")),
    }

    def ask(what: str) -> dict[str, Any]:
        zeros = what == "statistics"
        return MessageToDict(asks[what](), preserving_proto_field_name=True, always_print_fields_with_no_presence=zeros)

    def infer(inputs: int, names: list[str]) -> int:
        sent = request(tensor([1, inputs]), raw=[bytes(4 * inputs)], outputs=names)
        return len(stub.ModelInfer(sent).raw_output_contents)

    replay(ask, infer)
