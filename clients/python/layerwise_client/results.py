"""What the service tells, as plain data: jobs, records, models, versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from layerwise_client._expected import labels_of
from layerwise_client.column import Column, column_of
from layerwise_client.errors import NotFound
from layerwise_proto.json_form import enum_name, to_json
from layerwise_proto.v1 import models_pb2, training_pb2

if TYPE_CHECKING:
    from layerwise_client._expected import Label

STATES = ("QUEUED", "RUNNING", "WAITING", "SUCCEEDED", "FAILED", "CANCELLED")
_ENDED = STATES[3:]


@dataclass(frozen=True, slots=True)
class LayerHealth:
    """How one layer did, over a sample of rows.

    `dead` is the share of its ReLU units that no row wakes, `saturated` that of its sigmoid or tanh outputs where the
    derivative is next to nothing, each None for other units. `gradient_norm` and `weight_norm` are lengths;
    `update_ratio` is the length of the last step's change over `weight_norm`, usually about 1e-3.
    """

    dead: float | None
    saturated: float | None
    gradient_norm: float
    weight_norm: float
    update_ratio: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What a practitioner would notice in a network that trains.

    `kind` is a stable word: dead, saturated, large_update, small_update, overfitting or inputs. `layer` counts from 0,
    None if it is not about one. `value` is the number that caused it, `since` the epoch; `message` says what it is and
    what may help.
    """

    kind: str
    layer: int | None
    value: float
    since: int
    message: str


@dataclass(frozen=True, slots=True)
class Record:
    """How training stood after an epoch.

    `loss` and `metric` are of the rows as they were trained on, `validation_*` of the held-out rows (None without
    any); `step` and `epoch` count from 1. `layers` has the health of each layer in the epochs when they were looked
    at, `findings` what was found that was not found before. `stopped` says why training ended with this record: epochs,
    max_steps, max_seconds, early_stopping or converged. `kept` says that the version has the weights of this epoch,
    unless a later record says so again: of the best so far if early stopping restores it, else of every epoch.
    """

    epoch: int
    step: int
    loss: float
    metric: float
    validation_loss: float | None
    validation_metric: float | None
    learning_rate: float
    rows_per_second: float
    seconds_left: float
    layers: tuple[LayerHealth, ...] = ()
    findings: tuple[Finding, ...] = ()
    stopped: str | None = None
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """A job's change to `state` at `time`, by which attempt, and why: a word such as CLAIMED or WORKER_LOST."""

    state: str
    time: datetime
    reason: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed: a stable word and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job as it was when the service was last asked.

    `architecture` and `plan` are as they are used, every size filled in. `metric` says what the records' metric
    measures, "accuracy" or "r2"; `record` is the newest or, once there is a version, the one that was kept, with the
    version's figures; `progress` goes from 0 to 1; `dataset` is the SHA-256 of the rows. `findings` is what
    the doctor finds in the network, the newest last. `start_from` is the version whose weights it started with, as
    "model/version", None if it began anew. `columns` are those that its version takes, if it was trained on a table.
    """

    id: str
    model: str
    state: str
    version: int | None
    architecture: Mapping[str, Any]
    plan: Mapping[str, Any]
    dataset: str
    attempt: int
    created: datetime
    transitions: tuple[Transition, ...]
    progress: float
    metric: str
    record: Record | None
    failure: Failure | None
    findings: tuple[Finding, ...] = ()
    start_from: str | None = None
    columns: tuple[Column, ...] = ()

    @property
    def ended(self) -> bool:
        return self.state in _ENDED


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable version of a model.

    `sha256` and `size_bytes` are those of its .npz; `metrics` what was measured of its weights; `dataset` the SHA-256
    of the rows; `labels` the classes in the order of the outputs, None for a regression; `columns` those of the table
    that it takes, in their order, none if it takes rows of numbers.
    """

    model: str
    version: int
    job_id: str
    created: datetime
    sha256: str
    size_bytes: int
    metrics: Mapping[str, float]
    architecture: Mapping[str, Any]
    plan: Mapping[str, Any]
    parameters: int
    dataset: str
    labels: tuple[Label, ...] | None
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """A model: its newest version, its aliases, and its versions, newest first (left out of a list of models)."""

    name: str
    latest: int
    aliases: Mapping[str, int]
    versions: tuple[Version, ...] = field(default=())

    def at(self, version: int | str | None) -> Version:
        """The version of this number or alias, None: the newest. Raises `NotFound`."""
        alias = "latest" if version is None else str(version)
        number = int(alias) if alias.isdecimal() else {**self.aliases, "latest": self.latest}.get(alias)
        found = next((each for each in self.versions if each.version == number), None)
        if found is None:
            raise NotFound(f"model {self.name} has no version {alias}", reason="VERSION_NOT_FOUND")
        return found


