"""The schemas of the OpenAPI document: what bodies look like."""

from __future__ import annotations

from typing import Any

NUMBER = {"type": "number"}
NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"}
LABEL = {"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "boolean"}]}
TIME = {"type": "string", "format": "date-time"}
STATE = {"type": "string", "enum": ["QUEUED", "RUNNING", "WAITING", "SUCCEEDED", "FAILED", "CANCELLED"]}
SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def object_of(properties: dict[str, Any], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_FINDINGS = list_of(
    object_of(
        {
            "kind": {"type": "string"},
            "layer": nullable({"type": "integer"}),
            "value": NUMBER,
            "since": {"type": "integer"},
            "message": {"type": "string"},
        }
    )
)
_LAYER_HEALTH = object_of(
    {
        "dead": nullable(NUMBER),
        "saturated": nullable(NUMBER),
        "gradient_norm": NUMBER,
        "weight_norm": NUMBER,
        "update_ratio": NUMBER,
    }
)
_RECORD = object_of(
    {
        "step": {"type": "integer"},
        "epoch": {"type": "integer"},
        "loss": NUMBER,
        "metric": NUMBER,
        "validation_loss": nullable(NUMBER),
        "validation_metric": nullable(NUMBER),
        "learning_rate": NUMBER,
        "rows_per_second": NUMBER,
        "seconds_left": NUMBER,
        "layers": list_of(_LAYER_HEALTH),
        "kept": {"type": "boolean"},
        "stopped": nullable({"type": "string"}),
        "findings": _FINDINGS,
    }
)

_CELL = {"type": ["number", "string", "boolean", "null"]}
_COLUMN_KIND = {"type": "string", "enum": ["number", "category", "date"]}
_COLUMN = object_of(
    {
        "name": {"type": "string"},
        "kind": _COLUMN_KIND,
        "encoding": {"type": "object"},
        "categories": list_of({"type": "string"}),
        "category_count": {"type": "integer"},
        "allows_missing": {"type": "boolean"},
    }
)

_COUNTS = object_of({name: {"type": "integer"} for name in ("numbers", "categories", "dates", "with_gaps")})
_JOB_SUMMARY = {
    "id": {"type": "string"},
    "model": NAME,
    "state": STATE,
    "dataset": SHA256,
    "metric": {"type": "string"},
    "attempt": {"type": "integer"},
    "created": TIME,
    "progress": NUMBER,
    "version": nullable({"type": "integer"}),
    "failure": nullable(object_of({"reason": {"type": "string"}, "message": {"type": "string"}})),
    "start": nullable(object_of({"model": NAME, "version": {"type": "integer"}, "sha256": SHA256})),
}
_VERSION_SUMMARY = {
    "model": NAME,
    "version": {"type": "integer"},
    "job": {"type": "string"},
    "created": TIME,
    "sha256": SHA256,
    "size_bytes": {"type": "integer"},
    "metrics": {"type": "object", "additionalProperties": NUMBER},
    "parameters": {"type": "integer"},
    "dataset": SHA256,
}

SCHEMAS = {
    "PredictRequest": object_of(
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
            "model": nullable({"type": "string"}),
            "version": {"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
        },
        optional=("model", "version"),
    ),
    "PredictResponse": object_of(
        {
            "model": NAME,
            "version": {"type": "integer"},
            "predictions": {
                "type": "array",
                "description": "A label, a value, or the values of several outputs, for each row.",
                "items": {"anyOf": [LABEL, NUMBER, list_of(NUMBER)]},
            },
            "probabilities": list_of(list_of(NUMBER)),
        },
        optional=("probabilities",),
    ),
    "Signature": object_of(
        {
            "model": NAME,
            "version": {"type": "integer"},
            "columns": list_of(object_of({"name": {"type": "string"}, "kind": _COLUMN_KIND}))
            | {"description": "The columns of the table that the version takes; none if it takes rows of numbers."},
        }
    ),
    "Problem": object_of(
        {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "reason": {"type": "string", "pattern": "^[A-Z][A-Z_]*$"},
            "request_id": {"type": "string"},
            "errors": list_of(
                object_of(
                    {
                        "pointer": {"type": "string"},
                        "place": list_of({"type": ["string", "integer"]}),
                        "detail": {"type": "string"},
                    }
                )
            ),
        },
        optional=("errors",),
    ),
    "JobSummary": object_of(_JOB_SUMMARY),
    "Job": object_of(
        _JOB_SUMMARY
        | {
            "architecture": {"type": "object"},
            "plan": {"type": "object"},
            "transitions": list_of(
                object_of({"state": STATE, "time": TIME, "reason": {"type": "string"}, "attempt": {"type": "integer"}})
            ),
            "record": nullable(_RECORD),
            "findings": _FINDINGS,
            "columns": nullable(_COUNTS),
        }
    ),
    "Column": _COLUMN,
    "VersionSummary": object_of(_VERSION_SUMMARY),
    "Version": object_of(
        _VERSION_SUMMARY
        | {
            "architecture": {"type": "object"},
            "plan": {"type": "object"},
            "labels": nullable(list_of(LABEL) | {"maxItems": 100}),
            "class_count": {"type": "integer"},
            "columns": nullable(_COUNTS),
        }
    ),
    "Model": object_of(
        {
            "name": NAME,
            "latest": {"type": "integer"},
            "aliases": {"type": "object", "additionalProperties": {"type": "integer"}},
        }
    ),
    "Health": object_of(
        {"status": {"type": "string"}, "checks": {"type": "object", "additionalProperties": {"type": "string"}}},
        optional=("checks",),
    ),
}
