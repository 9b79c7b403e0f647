"""The operations of /api in the OpenAPI document about models and datasets."""

from __future__ import annotations

from typing import Any

from layerwise_service.rest.aliases import ConditionBody, MoveBody
from layerwise_service.rest.messages import JSON
from layerwise_service.rest.operations import (
    COLUMN_NAME,
    FILE,
    FORM,
    answer,
    body,
    delete,
    get,
    number,
    pages,
    path,
    problems,
    query,
    struct_schema,
)
from layerwise_service.rest.schemas import LABEL, REQUEST_ID, SHA256, list_of, nullable, object_of, ref

_VERSION = (path("model"), path("version"))
_ALIAS = (path("model"), path("alias"))


def _move(summary: str, schema: str, example: dict[str, Any], *, required: bool) -> Any:
    """Return the operation that moves an alias."""
    return {
        "summary": summary,
        "parameters": list(_ALIAS),
        "requestBody": {"required": required, "content": {JSON: body(ref(schema), example)}},
        "responses": {"200": answer("The model with its aliases", ref("Model")), **problems(*_MOVING)},
    }


_MOVING = (400, 404, 409, 413, 415, 429, 503)
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
            "application/octet-stream": body(FILE),
            "multipart/form-data": body(FORM),
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
            "application/octet-stream": body(FILE),
            "multipart/form-data": body(FORM),
        },
    },
    "responses": {
        "201": answer("The new version", ref("Version")),
        "200": answer("The newest version, which has the same file", ref("Version")),
        **problems(400, 413, 415, 429, 503, 507),
    },
}
_VERSION_FILE = get("The model file of a version", FILE, 404, 412, 416, 503, parameters=_VERSION)
_VERSION_FILE["get"]["responses"] |= {
    "200": answer("The file", FILE, "application/octet-stream"),
    "206": answer("The part of the file that the header Range asks for", FILE, "application/octet-stream"),
    "304": {"description": "The file is the one that If-None-Match names: its ETag is its SHA-256"},
}

MODELS: dict[str, Any] = {
    "/api/models": pages("Models, sorted by name", "models", ref("Model")),
    "/api/models/{model}": get("A model", ref("Model"), 404, 503, parameters=(path("model"),)),
    "/api/models/{model}/versions": {
        **pages("Summaries of the versions of a model, newest first", "versions", ref("VersionSummary"), path("model")),
        "post": _POST_VERSION,
    },
    "/api/models/{model}/versions/{version}": {
        **get("A version, by its number or an alias", ref("Version"), 404, 503, parameters=_VERSION),
        "delete": delete("Delete a version, by its number, that no alias names and no job needs", *_VERSION),
    },
    "/api/models/{model}/aliases/{alias}": {
        "put": _move("Point an alias at a version", "AliasRequest", {"version": 1}, required=True),
        "delete": delete("Delete an alias", *_ALIAS, number("expected"), query("request_id", REQUEST_ID)),
    },
    "/api/models/{model}/aliases/{alias}:rollback": {
        "post": _move("Point an alias at the version before", "RollbackRequest", {}, required=False)
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
    "/api/models/{model}/versions/{version}/classes": pages(
        "The classes of a version, in the order of the outputs", "classes", LABEL, *_VERSION
    ),
    "/api/models/{model}/versions/{version}/columns": pages(
        "The columns that a version takes, with their first categories", "columns", ref("ColumnInfo"), *_VERSION
    ),
    "/api/models/{model}/versions/{version}/categories": pages(
        "The categories of a column", "categories", {"type": "string"}, *_VERSION, COLUMN_NAME
    ),
}

DATASETS: dict[str, Any] = {
    "/api/datasets": {
        **pages("Datasets without their columns, newest first", "datasets", ref("TableDatasetSummary")),
        "post": _POST_DATASET,
    },
    "/api/datasets/{dataset}": {
        **get("A dataset", ref("TableDataset"), 404, 503, parameters=_DATASET),
        "delete": delete("Delete a dataset that no job needs", *_DATASET),
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
}

_CONDITION = {
    "expected": nullable({"type": "integer", "minimum": 0})
    | {"description": "The version that the alias must point at now, else the answer is 409; 0: no such alias."},
    "request_id": nullable(REQUEST_ID) | {"description": "A request that is repeated with the same id has no effect."},
}

SCHEMAS = {
    "AliasRequest": struct_schema(
        MoveBody,
        "The version that an alias shall point at, and when.",
        version={"type": "integer", "minimum": 1},
        **_CONDITION,
    ),
    "RollbackRequest": struct_schema(ConditionBody, "When to move an alias.", **_CONDITION),
}
"""The bodies."""
