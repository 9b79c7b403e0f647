"""The command line with tables: columns of a CSV file by name, rows by name, and which columns a version takes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import grpc
import pytest

from layerwise_client.cli.column_option import read_columns
from layerwise_proto.json_form import to_json, to_message
from layerwise_proto.v1 import (
    datasets_pb2,
    models_pb2,
    profiles_pb2,
    tables_pb2,
    tensors_pb2,
    training_pb2,
    types_pb2,
)

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


def test_a_file_is_sent_as_it_is_with_what_the_options_say_of_its_columns(run, sent, flights):
    done = run(
        *("train", "flights.csv", "--target", "late", "--columns", "distance=log", "--ignore", "id"),
        *("--column", "day=date:day_first=false", "--missing", "-", "--weights", "distance"),
    )

    request, file, content = sent[0]
    assert done.exit_code == 0, done.output
    assert content == FLIGHTS.encode()
    assert (to_json(file)["formats"], list(file.gaps)) == ({"day": {"kind": "date", "day_first": False}}, ["-"])
    assert not file.transient
    assert (request.dataset, request.target, request.weight) == ("d", "late", "distance")
    assert (to_json(request.encoder), list(request.ignore)) == ({"columns": {"distance": "log"}}, ["id"])


def test_a_spec_file_has_the_encoder_and_options_add_to_it(run, sent, flights):
    encoder = {
        "columns": {"carrier": {"kind": "one_hot", "most": 8}},
        "ignore": ["day"],
        "extra": "ignore",
        "formats": {"day": "date", "distance": "text"},
    }
    Path("spec.json").write_text(json.dumps({"encoder": encoder}))

    run(
        *("train", "flights.csv", "--target", "late", "--spec", "spec.json", "--ignore", "id"),
        *("--column", "distance=log", "--column", "distance=number"),
    )

    request, file, _ = sent[0]
    assert to_json(request.encoder) == {
        "columns": {"carrier": {"kind": "one_hot", "most": 8}, "distance": "log"},
        "extra": "ignore",
    }
    assert list(request.ignore) == ["day", "id"]
    assert to_json(file)["formats"] == {"day": "date", "distance": "number"}


def test_rows_of_another_file_or_marked_ones_are_held_out_instead_of_a_tenth(run, sent, flights, tmp_path):
    Path("many.csv").write_text("a,held,late\n" + "1,0,1\n" * 60)
    Path("other.csv").write_text("a,held,late\n2,0,1\n")
    Path("held").write_text("a,held,late\n3,0,1\n")
    Path("spec.json").write_text(json.dumps({"plan": {"validation": 0.2}}))
    train = ("train", "many.csv", "--target", "late", "--epochs", "2", "--validation")

    done = [run(*train, *given) for given in (["0.3"], ["held"], ["other.csv", "--spec", "spec.json"], ["./held"])]

    assert [each.exit_code for each in done] == [0, 0, 0, 0]
    (a_share, *_), (by_column, *_), (by_file, header, content), (by_other, *_, last) = sent
    assert (a_share.plan.validation, a_share.validation_column, a_share.validation_dataset) == (0.3, "", "")
    assert (by_column.validation_column, by_column.validation_dataset) == ("held", "")
    assert not any(each.plan.HasField("validation") for each in (by_column, by_file, by_other))
    assert (by_file.validation_dataset, header.transient, content[-6:]) == ("d", True, b"2,0,1\n")
    assert (by_other.validation_dataset, by_other.validation_column, last[-6:]) == ("d", "", b"3,0,1\n")
    told = "--validation held: the column of many.csv, not the file; ./held means the file"
    assert [told in each.stderr for each in done] == [False, True, False, False]


@pytest.mark.parametrize("share", ["0.3", "30%", "30 %"])
def test_the_share_of_rows_held_out_may_be_in_percent(run, sent, flights, share):
    run("train", "flights.csv", "--target", "late", "--validation", share)

    assert (sent[0][0].plan.validation, sent[0][0].validation_column) == (0.3, "")


def test_a_training_that_goes_on_reads_the_file_as_its_version_does(run, sent, flights):
    run("train", "flights.csv", "--target", "late", "--start-from", "m/champion")

    request, file, _ = sent[0]
    assert (file.read_as_model, file.read_as_version) == ("m", "champion")
    assert (request.start_from.model, request.start_from.version) == ("m", "champion")


@pytest.mark.parametrize(
    ("given", "formats", "encodings"),
    [
        ("a=number", {"a": "number"}, {}),
        ("a=number:decimal=,,thousands=.", {"a": {"kind": "number", "decimal": ",", "thousands": "."}}, {}),
        ("a=number:unit=%,decimal=,", {"a": {"kind": "number", "unit": "%", "decimal": ","}}, {}),
        ("a=boolean:true=ja,oui,false=nein", {"a": {"kind": "boolean", "true": ["ja", "oui"], "false": ["nein"]}}, {}),
        ("a=category:gaps=,numeric=true", {"a": {"kind": "category", "gaps": [""], "numeric": True}}, {}),
        ("a=log:missing=median", {}, {"a": {"kind": "log", "missing": "median"}}),
        ("a=standardize:missing=0.5", {}, {"a": {"kind": "standardize", "missing": 0.5}}),
        ("a=one_hot:most=8,unseen=other", {}, {"a": {"kind": "one_hot", "most": 8, "unseen": "other"}}),
        ("a=b=log", {}, {"a=b": "log"}),
        ("a:b=log", {}, {"a:b": "log"}),
        ("a=number=log", {}, {"a=number": "log"}),
        ("a=number:b=log", {}, {"a=number:b": "log"}),
        ("a=category:gaps=number", {"a": {"kind": "category", "gaps": ["number"]}}, {}),
        ("last, first=text", {"last, first": "text"}, {}),
    ],
)
def test_a_column_is_chosen_in_one_option(given, formats, encodings):
    assert read_columns([given]) == (formats, encodings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--columns distance", "expected NAME=KIND or NAME=KIND:option=value,…, KIND one of number, boolean, date, ti"),
        ("--column distance=logarithm", "got distance=logarithm"),
        ("--column distance=nubmer", "did you mean number?"),
        ("--column =log", "expected NAME=KIND"),
        ("--column day=date:day_frist=true", "date has no option 'day_frist'; it has gaps, day_first, year_first"),
        ("--column day=date:day_first=yes", "day_first: expected true or false, got yes"),
        ("--column day=one_hot:most=x", "most: expected a whole number, got x"),
        ("--drop-missing-target", "--drop-missing-target"),
    ],
)
def test_a_mistake_in_an_option_about_columns_is_told(run, sent, flights, options, message):
    done = run("train", "flights.csv", "--target", "late", *options.split())

    assert (done.exit_code, sent) == (2, [])
    assert message in done.stderr


@pytest.mark.parametrize("option", ["--column=a=log", "--ignore=a", "--missing=?", "--weights=a", "--validation=a"])
def test_a_built_in_data_set_takes_no_option_of_files(run, sent, option):
    done = run("train", "iris", option)

    assert done.exit_code == 2
    assert f"leave out {option.partition('=')[0]}" in done.stderr


def test_the_columns_are_shown_as_they_were_read_with_the_options_that_settle_doubts(run, service, sent, flights):
    given: list[tuple[str, object, str, str]] = [
        ("the day", {"kind": "date", "day_first": True}, "DATE_ORDER", "date"),
        ("us", {"kind": "number", "thousands": ","}, "NUMBER_FORMAT", "number"),
        ("de", {"kind": "number", "unit": "€"}, "NUMBER_FORMAT", "number"),
        ("id", "category", "ALL_DIFFERENT", "ignore"),
        ("code", "category", "CODES", "number"),
        ("mood", "category", "NONE", "category"),
    ]
    doubtful = [
        datasets_pb2.DatasetColumn(
            name=name,
            format=to_message(form, tables_pb2.Format),
            gaps=3,
            distinct=12345,
            distinct_estimated=name == "us",
            example="x",
            doubts=[datasets_pb2.Doubt(reason=reason, message=f"about {name}", choice=choice)],
        )
        for name, form, reason, choice in given
    ]
    plain = [datasets_pb2.DatasetColumn(name=f"c{i}", format=tables_pb2.Format(number={})) for i in range(30)]

    def upload(requests, context):
        list(requests)
        return datasets_pb2.Dataset(
            id="d",
            name="flights.csv",
            rows=12,
            columns=[*plain, *doubtful],
            doubts=[datasets_pb2.Doubt(reason="ENCODING", message="read as UTF-16")],
            file_sha256=hashlib.sha256(FLIGHTS.encode()).hexdigest(),
        )

    service.answers["UploadDataset"] = upload

    done = run("train", "flights.csv", "--target", "late", "--no-follow", "--json")

    lines = [" ".join(line.split()) for line in done.stderr.splitlines()]
    assert json.loads(done.stdout)["source"]["target"] == "late"
    assert lines[:3] == [
        "flights.csv: 12 rows, 36 columns",
        "column kind read as gaps different example",
        "c0 number – 0",
    ]
    assert lines[22:] == [
        "the day date 3 12345 x",
        "us number thousands comma 3 ~12,300 x",
        "de number unit € 3 12345 x",
        "id category 3 12345 x",
        "code category 3 12345 x",
        "mood category 3 12345 x",
        "… and 10 columns without doubts",
        "flights.csv: read as UTF-16",
        "the day: about the day: --column 'the day=date:day_first=false'",
        "us: about us: --column us=number:decimal=,",
        "de: about de: --column 'de=number:decimal=,,thousands=.,unit=€'",
        "id: about id: --ignore id",
        "code: about code: --column code=number",
        "mood: about mood: --column mood=category:gaps=",
    ]
    done = run("train", "flights.csv", "--target", "id", "--no-follow", "--json")
    assert "id: about id: --ignore id" not in done.stderr  # an input that nothing can be learnt from, but no input
    assert "code: about code: --column code=number" in done.stderr


def test_the_service_tells_what_it_made_of_the_target_and_the_columns(run, service, sent, flights):
    def create(request, context):
        job = service.job(columns=tables_pb2.ColumnCounts(numbers=1, categories=1, texts=2, with_gaps=1))
        job.architecture.inputs = 66
        job.source.CopyFrom(training_pb2.TableSource(target="late", task=1, why="texts are classes", left_out=1))
        return job

    service.answers["CreateJob"] = create

    lines = run("train", "flights.csv", "--target", "late").stderr.splitlines()

    assert "target late: classification, texts are classes; 1 row without it is left out" in lines
    assert "columns: 1 number, 1 category, 2 texts, 1 with gaps: 66 inputs" in lines


@pytest.mark.parametrize(
    ("place", "reason", "where"),
    [
        (
            ("rows", 1, "distance"),
            "BAD_CELL",
            "flights.csv row 2, column distance: wrong; --missing WORD names such words",
        ),
        (("line", 3), "BAD_LINE", "flights.csv line 3: wrong"),
        (("columns", "a"), "NESTED_COLUMN", "flights.csv column a: wrong"),
        (("formats", "a"), "COLUMN_NOT_FOUND", "--column a: wrong"),
        ((), "NOT_A_TABLE", "flights.csv: wrong"),
    ],
)
def test_an_error_of_reading_names_the_place_in_the_file(run, service, sent, flights, place, reason, where):
    def upload(requests, context):
        list(requests)
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "wrong", reason, place=place)

    service.answers["UploadDataset"] = upload

    done = run("train", "flights.csv", "--target", "late", "--column", "a=number")

    assert (done.exit_code, done.stderr) == (1, f"layerwise: {where}\n")


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
        (
            "carrier=AA,1400",
            "expected COLUMN=VALUE in every place or in none; a value with a comma needs quotes, as in",
        ),
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
        (
            "AA,1400,3",
            "expected 2 values in the order of the columns carrier, distance; got 3; a value with a comma needs",
        ),
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


def test_an_empty_column_is_refused_with_the_option_that_leaves_it_out(run, service, sent):
    def refuse(request, context):
        place = ("encoder", "columns", "the z")
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "all are missing", "EMPTY_COLUMN", place=place)

    service.answers["CreateJob"] = refuse
    Path("empty.csv").write_text("a,the z,late\n" + "".join(f"{index},,{index % 2}\n" for index in range(12)))

    done = run("train", "empty.csv", "--target", "late")

    last = "layerwise: empty.csv column the z: all are missing; --ignore 'the z' leaves it out"
    assert done.stderr.splitlines()[-1] == last


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


def test_what_a_quick_look_finds_is_shown_before_training_unless_it_is_settled(run, service, sent, flights):
    found = [
        profiles_pb2.DatasetFinding(reason="GIVES_TARGET_AWAY", columns=["day"], message="alone", flag="--ignore day"),
        profiles_pb2.DatasetFinding(reason="UNBALANCED", columns=["late"], message="99 %", flag="--class-weight b"),
        profiles_pb2.DatasetFinding(reason="FEW_ROWS", message="12 rows are few"),
    ]
    service.answers["GetProfile"] = lambda request, context: profiles_pb2.Profile(findings=found)
    options = ("train", "flights.csv", "--target", "late", "--ignore", "id", "--weights", "distance")

    shown = run(*options, "--task", "classification")
    settled = run(*options, "--class-weight", "balanced")

    asked = service.requests["GetProfile"][0]
    assert (asked.id, asked.target, asked.task, asked.quick) == ("d", "late", types_pb2.TASK_CLASSES, True)
    assert list(asked.ignore) == ["id", "distance"]
    assert "\nday: alone (--ignore day)\nlate: 99 % (--class-weight b)\n12 rows are few\n" in shown.stderr
    assert "day: alone" in settled.stderr
    assert "99 %" not in settled.stderr


def test_a_look_that_fails_does_not_keep_a_file_from_being_trained(run, service, sent, flights):
    service.answers["GetProfile"] = lambda request, context: service.fail(context, grpc.StatusCode.INTERNAL, "oh")

    done = run("train", "flights.csv", "--target", "late")

    assert (done.exit_code, len(sent)) == (0, 1)
    assert "oh" not in done.stderr


@pytest.mark.parametrize(
    ("command", "where"),
    [
        (("predict", "flights", "empty.csv"), "empty.csv"),
        (("train", "empty.csv", "--target", "a"), "empty.csv"),
        (("evaluate", "flights", "empty.csv"), "empty.csv"),
        (("datasets", "profile", "empty.csv"), "empty.csv"),
        (("predict", "flights", "-"), "standard input"),
    ],
)
def test_an_empty_file_is_named_and_told_as_such(run, service, command, where):
    Path("empty.csv").touch()

    done = run(*command)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"layerwise: {where}: expected a table with a header and rows, the file is empty\n"
    assert not service.called("UploadDataset")


@pytest.mark.parametrize("command", [("evaluate", "flights", "rows.csv"), ("datasets", "profile", "rows.csv")])
def test_what_the_service_finds_wrong_in_a_file_is_told_with_its_name_and_row(run, service, command):
    def refuse(requests, context):
        list(requests)
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "oh", "BAD_CELL", place=("rows", 1, "b"))

    service.answers["UploadDataset"] = refuse
    Path("rows.csv").write_text("a,b\n1,2\n1,x\n")

    assert run(*command).stderr == "layerwise: rows.csv row 2, column b: oh\n"
