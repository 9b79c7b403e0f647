"""The operations of /predict in the OpenAPI document, and their body."""

from __future__ import annotations

from typing import Any

from layerwise_service.rest.answers import CSV, NPY
from layerwise_service.rest.messages import JSON
from layerwise_service.rest.operations import FILE, FORM, answer, body, get, problems, query, struct_schema
from layerwise_service.rest.predict import TableRequest
from layerwise_service.rest.predict_file import TABLE_TYPES
from layerwise_service.rest.schemas import CELL, list_of, nullable, ref
from layerwise_service.usecases.outputs import OUTPUTS

EXAMPLE = {"model": "iris", "instances": [[5.1, 3.5, 1.4, 0.2]]}
_TABLE_FILES = {each: body(FORM if each == "multipart/form-data" else FILE) for each in sorted(TABLE_TYPES)}
_PREDICTIONS = answer("A prediction for each row, in their order", ref("PredictResponse"))
_PREDICTIONS["content"] |= {CSV: {"schema": {"type": "string"}}, NPY: body(FILE)}
_PREDICTIONS["headers"] = {
    "X-Layerwise-Warnings": {
        "description": "Of CSV or an array: the number of warnings, which an answer in JSON has",
        "schema": {"type": "integer", "minimum": 0},
    }
}

PATHS: dict[str, Any] = {
    "/predict": {
        "post": {
            "summary": "Predict rows",
            "parameters": [
                query("model", {"type": "string"}) | {"description": "Of a file or an array"},
                query("version", {"type": "string"}) | {"description": "Of a file or an array: a number or an alias"},
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
                    JSON: body(ref("PredictRequest"), EXAMPLE),
                    NPY: body(FILE),
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
}

SCHEMAS = {
    "PredictRequest": struct_schema(
        TableRequest,
        "Rows, and what to answer about them.",
        instances={
            "type": "array",
            "description": "Rows of numbers. A version that was trained on a table takes objects by the names of its "
            "columns, or lists in their order; null is a missing value.",
            "items": {
                "anyOf": [
                    {"type": "array", "items": CELL, "minItems": 1},
                    {"type": "object", "additionalProperties": CELL},
                ]
            },
            "minItems": 1,
        },
        explain={
            "type": "boolean",
            "description": "Whether to answer what each column contributes to each prediction.",
            "default": False,
        },
        outputs=nullable(list_of({"type": "string", "enum": list(OUTPUTS)}) | {"minItems": 1})
        | {"description": "What to answer instead of predictions and probabilities."},
        top_k=nullable({"type": "integer", "minimum": 1})
        | {"description": "Of a classifier: how many of the most probable classes to answer for each row."},
    )
}
"""The body, with what its types do not say."""
