"""What the service says of jobs, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from layerwise_proto.json_form import enum_name, to_json
from layerwise_proto.v1 import training_pb2

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

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


class PoorModelWarning(UserWarning):
    """A job has succeeded, but its model is probably useless: the message says why, and what helps."""


@dataclass(frozen=True, slots=True)
class Record:
    """How training stood after an epoch.

    `loss` and `metric` are of the rows as they were trained on, `validation_*` of the held-out rows (None without
    any), each row counted by its weight and its `class_weight`. `step` and `epoch` count from 1. `layers` has the
    health of each layer in the epochs when they were looked at, `findings` what was found that was not found before.
    `stopped` says why training ended with this record: epochs, max_steps, max_seconds, early_stopping or converged.
    `kept` says that the version has the weights of this epoch, unless a later record says so again: of the best so far
    if early stopping restores it, else of every epoch.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A job in short, as lists have it.

    `metric` says what the records' metric measures, "accuracy" or "r2"; `progress` goes from 0 to 1; `dataset` is the
    SHA-256 of the rows. `start_from` is the version whose weights it started with, as "model/version", None if it began
    anew.
    """

    id: str
    model: str
    state: str
    version: int | None
    dataset: str
    attempt: int
    created: datetime
    progress: float
    metric: str
    failure: Failure | None
    start_from: str | None = None

    @property
    def ended(self) -> bool:
        return self.state in _ENDED


@dataclass(frozen=True, slots=True)
class ColumnCounts:
    """How many columns of each kind a table has, and how many of them may lack values."""

    numbers: int
    categories: int
    dates: int
    with_gaps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(Summary):
    """A job as it was when the service was last asked.

    `architecture` and `plan` are as they are used, every size filled in. `transitions` are the newest 1,000. `record`
    is the newest or, once there is a version, the one that was kept, with the version's figures. `findings` is what the
    doctor finds in the network, the newest last. `columns` counts those that its version takes, if it was
    trained on a table; `Job.columns` are the columns themselves.
    """

    architecture: Mapping[str, Any]
    plan: Mapping[str, Any]
    transitions: tuple[Transition, ...]
    record: Record | None
    findings: tuple[Finding, ...] = ()
    columns: ColumnCounts | None = None


def record_of(message: training_pb2.TrainRecord) -> Record:
    return _of(Record, message)


def transition_of(message: training_pb2.JobTransition) -> Transition:
    return Transition(_state(message.state), time_of(message.time), message.reason, message.attempt)


def summary_of(message: training_pb2.Job) -> Summary:
    return Summary(**_short(message))


def snapshot_of(message: training_pb2.Job) -> Snapshot:
    return Snapshot(
        **_short(message),
        architecture=to_json(message.architecture),
        plan=to_json(message.plan),
        transitions=tuple(transition_of(each) for each in message.transitions),
        record=record_of(message.record) if message.HasField("record") else None,
        findings=tuple(_of(Finding, each) for each in message.findings),
        columns=_of(ColumnCounts, message.columns) if message.HasField("columns") else None,
    )


def _short(message: training_pb2.Job) -> dict[str, Any]:
    """The fields of a summary."""
    return {
        "id": message.id,
        "model": message.model,
        "state": _state(message.state),
        "version": message.version if message.HasField("version") else None,
        "dataset": message.dataset,
        "attempt": message.attempt,
        "created": time_of(message.create_time),
        "progress": message.progress,
        "metric": message.metric,
        "failure": _of(Failure, message.failure) if message.HasField("failure") else None,
        "start_from": message.start_from or None,
    }


def _of(kind: type[T], message: Message) -> T:
    """Return a `kind` whose fields have the values of the message's fields of the same names; None if not set."""
    values: dict[str, Any] = {}
    for name in (field.name for field in fields(kind)):
        field, value = message.DESCRIPTOR.fields_by_name[name], getattr(message, name)
        if field.is_repeated:
            assert field.message_type is not None
            value = tuple(_of(_ITEMS[field.message_type.name], each) for each in value)
        elif field.has_presence and not message.HasField(name):
            value = None
        values[name] = value
    return kind(**values)


_ITEMS: Mapping[str, type[Any]] = {"LayerHealth": LayerHealth, "Finding": Finding}


def _state(number: training_pb2.JobState.ValueType) -> str:
    """The state's name; "UNKNOWN" for one that a newer service has and this client does not."""
    return enum_name(training_pb2.JobState.DESCRIPTOR, number).upper() or "UNKNOWN"


def time_of(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)
