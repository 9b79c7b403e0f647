"""The OpenAPI document. A test holds it to the application's routes."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from layerwise_service.rest.answers import CSV, NPY
from layerwise_service.rest.predict_file import TABLE_TYPES
from layerwise_service.rest.schemas import LABEL, REQUEST_ID, SCHEMAS, SHA256, list_of, object_of, ref
from layerwise_service.usecases.outputs import OUTPUTS


def _answer(description: str, schema: dict[str, Any], content_type: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {content_type: {"schema": schema}}}


def _problems(*statuses: int) -> dict[str, Any]:
    words = {400: "Invalid request", 404: "Not found", 409: "Not possible as things are", 413: "Too large"}
    words |= {415: "Not of a type that is read here", 422: "The model's answer is not finite", 429: "Too many"}
    words |= {500: "Internal error", 503: "Try again", 507: "The service's disk is full"}
    return {
        str(status): _answer(words[status], ref("Problem"), "application/problem+json") for status in (*statuses, 500)
    }


def _get(summary: str, schema: dict[str, Any], *problems: int, parameters: tuple[dict[str, Any], ...] = ()) -> Any:
    answers = {"200": _answer(summary, schema), **_problems(*problems)}
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": answers}}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


_PAGE = (
    _query("page_size", {"type": "integer", "minimum": 0, "maximum": 1000}),
    _query("page_token", {"type": "string"}),
)

_VERSION = (_path("model"), _path("version"))
_ALIAS = (_path("model"), _path("alias"))
_COLUMN_NAME = _query("column", {"type": "string", "minLength": 1}) | {"required": True}


def _pages(summary: str, name: str, item: dict[str, Any], *parameters: dict[str, Any]) -> Any:
    """Return the operation that lists `name` in pages; the last page has an empty token."""
    page = object_of({name: list_of(item), "next_page_token": {"type": "string"}})
    return _get(summary, page, 400, 404, 503, parameters=(*parameters, *_PAGE))


def _number(name: str, most: int | None = None) -> dict[str, Any]:
    return _query(name, {"type": "integer", "minimum": 0} | ({} if most is None else {"maximum": most}))


def _move(summary: str, body: str, *, required: bool) -> Any:
    """Return the operation that moves an alias."""
    return {
        "summary": summary,
        "parameters": list(_ALIAS),
        "requestBody": {"required": required, "content": {"application/json": {"schema": ref(body)}}},
        "responses": {"200": _answer("The model with its aliases", ref("Model")), **_problems(*_MOVING)},
    }


def _delete(summary: str, *parameters: dict[str, Any]) -> Any:
    return {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"204": {"description": "Deleted"}, **_problems(400, 404, 409, 503)},
    }


_MOVING = (400, 404, 409, 413, 415, 429, 503)
_FILE = {"type": "string", "format": "binary"}
_FORM: dict[str, Any] = {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}
_TABLE_FILES = {each: {"schema": _FORM if each == "multipart/form-data" else _FILE} for each in sorted(TABLE_TYPES)}
_PREDICTIONS = _answer("A prediction for each row, in their order", ref("PredictResponse"))
_PREDICTIONS["content"] |= {CSV: {"schema": {"type": "string"}}, NPY: {"schema": _FILE}}
_PREDICTIONS["headers"] = {
    "X-Layerwise-Warnings": {
        "description": "Of CSV or an array: the number of warnings, which an answer in JSON has",
        "schema": {"type": "integer", "minimum": 0},
    }
}
_DATASET = (_path("dataset"),)
_ROWS = _get(
    "Rows of a dataset",
    ref("DatasetRows"),
    400,
    404,
    503,
    parameters=(
        *_DATASET,
        _number("offset"),
        _number("limit", 1000),
        _query("format", {"enum": ["json", "csv"]})
        | {"description": "csv: all rows as CSV, as with the header Accept: text/csv"},
    ),
)
_ROWS["get"]["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
_POST_DATASET: dict[str, Any] = {
    "summary": "Send a table file, and have it read",
    "parameters": [
        _query("name", {"type": "string", "maxLength": 255}),
        _query("sha256", SHA256),
        _query("upload_id", {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}),
        _number("offset"),
        _query("formats", {"type": "string", "contentMediaType": "application/json"}),
        _query("gaps", {"type": "array", "items": {"type": "string", "minLength": 1}}),
        _query("read_as", {"type": "string"}),
        _query("transient", {"type": "boolean"}),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _FILE},
            "multipart/form-data": {"schema": _FORM},
        },
    },
    "responses": {
        "201": _answer("The dataset: how every column was read", ref("TableDataset")),
        **_problems(400, 404, 413, 415, 429, 503, 507),
    },
}

_POST_VERSION: dict[str, Any] = {
    "summary": "Publish a model file as the next version",
    "parameters": [_path("model"), _query("sha256", SHA256)],
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _FILE},
            "multipart/form-data": {"schema": _FORM},
        },
    },
    "responses": {
        "201": _answer("The new version", ref("Version")),
        "200": _answer("The newest version, which has the same file", ref("Version")),
        **_problems(400, 413, 415, 429, 503, 507),
    },
}
_VERSION_FILE = _get("The model file of a version", _FILE, 404, 503, parameters=_VERSION)
_VERSION_FILE["get"]["responses"] |= {
    "200": _answer("The file", _FILE, "application/octet-stream"),
    "206": _answer("The part of the file that the header Range asks for", _FILE, "application/octet-stream"),
    "304": {"description": "The file is the one that If-None-Match names: its ETag is its SHA-256"},
    "416": {"description": "The file has no such part"},
}

_READY = _get("Whether the whole service is ready, and why not", ref("Health"))
_READY["get"]["responses"]["503"] = _answer("Not ready", ref("Health"))
_READY_TO_PREDICT = _get("Whether predictions can be answered, and why not", ref("Health"))
_READY_TO_PREDICT["get"]["responses"]["503"] = _answer("Not ready", ref("Health"))
_LIVE = _get("Whether the process and its background loops work", ref("Health"))
_LIVE["get"]["responses"]["503"] = _answer("A background loop hangs: restart the process", ref("Health"))
_METRICS = _get("Prometheus' text format", {"type": "string"})
_METRICS["get"]["responses"]["200"] = _answer("Prometheus' text format", {"type": "string"}, "text/plain")

OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Layerwise",
        "version": version("layerwise"),
        "description": "Predictions by multilayer perceptrons, and the models and jobs behind them.",
    },
    "paths": {
        "/predict": {
            "post": {
                "summary": "Predict rows",
                "parameters": [
                    _query("model", {"type": "string"}) | {"description": "Of a file or an array"},
                    _query("version", {"type": "string"})
                    | {"description": "Of a file or an array: a number or an alias"},
                    _query("keep", list_of({"type": "string"}))
                    | {"description": "Of a file: columns to return with the predictions"},
                    _query("explain", {"type": "boolean"})
                    | {"description": "Of a file or an array: whether to answer what each column contributes"},
                    _query("outputs", list_of({"enum": list(OUTPUTS)}))
                    | {"description": "Of a file or an array: what to answer", "style": "form", "explode": False},
                    _query("top_k", {"type": "integer", "minimum": 1})
                    | {"description": "Of a file or an array: how many of the most probable classes to answer"},
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": ref("PredictRequest")},
                        NPY: {"schema": _FILE},
                        **_TABLE_FILES,
                    },
                },
                "responses": {"200": _PREDICTIONS, **_problems(400, 404, 409, 413, 415, 422, 429, 503, 507)},
            }
        },
        "/predict/signature": _get(
            "What a version takes",
            ref("Signature"),
            400,
            404,
            409,
            503,
            parameters=(_query("model", {"type": "string"}), _query("version", {"type": "string"})),
        ),
        "/api/models": _pages("Models, sorted by name", "models", ref("Model")),
        "/api/models/{model}": _get("A model", ref("Model"), 404, 503, parameters=(_path("model"),)),
        "/api/models/{model}/versions": {
            **_pages(
                "Summaries of the versions of a model, newest first", "versions", ref("VersionSummary"), _path("model")
            ),
            "post": _POST_VERSION,
        },
        "/api/models/{model}/versions/{version}": {
            **_get("A version, by its number or an alias", ref("Version"), 404, 503, parameters=_VERSION),
            "delete": _delete("Delete a version, by its number, that no alias names and no job needs", *_VERSION),
        },
        "/api/models/{model}/aliases/{alias}": {
            "put": _move("Point an alias at a version", "AliasRequest", required=True),
            "delete": _delete("Delete an alias", *_ALIAS, _number("expected"), _query("request_id", REQUEST_ID)),
        },
        "/api/models/{model}/aliases/{alias}:rollback": {
            "post": _move("Point an alias at the version before", "RollbackRequest", required=False)
        },
        "/api/models/{model}/aliases/{alias}/moves": _get(
            "The last moves of an alias, newest first",
            object_of({"moves": list_of(ref("AliasMove"))}),
            400,
            404,
            503,
            parameters=_ALIAS,
        ),
        "/api/models/{model}/versions/{version}/file": _VERSION_FILE,
        "/api/models/{model}/versions/{version}/classes": _pages(
            "The classes of a version, in the order of the outputs", "classes", LABEL, *_VERSION
        ),
        "/api/models/{model}/versions/{version}/columns": _pages(
            "The columns that a version takes, with their first categories", "columns", ref("ColumnInfo"), *_VERSION
        ),
        "/api/models/{model}/versions/{version}/categories": _pages(
            "The categories of a column", "categories", {"type": "string"}, *_VERSION, _COLUMN_NAME
        ),
        "/api/jobs": _pages(
            "Summaries of jobs, newest first",
            "jobs",
            ref("JobSummary"),
            _query("model", {"type": "string"}),
            _query("state", ref("JobState")),
        ),
        "/api/jobs/{job_id}": _get("A job", ref("Job"), 404, 503, parameters=(_path("job_id"),)),
        "/api/jobs/{job_id}/columns": _pages(
            "The columns that the job's version takes, with their first categories",
            "columns",
            ref("ColumnInfo"),
            _path("job_id"),
        ),
        "/api/jobs/{job_id}/categories": _pages(
            "The categories of a column", "categories", {"type": "string"}, _path("job_id"), _COLUMN_NAME
        ),
        "/api/datasets": {
            **_pages("Datasets without their columns, newest first", "datasets", ref("TableDatasetSummary")),
            "post": _POST_DATASET,
        },
        "/api/datasets/{dataset}": {
            **_get("A dataset", ref("TableDataset"), 404, 503, parameters=_DATASET),
            "delete": _delete("Delete a dataset that no job needs", *_DATASET),
        },
        "/api/datasets/{dataset}/rows": _ROWS,
        "/api/datasets/{dataset}/profile": _get(
            "What the columns of a dataset hold, and what to know before training on it",
            ref("Profile"),
            400,
            404,
            413,
            503,
            parameters=(
                *_DATASET,
                _query("target", {"type": "string"}),
                _query("validation", {"type": "string"}),
                _query("task", ref("Task")),
                _query("ignore", list_of({"type": "string"})),
                _query("quick", {"type": "boolean"}),
            ),
        ),
        "/api/uploads/{upload_id}": _get(
            "How many bytes of an upload have arrived", ref("Upload"), 400, 503, parameters=(_path("upload_id"),)
        ),
        "/livez": _LIVE,
        "/readyz": _READY,
        "/readyz/predictions": _READY_TO_PREDICT,
        "/metrics": _METRICS,
        "/openapi.json": _get("This document", {"type": "object"}),
        "/": _get("Name and version of the service, and its main addresses", {"type": "object"}),
    },
    "components": {"schemas": SCHEMAS},
}
