"""The command line, against a real server whose answers the test writes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from layerwise_client import datasets
from layerwise_proto.v1 import models_pb2, training_pb2, types_pb2

FLIGHTS = "a,b,delay\n" + "".join(f"{index},{index * 2},{'late' if index % 2 else 'early'}\n" for index in range(10))


def test_a_csv_file_is_trained_on(run, sent):
    Path("My Flights 2026.csv").write_text(FLIGHTS)
    options = """
        --target delay --hidden 8,4 --activation tanh --dropout 0.2 --epochs 5 --batch-size 32 --learning-rate 1e-2
        --optimizer adam --l2 1e-4 --validation 0.1 --seed 7 --loss hinge
    """

    done = run("train", "My Flights 2026.csv", *options.split())

    header, file, content = sent[0]
    assert done.exit_code == 0, done.output
    assert header.model == "my-flights-2026"
    assert [layer.units for layer in header.architecture.layers[:2]] == [8, 4]
    assert header.architecture.layers[2] == types_pb2.Layer()
    assert header.architecture.layers[0].activation.WhichOneof("kind") == "tanh"
    assert header.architecture.layers[1].dropout == 0.2
    assert (header.plan.epochs, header.plan.batch_size, header.plan.seed) == (5, 32, 7)
    assert (header.plan.l2, header.plan.validation, header.plan.optimizer.adam.learning_rate) == (1e-4, 0.1, 1e-2)
    assert (content, file.name) == (FLIGHTS.encode(), "My Flights 2026.csv")
    assert (header.dataset, header.target, header.task) == ("d", "delay", types_pb2.TASK_CLASSES)
    assert re.search(r"^version +2$", done.stdout, re.MULTILINE)


def test_progress_is_lines_on_stderr_where_there_is_no_terminal(run, sent):
    done = run("train", "iris")

    assert "job job-1: training digits" in done.stderr
    assert "epoch 3/3  loss 0.3333  accuracy 0.5000" in done.stderr
    assert "loss" not in done.stdout


@pytest.mark.parametrize("name", datasets.names())
def test_every_built_in_data_set_can_be_trained_on(run, sent, name):
    done = run("train", name, "--no-follow")

    assert done.exit_code == 0, done.output
    assert sent[0][0].model == name
    assert np.array_equal(sent[0][1], datasets.load(name)[0])


@pytest.mark.parametrize(
    ("options", "task"),
    [
        ([], "TASK_UNSPECIFIED"),
        (["--task", "regression"], "TASK_AMOUNT"),
        (["--task", "classification"], "TASK_CLASSES"),
        (["--loss", "squared_error"], "TASK_AMOUNT"),
    ],
)
def test_the_task_or_the_loss_says_what_whole_numbers_are_and_else_the_service(run, sent, options, task):
    Path("prices.csv").write_text("area,price\n50,100\n60,120\n")

    run("train", "prices.csv", "--target", "price", *options)

    assert types_pb2.Task.Name(sent[0][0].task) == task


def test_the_result_names_version_and_metrics(run, service, sent):
    Path("flats.csv").write_text("rooms,area,kind\n" + "".join(f"{i % 3},{500 + 30 * i},{i % 2}\n" for i in range(60)))
    record = training_pb2.TrainRecord(step=3, epoch=3, metric=0.91, validation_metric=0.88)
    ended = service.job("SUCCEEDED", version=2, record=record)
    service.answers["GetJob"] = lambda request, context: ended

    done = run("train", "flats.csv", "--target", "kind")

    shown = " ".join(done.stdout.split())
    expected = "model digits version 2 epoch 3 accuracy 0.91 validation accuracy 0.88"
    where = "accuracy: the training rows, in this epoch while training; validation: the rows held out"
    assert shown == f"{expected} measured on {where} job job-1"


def test_figures_of_the_rows_trained_on_say_so(run, service, sent):
    Path("flats.csv").write_text("rooms,kind\n1,a\n2,b\n3,a\n")
    record = training_pb2.TrainRecord(step=3, epoch=3, metric=0.91)
    ended = service.job("SUCCEEDED", version=2, record=record)
    ended.plan.class_weight.balanced.SetInParent()
    service.answers["GetJob"] = lambda request, context: ended

    done = run("train", "flats.csv", "--target", "kind")

    words = (
        "measured on accuracy: the training rows, in this epoch while training; "
        "no rows were held out (--validation 0.1 holds out a tenth of the rows to measure on); "
        "layerwise models show digits/2 has the figures of the version"
    )
    assert f"{words}; rows are weighted by class_weight" in " ".join(done.stdout.split())


def test_a_spec_file_has_architecture_and_plan_and_options_change_the_plan(run, sent):
    spec = {
        "architecture": {"layers": [{"units": 6, "activation": {"kind": "maxout", "pieces": 3}}]},
        "plan": {"epochs": 9, "seed": 3, "optimizer": {"kind": "adam", "beta1": 0.8}},
    }
    Path("spec.json").write_text(json.dumps(spec))

    run("train", "iris", "--spec", "spec.json", "--epochs", 2, "--learning-rate", 0.5)

    header = sent[0][0]
    assert header.architecture.layers[0].activation.maxout.pieces == 3
    assert (header.plan.epochs, header.plan.seed) == (2, 3)
    assert (header.plan.optimizer.adam.beta1, header.plan.optimizer.adam.learning_rate) == (0.8, 0.5)


def test_no_hidden_layer_is_a_choice_too(run, sent):
    run("train", "iris", "--hidden", 0)

    assert list(sent[0][0].architecture.layers) == [types_pb2.Layer()]


def test_a_failed_job_ends_the_command_with_one_line(run, service, sent):
    failure = training_pb2.JobFailure(reason="DIVERGED", message="loss is nan; lower the learning rate")
    service.answers["GetJob"] = lambda request, context: service.job("FAILED", failure=failure)

    done = run("train", "iris")

    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == "layerwise: job job-1 failed: loss is nan; lower the learning rate"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["train", "nope"],
            1,
            "layerwise: there is no file nope and no built-in data set of this name; the data sets are digits, iris",
        ),
        (["train", "flights.csv"], 2, "give --target"),
        (["train", "iris", "--target", "species"], 2, "leave out --target"),
        (["train", "iris", "--task", "regression"], 2, "a regression needs a target of numbers; that of iris is text"),
        (["train", "iris", "--loss", "hinge", "--task", "regression"], 2, "--loss hinge is for classification"),
        (["train", "iris", "--hidden", "64;64"], 2, "expected whole numbers of at least 1, such as 64,64"),
        (["train", "iris", "--hidden", "-5"], 2, "or 0 for no hidden layer; got -5"),
        (["train", "iris", "--hidden", "8,0"], 2, "or 0 for no hidden layer; got 8,0"),
        (["train", "iris", "--activation", "relo"], 2, "'relo' is not one of"),
        (["train", "iris", "--spec", "flights.csv"], 1, "layerwise: flights.csv: not JSON"),
        (
            ["train", "iris", "--spec", "list.json"],
            1,
            'list.json: expected an object with "architecture", "plan"',
        ),
        (
            ["train", "iris", "--spec", "empty.json"],
            1,
            'empty.json: expected an object with "architecture", "plan"',
        ),
        (["train", "iris", "--spec", "wrong.json"], 1, "layerwise: wrong.json: architecture.layer: unknown field"),
        (
            ["train", "iris", "--spec", "net.json", "--hidden", "3"],
            2,
            "--spec has the architecture; leave out --hidden",
        ),
        (["train", "iris", "--spec", "net.json", "--input-scale", "2"], 2, "leave out --input-scale"),
        (["train", "iris", "--input-scale", "1/0"], 2, "expected a number such as 0.5 or 1/255, got 1/0"),
        (["train", "iris", "--class-weight", "1;2"], 2, "expected balanced, numbers such as 1,5, or LABEL="),
        (["train", "iris", "--loss", "logloss"], 2, "'logloss' is not one of 'softmax_cross_entropy', 'sigmoid_cross"),
        (
            ["train", "iris", "--watch", "metric"],
            2,
            "--watch names the value that --patience watches; give --patience too",
        ),
        (["train", "iris", "--watch", "accuracy", "--patience", "3"], 2, "'accuracy' is not one of 'loss', 'metric'"),
        (["train", "iris", "--loss", "poisson"], 2, "a regression needs a target of numbers; that of iris is text"),
        (["train", "iris", "--model", "a\nb"], 1, "layerwise: --model: expected printable text"),
        (
            ["train", "iris", "--momentum", "0.9"],
            2,
            "--momentum is an option of --optimizer sgd or rmsprop; the optimizer is adam",
        ),
        (
            ["train", "iris", "--optimizer", "rmsprop", "--nesterov"],
            2,
            "--nesterov is an option of --optimizer sgd; the optimizer",
        ),
        (["predict", "digits"], 2, "give either a FILE"),
        (["predict", "digits", "rows.csv", "--row", "1"], 2, "give either a FILE"),
        (["predict", "digits", "--row", "1,x"], 1, "layerwise: --row: expected numbers with commas between"),
        (["predict", "digits", "--row", "1", "--target", "x"], 2, "--target is a column of FILE"),
        (["predict", "digits", "nope.csv"], 1, "layerwise: there is no file nope.csv"),
        (["jobs", "list", "--state", "DONE"], 2, "'DONE' is not one of"),
        (["datasets", "show", "mnist"], 1, "layerwise: there is no built-in data set 'mnist'"),
        (["datasets", "export", "iris", "--rows", "3"], 1, "layerwise: --rows: only generated data sets take it"),
        (["models", "show", "digits/2", "--version", "2"], 2, "the version is given twice"),
        (["nonsense"], 2, "No such command 'nonsense'"),
    ],
)
def test_a_mistake_is_told_in_a_line_on_stderr_without_a_traceback(run, service, sent, arguments, code, message):
    refusal = "expected 3 numbers, since this version was not trained on a table; got columns"
    service.publishes(models_pb2.ModelVersion(model="flights", version=1))
    service.answers |= {
        "Predict": lambda request, context: service.fail(
            context, grpc.StatusCode.INVALID_ARGUMENT, refusal, "WRONG_KIND_OF_ROWS", place=("table",)
        ),
    }
    Path("flights.csv").write_text(FLIGHTS)
    Path("list.json").write_text("[1]")
    Path("empty.json").write_text("{}")
    Path("wrong.json").write_text('{"architecture": {"layer": []}}')
    Path("net.json").write_text('{"architecture": {"layers": []}}')

    done = run(*arguments)

    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""
    assert sent == []


def test_no_service_is_told_in_a_line(run):
    done = run("jobs", "--rpc", "127.0.0.1:1", "--timeout", "0.5")

    assert done.exit_code == 1
    waiting, error = done.stderr.splitlines()
    assert waiting == "waiting for 127.0.0.1:1 …"
    assert error.startswith("layerwise: no Layerwise service answers at 127.0.0.1:1 (Connection refused")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_watching_says_once_that_the_service_is_away(run, service, one_of_each, options):
    def watch(request, context):
        if service.called("WatchJob") <= 4:
            service.fail(context, grpc.StatusCode.UNAVAILABLE, "restarting")
        yield service.record(3)

    service.answers["WatchJob"] = watch

    done = run("jobs", "watch", "job-1", *options)

    assert done.exit_code == 0
    assert done.stderr.count(f"waiting for {service.address} …") == 1


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_watching_says_that_the_job_waits_for_space_and_that_it_goes_on(run, service, one_of_each, options):
    def watch(request, context):
        changes = [("RUNNING", "CLAIMED"), ("WAITING", "NO_SPACE"), ("RUNNING", "CONTINUED")]
        if service.called("WatchJob") > 1:  # told again from the start
            changes.append(("SUCCEEDED", "PUBLISHED"))
        for state, reason in changes:
            yield training_pb2.TrainEvent(
                transition=training_pb2.JobTransition(state=f"JOB_STATE_{state}", reason=reason, attempt=1)
            )
        if service.called("WatchJob") == 1:
            service.fail(context, grpc.StatusCode.UNAVAILABLE, "restarting")

    service.answers["WatchJob"] = watch

    done = run("jobs", "watch", "job-1", *options)

    assert done.exit_code == 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("waiting: ") or line == "the job goes on"]
    assert lines == ["waiting: the disk of the service is full", "the job goes on"]


@pytest.fixture
def one_of_each(service, sent):
    service.publishes(models_pb2.ModelVersion(model="digits", version=2, metrics={"loss": float("nan")}))
    service.answers |= {
        "ListJobs": lambda request, context: training_pb2.ListJobsResponse(jobs=[service.job()]),
        "CancelJob": lambda request, context: service.job("CANCELLED"),
        "ListModels": lambda request, context: models_pb2.ListModelsResponse(models=[models_pb2.Model(name="digits")]),
        "SetAlias": lambda request, context: models_pb2.Model(
            name=request.model, latest=2, aliases={request.alias: request.version}
        ),
        "RollbackAlias": lambda request, context: models_pb2.Model(
            name=request.model, latest=2, aliases={request.alias: 1}
        ),
        "DeleteAlias": lambda request, context: models_pb2.Model(name=request.model, latest=2),
        "ListAliasMoves": lambda request, context: models_pb2.ListAliasMovesResponse(
            moves=[models_pb2.AliasMove(time={"seconds": 1_790_000_000}, after=2)]
        ),
        "DeleteVersion": lambda request, context: models_pb2.DeleteVersionResponse(),
    }


LIST = """
import sys
from layerwise_client.cli.group import layerwise
layerwise(sys.argv[1:], standalone_mode=False)
print([name for name in ("layerwise", "numpy") if name in sys.modules])
"""
SEND = """
import sys
from layerwise_client._transport.outbox import Outbox
from layerwise_client.cli.group import layerwise

