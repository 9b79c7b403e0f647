"""Rows whose label or target is missing are not sent, and a warning counts them; errors name the user's rows."""

from __future__ import annotations

import grpc
import numpy as np
import pandas as pd
import pytest

from layerwise_client import InvalidRequest
from layerwise_proto.v1 import training_pb2

HIDDEN = {"layers": [{"units": 4, "activation": "relu"}]}
X = np.arange(12, dtype=np.float32).reshape(6, 2)
WARNED = "2 rows without a target are left out, 4 remain"


@pytest.fixture
def taken(service):
    """The requests of each call of Train that reached its end."""
    uploads = []

    def train(requests, context):
        uploads.append(list(requests))
        yield training_pb2.TrainEvent(accepted=service.job())

    service.answers["Train"] = train
    return uploads


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (["a", None, "b", "a", float("nan"), "b"], ["a", "b", "a", "b"]),
        ([0, None, 1, 0, pd.NA, 1], [0, 1, 0, 1]),
        (pd.Series([0, None, 1, 0, None, 1], dtype="Int64"), [0, 1, 0, 1]),
        (pd.array([0, None, 1, 0, None, 1], dtype="Int64"), [0, 1, 0, 1]),
        (pd.Categorical(["a", None, "b", "a", None, "b"]), ["a", "b", "a", "b"]),
        ([True, None, False, True, None, False], [True, False, True, False]),
    ],
)
def test_rows_without_a_label_are_left_out_and_counted(client, taken, y, labels):
    with pytest.warns(UserWarning, match=WARNED) as warned:
        client.train("digits", HIDDEN, X, y, weights=[1, 9, 2, 3, 9, 4], progress=False)

    header, sent = taken[0]
    assert warned[0].filename == __file__
    assert header.header.rows == 4
    assert np.frombuffer(sent.batch.rows.data, "<f4").reshape(4, 2).tolist() == X[[0, 2, 3, 5]].tolist()
    kind = sent.batch.labels.WhichOneof("kind")
    assert list(getattr(sent.batch.labels, kind).values) == labels
    assert np.frombuffer(sent.batch.weights.data, "<f4").tolist() == [1, 2, 3, 4]


def test_rows_of_a_table_without_a_number_to_predict_are_left_out_by_the_service_and_counted(client, files):
    frame = pd.DataFrame({"x": [0.5, 1, 2, 3, 4, 5], "c": list("abcabc"), "price": [1.5, None, 2, 3, None, 4]})

    files.source.CopyFrom(training_pb2.TableSource(left_out=2))

    with pytest.warns(UserWarning, match=WARNED) as warned:
        client.train("prices", HIDDEN, frame, "price", task="regression", progress=False)

    assert warned[0].filename == __file__
    assert files.columns(0)["c"] == list("abcabc")
    assert [value for value in files.columns(0)["price"] if value == value] == [1.5, 2, 3, 4]  # noqa: PLR0124 – NaN


def test_of_several_targets_all_must_be_missing(client, taken):
    y = np.array([[1, 2], [np.nan, np.nan], [3, 4], [5, 6], [np.nan, np.nan], [7, 8]])

    with pytest.warns(UserWarning, match=WARNED):
        client.train("pairs", HIDDEN, X, y, progress=False)
    y[3, 1] = np.nan
    with (
        pytest.warns(UserWarning, match=WARNED),
        pytest.raises(InvalidRequest, match="y row 3, column 1: expected a fin"),
    ):
        client.train("pairs", HIDDEN, X, y, progress=False)

    assert np.frombuffer(taken[0][1].batch.targets.data, "<f4").tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_batches_of_rows_without_any_target_are_not_sent(client, taken):
    large = np.zeros((20_000, 300), dtype=np.float32)
    large[:, 0] = np.arange(20_000)
    y = np.full(20_000, np.nan)
    y[[3, 19_990]] = 1

    with pytest.warns(UserWarning, match=r"19,998 rows without a target are left out, 2 remain"):
        client.train("digits", HIDDEN, large, y, plan={"loss": "squared_error"}, progress=False)

    first = [np.frombuffer(each.batch.rows.data, "<f4")[0] for each in taken[0][1:]]
    assert first == [3, 19_990]


def test_an_error_of_the_service_names_the_row_as_the_user_has_it(client, service):
    def train(requests, context):
        list(requests)
        place = ("batches", 0, "labels", 1)
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "unknown label", "UNKNOWN_LABEL", place=place)

    service.answers["Train"] = train

    with pytest.warns(UserWarning, match=WARNED), pytest.raises(InvalidRequest, match="y row 2: unknown label"):
        client.train("digits", HIDDEN, X, [0, None, 7, 0, None, 1], progress=False)


def test_at_least_one_row_must_have_a_target(client):
    with pytest.raises(InvalidRequest, match="y: expected a label or a number in at least one row, all are missing"):
        client.train("digits", HIDDEN, X, [None] * 6, progress=False)
