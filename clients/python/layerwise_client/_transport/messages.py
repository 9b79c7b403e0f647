"""Jobs, their records, times and JSON objects, from messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from layerwise_client._data.task import task_name
from layerwise_client.errors import InvalidRequest
from layerwise_client.profile import dataset_finding_of
from layerwise_client.results import ColumnCounts, Failure, Finding, LayerHealth, Record, Snapshot, Summary, Transition
from layerwise_client.source import Doubt, Source
from layerwise_proto.json_form import enum_name, to_json
from layerwise_proto.v1 import datasets_pb2, training_pb2

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def record_of(message: training_pb2.TrainRecord) -> Record:
    return _of(Record, message)


def transition_of(message: training_pb2.JobTransition) -> Transition:
    return Transition(_state(message.state), time_of(message.time), message.reason, message.attempt)


def summary_of(message: training_pb2.Job) -> Summary:
    return Summary(**_summary_fields(message))


def snapshot_of(message: training_pb2.Job) -> Snapshot:
    return Snapshot(
        **_summary_fields(message),
        architecture=to_json(message.architecture),
        plan=to_json(message.plan),
        transitions=tuple(transition_of(each) for each in message.transitions),
        record=record_of(message.record) if message.HasField("record") else None,
        findings=tuple(_of(Finding, each) for each in message.findings),
        columns=_of(ColumnCounts, message.columns) if message.HasField("columns") else None,
        source=_source_of(message.source) if message.HasField("source") else None,
        held_out=message.held_out,
    )


def _source_of(message: training_pb2.TableSource) -> Source:
    return Source(
        dataset=message.dataset,
        target=message.target,
        task=task_name(message.task) or "unknown",
        why=message.why,
        left_out=message.left_out,
        ignored=tuple(message.ignored),
        weight=message.weight or None,
        validation_dataset=message.validation_dataset or None,
        validation_column=message.validation_column or None,
        doubts=tuple(map(doubt_of, message.doubts)),
        findings=tuple(map(dataset_finding_of, message.findings)),
    )


def doubt_of(message: datasets_pb2.Doubt) -> Doubt:
    """Return the doubt in a message."""
    return Doubt(
        message.reason,
        message.message,
        message.choice,
        message.example,
        message.row if message.HasField("row") else None,
        message.column if message.HasField("column") else None,
    )


def _summary_fields(message: training_pb2.Job) -> dict[str, Any]:
    """Return the fields of a summary by name."""
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
        "metric_value": message.metric_value if message.HasField("metric_value") else None,
        "rows": message.rows,
        "source_name": message.source_name or None,
        "started": time_of(message.start_time) if message.HasField("start_time") else None,
        "finished": time_of(message.end_time) if message.HasField("end_time") else None,
        "labels": dict(message.labels),
        "note": message.note,
        "priority": message.priority,
        "seconds": message.seconds,
    }


def _of(kind: type[T], message: Message) -> T:
    """Return a `kind` with the message's fields of the same names; those that are not set are None."""
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
    """Return the name of a state; "UNKNOWN" for one that only newer clients know."""
    return enum_name(training_pb2.JobState.DESCRIPTOR, number).upper() or "UNKNOWN"


def json_of(message: Struct) -> dict[str, Any]:
    """Return a JSON object; its numbers are floats."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message)


def timestamp_of(time: object, name: str) -> Timestamp:
    """Return a time as a message. Raises `InvalidRequest` with the argument's `name` for anything else."""
    if not isinstance(time, datetime):
        raise InvalidRequest(f"{name}: expected a datetime, got {type(time).__name__}", pointer=name)
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def time_of(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)
