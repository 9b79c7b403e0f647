"""How answers are written: JSON, and RFC 9457 problem+json for errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response

from layerwise_service.columns import ColumnInfo
from layerwise_service.errors import MethodNotAllowed, ServiceError
from layerwise_service.jobs import Job
from layerwise_service.models import Model, Version


def json_response(value: object, status: int = 200) -> Response:
    """`value` as JSON; NumPy's arrays of numbers may stand in it."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status, mimetype="application/json")


def problem(error: ServiceError, *, request_id: str) -> Response:
    """The error as RFC 9457 has it, with our `reason` and what is wrong where in `errors`."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(error.http_status).phrase,
        "status": error.http_status,
        "detail": str(error),
        "reason": error.reason,
        "request_id": request_id,
    }
    if error.pointer:
        body["errors"] = [{"pointer": error.json_pointer, "detail": error.detail}]
    response = Response(orjson.dumps(body), error.http_status, mimetype="application/problem+json")
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = error.allowed
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def job_json(job: Job) -> dict[str, object]:
    """A job, its times as RFC 3339 writes them."""
    value: dict[str, Any] = asdict(job) | {"created": _time(job.created)}
    del value["preprocessing"]
    value["columns"] = _columns(job.columns)
    value["transitions"] = [asdict(change) | {"time": _time(change.time)} for change in job.transitions]
    return value


def version_json(version: Version) -> dict[str, object]:
    """A version, its time as RFC 3339 writes it."""
    value: dict[str, Any] = asdict(version) | {"created": _time(version.created)}
    del value["preprocessing"]
    value["columns"] = _columns(version.columns)
    value["version"] = value.pop("number")
    return value


def model_json(model: Model, *, with_versions: bool) -> dict[str, object]:
    """A model, with its versions newest first or without them."""
    value: dict[str, object] = {"name": model.name, "latest": model.latest, "aliases": dict(model.aliases)}
    if with_versions:
        value["versions"] = [version_json(version) for version in model.versions]
    return value


def _columns(columns: Sequence[ColumnInfo]) -> list[dict[str, Any]] | None:
    """Columns of a table, or null for rows of numbers."""
    return [asdict(column) for column in columns] or None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
