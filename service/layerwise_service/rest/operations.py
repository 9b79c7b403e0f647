"""Parts of the OpenAPI document: operations, parameters, answers and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from layerwise_service.rest.messages import JSON
from layerwise_service.rest.schemas import ANY, NAME, REQUEST_ID, list_of, object_of, ref

FILE = {"type": "string", "format": "binary"}
FORM: dict[str, Any] = {"type": "object", "properties": {"file": FILE}, "required": ["file"]}
"""The file of a form."""

_EXAMPLES = {"model": "iris", "version": "1", "alias": "champion", "job_id": "last"}
"""Of parameters in paths, by their names."""
_PATTERNS = {
    "model": NAME,
    "version": {"pattern": "^([1-9][0-9]{0,17}|(?![0-9]+$)[a-z0-9][a-z0-9_-]{0,62})$"},
    "alias": {"pattern": "^(?!latest$)(?![0-9]+$)[a-z0-9][a-z0-9_-]{0,62}$"},
    "upload_id": REQUEST_ID,
    "job_id": {"pattern": "^([0-9a-z]{4,26}|last)$"},
}
_WORDS = {
    400: "Invalid request",
    404: "Not found",
    409: "Not possible as things are",
    412: "The file is not the one that If-Match names",
    413: "Too large",
    415: "Not of a type that is read here",
    416: "The file has no such part",
    422: "The model's answer is not finite",
    429: "Too many",
    500: "Internal error",
    501: "Not supported",
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
    schema = {"type": "string", "minLength": 1, **_PATTERNS.get(name, {})}
    found: dict[str, Any] = {"name": name, "in": "path", "required": True, "schema": schema}
    return found | ({"example": _EXAMPLES[name]} if name in _EXAMPLES else {})


def number(name: str, most: int | None = None) -> dict[str, Any]:
    return query(name, {"type": "integer", "minimum": 0} | ({} if most is None else {"maximum": most}))


def parameters_of(pattern: str) -> list[dict[str, Any]]:
    """Return the parameters of an address such as "/v1/models/{model}"."""
    return [path(part.partition("}")[0]) for part in pattern.split("{")[1:]]


def pages(summary: str, name: str, item: dict[str, Any], *parameters: dict[str, Any]) -> Any:
    """Return the operation that lists `name` in pages; the last page has an empty token."""
    page = object_of({name: list_of(item), "next_page_token": {"type": "string"}})
    return get(summary, page, 400, 404, 503, parameters=(*parameters, *_PAGE))


def delete(summary: str, *parameters: dict[str, Any]) -> Any:
    """Return an operation that deletes something."""
    return {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"204": {"description": "Deleted"}, **problems(400, 404, 409, 503)},
    }


def body(schema: dict[str, Any], example: object = None) -> dict[str, Any]:
    """Return a body of one content type; `example` is one that a service with a model `iris` answers."""
    return {"schema": schema} if example is None else {"schema": schema, "example": example}


def struct_schema(kind: type[msgspec.Struct], description: str, **exact: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a struct that a body is decoded to; fields in `exact` have a schema that says more."""
    found = struct_schemas(kind)[kind.__name__] | {"description": description}
    unknown = exact.keys() - found["properties"]
    assert not unknown, f"{kind.__name__} has no fields {unknown}"
    return {**found, "properties": {name: exact.get(name, each) for name, each in found["properties"].items()}}


def struct_schemas(*kinds: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schemas of structs that bodies are decoded to, by their names."""
    _, found = msgspec.json.schema_components(
        kinds, schema_hook=lambda _: ANY, ref_template="#/components/schemas/{name}"
    )
    return {name: {key: each for key, each in schema.items() if key != "title"} for name, schema in found.items()}


def post(
    summary: str,
    pattern: str,
    schema: dict[str, Any],
    responses: dict[str, Any],
    types: Sequence[str] = (),
    *,
    example: object = None,
) -> dict[str, Any]:
    """Return an operation with a body in JSON, or one of the other `types`."""
    content: dict[str, Any] = {JSON: body(schema, example)} | {each: body({"type": "string"}) for each in types}
    return {
        "summary": summary,
        "parameters": parameters_of(pattern),
        "requestBody": {"required": True, "content": content},
        "responses": responses,
    }


_PAGE = (
    query("page_size", {"type": "integer", "minimum": 0, "maximum": 1000}),
    query("page_token", {"type": "string"}),
)
COLUMN_NAME = query("column", {"type": "string", "minLength": 1}) | {"required": True}
