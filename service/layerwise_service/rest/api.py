"""/api/models and /api/jobs: models, their versions, and jobs."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, request

from layerwise_service.domain.jobs import JobState
from layerwise_service.errors import InvalidRequest
from layerwise_service.rest.query import PAGE, check_query, is_whole, page
from layerwise_service.rest.responses import job_json, json_response, model_json, page_json, version_json
from layerwise_service.usecases.registry import ColumnSource, Registry
from layerwise_service.usecases.training import TrainingJobs


def api_routes(registry: Registry, training: TrainingJobs) -> Blueprint:
    """Return the routes, which call these use-cases."""
    routes = Blueprint("api", __name__, url_prefix="/api")

    @routes.get("/models")
    def list_models() -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query(*PAGE)
        return json_response(page_json("models", registry.page(**page()), model_json))

    @routes.get("/models/<model>")
    def get_model(model: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response(model_json(registry.get(model)))

    @routes.get("/models/<model>/versions")
    def list_versions(model: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query(*PAGE)
        return json_response(page_json("versions", registry.versions(model, **page()), version_json))

    @routes.get("/models/<model>/versions/<version>")
    def get_version(model: str, version: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response(version_json(registry.version(model, version)))

    @routes.delete("/models/<model>/versions/<version>")
    def delete_version(model: str, version: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        if not is_whole(version):  # an alias may point at another version by now
            raise InvalidRequest(f"expected the number of a version, got {version[:64]!r}", pointer="version")
        registry.delete_version(model, int(version))
        return Response(status=204)

    @routes.get("/models/<model>/versions/<version>/classes")
    def list_classes(model: str, version: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query(*PAGE)
        return json_response(page_json("classes", registry.classes(model, version, **page()), lambda label: label))

    @routes.get("/models/<model>/versions/<version>/columns")
    def list_columns(model: str, version: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return _columns(ColumnSource(model, version))

    @routes.get("/models/<model>/versions/<version>/categories")
    def list_categories(model: str, version: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return _categories(ColumnSource(model, version))

    @routes.get("/jobs")
    def list_jobs() -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query(*PAGE, "model", "state")
        found = training.page(model=request.args.get("model", ""), state=_state(), **page())
        return json_response(page_json("jobs", found, job_json))

    @routes.get("/jobs/<job_id>")
    def get_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response(job_json(training.get(job_id)))

    @routes.get("/jobs/<job_id>/columns")
    def list_columns_of_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return _columns(ColumnSource(job=job_id))

    @routes.get("/jobs/<job_id>/categories")
    def list_categories_of_job(job_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return _categories(ColumnSource(job=job_id))

    def _columns(source: ColumnSource) -> Response:
        check_query(*PAGE)
        return json_response(page_json("columns", registry.columns(source, with_categories=True, **page()), asdict))

    def _categories(source: ColumnSource) -> Response:
        check_query(*PAGE, "column")
        if not (column := request.args.get("column", "")):
            raise InvalidRequest("expected ?column= with the name of a column", pointer="column")
        found = registry.categories(source, column, **page())
        return json_response(page_json("categories", found, lambda text: text))

    return routes


def _state() -> JobState | None:
    text = request.args.get("state")
    try:
        return None if text is None else JobState(text.upper())
    except ValueError as error:
        detail = f"expected one of {', '.join(JobState)}, got {text!r}"
        raise InvalidRequest(detail, pointer="state") from error
