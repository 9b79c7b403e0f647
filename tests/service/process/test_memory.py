"""Nothing that a caller sends stays in memory after the answer, until a garbage collection happens to come by.

The rows of a request hang in the frames that worked on it; an exception that is kept, or that refers to itself by its
traceback, keeps these. The resident memory of a service that runs is measured in tests/faults.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import grpc
import numpy as np
import pytest
from flask.testing import FlaskClient

from helpers.garbage import frames_left
from helpers.rest_clients import running_rest
from helpers.rpc_requests import batch, header, kinds, running_rpc, table, table_batch, tensor
from helpers.waiting import wait_until
from layerwise import InvalidInput, TableEncoder
from layerwise_client import Unavailable
from layerwise_client._transport.connection import Deadline, Retries, retrying
from layerwise_proto.v1 import models_pb2, training_pb2
from layerwise_proto.v1.models_pb2_grpc import PredictionServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]

TABLE: dict[str, Any] = {"a": [1.0, 2.0, 3.0, 4.0], "b": ["x", "y", "x", "y"]}


@pytest.fixture
def rest(settings: Settings, stores: Stores) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


@pytest.fixture
def published(publish: Publish, training: TrainingServiceStub, worker: None) -> None:
    """The model xor on numbers, and the model table."""
    publish("xor")
    assert kinds(training.Train(iter([header("table"), table_batch(table(**TABLE))])))[-1] == "published"


BODIES = [
    ({"model": "xor", "instances": [[0, 1]]}, 200),
    ({"model": "xor", "instances": [[0, 1, 2]]}, 400),
    ({"model": "xor", "instances": [["0", 1]]}, 400),
    ({"model": "xor", "instances": [{"a": 1}]}, 400),
    ({"model": "xor", "instances": [[0, 3e38]]}, 422),
    ({"model": "xor", "instances": 1}, 400),
    ({"model": "none", "instances": [[0, 1]]}, 404),
    ({"model": "table", "instances": [{"a": 1, "b": "x"}]}, 200),
    ({"model": "table", "instances": [[1, "x"]]}, 200),
    ({"model": "table", "instances": [{"a": "no number", "b": "x"}]}, 400),
    ({"model": "table", "instances": [{"a": 1}]}, 400),
    ("{", 400),
]


def test_no_answer_of_rest_leaves_frames_behind(rest: FlaskClient, publish: Publish, published: None) -> None:
    publish("xor", scale=1e10)  # answers large rows with infinity

    def post() -> None:
        for body, expected in BODIES:
            data = body if isinstance(body, str) else json.dumps(body)
            with rest.post("/predict", data=data, content_type="application/json") as response:
                assert response.status_code == expected, response.get_data(as_text=True)

    assert frames_left(post) == []


def test_no_other_refusal_of_rest_leaves_frames_behind(rest: FlaskClient) -> None:
    def get() -> None:
        for path in ("/nothing", "/predict", "/api/jobs?page_size=x", "/api/jobs/none", "/api/models/none"):
            rest.get(path).close()

    assert frames_left(get) == []


def test_no_answer_of_grpc_leaves_frames_behind(
    channel: grpc.Channel, training: TrainingServiceStub, published: None
) -> None:
    predict = PredictionServiceStub(channel).Predict
    nan = np.full((4, 2), np.nan, np.float32)
    calls: list[Callable[[], Any]] = [
        lambda: predict(models_pb2.PredictRequest(model="xor", rows=tensor([[0, 1]]))),
        lambda: predict(models_pb2.PredictRequest(model="xor", rows=tensor([[0, 1, 2]]))),
        lambda: predict(models_pb2.PredictRequest(model="table", table=table(a=[1.0], b=["x"]))),
        lambda: predict(models_pb2.PredictRequest(model="table", table=table(a=["?"], b=["x"]))),
        lambda: training.GetJob(training_pb2.GetJobRequest(job_id="none")),
        lambda: list(training.WatchJob(training_pb2.WatchJobRequest(job_id="none"))),
        lambda: next(iter(training.Train(iter([header(), batch()])))),
        lambda: list(training.Train(iter([header("No Name"), batch()]))),
        lambda: list(training.Train(iter([header(), batch(nan)]))),
        lambda: list(training.Train(iter([header(), table_batch(table(a=[1.0, float("inf"), 2.0, 3.0]))]))),
        lambda: list(training.Train(iter([header(rows=9), batch()]))),
    ]

    def call_all() -> None:
        for call in calls:
            with suppress(grpc.RpcError):
                call()

    assert frames_left(call_all) == []


def test_a_sender_that_breaks_off_leaves_no_frames_behind(settings: Settings, stores: Stores) -> None:
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as channel:
        training = TrainingServiceStub(channel)

        def break_off() -> None:
            def requests() -> Iterator[training_pb2.TrainRequest]:
                yield header(rows=8)
                yield batch()
                stream.cancel()

            stream = training.Train(requests())
            with suppress(grpc.RpcError):
                list(stream)
            wait_until(lambda: list((settings.home_path / "artifacts" / "incoming").iterdir()) == [])

        assert frames_left(break_off) == []


def test_fitting_an_encoder_keeps_no_block_of_the_table() -> None:
    blocks = [{"a": [*map(str, range(40)), "?"]}, {"a": ["1", "2", "3"]}]  # numbers as text, but for one

    def fit() -> None:
        TableEncoder().fit_blocks(blocks)

    def refused() -> None:
        with pytest.raises(InvalidInput):
            TableEncoder({"a": "number"}).fit_blocks(blocks)

    assert frames_left(fit, of=("layerwise/tables",)) == []
    assert frames_left(refused, of=("layerwise/tables",)) == []


def test_a_client_that_tried_again_keeps_nothing_of_what_it_sent() -> None:
    def train() -> None:
        tries = iter([True, False])

        def attempt() -> None:
            if next(tries):
                raise Unavailable("not yet")

        retrying(attempt, Retries("127.0.0.1:1", patience=5), Deadline(None))

    assert frames_left(train, of=("/layerwise_client/",)) == []
