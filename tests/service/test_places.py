"""The place of an error as callers get it: its steps, and the pointer made of them, over REST and over gRPC."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import grpc
import pytest
from flask.testing import FlaskClient

from helpers.column_names import AWKWARD_NAMES
from helpers.published import publish_classifier
from helpers.rest_clients import running_rest
from helpers.rpc_requests import encoder, error_info, header, running_rpc, strings, table, table_batch
from layerwise import MLP, Architecture, Layer, Plan, TableEncoder, fit
from layerwise_proto.v1 import models_pb2
from layerwise_proto.v1.models_pb2_grpc import PredictionServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.settings import Settings

TABLE = {name: [1.0, 2.0, 4.0, 8.0] for name in AWKWARD_NAMES}
ROW = dict.fromkeys(AWKWARD_NAMES, 1.0)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of a service with a version that takes columns of awkward names."""
    settings = Settings(home=str(tmp_path_factory.mktemp("places") / "home"), rpc_address="127.0.0.1:0")
    fitted = TableEncoder().fit(TABLE)
    network = MLP(Architecture(fitted.width, (Layer(2),)))
    network.encoder = fitted
    plan = Plan(epochs=1)
    for _ in fit(network, TABLE, ["no", "yes", "yes", "no"], plan=plan):
        pass
    publish_classifier(settings, "awkward", network, plan)
    return settings


@pytest.fixture(scope="module")
def rest(settings: Settings) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


@pytest.fixture(scope="module")
def channel(settings: Settings) -> Iterator[grpc.Channel]:
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as opened:
        yield opened


def at(document: Any, pointer: str) -> Any:
    """The value in `document` at an RFC 6901 pointer, as a fragment of a URI."""
    assert pointer.startswith("#/")
    assert pointer.isascii()
    for token in unquote(pointer[1:]).split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_rest_names_the_column_by_a_pointer_and_by_its_steps(rest: FlaskClient, name: str) -> None:
    for wrong in ("abc", 1e39):
        body = {"instances": [ROW, {**ROW, name: wrong}]}

        problem = rest.post("/predict", json=body).get_json()

        (error,) = problem["errors"]
        assert at(body, error["pointer"]) == wrong
        assert error["place"] == ["instances", 1, name]
        assert problem["detail"] == f"instances[1].{name}: {error['detail']}"


@pytest.mark.parametrize("name", AWKWARD_NAMES)
@pytest.mark.parametrize("written", ["NaN", "1e999"])
def test_rest_names_the_column_of_a_number_that_json_has_not(rest: FlaskClient, name: str, written: str) -> None:
    body = json.dumps({"instances": [ROW, {**ROW, name: "?"}]}).replace('"?"', written)

    problem = rest.post("/predict", data=body, content_type="application/json").get_json()

    assert problem["reason"] == "NOT_FINITE"
    assert [error["place"] for error in problem["errors"]] == [["instances", 1, name]]


def test_rest_names_an_unknown_field_of_the_body_by_one_step(rest: FlaskClient) -> None:
    body = {"instances": [ROW], "a.b/c": 1}

    problem = rest.post("/predict", json=body).get_json()

    assert [(each["place"], each["pointer"]) for each in problem["errors"]] == [(["a.b/c"], "#/a.b~1c")]


def place_of(call: Callable[[], Any]) -> tuple[list[str | int], str]:
    """The place and its text, as gRPC tells them of a call that must fail."""
    info = error_info(call)
    return json.loads(info.metadata["place"]), info.metadata["pointer"]


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_grpc_names_the_column_by_its_steps(channel: grpc.Channel, name: str) -> None:
    predictor, training = PredictionServiceStub(channel), TrainingServiceStub(channel)
    columns = {**{key: TABLE[key][:2] for key in AWKWARD_NAMES}, name: ["1", "abc"]}
    asked = models_pb2.PredictRequest(table=table(**columns))

    assert place_of(lambda: predictor.Predict(asked, timeout=10)) == (
        ["table", "rows", 1, name],
        f"table.rows[1].{name}",
    )

    first = table_batch(table(**{name: [1, 2], "other": [1, 2]}), labels=strings("no", "yes"))
    infinite = table_batch(table(**{name: [1, float("inf")], "other": [1, 2]}), labels=strings("no", "yes"))
    assert place_of(lambda: list(training.Train(iter([header(), first, infinite]), timeout=10))) == (
        ["batches", 1, "table", "rows", 1, name],
        f"batches[1].table.rows[1].{name}",
    )

    chosen = encoder({"columns": {name: "log"}})
    negative = table_batch(table(**{name: [1, -3], "other": [1, 2]}), labels=strings("no", "yes"))
    assert place_of(lambda: list(training.Train(iter([header(encoder=chosen), first, negative]), timeout=10))) == (
        ["batches", 1, "table", "rows", 1, name],
        f"batches[1].table.rows[1].{name}",
    )

    empty = table_batch(table(**{name: [None] * 4, "other": [1, 2, 3, 4]}))
    assert place_of(lambda: list(training.Train(iter([header(), empty]), timeout=10))) == (
        ["encoder", "columns", name],
        f"encoder.columns.{name}",
    )
