"""Tables that become no dataset: with several targets, chosen classes, or labels that a dataset would change."""

from __future__ import annotations

import grpc
import numpy as np
import pandas as pd
import pytest

from layerwise_client import InvalidRequest
from layerwise_proto.json_form import to_json
from layerwise_proto.v1 import training_pb2

HIDDEN = {"layers": [{"units": 4, "activation": "relu"}]}
PAIRS = np.arange(8, dtype=np.float64).reshape(4, 2)
TABLE = pd.DataFrame({"a": [0.5, 1, 2, 3], "b": [1.5, 2, 3, 4], "c": list("xyxz"), "held": [0, 1, 0, 1]})


@pytest.fixture
def streamed(service):
    """The header of each call of Train, and its batches."""
    calls = []

    def train(requests, context):
        header, *batches = requests
        calls.append((header.header, [each.batch for each in batches]))
        yield training_pb2.TrainEvent(accepted=service.job())

    service.answers["Train"] = train
    return calls


def columns(batch):
    return {each.name: list(each.texts.values or each.numbers.values) for each in batch.table.columns}


def targets(batch):
    return np.frombuffer(batch.targets.data, "<f4").reshape(-1, 2).tolist()


def test_several_targets_chosen_classes_and_labels_that_a_dataset_would_change_are_streamed(client, sent):
    X = {"a": [1, 2]}
    client.train("m", HIDDEN, X, [[1.0, 2.0], [3.0, 4.0]], progress=False)
    client.train("m", HIDDEN, X, ["x", "y"], classes=["x", "y", "z"], progress=False)
    client.train("m", HIDDEN, X, [2**53 + 1, 2**53], progress=False)
    client.train("m", HIDDEN, [{"a": 1, "b": 2**53 + 1}, {"a": 2, "b": 2**53}], "b", progress=False)
    client.train("m", HIDDEN, X, ["True", "no"], progress=False)
    client.train("m", HIDDEN, X | {"b": ["FALSE", "no"]}, "b", progress=False)

    assert [rows for _, rows, _ in sent] == [X] * 6
    assert [list(block.labels.integers.values) for _, _, block in sent[2:4]] == [[2**53 + 1, 2**53]] * 2
    assert [list(block.labels.strings.values) for _, _, block in sent[4:]] == [["True", "no"], ["FALSE", "no"]]


def test_a_table_to_predict_may_still_have_the_columns_of_the_labels_and_of_the_marks(client, streamed):
    client.train("m", HIDDEN, TABLE, "c", classes=list("xyz"), validation="held", ignore=["b"], progress=False)

    ((header, (learnt, held_out)),) = streamed
    assert to_json(header.encoder) == {"ignore": ["b", "c", "held"]}
    assert (columns(learnt), columns(held_out)) == ({"a": [0.5, 2], "b": [1.5, 3]}, {"a": [1, 3], "b": [2, 4]})
    assert [list(each.labels.strings.values) for each in (learnt, held_out)] == [["x", "x"], ["y", "z"]]
    assert (header.rows, header.held_out) == (4, 2)


def test_rows_without_targets_are_left_out_of_every_column(client, streamed):
    with pytest.warns(UserWarning, match="1 row without a target is left out, 3 remain"):
        client.train("m", HIDDEN, TABLE[["a", "c"]], [[0, 1], [None, None], [4, 5], [6, 7]], progress=False)

    ((_, (batch,)),) = streamed
    assert columns(batch) == {"a": [0.5, 2, 3], "c": ["x", "x", "z"]}
    assert targets(batch) == [[0, 1], [4, 5], [6, 7]]


def test_rows_to_hold_out_have_the_columns_of_the_others_in_any_order(client, streamed):
    held = {"c": ["y", None], "more": [1, 2], "a": [None, None]}
    client.train("m", HIDDEN, TABLE, PAIRS, validation=(held, PAIRS[:2]), ignore=["b", "held"], progress=False)

    ((header, (_, batch)),) = streamed
    assert (header.rows, header.held_out) == (6, 2)
    assert list(columns(batch)) == ["a", "b", "c", "held"]
    assert columns(batch)["c"] == ["y", ""]
    assert np.isnan(columns(batch)["a"]).all()  # a column of gaps alone is of the type that the others have
    assert targets(batch) == PAIRS[:2].tolist()


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ((TABLE[["a", "c"]], PAIRS), "validation: X: there is no column 'b', which the rows to train on have; the"),
        ((TABLE.assign(a="big"), PAIRS), "validation: X column a: expected numbers, .*, got texts, such as big"),
        ((TABLE.to_numpy(), PAIRS), "validation: X: expected a table with the columns a, b, c, held, got ndarray"),
        ((TABLE, PAIRS[:, :1]), "validation: y: expected 2 numbers in each row, .*, got 1 number in each row"),
        ((TABLE, PAIRS, [1] * 4), "validation: weights: expected none, as for the rows to train on, got some"),
        ((TABLE.assign(a=1e300), PAIRS), "validation: X row 0, column a: expected a number within float32"),
        ("c", "validation: expected a column of 1 and 0, or of booleans, 'c' has others, such as 'x'"),
        ("b", "X row 0, column b: expected 1 for a row to hold out and 0 for the others, got 1.5"),
        ("held.csv", "validation: expected rows in memory, as those to train on, or the name of a column"),
    ],
)
def test_rows_to_hold_out_that_do_not_fit_the_others_are_refused(client, streamed, validation, message):
    with pytest.raises(InvalidRequest, match=message):
        client.train("m", HIDDEN, TABLE, PAIRS, validation=validation, progress=False)

    assert streamed == []


def test_weights_are_no_name_of_a_column(client, streamed):
    with pytest.raises(InvalidRequest, match="weights: expected one number a row, got 'a'; a column is named only of"):
        client.train("m", HIDDEN, TABLE, PAIRS, weights="a", progress=False)

    assert streamed == []


@pytest.mark.parametrize(
    ("batch", "said", "where"),
    [
        (0, "X row 3, column c: expected less", "X[3].c"),
        (1, "validation: X row 3, column c: expected less", "validation.X[3].c"),
    ],
)
def test_an_error_of_the_service_about_a_cell_names_row_and_column(client, service, batch, said, where):
    def refuse(requests, context):
        list(requests)
        place = ("batches", batch, "table", "rows", 3, "c")
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "expected less", "BAD", place=place)

    service.answers["Train"] = refuse

    with pytest.raises(InvalidRequest) as caught:
        client.train("m", HIDDEN, TABLE, PAIRS, validation=(TABLE, PAIRS), progress=False)

    assert (str(caught.value), caught.value.pointer) == (said, where)
