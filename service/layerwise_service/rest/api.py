"""/api/models: models and their versions."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, request

from layerwise_service.errors import InvalidRequest
from layerwise_service.rest.query import PAGE, check_query, is_whole, page
from layerwise_service.rest.responses import json_response, model_json, page_json, version_json
from layerwise_service.usecases.registry import ColumnSource, Registry


def api_routes(registry: Registry) -> Blueprint:
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
        return columns_page(registry, ColumnSource(model, version))

    @routes.get("/models/<model>/versions/<version>/categories")
    def list_categories(model: str, version: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return categories_page(registry, ColumnSource(model, version))

    return routes


def columns_page(registry: Registry, source: ColumnSource) -> Response:
    """Answer a page of the columns of `source`."""
    check_query(*PAGE)
    return json_response(page_json("columns", registry.columns(source, with_categories=True, **page()), asdict))


def categories_page(registry: Registry, source: ColumnSource) -> Response:
    """Answer a page of the categories of a column of `source`."""
    check_query(*PAGE, "column")
    if not (column := request.args.get("column", "")):
        raise InvalidRequest("expected ?column= with the name of a column", pointer="column")
    found = registry.categories(source, column, **page())
    return json_response(page_json("categories", found, lambda text: text))
