"""The Open Inference Protocol v2 over REST, with Triton's extensions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import msgspec
import orjson

from layerwise_service.errors import ErrorKind, InvalidRequest, NotFound, ServiceError, Unsupported
from layerwise_service.process.threads import in_thread_if_many
from layerwise_service.rest.bodies import decoded
from layerwise_service.rest.body_queue import BodyQueue
from layerwise_service.rest.gateway import Handler, Route
from layerwise_service.rest.messages import Answer, Request
from layerwise_service.rest.oip_infer import json_length, read_bytes, read_json, write_infer_answer
from layerwise_service.rest.responses import error_headers, json_bytes
from layerwise_service.rest.row_requests import quickly
from layerwise_service.settings import Settings
from layerwise_service.usecases.oip.facade import Oip
from layerwise_service.usecases.oip.inference import InferRequest
from layerwise_service.usecases.oip.metadata import EXTENSIONS, NAME, server_version
from layerwise_service.usecases.oip.settings import LOG, TRACE, check_log, check_trace
from layerwise_service.usecases.oip.signature import TensorSpec, signature_of

_BAD_REQUESTS = (ErrorKind.UNPROCESSABLE, ErrorKind.UNSUPPORTED_MEDIA, ErrorKind.CONFLICT, ErrorKind.ALREADY_EXISTS)
"""Kinds of error that Triton answers with 400."""
_LISTS = ("trace_level",)
"""Settings of traces that are lists; the others are texts."""
_MEMORY = ("systemsharedmemory", "cudasharedmemory")


class IndexBody(msgspec.Struct):
    """The body of POST /v2/repository/index."""

    ready: bool = False


class LoadBody(msgspec.Struct):
    """The body of load and unload."""

    parameters: dict[str, Any] = {}


_CHOSEN, _LOADED = msgspec.json.Decoder(IndexBody), msgspec.json.Decoder(LoadBody)
_CHANGES = msgspec.json.Decoder(dict[str, Any])


class OipDialect:
    """Everything below /v2."""

    prefix = "v2"

    def __init__(self, use_cases: Oip, settings: Settings, queue: BodyQueue) -> None:
        self._inference = use_cases.inference
        self._metadata = use_cases.metadata
        self._repository = use_cases.repository
        self._statistics = use_cases.statistics
        self._max_values = settings.max_predict_values
        self._queue = queue
        self.routes = (
            Route("GET", "/v2", self._server),
            Route("GET", "/v2/health/live", _fixed(_json({"live": True}))),
            Route("GET", "/v2/health/ready", self._ready),
            Route("GET", "/v2/models", self._models),
            Route("GET", "/v2/models/stats", self._stats),
            *self._of_versions("/v2/models/{model}"),
            *self._of_versions("/v2/models/{model}/versions/{version}"),
            Route("POST", "/v2/repository/index", self._index),
            Route("POST", "/v2/repository/models/{model}/load", self._load),
            Route("POST", "/v2/repository/models/{model}/unload", self._unload),
            Route("GET", "/v2/logging", self._log),
            Route("POST", "/v2/logging", self._log),
            Route("GET", "/v2/trace/setting", self._trace),
            Route("POST", "/v2/trace/setting", self._trace),
            Route("GET", "/v2/models/{model}/trace/setting", self._trace),
            Route("POST", "/v2/models/{model}/trace/setting", self._trace),
            *(route for kind in _MEMORY for route in _shared_memory(f"/v2/{kind}")),
        )

    def problem(self, error: ServiceError, request: Request) -> Answer:
        """Return the error in the protocol's shape."""
        status = 400 if error.kind in _BAD_REQUESTS or error.reason == "TOO_MANY_ROWS" else error.http_status
        return Answer(json_bytes({"error": str(error)}), status, headers=error_headers(error), packable=False)

    def _of_versions(self, path: str) -> Iterable[Route]:
        yield Route("GET", path, self._model)
        yield Route("GET", f"{path}/ready", self._model_ready)
        yield Route("POST", f"{path}/infer", predicting=self._infer)
        yield Route("GET", f"{path}/config", self._config)
        yield Route("GET", f"{path}/stats", self._stats)

    async def _infer(self, request: Request, model: str, version: str = "") -> Answer:
        return await quickly(request, self._queue, self._read_and_infer, model, version)

    async def _read_and_infer(self, request: Request, model: str, version: str) -> Answer:
        body = request.body()
        length = json_length(request, body)
        if length == 0 and body:
            found = await self._inference.version_soon(model, version)
            asked = read_bytes(body, signature_of(found.network).inputs)
        else:
            text = body[:length] if length < len(body) else body
            asked = read_json(request, text, memoryview(body)[length:], max_values=self._max_values)
        answer = await self._inference.infer(InferRequest(model, version, asked.inputs, asked.outputs))
        return await in_thread_if_many(answer.values, write_infer_answer, answer, asked)

    def _server(self, request: Request) -> Answer:
        return _json({"name": NAME, "version": server_version(), "extensions": EXTENSIONS})

    def _ready(self, request: Request) -> Answer:
        ready = self._metadata.ready()
        return _json({"ready": ready}, 200 if ready else 503)

    def _models(self, request: Request) -> Answer:
        return _json({"models": sorted({each["name"] for each in self._repository.index()})})

    def _model(self, request: Request, model: str, version: str = "") -> Answer:
        found = self._metadata.model(model, version)
        return _json(
            {
                "name": found.name,
                "versions": found.versions,
                "platform": found.platform,
                "inputs": [_spec(spec) for spec in found.inputs],
                "outputs": [_spec(spec) for spec in found.outputs],
            }
        )

    def _model_ready(self, request: Request, model: str, version: str = "") -> Answer:
        if not self._metadata.model_ready(model, version):
            raise InvalidRequest(f"version {version or 'latest'} of model '{model[:64]}' is not ready")
        return _json({"name": model, "ready": True})

    def _config(self, request: Request, model: str, version: str = "") -> Answer:
        return _json(self._metadata.config(model, version))

    def _stats(self, request: Request, model: str = "", version: str = "") -> Answer:
        return _json({"model_stats": self._statistics.of(model, version)})

    def _index(self, request: Request) -> Answer:
        only_ready = _read(_CHOSEN, request, IndexBody()).ready
        found = [each for each in self._repository.index() if not only_ready or each["state"] == "READY"]
        return _json([{key: value for key, value in each.items() if value} for each in found])

    def _load(self, request: Request, model: str) -> Answer:
        self._repository.load(model, _read(_LOADED, request, LoadBody()).parameters)
        return Answer(b"")

    def _unload(self, request: Request, model: str) -> Answer:
        self._repository.unload(model)
        return Answer(b"")

    def _log(self, request: Request) -> Answer:
        check_log(_read(_CHANGES, request, {}))
        return _json(LOG)

    def _trace(self, request: Request, model: str = "") -> Answer:
        self._repository.check_model(model)
        check_trace({name: _texts(value) for name, value in _read(_CHANGES, request, {}).items()})
        return _json({name: values if name in _LISTS else values[0] for name, values in TRACE.items()})


