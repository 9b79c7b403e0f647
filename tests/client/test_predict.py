"""Predictions over gRPC and over REST: the same results, the same errors."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
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
from layerwise_proto.v1 import models_pb2, tensors_pb2

LABELS = {
    "integers": tensors_pb2.Labels(integers=tensors_pb2.IntegerLabels(values=[7, 3])),
    "strings": tensors_pb2.Labels(strings=tensors_pb2.StringLabels(values=["setosa", "b"])),
    "booleans": tensors_pb2.Labels(booleans=tensors_pb2.BooleanLabels(values=[True, False])),
}
X = [[1.0, 2.0], [3.0, 4.0]]


def tensor(values):
    block = np.array(values, dtype="<f4")
    return tensors_pb2.Tensor(data_type=tensors_pb2.DATA_TYPE_FLOAT32, shape=block.shape, data=block.tobytes())


class RestService:
    """A real HTTP server; `answer(question)` gives (status, body), `questions` are the bodies that came."""

    def __init__(self) -> None:
        self.questions: list[dict] = []
        self.headers: list[dict] = []
        self.connections: set[tuple] = set()
        self.sockets: list[socket.socket] = []
        self.answer = lambda question: (200, {})
        rest = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                rest.questions.append(json.loads(body) | {"path": self.path, "size": len(body)})
                rest.headers.append(dict(self.headers))
                rest.connections.add(self.client_address)
                status, said = rest.answer(rest.questions[-1])
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def setup(self) -> None:
                super().setup()
                rest.sockets.append(self.connection)

            def log_message(self, *arguments: object) -> None: ...

        class Server(ThreadingHTTPServer):
            def handle_error(self, *arguments: object) -> None:
                """A client that has gone is part of the tests."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def hang_up(self) -> None:
        """Closes the connections that clients keep, as servers do after a while."""
        for connection in self.sockets:
            connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def rest() -> Iterator[RestService]:
    service = RestService()
    thread = threading.Thread(target=service.server.serve_forever, args=(0.05,))
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


@pytest.fixture
def asking(rest) -> Iterator[Client]:
    with Client("127.0.0.1:1", rest=rest.address, timeout=2) as client:
        yield client


@pytest.mark.parametrize(("kind", "dtype"), [("integers", "i"), ("strings", "U"), ("booleans", "b")])
def test_labels_come_over_grpc_as_they_were_sent(service, client, kind, dtype):
    service.answers["Predict"] = lambda request, context: models_pb2.PredictResponse(
        model="digits", version=3, labels=LABELS[kind], probabilities=tensor([[0.9, 0.1], [0.2, 0.8]])
    )

    answer = client.predict("digits", X)

    assert (answer.model, answer.version, answer.values, len(answer)) == ("digits", 3, None, 2)
    assert answer.labels.dtype.kind == dtype
    assert answer.labels.tolist() == list(getattr(LABELS[kind], kind).values)
    assert answer.probabilities.tolist() == np.float32([[0.9, 0.1], [0.2, 0.8]]).tolist()


@pytest.mark.parametrize(("predictions", "dtype"), [([7, 3], "i"), (["setosa", "b"], "U"), ([True, False], "b")])
def test_labels_come_over_rest_as_they_were_sent(rest, asking, predictions, dtype):
    rest.answer = lambda question: (
        200,
        {"model": "digits", "version": 3, "predictions": predictions, "probabilities": [[0.9, 0.1], [0.2, 0.8]]},
    )

    answer = asking.predict("digits", X)

    assert (answer.model, answer.version, answer.values, len(answer)) == ("digits", 3, None, 2)
    assert (answer.labels.dtype.kind, answer.labels.tolist()) == (dtype, predictions)
    assert answer.probabilities.tolist() == np.float32([[0.9, 0.1], [0.2, 0.8]]).tolist()


