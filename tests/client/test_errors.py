"""Whatever goes wrong on the wire becomes one of the package's errors, with its reason and its cause."""

from __future__ import annotations

import threading

import grpc
import pytest

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

X = [[1.0, 2.0], [3.0, 4.0]]


PROBLEM = {
    "title": "Not Found",
    "detail": "no model nope",
    "reason": "MODEL_NOT_FOUND",
    "request_id": "ab12",
    "errors": [{"pointer": "#/model", "detail": "unknown"}],
}


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (404, PROBLEM, NotFound, "no model nope; #/model: unknown"),
        (400, PROBLEM | {"errors": []}, InvalidRequest, "no model nope"),
        (413, b"<html>", InvalidRequest, "answered 413 without saying why"),
        (429, {}, ResourceExhausted, "answered 429"),
        (500, {"title": "Internal Server Error"}, ServiceFault, "Internal Server Error"),
        (503, {"detail": "starting"}, Unavailable, "starting"),
        (504, b"", DeadlineExceeded, "answered 504"),
        (200, b"{", ServiceFault, "an answer that is no prediction"),
        (200, {"model": "m"}, ServiceFault, "an answer that is no prediction"),
        (200, {"model": "m", "version": 1, "predictions": []}, ServiceFault, "an answer that is no prediction"),
        (200, {"model": "m", "version": 1, "predictions": [1]}, ServiceFault, "1 predictions for 2 rows"),
        (200, [], ServiceFault, "an answer that is no prediction"),
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
        "#/model",
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
        context, grpc.StatusCode[code], "it was so", "SOME_REASON", pointer="rows[3]", request_id="ab12"
    )

    # long enough for more than one try, on a busy machine too
    with Client(service.address, timeout=2) as client, pytest.raises(LayerwiseError, match="it was so") as caught:
        client.predict("digits", X)

    assert type(caught.value).__name__ == error
    assert (caught.value.reason, caught.value.pointer, caught.value.request_id) == ("SOME_REASON", "rows[3]", "ab12")
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
