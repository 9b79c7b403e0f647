"""The options of `layerwise train`, and the spec file, which has all that can be set."""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from layerwise_client._transport.messages import snapshot_of
from layerwise_client.cli.live import display
from layerwise_client.progress import Bar
from layerwise_client.results import Finding, Record, Transition
from layerwise_proto.json_form import enum_name
from layerwise_proto.v1 import training_pb2, types_pb2

ROWS = "a,b,t\n" + "".join(f"{index},{-index},{index % 2}\n" for index in range(8))
CHOICES: dict[str, type[Message]] = {
    "--activation": types_pb2.Activation,
    "--loss": types_pb2.Loss,
    "--optimizer": types_pb2.Optimizer,
    "--schedule": types_pb2.Schedule,
}
DEAD = training_pb2.Finding(
    kind="dead", layer=1, value=0.43, since=2, message="layer 1: 43 % of it is dead since epoch 2"
)


@pytest.fixture
def trained(run, sent):
    """Trains on a small file with the given options, and gives the header that was sent."""

    def train(*options):
        Path("t.csv").write_text(ROWS)
        done = run("train", "t.csv", "--target", "t", *options)
        assert done.exit_code == 0, done.output
        return sent[-1][0]

    return train


@pytest.mark.parametrize(
    ("options", "plan"),
    [
        ("--l1 0.25 --l2 0.5", {"l1": 0.25, "l2": 0.5}),
        ("--weight-decay 0.125 --max-norm 3", {"weight_decay": 0.125, "max_norm": 3.0}),
        ("--clip-norm 2.5 --average 0.75", {"clip_norm": 2.5, "average": 0.75}),
        ("--warmup 1.5 --epochs 4 --batch-size 3", {"warmup": 1.5, "epochs": 4, "batch_size": 3}),
        ("--max-steps 9 --max-seconds 0.5", {"max_steps": 9, "max_seconds": 0.5}),
        ("--validation 0.25 --seed 5", {"validation": 0.25, "seed": 5}),
    ],
)
def test_a_number_goes_into_the_field_of_its_name(trained, options, plan):
    sent = trained(*options.split()).plan

    assert {field.name: value for field, value in sent.ListFields()} == plan


def test_the_options_of_the_optimizer_go_into_its_message(trained):
    sgd = trained("--optimizer", "sgd", "--learning-rate", "0.5", "--momentum", "0.25", "--nesterov").plan.optimizer.sgd
    rmsprop = trained("--optimizer", "rmsprop", "--momentum", "0.25").plan.optimizer.rmsprop

    assert (sgd.learning_rate, sgd.momentum, sgd.nesterov) == (0.5, 0.25, True)
    assert (rmsprop.momentum, rmsprop.HasField("learning_rate")) == (0.25, False)


@pytest.mark.parametrize(("options", "watch"), [("--patience 3", ""), ("--patience 3 --watch metric", "metric")])
def test_patience_stops_early_by_the_value_to_watch(trained, options, watch):
    stopping = trained(*options.split()).plan.early_stopping

    assert (stopping.patience, stopping.watch) == (3, watch)


def test_classes_are_weighted_by_their_counts_or_by_numbers(trained):
    assert trained("--class-weight", "balanced").plan.class_weight.WhichOneof("kind") == "balanced"
    assert list(trained("--class-weight", "1,2.5").plan.class_weight.per_class.weights) == [1, 2.5]
    assert trained("--class-weight", "yes=2.5").plan.class_weight.by_label.weights == {"yes": 2.5}


@pytest.mark.parametrize("split", ["random", "stratified", "temporal"])
def test_the_split_has_a_name(trained, split):
    assert trained("--split", split).plan.split == types_pb2.SplitKind.Value(f"SPLIT_KIND_{split.upper()}")


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_hidden_layers_are_normalized_and_the_output_layer_is_not(trained, kind):
    first, second, output = trained("--hidden", "4,3", "--normalization", kind).architecture.layers

    wanted = types_pb2.Normalization.Value(f"NORMALIZATION_{kind.upper()}")
    assert (first.normalization, second.normalization) == (wanted, wanted)
    assert output == types_pb2.Layer()


