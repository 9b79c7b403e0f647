"""The addresses of the Open Inference Protocol, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from layerwise_service.rest.operations import answer, errors, parameters_of
from layerwise_service.rest.schemas import list_of, object_of, ref

_TEXT, _WHOLE, _FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_ANY_OBJECT: dict[str, Any] = {"type": "object"}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ERROR = object_of({"error": _TEXT})
_SPEC = object_of({"name": _TEXT, "datatype": _TEXT, "shape": list_of(_WHOLE)})
_DATA = {"type": "array"}
_PARAMETERS = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}

SCHEMAS: dict[str, Any] = {
    "InferInput": object_of(
        {
            "name": _TEXT,
            "shape": list_of(_WHOLE),
            "datatype": _TEXT,
            "parameters": _PARAMETERS,
            "data": _DATA,
        },
        optional=("parameters", "data"),
    ),
    "InferRequest": object_of(
        {
            "inputs": list_of(ref("InferInput")),
            "id": _TEXT,
            "parameters": _PARAMETERS,
            "outputs": list_of(object_of({"name": _TEXT, "parameters": _PARAMETERS}, optional=("parameters",))),
        },
        optional=("id", "parameters", "outputs"),
    ),
    "InferResponse": object_of(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "id": _TEXT,
            "outputs": list_of(
                object_of(
                    {
                        "name": _TEXT,
                        "datatype": _TEXT,
                        "shape": list_of(_WHOLE),
                        "parameters": _PARAMETERS,
                        "data": _DATA,
                    },
                    optional=("parameters", "data"),
                )
            ),
        },
        optional=("id",),
    ),
}
"""The bodies of an inference. A tensor without `data` is sent as bytes behind the JSON."""


def _operation(summary: str, pattern: str, schema: dict[str, Any] | None, body: dict[str, Any] | None = None) -> Any:
    """Return an operation whose answer has this `schema`; without one it is empty. A `body` may be left out."""
    found = {"description": summary} if schema is None else answer(summary, schema)
    operation = {
        "summary": f"Open Inference Protocol: {summary}",
        "parameters": parameters_of(pattern),
        "responses": {"200": found} | errors(_ERROR, 400, 404, 413, 503),
    }
    if body is not None:
        operation["requestBody"] = {"required": False, "content": {"application/json": {"schema": body}}}
    return operation


def _infer(pattern: str) -> Any:
    operation = _operation("infer", pattern, ref("InferResponse"), ref("InferRequest"))
    operation["requestBody"]["required"] = True
    for content in (operation["requestBody"]["content"], operation["responses"]["200"]["content"]):
        content["application/octet-stream"] = _BINARY
    return operation


def _of_versions(model: str) -> Iterable[tuple[str, Any]]:
    metadata = object_of(
        {
            "name": _TEXT,
            "versions": list_of(_TEXT),
            "platform": _TEXT,
            "inputs": list_of(_SPEC),
            "outputs": list_of(_SPEC),
        }
    )
    ready = object_of({"name": _TEXT, "ready": _FLAG})
    yield model, {"get": _operation("what a version takes and gives", model, metadata)}
    yield f"{model}/ready", {"get": _operation("whether a version can be used", model, ready)}
    yield f"{model}/infer", {"post": _infer(model)}
    yield f"{model}/config", {"get": _operation("Triton's configuration of a version", model, _ANY_OBJECT)}
    yield f"{model}/stats", {"get": _operation("statistics of versions", model, _STATS)}


def _paths() -> Iterable[tuple[str, Any]]:
    server = object_of({"name": _TEXT, "version": _TEXT, "extensions": list_of(_TEXT)})
    states = list_of(
        object_of(
            {"name": _TEXT, "version": _TEXT, "state": _TEXT, "reason": _TEXT}, optional=("version", "state", "reason")
        )
    )
    ready = object_of({"ready": _FLAG})
    not_ready = {"503": answer("Not ready", ready)}
    health = _operation("whether predictions can be answered", "", ready)
    yield "/v2", {"get": _operation("the server", "", server)}
    yield "/v2/health/live", {"get": _operation("whether the process answers", "", object_of({"live": _FLAG}))}
    yield "/v2/health/ready", {"get": health | {"responses": health["responses"] | not_ready}}
    yield "/v2/models", {"get": _operation("the names of all models", "", object_of({"models": list_of(_TEXT)}))}
    yield "/v2/models/stats", {"get": _operation("statistics of all versions", "", _STATS)}
    yield from _of_versions("/v2/models/{model}")
    yield from _of_versions("/v2/models/{model}/versions/{version}")
    yield (
        "/v2/repository/index",
        {"post": _operation("the states of versions", "", states, object_of({"ready": _FLAG}))},
    )
    for verb in ("load", "unload"):
        pattern = f"/v2/repository/models/{{model}}/{verb}"
        yield pattern, {"post": _operation(f"{verb} a model", pattern, None, _ANY_OBJECT)}
    for pattern in ("/v2/logging", "/v2/trace/setting", "/v2/models/{model}/trace/setting"):
        yield (
            pattern,
            {
                "get": _operation("settings", pattern, _ANY_OBJECT),
                "post": _operation("settings, which cannot be changed", pattern, _ANY_OBJECT, _ANY_OBJECT),
            },
        )
    for kind in ("systemsharedmemory", "cudasharedmemory"):
        yield from _shared_memory(f"/v2/{kind}")


def _shared_memory(path: str) -> Iterable[tuple[str, Any]]:
    """Yield the addresses of a kind of shared memory, which this service does not have."""
    region = f"{path}/region/{{region}}"
    refused = _operation("register shared memory, which is refused", region, None)
    del refused["responses"]["200"]
    refused["responses"]["501"] = answer("There is no shared memory here", _ERROR)
    yield f"{path}/status", {"get": _operation("regions of shared memory: none", path, list_of(_ANY_OBJECT))}
    yield f"{region}/status", {"get": _operation("a region of shared memory", region, None)}
    yield f"{region}/register", {"post": refused}
    yield f"{region}/unregister", {"post": _operation("forget shared memory", region, None)}
    yield f"{path}/unregister", {"post": _operation("forget all shared memory", path, None)}


_STATS = object_of({"model_stats": list_of(_ANY_OBJECT)})
PATHS = dict(_paths())