def record_of(message: training_pb2.TrainRecord) -> Record:
    return Record(
        epoch=message.epoch,
        step=message.step,
        loss=message.loss,
        metric=message.metric,
        validation_loss=message.validation_loss if message.HasField("validation_loss") else None,
        validation_metric=message.validation_metric if message.HasField("validation_metric") else None,
        learning_rate=message.learning_rate,
        rows_per_second=message.rows_per_second,
        seconds_left=message.seconds_left,
        layers=tuple(_health_of(each) for each in message.layers),
        findings=tuple(_finding_of(each) for each in message.findings),
        stopped=message.stopped or None,
        kept=message.kept,
    )


def transition_of(message: training_pb2.JobTransition) -> Transition:
    return Transition(_state(message.state), _time(message.time), message.reason, message.attempt)


def snapshot_of(message: training_pb2.Job) -> Snapshot:
    return Snapshot(
        id=message.id,
        model=message.model,
        state=_state(message.state),
        version=message.version if message.HasField("version") else None,
        architecture=to_json(message.architecture),
        plan=to_json(message.plan),
        dataset=message.dataset,
        attempt=message.attempt,
        created=_time(message.create_time),
        transitions=tuple(transition_of(each) for each in message.transitions),
        progress=message.progress,
        metric=message.metric,
        record=record_of(message.record) if message.HasField("record") else None,
        failure=Failure(message.failure.reason, message.failure.message) if message.HasField("failure") else None,
        findings=tuple(_finding_of(each) for each in message.findings),
        start_from=message.start_from or None,
        columns=tuple(column_of(each) for each in message.columns),
    )


def model_of(message: models_pb2.Model) -> Model:
    return Model(
        name=message.name,
        latest=message.latest,
        aliases=dict(message.aliases),
        versions=tuple(_version_of(each) for each in message.versions),
    )


def _health_of(message: training_pb2.LayerHealth) -> LayerHealth:
    return LayerHealth(
        dead=message.dead if message.HasField("dead") else None,
        saturated=message.saturated if message.HasField("saturated") else None,
        gradient_norm=message.gradient_norm,
        weight_norm=message.weight_norm,
        update_ratio=message.update_ratio,
    )


def _finding_of(message: training_pb2.Finding) -> Finding:
    return Finding(
        kind=message.kind,
        layer=message.layer if message.HasField("layer") else None,
        value=message.value,
        since=message.since,
        message=message.message,
    )


def _version_of(message: models_pb2.ModelVersion) -> Version:
    return Version(
        model=message.model,
        version=message.version,
        job_id=message.job_id,
        created=_time(message.create_time),
        sha256=message.sha256,
        size_bytes=message.size_bytes,
        metrics=dict(message.metrics),
        architecture=to_json(message.architecture),
        plan=to_json(message.plan),
        parameters=message.parameters,
        dataset=message.dataset,
        labels=tuple(labels_of(message.labels)) if message.HasField("labels") else None,
        columns=tuple(column_of(each) for each in message.columns),
    )


def _state(number: training_pb2.JobState.ValueType) -> str:
    """The state's name; "UNKNOWN" for one that a newer service has and this client does not."""
    return enum_name(training_pb2.JobState.DESCRIPTOR, number).upper() or "UNKNOWN"


def _time(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)