@pytest.mark.parametrize(("given", "scale"), [("1/255", 1 / 255), ("0.5", 0.5), ("2e-3", 2e-3)])
def test_inputs_are_scaled_by_a_number_or_a_fraction(trained, given, scale):
    assert trained("--input-scale", given).architecture.input_scale == scale


@pytest.mark.parametrize(
    ("option", "kind"),
    [(option, field.name) for option, message in CHOICES.items() for field in message.DESCRIPTOR.oneofs[0].fields],
)
def test_every_kind_of_the_messages_can_be_chosen(trained, option, kind):
    header = trained(option, kind)

    holder = header.architecture.layers[0] if option == "--activation" else header.plan
    assert getattr(holder, option[2:]).WhichOneof("kind") == kind


def test_help_shows_the_options_under_headings_and_the_names_to_choose_from(run):
    shown = run("train", "--help").stdout

    headings = [line for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings[0] == "Data and model:"
    assert headings[-1] == "Options:"
    for message in CHOICES.values():
        assert all(field.name in shown for field in message.DESCRIPTOR.oneofs[0].fields)


def _sample(field):
    """A value for the JSON form of a field that has no kinds."""
    if field.message_type is not None:  # a map of scalars
        return {"a": 0.25, "b": 1.0}
    if field.is_repeated:
        return [0.25, 1.0]
    if field.enum_type is not None:
        return enum_name(field.enum_type, 2)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "loss"
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    return 0.25 if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE else 7


def _read(message, field):
    value = getattr(message, field.name)
    if field.message_type is not None:  # a map of scalars
        return dict(value)
    if field.is_repeated:
        return list(value)
    return value if field.enum_type is None else enum_name(field.enum_type, value)


def _plain(message):
    """The fields of a message that are no messages themselves."""
    return [field for field in message.DESCRIPTOR.fields if field.message_type is None]


KINDS = [
    (holder, field.name, kind.name)
    for holder, message in (("plan", types_pb2.Plan), ("layer", types_pb2.Layer))
    for field in message.DESCRIPTOR.fields
    if field.message_type is not None and "kind" in field.message_type.oneofs_by_name
    for kind in field.message_type.oneofs_by_name["kind"].fields
]


@pytest.mark.parametrize(("holder", "name", "kind"), KINDS)
def test_a_spec_file_sets_every_option_of_every_kind(trained, holder, name, kind):
    message = {"plan": types_pb2.Plan.DESCRIPTOR, "layer": types_pb2.Layer.DESCRIPTOR}[holder]
    oneof = message.fields_by_name[name].message_type
    options = oneof.fields_by_name[kind].message_type.fields
    value = {"kind": kind, **{option.name: _sample(option) for option in options}}
    spec = {"plan": {name: value}} if holder == "plan" else {"architecture": {"layers": [{"units": 2, name: value}]}}
    Path("spec.json").write_text(json.dumps(spec))

    header = trained("--spec", "spec.json")

    part = getattr(header.plan if holder == "plan" else header.architecture.layers[0], name)
    assert part.WhichOneof("kind") == kind
    assert [_read(getattr(part, kind), option) for option in options] == [_sample(option) for option in options]


def test_a_spec_file_sets_every_other_field_of_plan_layer_and_architecture(trained):
    stopping = types_pb2.EarlyStopping()
    layer, architecture, plan = (
        {field.name: _sample(field) for field in _plain(message)}
        for message in (types_pb2.Layer(), types_pb2.Architecture(), types_pb2.Plan())
    )
    early = {field.name: _sample(field) for field in _plain(stopping)}
    spec = {"architecture": {**architecture, "layers": [layer]}, "plan": {**plan, "early_stopping": early}}
    Path("spec.json").write_text(json.dumps(spec))

    header = trained("--spec", "spec.json")

    network = header.architecture
    for message, sent in ((network, architecture), (network.layers[0], layer), (header.plan, plan)):
        assert {field.name: _read(message, field) for field in _plain(message)} == sent
    assert {field.name: _read(header.plan.early_stopping, field) for field in _plain(stopping)} == early


def test_options_keep_what_the_spec_file_says_of_the_same_kind_and_nothing_of_another(trained):
    spec = {
        "plan": {
            "loss": {"kind": "huber", "delta": 2},
            "schedule": {"kind": "step", "every": 3},
            "optimizer": {"kind": "sgd", "momentum": 0.5},
            "early_stopping": {"patience": 4, "tolerance": 0.5},
        }
    }
    Path("spec.json").write_text(json.dumps(spec))

    same = trained("--spec", "spec.json", "--loss", "huber", "--schedule", "step", "--nesterov", "--watch", "loss").plan
    other = trained("--spec", "spec.json", "--loss", "quantile", "--schedule", "cosine", "--optimizer", "adagrad").plan

    assert (same.loss.huber.delta, same.schedule.step.every) == (2, 3)
    assert (same.optimizer.sgd.momentum, same.optimizer.sgd.nesterov) == (0.5, True)
    assert (same.early_stopping.patience, same.early_stopping.tolerance, same.early_stopping.watch) == (4, 0.5, "loss")
    assert other.loss == types_pb2.Loss(quantile={})
    assert other.schedule == types_pb2.Schedule(cosine={})
    assert other.optimizer == types_pb2.Optimizer(adagrad={})


def test_a_spec_file_with_a_plan_alone_leaves_the_network_to_the_options(trained):
    Path("spec.json").write_text('{"plan": {"epochs": 2}}')

    header = trained("--spec", "spec.json", "--hidden", "5")

    assert (header.plan.epochs, header.architecture.layers[0].units) == (2, 5)


def test_a_model_goes_on_in_its_own_architecture_unless_another_is_given(trained):
    own = trained("--start-from", "digits/champion")
    given = trained("--start-from", "digits", "--hidden", "5")

    assert (own.start_from.model, own.start_from.version) == ("digits", "champion")
    assert own.architecture == types_pb2.Architecture()
    assert given.architecture.layers[0].units == 5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"plan": {"optimiser": "sgd"}}, "spec.json: plan.optimiser: unknown field"),
        ({"plan": {"schedule": {"kind": "step", "evry": 2}}}, "spec.json: plan.schedule.evry: unknown field"),
        (
            {"plan": {"class_weight": {"kind": "per_class", "weights": [1, "a"]}}},
            "plan.class_weight.weights[1]: expected",
        ),
        ({"plan": {"split": "last"}}, "plan.split: expected one of random, stratified, temporal, got 'last'"),
        ({"plan": [1]}, "spec.json: plan: expected an object, got a list"),
        (
            {"architecture": {"layers": [{}, {"activation": "relo"}]}},
            "architecture.layers[1].activation: expected one of",
        ),
        ({"architecture": 3}, "spec.json: architecture: expected an object, got 3"),
    ],
)
def test_a_mistake_in_a_spec_file_is_told_with_its_place(run, sent, spec, message):
    Path("spec.json").write_text(json.dumps(spec))

    done = run("train", "iris", "--spec", "spec.json")

    assert (done.exit_code, sent) == (1, [])
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("loss", "task"), [("sigmoid_cross_entropy", "CLASSES"), ("squared_hinge", "CLASSES"), ("tweedie", "AMOUNT")]
)
def test_the_loss_says_whether_whole_numbers_are_classes_also_with_options_of_its_own(run, sent, loss, task):
    Path("t.csv").write_text(ROWS)
    Path("spec.json").write_text(json.dumps({"plan": {"loss": {"kind": loss}}}))

    for option in (("--loss", loss), ("--spec", "spec.json")):
        assert run("train", "t.csv", "--target", "t", *option).exit_code == 0

    assert [types_pb2.Task.Name(request.task) for request, _, _ in sent] == [f"TASK_{task}"] * 2


