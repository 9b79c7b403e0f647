"""The REST API of TensorFlow Serving, and the first protocol of KServe, which is a part of it: /v1/models/….

See https://www.tensorflow.org/tfx/serving/api_rest and
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from layerwise.checks import shown
from layerwise.errors import Place
from layerwise_service.errors import DataLoss, InvalidRequest, ServiceError
from layerwise_service.rest.gateway import Route
from layerwise_service.rest.messages import Answer, Request
from layerwise_service.rest.operations import answer, errors, parameters_of, post, struct_schemas
from layerwise_service.rest.responses import error_headers, json_bytes
from layerwise_service.rest.row_requests import Form, RowRequests, outputs_of, warnings_of, written
from layerwise_service.rest.schemas import list_of, object_of, ref, with_warnings
from layerwise_service.rest.sent_rows import Sent
from layerwise_service.stores.version_store import ModelUnloaded
from layerwise_service.usecases.oip.signature import LABEL, LOGITS, OUTPUT, TensorSpec, signature_of
from layerwise_service.usecases.outputs import Prediction

DEFAULT = "serving_default"
"""The signature of a request that names none: its output is the first one of the version."""
_CURL = "application/x-www-form-urlencoded"
"""What curl says of a body; TensorFlow Serving reads any type as JSON, and its documents send this one."""
_DTYPES = {"FP32": "DT_FLOAT", "FP64": "DT_DOUBLE", "INT64": "DT_INT64", "BOOL": "DT_BOOL", "BYTES": "DT_STRING"}


class PredictNumbers(msgspec.Struct, forbid_unknown_fields=True):
    """Rows of numbers."""

    instances: list[list[float]] | None = None
    inputs: list[list[float]] | None = None
    signature_name: str = DEFAULT


class PredictAny(msgspec.Struct, forbid_unknown_fields=True):
    """Rows in `instances`: lists, objects or single values; or in `inputs`, which may also be columns by name."""

    instances: list[Any] | None = None
    inputs: list[Any] | dict[str, Any] | None = None
    signature_name: str = DEFAULT


class Examples(msgspec.Struct, forbid_unknown_fields=True):
    """Rows as objects, and in `context` the columns that are the same in all of them."""

    examples: list[dict[str, Any]]
    context: dict[str, Any] = {}
    signature_name: str = DEFAULT


_PREDICT = Form(PredictNumbers, PredictAny, matrices=("instances", "inputs"))
_EXAMPLES = Form(Examples)
_AVAILABLE, _END = "AVAILABLE", "END"
_VERSIONS = ("", "/versions/{version}", "/labels/{version}")


class TfServing:
    """Its addresses. Each model is served in all of its versions; a label is an alias."""

    prefix = "v1"

    def __init__(self, requests: RowRequests) -> None:
        self._requests = requests
        self.routes = tuple(self._routes())

    def problem(self, error: ServiceError, request: Request) -> Answer:
        """Return the error as both servers write it."""
        return Answer(json_bytes({"error": str(error)}), error.http_status, headers=error_headers(error))

    def _routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/models", self._models)
        yield Route("GET", "/v1/models/{model}", self._status)
        for version in _VERSIONS[1:]:
            yield Route("GET", f"/v1/models/{{model}}{version}", self._version_status)
        for version in _VERSIONS:
            model = f"/v1/models/{{model}}{version}"
            yield Route("GET", f"{model}/metadata", self._metadata)
            yield Route("POST", f"{model}:predict", predicting=self._predict)
            yield Route("POST", f"{model}:classify", predicting=self._classify)
            yield Route("POST", f"{model}:regress", predicting=self._regress)

    async def _predict(self, request: Request, *, model: str, version: str | None = None) -> Answer:
        request.query()
        body, found = await self._requests.predict(
            request, _PREDICT, _rows, model=model, version=version, types=(_CURL,)
        )
        field = "predictions" if body.inputs is None else "outputs"
        return await written(found, _predicted, body.signature_name, field)

    async def _classify(self, request: Request, *, model: str, version: str | None = None) -> Answer:
        found = await self._examples(request, model, version)
        if found.classes is None or found.probabilities is None:
            raise _not_this(found, "has no probabilities of classes", "predict")
        return await written(found, _classified)

    async def _regress(self, request: Request, *, model: str, version: str | None = None) -> Answer:
        found = await self._examples(request, model, version)
        if found.classes is not None or found.predictions.ndim > 1:
            raise _not_this(found, "does not predict one value a row", "predict")
        return await written(found, _values)

    async def _examples(self, request: Request, model: str, version: str | None) -> Prediction:
        request.query()
        _, found = await self._requests.predict(
            request, _EXAMPLES, _example_rows, model=model, version=version, types=(_CURL,)
        )
        return found

    def _models(self, request: Request) -> Answer:
        request.query()
        return _answer({"models": sorted(self._requests.predictor.resolver.current())})

    def _status(self, request: Request, *, model: str) -> Answer:
        """Answer what both servers answer: TensorFlow Serving about every version, KServe whether one is ready."""
        request.query()
        latest, unloaded = None, None
        try:
            latest = self._state(model, None)
        except ModelUnloaded as error:
            unloaded = _state(0, error)
        known = self._requests.predictor.resolver.models.get(model)
        states = {
            str(number): (unloaded or _state(number)) | {"version": str(number)}
            for number in sorted(known.artifacts if known else (), reverse=True)
        }
        if latest is not None:
            states[latest["version"]] = latest
        ready = latest is not None and latest["state"] == _AVAILABLE
        return _answer({"name": model, "ready": ready, "model_version_status": [*states.values()]})

    def _version_status(self, request: Request, *, model: str, version: str) -> Answer:
        request.query()
        return _answer({"model_version_status": [self._state(model, version)]})

    def _state(self, model: str, version: str | None) -> dict[str, Any]:
        """Return the state of a version, which is loaded to know it. Raises what `VersionResolver.resolve` raises."""
        found = self._requests.predictor.resolver.resolve(model, version)
        try:
            self._requests.predictor.load(model=model, version=found.version)
        except DataLoss as error:
            return _state(found.version, error)
        return _state(found.version)

    def _metadata(self, request: Request, *, model: str, version: str | None = None) -> Answer:
        request.query()
        found = self._requests.predictor.load(model=model, version=version)
        signature = signature_of(found.network)
        inputs = {spec.name: _tensor(spec) for spec in signature.inputs}
        outputs = {spec.name: _tensor(spec) for spec in signature.outputs if spec.name != LOGITS}
        signatures = {
            name: {
                "inputs": inputs,
                "outputs": {output: outputs[output]},
                "method_name": "tensorflow/serving/predict",
            }
            for name, output in ((DEFAULT, next(iter(outputs))), *((each, each) for each in outputs))
        }
        return _answer(
            {
                "model_spec": {"name": found.model, "signature_name": "", "version": str(found.version)},
                "metadata": {"signature_def": {"signature_def": signatures}},
            }
        )


def _answer(value: object) -> Answer:
    return Answer(json_bytes(value))


def _predicted(found: Prediction, name: str, field: str) -> Answer:
    """Return the output that a signature names."""
    outputs = outputs_of(found)
    if name in ("", DEFAULT):
        name = next(iter(outputs))
    elif name not in outputs:
        known = ", ".join((DEFAULT, *outputs))
        detail = f"{found.model}/{found.version} has the signatures {known}, and no {shown(name)}"
        raise InvalidRequest(detail, pointer="signature_name")
    values = outputs[name]
    if name == OUTPUT and values.ndim == 1:
        values = values[:, np.newaxis]
    return _answer({field: values, **warnings_of(found)})


def _values(found: Prediction) -> Answer:
    return _answer({"results": found.predictions, **warnings_of(found)})


def _classified(found: Prediction) -> Answer:
    assert found.classes is not None
    assert found.probabilities is not None
    labels = [str(label).lower() if isinstance(label, bool) else str(label) for label in found.classes]
    results = [[*zip(labels, scores, strict=True)] for scores in found.probabilities]
    return _answer({"results": results, **warnings_of(found)})


def _rows(body: PredictNumbers | PredictAny) -> Sent:
    if (body.instances is None) == (body.inputs is None):
        raise InvalidRequest("expected either `instances`, which are rows, or `inputs`, which may be columns")
    name = "instances" if body.inputs is None else "inputs"
    return Sent(getattr(body, name), name, numbers=isinstance(body, PredictNumbers))


def _example_rows(body: Examples) -> Sent:
    for index, example in enumerate(body.examples if body.context else ()):
        for name in body.context:
            if name in example:
                detail = "expected this column in the examples or in the context, got it in both"
                raise InvalidRequest(detail, pointer=Place("examples", index, name))
    rows = [{**body.context, **example} for example in body.examples] if body.context else body.examples
    return Sent(rows, "examples")


def _not_this(found: Prediction, what: str, verb: str) -> InvalidRequest:
    return InvalidRequest(f"{found.model}/{found.version} {what}; use :{verb}", pointer="model")


def _state(number: int, error: ServiceError | None = None) -> dict[str, Any]:
    """Return the state of a version, which is available unless there is an `error`."""
    code = "OK" if error is None else "DATA_LOSS" if isinstance(error, DataLoss) else "UNAVAILABLE"
    status = {"error_code": code, "error_message": str(error or "")}
    return {"version": str(number), "state": _AVAILABLE if error is None else _END, "status": status}


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    """Return what is told of a tensor; labels are answered without lists around them."""
    sizes = spec.shape[:1] if spec.name == LABEL else spec.shape
    dims = [{"size": str(size), "name": ""} for size in sizes]
    shape = {"dim": dims, "unknown_rank": False}
    return {"dtype": _DTYPES[spec.datatype], "tensor_shape": shape, "name": f"{spec.name}:0"}


_ERROR = object_of({"error": {"type": "string"}})
_ANYTHING: dict[str, Any] = {}


def _documented(pattern: str, verb: str) -> dict[str, Any]:
    """Return the operation of an address that predicts."""
    key = "results" if verb != "predict" else "predictions"
    values = with_warnings({key: list_of(_ANYTHING)})
    if verb == "predict":
        values = {"oneOf": [values, with_warnings({"outputs": list_of(_ANYTHING)})]}
    responses = {"200": answer("A prediction for each row", values)} | errors(_ERROR, 400, 404, 413, 415, 422, 503)
    body = ref("PredictAny" if verb == "predict" else "Examples")
    example = {"instances": [[5.1, 3.5, 1.4, 0.2]]} if verb == "predict" else {"examples": [{"sepal_length": 5.1}]}
    return {"post": post(f"TensorFlow Serving, KServe v1: {verb} rows", pattern, body, responses, example=example)}


def _shown(summary: str, pattern: str, schema: dict[str, Any], *statuses: int) -> dict[str, Any]:
    responses = {"200": answer(summary, schema)} | errors(_ERROR, 400, *statuses)
    return {"get": {"summary": summary, "parameters": parameters_of(pattern), "responses": responses}}


def _paths() -> Iterable[tuple[str, dict[str, Any]]]:
    status = object_of({"error_code": {"type": "string"}, "error_message": {"type": "string"}})
    state = object_of({"version": {"type": "string"}, "state": {"enum": [_AVAILABLE, _END]}, "status": status})
    states = {"model_version_status": list_of(state)}
    about = states | {"name": {"type": "string"}, "ready": {"type": "boolean"}}
    metadata = object_of({"model_spec": {"type": "object"}, "metadata": {"type": "object"}})
    models = object_of({"models": list_of({"type": "string"})})
    yield "/v1/models", _shown("KServe v1: the names of all models", "", models)
    for version in _VERSIONS:
        model = f"/v1/models/{{model}}{version}"
        yield model, _shown("The state of versions", model, object_of(states if version else about), 404, 503)
        yield f"{model}/metadata", _shown("What a version takes and gives", model, metadata, 404, 503)
        for verb in ("predict", "classify", "regress"):
            yield f"{model}:{verb}", _documented(model, verb)


PATHS = dict(_paths())
"""Its addresses, for the OpenAPI document."""
SCHEMAS = struct_schemas(PredictAny, Examples)
"""Its bodies."""
