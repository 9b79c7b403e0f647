"""The operations of /api/jobs in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from layerwise_service.domain.job_notes import MOST_LABEL, MOST_LABELS, MOST_NOTE
from layerwise_service.rest.jobs import CancelBody, ResumeBody, UpdateBody
from layerwise_service.rest.messages import JSON
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
from layerwise_service.rest.schemas import TIME, nullable, ref

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
    ),
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

SCHEMAS = {
    "CancelRequest": struct_schema(
        CancelBody,
        "What becomes of what the job has trained so far: best ends the training here, but not before its first epoch, "
        "and publishes the best it has.",
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
        labels={
            "type": "object",
            "description": "Labels to set, or to remove if they are null; others stay.",
            "maxProperties": MOST_LABELS,
            "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"},
            "additionalProperties": nullable({"type": "string", "maxLength": MOST_LABEL}),
        },
        note=nullable({"type": "string", "maxLength": MOST_NOTE}),
    ),
}
"""The bodies."""
