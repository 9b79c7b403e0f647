"""The operations of /api/jobs in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from layerwise_service.domain.job_notes import LABEL_NAME, MOST_LABEL, MOST_LABELS, MOST_NOTE, PRIORITIES
from layerwise_service.rest.jobs import CancelBody, ResumeBody, UpdateBody
from layerwise_service.rest.messages import JSON
from layerwise_service.rest.new_jobs import JobBody
from layerwise_service.rest.operations import (
    COLUMN_NAME,
    answer,
    body,
    delete,
    get,
    pages,
    path,
    problems,
    query,
    struct_schema,
)
from layerwise_service.rest.schemas import CELL, NAME, TIME, list_of, nullable, ref

_JOB = path("job_id") | {
    "description": 'Its id, the beginning of it that no other id has, or "last" for the newest job.'
}
_CHANGING = (400, 404, 409, 413, 415, 429, 503)


def _change(summary: str, schema: str = "", example: dict[str, Any] | None = None, *, required: bool = False) -> Any:
    """Return an operation that changes a job, with a body of this `schema` if there is one."""
    found: dict[str, Any] = {
        "summary": summary,
        "parameters": [_JOB],
        "responses": {"200": answer("The job as it is then", ref("Job")), **problems(*_CHANGING)},
    }
    if schema:
        found["requestBody"] = {"required": required, "content": {JSON: body(ref(schema), example or {})}}
    return found


_POST: dict[str, Any] = {
    "summary": "Train a new version on a dataset, or on rows that become one",
    "parameters": [
        {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 128}}
        | {"description": "A request that is repeated with the same key and content is answered with the same job."}
    ],
    "requestBody": {
        "required": True,
        "content": {
            JSON: body(
                ref("JobRequest"),
                {
                    "model": "iris",
                    "dataset": "iris",
                    "target": "species",
                    "architecture": {"layers": [{"units": 8}, {}]},
                },
            )
        },
    },
    "responses": {"201": answer("The job, which is stored", ref("Job")), **problems(*_CHANGING, 507)},
}

PATHS: dict[str, Any] = {
    "/api/jobs": pages(
        "Summaries of jobs, newest first",
        "jobs",
        ref("JobSummary"),
        query("model", {"type": "string"}),
        query("state", ref("JobState")),
        query("label", {"type": "array", "items": {"type": "string"}})
        | {"description": "name=value; only jobs with all of these labels"},
        query("created_after", TIME),
        query("created_before", TIME),
    )
    | {"post": _POST},
    "/api/jobs/{job_id}": {
        **get("A job", ref("Job"), 400, 404, 503, parameters=(_JOB,)),
        "patch": _change(
            "Set labels and the note of a job", "UpdateRequest", {"labels": {"team": "blue"}}, required=True
        ),
        "delete": delete("Delete a job that has ended; its versions stay", _JOB),
    },
    "/api/jobs/{job_id}:cancel": {"post": _change("Cancel a job, or end it and publish what it has", "CancelRequest")},
    "/api/jobs/{job_id}:pause": {"post": _change("Pause a job")},
    "/api/jobs/{job_id}:resume": {
        "post": _change("Let a job go on that is paused or has ended", "ResumeRequest", {"epochs": 40})
    },
    "/api/jobs/{job_id}/columns": pages(
        "The columns that the job's version takes, with their first categories", "columns", ref("ColumnInfo"), _JOB
    ),
    "/api/jobs/{job_id}/categories": pages(
        "The categories of a column", "categories", {"type": "string"}, _JOB, COLUMN_NAME
    ),
}

_LABELS: dict[str, Any] = {
    "type": "object",
    "maxProperties": MOST_LABELS,
    "propertyNames": {"pattern": f"^{LABEL_NAME}$"},
}
_VALUE = {"type": "string", "maxLength": MOST_LABEL}

SCHEMAS = {
    "JobRequest": struct_schema(
        JobBody,
        "A job: its model, its data, and how to train.",
        model=NAME,
        dataset={"type": "string", "description": "The id of a dataset, the beginning of it, or its name: the newest."},
        rows=nullable(list_of({"type": "object", "additionalProperties": CELL}))
        | {"description": "Instead of a dataset: rows that become one, as those of a file of JSON Lines."},
        architecture={"type": "object", "description": "As in docs/core.md; what the data say may be left out."},
        plan={"type": "object", "description": "As in docs/core.md; {} leaves everything to the service."},
        task=nullable(ref("Task")) | {"description": "null: decided by the values of the target."},
        encoder=nullable({"type": "object"}) | {"description": "As in docs/tables.md; null: chosen by the values."},
        labels=_LABELS | {"additionalProperties": _VALUE},
        note={"type": "string", "maxLength": MOST_NOTE},
        priority={"type": "integer", "minimum": PRIORITIES[0], "maximum": PRIORITIES[1]},
    ),
    "CancelRequest": struct_schema(
        CancelBody,
        "What becomes of what the job has trained so far. best: the training ends where it is, but not before its "
        "first epoch, and that is published, with early stopping the best epoch.",
    ),
    "ResumeRequest": struct_schema(
        ResumeBody,
        "How far the job shall train now.",
        epochs=nullable({"type": "integer", "minimum": 1})
        | {"description": "Its number of epochs, if that changes: more than it has trained."},
    ),
    "UpdateRequest": struct_schema(
        UpdateBody,
        "What is said of the job.",
        labels=_LABELS
        | {
            "description": "Labels to set, or to remove if they are null; others stay.",
            "additionalProperties": nullable(_VALUE),
        },
        note=nullable({"type": "string", "maxLength": MOST_NOTE}),
    ),
}
"""The bodies."""