@pytest.fixture
def found(service, sent):
    """A job in whose second epoch the doctor finds something."""

    def watch(request, context):
        for step in (1, 2, 3):
            event = service.record(step)
            if step == 2:
                event.record.findings.append(DEAD)
            yield event
            if step == 2:
                yield training_pb2.TrainEvent(finding=DEAD)

    ended = service.job("SUCCEEDED", version=2, findings=[DEAD])
    service.answers |= {"WatchJob": watch, "GetJob": lambda request, context: ended}


@pytest.mark.parametrize("command", ["train iris", "jobs watch job-1"])
def test_a_finding_is_told_once_when_it_comes(run, found, command):
    lines = run(*command.split()).stderr.splitlines()

    told = [index for index, line in enumerate(lines) if "dead" in line]
    assert [lines[index] for index in told] == ["doctor: layer 1: 43 % of it is dead since epoch 2"]
    assert lines[told[0] - 1].startswith("epoch 2/3")
    assert lines[told[0] + 1].startswith("epoch 3/3")


def test_json_has_the_findings_with_the_job_and_with_their_record(run, found):
    finding = {"kind": "dead", "layer": 1, "value": 0.43, "since": 2, "message": DEAD.message}

    job = json.loads(run("train", "iris", "--json").stdout)
    records = [json.loads(line) for line in run("jobs", "watch", "job-1", "--json").stdout.splitlines()]

    assert job["findings"] == [finding]
    assert [record["findings"] for record in records] == [[], [finding], []]


