"""Texts of others, such as labels and names, steer no terminal and forge no line, whatever command shows them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import unicodedata
from pathlib import Path

import grpc
import numpy as np
import pytest

from layerwise_client import Client, PredictedRows, Prediction
from layerwise_client.cli import live, predictions
from layerwise_client.cli.predictions import Shown
from layerwise_proto.v1 import datasets_pb2, models_pb2, tables_pb2, tensors_pb2, training_pb2

EVIL = "a\x1b]0;PWNED\x07\x1b[31m\r\nlayerwise: forged\x9b2J\u202etxt\u2028\u200b\x00\x7f\tend"
SHOWN = r"a\x1b]0;PWNED\x07\x1b[31m\r\nlayerwise: forged\x9b2J\u202etxt\u2028\u200b\x00\x7f\tend"
CSV = "num,cat,y\n" + "".join(f'{row},"a\x1b]0;{row % 3}\x07\x9b","\x1b[31mlab{row % 2}"\n' for row in range(20))


@pytest.fixture
def hostile(service, run):
    """A service whose every text is EVIL."""
    failure = training_pb2.JobFailure(reason=EVIL, message=EVIL)
    job = service.job(
        "FAILED",
        id=EVIL,
        model=EVIL,
        metric=EVIL,
        failure=failure,
        dataset=EVIL,
        start_from=EVIL,
        record=training_pb2.TrainRecord(step=3, epoch=3, stopped=EVIL),
        findings=[training_pb2.Finding(kind="dead", message=EVIL)],
        transitions=[training_pb2.JobTransition(state="JOB_STATE_FAILED", reason=EVIL)],
    )
    job.plan.class_weight.by_label.weights[EVIL] = 2.0
    version = models_pb2.ModelVersion(
        model=EVIL, version=2, job_id=EVIL, dataset=EVIL, metrics={EVIL: 1.0}, class_count=1
    )
    version.labels.strings.values.append(EVIL)
    column = tables_pb2.ColumnInfo(name=EVIL, kind=tables_pb2.COLUMN_KIND_CATEGORY, categories=[EVIL], category_count=1)
    column.encoding.one_hot.SetInParent()
    service.publishes(version, columns=[column], **{EVIL: 2})
    model = models_pb2.Model(name=EVIL, latest=2, aliases={EVIL: 2})
    labels = tensors_pb2.Labels(strings=tensors_pb2.StringLabels(values=[EVIL]))

    def train(requests, context):
        list(requests)
        yield training_pb2.TrainEvent(accepted=job)

    def watch(request, context):
        yield training_pb2.TrainEvent(
            record=training_pb2.TrainRecord(step=3, epoch=3, stopped=EVIL, findings=job.findings)
        )

    def upload(requests, context):
        list(requests)
        doubt = datasets_pb2.Doubt(reason="X", message=EVIL, choice="ignore")
        read = datasets_pb2.DatasetColumn(name=EVIL, example=EVIL, doubts=[doubt], format={"number": {"unit": EVIL}})
        sha256 = hashlib.sha256(CSV.encode()).hexdigest()
        return datasets_pb2.Dataset(id=EVIL, name=EVIL, columns=[read], doubts=[doubt], file_sha256=sha256)

    def create(request, context):
        job.source.CopyFrom(training_pb2.TableSource(target=EVIL, task=1, why=EVIL))
        return job

    service.answers |= {
        "UploadDataset": upload,
        "CreateJob": create,
        "Train": train,
        "GetJob": lambda request, context: job,
        "WatchJob": watch,
        "CancelJob": lambda request, context: job,
        "ListJobs": lambda request, context: training_pb2.ListJobsResponse(jobs=[job]),
        "ListModels": lambda request, context: models_pb2.ListModelsResponse(models=[model]),
        "SetAlias": lambda request, context: model,
        "RollbackAlias": lambda request, context: model,
        "DeleteVersion": lambda request, context: models_pb2.DeleteVersionResponse(),
        "ListClasses": lambda request, context: models_pb2.ListClassesResponse(classes=labels),
        "Predict": lambda request, context: models_pb2.PredictResponse(model=EVIL, version=2, labels=labels),
    }
    Path("d.csv").write_text(CSV)
    return service


def assert_harmless(text: str) -> None:
    wild = {char for char in text if unicodedata.category(char)[0] in "CZ"} - {" ", "\n"}
    assert not wild, f"{wild} in {text!r}"
    assert "\nlayerwise: forged" not in text


COMMANDS = [
    "jobs",
    "jobs show j",
    "jobs watch j",
    "jobs cancel j",
    "models",
    "models show m",
    "models show m --version 2",
    "models alias m a 2",
    "models rollback m a",
    "models delete m/2 --yes",
    "train d.csv --target y",
    "train d.csv --target y --no-follow",
]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_shows_a_control_character(run, hostile, command, options):
    done = run(*command.split(), *options)

    assert_harmless(done.output)
    assert "PWNED" in done.output


def test_json_has_the_texts_as_they_are(run, hostile):
    shown = json.loads(run("models", "show", "m", "--version", "2", "--json").stdout)

    assert (shown["labels"], shown["columns"][0]["name"]) == ([EVIL], EVIL)


def test_what_is_escaped_reads_as_in_a_repr(run, hostile):
    assert f"\n{SHOWN}  category  one_hot   {SHOWN}  no" in run("models", "show", "m").stdout
    assert f"{SHOWN}: {SHOWN}\n" in run("jobs", "show", "j").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["models"],
        ["predict", "m", "--row", "num=1"],
        ["predict", "m", "d.csv"],
        ["train", "d.csv", "--target", "y"],
        ["train", "d.csv", "--target", EVIL],
        ["train", EVIL],
        ["train", "d.csv", "--target", "y", "--columns", f"{EVIL}=log"],
        ["train", "d.csv", "--target", "y", "--columns", EVIL],
        ["train", "d.csv", "--target", "y", "--spec", "keys.json"],
        ["train", "d.csv", "--target", "y", "--spec", "values.json"],
        ["train", "d.csv", "--target", "y", "--spec", "both.json"],
        ["predict", "m", "--row", "1"],
        ["predict", "m", EVIL],
        ["predict", "m", "--row", "\x1b[31m"],
        ["predict", "m", "--row", EVIL],
        [EVIL],
    ],
)
def test_no_error_shows_a_control_character(run, hostile, arguments):
    def refuse(request, context):
        hostile.fail(context, grpc.StatusCode.INVALID_ARGUMENT, EVIL, "WRONG", place=("instances", 0, EVIL))

    def refuse_upload(requests, context):
        list(requests)
        hostile.fail(context, grpc.StatusCode.INVALID_ARGUMENT, EVIL, "WRONG", place=("encoder", "columns", EVIL))
        yield training_pb2.TrainEvent()

    hostile.answers |= {"Predict": refuse, "ListModels": refuse, "Train": refuse_upload}
    Path("keys.json").write_text(json.dumps({EVIL: 1}))
    Path("values.json").write_text(json.dumps({"plan": {"optimizer": EVIL}}))
    Path("both.json").write_text(json.dumps({"encoder": {"columns": {EVIL: "log"}, "ignore": [EVIL]}}))

    done = run(*arguments)

    assert done.exit_code in (1, 2)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert_harmless(done.stderr)


def test_predictions_are_printable_in_a_table_and_data_in_a_pipe(run, hostile, capsys):
    hostile.answers["GetSignature"] = lambda request, context: models_pb2.Signature(model="m", version=2)

    piped = run("predict", "m", "--row", "1").stdout_bytes.decode()
    shown = predictions._Table(Shown())
    shown.add(PredictedRows(Prediction("m", 1, np.array([EVIL]), None, None), {EVIL: [EVIL]}))
    shown.end(None)

    assert list(csv.reader(io.StringIO(piped, newline=""))) == [["prediction"], [EVIL]]
    written = capsys.readouterr().out
    assert written.count(SHOWN) == 3
    assert_harmless(written)


def test_a_class_that_looks_like_markup_heads_its_column_as_it_is(capsys):
    classes = np.array(["[red]", "[/b]"])
    shown = predictions._Table(Shown(all_classes=True))
    shown.add(PredictedRows(Prediction("m", 1, classes, None, np.array([[0.5, 0.5]] * 2), classes=classes), {}))
    shown.end(None)

    assert capsys.readouterr().out.splitlines()[1].split() == ["row", "prediction", "[red]", "[/b]"]


def test_the_bar_of_a_terminal_shows_no_control_character_of_others(hostile, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Client(hostile.address, timeout=5) as client:
        job = client.job("j")
        bar = live.display()
        bar.accepted(job.snapshot)
        job.follow(bar)
        bar.closed()

    assert SHOWN in terminal.getvalue().replace("\n", "")
    for sign in ("\x1b]0", "\x9b", "\u202e", "\x07"):
        assert sign not in terminal.getvalue()