@pytest.mark.parametrize(("sent", "values"), [([[1.5], [2.0]], [1.5, 2.0]), ([[1.5, 2], [3, 4]], [[1.5, 2], [3, 4]])])
def test_values_of_a_regression_over_grpc(service, client, sent, values):
    service.answers["Predict"] = lambda request, context: models_pb2.PredictResponse(
        model="prices", version=1, values=tensor(sent)
    )

    answer = client.predict("prices", X)

    assert (answer.values.tolist(), answer.labels, answer.probabilities) == (values, None, None)


@pytest.mark.parametrize("values", [[1.5, 2.0], [[1.5, 2.0], [3.0, 4.0]]])
def test_values_of_a_regression_over_rest(rest, asking, values):
    rest.answer = lambda question: (200, {"model": "prices", "version": 1, "predictions": values})

    answer = asking.predict("prices", X)

    assert (answer.values.tolist(), answer.labels, answer.probabilities) == (values, None, None)


def test_hinge_labels_come_without_probabilities(rest, asking):
    rest.answer = lambda question: (200, {"model": "svm", "version": 1, "predictions": [1, 0]})

    answer = asking.predict("svm", X)

    assert (answer.labels.tolist(), answer.probabilities) == ([1, 0], None)


def test_the_question_over_rest_is_that_of_the_api(rest, asking):
    rest.answer = lambda question: (200, {"model": "digits", "version": 2, "predictions": [1, 0]})

    asking.predict("digits", X, version="champion")
    asking.predict(None, X)

    first, second = rest.questions
    assert {key: first[key] for key in ("path", "model", "version", "instances")} == {
        "path": "/predict",
        "model": "digits",
        "version": "champion",
        "instances": X,
    }
    assert "model" not in second
    assert "version" not in second


def test_many_rows_go_in_several_requests_to_the_version_that_answered_first(service, client):
    def predict(request, context):
        rows = request.rows.shape[0]
        labels = tensors_pb2.Labels(integers=tensors_pb2.IntegerLabels(values=range(rows)))
        return models_pb2.PredictResponse(model="digits", version=4, labels=labels)

    service.answers["Predict"] = predict

    answer = client.predict("", np.zeros((10_000, 64), dtype=np.float32), version="champion")

    requests = service.requests["Predict"]
    assert [each.rows.shape[0] for each in requests] == [4096, 4096, 1808]
    assert [(each.model, each.version) for each in requests] == [("", "champion"), ("digits", "4"), ("digits", "4")]
    assert len(answer) == 10_000


def test_bodies_over_rest_stay_below_16_megabytes(rest, asking):
    rest.answer = lambda question: (200, {"model": "m", "version": 1, "predictions": [0] * len(question["instances"])})
    large = np.full((2_000, 784), -1.1754943508222875e-38, dtype=np.float32)  # 23 characters each

    answer = asking.predict("m", large)

    assert len(answer) == 2_000
    assert len(rest.questions) > 1
    assert max(each["size"] for each in rest.questions) < 16 << 20


def test_one_connection_is_kept_for_many_predictions(rest, asking):
    rest.answer = lambda question: (200, {"model": "m", "version": 1, "predictions": [0]})

    for _ in range(5):
        asking.predict("m", [[1.0]])

    assert len(rest.connections) == 1


def test_the_api_key_travels_over_rest_too(rest):
    rest.answer = lambda question: (200, {"model": "m", "version": 1, "predictions": [0]})

    with Client("127.0.0.1:1", rest=rest.address, api_key="secret") as client:
        client.predict("m", [[1.0]])

    assert rest.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("X", [[1.0, 2.0], np.zeros(64)])
def test_a_single_row_without_its_brackets_is_refused_with_the_way_to_write_it(client, X):
    with pytest.raises(InvalidRequest, match=r"for a single row write \[\[…\]\]"):
        client.predict("digits", X)


@pytest.mark.parametrize("version", [1.5, b"1"])
def test_a_version_is_a_number_or_an_alias(client, version):
    with pytest.raises(InvalidRequest, match="version: expected a string"):
        client.predict("digits", X, version=version)


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

    with Client(service.address, timeout=0.2) as client, pytest.raises(LayerwiseError, match="it was so") as caught:
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