def _shared_memory(path: str) -> Iterable[Route]:
    """Yield the addresses of a kind of shared memory, in which there is never a region."""

    def register(request: Request, region: str) -> Answer:
        raise Unsupported("this service reads no shared memory; send the tensors in the request")

    def status(request: Request, region: str) -> Answer:
        raise NotFound(f"there is no region '{region[:64]}' of shared memory")

    yield Route("GET", f"{path}/status", _fixed(_json([])))
    yield Route("GET", f"{path}/region/{{region}}/status", status)
    yield Route("POST", f"{path}/region/{{region}}/register", register)
    yield Route("POST", f"{path}/region/{{region}}/unregister", _fixed(Answer(b"")))
    yield Route("POST", f"{path}/unregister", _fixed(Answer(b"")))


def _fixed(answer: Answer) -> Handler:
    """Return what always gives this answer."""

    def give(request: Request, **names: str) -> Answer:
        return answer

    return give


def _read(decoder: msgspec.json.Decoder[Any], request: Request, default: Any) -> Any:
    """Return the body of a request, `default` if it is empty. Raises `InvalidRequest`."""
    body = request.body()
    if not body:
        return default
    try:
        return decoded(decoder, body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error)) from error


def _texts(value: object) -> list[str]:
    return [str(each) for each in cast("list[object]", value)] if isinstance(value, list) else [str(value)]


def _json(value: object, status: int = 200) -> Answer:
    """Return an answer that is not packed: tritonclient accepts any packing, and unpacks predictions alone."""
    return Answer(orjson.dumps(value), status, packable=False)


def _spec(spec: TensorSpec) -> dict[str, object]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
