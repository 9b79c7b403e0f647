"""`layerwise predict -o FILE`: the file is there when all rows are predicted, and not before. Arrays as files."""

from __future__ import annotations

import gzip
import json
import re
import resource
import signal
import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from helpers.rpc_requests import strings, tensor
from layerwise_client import Client, InvalidRequest
from layerwise_client.cli.output_file import written_whole
from layerwise_client.progress import Silent
from layerwise_proto.v1 import models_pb2

TABLE = "id,a\n1,2\n3,4\n"


@pytest.fixture
def folder(run, files):
    """The folder in which commands run, with a file of two rows and a service that predicts three blocks."""
    Path("rows.csv").write_text(TABLE)
    for label in ("late", "early", "late"):
        files.predicts(label, label, id=["x", "y"])
    return Path.cwd()


def test_the_file_has_what_a_pipe_would_get_and_stderr_how_fast(run, folder):
    piped = run("predict", "flights", "rows.csv", "--keep", "id")

    done = run("predict", "flights", "rows.csv", "--keep", "id", "-o", "out.csv")

    assert done.stdout == ""
    assert Path("out.csv").read_text() == piped.stdout
    assert re.fullmatch(r"out\.csv: 6 rows in \d+\.\d s, [\d,]+ rows/s\n", done.stderr)


def test_a_file_that_ends_with_gz_is_packed(run, folder):
    run("predict", "flights", "rows.csv", "-o", "out.csv.gz")

    assert gzip.decompress(Path("out.csv.gz").read_bytes()).startswith(b"id,prediction,probability\nx,late,0.5\n")


def test_json_goes_into_the_file_too(run, folder):
    done = run("predict", "flights", "rows.csv", "--json", "--output", "out.json")

    assert done.stdout == ""
    assert json.loads(Path("out.json").read_text())["predictions"] == ["late", "late", "early", "early", "late", "late"]


def test_a_prediction_that_fails_leaves_the_old_file_and_no_part_of_a_new_one(run, service, files, folder):
    answered = service.answers["PredictDataset"]

    def fail_later(request, context):
        yield next(answered(request, context))
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "oh", "BAD_CELL", place=("rows", 2, "a"))

    service.answers["PredictDataset"] = fail_later
    Path("out.csv").write_text("old")

    done = run("predict", "flights", "rows.csv", "-o", "out.csv")

    assert done.exit_code == 1
    assert done.stderr.startswith("layerwise: rows.csv row 3, column a: oh")
    assert Path("out.csv").read_text() == "old"
    assert sorted(map(str, Path().iterdir())) == ["out.csv", "rows.csv"]


def test_nothing_is_left_after_an_interrupt(tmp_path):
    def interrupted() -> None:
        with written_whole(tmp_path / "out.csv") as stream:
            stream.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_replaced_keeps_its_mode_and_a_link_its_target(tmp_path):
    target, link = tmp_path / "real.csv", tmp_path / "link.csv"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)

    with written_whole(link) as stream:
        stream.write("new")

    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_and_not_replaced(run, folder):
    done = run("predict", "flights", "rows.csv", "-o", "/dev/null")

    assert done.exit_code == 0
    assert not Path("/dev/null").is_file()


def test_a_full_device_is_named(run, folder):
    done = run("predict", "flights", "rows.csv", "-o", "/dev/full")

    assert (done.exit_code, done.stderr) == (1, "layerwise: /dev/full: No space left on device\n")


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard[1]))
    try:
        with pytest.raises(OSError, match=r"'.*out\.csv'$"), written_whole(tmp_path / "out.csv") as stream:
            stream.write("half")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, hard)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("before", "told"), [("", "out.csv was not written"), ("old", "out.csv is as it was")])
def test_after_ctrl_c_the_command_says_what_became_of_the_file(run, service, folder, before, told):
    def interrupted(request, context):
        signal.raise_signal(signal.SIGINT)
        time.sleep(1)
        yield from ()

    service.answers["PredictDataset"] = interrupted
    if before:
        Path("out.csv").write_text(before)
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = run("predict", "flights", "rows.csv", "-o", "out.csv")
    finally:
        signal.signal(signal.SIGINT, heard)

    assert (done.exit_code, done.stderr) == (130, f"interrupted: {told}\n")
    assert Path("out.csv").exists() == bool(before)


def test_the_file_to_predict_is_not_replaced(run, folder):
    done = run("predict", "flights", "rows.csv", "-o", "rows.csv")

    assert (done.exit_code, done.stderr) == (1, "layerwise: --output: rows.csv is the file to predict\n")
    assert Path("rows.csv").read_text() == TABLE


def test_a_folder_that_is_not_there_is_told_before_the_file_is_sent(run, files, folder):
    done = run("predict", "flights", "rows.csv", "-o", "no/out.csv")

    assert done.exit_code == 1
    assert done.stderr.endswith("no/out.csv: No such file or directory\n")
    assert files.headers == []


def test_a_dash_is_stdout(run, folder):
    piped = run("predict", "flights", "rows.csv")

    assert run("predict", "flights", "rows.csv", "-o", "-").stdout == piped.stdout


