"""Sending rows: what travels, what is refused, and what happens when the connection or the service fails."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time

import grpc
import numpy as np
import pandas as pd
import pytest

from layerwise import Adam, Architecture, Layer, Log, Plan, TableEncoder
from layerwise_client import (
    Client,
    DeadlineExceeded,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    ServiceFault,
    Unavailable,
)
from layerwise_client._transport.messages import snapshot_of
from layerwise_client.progress import Bar, Silent
from layerwise_client.results import Finding, Record
from layerwise_client.wording import plan_line, record_line
from layerwise_proto.json_form import to_message
from layerwise_proto.v1 import training_pb2, types_pb2

HIDDEN = {"layers": [{"units": 4, "activation": "relu"}]}
X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = [0, 1, 0, 1, 0, 1]
DIVERGED = training_pb2.JobFailure(reason="DIVERGED", message="loss is nan")


@pytest.fixture
def taken(service):
    """The requests of each call of Train that reached its end; the job of each is accepted, then succeeds."""
    uploads = []

    def train(requests, context):
        uploads.append(list(requests))
        yield training_pb2.TrainEvent(accepted=service.job())

    def watch(request, context):
        yield training_pb2.TrainEvent(accepted=service.job())
        yield from (service.record(step) for step in (1, 2, 3))

    service.answers |= {
        "Train": train,
        "WatchJob": watch,
        "GetJob": lambda request, context: service.job("SUCCEEDED", version=2),
    }
    return uploads


def rows_of(requests):
    return np.concatenate([np.frombuffer(each.batch.rows.data, "<f4") for each in requests[1:]])


def test_a_header_and_batches_are_sent_and_the_job_comes_back_accepted(client, taken):
    job = client.train("digits", HIDDEN, X, Y, plan={"epochs": 3}, classes=[0, 1], progress=False, request_id="r")

    header, batch = taken[0]
    assert header.header.model == "digits"
    assert header.header.architecture.layers[0].units == 4
    assert header.header.plan.epochs == 3
    assert header.header.request_id == "r"
    assert list(header.header.classes.integers.values) == [0, 1]
    assert list(batch.batch.rows.shape) == [6, 2]
    assert list(batch.batch.labels.integers.values) == Y
    assert (job.id, job.model, job.snapshot.state) == ("job-1", "digits", "RUNNING")


def test_each_call_has_a_request_id_of_its_own(client, taken):
    for _ in range(2):
        client.train("digits", HIDDEN, X, Y, progress=False)

    assert len({requests[0].header.request_id for requests in taken}) == 2


def test_more_than_a_message_goes_in_blocks_of_1_to_4_megabytes_and_arrives_whole(client, taken):
    large = np.random.default_rng(0).random((20_000, 300), dtype=np.float32)  # 24 MB

    client.train("digits", HIDDEN, large, np.zeros(20_000), plan={"loss": "squared_error"}, progress=False)

    sizes = [len(each.batch.rows.data) for each in taken[0][1:]]
    assert all(1e6 < size < 4e6 for size in sizes[:-1])
    assert np.array_equal(rows_of(taken[0]), large.ravel())
    assert sum(each.batch.targets.shape[0] for each in taken[0][1:]) == 20_000


def test_batches_with_long_labels_stay_below_the_message_limit(client, taken):
    labels = ["x" * 1000] * 20_000

    client.train("digits", HIDDEN, np.zeros((20_000, 1)), labels, progress=False)

    assert max(each.ByteSize() for each in taken[0]) < 8 << 20
    assert sum(len(each.batch.labels.strings.values) for each in taken[0][1:]) == 20_000


@pytest.mark.parametrize(
    "weights",
    [
        [0, 1, 2, 0.5, 1, 1],
        (0, 1, 2, 0.5, 1, 1),
        np.array([0, 1, 2, 0.5, 1, 1]),
        pd.Series([0, 1, 2, 0.5, 1, 1], index=range(6, 0, -1)),
    ],
)
def test_weights_travel_with_their_rows(client, taken, weights):
    client.train("digits", HIDDEN, X, Y, weights=weights, progress=False)

    sent = taken[0][1].batch.weights
    assert list(sent.shape) == [6]
    assert np.frombuffer(sent.data, "<f4").tolist() == [0, 1, 2, 0.5, 1, 1]


def test_weights_are_cut_into_the_blocks_of_their_rows(client, taken):
    weights = np.arange(20_000, dtype=np.float32)

    client.train("digits", HIDDEN, np.zeros((20_000, 100)), np.full(20_000, 0.5), weights=weights, progress=False)

    batches = [each.batch for each in taken[0][1:]]
    assert len(batches) > 1
    assert all(batch.weights.shape == batch.rows.shape[:1] for batch in batches)
    assert b"".join(batch.weights.data for batch in batches) == weights.tobytes()


def test_without_weights_none_are_sent(client, taken):
    client.train("digits", HIDDEN, X, Y, progress=False)

    assert not taken[0][1].batch.HasField("weights")


@pytest.mark.parametrize(
    ("given", "model", "version"), [("d", "d", ""), ("d/3", "d", "3"), ("d/champion", "d", "champion")]
)
def test_a_job_may_start_from_a_version(client, service, taken, given, model, version):
    ended = service.job("SUCCEEDED", version=4, start_from="d/3")
    service.answers["GetJob"] = lambda request, context: ended

    job = client.train("digits", {}, X, Y, start_from=given)

    assert taken[0][0].header.start_from == training_pb2.StartFrom(model=model, version=version)
    assert job.start_from == "d/3"


def test_a_job_starts_anew_if_nothing_else_is_said(client, taken):
    job = client.train("digits", HIDDEN, X, Y, progress=False)

    assert not taken[0][0].header.HasField("start_from")
    assert job.start_from is None


def test_following_gives_the_job_at_its_end(client, taken):
    job = client.train("digits", HIDDEN, X, Y)

    assert (job.state, job.version) == ("SUCCEEDED", 2)


def test_following_is_silent_where_nobody_sees_it(client, taken, capfd):
    client.train("digits", HIDDEN, X, Y)

    assert capfd.readouterr() == ("", "")


def test_following_draws_a_bar_on_a_terminal(client, taken, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")

    client.train("digits", HIDDEN, X, Y)

    first, *_, last = terminal.getvalue().split("\r")[1:]
    assert "upload 6/6 rows" in first
    assert "epoch 3/3  loss 0.3333  accuracy 0.5000" in last
    assert last.startswith("━" * 24)


def test_the_bar_gives_a_finding_a_line_of_its_own(service):
    found = Finding("dead", 1, 0.43, 2, "layer 1: 43 % of its ReLU units are dead since epoch 2")
    stream = io.StringIO()
    display = Bar(stream)

    display.accepted(snapshot_of(service.job()))
    for epoch, findings in ((1, ()), (2, (found,)), (3, ())):
        display.trained(Record(epoch, epoch, 0.5, 0.5, None, None, 0.1, 9.0, 0.0, findings=findings))
    display.closed()

    whole = [line.split("\r")[-1].rstrip() for line in stream.getvalue().split("\n")]
    assert whole[:2] == ["plan: 3 epochs", "doctor: layer 1: 43 % of its ReLU units are dead since epoch 2"]
    assert "epoch 3/3" in whole[2]
    assert stream.getvalue().count("doctor") == 1


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (
            {"epochs": 300, "batch_size": 64, "optimizer": {"kind": "adam", "learning_rate": 0.001}, "validation": 0.0},
            "300 epochs, batches of 64 rows, adam at a rate of 0.001, no rows held out",
        ),
        ({"epochs": 7, "l2": 0.0012345, "validation": 0.0}, "7 epochs, l2 0.00123, no rows held out"),
        (
            {"epochs": 1000, "validation": 0.1, "early_stopping": {"watch": "validation_loss", "patience": 20}},
            "at most 1,000 epochs, 10 % of the rows held out, ends after 20 epochs without a better validation_loss",
        ),
        (
            {"epochs": 1, "batch_size": 1, "max_steps": 1, "warmup": 1.0, "early_stopping": {"patience": 1}},
            "at most 1 epoch, warmup over 1 epoch never ends, batches of 1 row, ends after 1 step, "
            "ends after 1 epoch without a better validation_loss",
        ),
        ({"epochs": 7, "max_steps": 1234}, "at most 7 epochs, ends after 1,234 steps"),
        ({"epochs": 7, "max_seconds": 1.5}, "at most 7 epochs, ends after 1.5 s"),
        (
            {"epochs": 7, "optimizer": {"kind": "sgd", "learning_rate": 1000.0}, "warmup": 9.0},
            "7 epochs, warmup over 9 epochs never ends, sgd at a rate of 1,000",
        ),
        (
            {"epochs": 7, "validation": 0.0, "split": "stratified"},
            "7 epochs, no rows held out, so split stratified has no effect",
        ),
    ],
)
def test_a_display_says_how_the_job_is_trained(service, plan, words):
    job = service.job()
    job.plan.CopyFrom(to_message(plan, types_pb2.Plan))
    stream = io.StringIO()

    Bar(stream).accepted(snapshot_of(job))

    assert plan_line(snapshot_of(job)) == f"plan: {words}"
    assert stream.getvalue().split("\n")[0].rstrip() == f"\rplan: {words}"


def test_a_training_that_ends_early_says_why(service):
    record = Record(2, 9, 0.5, 0.5, None, None, 0.1, 9.0, 0.0, stopped="early_stopping")

    assert record_line(record, snapshot_of(service.job())).endswith("9 rows/s  ended by early_stopping")


def test_the_bar_says_which_epoch_was_kept_where_it_was_not_the_last(service):
    stream = io.StringIO()
    display = Bar(stream)

    display.accepted(snapshot_of(service.job()))
    for epoch, stopped in ((1, None), (2, None), (3, "early_stopping")):
        display.trained(
            Record(epoch, epoch, 0.5, 0.5, None, epoch / 10, 0.1, 9.0, 0.0, stopped=stopped, kept=epoch == 2)
        )
    display.closed()

    assert stream.getvalue().split("\n")[2].startswith("kept: epoch 2/3  loss 0.5  accuracy 0.5000  validation 0.2000")


@pytest.mark.parametrize(("columns", "bar"), [(40, 5), (80, 10), (90, 13), (120, 24)])
def test_the_bar_keeps_its_width_and_the_numbers_that_are_needed_most(columns, bar, monkeypatch, service):
    record = Record(3, 990, 0.0752, 0.977, 0.09, 0.965, 0.001, 81_200.4, 95)
    stream = io.StringIO()
    display = Bar(stream)
    monkeypatch.setenv("COLUMNS", str(columns))

    display.accepted(snapshot_of(service.job()))
    display.trained(record)

    line = stream.getvalue().split("\r")[-1]
    assert len(line) == columns - 1
    assert len(line) - len(line.lstrip("━─")) == bar
    assert "epoch 3/3" in line
    assert "validation 0.9650" in line
    assert ("accuracy 0.9770" in line) == (columns >= 80)
    assert ("81,200 rows/s" in line) == (columns == 120)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        ({"state": "FAILED", "failure": DIVERGED}, JobFailed("job job-1 failed: loss is nan", reason="DIVERGED")),
        ({"state": "CANCELLED"}, JobCancelled("job job-1 was cancelled")),
    ],
)
def test_following_raises_when_the_job_ends_otherwise(client, service, taken, end, error):
    service.answers["GetJob"] = lambda request, context: service.job(**end)

    with pytest.raises(type(error), match=str(error)) as caught:
        client.train("digits", HIDDEN, X, Y)

    assert (caught.value.reason, caught.value.job_id) == (error.reason, "job-1")


def test_leaving_by_ctrl_c_says_how_to_come_back(client, service, taken, capsys):
    class Impatient:
        def uploaded(self, rows, of): ...
        def accepted(self, job): ...
        def closed(self): ...

        def trained(self, record):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.train("digits", HIDDEN, X, Y, progress=Impatient())

    assert "client.job('job-1').wait(), or: layerwise jobs watch job-1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message", "pointer"),
    [
        ({"model": 3}, "model: expected a string, got int", "model"),
        ({"architecture": {"layer": []}}, "architecture.layer: unknown field", "architecture.layer"),
        ({"architecture": {"layers": [{"units": "x"}]}}, "expected a whole number", "architecture.layers[0].units"),
        ({"plan": {"loss": "logloss"}}, "expected one of softmax_cross_entropy", "plan.loss"),
        ({"plan": [1]}, "plan: expected an object, got a list", "plan"),
        ({"y": Y[:5]}, "X has 6 rows, y has 5", "y"),
        ({"start_from": 3}, "start_from: expected a string, got int", "start_from"),
        ({"start_from": "/3"}, "start_from: expected a model, or model/version, got '/3'", "start_from"),
        ({"start_from": "digits/"}, "start_from: expected a model, or model/version", "start_from"),
        ({"weights": [1] * 5}, r"weights: expected one for each of the 6 rows, got shape \(5,\)", "weights"),
        ({"weights": [[1]] * 6}, r"weights: expected one for each of the 6 rows, got shape \(6, 1\)", "weights"),
        ({"weights": [[1], [1, 2]]}, "weights: expected one number a row", "weights"),
        ({"weights": "abcdef"}, r"weights: expected one number a row, got 'abcdef'", "weights"),
        ({"weights": ["a"] * 6}, "weights row 0: expected a number, got 'a'", "weights[0]"),
        ({"weights": [1] * 4 + [float("nan"), 1]}, "weights row 4: expected a finite number", "weights[4]"),
        ({"weights": pd.Series([1, None] * 3, dtype="Int64")}, "weights row 1: expected a finite", "weights[1]"),
        ({"weights": [1, 1, 1, 1, 1, -0.5]}, "weights row 5: expected a weight of at least 0, got -0.5", "weights[5]"),
        ({"weights": np.zeros(6)}, "weights: expected at least one weight above 0", "weights"),
        ({"classes": 5}, "classes: expected a list of labels, got int", "classes"),
        (
            {"progress": 3},
            "progress: expected True, False or an object with the methods uploaded.*, got int",
            "progress",
        ),
        ({"progress": None}, "progress: expected True, False or an object .*, got NoneType", "progress"),
        ({"classes": [0, "a"]}, "classes row 1: expected only integer values", "classes[1]"),
        ({"X": [[1, 2]] * 5 + [[1, float("nan")]]}, "X row 5, column 1: expected a finite number", "X[5][1]"),
        ({"y": [0.5] * 6, "plan": {"loss": "hinge"}}, "y row 0: expected a whole number", "y[0]"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_no_stream_reaches_its_end(client, taken, change, message, pointer):
    arguments = {"model": "digits", "architecture": HIDDEN, "X": X, "y": Y, "progress": False} | change

    with pytest.raises(InvalidRequest, match=message) as caught:
        client.train(**arguments)

    assert caught.value.pointer == pointer
    assert taken == []


def test_an_error_in_a_late_block_cancels_the_stream_without_a_word_on_stderr(client, service, capfd, caplog):
    ended = threading.Event()

    def train(requests, context):
        context.add_callback(ended.set)
        for _ in requests:
            pass
        yield training_pb2.TrainEvent(accepted=service.job())

    service.answers["Train"] = train
    large = np.zeros((20_000, 300), dtype=np.float32)
    large[19_999, 7] = np.nan

    with caplog.at_level(logging.ERROR), pytest.raises(InvalidRequest, match="X row 19999, column 7"):
        client.train("digits", HIDDEN, large, np.full(20_000, 0.5), progress=False)

    assert ended.wait(5)
    assert capfd.readouterr() == ("", "")


def test_an_error_of_the_users_own_array_is_raised_as_it_is(client, taken):
    class Broken(list):
        def __getitem__(self, key):
            if isinstance(key, slice):
                raise OSError("the disk is gone")
            return super().__getitem__(key)

    with pytest.raises(OSError, match="the disk is gone"):
        client.train("digits", HIDDEN, Broken([[1, 2]]), [1], progress=False)

    assert taken == []


def test_a_service_that_refuses_early_stops_the_upload(client, service):
    def train(requests, context):
        next(requests)
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "bad name", "INVALID_MODEL", place=("model",))

    service.answers["Train"] = train

    with pytest.raises(InvalidRequest, match="model: bad name") as caught:
        client.train(
            "Digits!", HIDDEN, np.zeros((100_000, 300), dtype=np.float32), np.full(100_000, 0.5), progress=False
        )

    assert (caught.value.reason, caught.value.pointer) == ("INVALID_MODEL", "model")


def test_a_stream_that_breaks_before_the_job_is_accepted_is_sent_again_with_the_same_request_id(client, service):
    uploads = []

    def train(requests, context):
        uploads.append(list(requests))
        if len(uploads) == 1:
            service.fail(context, grpc.StatusCode.UNAVAILABLE, "restarting")
        yield training_pb2.TrainEvent(accepted=service.job())

    service.answers["Train"] = train

    client.train("digits", HIDDEN, X, Y, progress=False)

    assert uploads[0] == uploads[1]


def test_an_accepted_job_is_not_sent_again_when_the_connection_breaks(client, service, taken):
    watched = []

    def watch(request, context):
        watched.append(request.from_step)
        if len(watched) == 1:
            yield service.record(1)
            service.fail(context, grpc.StatusCode.UNAVAILABLE, "restarting")
        yield from (service.record(step) for step in (2, 3))

    service.answers["WatchJob"] = watch

    client.train("digits", HIDDEN, X, Y)

    assert len(taken) == 1
    assert watched == [0, 1]


def test_rows_that_the_service_cannot_take_now_are_sent_again_until_the_timeout(service):
    service.answers["Train"] = lambda requests, context: service.fail(context, grpc.StatusCode.UNAVAILABLE, "no")

    with Client(service.address, timeout=2.5) as client:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            client.train("digits", HIDDEN, X, Y, progress=False)

    assert 1.7 <= time.monotonic() - began < 20  # at most 0.8 s before the end, no try would come after it
    assert service.called("Train") > 3


def test_a_display_is_told_once_that_the_service_is_away(client, service, taken):
    told = []

    class Display(Silent):
        def waiting(self, address):
            told.append(address)

    watched = []

    def watch(request, context):
        watched.append(request)
        if len(watched) <= 3:
            service.fail(context, grpc.StatusCode.UNAVAILABLE, "restarting")
        yield service.record(3)

    service.answers["WatchJob"] = watch

    client.train("digits", HIDDEN, X, Y, progress=Display())

    assert told == [service.address]


def test_a_stream_that_ends_without_an_accepted_job_is_a_fault_of_the_service(client, service):
    service.answers["Train"] = lambda requests, context: iter(())

    with pytest.raises(ServiceFault, match="without accepting the job"):
        client.train("digits", HIDDEN, X, Y, progress=False)


@pytest.mark.parametrize("reads", [False, True], ids=["takes no data", "takes all and says nothing"])
def test_a_service_that_hangs_does_not_hold_the_client_for_ever(service, reads):
    released = threading.Event()

    def train(requests, context):
        for _ in requests if reads else ():
            pass
        context.add_callback(released.set)
        released.wait(20)
        yield from ()

    service.answers["Train"] = train
    rows = 6 if reads else 20_000

    with Client(service.address, timeout=0.5) as client, pytest.raises(DeadlineExceeded, match=r"within 0\.5 s"):
        client.train("digits", HIDDEN, np.zeros((rows, 300)), np.full(rows, 0.5), progress=False)

    assert released.wait(5)


def test_no_service_at_the_address_is_told_with_the_way_to_start_one():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"

        with (
            Client(address, timeout=0.5) as client,
            pytest.raises(Unavailable, match=rf"{address} \(Connection refused.*layerwise serve"),
        ):
            client.train("digits", HIDDEN, X, Y)


def test_objects_of_the_library_are_taken_like_their_json_form(client, taken, files):
    network = Architecture(2, [Layer(4, "relu", normalization="batch"), Layer(2)])
    plan = Plan(epochs=3, optimizer=Adam(0.01), schedule="cosine", class_weight="balanced")
    table = {"x": [float(value) for value in range(6)]}

    client.train("digits", network, table, Y, plan=plan, encoder=TableEncoder({"x": Log()}), progress=False)
    client.train("digits", {"layers": network.layers}, X, Y, plan={"optimizer": Adam(0.01)}, progress=False)

    (first,), second = files.jobs, taken[0][0].header
    assert [layer.units for layer in first.architecture.layers] == [4, 2]
    assert first.architecture.layers[0].normalization == types_pb2.NORMALIZATION_BATCH
    assert second.architecture.layers == first.architecture.layers
    assert (first.plan.epochs, first.plan.schedule.WhichOneof("kind")) == (3, "cosine")
    assert first.plan.optimizer == second.plan.optimizer
    assert first.plan.optimizer.adam.learning_rate == 0.01
    assert first.encoder.columns["x"].WhichOneof("kind") == "log"