def hand_over(outbox, request, call, hand_over=Outbox.hand_over):
    print("layerwise" in sys.modules)
    return hand_over(outbox, request, call)

Outbox.hand_over = hand_over
layerwise(sys.argv[1:], standalone_mode=False)
"""


@pytest.mark.parametrize("command", ["jobs", "models"])
def test_a_list_is_shown_without_loading_the_library(service, one_of_each, command):
    done = subprocess.run(
        [sys.executable, "-c", LIST, command, "--rpc", service.address], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_a_command_loads_the_library_after_it_has_sent_a_file(service, sent, tmp_path):
    (tmp_path / "small.csv").write_text("a,y\n1,2\n")

    done = subprocess.run(
        [sys.executable, "-c", SEND, "train", str(tmp_path / "small.csv"), "--target=y", "--rpc", service.address],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[:3] == ["False"] * 3  # the header, the rows, and the end


COMMANDS = [
    ("jobs", "job-1"),
    ("jobs list", "job-1"),
    ("jobs show job-1", "SUCCEEDED"),
    ("jobs cancel job-1", "CANCELLED"),
    ("models", "digits"),
    ("models list", "digits"),
    ("models show digits", "digits"),
    ("models show digits --version 2", "digits"),
    ("models show digits/2", "digits"),
    ("models alias digits champion 2", "champion"),
    ("models alias digits champion --delete", "digits"),
    ("models rollback digits champion", "champion"),
    ("models moves digits champion", "2026"),
    ("models delete digits/2 --yes", "digits"),
    ("datasets", "spiral"),
    ("datasets list", "spiral"),
    ("datasets show iris", "Fisher"),
    ("datasets export iris", "setosa"),
    ("datasets export xor --rows 4 --seed 1 --out xor.csv --force", "xor.csv"),
    ("train iris", "job-1"),
    ("train iris --no-follow", "job-1"),
]


@pytest.mark.parametrize(("command", "shown"), COMMANDS)
def test_every_command_prints_text_or_with_json_nothing_but_json(run, one_of_each, command, shown):
    text = run(*command.split())
    data = run(*command.split(), "--json")

    assert (text.exit_code, data.exit_code) == (0, 0), text.output + data.output
    assert shown in text.stdout
    assert shown in json.dumps(json.loads(data.stdout, parse_constant=pytest.fail))


def test_watching_gives_a_line_of_json_for_each_epoch(run, one_of_each):
    done = run("jobs", "watch", "job-1", "--json")

    assert [json.loads(line)["step"] for line in done.stdout.splitlines()] == [1, 2, 3]


def test_watching_ends_with_what_came_of_the_job(run, one_of_each):
    done = run("jobs", "watch", "job-1")

    assert "epoch 3/3" in done.stderr
    assert "SUCCEEDED" in done.stdout


def test_jobs_are_listed_by_state_in_any_case(run, service, one_of_each):
    run("jobs", "--state", "running", "--model", "digits")

    assert service.requests["ListJobs"][0].state == training_pb2.JOB_STATE_RUNNING


@pytest.fixture
def ctrl_c_is_heard():
    """As from a terminal: a shell that starts the tests in the background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
