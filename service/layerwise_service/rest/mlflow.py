"""The REST API of MLflow's scoring server: /invocations, /ping, /health and /version.

See https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally. Such a server has one model. Here, the address
may name the model and the version; /serving-endpoints/… is what the deployments client of MLflow sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version as version_of
from typing import Any

import msgspec

from layerwise.checks import shown
from layerwise.errors import Place
from layerwise_service.errors import Conflict, ErrorKind, InvalidRequest, ServiceError, Unavailable
from layerwise_service.rest.gateway import Route
from layerwise_service.rest.messages import Answer, Request
from layerwise_service.rest.operations import answer, errors, post, problems, struct_schemas
from layerwise_service.rest.responses import error_headers, json_bytes
from layerwise_service.rest.row_requests import Form, RowRequests, outputs_of, warnings_of, written
from layerwise_service.rest.schemas import list_of, object_of, ref, with_warnings
from layerwise_service.rest.sent_rows import Sent
from layerwise_service.usecases.outputs import Prediction

INVOCATIONS = (
    "/invocations",
    "/models/{model}/invocations",
    "/models/{model}/versions/{version}/invocations",
    "/serving-endpoints/{model}/invocations",
)
CSV = "text/csv"
_CODES = {
    ErrorKind.NOT_FOUND: "RESOURCE_DOES_NOT_EXIST",
    ErrorKind.CONFLICT: "RESOURCE_CONFLICT",
    ErrorKind.FORBIDDEN: "PERMISSION_DENIED",
    ErrorKind.EXHAUSTED: "RESOURCE_EXHAUSTED",
    ErrorKind.TIMED_OUT: "DEADLINE_EXCEEDED",
    ErrorKind.UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
    ErrorKind.DATA_LOSS: "DATA_LOSS",
    ErrorKind.INTERNAL: "INTERNAL_ERROR",
}
"""MLflow's codes of errors; those of other kinds are BAD_REQUEST."""


class SplitNumbers(msgspec.Struct, forbid_unknown_fields=True):
    """A data frame of numbers."""

    data: list[list[float]]
    columns: list[str | int] | None = None
    index: list[Any] | None = None


class Split(msgspec.Struct, forbid_unknown_fields=True):
    """A data frame: rows in `data`, and the names of their columns, which pandas numbers if they have none."""

    data: list[list[Any]]
    columns: list[str | int] | None = None
    index: list[Any] | None = None


class InvokeNumbers(msgspec.Struct, forbid_unknown_fields=True):
    """Rows of numbers."""

    dataframe_split: SplitNumbers | None = None
    dataframe_records: None = None
    instances: list[list[float]] | None = None
    inputs: list[list[float]] | None = None
    params: dict[str, Any] | None = None


class Invoke(msgspec.Struct, forbid_unknown_fields=True):
    """Rows in one of four forms; `inputs` may also be columns by name. `params` may choose the `output`."""

    dataframe_split: Split | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    instances: list[Any] | None = None
    inputs: list[Any] | dict[str, Any] | None = None
    params: dict[str, Any] | None = None


_FORM = Form(InvokeNumbers, Invoke, matrices=("instances", "inputs"))
_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class Mlflow:
    """Its addresses; `checks` says what keeps predictions from being answered, as `HealthChecks.predictions`."""

    prefix = ""

    def __init__(self, requests: RowRequests, checks: Callable[[], Mapping[str, str]]) -> None:
        self._requests = requests
        self._checks = checks
        self.routes = (
            *(Route("POST", address, predicting=self._invoke) for address in INVOCATIONS),
            Route("GET", "/ping", self._ping),
            Route("GET", "/health", self._ping),
            Route("GET", "/version", self._version),
        )

    def problem(self, error: ServiceError, request: Request) -> Answer:
        """Return the error as MLflow writes it."""
        body = {"error_code": _CODES.get(error.kind, "BAD_REQUEST"), "message": str(error)}
        return Answer(json_bytes(body), error.http_status, headers=error_headers(error))

    async def _invoke(self, request: Request, *, model: str | None = None, version: str | None = None) -> Answer:
        request.query()
        name = ""
        try:
            if request.mimetype == CSV:
                found = await self._requests.predict_csv(request, model=model, version=version)
            else:
                body, found = await self._requests.predict(request, _FORM, _rows, model=model, version=version)
                name = _output(body.params or {})
        except Conflict as error:
            if error.reason != "MODEL_NOT_NAMED":
                raise
            raise Conflict(f"{error.detail}, as in /models/<model>/invocations", reason=error.reason) from error
        return await written(found, _answer, name)

    def _ping(self, request: Request) -> Answer:
        wrong = [f"{name}: {outcome}" for name, outcome in self._checks().items() if outcome != "ok"]
        if wrong:
            raise Unavailable("; ".join(wrong))
        request.query()
        return Answer(b"\n", content_type="text/plain")

    def _version(self, request: Request) -> Answer:
        request.query()
        return Answer(version_of("layerwise").encode(), content_type="text/plain")


