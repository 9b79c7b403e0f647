"""The OpenAPI document. A test holds it to the application's routes."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from layerwise_service.rest import mlflow, oip_paths, tf_serving
from layerwise_service.rest.answers import CSV, NPY
from layerwise_service.rest.operations import answer, get, number, path, problems, query
from layerwise_service.rest.predict_file import TABLE_TYPES
from layerwise_service.rest.schemas import LABEL, REQUEST_ID, SCHEMAS, SHA256, list_of, object_of, ref
from layerwise_service.usecases.outputs import OUTPUTS

_PAGE = (
    query("page_size", {"type": "integer", "minimum": 0, "maximum": 1000}),
    query("page_token", {"type": "string"}),
)

_VERSION = (path("model"), path("version"))
_ALIAS = (path("model"), path("alias"))
_COLUMN_NAME = query("column", {"type": "string", "minLength": 1}) | {"required": True}


def _pages(summary: str, name: str, item: dict[str, Any], *parameters: dict[str, Any]) -> Any:
    """Return the operation that lists `name` in pages; the last page has an empty token."""
    page = object_of({name: list_of(item), "next_page_token": {"type": "string"}})
    return get(summary, page, 400, 404, 503, parameters=(*parameters, *_PAGE))


def _move(summary: str, body: str, *, required: bool) -> Any:
    """Return the operation that moves an alias."""
    return {
        "summary": summary,
        "parameters": list(_ALIAS),
        "requestBody": {"required": required, "content": {"application/json": {"schema": ref(body)}}},
        "responses": {"200": answer("The model with its aliases", ref("Model")), **problems(*_MOVING)},
    }


def _delete(summary: str, *parameters: dict[str, Any]) -> Any:
    return {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"204": {"description": "Deleted"}, **problems(400, 404, 409, 503)},
    }


_MOVING = (400, 404, 409, 413, 415, 429, 503)
_FILE = {"type": "string", "format": "binary"}
_FORM: dict[str, Any] = {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}
_TABLE_FILES = {each: {"schema": _FORM if each == "multipart/form-data" else _FILE} for each in sorted(TABLE_TYPES)}
_PREDICTIONS = answer("A prediction for each row, in their order", ref("PredictResponse"))
_PREDICTIONS["content"] |= {CSV: {"schema": {"type": "string"}}, NPY: {"schema": _FILE}}
_PREDICTIONS["headers"] = {
    "X-Layerwise-Warnings": {
        "description": "Of CSV or an array: the number of warnings, which an answer in JSON has",
        "schema": {"type": "integer", "minimum": 0},
    }
}
_DATASET = (path("dataset"),)
_ROWS = get(
    "Rows of a dataset",
    ref("DatasetRows"),
    400,
    404,
    503,
    parameters=(
        *_DATASET,
        number("offset"),
        number("limit", 1000),
        query("format", {"enum": ["json", "csv"]})
        | {"description": "csv: all rows as CSV, as with the header Accept: text/csv"},
    ),
)
_ROWS["get"]["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
_POST_DATASET: dict[str, Any] = {
    "summary": "Send a table file, and have it read",
    "parameters": [
        query("name", {"type": "string", "maxLength": 255}),
        query("sha256", SHA256),
        query("upload_id", {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}),
        number("offset"),
        query("formats", {"type": "string", "contentMediaType": "application/json"}),
        query("gaps", {"type": "array", "items": {"type": "string", "minLength": 1}}),
        query("read_as", {"type": "string"}),
        query("transient", {"type": "boolean"}),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _FILE},
            "multipart/form-data": {"schema": _FORM},
        },
    },
    "responses": {
        "201": answer("The dataset: how every column was read", ref("TableDataset")),
        **problems(400, 404, 413, 415, 429, 503, 507),
    },
}

_POST_VERSION: dict[str, Any] = {
    "summary": "Publish a model file as the next version",
    "parameters": [path("model"), query("sha256", SHA256)],
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _FILE},
            "multipart/form-data": {"schema": _FORM},
        },
    },
    "responses": {
        "201": answer("The new version", ref("Version")),
        "200": answer("The newest version, which has the same file", ref("Version")),
        **problems(400, 413, 415, 429, 503, 507),
    },
}
_VERSION_FILE = get("The model file of a version", _FILE, 404, 503, parameters=_VERSION)
_VERSION_FILE["get"]["responses"] |= {
    "200": answer("The file", _FILE, "application/octet-stream"),
    "206": answer("The part of the file that the header Range asks for", _FILE, "application/octet-stream"),
    "304": {"description": "The file is the one that If-None-Match names: its ETag is its SHA-256"},
    "416": {"description": "The file has no such part"},
}

_READY = get("Whether the whole service is ready, and why not", ref("Health"))
_READY["get"]["responses"]["503"] = answer("Not ready", ref("Health"))
_READY_TO_PREDICT = get("Whether predictions can be answered, and why not", ref("Health"))
_READY_TO_PREDICT["get"]["responses"]["503"] = answer("Not ready", ref("Health"))
_LIVE = get("Whether the process and its background loops work", ref("Health"))
_LIVE["get"]["responses"]["503"] = answer("A background loop hangs: restart the process", ref("Health"))
_METRICS = get("Prometheus' text format", {"type": "string"})
_METRICS["get"]["responses"]["200"] = answer("Prometheus' text format", {"type": "string"}, "text/plain")

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
                    query("model", {"type": "string"}) | {"description": "Of a file or an array"},
                    query("version", {"type": "string"})
                    | {"description": "Of a file or an array: a number or an alias"},
                    query("keep", list_of({"type": "string"}))
                    | {"description": "Of a file: columns to return with the predictions"},
                    query("explain", {"type": "boolean"})
                    | {"description": "Of a file or an array: whether to answer what each column contributes"},
                    query("outputs", list_of({"enum": list(OUTPUTS)}))
                    | {"description": "Of a file or an array: what to answer", "style": "form", "explode": False},
                    query("top_k", {"type": "integer", "minimum": 1})
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
                "responses": {"200": _PREDICTIONS, **problems(400, 404, 409, 413, 415, 422, 429, 503, 507)},
            }
        },
        "/predict/signature": get(
            "What a version takes",
            ref("Signature"),
            400,
            404,
            409,
            503,
            parameters=(query("model", {"type": "string"}), query("version", {"type": "string"})),
        ),
        "/api/models": _pages("Models, sorted by name", "models", ref("Model")),
        "/api/models/{model}": get("A model", ref("Model"), 404, 503, parameters=(path("model"),)),
        "/api/models/{model}/versions": {
            **_pages(
                "Summaries of the versions of a model, newest first", "versions", ref("VersionSummary"), path("model")
            ),
            "post": _POST_VERSION,
        },
        "/api/models/{model}/versions/{version}": {
            **get("A version, by its number or an alias", ref("Version"), 404, 503, parameters=_VERSION),
            "delete": _delete("Delete a version, by its number, that no alias names and no job needs", *_VERSION),
        },
        "/api/models/{model}/aliases/{alias}": {
            "put": _move("Point an alias at a version", "AliasRequest", required=True),
            "delete": _delete("Delete an alias", *_ALIAS, number("expected"), query("request_id", REQUEST_ID)),
        },
        "/api/models/{model}/aliases/{alias}:rollback": {
            "post": _move("Point an alias at the version before", "RollbackRequest", required=False)
        },
        "/api/models/{model}/aliases/{alias}/moves": get(
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
            query("model", {"type": "string"}),
            query("state", ref("JobState")),
        ),
        "/api/jobs/{job_id}": get("A job", ref("Job"), 404, 503, parameters=(path("job_id"),)),
        "/api/jobs/{job_id}/columns": _pages(
            "The columns that the job's version takes, with their first categories",
            "columns",
            ref("ColumnInfo"),
            path("job_id"),
        ),
        "/api/jobs/{job_id}/categories": _pages(
            "The categories of a column", "categories", {"type": "string"}, path("job_id"), _COLUMN_NAME
        ),
        "/api/datasets": {
            **_pages("Datasets without their columns, newest first", "datasets", ref("TableDatasetSummary")),
            "post": _POST_DATASET,
        },
        "/api/datasets/{dataset}": {
            **get("A dataset", ref("TableDataset"), 404, 503, parameters=_DATASET),
            "delete": _delete("Delete a dataset that no job needs", *_DATASET),
        },
        "/api/datasets/{dataset}/rows": _ROWS,
        "/api/datasets/{dataset}/profile": get(
            "What the columns of a dataset hold, and what to know before training on it",
            ref("Profile"),
            400,
            404,
            413,
            503,
            parameters=(
                *_DATASET,
                query("target", {"type": "string"}),
                query("validation", {"type": "string"}),
                query("task", ref("Task")),
                query("ignore", list_of({"type": "string"})),
                query("quick", {"type": "boolean"}),
            ),
        ),
        "/api/uploads/{upload_id}": get(
            "How many bytes of an upload have arrived", ref("Upload"), 400, 503, parameters=(path("upload_id"),)
        ),
        **oip_paths.PATHS,
        **tf_serving.PATHS,
        **mlflow.PATHS,
        "/livez": _LIVE,
        "/readyz": _READY,
        "/readyz/predictions": _READY_TO_PREDICT,
        "/metrics": _METRICS,
        "/openapi.json": get("This document", {"type": "object"}),
        "/": get("Name and version of the service, and its main addresses", {"type": "object"}),
    },
    "components": {"schemas": SCHEMAS | oip_paths.SCHEMAS | tf_serving.SCHEMAS | mlflow.SCHEMAS},
}