@pytest.mark.parametrize("command", ["train iris", "jobs watch job-1", "jobs watch job-1 --json"])
def test_ctrl_c_says_by_which_commands_to_come_back(run, service, one_of_each, command):
    def interrupt(request, context):
        yield service.record(1)
        time.sleep(0.3)  # until the command waits for more
        signal.raise_signal(signal.SIGINT)
        yield service.record(2)

    service.answers["WatchJob"] = interrupt

    done = run(*command.split())

    assert done.exit_code == 130
    assert "Follow it: layerwise jobs watch job-1; cancel it: layerwise jobs cancel job-1" in done.stderr
    assert "client.job" not in done.output


def test_cancelling_a_job_that_has_ended_says_in_what_state_it_is(service, run):
    service.answers["GetJob"] = service.answers["CancelJob"] = lambda request, context: service.job("SUCCEEDED")

    assert run("jobs", "cancel", "job-1").stderr == "layerwise: job-1 has already ended and is SUCCEEDED\n"


def test_times_in_json_are_written_as_over_rest(service, run):
    created = Timestamp(seconds=1_700_000_000, nanos=250_000_000)
    service.answers["GetJob"] = lambda request, context: service.job("SUCCEEDED", create_time=created)

    assert json.loads(run("jobs", "show", "job-1", "--json").stdout)["created"] == "2023-11-14T22:13:20.250Z"


