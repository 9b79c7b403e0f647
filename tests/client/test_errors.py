"""Whatever goes wrong on the wire becomes one of the package's errors, with its reason and its cause."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from layerwise_client import (
    Client,
    DeadlineExceeded,
    InvalidRequest,
    LayerwiseError,
    NotFound,
    ResourceExhausted,
    ServiceFault,
    Unavailable,
)
from layerwise_proto.v1 import errors_pb2, models_pb2, tensors_pb2

X = [[1.0, 2.0], [3.0, 4.0]]


PROBLEM = {
    "title": "Not Found",
    "detail": "no model nope",
    "reason": "MODEL_NOT_FOUND",
    "request_id": "ab12",
    "errors": [{"pointer": "#/model", "place": ["model"], "detail": "unknown"}],
}


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (404, PROBLEM, NotFound, "no model nope"),
        (400, PROBLEM | {"errors": []}, InvalidRequest, "no model nope"),
        (413, b"<html>", InvalidRequest, "answered 413 without saying why"),
        (429, {}, ResourceExhausted, "answered 429"),
        (500, {"title": "Internal Server Error"}, ServiceFault, "Internal Server Error"),
        (503, {"detail": "starting"}, Unavailable, "starting"),
        (503, b"[" * 100_000, Unavailable, "answered 503 without saying why"),
        (504, b"", DeadlineExceeded, "answered 504"),
        (200, b"{", ServiceFault, "an answer that is not a prediction"),
        (200, {"model": "m"}, ServiceFault, "an answer that is not a prediction"),
        (200, {"model": "m", "version": 1, "predictions": []}, ServiceFault, "an answer that is not a prediction"),
        (200, {"model": "m", "version": 1, "predictions": [1]}, ServiceFault, "1 predictions for 2 rows"),
        (200, [], ServiceFault, "an answer that is not a prediction"),
        (200, b"[" * 100_000, ServiceFault, "an answer that is not a prediction"),
        (
            200,
            b'{"model": "m", "version": 1e999, "predictions": [0, 1]}',
            ServiceFault,
            "an answer that is not a prediction",
        ),
    ],
)
def test_an_http_answer_becomes_an_error_by_its_status(rest, asking, status, body, error, message):
    rest.answer = lambda question: (status, body)

    with pytest.raises(error, match=message):
        asking.predict("nope", X)


def test_a_problem_gives_its_reason_pointer_and_request_id(rest, asking):
    rest.answer = lambda question: (404, PROBLEM)

    with pytest.raises(NotFound) as caught:
        asking.predict("nope", X)

    assert (caught.value.reason, caught.value.pointer, caught.value.request_id) == (
        "MODEL_NOT_FOUND",
        "model",
        "ab12",
    )


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("INVALID_ARGUMENT", "InvalidRequest"),
        ("OUT_OF_RANGE", "InvalidRequest"),
        ("NOT_FOUND", "NotFound"),
        ("ALREADY_EXISTS", "Conflict"),
        ("FAILED_PRECONDITION", "Conflict"),
        ("ABORTED", "Conflict"),
        ("UNAUTHENTICATED", "PermissionDenied"),
        ("PERMISSION_DENIED", "PermissionDenied"),
        ("RESOURCE_EXHAUSTED", "ResourceExhausted"),
        ("UNAVAILABLE", "Unavailable"),
        ("CANCELLED", "Unavailable"),
        ("DEADLINE_EXCEEDED", "DeadlineExceeded"),
        ("UNIMPLEMENTED", "ServiceFault"),
        ("INTERNAL", "ServiceFault"),
        ("DATA_LOSS", "ServiceFault"),
        ("UNKNOWN", "ServiceFault"),
    ],
)
def test_a_grpc_status_becomes_an_error_by_its_code_and_keeps_its_cause(service, code, error):
    service.answers["Predict"] = lambda request, context: service.fail(
        context, grpc.StatusCode[code], "it was so", "SOME_REASON", place=("model",), request_id="ab12"
    )

    # long enough for more than one try, on a busy machine too
    with Client(service.address, timeout=2) as client, pytest.raises(LayerwiseError, match="it was so") as caught:
        client.predict("digits", X)

    assert type(caught.value).__name__ == error
    assert (caught.value.reason, caught.value.pointer, caught.value.request_id) == ("SOME_REASON", "model", "ab12")
    assert isinstance(caught.value.__cause__, grpc.RpcError)


def test_a_status_without_details_still_has_a_stable_reason(service, client):
    service.answers["Predict"] = lambda request, context: service.fail(context, grpc.StatusCode.NOT_FOUND, "gone")

    with pytest.raises(NotFound, match="gone") as caught:
        client.predict("digits", X)

    assert (caught.value.reason, caught.value.pointer) == ("NOT_FOUND", "")


def test_details_that_cannot_be_read_do_not_hide_the_error(service, client):
    def predict(request, context):
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "gone")

    service.answers["Predict"] = predict

    with pytest.raises(NotFound, match="gone"):
        client.predict("digits", X)


@pytest.mark.parametrize("place", ["", "{", "[" * 3_000, "7", '{"a": 1}', "[null]", "[1.5]", "[true]", "1" * 5_000])
def test_a_place_that_cannot_be_read_does_not_hide_the_error(service, client, place):
    def predict(request, context):
        info = errors_pb2.ErrorInfo(reason="SOME_REASON", metadata={"place": place, "pointer": "rows"})
        packed = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info.SerializeToString())
        status = errors_pb2.ErrorStatus(code=5, message="gone", details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.NOT_FOUND, "gone")

    service.answers["Predict"] = predict

    with pytest.raises(NotFound, match="gone") as caught:
        client.predict("digits", X)

    assert (caught.value.reason, caught.value.pointer) == ("SOME_REASON", "rows")


def test_a_slow_service_is_given_up_after_the_timeout(service):
    released = threading.Event()
    service.answers["Predict"] = lambda request, context: released.wait(20)

    with (
        Client(service.address, timeout=0.2) as client,
        pytest.raises(DeadlineExceeded, match="did not answer in time"),
    ):
        client.predict("digits", X)

    released.set()


def test_a_slow_endpoint_is_given_up_after_the_timeout(rest):
    released = threading.Event()
    rest.answer = lambda question: (200, b"{}" if released.wait(20) else b"")

    with Client("127.0.0.1:1", rest=rest.address, timeout=0.2) as client:
        with pytest.raises(DeadlineExceeded, match=r"did not answer within 0\.2 s"):
            client.predict("digits", X)
        released.set()


def test_an_endpoint_that_is_not_there_is_told_with_the_way_to_start_one():
    with (
        Client("127.0.0.1:1", rest="http://127.0.0.1:1", timeout=0.2) as client,
        pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1 \(Connection refused\); `layerwise serve`"),
    ):
        client.predict("digits", X)


def test_a_connection_that_the_service_closed_meanwhile_is_made_again(rest, asking):
    rest.answer = lambda question: (200, {"model": "m", "version": 1, "predictions": [0]})
    asking.predict("m", [[1.0]])

    rest.hang_up()

    assert asking.predict("m", [[1.0]]).version == 1
    assert len(rest.connections) == 2


def test_the_rest_address_given_as_the_target_is_told_at_once(rest):
    address = rest.address.removeprefix("http://")

    with (
        Client(address, timeout=20) as client,
        pytest.raises(
            InvalidRequest, match=rf"{address} speaks HTTP, not gRPC.* address of the training API"
        ) as caught,
    ):
        client.models()

    assert caught.value.pointer == "target"


@pytest.mark.parametrize(
    "command", [("predict", "m", "rows.csv"), ("train", "rows.csv", "--target", "a"), ("evaluate", "m", "rows.csv")]
)
def test_the_rest_address_given_as_the_address_of_a_command_with_a_file_is_told_of_its_option(rest, run, command):
    Path("rows.csv").write_text("a\n1\n")

    done = run(*command, "--rpc", rest.address.removeprefix("http://"))

    assert done.exit_code == 1
    assert done.stderr.startswith("layerwise: --rpc: 127.0.0.1:")
    assert "speaks HTTP, not gRPC" in done.stderr


@pytest.fixture
def listening():
    """Start a server in a thread: `answer(connection, data)` handles each connection. Returns its address."""
    sockets = []

    def start(answer):
        server = socket.create_server(("127.0.0.1", 0))
        sockets.append(server)

        def accept():
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        answer(connection, connection.recv(1_000))

        threading.Thread(target=accept, daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield start
    for server in sockets:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize("scheme", ["", "ipv4:", "dns:///"])
def test_an_http_answer_in_parts_is_one_too(listening, scheme):
    def answer(connection, data):
        if data.startswith(b"GET"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for part in (b"HT", b"TP/", b"1.1 400 Bad Request\r\n\r\n"):
                connection.sendall(part)
                time.sleep(0.02)

    with (
        Client(f"{scheme}{listening(answer)}", timeout=10) as client,
        pytest.raises(InvalidRequest, match="speaks HTTP, not gRPC"),
    ):
        client.models()


def test_a_target_that_is_silent_is_tried_for_http_once_a_call(listening):
    asked = []

    def answer(connection, data):
        if data.startswith(b"GET"):
            asked.append(data)
            connection.settimeout(5)
            connection.recv(1)

    with Client(listening(answer), timeout=1.5) as client, pytest.raises((Unavailable, DeadlineExceeded)):
        client.models()

    assert len(asked) == 1


def test_the_target_given_as_the_rest_address_is_told_at_once(service):
    with (
        Client(service.address, rest=service.address, timeout=20) as client,
        pytest.raises(
            InvalidRequest, match=rf"http://{service.address} speaks gRPC.* address of the prediction endpoint"
        ),
    ):
        client.predict("digits", X)


def test_tls_where_there_is_none_is_told(rest):
    with (
        Client("127.0.0.1:1", rest=rest.address.replace("http:", "https:"), timeout=20) as client,
        pytest.raises(InvalidRequest, match="does not speak TLS; expected an http:// address"),
    ):
        client.predict("digits", X)


@pytest.mark.parametrize("target", ["http://127.0.0.1:50051", "HTTPS://example.org"])
def test_a_url_as_the_target_is_refused(target):
    with pytest.raises(InvalidRequest, match=rf"expected host:port of the training API, .* got the URL {target}"):
        Client(target)


@pytest.mark.parametrize("target", ["", "127.0.0.1", "127.0.0.1:"])
def test_a_target_without_a_port_is_refused(target):
    with pytest.raises(InvalidRequest, match="target: expected host:port"):
        Client(target)


def test_headers_that_do_not_fit_are_an_exceeded_limit(service, client):
    def predict(request, context):
        context.set_trailing_metadata((("x-long", "y" * 60_000),))
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")

    service.answers["Predict"] = predict

    with pytest.raises(ResourceExhausted, match="a limit of gRPC, or of a proxy on the way, was exceeded"):
        client.predict("digits", X)


def test_an_answer_that_is_too_large_is_an_exceeded_limit_with_both_sizes(service, client):
    values = tensors_pb2.Tensor(data_type=1, shape=[1, 17 << 20], data=bytes(68 << 20))
    service.answers["Predict"] = lambda request, context: models_pb2.PredictResponse(values=values)

    with pytest.raises(ResourceExhausted, match=r"a limit of gRPC.* was exceeded \(.*\d+ vs\. 67108864"):
        client.predict("digits", X)


@pytest.mark.parametrize("code", ["INTERNAL", "UNKNOWN"])
def test_a_fault_without_a_reason_is_told_in_words(service, client, code):
    service.answers["Predict"] = lambda request, context: service.fail(context, grpc.StatusCode[code], "broken pipe")

    with pytest.raises(ServiceFault, match=rf"{service.address} failed without saying why \(broken pipe\)") as caught:
        client.predict("digits", X)

    assert caught.value.reason == "INTERNAL"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": "127.0.0.1:99999"}, "target: expected a port of 1 to 65535, got '127.0.0.1:99999'"),
        ({"target": "localhost:x"}, "target: expected a port of 1 to 65535, got 'localhost:x'"),
        ({"target": "[::1]:0"}, "target: expected a port of 1 to 65535, got '[::1]:0'"),
        ({"target": "dns:///localhost:grpc"}, "target: expected a port of 1 to 65535"),
        ({"rest": "http://127.0.0.1:99999"}, "rest: expected a port of 1 to 65535, got 'http://127.0.0.1:99999'"),
        ({"rest": "http://127.0.0.1:abc"}, "rest: expected a port of 1 to 65535"),
    ],
)
def test_a_port_that_is_none_is_refused_before_anything_is_sent(arguments: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(words)):
        Client(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["1", 1.5, True, 10**30])
def test_a_version_that_is_no_number_is_refused(version: object) -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(InvalidRequest, match="version: expected a whole number"):
        client.set_alias("iris", "champion", version)  # type: ignore[arg-type]
