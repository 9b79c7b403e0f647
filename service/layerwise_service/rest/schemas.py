"""The schemas of the OpenAPI document: what answers look like. Those of bodies stand with their operations.

Those of models, jobs and signatures are made of the dataclasses that are answered: a new field needs no line here. The
others are written by hand, since no class is answered.
"""

from __future__ import annotations

from typing import Any

import msgspec

from layerwise.tables.formats import FORMATS
from layerwise.tables.unusual import REASONS, TableWarning
from layerwise_service.domain.aliases import AliasMove
from layerwise_service.domain.columns import ColumnInfo
from layerwise_service.domain.jobs import Job, JobSummary
from layerwise_service.domain.models import MOST_CLASSES, Model, Signature, Version, VersionSummary
from layerwise_service.domain.profiles import Profile
from layerwise_service.domain.table_datasets import TableDataset, TableDatasetSummary

NUMBER = {"type": "number"}
NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"}
LABEL = {"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "boolean"}]}
TIME = {"type": "string", "format": "date-time"}
COLUMN_KIND = {"type": "string", "enum": ["number", "category", "date", "text"]}
SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


REQUEST_ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def object_of(properties: dict[str, Any], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def with_warnings(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an answer that may tell what is unusual about the rows."""
    return object_of(properties | {"warnings": list_of(ref("TableWarning"))}, optional=("warnings",))


_TOP_CLASS = object_of({"class": LABEL, "probability": NUMBER, "score": NUMBER}, optional=("probability", "score"))
CELL = {"type": ["number", "string", "boolean", "null"]}
ANY = {"type": ["object", "array", "string", "number", "boolean", "null"]}

_EXACT = {
    "created": TIME,
    "started": nullable(TIME),
    "finished": nullable(TIME),
    "time": TIME,
    "model": NAME,
    "sha256": SHA256,
    "dataset": SHA256,
    "file_sha256": {"type": "string", "pattern": "^([0-9a-f]{64})?$", "description": "Empty if no file was sent"},
}
"""By the name of a field: schemas that are more exact than its type, or of another form than it has in the service."""
_EXACT_OF: dict[str, dict[str, Any]] = {
    "Model": {"name": NAME},
    "ColumnInfo": {"kind": COLUMN_KIND},
    "SignatureColumn": {"kind": COLUMN_KIND},
    "TableDataset": {"id": SHA256},
    "TableDatasetSummary": {"id": SHA256},
    "TableWarning": {"reason": {"type": "string", "enum": list(REASONS)}},
    "DatasetColumn": {"kind": {"type": "string", "enum": list(FORMATS)}},
    "Version": {
        "labels": nullable(list_of(LABEL) | {"maxItems": MOST_CLASSES}),
        "class_count": {"type": "integer"},
    },
}


def _answers() -> dict[str, Any]:
    """Return the schemas of the dataclasses that are answered, by the names of the classes."""
    answered = (
        *(JobSummary, Job, VersionSummary, Version, Model, AliasMove, ColumnInfo, Signature),
        *(TableDataset, TableDatasetSummary, Profile, TableWarning),
    )
    _, schemas = msgspec.json.schema_components(
        answered, schema_hook=lambda _: ANY, ref_template="#/components/schemas/{name}"
    )
    for kind in (VersionSummary, Version):
        properties = schemas[kind.__name__]["properties"]
        properties["version"] = properties.pop("number")
    return {kind: _answer(kind, schema) for kind, schema in schemas.items()}


def _answer(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the `schema` of the class `kind` as answers are written: with every field, and no other."""
    if "properties" not in schema:
        return {"type": "string", **schema}  # an enum
    given = {name: dict(each) for name, each in schema["properties"].items()}
    for each in given.values():
        each.pop("default", None)
    exact = {name: each for name, each in _EXACT.items() if name in given}
    return {**schema, **object_of(given | exact | _EXACT_OF.get(kind, {}))}


SCHEMAS = _answers() | {
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
            "logits": list_of(list_of(NUMBER))
            | {"description": "The outputs of the last layer, before softmax or sigmoid, if they were asked for."},
            "top": list_of(list_of(_TOP_CLASS))
            | {"description": "With `top_k`: for each row its most probable classes, the most probable first."},
            "contributions": object_of(
                {
                    "kind": {"type": "string", "enum": ["probability", "score", "value"]},
                    "columns": list_of({"type": ["string", "integer"]}),
                    "values": list_of(list_of(NUMBER)),
                    "outputs": list_of(NUMBER),
                    "baselines": list_of(NUMBER),
                }
            )
            | {
                "description": "With `explain`: what each column contributes to the probability or score of the "
                "predicted class, or to the value, of each row. They add up to the row's output less its baseline, "
                "that of an average row."
            },
            "warnings": list_of(ref("TableWarning")),
            "classes": list_of(LABEL) | {"description": "Of a classifier, in the order of the probabilities."},
            "unused": list_of({"type": "string"})
            | {"description": "Of a file: columns that the version does not take, and that were not in its training."},
            "kept": {
                "type": "object",
                "description": "Of a file: the columns of ?keep= by name.",
                "additionalProperties": list_of(CELL),
            },
        },
        optional=(
            "predictions",
            "probabilities",
            "logits",
            "top",
            "contributions",
            "warnings",
            "classes",
            "unused",
            "kept",
        ),
    ),
    "Upload": object_of({"upload_id": {"type": "string"}, "offset": {"type": "integer"}}),
    "DatasetRows": object_of(
        {
            "columns": list_of({"type": "string"}),
            "rows": list_of(list_of(CELL)),
            "offset": {"type": "integer"},
            "next_offset": nullable({"type": "integer"}),
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
                        "pointer": {"type": "string", "description": "Of the body: a JSON Pointer, RFC 6901."},
                        "parameter": {"type": "string", "description": "Of the path or the query."},
                        "place": list_of({"type": ["string", "integer"]}),
                        "detail": {"type": "string"},
                    },
                    optional=("pointer", "parameter"),
                )
            ),
        },
        optional=("errors",),
    ),
    "Health": object_of(
        {
            "status": {"type": "string"},
            "checks": {"type": "object", "additionalProperties": {"type": "string"}},
            "unusable": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        optional=("checks", "unusable"),
    ),
}
