"""PredictDataset: which columns are used, what comes back with the predictions, and how what is wrong is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import grpc
import numpy as np
import pytest

from helpers.dataset_requests import file_requests
from helpers.published import publish_classifier
from helpers.rpc_requests import error_of, running_rpc, tensor
from layerwise import MLP, Architecture, BooleanFormat, Layer, OneHot, Plan, TableEncoder, fit
from layerwise_proto.v1 import models_pb2
from layerwise_proto.v1.datasets_pb2_grpc import DatasetServiceStub
from layerwise_proto.v1.models_pb2_grpc import PredictionServiceStub
from layerwise_service.domain.jobs import TableSource, Task
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings

TABLE = {
    "size": [1.0, 2.0, 3.0, None],
    "colour": ["red", "blue", "red", "blue"],
    "new": ["ja", "nein", "ja", "nein"],
    "day": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"],
}
FILE = b"""id,day,colour,size,new,late,note
a1,02.01.2024,blue,2,nein,yes,x
a2,01.01.2024,red,1,ja,no,y
a3,03.01.2024,,,ja,maybe,z
a4,04.01.2024,red,3,ja,,
"""
INPUTS: list[dict[str, Any]] = [
    {"day": "2024-01-02", "colour": "blue", "size": 2, "new": False},
    {"day": "2024-01-01", "colour": "red", "size": 1, "new": True},
    {"day": "2024-01-03", "colour": None, "size": None, "new": True},
    {"day": "2024-01-04", "colour": "red", "size": 3, "new": True},
]
LATE = TableSource("0" * 64, "late", Task.CLASSES, "", 0, (), "", {"kind": "category"})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=str(tmp_path_factory.mktemp("p") / "home"), rpc_address="127.0.0.1:0", max_predict_rows=3)


@pytest.fixture(scope="module")
def network(settings: Settings) -> MLP:
    """That of the version sales/1, which knows that its target was `late`."""
    formats = {"new": BooleanFormat(true=("ja",), false=("nein",))}
    encoder = TableEncoder({"colour": OneHot(missing="own")}, ignore=["late"], formats=formats).fit(TABLE)
    found = MLP(Architecture(encoder.width, (Layer(4, "relu"), Layer(2))))
    found.encoder = encoder
    plan = Plan(epochs=2)
    for _ in fit(found, TABLE, ["no", "yes", "yes", "no"], plan=plan):
        pass
    publish_classifier(settings, "sales", found, plan, LATE)
    return found


@pytest.fixture(scope="module")
def channel(settings: Settings, network: MLP) -> Iterator[grpc.Channel]:
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as opened:
        yield opened


def sent(channel: grpc.Channel, content: bytes) -> str:
    """The id of a dataset; each takes a reader, about a second."""
    return str(DatasetServiceStub(channel).UploadDataset(file_requests(content), timeout=60).id)


@pytest.fixture(scope="module")
def table(channel: grpc.Channel) -> str:
    """The id of FILE's dataset."""
    return sent(channel, FILE)


def predicted(channel: grpc.Channel, dataset: str, **request: Any) -> list[models_pb2.PredictedRows]:
    asked = models_pb2.PredictDatasetRequest(**{"dataset": dataset, "model": "sales"} | request)
    return list(PredictionServiceStub(channel).PredictDataset(asked, timeout=30))


def labels(messages: list[models_pb2.PredictedRows]) -> list[str]:
    return [label for each in messages for label in each.prediction.labels.strings.values]


def test_the_rows_of_a_dataset_are_predicted_by_the_names_of_its_columns(
    channel: grpc.Channel, network: MLP, table: str
) -> None:
    messages = predicted(channel, table)

    assert labels(messages) == network.predict(INPUTS).tolist()
    assert [len(each.prediction.labels.strings.values) for each in messages] == [3, 1]  # max_predict_rows
    probabilities = np.concatenate([np.frombuffer(each.prediction.probabilities.data, "<f4") for each in messages])
    assert probabilities == pytest.approx(network.predict_proba(INPUTS).ravel(), abs=1e-6)
    assert [list(each.prediction.classes.strings.values) for each in messages] == [["no", "yes"]] * 2
    assert [(each.prediction.model, each.prediction.version) for each in messages] == [("sales", 1)] * 2


