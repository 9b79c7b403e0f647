"""The gRPC face: what it says to everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from helpers.rpc_requests import (
    ROWS,
    batch,
    error_of,
    header,
    integers,
    strings,
    tensor,
)
from layerwise_proto.v1 import models_pb2, training_pb2
from layerwise_proto.v1.models_pb2_grpc import ModelServiceStub, PredictionServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores

NAN = np.array([[0, 0], [0, np.nan]], dtype=np.float32)
LBFGS = {"optimizer": "lbfgs"}
WEIGHING_TWO = {"class_weight": {"kind": "per_class", "weights": [1, 2]}}
BAD_STREAMS: list[tuple[str, list[training_pb2.TrainRequest], str, str, str]] = [
    # name, requests, reason, pointer, words
    ("nothing", [], "INVALID_ARGUMENT", "header", "first message of the stream must be a header"),
    ("no header", [batch()], "INVALID_ARGUMENT", "header", "must be a header"),
    ("header twice", [header(), header()], "INVALID_ARGUMENT", "header", "sent twice"),
    ("empty message", [header(), training_pb2.TrainRequest()], "INVALID_ARGUMENT", "batches[0]", "empty message"),
    ("rows missing", [header(rows=9), batch()], "ROWS_MISSING", "rows", "expected 9 rows, as announced, got 4"),
    (
        "rows not told",
        [header(rows=0), batch()],
        "ROWS_MISSING",
        "rows",
        "the number of rows that will be sent, at least 1, got 0",
    ),
    ("negative rows", [header(rows=-4), batch()], "ROWS_MISSING", "rows", "at least 1, got -4"),
    ("all rows held out", [header(held_out=4), batch()], "INVALID_ARGUMENT", "held_out", "fewer rows to hold out than"),
    ("negative rows held out", [header(held_out=-1), batch()], "INVALID_ARGUMENT", "held_out", "at least 1, got -1"),
    (
        "rows held out twice",
        [header(plan={"validation": 0.5}, held_out=1), batch()],
        "INVALID_ARGUMENT",
        "held_out",
        "got held_out and plan.validation",
    ),
    ("more rows than told", [header(rows=3), batch()], "TOO_MANY_ROWS", "rows", "expected 3 rows, as announced"),
    ("no batch", [header()], "ROWS_MISSING", "rows", "expected 4 rows, as announced, got 0"),
    (
        "label too long",
        [header(), batch(labels=strings("a", "b", "a", "é" * 129))],
        "TOO_LARGE",
        "batches[0].labels[3]",
        "at most 256 bytes, got 258",
    ),
    ("declared class too long", [header(classes=strings("a", "b" * 10_000))], "TOO_LARGE", "classes[1]", "256 bytes"),
    (
        "batch too wide",
        [header(plan={"batch_size": 2**30}, rows=2**31), batch()],
        "TOO_LARGE",
        "plan.batch_size",
        "expected at most",
    ),
    ("empty batch", [header(), batch(np.zeros((0, 2)), labels=strings())], "INVALID_ARGUMENT", "batches[0].rows", ""),
    (
        "weights of fewer classes than come",
        [header(plan=WEIGHING_TWO, rows=8), batch(), batch(labels=strings("yes", "no", "maybe", "yes"))],
        "INVALID_ARGUMENT",
        "plan.class_weight",
        "expected 3 weights, one for each of the classes 'maybe', 'no', 'yes', got 2",
    ),
    (
        "weights of fewer classes than are declared",
        [header(plan=WEIGHING_TWO, classes=strings("maybe", "no", "yes"))],
        "INVALID_ARGUMENT",
        "plan.class_weight",
        "one for each of the classes 'maybe', 'no', 'yes', got 2",
    ),
    (
        "weight of no class",
        [header(plan={"class_weight": {"nay": 2}}), batch()],
        "INVALID_ARGUMENT",
        "plan.class_weight",
        "expected classes among 'no', 'yes', got 'nay'",
    ),
    (
        "weight beyond float32",
        [header(plan={"class_weight": {"no": 1e39}}), batch()],
        "INVALID_ARGUMENT",
        "plan.class_weight",
        "expected weights within float32, got 1e+39",
    ),
    (
        "weights of targets",
        [header(plan={"class_weight": "balanced"}, rows=8), batch(targets=tensor([1, 2, 3, 4]))],
        "INVALID_ARGUMENT",
        "plan.class_weight",
        "class weights need labels, but the rows have targets",
    ),
    (
        "L-BFGS and dropout",
        [header(architecture={"layers": [{"units": 4, "dropout": 0.5, "activation": "relu"}]}, plan=LBFGS), batch()],
        "INVALID_ARGUMENT",
        "plan.optimizer",
        "expected a network without dropout and noise, or another optimiser",
    ),
    (
        "L-BFGS and clipping",
        [header(plan=LBFGS | {"clip_norm": 1}), batch()],
        "INVALID_ARGUMENT",
        "plan.clip_norm",
        "expected None",
    ),
    (
        "shares of no classes",
        [header(plan={"split": "stratified", "validation": 0.5}), batch(targets=tensor([1, 2, 3, 4]))],
        "INVALID_ARGUMENT",
        "plan.split",
        "a stratified split needs labels",
    ),
    ("model's name", [header("../etc")], "INVALID_NAME", "model", "a-z"),
    ("model's name is empty", [header("")], "INVALID_NAME", "model", ""),
    ("model's name is long", [header("a" * 5000)], "INVALID_NAME", "model", ""),
    ("request id", [header(request_id="r" * 129)], "INVALID_ARGUMENT", "request_id", "1 to 128 characters, got 129"),
    ("no layers", [header(architecture={})], "INVALID_ARGUMENT", "architecture.layers", "at least one layer"),
    ("zero units", [header(architecture={"layers": [{"units": 0}, {}]})], "", "architecture.layers[0].units", "got 0"),
    ("units missing", [header(architecture={"layers": [{}, {}]})], "", "architecture.layers[0].units", ""),
    (
        "a billion units",
        [header(architecture={"layers": [{"units": 10**9, "activation": "relu"}]})],
        "MODEL_TOO_LARGE",
        "architecture.layers[0].units",
        "at most 1000 units, got 1000000000",
    ),
    (
        "a maxout of too many pieces",
        [header(architecture={"layers": [{"units": 4, "activation": {"kind": "maxout", "pieces": 300}}, {}]})],
        "MODEL_TOO_LARGE",
        "architecture.layers[0]",
        "at most 1000 units, got 4 × 300: each piece of a maxout counts as a unit",
    ),
    (
        "too many parameters",
        [header(architecture={"layers": [{"units": 999, "activation": "relu"}] * 2}), batch()],
        "MODEL_TOO_LARGE",
        "architecture",
        "50000 parameters",
    ),
    (
        "too many layers",
        [header(architecture={"layers": [{"units": 2, "activation": "relu"}] * 5})],
        "MODEL_TOO_LARGE",
        "architecture.layers",
        "at most 4 layers, got 5",
    ),
    (
        "maxout of one piece",
        [header(architecture={"layers": [{"units": 4, "activation": {"kind": "maxout", "pieces": 1}}]})],
        "INVALID_ARGUMENT",
        "architecture.layers[0].activation.pieces",
        "",
    ),
    (
        "dropout of 1",
        [header(architecture={"layers": [{"units": 4, "activation": "relu", "dropout": 1.0}]})],
        "INVALID_ARGUMENT",
        "architecture.layers[0].dropout",
        "",
    ),
    ("no epochs", [header(plan={"epochs": 0})], "INVALID_ARGUMENT", "plan.epochs", "got 0"),
    ("too many epochs", [header(plan={"epochs": 10**6})], "TOO_LARGE", "plan.epochs", "at most 100000"),
    ("empty steps", [header(plan={"batch_size": 0})], "INVALID_ARGUMENT", "plan.batch_size", ""),
    ("all rows held out", [header(plan={"validation": 1.0})], "INVALID_ARGUMENT", "plan.validation", ""),
    ("no row held out", [header(plan={"validation": 0.01}), batch()], "INVALID_ARGUMENT", "plan.validation", "4 rows"),
    ("negative l2", [header(plan={"l2": -1.0})], "INVALID_ARGUMENT", "plan.l2", ""),
    (
        "learning rate",
        [header(plan={"optimizer": {"kind": "adam", "learning_rate": -1.0}})],
        "INVALID_ARGUMENT",
        "plan.optimizer.learning_rate",
        "",
    ),
    ("NaN", [header(), batch(NAN, labels=strings("a", "b"))], "NOT_FINITE", "batches[0].rows[1][1]", "got nan"),
    (
        "nothing expected",
        [header(), training_pb2.TrainRequest(batch={"rows": tensor(ROWS)})],
        "",
        "batches[0]",
        "labels or targets",
    ),
    ("labels missing", [header(), batch(labels=strings("a"))], "INVALID_ARGUMENT", "batches[0].labels", "expected 4"),
    (
        "labels of two kinds",
        [header(rows=8), batch(), batch(labels=integers(1, 2, 1, 2))],
        "",
        "batches[1].labels",
        "string",
    ),
    (
        "labels, then targets",
        [header(rows=8), batch(), batch(targets=tensor([0, 1, 1, 0]))],
        "",
        "batches[1].targets",
        "",
    ),
    (
        "other features",
        [header(rows=8), batch(), batch(np.zeros((4, 3)), labels=strings(*"aabb"))],
        "",
        "batches[1].rows",
        "2 features",
    ),
    (
        "too many features",
        [header(), batch(np.zeros((4, 21)), labels=strings(*"aabb"))],
        "TOO_LARGE",
        "batches[0].rows",
        "20",
    ),
    (
        "negative counts",
        [header(plan={"loss": "poisson"}), batch(targets=tensor([0, 1, -2, 3]))],
        "",
        "batches[0].targets[2]",
        "expected a number of at least 0 for poisson, got -2.0",
    ),
    (
        "flags beyond one",
        [header(plan={"loss": "sigmoid_cross_entropy"}), batch(targets=tensor([[0, 1], [0, 1], [0, 2], [0, 1]]))],
        "",
        "batches[0].targets[2][1]",
        "expected a number from 0 to 1 for sigmoid_cross_entropy, got 2.0",
    ),
    (
        "stopping that watches nothing",
        [header(plan={"early_stopping": {}, "validation": 0}), batch()],
        "",
        "plan.early_stopping.watch",
        "validation above 0",
    ),
    (
        "plateau that watches nothing",
        [header(plan={"schedule": "reduce_on_plateau", "validation": 0}), batch()],
        "",
        "plan.schedule.watch",
        "validation above 0",
    ),
    (
        "long memory",
        [
            header(
                architecture={"inputs": 2, "layers": [{"units": 1000, "activation": "relu"}, {}]},
                plan={"optimizer": {"kind": "lbfgs", "history": 1000}},
            ),
            batch(),
        ],
        "TOO_LARGE",
        "plan.optimizer",
        "numbers for each of 4001 parameters",
    ),
    (
        "negative weight",
        [header(), batch(labels=strings(*"abab"), weights=tensor([1, 1, -1, 1]))],
        "",
        "batches[0].weights[2]",
        "at least 0",
    ),
    ("one class", [header(), batch(labels=strings(*"aaaa"))], "INVALID_ARGUMENT", "labels", "at least 2 classes"),
    (
        "undeclared class",
        [header(classes=strings("no", "maybe")), batch()],
        "LABEL_OUT_OF_RANGE",
        "batches[0].labels[1]",
        "expected one of the classes 'no', 'maybe', got 'yes'",
    ),
    (
        "many classes",
        [header(classes=integers(*range(1001)))],
        "TOO_LARGE",
        "classes",
        "at most 1000 classes, got 1001",
    ),
    ("one declared class", [header(classes=strings("no"))], "INVALID_ARGUMENT", "classes", "2 different classes"),
    ("wrong loss", [header(plan={"loss": "squared_error"}), batch()], "", "plan.loss", "squared_error needs targets"),
    (
        "wrong inputs",
        [header(architecture={"inputs": 3, "layers": [{}]}), batch()],
        "",
        "architecture.inputs",
        "expected 2 inputs",
    ),
    (
        "wrong outputs",
        [header(architecture={"inputs": 2, "layers": [{"units": 3}]}), batch()],
        "",
        "architecture.layers[0].units",
        "expected 2 units in the output layer, one for each class, got 3",
    ),
    (
        "wrong tensor",
        [header(), training_pb2.TrainRequest(batch={"rows": {"data_type": 1, "shape": [2, 2], "data": b"\0" * 15}})],
        "INVALID_ARGUMENT",
        "batches[0].rows.data",
        "needs 16 bytes, got 15",
    ),
    (
        "huge tensor",
        [header(), training_pb2.TrainRequest(batch={"rows": {"data_type": 1, "shape": [2**40, 2**40], "data": b""}})],
        "INVALID_ARGUMENT",
        "batches[0].rows.data",
        "",
    ),
    (
        "negative shape",
        [header(), training_pb2.TrainRequest(batch={"rows": {"data_type": 1, "shape": [-1, -4], "data": b"\0" * 16}})],
        "INVALID_ARGUMENT",
        "batches[0].rows.shape",
        "",
    ),
    (
        "no data type",
        [header(), training_pb2.TrainRequest(batch={"rows": {"shape": [1, 1], "data": b"\0" * 4}})],
        "INVALID_ARGUMENT",
        "batches[0].rows.data_type",
        "DATA_TYPE_FLOAT32",
    ),
    (
        "too much data",
        [header(rows=40_000), *[batch(np.zeros((20_000, 10)), labels=integers(*([0, 1] * 10_000)))] * 2],
        "DATASET_TOO_LARGE",
        "batches[0].rows",
        "40,000 rows of this width need 1,760,000 bytes, a dataset may have 1,000,000",
    ),
]


@pytest.mark.parametrize(
    ("requests", "reason", "pointer", "words"),
    [case[1:] for case in BAD_STREAMS],
    ids=[case[0] for case in BAD_STREAMS],
)
def test_a_wrong_stream_is_told_what_is_wrong_and_leaves_nothing(
    training: TrainingServiceStub,
    stores: Stores,
    settings: Settings,
    requests: list[training_pb2.TrainRequest],
    reason: str,
    pointer: str,
    words: str,
) -> None:
    code, message, found_reason, found_pointer = error_of(lambda: list(training.Train(iter(requests), timeout=20)))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert found_pointer == pointer
    assert found_reason == (reason or "INVALID_ARGUMENT")
    assert words in message
    assert stores.jobs.page(limit=1) == []
    for folder in ("incoming", "datasets"):
        assert list((settings.home_path / "artifacts" / folder).iterdir()) == []


WRONG, MISSING = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
JOB, MODEL, PREDICTION = TrainingServiceStub, ModelServiceStub, PredictionServiceStub
BAD_CALLS: list[tuple[Any, str, Any, grpc.StatusCode, str, str]] = [
    (JOB, "GetJob", training_pb2.GetJobRequest(job_id="x"), MISSING, "JOB_NOT_FOUND", "job_id"),
    (JOB, "CancelJob", training_pb2.CancelJobRequest(), MISSING, "JOB_NOT_FOUND", "job_id"),
    (
        JOB,
        "ListJobs",
        training_pb2.ListJobsRequest(page_size=-1),
        WRONG,
        "INVALID_ARGUMENT",
        "page_size",
    ),
    (
        JOB,
        "ListJobs",
        training_pb2.ListJobsRequest(state=99),
        WRONG,
        "INVALID_ARGUMENT",
        "state",
    ),  # type: ignore[arg-type]
    (MODEL, "GetModel", models_pb2.GetModelRequest(name="x"), MISSING, "MODEL_NOT_FOUND", "model"),
    (
        MODEL,
        "SetAlias",
        models_pb2.SetAliasRequest(model="a", alias="latest", version=1),
        WRONG,
        "INVALID_NAME",
        "alias",
    ),
    (
        MODEL,
        "SetAlias",
        models_pb2.SetAliasRequest(model="a", alias="7", version=1),
        WRONG,
        "INVALID_NAME",
        "alias",
    ),
    (
        MODEL,
        "SetAlias",
        models_pb2.SetAliasRequest(model="a", alias="x", version=9),
        MISSING,
        "VERSION_NOT_FOUND",
        "version",
    ),
    (
        PREDICTION,
        "Predict",
        models_pb2.PredictRequest(model="a", rows=tensor([[1]])),
        WRONG,
        "WRONG_FEATURE_COUNT",
        "rows",
    ),
    (
        PREDICTION,
        "Predict",
        models_pb2.PredictRequest(model="a", rows=tensor([[1, np.nan]])),
        WRONG,
        "NOT_FINITE",
        "rows[0][1]",
    ),
    (
        PREDICTION,
        "Predict",
        models_pb2.PredictRequest(model="a", version="9", rows=tensor(ROWS)),
        MISSING,
        "VERSION_NOT_FOUND",
        "version",
    ),
    (
        PREDICTION,
        "Predict",
        models_pb2.PredictRequest(model="a", rows=tensor(np.zeros((0, 2)))),
        WRONG,
        "EMPTY_BATCH",
        "rows",
    ),
    (
        PREDICTION,
        "Predict",
        models_pb2.PredictRequest(model="a"),
        WRONG,
        "INVALID_ARGUMENT",
        "rows.data_type",
    ),
]


@pytest.mark.parametrize(
    ("stub", "method", "request_", "code", "reason", "pointer"),
    BAD_CALLS,
    ids=[f"{case[1]} {case[5]}" for case in BAD_CALLS],
)
def test_a_wrong_call_is_told_what_is_wrong(
    channel: grpc.Channel,
    publish: Callable[..., Version],
    stub: Any,
    method: str,
    request_: Any,
    code: grpc.StatusCode,
    reason: str,
    pointer: str,
) -> None:
    publish("a")

    found = error_of(lambda: getattr(stub(channel), method)(request_, timeout=10))

    assert (found[0], *found[2:]) == (code, reason, pointer)
