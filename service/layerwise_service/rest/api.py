"""GET /api/…: models and jobs."""

from __future__ import annotations

from flask import Blueprint, Response, request

from layerwise_service.errors import InvalidRequest
from layerwise_service.jobs import JobState
from layerwise_service.registry import Registry
from layerwise_service.rest.responses import job_json, json_response, model_json
from layerwise_service.training import Training


def api_routes(registry: Registry, training: Training) -> Blueprint:
    """The routes over their use-cases."""
    routes = Blueprint("api", __name__, url_prefix="/api")

    @routes.get("/models")
    def list_models() -> Response:  # pyright: ignore[reportUnusedFunction]
        _check_query("page_size", "page_token")
        models, token = registry.page(page_size=_page_size(), page_token=request.args.get("page_token", ""))
        return json_response(
            {"models": [model_json(model, with_versions=False) for model in models], "next_page_token": token}
        )

    @routes.get("/models/<name>")
    def get_model(name: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response(model_json(registry.get(name), with_versions=True))

    @routes.get("/jobs")
    def list_jobs() -> Response:  # pyright: ignore[reportUnusedFunction]
        _check_query("page_size", "page_token", "model", "state")
        jobs, token = training.page(
            model=request.args.get("model", ""),
            state=_state(),
            page_size=_page_size(),
            page_token=request.args.get("page_token", ""),
        )
        return json_response({"jobs": [job_json(job) for job in jobs], "next_page_token": token})

    @routes.get("/jobs/<job>")
    def get_job(job: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response(job_json(training.get(job)))

    return routes


def _check_query(*known: str) -> None:
    for name in request.args:
        if name not in known:
            detail = f"unknown query parameter; the ones here are {', '.join(known)}"
            raise InvalidRequest(detail, pointer=name[:64], reason="UNKNOWN_FIELD")


def _page_size() -> int:
    text = request.args.get("page_size", "0")
    if not text.isdecimal() or len(text) > 9:
        raise InvalidRequest(f"expected a whole number, got {text[:64]!r}", pointer="page_size")
    return int(text)


def _state() -> JobState | None:
    text = request.args.get("state")
    try:
        return None if text is None else JobState(text.upper())
    except ValueError as error:
        detail = f"expected one of {', '.join(JobState)}, got {text!r}"
        raise InvalidRequest(detail, pointer="state") from error