def _answer(found: Prediction, name: str) -> Answer:
    return Answer(json_bytes({"predictions": _predictions(found, name), **warnings_of(found)}))


def _rows(body: InvokeNumbers | Invoke) -> Sent:
    _output(body.params or {})  # what is wrong with it is told before anything is predicted
    given = [name for name in _FORMS if getattr(body, name) is not None]
    if len(given) != 1:
        got = " and ".join(given) or "none"
        raise InvalidRequest(f"expected exactly one of {', '.join(_FORMS)}; got {got}")
    (name,) = given
    values, numbers = getattr(body, name), isinstance(body, InvokeNumbers)
    if isinstance(values, Split | SplitNumbers):
        columns = None if values.columns is None else [str(column) for column in values.columns]
        return Sent(values.data, "dataframe_split.data", columns, numbers=numbers, of_frame=True)
    return Sent(values, name, numbers=numbers, of_frame=True)


def _output(params: Mapping[str, Any]) -> str:
    """Return the output that the parameters ask for, "" if they do not. Raises `InvalidRequest`."""
    for name in params:
        if name != "output":
            detail = "unknown parameter; the only one is `output`, which names what to answer"
            raise InvalidRequest(detail, pointer=Place("params", name), reason="UNKNOWN_FIELD")
    found = params.get("output", "")
    if not isinstance(found, str):
        raise InvalidRequest("expected the name of an output", pointer=Place("params", "output"))
    return found


def _predictions(found: Prediction, name: str) -> Any:
    """Return the output that is named, else labels or values."""
    outputs = outputs_of(found)
    if name and name not in outputs:
        detail = f"{found.model}/{found.version} has the outputs {', '.join(outputs)}, and no {shown(name)}"
        raise InvalidRequest(detail, pointer=Place("params", "output"))
    return outputs[name or next(reversed(outputs))]


def _paths() -> Iterable[tuple[str, dict[str, Any]]]:
    error = object_of({"error_code": {"type": "string"}, "message": {"type": "string"}})
    predictions = {"200": answer("A prediction for each row", with_warnings({"predictions": list_of({})}))}
    failures = errors(error, 400, 404, 409, 413, 415, 422, 503)
    failures["404"]["content"] |= problems(404)["404"]["content"]  # a name with a colon is no address of a dialect
    example = {"dataframe_split": {"data": [[5.1, 3.5, 1.4, 0.2]]}}
    for pattern in INVOCATIONS:
        yield (
            pattern,
            {
                "post": post(
                    "MLflow: predict rows", pattern, ref("Invoke"), predictions | failures, (CSV,), example=example
                )
            },
        )
    for pattern in ("/ping", "/health"):
        responses = {"200": answer("Predictions are answered", {"type": "string"}, "text/plain")} | errors(
            error, 400, 503
        )
        yield pattern, {"get": {"summary": "MLflow: whether predictions are answered", "responses": responses}}
    version = {"200": answer("The version", {"type": "string"}, "text/plain")} | errors(error, 400)
    yield "/version", {"get": {"summary": "MLflow: the version of this service", "responses": version}}


PATHS = dict(_paths())
"""Its addresses, for the OpenAPI document."""
SCHEMAS = struct_schemas(Invoke)
"""Its bodies."""
