"""The OpenAPI document. A test holds it to the application's routes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from inspect import cleandoc
from typing import Any, NamedTuple, cast

from layerwise_service.rest import (
    api_operations,
    job_operations,
    mlflow,
    oip_operations,
    predict_operations,
    tf_serving,
)
from layerwise_service.rest.operations import answer, get, path, problems
from layerwise_service.rest.schemas import SCHEMAS, ref


class Group(NamedTuple):
    """Operations that belong together: those of a dialect, or about one kind of things."""

    name: str
    about: str
    paths: Mapping[str, Any]
    schemas: Mapping[str, Any] = {}


_READY = get("Whether the whole service is ready, and why not", ref("Health"))
_READY["get"]["responses"]["503"] = answer("Not ready", ref("Health"))
_READY_TO_PREDICT = get("Whether predictions can be answered, and why not", ref("Health"))
_READY_TO_PREDICT["get"]["responses"]["503"] = answer("Not ready", ref("Health"))
_LIVE = get("Whether the process and its background loops work", ref("Health"))
_LIVE["get"]["responses"]["503"] = answer("A background loop hangs: restart the process", ref("Health"))


def _page(summary: str, *types: str, parameters: tuple[dict[str, Any], ...] = ()) -> Any:
    found = {"description": summary, "content": {each: {"schema": {"type": "string"}} for each in types}}
    return {
        "get": {
            "summary": summary,
            "parameters": list(parameters),
            "responses": {"200": found, **problems(400, 404)},
        }
    }


_METRICS = get("Prometheus' text format", {"type": "string"})
_METRICS["get"]["responses"]["200"] = answer("Prometheus' text format", {"type": "string"}, "text/plain")


_SERVICE = {
    "/livez": _LIVE,
    "/readyz": _READY,
    "/readyz/predictions": _READY_TO_PREDICT,
    "/metrics": _METRICS,
    "/openapi.json": get("This document", {"type": "object"}),
    "/docs": _page("This document as a page", "text/html"),
    "/docs/{file}": _page("A file of the page", "text/css", "text/javascript", parameters=(path("file"),)),
    "/": get("Name and version of the service, and its main addresses", {"type": "object"}),
}

GROUPS = (
    Group("Predictions", "Rows in, predictions out.", predict_operations.PATHS, predict_operations.SCHEMAS),
    Group("Models", "Models, their versions and aliases.", api_operations.MODELS, api_operations.SCHEMAS),
    Group(
        "Jobs",
        "Trainings. gRPC, the SDK and `layerwise train` start them.",
        job_operations.PATHS,
        job_operations.SCHEMAS,
    ),
    Group("Datasets", "Table files, to train on or to look at.", api_operations.DATASETS),
    Group(
        "TensorFlow Serving and KServe v1",
        "The same models for clients of TensorFlow Serving's REST API and of KServe's protocol v1.",
        tf_serving.PATHS,
        tf_serving.SCHEMAS,
    ),
    Group(
        "Open Inference Protocol",
        "The same models for clients of Triton, KServe v2 and MLServer: tritonclient over HTTP.",
        oip_operations.PATHS,
        oip_operations.SCHEMAS,
    ),
    Group("MLflow", "The same models for clients of MLflow's scoring server.", mlflow.PATHS, mlflow.SCHEMAS),
    Group("Service", "Health, metrics and this document.", _SERVICE),
)


def _named(group: Group, address: str, methods: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operations of an address with the name of their group, and each with an id."""
    words = "_".join(re.findall(r"[a-z0-9]+", address)) or "index"
    return {
        method: {**about, "operationId": f"{method}_{words}", "tags": [group.name]} for method, about in methods.items()
    }


def _dedented(value: Any) -> Any:
    """Return `value` with its descriptions as they read: in docstrings, lines but the first are indented."""
    if isinstance(value, dict):
        return {
            key: cleandoc(each) if key == "description" and isinstance(each, str) else _dedented(each)
            for key, each in cast("dict[str, Any]", value).items()
        }
    return [_dedented(each) for each in cast("Sequence[Any]", value)] if isinstance(value, list) else value


OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Layerwise",
        "version": version("layerwise"),
        "description": "Predictions by multilayer perceptrons, and the models and jobs behind them.",
    },
    "tags": [{"name": group.name, "description": group.about} for group in GROUPS],
    "paths": {address: _named(group, address, methods) for group in GROUPS for address, methods in group.paths.items()},
    "components": {
        "schemas": _dedented({**SCHEMAS, **{name: each for group in GROUPS for name, each in group.schemas.items()}})
    },
}
