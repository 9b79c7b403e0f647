"""Requests that are small in bytes and huge in objects: their limits hold before the objects are made."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator

import grpc
import msgspec
import pytest
from flask.testing import FlaskClient

from helpers.rest_clients import running_rest
from helpers.rpc_requests import error_of, field, header, kinds, strings, table, table_batch
from layerwise_proto.v1 import training_pb2
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.models import Version
from layerwise_service.rpc.message_limits import MOST_FIELDS
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]


@pytest.fixture
def rest(settings: Settings, stores: Stores) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


BODIES = {
    "rows of one number": (b'{"instances": [' + b"[1]," * 500_000 + b"[1]]}", "TOO_MANY_ROWS"),
    "empty rows": (b'{"instances": [' + b"[]," * 500_000 + b"[]]}", "TOO_MANY_ROWS"),
    "objects": (b'{"instances": [' + b'{"a":1},' * 300_000 + b"[]]}", "TOO_MANY_ROWS"),
    "lists in a cell": (b'{"instances": [[' + b"[]," * 500_000 + b"[]]]}", "TOO_MANY_ROWS"),
    "rows after text with quotes": (
        b'{"model": "\\"\\\\", "instances": [' + b"[1]," * 500_000 + b"[1]]}",
        "TOO_MANY_ROWS",
    ),
    "one long row": (b'{"instances": [[' + b"1," * 1_000_000 + b"1]]}", "TOO_MANY_VALUES"),
    "long rows": (
        b'{"instances": [' + b",".join([b"[" + b",".join([b"1"] * 480) + b"]"] * 9_000) + b"]}",
        "TOO_MANY_VALUES",
    ),
    "an unknown field": (b'{"what": {' + b'"a":[],' * 300_000 + b'"a":1}}', "TOO_MANY_ROWS"),
}


@pytest.mark.parametrize("what", BODIES)
def test_a_body_of_too_many_objects_is_refused_before_they_are_made(
    rest: FlaskClient, publish: Publish, what: str
) -> None:
    publish()
    body, reason = BODIES[what]

    tracemalloc.start()
    response = rest.post("/predict", data=body, content_type="application/json")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert response.status_code == 413
    assert response.get_json()["reason"] == reason
    assert peak < 8 * len(body)  # its rows are forty times as large


def test_brackets_and_commas_in_texts_are_not_rows(rest: FlaskClient, publish: Publish) -> None:
    publish()
    text = '[{"\\,' * 40_000

    response = rest.post("/predict", json={"instances": [[0, 1]], "version": text})
    odd = rest.post(
        "/predict", data=json.dumps({"instances": [{"a": text, "b": text}]}), content_type="application/json"
    )

    assert response.get_json()["reason"] == "VERSION_NOT_FOUND"
    assert odd.get_json()["reason"] == "WRONG_KIND_OF_ROWS"


def test_as_many_values_as_the_limit_allows_pass(settings: Settings, stores: Stores, publish: Publish) -> None:
    publish(labels=None)
    with running_rest(msgspec.structs.replace(settings, max_predict_values=1_000)) as rest:
        whole = rest.post("/predict", json={"model": "xor", "version": 1, "instances": [[0, 1]] * 500})
        more = rest.post("/predict", json={"model": "xor", "version": 1, "instances": [[0, 1]] * 502})

    assert whole.status_code == 200
    assert (more.status_code, more.get_json()["reason"]) == (413, "TOO_MANY_VALUES")
    assert "at most 1000 values" in more.get_json()["detail"]


MANY = 400_000
MESSAGES = {
    "layers": field(1, field(2, field(2, b"") * MANY)),
    "units of one layer": field(1, field(2, field(2, b"\x08\x01" * MANY))),
    "encodings": field(1, field(8, field(1, field(1, b"a")) * (MANY // 2))),
    "columns": field(2, field(5, field(1, b"") * MANY)),
    "fields that nobody knows": field(1, field(15, b"") * MANY),
}


@pytest.mark.parametrize("what", MESSAGES)
def test_a_message_of_too_many_parts_is_refused_before_they_are_made(channel: grpc.Channel, what: str) -> None:
    call = channel.stream_stream(
        "/layerwise.v1.TrainingService/Train",
        request_serializer=bytes,
        response_deserializer=training_pb2.TrainEvent.FromString,
    )

    def requests() -> Iterator[bytes]:
        yield MESSAGES[what]

    code, message, reason, _ = error_of(lambda: list(call(requests())))

    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_FIELDS")
    assert str(MOST_FIELDS) in message


def test_rows_labels_and_texts_are_no_parts(settings: Settings, training: TrainingServiceStub, worker: None) -> None:
    rows = 60_000
    sent = table(a=["1", "2.5"] * (rows // 2))

    events = training.Train(iter([header(rows=rows), table_batch(sent, labels=strings(*["no", "yes"] * (rows // 2)))]))

    assert kinds([next(iter(events))]) == ["accepted"]
    events.cancel()