def test_the_most_probable_classes_are_columns_of_a_csv_and_part_of_the_json(run, service, files, folder):
    files.blocks[1].prediction.probabilities.CopyFrom(tensor(np.array([[0.25, 0.75], [1, 0]])))

    as_csv = run("predict", "flights", "rows.csv", "--top-k", "5")
    as_json = run("predict", "flights", "rows.csv", "--top-k", "1", "--json")

    lines = as_csv.stdout.splitlines()
    assert lines[0] == "id,prediction,top_1,top_1_probability,top_2,top_2_probability"
    assert lines[3] == "x,early,late,0.75,early,0.25"
    found = json.loads(as_json.stdout)
    assert found["top"][2:4] == [[{"class": "late", "probability": 0.75}], [{"class": "early", "probability": 1.0}]]
    assert "probabilities" not in found


def test_a_csv_has_all_digits_of_probabilities_as_the_json_has(run, files):
    """And so a pipe can tell 0.99996 from 1."""
    Path("rows.csv").write_text(TABLE)
    files.predicts("late", "early")
    files.blocks[0].prediction.probabilities.CopyFrom(tensor(np.array([[0.00004, 0.99996], [0.7, 0.3]])))

    surest, top = run("predict", "flights", "rows.csv"), run("predict", "flights", "rows.csv", "--top-k", "2")

    assert surest.stdout.splitlines()[1:] == ["late,0.99996", "early,0.7"]
    assert top.stdout.splitlines()[1:] == ["late,late,0.99996,early,4e-05", "early,early,0.7,late,0.3"]


@pytest.mark.parametrize(
    ("name", "options", "written"),
    [
        ("out.json", (), "CSV, with --json as JSON"),
        ("out.jsonl.gz", (), "CSV, with --json as JSON"),
        ("out.PARQUET", (), "CSV, with --json as JSON"),
        ("out.csv", ("--json",), "JSON, without --json as CSV"),
        ("out.parquet", ("--json",), "JSON, without --json as CSV"),
    ],
)
def test_a_file_with_the_ending_of_another_format_is_refused_before_it_is_sent(
    run, files, folder, name, options, written
):
    done = run("predict", "flights", "rows.csv", "-o", name, *options)

    assert (done.exit_code, files.headers) == (1, [])
    assert done.stderr == (
        f"layerwise: --output: predictions are written as {written}; {name} has the ending of another format\n"
    )
    assert not Path(name).exists()


def test_the_most_probable_classes_of_a_model_without_any_are_refused(run, files):
    Path("rows.csv").write_text(TABLE)
    files.predicts_values(1.0)

    done = run("predict", "prices", "rows.csv", "--top-k", "2")

    expected = "layerwise: --top-k: version 1 of prices gives no probabilities of classes\n"
    assert (done.exit_code, done.stderr) == (1, expected)


def test_a_display_is_told_of_the_rows_that_are_predicted(client, files, folder):
    class Display(Silent):
        def __init__(self) -> None:
            self.seen: list[object] = []

        def predicted(self, rows: int, of: int) -> None:
            self.seen.append((rows, of))

        def closed(self) -> None:
            self.seen.append("closed")

    files.rows = 6
    display = Display()

    assert sum(map(len, client.predict_file("flights", "rows.csv", progress=display))) == 6

    assert display.seen == [(2, 6), (4, 6), (6, 6), "closed"]


@pytest.fixture
def numbers(service):
    """A service that takes rows of numbers, none of them below zero; each answer has one label a row."""

    def predict(request, context):
        rows = np.frombuffer(request.rows.data, "<f4").reshape(tuple(request.rows.shape))
        if (rows < 0).any():
            row = int(np.flatnonzero((rows < 0).any(axis=1))[0])
            service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "oh", "NOT_FINITE", place=("rows", row, 1))
        return models_pb2.PredictResponse(model="flights", version=1, labels=strings(*map(str, rows[:, 0])))

    service.answers["Predict"] = predict


def saved(rows: int, *, fortran: bool = False) -> np.ndarray:
    array = np.arange(rows * 100, dtype=np.float64).reshape(rows, 100)
    np.save("rows.npy", np.asfortranarray(array) if fortran else array)
    return array


@pytest.mark.parametrize("fortran", [False, True])
def test_an_array_that_numpy_saved_is_predicted_block_by_block(run, client: Client, service, numbers, fortran):
    array = saved(25_000, fortran=fortran)

    blocks = list(client.predict_file("flights", "rows.npy"))
    done = run("predict", "flights", "rows.npy", "-o", "out.csv")

    assert len(blocks) == 3
    assert [label for rows in blocks for label in rows.prediction.labels] == [*map(str, array[:, 0].astype(np.float32))]
    assert done.exit_code == 0
    assert len(Path("out.csv").read_text().splitlines()) == 25_001


def test_an_error_of_an_array_counts_rows_over_the_whole_file(run, numbers):
    array = saved(25_000)
    array[24_999, 1] = -1
    np.save("rows.npy", array)

    done = run("predict", "flights", "rows.npy")

    assert done.stderr.endswith("layerwise: rows.npy row 25000: oh\n")


def test_an_array_has_no_columns_by_name_and_must_be_whole(run, client, numbers):
    saved(10)
    with pytest.raises(InvalidRequest, match="an array has no columns by name"):
        client.predict_file("flights", "rows.npy", keep=["id"])

    Path("rows.npy").write_bytes(Path("rows.npy").read_bytes()[:500])
    with pytest.raises(InvalidRequest, match="cannot be read as an array"):
        client.predict_file("flights", "rows.npy")
    np.save("rows.npy", np.zeros(3))
    with pytest.raises(InvalidRequest, match=r"got one of the shape \(3,\)"):
        client.predict_file("flights", "rows.npy")
