"""Conversion between the messages of layerwise.v1 and the service's own types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from layerwise import Contributions
from layerwise.errors import Place
from layerwise_proto.json_form import to_json, to_message
from layerwise_proto.v1 import models_pb2, tables_pb2, tensors_pb2, training_pb2, types_pb2
from layerwise_service.domain.datasets import Batch, Label
from layerwise_service.domain.jobs import JSONObject, Task
from layerwise_service.domain.models import MOST_CLASSES, Model, Version, VersionSummary
from layerwise_service.errors import InvalidRequest
from layerwise_service.rpc.table_converters import read_kinds, read_table, write_counts
from layerwise_service.usecases.outputs import Prediction

E = TypeVar("E", bound=StrEnum)

_MOST = 2**48  # far beyond any message, and small enough that NumPy can multiply two of them


def read_tensor(tensor: tensors_pb2.Tensor, *, at: Place | str) -> NDArray[np.float32]:
    """Return the array, without a copy. Raises `InvalidRequest`."""
    if tensor.data_type != tensors_pb2.DATA_TYPE_FLOAT32:
        raise InvalidRequest("expected DATA_TYPE_FLOAT32", pointer=Place(at, "data_type"))
    shape = tuple(tensor.shape[:8])  # a bad message may have millions of sizes
    if len(shape) not in (1, 2) or min(shape) < 0 or max(shape) > _MOST:
        detail = f"expected one or two sizes of 0 to {_MOST}, got {list(shape)}"
        raise InvalidRequest(detail, pointer=Place(at, "shape"))
    wanted = math.prod(shape) * 4
    if wanted != len(tensor.data):
        detail = f"shape {list(shape)} of float32 needs {wanted} bytes, got {len(tensor.data)}"
        raise InvalidRequest(detail, pointer=Place(at, "data"))
    return np.frombuffer(tensor.data, dtype="<f4").reshape(shape)


def write_tensor(array: NDArray[Any]) -> tensors_pb2.Tensor:
    """Return the array as a float32 tensor."""
    data = np.ascontiguousarray(array, dtype="<f4")
    return tensors_pb2.Tensor(data_type=tensors_pb2.DATA_TYPE_FLOAT32, shape=data.shape, data=data.tobytes())


def read_labels(labels: tensors_pb2.Labels) -> Sequence[Label]:
    """Return the labels, in the type in which they were sent."""
    kind = labels.WhichOneof("kind")
    return [] if kind is None else list(getattr(labels, kind).values)


def write_labels(labels: Sequence[Label] | NDArray[Any]) -> tensors_pb2.Labels:
    """Return the labels, which are all of one type, as a message."""
    values: list[Any] = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    if isinstance(values[0], bool):
        return tensors_pb2.Labels(booleans=tensors_pb2.BooleanLabels(values=values))
    if isinstance(values[0], int):
        return tensors_pb2.Labels(integers=tensors_pb2.IntegerLabels(values=values))
    return tensors_pb2.Labels(strings=tensors_pb2.StringLabels(values=values))


def read_batch(batch: training_pb2.TrainBatch, number: int) -> Batch:
    """Return the batch: rows or a table, labels or targets, and weights. Raises `InvalidRequest`."""
    at = Place("batches", number)
    is_table = batch.WhichOneof("data") == "table"
    rows = read_table(batch.table, at=Place(at, "table")) if is_table else read_tensor(batch.rows, at=Place(at, "rows"))
    weights = read_tensor(batch.weights, at=Place(at, "weights")) if batch.HasField("weights") else None
    kinds = read_kinds(batch.table) if is_table else {}
    match batch.WhichOneof("expected"):
        case "labels":
            return Batch(rows, read_labels(batch.labels), weights, kinds)
        case "targets":
            return Batch(rows, read_tensor(batch.targets, at=Place(at, "targets")), weights, kinds)
        case None:
            raise InvalidRequest("expected labels or targets for the rows, got neither", pointer=at)


def read_spec(message: types_pb2.Architecture | types_pb2.Plan | tables_pb2.Encoder) -> JSONObject:
    """Return the JSON form of the message."""
    return dict(to_json(message))


def read_task(task: types_pb2.Task.ValueType) -> Task | None:
    """Return the task, None for UNSPECIFIED. Raises `InvalidRequest` for an unknown number."""
    return read_enum(Task, types_pb2.Task, task, "task")


def read_enum(kind: type[E], enum: Any, number: int, pointer: str) -> E | None:
    """Return the member of `kind` that a number of the protobuf `enum` stands for; None for UNSPECIFIED."""
    if number == 0:
        return None
    descriptor = enum.DESCRIPTOR
    if (value := descriptor.values_by_number.get(number)) is None:
        raise InvalidRequest(f"expected a value of the enum {descriptor.name}, got {number}", pointer=pointer)
    prefix = descriptor.values[0].name.removesuffix("UNSPECIFIED")
    return kind(value.name.removeprefix(prefix))


def write_version_summary(version: VersionSummary | Version) -> models_pb2.ModelVersion:
    """Return the version's summary as a message."""
    metrics: Mapping[str, float] = version.metrics
    return models_pb2.ModelVersion(
        model=version.model,
        version=version.number,
        job_id=version.job or "",
        create_time=write_time(version.created),
        sha256=version.sha256,
        size_bytes=version.size_bytes,
        metrics=metrics,
        parameters=version.parameters,
        dataset=version.dataset or "",
    )


