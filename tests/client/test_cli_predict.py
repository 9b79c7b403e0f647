"""`layerwise predict`: rows from a file, a pipe or the command line; predictions as a table, CSV or JSON."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import grpc
import numpy as np
import pytest

from helpers.rpc_requests import strings, tensor
from layerwise import metrics
from layerwise_proto.v1 import models_pb2, tables_pb2

FLIGHTS = "a,b,delay\n" + "".join(f"{index},{index * 2},{'late' if index % 2 else 'early'}\n" for index in range(10))


@pytest.fixture
def predicting(service):
    def predict(request, context):
        rows = np.frombuffer(request.rows.data, "<f4").reshape(tuple(request.rows.shape))
        labels = strings(*("late" if row[0] > 4 else "early" for row in rows))
        probabilities = tensor(np.full((len(rows), 2), 0.5))
        return models_pb2.PredictResponse(model="flights", version=3, labels=labels, probabilities=probabilities)

    service.answers["Predict"] = predict


def test_predictions_go_into_a_pipe_as_csv(run, predicting):
    done = run("predict", "flights", "--row", "1,2", "--row", "9,2")

    assert done.stdout == "prediction,probability\nearly,0.5\nlate,0.5\n"


def test_warnings_are_told_on_stderr_and_in_the_json(run, service, predicting):
    answered = service.answers["Predict"]
    told = {"reason": "GAP", "column": "a", "rows": 2, "row": 1, "value": "", "message": "training had no gaps"}

    def predict(request, context):
        answer = answered(request, context)
        answer.warnings.append(tables_pb2.TableWarning(**told))
        answer.warnings.append(tables_pb2.TableWarning(**told | {"rows": 1, "column": "b"}))
        return answer

    service.answers["Predict"] = predict
    rows = ["--row", "1,2", "--row", "9,2"]

    plain, as_json = run("predict", "flights", *rows), run("predict", "flights", *rows, "--json")

    assert plain.stdout == "prediction,probability\nearly,0.5\nlate,0.5\n"
    assert plain.stderr.splitlines() == [
        "warning: a: 2 rows, first row 2: training had no gaps",
        "warning: b: row 2: training had no gaps",
    ]
    assert json.loads(as_json.stdout)["warnings"][0] == told


def test_a_file_is_sent_as_it_is_to_be_read_as_the_version_reads(run, files):
    Path("flights.csv").write_bytes(b"a;b;delay\r\n1,5;2;late\r\n")
    files.predicts("late", truth=[1], id=["x"])

    run("predict", "flights", "flights.csv", "--target", "delay", "--keep", "id", "--missing", "?", "--version", "3")

    (header,), (request,) = files.headers, files.requests
    assert files.contents == [b"a;b;delay\r\n1,5;2;late\r\n"]
    assert (header.read_as_model, header.read_as_version, header.transient) == ("flights", "3", True)
    assert {name: each.WhichOneof("kind") for name, each in header.formats.items()} == {"delay": "text", "id": "text"}
    assert list(header.gaps) == ["?"]
    assert (request.dataset, request.model, request.version) == ("d1", "flights", "3")
    assert (list(request.keep), request.target, request.offset) == (["id"], "delay", 0)


@pytest.mark.parametrize("options", [(), ("--version", "3")])
def test_a_version_may_be_named_with_the_model(run, service, files, predicting, options):
    Path("flights.csv").write_text(FLIGHTS)
    files.predicts("late", unused=["note"])

    done = run("predict", "flights/3", "flights.csv", *options)
    run("predict", "flights/champion", "--row", "1,2")

    assert done.stderr == "not used, since flights does not take them: note\n"
    asked = [(request.model, request.version) for request in service.requests["GetSignature"]]
    assert asked[0] == ("flights", "3")
    assert asked[1] == ("flights", "champion")


def test_an_address_of_rest_with_a_file_is_refused_unless_the_environment_has_it(run, service, files):
    Path("flights.csv").write_text(FLIGHTS)
    files.predicts("late")

    refused = run("predict", "flights", "flights.csv", "--rest", "nonsense")
    done = run("predict", "flights", "flights.csv", env={"LAYERWISE_REST_ADDRESS": "http://127.0.0.1:1"})

    assert refused.exit_code == 2
    assert refused.stderr.endswith("Error: --rest is for --row: a FILE is sent over gRPC, to --rpc\n")
    assert done.exit_code == 0


def test_two_different_versions_are_an_error(run, service):
    done = run("predict", "flights/3", "--row", "1,2", "--version", "4")

    assert done.exit_code == 2
    assert "expected one version, got flights/3 and --version 4" in done.stderr
    assert not service.requests


def test_a_column_that_the_version_takes_is_read_as_the_version_does_if_it_is_kept_too(run, service, files):
    service.publishes(models_pb2.ModelVersion(model="flights", version=3), columns=[tables_pb2.ColumnInfo(name="a")])
    Path("flights.csv").write_text(FLIGHTS)
    files.predicts("late", a=[1])

    run("predict", "flights", "flights.csv", "--keep", "a")

    assert not files.headers[0].formats


def test_a_file_may_come_through_a_pipe_and_goes_out_as_csv_block_by_block(run, files):
    files.predicts("late", "early", id=["007", ""], unused=["note", "Unnamed: 0"])
    files.predicts("late", id=["x, y"])

    done = run("predict", "flights", "-", "--keep", "id", input="id,a\n007,1\n,2\n")

    assert files.contents == [b"id,a\n007,1\n,2\n"]
    assert done.stdout == 'id,prediction,probability\n007,late,0.5\n,early,0.5\n"x, y",late,0.5\n'
    assert done.stderr == "not used, since flights does not take them: note, Unnamed: 0\n"


def test_every_probability_has_a_column_named_like_its_class(run, files):
    Path("flights.csv").write_text(FLIGHTS)
    files.predicts("late")

    done = run("predict", "flights", "flights.csv", "--probabilities")

    assert done.stdout == "prediction,early,late\nlate,0.5,0.5\n"


def test_columns_of_one_name_are_told_apart(run, files):
    Path("flights.csv").write_text(FLIGHTS)
    files.predicts("late", late=["x"], prediction=["y"])

    done = run("predict", "flights", "flights.csv", "--keep", "late", "--keep", "prediction", "--probabilities")

    assert done.stdout == "late,prediction,prediction_2,early,late_2\nx,y,late,0.5,0.5\n"
    assert "a second column prediction is called prediction_2" in done.stderr


def test_probabilities_of_a_model_that_gives_none_are_refused(run, files):
    Path("flights.csv").write_text(FLIGHTS)
    files.predicts_values(1.0)

    done = run("predict", "prices", "flights.csv", "--probabilities")

    assert (done.exit_code, done.stderr) == (1, "layerwise: --probabilities: version 1 of prices gives none\n")


def test_json_is_that_of_rest_with_the_score(run, files):
    Path("flights.csv").write_text(FLIGHTS)
    files.predicts("late", "early", truth=[1, 1], unused=["note"], id=["1", "2"])
    files.predicts("late", truth=[float("nan")], id=["3"])

    done = run("predict", "flights", "flights.csv", "--json", "--target", "delay", "--keep", "id")

    assert json.loads(done.stdout) == {
        "model": "flights",
        "version": 3,
        "predictions": ["late", "early", "late"],
        "probabilities": [[0.5, 0.5]] * 3,
        "classes": ["early", "late"],
        "unused": ["note"],
        "kept": {"id": ["1", "2", "3"]},
        "accuracy": 0.5,
    }


def test_labels_are_scored_over_all_rows_with_a_true_value(run, files):
    Path("flights.csv").write_text(FLIGHTS)
    files.predicts("late", "early", "late", truth=[1, 1, float("nan")])
    files.predicts("late", "early", truth=[-1, 0])

    done = run("predict", "flights", "flights.csv", "--target", "delay")

    assert done.stderr.splitlines() == ["1 row without a target is left out of the score", "accuracy 0.5000 on 4 rows"]


def test_no_row_with_a_true_value_gives_no_score(run, files):
    Path("flights.csv").write_text(FLIGHTS)
    files.predicts("late", truth=[float("nan")])

    done = run("predict", "flights", "flights.csv", "--target", "delay")

    assert done.stderr.splitlines() == ["1 row without a target is left out of the score"]


def test_values_are_scored_by_r2_over_all_blocks(run, files):
    Path("prices.csv").write_text("area,price\n1,1\n")
    values, truth = np.arange(10.0), np.array([1, 1, float("nan"), 2, 5, 5, 5, 9, 7, 1e3])
    for start in (0, 1, 4, 9):
        stop = {0: 1, 1: 4, 4: 9, 9: 10}[start]
        files.predicts_values(*values[start:stop], truth=truth[start:stop])

    done = run("predict", "prices", "prices.csv", "--target", "price", "--json")

    there = ~np.isnan(truth)
    assert json.loads(done.stdout)["r2"] == pytest.approx(metrics.r2(truth[there], values[there]), rel=1e-12)


@pytest.mark.parametrize(
    ("place", "reason", "told"),
    [
        (("rows", 1, "b"), "BAD_CELL", "flights.csv row 2, column b: oh; --missing WORD names such words"),
        (("rows", 1), "OUTPUT_NOT_FINITE", "flights.csv row 2: oh"),
        (("line", 7), "BAD_LINE", "flights.csv line 7: oh"),
        (("columns", "b"), "MISSING_COLUMN", "flights.csv: oh"),
        (("columns", "b"), "WRONG_KIND_OF_ROWS", "flights.csv column b: oh"),
        ((), "NOT_A_TABLE", "flights.csv: oh"),
        (("formats", "id"), "COLUMN_NOT_FOUND", "--keep: oh"),
        (("formats", "delay"), "COLUMN_NOT_FOUND", "--target: oh"),
        (("target",), "INVALID_ARGUMENT", "--target: oh"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name_or_the_option(run, service, files, place, reason, told):
    def refuse(requests, context):
        list(requests)
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "oh", reason, place=place)

    service.answers["UploadDataset"] = refuse
    Path("flights.csv").write_text(FLIGHTS)

    done = run("predict", "flights", "flights.csv", "--keep", "id", "--target", "delay")

    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"layerwise: {told}\n")


def test_a_prediction_goes_on_with_the_same_version_where_its_connection_broke(client, files, tmp_path):
    (tmp_path / "flights.csv").write_text(FLIGHTS)
    for label, unused in (("late", ["note"]), ("early", []), ("late", [])):
        files.predicts(label, label, unused=unused)
    files.breaks = [1, 0, 1]

    blocks = list(client.predict_file("flights", tmp_path / "flights.csv"))

    assert [label for rows in blocks for label in rows.prediction.labels] == ["late"] * 2 + ["early"] * 2 + ["late"] * 2
    assert [rows.unused for rows in blocks] == [("note",), (), ()]
    assert [(request.version, request.offset) for request in files.requests] == [("1", 0), ("1", 2), ("1", 2), ("1", 4)]


def test_predict_takes_a_file_as_rows_too(client, files, tmp_path):
    (tmp_path / "flights.csv").write_text(FLIGHTS)
    files.predicts("late", "early")
    files.predicts("early")

    answer = client.predict("flights", tmp_path / "flights.csv")

    assert (answer.labels.tolist(), answer.classes.tolist()) == (["late", "early", "early"], ["early", "late"])
    assert answer.probabilities.shape == (3, 2)


def on_terminal(service, folder: Path, *arguments: str) -> list[str]:
    """Return the lines that the command shows on a terminal."""
    command = [Path(sys.executable).with_name("layerwise"), "predict", "flights", *arguments]
    environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.address, "LAYERWISE_REST_ADDRESS": "", "TERM": "dumb"}
    ours, theirs = pty.openpty()
    subprocess.run(command, cwd=folder, env=environment, stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    shown = [line for line in os.read(ours, 100_000).decode().splitlines() if line.strip()]
    os.close(ours)
    return shown


def test_a_terminal_shows_the_first_predictions_as_a_table(service, files, tmp_path):
    (tmp_path / "flights.csv").write_text(FLIGHTS)
    for _ in range(9):
        files.predicts(*["early", "late"] * 5, truth=[0] * 9 + [1])

    shown = on_terminal(service, tmp_path, "flights.csv", "--target", "delay")

    assert shown[0] == "flights version 3"
    assert shown[1].split() == ["row", "prediction", "probability"]
    assert ["1", "early", "0.5000"] in [line.split() for line in shown]
    assert shown[-2] == "… and 70 more; a pipe or --json shows all"
    assert shown[-1] == "accuracy 0.6000 on 90 rows"


@pytest.fixture
def explaining(service, predicting):
    """The same, whose contributions are those of a and b."""
    answered = service.answers["Predict"]

    def predict(request, context):
        answer = answered(request, context)
        if request.explain:
            rows = len(answer.labels.strings.values)
            answer.contributions.CopyFrom(
                models_pb2.Contributions(
                    kind="probability",
                    columns=["a", "b"],
                    values=tensor(np.tile([0.1, -0.35], (rows, 1))),
                    outputs=tensor(np.full(rows, 0.5)),
                    baselines=tensor(np.full(rows, 0.75)),
                )
            )
        return answer

    service.answers["Predict"] = predict


def test_contributions_are_columns_of_a_csv_and_part_of_the_json(run, explaining):
    rows = ["--row", "1,2", "--row", "9,2"]

    as_csv, as_json = (
        run("predict", "flights", *rows, "--explain"),
        run("predict", "flights", *rows, "--explain", "--json"),
    )

    header, first, _ = as_csv.stdout.splitlines()
    assert header == "prediction,probability,baseline,contribution:a,contribution:b"
    assert first == "early,0.5,0.75,0.1,-0.35"
    assert json.loads(as_json.stdout)["contributions"] == {
        "kind": "probability",
        "columns": ["a", "b"],
        "values": [[0.1, -0.35]] * 2,
        "outputs": [0.5] * 2,
        "baselines": [0.75] * 2,
    }
    assert "contributions" not in json.loads(run("predict", "flights", *rows, "--json").stdout)


def test_a_terminal_shows_the_largest_contributions_of_each_row_first(service, explaining, tmp_path):
    lines = on_terminal(service, tmp_path, "--row", "1,2", "--explain")

    assert lines[1].split() == ["row", "prediction", "probability"]
    start = lines.index("row 1: probability 0.5000, baseline 0.7500")
    assert [line.split() for line in lines[start + 1 :] if "─" not in line] == [
        ["column", "contribution"],
        ["b", "-0.3500"],
        ["a", "+0.1000"],
    ]


def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(service, predicting):
    command = [Path(sys.executable).with_name("layerwise"), "predict", "flights", "--row", "1,2"]
    environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.address, "LAYERWISE_REST_ADDRESS": ""}

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )

    assert (done.returncode, done.stderr) == (1, "layerwise: No space left on device\n")


@pytest.mark.parametrize("row", ["nan,1", "1,inf"])
def test_a_number_that_is_not_finite_is_no_value_of_a_row(run, service, predicting, row):
    service.publishes(models_pb2.ModelVersion(model="flights", version=3))

    done = run("predict", "flights", f"--row={row}")

    assert done.exit_code == 1
    assert f"expected numbers with commas between, got {row}" in done.stderr
