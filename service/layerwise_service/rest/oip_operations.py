"""The operations of /v2 in the OpenAPI document: the Open Inference Protocol with Triton's extensions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from layerwise_service.rest.messages import JSON
from layerwise_service.rest.oip import IndexBody, LoadBody
from layerwise_service.rest.oip_infer import HEADER_LENGTH, InferBody
from layerwise_service.rest.operations import FILE, answer, body, errors, parameters_of, struct_schemas
from layerwise_service.rest.schemas import ANY, list_of, object_of, ref

_ERROR = object_of({"error": {"type": "string"}})
_OBJECT = {"type": "object"}
_BINARY = "application/octet-stream"
_TEXT = {"type": "string"}
_TENSOR = object_of({"name": _TEXT, "datatype": _TEXT, "shape": list_of({"type": "integer"})})
_OUTPUT = object_of(
    {**_TENSOR["properties"], "data": list_of(ANY), "parameters": _OBJECT}, optional=("data", "parameters")
)
_EXAMPLE = {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}]}
_MODELS = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
_STATUSES = (400, 404, 503)


def _operation(
    summary: str,
    pattern: str,
    schema: dict[str, Any] | None,
    *statuses: int,
    takes: dict[str, Any] | None = None,
    required: bool = False,
) -> dict[str, Any]:
    """Return an operation; without a `schema` its answer is empty. `takes` is the content of its body."""
    given = {"description": summary} if schema is None else answer(summary, schema)
    found = {
        "summary": summary,
        "parameters": parameters_of(pattern),
        "responses": {"200": given, **errors(_ERROR, *statuses)},
    }
    return found if takes is None else {**found, "requestBody": {"required": required, "content": takes}}


def _infer(pattern: str) -> dict[str, Any]:
    takes = {JSON: body(ref("InferBody"), _EXAMPLE), _BINARY: body(FILE)}
    found = _operation("Predict", pattern, ref("InferAnswer"), *_STATUSES, 413, 422, takes=takes, required=True)
    found["responses"]["200"]["content"][_BINARY] = body(FILE)
    length = {"description": "Bytes of JSON before those of tensors.", "schema": {"type": "integer", "minimum": 0}}
    found["responses"]["200"]["headers"] = {HEADER_LENGTH: length}
    found["parameters"].append({"name": HEADER_LENGTH, "in": "header", "required": False, **length})
    return found


def _of_models() -> Iterable[tuple[str, dict[str, Any]]]:
    metadata = object_of(
        {
            "name": _TEXT,
            "versions": list_of(_TEXT),
            "platform": _TEXT,
            "inputs": list_of(_TENSOR),
            "outputs": list_of(_TENSOR),
        }
    )
    ready = object_of({"name": _TEXT, "ready": {"type": "boolean"}})
    for model in _MODELS:
        yield model, {"get": _operation("What a model takes and gives", model, metadata, *_STATUSES)}
        yield f"{model}/ready", {"get": _operation("Whether it can predict", model, ready, *_STATUSES)}
        yield f"{model}/infer", {"post": _infer(model)}
        yield f"{model}/config", {"get": _operation("Its configuration", model, _OBJECT, *_STATUSES)}
        yield f"{model}/stats", {"get": _operation("Its statistics", model, ref("ModelStatistics"), *_STATUSES)}


def _of_repository() -> Iterable[tuple[str, dict[str, Any]]]:
    index = {JSON: body(ref("IndexBody"), {})}
    load = {JSON: body(ref("LoadBody"), {})}
    each = object_of(
        dict.fromkeys(("name", "version", "state", "reason"), _TEXT), optional=("version", "state", "reason")
    )
    yield "/v2/repository/index", {"post": _operation("All models", "", list_of(each), 400, 413, 503, takes=index)}
    for verb in ("load", "unload"):
        path = f"/v2/repository/models/{{model}}/{verb}"
        summary = f"{verb.capitalize()} a model"
        takes = load if verb == "load" else None
        yield path, {"post": _operation(summary, path, None, 400, 404, 409, 413, 503, takes=takes)}


def _of_settings() -> Iterable[tuple[str, dict[str, Any]]]:
    takes = {JSON: body(_OBJECT, {})}
    for path in ("/v2/logging", "/v2/trace/setting", "/v2/models/{model}/trace/setting"):
        yield (
            path,
            {
                "get": _operation("The settings, as Triton names them", path, _OBJECT, 400, 404, 501, 503),
                "post": _operation(
                    "The settings, which cannot be changed", path, _OBJECT, 400, 404, 413, 501, 503, takes=takes
                ),
            },
        )
    for kind in ("systemsharedmemory", "cudasharedmemory"):
        path = f"/v2/{kind}"
        none = "There is no region of shared memory"
        yield f"{path}/status", {"get": _operation(none, "", list_of(_OBJECT))}
        region = f"{path}/region/{{region}}"
        yield f"{region}/status", {"get": _operation(none, region, _OBJECT, 404)}
        yield f"{region}/register", {"post": _operation("Not supported", region, None, 501)}
        yield f"{region}/unregister", {"post": _operation("Does nothing", region, None)}
        yield f"{path}/unregister", {"post": _operation("Does nothing", "", None)}


PATHS: dict[str, Any] = {
    "/v2": {
        "get": _operation("The server", "", object_of({"name": _TEXT, "version": _TEXT, "extensions": list_of(_TEXT)}))
    },
    "/v2/health/live": {"get": _operation("Whether the server answers", "", object_of({"live": {"type": "boolean"}}))},
    "/v2/health/ready": {
        "get": _operation("Whether predictions can be answered", "", object_of({"ready": {"type": "boolean"}}), 503)
    },
    "/v2/models": {"get": _operation("The names of all models", "", object_of({"models": list_of(_TEXT)}), 503)},
    "/v2/models/stats": {"get": _operation("Statistics of all models", "", ref("ModelStatistics"), 503)},
    **dict(_of_models()),
    **dict(_of_repository()),
    **dict(_of_settings()),
}
"""Its addresses, for the OpenAPI document."""
PATHS["/v2/health/ready"]["get"]["responses"]["503"] = answer("Not ready", object_of({"ready": {"type": "boolean"}}))

SCHEMAS = {
    **struct_schemas(InferBody, IndexBody, LoadBody),
    "InferAnswer": object_of(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "id": _TEXT,
            "parameters": _OBJECT,
            "outputs": list_of(_OUTPUT),
        },
        optional=("id", "parameters"),
    ),
    "ModelStatistics": object_of({"model_stats": list_of(_OBJECT)}),
}
"""Its bodies and the larger answers."""
