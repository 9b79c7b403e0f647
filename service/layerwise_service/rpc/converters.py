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

from layerwise import Contributions, Finding
from layerwise.errors import Place
from layerwise.training.records import EpochRecord
from layerwise_proto.json_form import to_json, to_message
from layerwise_proto.v1 import datasets_pb2, models_pb2, profiles_pb2, tables_pb2, tensors_pb2, training_pb2, types_pb2
from layerwise_service.domain.datasets import Batch, Label
from layerwise_service.domain.jobs import (
    Job,
    JobState,
    JobSummary,
    JSONObject,
    TableSource,
    Task,
    Transition,
    record_values,
)
from layerwise_service.domain.models import MOST_CLASSES, Model, Version, VersionSummary
from layerwise_service.errors import InvalidRequest
from layerwise_service.rpc.table_converters import read_kinds, read_table, write_counts
from layerwise_service.usecases.job_request import DatasetJob
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


def read_dataset_job(request: training_pb2.CreateJobRequest) -> DatasetJob:
    """Return the request to train on a dataset. Raises `InvalidRequest`."""
    return DatasetJob(
        model=request.model,
        dataset=request.dataset,
        target=request.target,
        architecture=read_spec(request.architecture),
        plan=read_spec(request.plan),
        ignore=tuple(request.ignore),
        weight=request.weight,
        task=read_task(request.task),
        encoder=read_spec(request.encoder) if request.HasField("encoder") else None,
        request_id=request.request_id or None,
        start_from=(request.start_from.model, request.start_from.version) if request.HasField("start_from") else None,
        validation_dataset=request.validation_dataset,
        validation_column=request.validation_column,
    )


def read_spec(message: types_pb2.Architecture | types_pb2.Plan | tables_pb2.Encoder) -> JSONObject:
    """Return the JSON form of the message."""
    return dict(to_json(message))


def write_job_summary(job: JobSummary) -> training_pb2.Job:
    """Return the job's summary as a message."""
    failure = job.failure
    return training_pb2.Job(
        id=job.id,
        model=job.model,
        state=write_state(job.state),
        dataset=job.dataset,
        attempt=job.attempt,
        create_time=write_time(job.created),
        metric=job.metric,
        version=job.version,
        failure=None if failure is None else training_pb2.JobFailure(reason=failure.reason, message=failure.message),
        progress=job.progress,
        start_from="" if job.start is None else str(job.start),
    )


def write_job(job: Job) -> training_pb2.Job:
    """Return the job as a message."""
    message = write_job_summary(job)
    rest = training_pb2.Job(
        architecture=to_message(job.architecture, types_pb2.Architecture),
        plan=to_message(job.plan, types_pb2.Plan),
        transitions=[write_transition(change) for change in job.transitions],
        record=None if job.record is None else write_record(job.record),
        findings=[write_finding(finding) for finding in job.findings],
        columns=write_counts(job.columns),
        source=None if job.source is None else _source(job.source),
        held_out=job.held_out,
    )
    message.MergeFrom(rest)
    return message


def _source(source: TableSource) -> training_pb2.TableSource:
    form = source.target_format
    return training_pb2.TableSource(
        dataset=source.dataset,
        target=source.target,
        task=types_pb2.Task.Value(f"TASK_{source.task}"),
        why=source.why,
        left_out=source.left_out,
        ignored=source.ignored,
        weight=source.weight,
        target_format=None if form is None else to_message(form, tables_pb2.Format),
        validation_dataset=source.validation_dataset,
        validation_column=source.validation_column,
        doubts=[datasets_pb2.Doubt(**asdict(doubt)) for doubt in source.doubts],
        findings=[profiles_pb2.DatasetFinding(**asdict(finding)) for finding in source.findings],
    )


def read_task(task: types_pb2.Task.ValueType) -> Task | None:
    """Return the task, None for UNSPECIFIED. Raises `InvalidRequest` for an unknown number."""
    return _read_enum(Task, types_pb2.Task, task, "task")


def write_state(state: JobState) -> training_pb2.JobState.ValueType:
    """Return the state as its enum value."""
    return training_pb2.JobState.Value(f"JOB_STATE_{state}")


def read_state(state: training_pb2.JobState.ValueType) -> JobState | None:
    """Return the state, None for UNSPECIFIED. Raises `InvalidRequest` for an unknown number."""
    return _read_enum(JobState, training_pb2.JobState, state, "state")


def _read_enum(kind: type[E], enum: Any, number: int, pointer: str) -> E | None:
    """Return the member of `kind` that a number of the protobuf `enum` stands for; None for UNSPECIFIED."""
    if number == 0:
        return None
    descriptor = enum.DESCRIPTOR
    if (value := descriptor.values_by_number.get(number)) is None:
        raise InvalidRequest(f"expected a value of the enum {descriptor.name}, got {number}", pointer=pointer)
    prefix = descriptor.values[0].name.removesuffix("UNSPECIFIED")
    return kind(value.name.removeprefix(prefix))


def write_transition(change: Transition) -> training_pb2.JobTransition:
    """Return the transition as a message."""
    return training_pb2.JobTransition(
        state=write_state(change.state), time=write_time(change.time), reason=change.reason, attempt=change.attempt
    )


def write_record(record: EpochRecord) -> training_pb2.TrainRecord:
    """Return the record as a message."""
    return training_pb2.TrainRecord(**record_values(record))


def write_finding(finding: Finding) -> training_pb2.Finding:
    """Return the finding as a message."""
    return training_pb2.Finding(**asdict(finding))


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


def write_time(seconds: float) -> Timestamp:
    """Return seconds since 1970 as a message."""
    time = Timestamp()
    time.FromNanoseconds(round(seconds * 1e3) * 1_000_000)  # a float of seconds is exact to microseconds only
    return time