@pytest.fixture
def many_jobs(service):
    """ListJobs over 250 jobs, by pages of the size that is asked for."""

    def pages(request, context):
        start = int(request.page_token or 0)
        stop = min(start + request.page_size, 250)
        return training_pb2.ListJobsResponse(
            jobs=[service.job(id=f"job-{index}") for index in range(start, stop)],
            next_page_token=str(stop) if stop < 250 else "",
        )

    service.answers["ListJobs"] = pages


def test_jobs_in_json_are_all_of_them(run, many_jobs):
    done = run("jobs", "--json")

    assert [job["id"] for job in json.loads(done.stdout)] == [f"job-{index}" for index in range(250)]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "listed", "said"),
    [
        ([], 20, "only the newest 20 jobs are listed; list more with --limit 40, all with --json\n"),
        (["--limit", "249"], 249, "only the newest 249 jobs are listed; list more with --limit 498, all with --json\n"),
        (["--limit", "250"], 250, ""),
    ],
)
def test_a_list_that_is_not_the_whole_one_says_so(run, many_jobs, options, listed, said):
    done = run("jobs", *options)

    assert done.stdout.count("job-") == listed
    assert done.stderr == said


def test_json_up_to_a_limit_says_on_stderr_that_there_are_more(run, many_jobs):
    done = run("jobs", "--json", "--limit", 3)

    assert (len(json.loads(done.stdout)), "list more with" in done.stderr) == (3, True)


