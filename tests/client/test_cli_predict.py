"""`layerwise predict`: rows from a file, a pipe or the command line; predictions as a table, CSV or JSON."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from layerwise_proto.v1 import models_pb2, tables_pb2, tensors_pb2

FLIGHTS = "a,b,delay\n" + "".join(f"{index},{index * 2},{'late' if index % 2 else 'early'}\n" for index in range(10))


@pytest.fixture
def predicting(service):
    def predict(request, context):
        if request.WhichOneof("data") == "table":
            columns = {column.name: column.texts.values for column in request.table.columns}
            rows = [[float(cell)] for cell in columns["a"]]
        else:
            rows = np.frombuffer(request.rows.data, "<f4").reshape(tuple(request.rows.shape))
        labels = tensors_pb2.StringLabels(values=["late" if row[0] > 4 else "early" for row in rows])
        block = np.full((len(rows), 2), 0.5, dtype="<f4")
        return models_pb2.PredictResponse(
            model="flights",
            version=3,
            labels=tensors_pb2.Labels(strings=labels),
            probabilities=tensors_pb2.Tensor(data_type=1, shape=block.shape, data=block.tobytes()),
        )

    service.answers["Predict"] = predict


def test_predictions_go_into_a_pipe_as_csv(run, predicting):
    done = run("predict", "flights", "--row", "1,2", "--row", "9,2")

    assert done.stdout == "prediction,probability\nearly,0.5000\nlate,0.5000\n"


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

    assert plain.stdout == "prediction,probability\nearly,0.5000\nlate,0.5000\n"
    assert plain.stderr.splitlines() == [
        "warning: a: 2 rows, first row 2: training had no gaps",
        "warning: b: row 2: training had no gaps",
    ]
    assert json.loads(as_json.stdout)["warnings"][0] == told


def test_rows_may_come_through_a_pipe(run, predicting):
    done = run("predict", "flights", "-", "--json", input="a,b\n1,2\n9,9\n")

    assert json.loads(done.stdout) == {
        "model": "flights",
        "version": 3,
        "predictions": ["early", "late"],
        "probabilities": [[0.5, 0.5], [0.5, 0.5]],
    }


def test_a_target_column_is_left_out_and_compared_with(run, service, predicting):
    Path("flights.csv").write_text(FLIGHTS)

    done = run("predict", "flights", "flights.csv", "--target", "delay", "--json")

    # right: 0 2 4 early, 5 7 9 late
    assert json.loads(done.stdout)["accuracy"] == 0.6
    assert service.requests["Predict"][0].rows.shape[1] == 2


@pytest.mark.parametrize(
    ("labels", "cells", "accuracy"),
    [
        ({"integers": tensors_pb2.IntegerLabels(values=[1, 0, 2, 1])}, ["1.0", "0.0", "2e0", "2.0"], 0.75),
        ({"integers": tensors_pb2.IntegerLabels(values=[2**53, 7, 7])}, [str(2**53 + 1), "7", "x"], 1 / 3),
        ({"strings": tensors_pb2.StringLabels(values=["1.5", "7", "AA"])}, ["1.50", "007", "AA"], 2 / 3),
        ({"booleans": tensors_pb2.BooleanLabels(values=[True, False])}, ["true", "true"], 0.5),
    ],
)  # fmt: skip
def test_labels_are_compared_as_numbers_where_they_are_numbers(run, service, labels, cells, accuracy):
    service.answers["Predict"] = lambda request, context: models_pb2.PredictResponse(
        model="m", version=1, labels=tensors_pb2.Labels(**labels)
    )
    Path("rows.csv").write_text("a,y\n" + "".join(f"1,{cell}\n" for cell in cells))

    done = run("predict", "m", "rows.csv", "--target", "y", "--json")

    assert json.loads(done.stdout)["accuracy"] == pytest.approx(accuracy)


def test_values_without_a_truth_are_left_out_of_r2(run, service):
    values = np.array([[1.0], [9.0], [2.0], [2.0]], dtype="<f4")
    service.answers["Predict"] = lambda request, context: models_pb2.PredictResponse(
        model="prices", version=1, values=tensors_pb2.Tensor(data_type=1, shape=[4, 1], data=values.tobytes())
    )
    Path("prices.csv").write_text("area,price\n1,1\n1,NA\n1,2\n1,3\n")

    done = run("predict", "prices", "prices.csv", "--target", "price")

    assert done.stderr.splitlines()[-1] == "r2 0.5000 on 3 rows"  # 1 − 1/2


def test_values_are_compared_by_r2(run, service):
    values = np.array([[1.0], [2.0], [2.0]], dtype="<f4")
    service.answers["Predict"] = lambda request, context: models_pb2.PredictResponse(
        model="prices", version=1, values=tensors_pb2.Tensor(data_type=1, shape=[3, 1], data=values.tobytes())
    )
    Path("prices.csv").write_text("area,price\n1,1\n1,2\n1,3\n")

    done = run("predict", "prices", "prices.csv", "--target", "price")

    assert done.stdout == "prediction\n1.0\n2.0\n2.0\n"
    assert done.stderr == "r2 0.5000 on 3 rows\n"  # 1 − 1/2


def test_a_terminal_shows_the_first_predictions_as_a_table(service, predicting, tmp_path):
    (tmp_path / "flights.csv").write_text(FLIGHTS + "".join(f"{index},0,late\n" for index in range(10, 90)))
    command = [Path(sys.executable).with_name("layerwise"), "predict", "flights", "flights.csv", "--target", "delay"]
    environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.address, "LAYERWISE_REST_ADDRESS": "", "TERM": "dumb"}
    ours, theirs = pty.openpty()

    subprocess.run(command, cwd=tmp_path, env=environment, stdout=theirs, check=True, timeout=60)

    os.close(theirs)
    shown = [line for line in os.read(ours, 100_000).decode().splitlines() if line.strip()]
    os.close(ours)
    assert shown[0] == "flights version 3"
    assert shown[1].split() == ["row", "prediction", "probability"]
    assert ["1", "early", "0.5000"] in [line.split() for line in shown]
    assert shown[-2] == "… and 70 more; a pipe or --json shows all"
    assert shown[-1] == "accuracy 0.9556 on 90 rows"


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


def test_a_number_of_a_file_beyond_float32_is_named_by_file_line_and_column(run, service, predicting):
    Path("rows.csv").write_text("a,b\n1,2\n3,1e39\n")

    done = run("predict", "flights", "rows.csv")

    assert done.stderr.startswith("layerwise: rows.csv line 3, column b: expected a number within float32")
