"""Tables as users have them become columns of numbers or texts, or an error that says which cell is wrong."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal

import grpc
import numpy as np
import pandas as pd
import pytest

from layerwise.tables import ENCODINGS
from layerwise.tables.names import column_names
from layerwise_client import Client, Column, InvalidRequest, NotFound
from layerwise_client._data.dataset_table import as_table
from layerwise_client._data.tables import is_table, open_table
from layerwise_client._transport.blocks import TABLE_BYTES
from layerwise_client.progress import Silent
from layerwise_proto.json_form import to_json
from layerwise_proto.v1 import models_pb2, tables_pb2, tensors_pb2, training_pb2, types_pb2

NAN = float("nan")


def signature(**columns):
    """What a version of "flights" takes, as REST says it."""
    listed = [{"name": name, "kind": kind} for name, kind in columns.items()]
    return {"model": "flights", "version": 1, "columns": listed}


HIDDEN = {"layers": [{"units": 4, "activation": "relu"}]}


def opened(X, **encodings):
    given = open_table(X)
    chosen = {name: ENCODINGS[encoding].reads for name, encoding in encodings.items()}
    return given.opened(kinds=dict.fromkeys(given.columns, "") | chosen)


def columns(X, **encodings):
    """The values of each column as they travel, None for a missing number."""
    table = opened(X, **encodings)
    block = table.block(0, table.count)
    return {
        name: values if isinstance(values, list) else [None if np.isnan(each) else each for each in values]
        for name, values in zip(block.names, block.values, strict=True)
    }


@pytest.mark.parametrize(
    ("type_", "values", "travels"),
    [
        ("number", [1, 2.5, None], [1, 2.5, None]),
        ("number", [np.int32(1), np.float64(NAN), Decimal("2.5")], [1, None, 2.5]),
        ("number", np.array([1.5, NAN], dtype=np.float16), [1.5, None]),
        ("number", pd.array([1.5, None], dtype="Float32"), [1.5, None]),
        ("number", np.ma.masked_array([1.0, 2.0], mask=[False, True]), [1, None]),
        ("number", pd.arrays.SparseArray([0.0, 1.5, NAN]), [0, 1.5, None]),
        ("whole", [1, 2, None], [1, 2, None]),
        ("whole", np.array([1, 2], dtype=np.uint8), [1, 2]),
        ("whole", np.array([1, None], dtype=object), [1, None]),
        ("whole", np.ma.masked_array([1, 2], mask=[False, True]), [1, None]),
        ("whole", pd.array([1, None], dtype="Int64"), [1, None]),
        ("whole", [2**53 + 1, 1], ["9007199254740993", "1"]),
        ("whole", np.array([2**53 + 1, 1]), ["9007199254740993", "1"]),
        ("whole", pd.array([2**53 + 1, None], dtype="Int64"), ["9007199254740993", ""]),
        ("whole", [np.int64(2**53 + 1), np.int64(2**53), None], ["9007199254740993", "9007199254740992", ""]),
        ("whole", [np.uint64(2**64 - 1), 1], ["18446744073709551615", "1"]),
        ("", ["AA", None, "", NAN], ["AA", "", "", ""]),
        ("", np.array(["AA", "B"]), ["AA", "B"]),
        ("", np.array([b"AA", b"B"]), ["AA", "B"]),
        ("", pd.array(["AA", None], dtype="string"), ["AA", ""]),
        ("", ["AA", pd.NA, pd.NaT], ["AA", "", ""]),
        ("boolean", [True, None, np.bool_(0)], [1, None, 0]),
        ("boolean", np.array([True, False]), [1, 0]),
        ("boolean", pd.array([True, None], dtype="boolean"), [1, None]),
        ("", [True, None, "no"], ["true", "", "no"]),
        ("date", [date(2013, 1, 31), None], ["2013-01-31", ""]),
        ("date", [datetime(2013, 1, 31, 10, 5), pd.NaT], ["2013-01-31T10:05:00", ""]),
        ("date", [datetime(2013, 1, 31, 10, tzinfo=UTC)], ["2013-01-31T10:00:00+00:00"]),
        ("date", np.array(["2013-01-31", "NaT"], dtype="M8[D]"), ["2013-01-31", ""]),
        ("date", np.array(["2013-01-31T10:05", "NaT"], dtype="M8[ns]"), ["2013-01-31T10:05:00", ""]),
        ("date", [np.datetime64("2013-01-31T10:05"), None], ["2013-01-31T10:05:00", ""]),
        ("date", pd.Series(pd.to_datetime(["2013-01-31 10:00", None])), ["2013-01-31T10:00:00", ""]),
        ("date", pd.Series(pd.to_datetime(["2013-01-31 10:00+01:00"])), ["2013-01-31T09:00:00"]),
        ("time", [time(10, 5), None, time(23, 59, 59, 999)], ["10:05:00", "", "23:59:59"]),
        ("category", pd.Categorical(["AA", None, "DL"]), ["AA", "", "DL"]),
        ("category", pd.Categorical(["2013", "2014"]), ["2013", "2014"]),
        ("category", pd.Categorical([7, None, 8]), [7, None, 8]),
        ("category", pd.Categorical([True, False]), ["true", "false"]),
        ("", [None, None], ["", ""]),
        ("", [3, "4", None], ["3", "4", ""]),
        ("", [3, "NA", "nan"], ["3", "NA", "nan"]),
        ("", [date(2013, 1, 31), "NA"], ["2013-01-31", "NA"]),
    ],
)
def test_values_travel_as_numbers_or_texts_with_their_type(type_, values, travels):
    if not isinstance(values, list | np.ndarray):
        values = pd.Series(values)

    assert columns({"a": values}) == {"a": travels}
    assert opened({"a": values}).types == (type_,)


def test_a_float32_that_is_a_category_travels_with_its_own_digits():
    values = np.array([0.1, NAN, 2.0], dtype=np.float32)

    for each in (values, list(values), pd.Series(values), pd.Series(pd.array([0.1, None, 2.0], dtype="Float32"))):
        assert columns({"a": each}, a="one_hot") == {"a": [0.1, None, 2.0]}
    assert columns({"a": values}) == {"a": [float(np.float32(0.1)), None, 2.0]}


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame({"b": ["x", "y"], "a": [1.0, 2.0]}, index=[7, 7]),
        {"b": ["x", "y"], "a": (1, 2)},
        {"b": np.array(["x", "y"]), "a": np.array([1, 2])},
        np.array([("x", 1), ("y", 2)], dtype=[("b", "U1"), ("a", "i4")]),
        [{"b": "x", "a": 1}, {"a": 2, "b": "y"}],
    ],
    ids=["frame", "mapping", "arrays", "structured array", "rows"],
)
def test_every_kind_of_table_keeps_names_and_order(X):
    table = opened(X)

    assert (table.count, table.names) == (2, ("b", "a"))
    assert table.take(1, 2)[0] == ["y"]
    assert columns(X) == {"b": ["x", "y"], "a": [1, 2]}


def test_a_frame_of_numbers_is_a_table_whose_columns_without_names_are_counted():
    assert columns(pd.DataFrame([[1.0, 2.0]])) == {"0": [1], "1": [2]}


@pytest.mark.parametrize("X", [np.zeros((2, 2)), [[1, 2]], [], [(1, 2)], pd.DataFrame({"a": [1]}).to_numpy()])
def test_rows_without_names_are_no_table(X):
    assert not is_table(X)


@pytest.mark.parametrize(
    ("X", "message", "pointer"),
    [
        ({"a": [1, float("inf")]}, "X row 1, column a: expected a finite number, got inf", "X[1].a"),
        ({"a": [1e39]}, r"X row 0, column a: expected a number within float32's range .*, got 1e\+39", "X[0].a"),
        ({"a": [1, [2]]}, r"X row 1, column a: expected a number, text, boolean, date or time, got \[2\]", "X[1].a"),
        ({"a": [1j]}, "X row 0, column a: expected a number, text, boolean, date or time, got 1j", "X[0].a"),
        ({"a": np.array([1j])}, "X column a: expected numbers, .*dates or times, got complex128", "X['a']"),
        ({"a": np.array([1], dtype="m8[s]")}, "X column a: .* got timedelta64.*; divide it by a unit", "X['a']"),
        ({"a": ["x", "\ud800"]}, "X row 1, column a: expected text that UTF-8 can hold", "X[1].a"),
        ({"a": [b"x", b"\xff"]}, "X row 1, column a: expected text in UTF-8", "X[1].a"),
        ({"a": [1, None, "AA"]}, "X row 2, column a: expected a number, as in earlier rows, got 'AA'", "X[2].a"),
        ({"a": ["AA", 1]}, "X row 1, column a: expected a text, as in earlier rows, got 1; choose", "X[1].a"),
        ({"a": [True, 2]}, "X row 1, column a: expected a boolean, as in earlier rows, got 2; choose", "X[1].a"),
        ({"a": [date(2013, 1, 1), "soon"]}, "X row 1, column a: expected a date, as in earlier rows", "X[1].a"),
        ({"a": [1, 2], "b": [1]}, "X column b: expected 2 values, as many as column a has, got 1", "X['b']"),
        ({"a": "xy"}, "X column a: expected a list of values, got str", "X['a']"),
        ({"a": 3}, "X column a: expected a list of values, got int", "X['a']"),
        ({"a": np.zeros((2, 2))}, r"X column a: expected one value a row, got shape \(2, 2\)", "X['a']"),
        ({}, "X has no columns", "X"),
        ({"a": []}, "X has no rows", "X"),
        ({b"a": [1]}, "expected text as a column name, got b'a'", "X"),
        ({"\ud800": [1]}, "expected column names that UTF-8 can hold, got ", "X"),
        ([{"a": 1}, {"b": 2}], "X row 1, column a: expected a value as in row 0, got nothing; None says", "X[1].a"),
        ([{"a": 1}, {"a": 1, "b": 2}], "X row 0, column b: expected a value as in row 1, got nothing", "X[0].b"),
        ([{"a": 1}, *[{"a": 1, "b": 2}] * 4], "X row 0, column b: expected a value as in row 1", "X[0].b"),
        ([*[{"a": 1}] * 3, {"a": 1, "b": 2}], "X row 3: column b is in 1 of 4 rows; None says that", "X[3].b"),
        ([{"a": 1}, [2]], "X row 1: expected a mapping of column names to values, got list", "X[1]"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_travel_is_refused_with_the_place(X, message, pointer):
    with pytest.raises(InvalidRequest, match=message) as caught:
        columns(X)

    assert caught.value.pointer == pointer


def test_an_encoding_says_what_values_of_several_types_are():
    assert columns({"a": [1, "AA", True]}, a="one_hot") == {"a": ["1", "AA", "true"]}
    assert columns({"a": [True, None, 2]}, a="log") == {"a": [1, None, 2]}
    assert columns({"a": np.array([True, False])}, a="identity") == {"a": [1, 0]}
    assert columns({"a": pd.Series(pd.Categorical([7, None]))}, a="standardize") == {"a": [7, None]}


@pytest.fixture
def flights():
    return pd.DataFrame(
        {
            "carrier": ["AA", "DL", None, "UA"],
            "distance": [1400, 200, 750.5, NAN],
            "zip": pd.Categorical([2138, 2139, 2138, 2140]),
            "id": [1, 2, 3, 4],
            "late": [True, False, True, False],
        }
    )


def test_a_frame_is_sent_with_its_types_and_trained_on_as_a_dataset(client, files, flights):
    client.train(
        "flights",
        HIDDEN,
        flights,
        "late",
        columns={"distance": {"kind": "log", "missing": "median"}, "zip": "number"},
        ignore=["id"],
        encoder={"rest": "infer", "columns": {"carrier": "hashing"}},
        progress=False,
    )

    rows, (job,), (header,) = files.columns(0), files.jobs, files.headers
    types = {"carrier": "unspecified", "distance": "number", "zip": "number", "id": "whole", "late": "boolean"}
    assert files.types(0) == types
    assert rows["carrier"] == ["AA", "DL", "", "UA"]
    assert rows["distance"][:3] == [1400, 200, 750.5]
    assert np.isnan(rows["distance"][3])
    assert rows["late"] == [True, False, True, False]
    assert (header.rows, header.name, header.transient) == (4, "table for flights", False)
    assert to_json(header)["formats"] == {"zip": "number"}
    assert (job.dataset, job.target, list(job.ignore)) == ("t1", "late", ["id"])
    assert to_json(job.encoder) == {
        "columns": {
            "carrier": "hashing",
            "distance": {"kind": "log", "missing": "median"},
        },
        "rest": "infer",
    }


def test_labels_and_weights_become_columns_with_names_that_no_other_column_has(client, files):
    X = {"target": [1, 2], "weight": [3, 4]}
    client.train("m", HIDDEN, X, ["1", "yes"], weights=[0.5, 1], progress=False)
    client.train("m", HIDDEN, pd.DataFrame({"a": [1, 2]}), pd.Series([0, 1], name="late"), progress=False)
    client.train(
        "m", HIDDEN, {"late": [1, 2], "w": [1, 2]}, pd.Series([0, 1], name="late"), weights="w", progress=False
    )

    assert [(job.target, job.weight) for job in files.jobs] == [("target_2", "weight_2"), ("late", ""), ("late_2", "w")]
    assert files.columns(0) == {"target": [1, 2], "weight": [3, 4], "target_2": ["1", "yes"], "weight_2": [0.5, 1]}
    assert files.types(0)["target_2"] == "category"  # labels that are texts stay what they are
    assert files.types(1) == {"a": "whole", "late": "whole"}
    assert files.columns(2) == {"late": [1, 2], "w": [1, 2], "late_2": [0, 1]}


def test_booleans_that_are_amounts_become_numbers(client, files):
    X = {"a": [1, 2]}
    client.train("m", HIDDEN, X, [True, False], task="regression", validation=(X, [True, True]), progress=False)
    client.train("m", HIDDEN, X | {"b": [True, None]}, "b", plan={"loss": "huber"}, progress=False)
    client.train("m", HIDDEN, X, [True, False], progress=False)

    assert [[*files.types(i).values()][-1] for i in range(4)] == ["whole", "whole", "whole", "boolean"]


@pytest.mark.parametrize(
    ("name", "target"),
    [(" late ", "late"), ("Unnamed: 0", "column1"), ("a\nb", "target"), ("la\u200bte", "target"), (7, "target")],
)
def test_the_column_of_a_series_has_the_name_that_the_service_will_give_it(client, files, name, target):
    client.train("m", HIDDEN, {"a": [1, 2]}, pd.Series([0, 1], name=name), progress=False)

    assert files.jobs[0].target == target
    assert column_names(list(files.columns(0))) == ["a", target]


@pytest.mark.parametrize(("weights", "name"), [(" w ", "w"), (7, "7")])
def test_weights_name_a_column_as_y_does(client, files, weights, name):
    X = {"a": [1, 2], "late": [0, 1], weights: [1, 2]}

    client.train("m", HIDDEN, X, "late", weights=weights, progress=False)
    client.train("m", HIDDEN, X, "late", weights=weights, validation=X, progress=False)

    assert [job.weight for job in files.jobs] == [name, name]


def test_the_rows_of_a_version_to_start_from_are_read_as_those_of_its_training(client, files, flights):
    client.train("flights", HIDDEN, flights, "late", start_from="flights/2", progress=False)

    (header,), (job,) = files.headers, files.jobs
    assert (header.read_as_model, header.read_as_version) == ("flights", "2")
    assert (job.start_from.model, job.HasField("encoder")) == ("flights", False)


def test_rows_to_hold_out_are_a_dataset_that_is_read_as_the_other(client, files, flights):
    held = {"carrier": ["AA"], "distance": [1.5], "zip": [2138], "late": [True]}
    client.train("m", HIDDEN, flights, "late", validation=(flights[:2], [True, False]), progress=False)
    client.train("m", HIDDEN, flights, "late", ignore=["id"], validation=held, progress=False)
    client.train("m", HIDDEN, flights, "zip", validation="late", progress=False)

    assert [header.transient for header in files.headers] == [False, True, False, True, False]
    assert [job.validation_dataset for job in files.jobs] == ["t2", "t4", ""]
    assert files.jobs[2].validation_column == "late"
    assert sorted(files.headers[1].formats) == sorted(flights)
    assert sorted(files.headers[3].formats) == sorted(held)
    with pytest.raises(InvalidRequest, match=r"validation: weights: expected none, as for the rows to train on, got"):
        client.train("m", HIDDEN, flights, "late", validation=(flights, [True] * 4, [1] * 4), progress=False)
    with pytest.raises(InvalidRequest, match=r"validation: y row 1: expected only boolean values"):
        client.train("m", HIDDEN, flights, "late", validation=(flights[:2], [True, "x"]), progress=False)


@pytest.mark.parametrize(
    ("y", "task", "taken_for"),
    [
        ([0, 1, 1], "CLASSES", ""),
        ([0, 1, 1], "AMOUNT", "give task='classification' if they are classes"),
        ([0.0, 1.0, 1.0], "CLASSES", "give task='regression' if they are an amount"),
        ([0.5, 1.0, 1.0], "AMOUNT", ""),
        (["a", "b", "b"], "CLASSES", ""),
    ],
)
def test_a_target_taken_for_something_else_than_its_type_says_warns(client, files, y, task, taken_for, recwarn):
    files.source.CopyFrom(training_pb2.TableSource(task=types_pb2.Task.Value(f"TASK_{task}"), why="so it is"))

    client.train("m", HIDDEN, {"a": [1, 2, 3]}, y, progress=False)
    client.train("m", HIDDEN, {"a": [1, 2, 3]}, y, task=TASKS_BY_NAME[task], progress=False)

    assert [str(each.message) for each in recwarn] == ([f"y: so it is; {taken_for}"] if taken_for else [])
    assert all(each.filename == __file__ for each in recwarn)


TASKS_BY_NAME = {"CLASSES": "classification", "AMOUNT": "regression"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": "delay"}, "y: X has no column 'delay'; its columns are carrier, distance, zip, id, late"),
        ({"columns": {"delay": "log"}}, "columns: X has no column 'delay'; its columns are carrier, distance"),
        ({"ignore": ["delay"]}, "ignore: X has no column 'delay'"),
        ({"ignore": "delay"}, "ignore: expected a list of columns, got the text 'delay'"),
        ({"columns": {"late": "one_hot"}}, "columns: late is the target"),
        ({"ignore": ["late"]}, "ignore: late is the target"),
        ({"columns": {"id": "log"}, "ignore": ["id"]}, "ignore: column id has an encoding"),
        ({"columns": {"id": "logarithm"}}, "columns.id: expected one of standardize, min_max"),
        ({"columns": {"id": {"kind": "log", "mising": 0}}}, "columns.id.mising: unknown field"),
        ({"encoder": {"rest": "drop"}}, "encoder.rest: expected one of infer, ignore, got 'drop'"),
        ({"y": [0, 1]}, "X has 4 rows, y has 2"),
        ({"X": [[1, 2]], "y": "late"}, "y: expected X to be a table"),
        ({"X": [[1, 2]], "y": [1], "ignore": ["a"]}, "encoder: expected X to be a table"),
        ({"X": {"late": [0, 1]}}, "X has no column beside late"),
        ({"X": {"a": [0, 1], "late": ["x", {}]}}, "y row 1: expected a label or a number, got {}"),
        ({"X": {"a": [0, 1]}, "y": ["x", {}]}, "y row 1: expected a label or a number, got {}"),
        ({"X": {"a": [0, 1]}, "y": [True, "x"]}, "y row 1: expected only boolean values, got 'x'"),
        ({"X": {"a": [0, 1]}, "y": [None, None]}, "y: expected a label or a number in at least one row, all are"),
        ({"X": {"a": [0, 1]}, "y": [0, 1], "weights": [1, -1]}, "weights row 1: expected "),
        ({"X": {"a": [0, 1]}, "y": [0, 1], "weights": "b"}, "weights: X has no column 'b'; its columns are a, target"),
    ],
)
def test_what_does_not_fit_the_table_is_refused_before_anything_is_sent(client, files, flights, arguments, message):
    given = {"X": flights, "y": "late", **arguments}

    with pytest.raises(InvalidRequest, match=message):
        client.train("flights", HIDDEN, **given, progress=False)

    assert files.headers == []


class Uploads(Silent):
    """Keeps how many rows were on their way."""

    def __init__(self):
        self.sent = []

    def uploaded(self, rows, of):
        self.sent.append(rows)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_the_columns_of_a_matrix_of_numpy_are_values():
    table = as_table(np.asmatrix([[1, 2], [3, 4]])).opened(kinds={})

    assert [each.tolist() for each in table.take(0, 2)] == [[1, 3], [2, 4]]


def test_a_number_beyond_every_float_is_refused_where_numbers_are_wanted():
    with pytest.raises(InvalidRequest, match="X row 1, column a: expected a number within float32's range"):
        columns({"a": [1, 10**400]}, a="log")


def test_a_large_table_is_sent_in_blocks_of_about_a_megabyte(client, files):
    rows = 60_000
    long = {"a": np.arange(rows, dtype=np.float64), "b": ["x" * (index % 100) for index in range(rows)]}

    progress = Uploads()

    client.upload_dataset(long | {"c": np.arange(rows)}, progress=progress)

    columns = files.columns(0)
    assert columns["a"] == list(range(rows))
    assert columns["b"] == long["b"]
    assert progress.sent[-1] == rows
    # a row takes 8 bytes of each of its numbers and some 52 of its text
    assert 68 * rows / (2 * TABLE_BYTES) <= len(files.tables[0]) == len(progress.sent) <= 2 * 68 * rows / TABLE_BYTES


@pytest.mark.parametrize(
    ("call", "place", "said", "where"),
    [
        *(
            (call, *each)
            for call in ("UploadDataset", "CreateJob")
            for each in (
                (("rows", 7, "a"), "X row 7, column a: expected less", "X[7].a"),
                (("rows", 7, "target"), "y row 7: expected less", "y[7]"),
                (("rows", 7, "weight"), "weights row 7: expected less", "weights[7]"),
            )
        ),
        ("UploadDataset", ("formats", "a"), "columns.a: expected less", "columns.a"),
    ],
)
def test_an_error_of_the_service_about_a_cell_names_the_argument(client, service, files, call, place, said, where):
    def refuse(requests, context):
        list(requests if call == "UploadDataset" else ())
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "expected less", "BAD", place=place)

    service.answers[call] = refuse

    with pytest.raises(InvalidRequest) as caught:
        client.train("m", HIDDEN, {"a": range(10)}, [0, 1] * 5, weights=[1] * 10, progress=False)

    assert (str(caught.value), caught.value.pointer, caught.value.reason) == (said, where, "BAD")


@pytest.mark.parametrize(
    ("place", "said", "where"),
    [
        (("batches", 1, "labels", 3), "y row {}: expected less", "y[{}]"),
        (("batches", 1, "targets", 3), "y row {}: expected less", "y[{}]"),
        (("batches", 1, "weights", 3), "weights row {}: expected less", "weights[{}]"),
        (("batches", 1, "rows", 3, 2), "X row {}, column 2: expected less", "X[{}][2]"),
        (("batches", 9, "labels", 3), "batches[9].labels[3]: expected less", "batches[9].labels[3]"),
    ],
)
def test_an_error_of_the_service_about_a_row_names_that_of_x_or_y(client, service, place, said, where):
    first = []

    def refuse(requests, context):
        batches = [request.batch for request in requests][1:]
        first.append(batches[0].rows.shape[0])
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "expected less", "BAD", place=place)

    service.answers["Train"] = refuse
    X = np.zeros((300_000, 4), np.float32)

    with pytest.raises(InvalidRequest) as caught:
        client.train("flights", HIDDEN, X, np.arange(len(X)) % 2, progress=False)

    row = first[0] + 3
    assert (str(caught.value), caught.value.pointer) == (said.format(row), where.format(row))


@pytest.fixture
def answering(service):
    """Says of each row of a table what its column `a` has; knows version 1 of "flights", which takes a and b."""

    def predict(request, context):
        if request.WhichOneof("data") == "rows":
            detail = "expected a table, for this version takes the columns a, b; got rows of numbers"
            service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, detail, "WRONG_KIND_OF_ROWS", place=("rows",))
        by_name = {column.name: column for column in request.table.columns}
        texts = by_name["b"].texts.values
        if "true" in texts:
            place = ("table", "rows", list(texts).index("true"), "b")
            detail = "expected a number, got 'true'"
            service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, detail, "INVALID_ARGUMENT", place=place)
        values = np.array([by_name["a"].numbers.values], dtype="<f4").T
        block = tensors_pb2.Tensor(data_type=1, shape=values.shape, data=values.tobytes())
        return models_pb2.PredictResponse(model="flights", version=1, values=block)

    info = [
        tables_pb2.ColumnInfo(name="a", kind=1, encoding={"standardize": {}}, allows_missing=True),
        tables_pb2.ColumnInfo(name="b", kind=1, encoding={"log": {"negative": "clip"}}),
    ]
    service.publishes(models_pb2.ModelVersion(model="flights", version=1), columns=info, champion=1)
    service.answers["Predict"] = predict


@pytest.mark.parametrize("X", [np.array([[1.0, 5.0], [2.0, 6.0]]), [[1, 5], [2, 6]], [[1, None], [2, "6"]]])
def test_rows_without_names_are_given_those_of_the_version(client, service, answering, X):
    answer = client.predict("flights", X, version="champion")

    assert answer.values.tolist() == [1, 2]
    assert [column.name for column in service.requests["Predict"][-1].table.columns] == ["a", "b"]


def test_rows_without_names_keep_every_number_for_a_version_that_takes_a_table(client, service, answering):
    client.predict("flights", [[2**24 + 1, 0.1], [2**24, 0.2]])

    first, second = service.requests["Predict"][-1].table.columns
    assert list(first.numbers.values) == [16777217, 16777216]
    assert list(second.numbers.values) == [0.1, 0.2]


def test_over_rest_rows_without_names_keep_every_number_too(asking, rest):
    rest.answer = lambda question: (200, {"model": "flights", "version": 1, "predictions": ["x", "y"]})
    rest.signature = signature(a="category", b="category")

    asking.predict("flights", np.array([[2**24 + 1, 0.1], [2**24, 0.2]]))
    asking.predict("flights", [[2**53 + 1, 0.1], [None, 0.2]])
    asking.predict("flights", [[1, "a"], [2.5, None]])

    assert [each["instances"] for each in rest.questions] == [
        [{"a": 16777217, "b": 0.1}, {"a": 16777216, "b": 0.2}],
        [{"a": "9007199254740993", "b": 0.1}, {"a": None, "b": 0.2}],
        [{"a": 1, "b": "a"}, {"a": 2.5, "b": None}],
    ]
    assert len(rest.looks) == 1


@pytest.mark.parametrize(
    ("X", "message"),
    [([[1, 2], [3, NAN]], "expected a finite number, got nan"), ([[1, 2], [3, "x"]], "expected a number, got 'x'")],
)
def test_over_rest_a_version_that_takes_rows_of_numbers_is_given_no_others(asking, rest, X, message):
    with pytest.raises(InvalidRequest, match=f"^X row 1, column 1: {message}$") as caught:
        asking.predict("iris", X)

    assert caught.value.pointer == "X[1][1]"


def test_over_rest_rows_of_different_lengths_are_refused_before_they_are_sent(asking, rest):
    with pytest.raises(InvalidRequest, match="X row 1: expected 2 numbers, got 1"):
        asking.predict("flights", [[1, 2], [3]])

    assert rest.questions == []


def test_rows_of_another_length_than_the_version_has_columns_are_refused(client, answering):
    with pytest.raises(InvalidRequest, match="X row 0: expected 2 values in the order of the columns a, b; got 3"):
        client.predict("flights", [[1, 2, 3]])


def test_booleans_go_as_numbers_to_a_version_that_takes_them_so(client, service, answering):
    answer = client.predict("flights", {"a": [1, 2, 3], "b": [False, True, None]})

    sent = service.requests["Predict"][-1].table.columns[1]
    assert answer.values.tolist() == [1, 2, 3]
    assert list(sent.numbers.values)[:2] == [0, 1]
    assert np.isnan(sent.numbers.values[2])


def test_booleans_among_numbers_go_as_numbers_to_a_version_that_takes_them_so(client, service, answering):
    client.predict("flights", [{"a": 1, "b": True}, {"a": 2, "b": 0.5}, {"a": 3, "b": None}])

    sent = service.requests["Predict"][-1].table.columns[1]
    assert list(sent.numbers.values)[:2] == [1, 0.5]
    assert np.isnan(sent.numbers.values[2])


def test_booleans_among_numbers_go_over_rest_as_the_kind_of_their_column(asking, rest):
    rest.answer = lambda question: (200, {"model": "m", "version": 1, "predictions": [0, 1, 0]})
    rest.signature = signature(b="number", c="category")

    asking.predict("m", [{"b": True, "c": True}, {"b": 0.5, "c": 0.5}, {"b": None, "c": None}])

    assert rest.questions[0]["instances"] == [{"b": 1, "c": "true"}, {"b": 0.5, "c": "0.5"}, {"b": None, "c": None}]


def test_a_table_for_a_version_that_takes_rows_is_refused_with_a_way_out(client, service):
    service.publishes(models_pb2.ModelVersion(model="flights", version=1))

    with pytest.raises(InvalidRequest, match=r"not trained on a table; X\.to_numpy\(\) of a DataFrame gives") as caught:
        client.predict("flights", pd.DataFrame({"a": [1], "b": [2]}))

    assert caught.value.reason == "WRONG_KIND_OF_ROWS"
    assert service.called("Predict") == 0


def test_many_rows_of_a_table_go_in_several_questions_and_errors_count_them_all(client, service, answering):
    assert client.predict("flights", {"a": range(10_000), "b": [1.0] * 10_000}).values.tolist() == list(range(10_000))
    with pytest.raises(InvalidRequest, match="X row 9000, column b: expected a number, got 'true'") as caught:
        client.predict("flights", {"a": range(10_000), "b": ["x"] * 9_000 + ["true"] + ["x"] * 999})

    assert caught.value.pointer == "X[9000].b"


def test_over_rest_rows_go_as_objects_by_name(asking, rest):
    rest.answer = lambda question: (200, {"model": "flights", "version": 1, "predictions": ["late", "in time"]})
    rest.signature = signature(carrier="category", distance="number", weekend="category", at="date")
    X = pd.DataFrame(
        {
            "carrier": ["Ü", None],
            "distance": [1400.5, NAN],
            "weekend": [True, False],
            "at": [pd.NaT, datetime(2013, 1, 1)],
        }
    )

    answer = asking.predict("flights", X)

    assert answer.labels.tolist() == ["late", "in time"]
    assert rest.questions[0]["instances"] == [
        {"carrier": "Ü", "distance": 1400.5, "weekend": True, "at": None},
        {"carrier": None, "distance": None, "weekend": False, "at": "2013-01-01T00:00:00"},
    ]


def test_an_error_over_rest_about_a_cell_names_row_and_column_of_x(asking, rest):
    problem = {
        "status": 400,
        "reason": "INVALID_ARGUMENT",
        "detail": "instances[1].a/b: expected a number, got 'x'",
        "errors": [{"place": ["instances", 1, "a/b"], "detail": "expected a number, got 'x'"}],
    }
    rest.answer = lambda question: (400, problem)
    rest.signature = signature(**{"a/b": "number"})

    with pytest.raises(InvalidRequest, match=r"^X row 1, column a/b: expected a number, got 'x'$") as caught:
        asking.predict("flights", {"a/b": ["1", "x"]})

    assert caught.value.pointer == "X[1].a/b"


def test_a_question_that_does_not_fit_a_message_is_asked_in_halves(client, service, answering):
    wide = {"a": range(3_000), "b": ["x" * 4_000] * 3_000}

    assert client.predict("flights", wide).values.tolist() == list(range(3_000))
    assert service.called("Predict") > 1


def test_a_version_tells_its_columns(client, answering):
    model = client.model("flights")

    assert model.at("champion").columns == (
        Column("a", "number", "standardize", (), 0, allows_missing=True),
        Column("b", "number", {"kind": "log", "negative": "clip"}, (), 0, allows_missing=False),
    )
    assert [column.encoding_kind for column in model.at(None).columns] == ["standardize", "log"]
    with pytest.raises(NotFound, match="flights has no version or alias 'challenger'; the newest version is"):
        model.at("challenger")


def test_a_job_tells_the_columns_that_its_version_takes(client, service):
    columns = [tables_pb2.ColumnInfo(name="a", kind=3, encoding={"date_parts": {}}, allows_missing=True)]
    service.answers |= {
        "GetJob": lambda request, context: service.job(columns=tables_pb2.ColumnCounts(dates=1, with_gaps=1)),
        "ListColumns": lambda request, context: models_pb2.ListColumnsResponse(columns=columns),
    }

    assert client.job("job-1").columns == (Column("a", "date", "date_parts", (), 0, allows_missing=True),)


def test_pandas_is_not_imported_for_tables():
    import subprocess
    import sys

    code = (
        "import sys; from layerwise_client._data.tables import open_table; "
        "t = open_table({'a': [1, None, 2.5], 'b': ['x', 'y', None]}).opened(kinds={}); t.block(0, 3).message(); "
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_the_json_of_a_block_is_that_of_its_message():
    block = opened({"a": [1, None], "b": ["x", None], "c": [True, None]}).block(0, 2)

    instances = json.loads(json.dumps(block.instances()))
    assert instances == [{"a": 1, "b": "x", "c": True}, {"a": None, "b": None, "c": None}]


def test_a_client_may_be_asked_about_a_table_without_a_model(service):
    service.answers |= {
        "GetSignature": lambda request, context: service.fail(context, grpc.StatusCode.NOT_FOUND, "none", "X")
    }

    with Client(service.address, timeout=2) as client, pytest.raises(NotFound):
        client.predict(None, {"a": [1]})
