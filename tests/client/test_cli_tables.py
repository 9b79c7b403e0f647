"""The command line with tables: columns of a CSV file by name, rows by name, and which columns a version takes."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest

from layerwise_proto.json_form import to_json
from layerwise_proto.v1 import models_pb2, tables_pb2, tensors_pb2, training_pb2

FLIGHTS = "id,carrier,distance,day,late\n" + "".join(
    f"{index},{'AA' if index % 3 else ''},{'NA' if index == 4 else 100 * index},2013-01-{1 + index:02},{index % 2}\n"
    for index in range(12)
)
INFO = [
    tables_pb2.ColumnInfo(
        name="carrier",
        kind=2,
        encoding={"one_hot": {"missing": "own"}},
        categories=[f"C{index}" for index in range(20)],
        category_count=70,
        allows_missing=True,
    ),
    tables_pb2.ColumnInfo(name="distance", kind=1, encoding={"standardize": {"missing": {"policy": "error"}}}),
]


@pytest.fixture
def flights(tmp_path, run):
    Path("flights.csv").write_text(FLIGHTS)


def test_the_columns_of_a_file_are_sent_by_name_as_they_stand_in_it(run, sent, flights):
    done = run("train", "flights.csv", "--target", "late", "--columns", "distance=log", "--ignore", "id")

    header, rows, batch = sent[0]
    assert done.exit_code == 0, done.output
    assert to_json(header.encoder) == {"columns": {"distance": "log"}, "ignore": ["id"]}
    assert list(rows) == ["id", "carrier", "distance", "day"]
    assert rows["carrier"][:3] == ["", "AA", "AA"]
    assert rows["distance"][3:6] == ["300", "", "500"]
    assert rows["day"][0] == "2013-01-01"
    assert list(batch.labels.integers.values)[:3] == [0, 1, 0]
    assert "target late: 2 classes" in done.stderr


def test_a_spec_file_has_the_encoder_and_options_add_to_it(run, sent, flights):
    encoder = {"columns": {"carrier": {"kind": "one_hot", "most": 8}}, "ignore": ["day"], "extra": "ignore"}
    Path("spec.json").write_text(json.dumps({"encoder": encoder}))

    run(
        "train", "flights.csv", "--target", "late", "--spec", "spec.json", "--ignore", "id", "--columns", "distance=log"
    )

    assert to_json(sent[0][0].encoder) == {
        "columns": {"carrier": {"kind": "one_hot", "most": 8}, "distance": "log"},
        "ignore": ["day", "id"],
        "extra": "ignore",
    }


def test_rows_without_a_target_are_left_out_if_they_may(run, sent, flights):
    Path("flights.csv").write_text(FLIGHTS.replace(",0\n", ",NA\n", 1))

    refused = run("train", "flights.csv", "--target", "late")
    done = run("train", "flights.csv", "--target", "late", "--drop-missing-target")

    assert "flights.csv line 2, column late: expected a value, got NA; --drop-missing-target" in refused.stderr
    assert "1 row without a target is left out, 11 remain" in done.stderr
    assert len(sent[0][1]["id"]) == 11


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--columns distance", 2, "expected COLUMN=KIND, KIND one of standardize, min_max, quantile, log"),
        ("--columns distance=logarithm", 2, "expected COLUMN=KIND"),
        ("--columns dist=log", 1, "flights.csv has no column dist; its columns are id, carrier, distance, day, late"),
        ("--ignore dist", 1, "flights.csv has no column dist"),
        ("--ignore late", 1, "--ignore: late is the target"),
        ("--columns late=one_hot", 1, "--columns: late is the target"),
    ],
)
def test_a_mistake_about_columns_is_told_in_a_line(run, sent, flights, options, code, message):
    done = run("train", "flights.csv", "--target", "late", *options.split())

    assert (done.exit_code, sent) == (code, [])
    assert message in done.stderr


@pytest.mark.parametrize("option", ["--columns=a=log", "--ignore=a", "--missing=?", "--drop-missing-target"])
def test_a_built_in_data_set_takes_no_option_of_files(run, sent, option):
    done = run("train", "iris", option)

    assert done.exit_code == 2
    assert f"leave out {option.partition('=')[0]}" in done.stderr


def test_an_error_of_the_service_about_a_cell_names_the_line(run, service, flights):
    def refuse(requests, context):
        list(requests)
        place = ("batches", 0, "table", "rows", 3, "distance")
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "expected at least 0", "BAD", place=place)

    service.answers["Train"] = refuse
    Path("flights.csv").write_text(FLIGHTS.replace(",1\n", ",\n", 1))

    done = run("train", "flights.csv", "--target", "late", "--drop-missing-target")

    # the second row, on line 3, is left out
    assert done.stderr.splitlines()[-1] == "layerwise: flights.csv line 6, column distance: expected at least 0"


def test_the_service_tells_what_it_made_of_the_columns(run, service, sent, flights):
    def accept(requests, context):
        list(requests)
        job = service.job(columns=tables_pb2.ColumnCounts(numbers=1, categories=1, texts=2, with_gaps=1))
        job.architecture.inputs = 66
        yield training_pb2.TrainEvent(accepted=job)

    service.answers["Train"] = accept

    lines = run("train", "flights.csv", "--target", "late").stderr.splitlines()

    assert "columns: 1 number, 1 category, 2 texts, 1 with gaps: 66 inputs" in lines


@pytest.fixture
def predicting(service):
    """Version 1 of "flights" takes carrier and distance: late is what has a distance above 1,000."""

    def predict(request, context):
        if request.WhichOneof("data") == "rows":
            detail = "expected a table; got rows of numbers"
            service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, detail, "WRONG_KIND_OF_ROWS", place=("rows",))
        columns = {column.name: list(column.texts.values) for column in request.table.columns}
        for name in columns.keys() - {"carrier", "distance"}:
            detail, place = "unknown column; expected one of carrier, distance", ("table", "columns", name)
            service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, detail, "UNKNOWN_COLUMN", place=place)
        for name in {"carrier", "distance"} - columns.keys():
            place = ("table", "columns", name)
            detail = f"the column '{name}' is missing; there are carrier"
            service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, detail, "MISSING_COLUMN", place=place)
        if "far" in columns["distance"]:
            place = ("table", "rows", columns["distance"].index("far"), "distance")
            detail = "expected a number, got 'far'"
            service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, detail, "INVALID_ARGUMENT", place=place)
        late = [bool(cell) and float(cell) > 1000 for cell in columns["distance"]]
        labels = tensors_pb2.Labels(booleans=tensors_pb2.BooleanLabels(values=late))
        return models_pb2.PredictResponse(model="flights", version=1, labels=labels)

    service.publishes(models_pb2.ModelVersion(model="flights", version=1), columns=INFO)
    service.answers["Predict"] = predict


def table_of(service):
    return {column.name: list(column.texts.values) for column in service.requests["Predict"][-1].table.columns}


@pytest.mark.parametrize(
    "rows",
    [
        ["--row", "carrier=AA,distance=1400", "--row", "distance=200,carrier="],
        ["--row", 'carrier = AA, "distance=1400"', "--row", "carrier=,distance=200"],
        ["--row", "AA,1400", "--row", ",200"],
    ],
)
def test_a_row_has_its_columns_by_name_or_in_their_order(run, service, predicting, rows):
    done = run("predict", "flights", *rows)

    assert done.stdout == "prediction\ntrue\nfalse\n", done.output
    assert table_of(service) == {"carrier": ["AA", ""], "distance": ["1400", "200"]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("carrier=AA,1400", "expected COLUMN=VALUE in every place or in none"),
        ("distance=1,carrier=AA, distance = 2", "expected each column once, got distance twice in distance=1,carrier"),
        ("", "expected a row such as AA,3.5 in the order of the columns, or carrier=AA,distance=3.5; got nothing"),
        (" ", "expected a row such as AA,3.5 in the order of the columns"),
    ],
)
def test_a_row_that_is_not_one_is_refused_as_a_wrong_command_line(run, predicting, row, message):
    done = run("predict", "flights", "--row", row)

    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("AA,1400,3", "expected 2 values in the order of the columns carrier, distance; got 3"),
        ("carrier=AA,distance=far", "row 1, column distance: expected a number, got 'far'"),
        ("carrier=AA", "--row: the column 'distance' is missing; there are carrier\n"),
    ],
)
def test_a_row_that_the_model_does_not_take_is_refused(run, predicting, row, message):
    done = run("predict", "flights", "--row", row)

    assert done.exit_code == 1
    assert done.stderr.startswith("layerwise: --row: ")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("carrier=AA,distance=1", "carrier=AA"), "row 2: the column distance is missing, but row 1 has it"),
        (("carrier=AA", "carrier=AA,distance=1"), "row 1: the column distance is missing, but row 2 has it"),
    ],
)
def test_a_row_without_a_column_of_another_row_is_refused_with_what_to_write(run, predicting, rows, message):
    done = run("predict", "flights", *(part for row in rows for part in ("--row", row)))

    assert done.exit_code == 1
    assert done.stderr == f"layerwise: --row: {message}; write distance= for a missing value\n"


def test_a_whole_number_of_a_row_travels_as_it_is(run, service, predicting):
    run("predict", "flights", "--row", "9007199254740993,1")

    assert table_of(service)["carrier"] == ["9007199254740993"]


def test_the_cells_of_a_row_travel_as_they_are_since_the_service_reads_them(run, service, predicting):
    run("predict", "flights", "--row", "007,1e3", "--row", "NA,1.50")

    assert table_of(service) == {"carrier": ["007", "NA"], "distance": ["1e3", "1.50"]}


def test_a_word_for_a_missing_value_is_one_in_a_row_too(run, service, predicting):
    run("predict", "flights", "--row", "?,1", "--missing", "?")

    assert table_of(service)["carrier"] == [""]


def test_an_empty_column_is_refused_with_the_option_that_leaves_it_out(run, service):
    def refuse(requests, context):
        list(requests)
        place = ("encoder", "columns", "the z")
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "all are missing", "EMPTY_COLUMN", place=place)

    service.answers["Train"] = refuse
    Path("empty.csv").write_text("a,the z,late\n" + "".join(f"{index},,{index % 2}\n" for index in range(12)))

    done = run("train", "empty.csv", "--target", "late")

    assert done.stderr.splitlines()[-1] == (
        "layerwise: empty.csv column the z: expected at least one value, all are missing; "
        "--ignore 'the z' leaves it out"
    )


def test_a_model_is_shown_with_the_columns_that_its_newest_version_takes(run, predicting):
    shown = run("models", "show", "flights").stdout.splitlines()
    columns = json.loads(run("models", "show", "flights", "--version", "1", "--json").stdout)["columns"]
    in_short = json.loads(run("models", "show", "flights", "--json").stdout)["versions"]

    at = shown.index("columns of version 1")
    words = [" ".join(line.split()) for line in shown[at + 1 :]]
    assert words == [
        "column kind encoding categories may be missing",
        "carrier category one_hot C0, C1, C2, C3, C4, C5 and 64 more yes",
        "distance number standardize no",
    ]
    assert "columns" not in in_short[0]
    assert run("models", "show", "flights", "--version", "1").stdout.splitlines()[-4:] == shown[-4:]
    assert [column["name"] for column in columns] == ["carrier", "distance"]
    assert columns[0]["encoding"] == {"kind": "one_hot", "missing": "own"}