def write_version(version: Version) -> models_pb2.ModelVersion:
    """Return the version as a message, with its first classes."""
    labels = version.labels
    message = write_version_summary(version)
    rest = models_pb2.ModelVersion(
        architecture=to_message(version.architecture, types_pb2.Architecture),
        plan=None if version.plan is None else to_message(version.plan, types_pb2.Plan),
        labels=None if labels is None else write_labels(labels[:MOST_CLASSES]),
        class_count=len(labels or ()),
        columns=write_counts(version.columns),
        evaluation=None if version.evaluation is None else write_struct(version.evaluation),
    )
    message.MergeFrom(rest)
    return message


def write_struct(value: Mapping[str, Any]) -> Struct:
    """Return a JSON object as a message, in which all numbers are floats."""
    struct = Struct()
    struct.update(value)
    return struct


def write_model(model: Model) -> models_pb2.Model:
    """Return the model as a message."""
    return models_pb2.Model(
        name=model.name,
        latest=model.latest,
        aliases=model.aliases,
    )


def write_prediction(prediction: Prediction) -> models_pb2.PredictResponse:
    """Return the prediction as a message."""
    response = models_pb2.PredictResponse(model=prediction.model, version=prediction.version)
    if prediction.classes is not None:
        response.labels.CopyFrom(write_labels(prediction.predictions))
        response.classes.CopyFrom(write_labels(prediction.classes))
    else:
        values = prediction.predictions
        response.values.CopyFrom(write_tensor(values.reshape(len(values), -1)))
    if prediction.probabilities is not None:
        response.probabilities.CopyFrom(write_tensor(prediction.probabilities))
    if (explained := prediction.contributions) is not None:
        response.contributions.CopyFrom(_contributions(explained))
    response.warnings.extend(tables_pb2.TableWarning(**asdict(warning)) for warning in prediction.warnings)
    return response


def _contributions(found: Contributions) -> models_pb2.Contributions:
    return models_pb2.Contributions(
        kind=found.kind,
        columns=[name for name in found.columns if isinstance(name, str)],
        values=write_tensor(found.values),
        outputs=write_tensor(found.outputs),
        baselines=write_tensor(found.baselines),
    )


def read_time(time: Timestamp) -> float:
    """Return a time in seconds since 1970."""
    return time.ToNanoseconds() / 1e9


def write_time(seconds: float) -> Timestamp:
    """Return seconds since 1970 as a message."""
    time = Timestamp()
    time.FromNanoseconds(round(seconds * 1e3) * 1_000_000)  # a float of seconds is exact to microseconds only
    return time
