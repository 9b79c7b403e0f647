"""The words of the command about mistakes: its own options and files, and the exit code of each kind of mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import grpc
import pytest

from layerwise_client.cli.group import layerwise

PEOPLE = "age,city,buys\n" + "".join(f"{20 + index},Rome,{'yes' if index % 2 else 'no'}\n" for index in range(20))
SPEC = {
    "architecture": {"layers": [{"units": 4}, {}]},
    "plan": {
        "epochs": 3,
        "optimizer": {"kind": "adam", "learning_rate": 0.5},
        "class_weight": {"kind": "per_class", "weights": [1, 2]},
        "early_stopping": {"patience": 2, "tolerance": 0.5},
        "validation": 0.1,
    },
    "encoder": {"columns": {"age": {"kind": "log", "missing": "median"}}},
}
NO_SERVICE = ["--rpc", "127.0.0.1:1", "--timeout", "0.1"]


@pytest.fixture
def refusing(service, sent):
    """Let the service refuse each job at a place."""

    def at(*place: str | int, reason: str = "WRONG") -> None:
        def create(request, context):
            service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, str(place[-1]), reason, place=place)

        service.answers["CreateJob"] = create

    return at


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif command is not None:
            yield (*path, name)


@pytest.mark.parametrize(
    ("place", "options", "where"),
    [
        (("start_from",), ["--start-from", "other"], "--start-from"),
        (("model",), ["--model", "x"], "--model"),
        (("plan", "class_weight"), ["--class-weight", "1,2"], "--class-weight"),
        (("plan", "class_weight"), [], "spec.json: plan.class_weight"),
        (("plan", "early_stopping", "tolerance"), ["--patience", "3"], "spec.json: plan.early_stopping.tolerance"),
        (("plan", "early_stopping", "watch"), ["--patience", "3", "--validation", "0"], "--patience"),
        (("architecture", "layers", 0, "units"), [], "spec.json: architecture.layers[0].units"),
        (("plan", "optimizer", "learning_rate"), ["--optimizer", "adam"], "spec.json: plan.optimizer.learning_rate"),
        (("plan", "optimizer", "learning_rate"), ["--optimizer", "sgd"], "--optimizer"),
        (("plan", "optimizer", "learning_rate"), ["--learning-rate", "9"], "--learning-rate"),
        (("plan", "optimizer"), ["--optimizer", "adam"], "--optimizer"),
        (("plan", "class_weight", "weights", 0), ["--class-weight", "1,2"], "--class-weight"),
        (
            ("encoder", "columns", "age", "missing"),
            ["--columns", "city=hashing"],
            "spec.json: encoder.columns.age.missing",
        ),
        (("encoder", "columns", "age", "missing"), ["--columns", "age=log"], "--column age"),
        (("encoder", "columns", "age", "missing"), [], "spec.json: encoder.columns.age.missing"),
        (("rows", 5, "age"), [], "people.csv row 6, column age"),
        (("dataset",), [], "people.csv"),
        (("target",), [], "--target"),
        (("weight",), ["--weights", "age"], "--weights"),
        (("ignore",), ["--ignore", "city"], "--ignore"),
    ],
)
def test_an_error_of_the_service_names_the_option_or_the_file(run, refusing, place, options, where):
    Path("people.csv").write_text(PEOPLE)
    Path("spec.json").write_text(json.dumps(SPEC))
    refusing(*place)

    done = run("train", "people.csv", "--target", "buys", "--spec", "spec.json", *options)

    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == f"layerwise: {where}: {place[-1]}"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ('{"plan": {"epochs": 3, "epochs": 4}}', "the key 'epochs' is repeated in one object"),
        ('{"plans": {}}', 'got "plans"; did you mean "plan"?'),
        ('{"plan": {"batchsize": 4}}', "plan.batchsize: unknown field; "),
        ('{"plan": {"batchsize": 4}}', "; did you mean batch_size?"),
        ('{"plan": {"learning_rate": 0.1}}', "; did you mean optimizer.learning_rate?"),
        ('{"plan": {"lr": 0.1}}', "; did you mean optimizer.learning_rate?"),
        ('{"architecture": {"layers": [{"activation": "tanhh"}]}}', "got 'tanhh'; did you mean tanh?"),
    ],
)
def test_a_mistake_in_a_spec_file_is_named_with_the_file(run, sent, spec, message):
    Path("spec.json").write_text(spec)

    done = run("train", "iris", "--spec", "spec.json")

    assert (done.exit_code, sent) == (1, [])
    assert done.stderr.startswith("layerwise: spec.json: ")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--ignore", "city", "--column", "city=one_hot"], 2, "column city is ignored and chosen by --column"),
        (["--seed", "-1"], 1, "layerwise: --seed: expected a whole number from 0 to 18446744073709551615, got -1"),
        (["--start-from", "/1"], 1, "layerwise: --start-from: expected a model, or model/version, got '/1'"),
        (["--optimizer", "adm"], 2, "Invalid value for '--optimizer': 'adm' is not one of"),
        (["--optimizer", "adm"], 2, "; did you mean adam?"),
        (["--rpc", "nowhere"], 2, "Invalid value for --rpc: expected host:port, got 'nowhere'"),
    ],
)
def test_a_wrong_option_is_named(run, sent, options, code, message):
    Path("people.csv").write_text(PEOPLE)

    done = run("train", "people.csv", "--target", "buys", *options)

    assert done.exit_code == code
    assert message in done.stderr
    assert sent == []


def test_values_that_do_not_fit_are_refused_before_a_file_is_read(run, sent):
    Path("people.csv").write_text(PEOPLE)

    done = run("train", "people.csv", "--target", "buys", "--seed", "-1")

    assert "target buys" not in done.stderr


def test_labels_and_columns_may_have_commas_in_their_names(run, sent):
    Path("people.csv").write_text('age,"last, first",buys\n' + '1,x,"a,b"\n2,y,c\n' * 10)

    done = run(
        *["train", "people.csv", "--target", "buys", "--ignore", "last, first", "--class-weight", '"a,b=2",c=1'],
    )

    assert done.exit_code == 0, done.output
    assert list(sent[0][0].ignore) == ["last, first"]
    assert "a,b" in str(sent[0][0].plan.class_weight)


def test_an_existing_file_is_overwritten_with_force_alone(run):
    Path("xor.csv").write_text("mine")

    refused = run("datasets", "export", "xor", "--out", "xor.csv")

    assert (refused.exit_code, refused.stderr) == (1, "layerwise: xor.csv exists; --force overwrites it\n")
    assert Path("xor.csv").read_text() == "mine"
    assert run("datasets", "export", "xor", "--out", "xor.csv", "--force").exit_code == 0
    assert Path("xor.csv").read_text() != "mine"


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 1), ("FAILED", 1), ("CANCELLED", 0), ("RUNNING", 0)])
def test_cancelling_fails_if_the_job_ended_otherwise(run, service, state, code):
    service.answers |= {name: lambda request, context: service.job(state) for name in ("GetJob", "CancelJob")}

    done = run("jobs", "cancel", "job-1")

    assert done.exit_code == code
    assert ("has already ended" in done.stderr) == bool(code)


FAILING = {
    ("train",): ["iris", *NO_SERVICE],
    ("predict",): ["people", "--row", "1", *NO_SERVICE],
    ("jobs", "list"): NO_SERVICE,
    ("jobs", "show"): ["x", *NO_SERVICE],
    ("jobs", "watch"): ["x", *NO_SERVICE],
    ("jobs", "cancel"): ["x", *NO_SERVICE],
    ("jobs", "pause"): ["x", *NO_SERVICE],
    ("jobs", "resume"): ["x", *NO_SERVICE],
    ("jobs", "update"): ["x", "--note", "n", *NO_SERVICE],
    ("jobs", "delete"): ["x", "--yes", *NO_SERVICE],
    ("models", "list"): NO_SERVICE,
    ("models", "show"): ["x", *NO_SERVICE],
    ("models", "alias"): ["x", "y", "1", *NO_SERVICE],
    ("models", "rollback"): ["x", "y", *NO_SERVICE],
    ("models", "moves"): ["x", "y", *NO_SERVICE],
    ("models", "delete"): ["x/1", "--yes", *NO_SERVICE],
    ("models", "import"): ["x", "none.npz", *NO_SERVICE],
    ("models", "download"): ["x", *NO_SERVICE],
    ("datasets", "profile"): ["0" * 64, *NO_SERVICE],
    ("datasets", "stored"): NO_SERVICE,
    ("datasets", "delete"): ["x", *NO_SERVICE],
    ("datasets", "show"): ["x"],
    ("datasets", "export"): ["x"],
}
OWN = [path for path in commands(layerwise) if path[0] in ("train", "predict", "jobs", "models", "datasets")]


@pytest.mark.parametrize("path", list(commands(layerwise)), ids=" ".join)
def test_a_wrong_command_line_of_any_command_ends_with_2(run, path):
    assert run(*path, "--no-such-option").exit_code == 2


@pytest.mark.parametrize("path", [path for path in OWN if path != ("datasets", "list")], ids=" ".join)
def test_a_failed_operation_of_any_command_ends_with_1_and_one_line(run, path):
    done = run(*path, *FAILING[path])

    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith("layerwise: ")


def test_a_narrow_terminal_shows_whole_names(run):
    shown = run("datasets", env={"FORCE_COLOR": "1", "COLUMNS": "40", "NO_COLOR": "1"}).stdout

    assert "…" not in shown


def test_an_unknown_column_of_the_spec_file_is_not_blamed_on_an_option(run, refusing):
    Path("people.csv").write_text(PEOPLE)
    Path("spec.json").write_text('{"encoder": {"columns": {"town": "log"}}}')
    refusing("encoder", "columns", "town", reason="COLUMN_NOT_FOUND")

    spec = run("train", "people.csv", "--target", "buys", "--spec", "spec.json", "--columns", "age=log")
    option = run("train", "people.csv", "--target", "buys", "--columns", "town=log")

    assert spec.stderr.splitlines()[-1] == "layerwise: spec.json: encoder.columns.town: town"
    assert option.stderr.splitlines()[-1] == "layerwise: --column town: town"


def test_a_version_to_start_from_that_there_is_not_is_named_with_its_option(run, service, sent):
    def upload(requests, context):
        list(requests)
        service.fail(context, grpc.StatusCode.NOT_FOUND, "there is no model 'x'", "MODEL_NOT_FOUND", place=("model",))

    service.answers["UploadDataset"] = upload
    Path("people.csv").write_text(PEOPLE)

    done = run("train", "people.csv", "--target", "buys", "--start-from", "x")

    assert done.stderr.splitlines()[-1] == "layerwise: --start-from: there is no model 'x'"


@pytest.mark.parametrize(
    ("file", "named"),
    [("ärger.csv", "arger"), ("Tickets.CSV", "tickets"), ("Café 2.csv", "cafe-2"), ("people.csv", "")],
)
def test_a_model_is_named_after_its_file_and_a_name_that_differs_is_said(run, sent, file, named):
    Path(file).write_text(PEOPLE)

    done = run("train", file, "--target", "buys")

    assert sent[0][0].model == (named or "people")
    said = [line for line in done.stderr.splitlines() if line.startswith("model ")]
    assert said == ([f"model {named}, named after {file}; --model gives another name"] if named else [])
