"""The header of a training: all arguments of `Client.train` but the rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from layerwise_client._data.arguments import labels_of, note_of, text, whole
from layerwise_client._data.encoder import spec_message
from layerwise_client._data.targets import labels_message
from layerwise_client.errors import InvalidRequest
from layerwise_proto.v1 import training_pb2, types_pb2

if TYPE_CHECKING:
    from layerwise_client._data.targets import Label
    from layerwise_proto.json_form import HasJSONForm


_MOST_PRIORITY = 10


def open_header(
    model: str,
    architecture: Mapping[str, Any] | HasJSONForm,
    *,
    plan: Mapping[str, Any] | HasJSONForm | None,
    classes: Iterable[Label] | None,
    start_from: str | None,
    request_id: str | None,
    labels: Mapping[str, str],
    note: str,
    priority: int,
) -> training_pb2.TrainHeader:
    """Check these arguments of `Client.train`, and return them as a message. Raises `InvalidRequest`."""
    header = training_pb2.TrainHeader(
        model=text(model, "model"),
        architecture=spec_message(architecture, types_pb2.Architecture, "architecture"),
        plan=spec_message(plan or {}, types_pb2.Plan, "plan"),
        request_id=str(uuid.uuid4()) if request_id is None else text(request_id, "request_id"),
        labels=labels_of(labels, "labels"),
        note=note_of(note),
        priority=_priority(priority),
    )
    if start_from is not None:
        header.start_from.CopyFrom(_start_message(start_from))
    if classes is not None:
        header.classes.CopyFrom(labels_message(classes, "classes"))
    return header


def _priority(priority: object) -> int:
    number = whole(priority, "priority")
    if abs(number) > _MOST_PRIORITY:
        raise InvalidRequest(f"priority: expected -10 to 10, got {number}", pointer="priority")
    return number


def _start_message(start_from: object) -> training_pb2.StartFrom:
    model, slash, version = text(start_from, "start_from").partition("/")
    if not model or (slash and not version):
        detail = f"start_from: expected a model, or model/version, got {start_from!r}"
        raise InvalidRequest(detail, pointer="start_from")
    return training_pb2.StartFrom(model=model, version=version)
