"""Conversion between the messages of jobs and the service's own types."""

from __future__ import annotations

from dataclasses import asdict

from layerwise import Finding
from layerwise.training.records import EpochRecord
from layerwise_proto.json_form import to_message
from layerwise_proto.v1 import datasets_pb2, profiles_pb2, tables_pb2, training_pb2, types_pb2
from layerwise_service.domain.job_notes import Notes
from layerwise_service.domain.job_states import JobState
from layerwise_service.domain.jobs import Job, JobFilter, JobSummary, TableSource, Transition, record_values
from layerwise_service.errors import InvalidRequest
from layerwise_service.rpc.converters import read_enum, read_spec, read_task, read_time, write_time
from layerwise_service.rpc.table_converters import write_counts
from layerwise_service.usecases.job_request import DatasetJob


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
        notes=read_notes(request),
    )


def read_notes(message: training_pb2.TrainHeader | training_pb2.CreateJobRequest) -> Notes:
    """Return what the caller says of a new job."""
    return Notes(dict(message.labels), message.note, message.priority)


def read_filter(request: training_pb2.ListJobsRequest) -> JobFilter:
    """Return which jobs are asked for. Raises `InvalidRequest` for an unknown state."""
    return JobFilter(
        model=request.model,
        state=read_state(request.state),
        labels=dict(request.labels),
        created_after=read_time(request.created_after) if request.HasField("created_after") else None,
        created_before=read_time(request.created_before) if request.HasField("created_before") else None,
    )


def read_changed_labels(request: training_pb2.UpdateJobRequest) -> dict[str, str | None]:
    """Return the labels to set, and those to remove, which are None. Raises `InvalidRequest` if one is both."""
    removed: dict[str, str | None] = dict.fromkeys(request.remove_labels)
    if both := removed.keys() & request.labels.keys():
        raise InvalidRequest(f"expected {min(both)!r} in labels or here, not in both", pointer="remove_labels")
    return {**request.labels, **removed}


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
        metric_value=job.metric_value,
        rows=job.rows,
        source_name=job.source_name or "",
        start_time=None if job.started is None else write_time(job.started),
        end_time=None if job.finished is None else write_time(job.finished),
        labels=job.labels,
        note=job.note,
        priority=job.priority,
        seconds=job.seconds,
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


def write_state(state: JobState) -> training_pb2.JobState.ValueType:
    """Return the state as its enum value."""
    return training_pb2.JobState.Value(f"JOB_STATE_{state}")


def read_state(state: training_pb2.JobState.ValueType) -> JobState | None:
    """Return the state, None for UNSPECIFIED. Raises `InvalidRequest` for an unknown number."""
    return read_enum(JobState, training_pb2.JobState, state, "state")


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
