"""The OpenAPI document. A test holds it to the application's routes."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

_NUMBER = {"type": "number"}
_NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"}
_LABEL = {"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "boolean"}]}
_TIME = {"type": "string", "format": "date-time"}
_STATE = {"type": "string", "enum": ["QUEUED", "RUNNING", "WAITING", "SUCCEEDED", "FAILED", "CANCELLED"]}
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def _object(properties: dict[str, Any], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _answer(description: str, schema: dict[str, Any], content_type: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {content_type: {"schema": schema}}}


def _problems(*statuses: int) -> dict[str, Any]:
    words = {400: "Wrong request", 404: "Not found", 409: "No model named, and not exactly one", 413: "Too large"}
    words |= {415: "Not JSON", 422: "The model's answer is not finite", 500: "Internal error", 503: "Try again"}
    return {
        str(status): _answer(words[status], _ref("Problem"), "application/problem+json") for status in (*statuses, 500)
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

_FINDINGS = _list(
    _object(
        {
            "kind": {"type": "string"},
            "layer": _nullable({"type": "integer"}),
            "value": _NUMBER,
            "since": {"type": "integer"},
            "message": {"type": "string"},
        }
    )
)
_LAYER_HEALTH = _object(
    {
        "dead": _nullable(_NUMBER),
        "saturated": _nullable(_NUMBER),
        "gradient_norm": _NUMBER,
        "weight_norm": _NUMBER,
        "update_ratio": _NUMBER,
    }
)
_RECORD = _object(
    {
        "step": {"type": "integer"},
        "epoch": {"type": "integer"},
        "loss": _NUMBER,
        "metric": _NUMBER,
        "validation_loss": _nullable(_NUMBER),
        "validation_metric": _nullable(_NUMBER),
        "learning_rate": _NUMBER,
        "rows_per_second": _NUMBER,
        "seconds_left": _NUMBER,
        "layers": _list(_LAYER_HEALTH),
        "kept": {"type": "boolean"},
        "stopped": _nullable({"type": "string"}),
        "findings": _FINDINGS,
    }
)

_CELL = {"type": ["number", "string", "boolean", "null"]}
_COLUMNS = _object(
    {
        "name": {"type": "string"},
        "kind": {"type": "string", "enum": ["number", "category", "date"]},
        "encoding": {"type": "object"},
        "categories": _list({"type": "string"}),
        "category_count": {"type": "integer"},
        "allows_missing": {"type": "boolean"},
    }
)

_SCHEMAS = {
    "PredictRequest": _object(
        {
            "instances": {
                "type": "array",
                "description": "Rows of numbers. A version that was trained on a table takes objects by the names of "
                "its columns, or lists in their order; null is a missing value.",
                "items": {
                    "anyOf": [
                        {"type": "array", "items": _CELL, "minItems": 1},
                        {"type": "object", "additionalProperties": _CELL},
                    ]
                },
                "minItems": 1,
            },
            "model": _nullable({"type": "string"}),
            "version": {"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
        },
        optional=("model", "version"),
    ),
    "PredictResponse": _object(
        {
            "model": _NAME,
            "version": {"type": "integer"},
            "predictions": {
                "type": "array",
                "description": "A label, a value, or the values of several outputs, for each row.",
                "items": {"anyOf": [_LABEL, _NUMBER, _list(_NUMBER)]},
            },
            "probabilities": _list(_list(_NUMBER)),
        },
        optional=("probabilities",),
    ),
    "Problem": _object(
        {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "reason": {"type": "string", "pattern": "^[A-Z][A-Z_]*$"},
            "request_id": {"type": "string"},
            "errors": _list(_object({"pointer": {"type": "string"}, "detail": {"type": "string"}})),
        },
        optional=("errors",),
    ),
    "Job": _object(
        {
            "id": {"type": "string"},
            "model": _NAME,
            "state": _STATE,
            "architecture": {"type": "object"},
            "plan": {"type": "object"},
            "dataset": _SHA256,
            "metric": {"type": "string"},
            "attempt": {"type": "integer"},
            "created": _TIME,
            "progress": _NUMBER,
            "transitions": _list(
                _object({"state": _STATE, "time": _TIME, "reason": {"type": "string"}, "attempt": {"type": "integer"}})
            ),
            "record": _nullable(_RECORD),
            "version": _nullable({"type": "integer"}),
            "failure": _nullable(_object({"reason": {"type": "string"}, "message": {"type": "string"}})),
            "findings": _FINDINGS,
            "start": _nullable(
                _object({"model": _NAME, "version": {"type": "integer"}, "sha256": _SHA256}),
            ),
            "columns": _nullable(_list(_COLUMNS)),
        }
    ),
    "Version": _object(
        {
            "model": _NAME,
            "version": {"type": "integer"},
            "job": {"type": "string"},
            "created": _TIME,
            "sha256": _SHA256,
            "size_bytes": {"type": "integer"},
            "metrics": {"type": "object", "additionalProperties": _NUMBER},
            "architecture": {"type": "object"},
            "plan": {"type": "object"},
            "parameters": {"type": "integer"},
            "dataset": _SHA256,
            "labels": _nullable(_list(_LABEL)),
            "columns": _nullable(_list(_COLUMNS)),
        }
    ),
    "Model": _object(
        {
            "name": _NAME,
            "latest": {"type": "integer"},
            "aliases": {"type": "object", "additionalProperties": {"type": "integer"}},
            "versions": _list(_ref("Version")),
        },
        optional=("versions",),
    ),
    "Health": _object(
        {"status": {"type": "string"}, "checks": {"type": "object", "additionalProperties": {"type": "string"}}},
        optional=("checks",),
    ),
}

_READY = _get("Whether the service can do its work, and if not, why", _ref("Health"))
_READY["get"]["responses"]["503"] = _answer("Not ready", _ref("Health"))
_READY_TO_PREDICT = _get("Whether predictions can be answered, and if not, why", _ref("Health"))
_READY_TO_PREDICT["get"]["responses"]["503"] = _answer("Not ready", _ref("Health"))
_LIVE = _get("Whether the process and its background loops work", _ref("Health"))
_LIVE["get"]["responses"]["503"] = _answer("A background loop hangs: start the process again", _ref("Health"))
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
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": _ref("PredictRequest")}},
                },
                "responses": {
                    "200": _answer("A prediction for each row, in their order", _ref("PredictResponse")),
                    **_problems(400, 404, 409, 413, 415, 422, 503),
                },
            }
        },
        "/api/models": _get(
            "Models by name, without their versions",
            _object({"models": _list(_ref("Model")), "next_page_token": {"type": "string"}}),
            400,
            503,
            parameters=_PAGE,
        ),
        "/api/models/{name}": _get(
            "A model and its versions, newest first", _ref("Model"), 404, 503, parameters=(_path("name"),)
        ),
        "/api/jobs": _get(
            "Jobs, newest first",
            _object({"jobs": _list(_ref("Job")), "next_page_token": {"type": "string"}}),
            400,
            503,
            parameters=(*_PAGE, _query("model", {"type": "string"}), _query("state", _STATE)),
        ),
        "/api/jobs/{job}": _get("A job", _ref("Job"), 404, 503, parameters=(_path("job"),)),
        "/livez": _LIVE,
        "/readyz": _READY,
        "/readyz/predictions": _READY_TO_PREDICT,
        "/metrics": _METRICS,
        "/openapi.json": _get("This document", {"type": "object"}),
        "/": _get("What there is", {"type": "object"}),
    },
    "components": {"schemas": _SCHEMAS},
}