def test_columns_that_the_version_does_not_know_are_named_once_but_not_those_of_its_training_or_of_the_request(
    channel: grpc.Channel, table: str
) -> None:
    assert [list(each.unused) for each in predicted(channel, table)] == [["id", "note"], []]
    assert list(predicted(channel, table, keep=["id"], target="note")[0].unused) == []


def test_kept_columns_come_with_the_predictions(channel: grpc.Channel, table: str) -> None:
    messages = predicted(channel, table, keep=["id", "size"])

    assert [[column.name for column in each.kept.columns] for each in messages] == [["id", "size"]] * 2
    assert [text for each in messages for text in each.kept.columns[0].texts.values] == ["a1", "a2", "a3", "a4"]
    sizes = [number for each in messages for number in each.kept.columns[1].numbers.values]
    assert sizes == pytest.approx([2, 1, math.nan, 3], nan_ok=True)


def test_warnings_of_each_block_have_the_rows_of_the_dataset(channel: grpc.Channel) -> None:
    days = [f"{1 + i % 4:02}.01.{2024 if i < 4 else 2031}" for i in range(8)]
    dataset = sent(channel, "\n".join(["day,colour,size,new", *(f"{day},red,2,ja" for day in days)]).encode())

    found = [warning for message in predicted(channel, dataset) for warning in message.prediction.warnings]

    assert [(each.reason, each.column, each.row, each.rows) for each in found] == [
        ("FAR_DATE", "day", 4, 2),
        ("FAR_DATE", "day", 6, 2),
    ]
    assert found[0].value == "2031-01-01"
    assert found[0].message.startswith("training had 2024-01-01 to 2024-01-04 in this column, got 2031-01-01; ")


def test_a_stream_goes_on_where_it_broke_off(channel: grpc.Channel, table: str) -> None:
    every = labels(predicted(channel, table))

    assert labels(predicted(channel, table, offset=1, version="1")) == every[1:]
    assert predicted(channel, table, offset=4) == predicted(channel, table, offset=2**62) == []


def test_true_values_are_places_among_the_classes(channel: grpc.Channel, table: str) -> None:
    messages = predicted(channel, table, target="late")

    truth = [number for each in messages for number in each.truth.values]
    assert truth == pytest.approx([1, 0, -1, math.nan], nan_ok=True)  # yes, no, maybe and nothing


TRUTHS: list[tuple[Any, tuple[str, ...], list[float]]] = [
    # classes, cells, truth
    ((False, True), ("yes", "no", "TRUE", "0"), [1, 0, 1, 0]),
    ((False, True), ("1", "0", "1.0", ""), [1, 0, 1, math.nan]),
    ((1, 2, 10), ("10", "2.0", "1", "3"), [2, 1, 0, -1]),
    ((1, 2), ("1", "two", "2", "x"), [0, -1, 1, -1]),
    (("1", "2"), ("1", "2.0", "2", ""), [0, 1, 1, math.nan]),
    (("no", "yes"), ("yes", "no", "YES", ""), [1, 0, 1, math.nan]),
    (("a b", "c"), (" a b", "c ", "C", "a  b"), [0, 1, -1, -1]),
    (None, ("1.5", "2", "", "3"), [1.5, 2, math.nan, 3]),
]


def test_true_values_mean_the_same_however_they_are_written(
    channel: grpc.Channel, publish: Callable[..., Version]
) -> None:
    names = [f"y{i}" for i in range(len(TRUTHS))]
    lines = [
        ",".join(["a", "b", *names]),
        *(",".join(["1", "2", *(each[1][row] for each in TRUTHS)]) for row in range(4)),
    ]
    made = sent(channel, "\n".join(lines).encode())

    for name, (classes, _, truth) in zip(names, TRUTHS, strict=True):
        version = str(publish("m", labels=classes).number)
        messages = predicted(channel, made, model="m", version=version, target=name, keep=names)

        found = [number for each in messages for number in each.truth.values]
        assert found == pytest.approx(truth, nan_ok=True)


