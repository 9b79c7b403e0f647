"""/api/jobs: jobs are made, listed, paused, resumed, cancelled, labelled and deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec
from flask import Blueprint, Response, request

from layerwise_service.domain.job_states import JobState
from layerwise_service.domain.jobs import JobFilter
from layerwise_service.errors import InvalidRequest
from layerwise_service.rest.api import categories_page, columns_page
from layerwise_service.rest.bodies import read_json
from layerwise_service.rest.new_jobs import NewJobs
from layerwise_service.rest.query import PAGE, check_query, has_body, page, small_request
from layerwise_service.rest.responses import job_json, json_response, page_json
from layerwise_service.usecases.registry import ColumnSource, Registry
from layerwise_service.usecases.training import TrainingJobs


class CancelBody(msgspec.Struct, forbid_unknown_fields=True):
    """What becomes of what a job has trained so far."""

    keep: Literal["best"] | None = None


class ResumeBody(msgspec.Struct, forbid_unknown_fields=True):
    """How far a job shall train now."""

    epochs: int | None = None


class UpdateBody(msgspec.Struct, forbid_unknown_fields=True):
    """Labels to set, or to remove if they are null, and the new note."""

    labels: dict[str, str | None] = {}
    note: str | None = None


def job_routes(registry: Registry, training: TrainingJobs, new_jobs: NewJobs) -> Blueprint:
    """Return the routes, which call these use-cases."""
    routes = Blueprint("jobs", __name__, url_prefix="/api/jobs")

    @routes.get("")
    def list_jobs() -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query(*PAGE, "model", "state", "created_after", "created_before", repeated=("label",))
        wanted = JobFilter(
            model=request.args.get("model", ""),
            state=_state(),
            labels=_labels(),
            created_after=_time("created_after"),
            created_before=_time("created_before"),
        )
        return json_response(page_json("jobs", training.page(wanted, **page()), job_json))

    @routes.post("")
    def create_job() -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        job = new_jobs.create()
        response = json_response(job_json(job), 201)
        response.headers["Location"] = f"/api/jobs/{job.id}"
        return response

    @routes.get("/<job:job_id>")
    def get_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        return json_response(job_json(training.get(job_id)))

    @routes.patch("/<job:job_id>")
    def update_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        body = read_json(UpdateBody, small_request())
        return json_response(job_json(training.update(job_id, labels=body.labels, note=body.note)))

    @routes.delete("/<job:job_id>")
    def delete_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        training.delete(job_id)
        return Response(status=204)

    @routes.post("/<job:job_id>:cancel")
    def cancel_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        body = read_json(CancelBody, small_request()) if has_body() else CancelBody()
        return json_response(job_json(training.cancel(job_id, finish=body.keep is not None)))

    @routes.post("/<job:job_id>:pause")
    def pause_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        return json_response(job_json(training.pause(job_id)))

    @routes.post("/<job:job_id>:resume")
    def resume_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        body = read_json(ResumeBody, small_request()) if has_body() else ResumeBody()
        return json_response(job_json(training.resume(job_id, epochs=body.epochs)))

    @routes.get("/<job:job_id>/columns")
    def list_columns_of_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return columns_page(registry, ColumnSource(job=job_id))

    @routes.get("/<job:job_id>/categories")
    def list_categories_of_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return categories_page(registry, ColumnSource(job=job_id))

    return routes


def _state() -> JobState | None:
    text = request.args.get("state")
    try:
        return None if text is None else JobState(text.upper())
    except ValueError as error:
        detail = f"expected one of {', '.join(JobState)}, got {text!r}"
        raise InvalidRequest(detail, pointer="state") from error


def _labels() -> dict[str, str]:
    """Return the labels of ?label=name=value, which may be there several times. Raises `InvalidRequest`."""
    labels: dict[str, str] = {}
    for text in request.args.getlist("label"):
        name, equals, value = text.partition("=")
        if not equals or name in labels:
            raise InvalidRequest(f"expected name=value, each name once, got {text[:128]!r}", pointer="label")
        labels[name] = value
    return labels


def _time(name: str) -> float | None:
    """Return the time of the parameter `name` in seconds since 1970. Raises `InvalidRequest`."""
    if (text := request.args.get(name)) is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        detail = f"expected a time such as 2026-05-01T12:00:00Z, got {text[:64]!r}"
        raise InvalidRequest(detail, pointer=name) from error
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
