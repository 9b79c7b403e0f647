"""The JSON of answers, and the RFC 9457 problem+json of errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from flask import Response

from layerwise_service.domain.aliases import AliasMove
from layerwise_service.domain.jobs import Job, JobSummary
from layerwise_service.domain.models import MOST_CLASSES, Model, Version, VersionSummary
from layerwise_service.domain.pages import Page
from layerwise_service.domain.table_datasets import TableDataset, TableDatasetSummary
from layerwise_service.errors import MethodNotAllowed, ServiceError
from layerwise_service.rest.messages import JSON, Answer, Request

T = TypeVar("T")

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})

_FRAGMENT = "/?:@!$&'()*+,;=-._~"
"""Characters that need no quoting in the fragment of a URI, besides letters and digits (RFC 3986)."""


def json_response(value: object, status: int = 200) -> Response:
    """Return `value` as a JSON response; it may contain NumPy arrays of numbers."""
    return Response(json_bytes(value), status, mimetype=JSON)


def flask_response(answer: Answer) -> Response:
    """Return `answer` as a response of Flask."""
    return Response(answer.body, answer.status, list(answer.headers), content_type=answer.content_type)


def json_bytes(value: object) -> bytes:
    """Return `value` as JSON; it may contain NumPy arrays of numbers."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def problem_answer(error: ServiceError, request: Request) -> Answer:
    """Return the error as RFC 9457 problem details, with our `reason`, and its place in `errors`.

    The place is in the body, or else a parameter in the query or the path.
    """
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(error.http_status).phrase,
        "status": error.http_status,
        "detail": str(error),
        "reason": error.reason,
        "request_id": request.request_id,
    }
    if error.place:
        in_body = request.method not in _BODILESS and error.place[0] not in request.parameters
        pointer = f"#{quote(error.place.json_pointer, safe=_FRAGMENT)}"
        where = {"pointer": pointer} if in_body else {"parameter": error.place[0]}
        body["errors"] = [{**where, "place": list(error.place), "detail": error.detail}]
    return Answer(orjson.dumps(body), error.http_status, "application/problem+json", error_headers(error))


def error_headers(error: ServiceError) -> list[tuple[str, str]]:
    """Return the headers that an answer with this error has, whatever its shape."""
    headers: list[tuple[str, str]] = []
    if isinstance(error, MethodNotAllowed):
        headers.append(("Allow", error.allowed))
    if error.retry_after is not None:
        headers.append(("Retry-After", str(error.retry_after)))
    return headers


def page_json(name: str, page: Page[T], item: Callable[[T], object]) -> dict[str, object]:
    """Return the JSON form of a page whose list is called `name`; `item` converts each item."""
    return {name: [item(each) for each in page.items], "next_page_token": page.next_token}


def job_json(job: Job | JobSummary) -> dict[str, object]:
    """Return the JSON form of a job, its times in RFC 3339."""
    times = {"created": job.created, "started": job.started, "finished": job.finished}
    value: dict[str, Any] = asdict(job)
    value |= {name: None if time is None else _time(time) for name, time in times.items()}
    if isinstance(job, Job):
        value["transitions"] = [asdict(change) | {"time": _time(change.time)} for change in job.transitions]
    return value


def version_json(version: Version | VersionSummary) -> dict[str, object]:
    """Return the JSON form of a version, its time in RFC 3339, with its first classes."""
    if isinstance(version, Version):
        labels = version.labels
        version = replace(version, labels=None if labels is None else labels[:MOST_CLASSES])
        value: dict[str, Any] = asdict(version) | {"class_count": len(labels or ())}
    else:
        value = asdict(version)
    value |= {"created": _time(version.created), "version": value.pop("number")}
    return value


def dataset_json(dataset: TableDataset | TableDatasetSummary) -> dict[str, object]:
    """Return the JSON form of a dataset, its time in RFC 3339."""
    value: dict[str, object] = asdict(dataset)
    return value | {"created": _time(dataset.created)}


def model_json(model: Model) -> dict[str, object]:
    """Return the JSON form of a model."""
    return {"name": model.name, "latest": model.latest, "aliases": dict(model.aliases)}


def move_json(move: AliasMove) -> dict[str, object]:
    """Return the JSON form of a move of an alias, its time in RFC 3339."""
    value: dict[str, object] = asdict(move)
    return value | {"time": _time(move.time)}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