def test_a_version_of_numbers_takes_the_other_columns_in_their_order(
    channel: grpc.Channel, publish: Callable[..., Version]
) -> None:
    publish("xor")
    sent_rows = sent(channel, b"id,a,b,y\nr1,0,1,no\nr2,1,1,yes\n")

    (rows,) = predicted(channel, sent_rows, model="xor", keep=["id"], target="y")

    asked = models_pb2.PredictRequest(model="xor", rows=tensor([[0, 1], [1, 1]]))
    assert rows.prediction == PredictionServiceStub(channel).Predict(asked, timeout=10)
    assert list(rows.truth.values) == [0, 1]


BAD = b"day,size,new,colour\n" + b"1.1.2024,1,ja,a\n" * 3 + b"1.1.2024,about 3,ja,a\n"
NUMBERS = b"a,b,c,e,day\n1,2,3,1,2024-01-01\n2,x,4,1e39,2024-01-01\n"
WRONG: list[tuple[bytes, dict[str, Any], str, str, str]] = [
    # content, request, reason, pointer, words
    (FILE, {"keep": ["idd"]}, "COLUMN_NOT_FOUND", "keep", "there is no column 'idd'"),
    (FILE, {"target": "lat"}, "COLUMN_NOT_FOUND", "target", "did you mean late?"),
    (FILE, {"target": "size"}, "INVALID_ARGUMENT", "target", "'size' is one that it predicts from"),
    (FILE, {"offset": -1}, "INVALID_ARGUMENT", "offset", "expected at least 0, got -1"),
    (BAD, {}, "INVALID_ARGUMENT", "rows[3].size", "expected a number, got 'about 3'"),
    (BAD, {"model": "xor"}, "WRONG_FEATURE_COUNT", "", "takes 2 columns of numbers in order, the table has 4"),
    (NUMBERS, {}, "MISSING_COLUMN", "columns.size", "the column 'size' is missing; there are a, b, c, e, day"),
    (NUMBERS, {"model": "xor", "keep": list("abce")}, "WRONG_FEATURE_COUNT", "", "has 1: day"),
    (NUMBERS, {"model": "xor", "keep": ["c", "e", "day"]}, "INVALID_ARGUMENT", "rows[1].b", "a number, got 'x'"),
    (NUMBERS, {"model": "xor", "keep": ["b", "c", "day"]}, "NOT_FINITE", "rows[1].e", "number within float32"),
    (NUMBERS, {"model": "xor", "keep": ["b", "c", "e"]}, "WRONG_KIND_OF_ROWS", "columns.day", "got dates"),
    (NUMBERS, {"model": "flags", "target": "c", "keep": ["e", "day"]}, "INVALID_ARGUMENT", "target", "one value a row"),
]


def test_what_is_wrong_is_told_by_row_and_column(
    channel: grpc.Channel, table: str, publish: Callable[..., Version]
) -> None:
    publish("xor")
    publish("flags", labels=None, outputs=2)
    made = {FILE: table, BAD: sent(channel, BAD), NUMBERS: sent(channel, NUMBERS)}

    for content, request_of, reason, pointer, words in WRONG:
        found = error_of(partial(predicted, channel, made[content], **request_of))

        assert (found[0], found[2], found[3]) == (grpc.StatusCode.INVALID_ARGUMENT, reason, pointer)
        assert words in found[1]


def test_a_dataset_a_model_and_a_version_must_be_there(channel: grpc.Channel, table: str) -> None:
    for request, reason, pointer in (
        ({"dataset": "0" * 64}, "DATASET_NOT_FOUND", "dataset"),
        ({"model": "zz"}, "MODEL_NOT_FOUND", "model"),
        ({"version": "9"}, "VERSION_NOT_FOUND", "version"),
    ):
        found = error_of(partial(predicted, channel, **{"dataset": table} | request))
        assert (found[0], found[2:]) == (grpc.StatusCode.NOT_FOUND, (reason, pointer))
