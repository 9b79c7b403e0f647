"""The gRPC face: every error reaches its caller whole, however long its texts, and whatever bytes were sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from grpc import aio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.rpc_requests import error_of, header, running_loop, running_rpc
from layerwise.errors import Place
from layerwise_proto.v1 import models_pb2, training_pb2
from layerwise_proto.v1.training_pb2_grpc import (
    TrainingServiceServicer,
    TrainingServiceStub,
    add_TrainingServiceServicer_to_server,
)
from layerwise_service.errors import MOST_POINTER, InvalidRequest, ServiceError
from layerwise_service.rpc.error_boundary import ErrorBoundary
from layerwise_service.settings import Settings
from layerwise_service.wiring import open_stores

HEADERS = 8 * 1024
"""What gRPC's clients take: GRPC_ARG_MAX_METADATA_SIZE."""
TEXTS = st.text(st.sampled_from("a😀é\"'%\n\x00\x7f[].€") | st.characters(), max_size=60).map(lambda text: text * 60)


class Failing(TrainingServiceServicer):
    """Fails with `error`."""

    error: ServiceError

    async def GetJob(self, request: training_pb2.GetJobRequest, context: Any) -> training_pb2.Job:
        raise self.error


@pytest.fixture(scope="module")
def failing() -> Iterator[tuple[Failing, TrainingServiceStub]]:
    servicer = Failing()  # type: ignore[abstract]

    async def start() -> tuple[aio.Server, int]:
        server = aio.server()
        add_TrainingServiceServicer_to_server(servicer, ErrorBoundary(max_answer_bytes=2**20).around(server))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    with running_loop() as run:
        server, port = run(start())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield servicer, TrainingServiceStub(channel)
        run(server.stop(0))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    """A channel to a server without a model."""
    limits = Settings(home=str(tmp_path_factory.mktemp("shared") / "home"), rpc_address="127.0.0.1:0", reflection=True)
    opened = open_stores(limits)
    with running_rpc(limits) as (address, _), grpc.insecure_channel(address) as channel:
        yield channel
    opened.database.close()


@settings(deadline=None, max_examples=60)
@given(detail=TEXTS, pointer=TEXTS)
@example(detail="😀" * 10_000, pointer="😀" * 10_000)
@example(detail="\n" * 10_000, pointer="%" * 10_000)
@example(detail='"' * 10_000, pointer="\x01" * 10_000)
def test_an_error_of_any_text_fits_the_headers_of_a_call(
    failing: tuple[Failing, TrainingServiceStub], detail: str, pointer: str
) -> None:
    servicer, stub = failing
    servicer.error = InvalidRequest(detail, pointer=pointer, reason="A_REASON", retry_after=10)
    sent: list[Any] = []

    def call() -> None:
        try:
            stub.GetJob(training_pb2.GetJobRequest(job_id="j"), timeout=10)
        except grpc.RpcError as error:
            sent.append(error)
            raise

    code, details, reason, told = error_of(call)

    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "A_REASON")
    assert details == str(servicer.error)
    assert told == servicer.error.pointer
    trailers = dict(sent[0].trailing_metadata())
    binary = trailers["grpc-status-details-bin"]
    size = len(quote(details, safe=" !\"#$&'()*+,/:;<=>?@[]^`{|}~")) + (len(binary) + 2) // 3 * 4
    assert size < HEADERS - 1024  # of which the other headers take some


def test_the_pointer_to_the_longest_name_of_a_column_is_whole() -> None:
    place = Place("batches", 99999, "table", "rows", 999999, "😀" * 64)

    error = InvalidRequest("x", pointer=place)

    assert (error.place, error.pointer) == (place, f"batches[99999].table.rows[999999].{'😀' * 64}")
    assert len(error.pointer.encode()) < MOST_POINTER


def test_half_a_surrogate_pair_in_an_error_is_shown_escaped() -> None:
    error = InvalidRequest("got \ud800", pointer=Place("instances", 0, "\udfff"))

    assert str(error) == "instances[0].\\udfff: got \\ud800"


GARBAGE = [
    b"\xff" * 40,
    b"\x0a\x50abc",  # a text that ends too early
    b"\x0a\x02\xff\xfe",  # no UTF-8
    b"\x0d\x00\x00\x00\x00" * 3 + b"\x0b",  # a group that never ends
]
UNARY = [
    "/layerwise.v1.TrainingService/GetJob",
    "/layerwise.v1.TrainingService/ListJobs",
    "/layerwise.v1.ModelService/GetModel",
    "/layerwise.v1.PredictionService/Predict",
    "/grpc.health.v1.Health/Check",
]


@pytest.mark.parametrize("data", GARBAGE)
def test_bytes_that_are_no_message_are_refused_without_a_traceback(
    shared: grpc.Channel, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], data: bytes
) -> None:
    calls: list[Callable[[], Any]] = [
        *(lambda method=method: shared.unary_unary(method)(data, timeout=10) for method in UNARY),
        lambda: list(shared.unary_stream("/layerwise.v1.TrainingService/WatchJob")(data, timeout=10)),
        lambda: list(shared.unary_stream("/grpc.health.v1.Health/Watch")(data, timeout=10)),
        lambda: list(shared.stream_stream("/layerwise.v1.TrainingService/Train")(iter([data]), timeout=10)),
        lambda: list(
            shared.stream_stream("/layerwise.v1.TrainingService/Train")(
                iter([header().SerializeToString(), data]), timeout=10
            )
        ),
        lambda: list(
            shared.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(
                iter([data]), timeout=10
            )
        ),
    ]

    for call in calls:
        code, details, reason, _ = error_of(call)
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNDECODABLE_REQUEST")
        assert f"{len(data)} bytes" in details
    output = capfd.readouterr()
    assert "Traceback" not in caplog.text + output.out + output.err


@settings(deadline=None, max_examples=50)
@given(data=st.binary(max_size=200))
def test_any_bytes_get_an_answer_that_is_no_internal_error(shared: grpc.Channel, data: bytes) -> None:
    method = models_pb2.DESCRIPTOR.services_by_name["PredictionService"].methods_by_name["Predict"].full_name
    service, _, name = method.rpartition(".")

    with pytest.raises(grpc.RpcError) as caught:
        shared.unary_unary(f"/{service}/{name}")(data, timeout=10)

    error: Any = caught.value
    codes = grpc.StatusCode
    assert error.code() in (codes.INVALID_ARGUMENT, codes.FAILED_PRECONDITION, codes.NOT_FOUND)