def test_a_job_that_is_shown_has_its_findings(run, found):
    assert run("jobs", "show", "job-1").stdout.splitlines()[-1] == f"doctor: {DEAD.message}"


def test_the_bar_of_a_terminal_shows_a_finding_above_it(service, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "30")  # less than the finding is long: it is not cut
    found = Finding("dead", 1, 0.43, 2, DEAD.message)
    view = display()

    view.accepted(snapshot_of(service.job()))
    view.trained(Record(2, 2, 0.5, 0.5, None, None, 0.1, 9.0, 0.0, findings=(found,)))
    view.closed()

    assert terminal.getvalue().count(f"doctor: {DEAD.message}\n") == 1


def test_the_bar_of_a_narrow_terminal_shows_the_validation_metric_whole(service, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    job = service.job()
    job.plan.epochs = 1000
    view = display()

    view.accepted(snapshot_of(job))
    view.trained(Record(1000, 9000, 0.0752, 0.977, 0.09, 0.965, 0.001, 81_200.4, 95))
    view.closed()

    assert "epoch 1000/1000  validation 0.9650" in terminal.getvalue()


@pytest.mark.parametrize("make", [display, lambda: Bar(sys.stderr)])
def test_the_bar_of_a_terminal_shows_what_the_job_waits_for(service, monkeypatch, make):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    view = make()

    view.accepted(snapshot_of(service.job()))
    view.changed(Transition("WAITING", datetime.now(UTC), "NO_SPACE", 1))
    view.closed()

    assert "waiting: the disk of the service is full" in terminal.getvalue()


def test_the_line_of_the_epoch_that_ends_training_early_is_shown(run, service, sent):
    def accept(requests, context):
        list(requests)
        job = service.job()
        job.plan.epochs = 100
        yield training_pb2.TrainEvent(accepted=job)

    def watch(request, context):
        for step in (1, 2, 3):
            event = service.record(step)
            event.record.stopped = "early_stopping" if step == 3 else ""
            event.record.kept = step < 3
            yield event

    record = training_pb2.TrainRecord(step=2, epoch=2, loss=0.5, metric=0.5, kept=True, stopped="early_stopping")
    ended = service.job("SUCCEEDED", version=2, record=record)
    service.answers |= {"Train": accept, "WatchJob": watch, "GetJob": lambda request, context: ended}

    done = run("train", "iris")

    lines = done.stderr.splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("epoch")] == ["epoch 1/100", "epoch 3/100"]
    assert lines[-2].endswith("ended by early_stopping")
    assert lines[-1].startswith("kept: epoch 2/100  loss 0.5")
    assert re.search(r"^epoch +2 \(kept\)$", done.stdout, re.MULTILINE)