def test_an_exported_data_set_can_be_read_again(run, sent):
    run("datasets", "export", "digits", "--out", "digits.csv")

    done = run("train", "digits.csv", "--target", "digit")

    assert done.exit_code == 0, done.output
    rows = np.loadtxt(sent[0][2].splitlines(), delimiter=",", skiprows=1)
    assert np.array_equal(rows[:, :-1], datasets.load("digits")[0])
    assert np.array_equal(rows[:, -1], datasets.load("digits")[1])


@pytest.mark.parametrize(
    ("options", "place", "flag"),
    [
        (["--class-weight", "1,2"], ["plan", "class_weight"], "--class-weight"),
        (["--momentum", "2", "--optimizer", "sgd"], ["plan", "optimizer", "momentum"], "--momentum"),
        (["--hidden", "64,9"], ["architecture", "layers", 1, "units"], "--hidden"),
        (["--dropout", "1"], ["architecture", "layers", 0, "dropout"], "--dropout"),
        (["--epochs", "1"], ["plan", "batch_size"], "plan.batch_size"),  # not given by an option
    ],
)
def test_an_error_about_an_option_names_it_as_it_was_typed(run, service, options, place, flag):
    service.answers["Train"] = lambda requests, context: service.fail(
        context, grpc.StatusCode.INVALID_ARGUMENT, "not so", "INVALID_ARGUMENT", place=tuple(place)
    )

    done = run("train", "iris", *options)

    assert (done.exit_code, done.stderr.splitlines()[-1]) == (1, f"layerwise: {flag}: not so")


def test_a_fault_of_the_service_is_told_in_a_line(run, service):
    service.answers["ListJobs"] = lambda request, context: service.fail(
        context, grpc.StatusCode.INTERNAL, "internal error", "INTERNAL", request_id="ab12"
    )

    done = run("jobs")

    assert (done.exit_code, done.stderr) == (1, "layerwise: internal error (request ab12)\n")


def test_a_file_that_cannot_be_written_is_told_in_a_line(run):
    done = run("datasets", "export", "iris", "--out", "no/such/folder/iris.csv")

    assert done.exit_code == 1
    assert done.stderr == "layerwise: no/such/folder/iris.csv: No such file or directory\n"
