"""Parts of the OpenAPI document: operations, parameters, answers and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from layerwise_service.rest.schemas import ref

_WORDS = {
    400: "Invalid request",
    404: "Not found",
    409: "Not possible as things are",
    413: "Too large",
    415: "Not of a type that is read here",
    422: "The model's answer is not finite",
    429: "Too many",
    500: "Internal error",
    503: "Try again",
    507: "The service's disk is full",
}


def answer(description: str, schema: dict[str, Any], content_type: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {content_type: {"schema": schema}}}


def problems(*statuses: int) -> dict[str, Any]:
    """Return the errors of this service."""
    return errors(ref("Problem"), *statuses, content_type="application/problem+json")


def errors(schema: dict[str, Any], *statuses: int, content_type: str = "application/json") -> dict[str, Any]:
    """Return the errors that an operation may have besides internal ones."""
    return {str(status): answer(_WORDS[status], schema, content_type) for status in (*statuses, 500)}


def get(summary: str, schema: dict[str, Any], *statuses: int, parameters: tuple[dict[str, Any], ...] = ()) -> Any:
    """Return an operation that may have the errors `statuses`."""
    answers = {"200": answer(summary, schema), **problems(*statuses)}
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": answers}}


def query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def number(name: str, most: int | None = None) -> dict[str, Any]:
    return query(name, {"type": "integer", "minimum": 0} | ({} if most is None else {"maximum": most}))


def parameters_of(pattern: str) -> list[dict[str, Any]]:
    """Return the parameters of an address such as "/v1/models/{model}"."""
    return [path(part.partition("}")[0]) for part in pattern.split("{")[1:]]


def struct_schemas(*kinds: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schemas of structs that bodies are decoded to, by their names."""
    schemas: dict[str, Any] = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")[1]
    return schemas


def post(
    summary: str, pattern: str, body: dict[str, Any], responses: dict[str, Any], types: Sequence[str] = ()
) -> dict[str, Any]:
    """Return an operation with a body in JSON, or one of the other `types`."""
    content: dict[str, Any] = {"application/json": {"schema": body}}
    content |= {each: {"schema": {"type": "string"}} for each in types}
    return {
        "summary": summary,
        "parameters": parameters_of(pattern),
        "requestBody": {"required": True, "content": content},
        "responses": responses,
    }
