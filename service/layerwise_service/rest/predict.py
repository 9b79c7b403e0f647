"""POST /predict, and what it takes."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict

import msgspec
from flask import Blueprint, Response, request

from layerwise_service.rest.bodies import check_keys, decoded, json_body, refusal, unreadable
from layerwise_service.rest.body_queue import BodyQueue
from layerwise_service.rest.gateway import Route
from layerwise_service.rest.json_limits import check_rows
from layerwise_service.rest.messages import Answer, Request
from layerwise_service.rest.predict_file import TABLE_TYPES, FileRequests
from layerwise_service.rest.query import check_query
from layerwise_service.rest.responses import json_bytes, json_response, prediction_json, problem_answer
from layerwise_service.settings import Settings
from layerwise_service.usecases.prediction import Instances, VersionPredictor


class NumbersRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Rows of numbers; the model may be left out when there is exactly one, the version means latest.

    `explain` asks for what each column contributes.
    """

    instances: list[list[float]]
    model: str | None = None
    version: str | int | None = None
    explain: bool = False


class TableRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Rows of a table: objects by column name, or lists in the order of the columns."""

    instances: list[dict[str, object] | list[object]]
    model: str | None = None
    version: str | int | None = None
    explain: bool = False


_LARGE = 2**20  # bytes of a body; smaller ones do not wait in the queue
_SMALL = 2**16  # bytes of a body whose keys are checked
_FIELDS = [f'"{name}"'.encode() for name in NumbersRequest.__struct_fields__]
_NO_QUEUE = nullcontext()
_NUMBERS = msgspec.json.Decoder(NumbersRequest)
_TABLE = msgspec.json.Decoder(TableRequest)


class Predict:
    """POST /predict with rows in JSON. Table files are left to Flask."""

    prefix = ""

    def __init__(self, predictor: VersionPredictor, settings: Settings) -> None:
        self._predictor = predictor
        self._settings = settings
        self._queue = BodyQueue(settings.max_body_bytes)
        self.routes = (Route("POST", "/predict", self._predict),)
        self.problem = problem_answer

    def _predict(self, request: Request) -> Answer | None:
        if request.mimetype in TABLE_TYPES:
            return None
        request.query()
        data = json_body(request)
        with self._queue.turn(len(data)) if len(data) > _LARGE else _NO_QUEUE:
            check_rows(
                data,
                most_rows=self._settings.max_predict_rows,
                most_values=self._settings.max_predict_values,
                most_in_row=self._settings.max_features,
            )
            body, rows = _read(data, request)
            if len(data) <= _SMALL:
                check_keys(data, _FIELDS)
            del data  # free the body: only its rows are needed
            found = self._predictor.predict(rows, model=body.model, version=body.version, explain=body.explain)
            del rows
        return Answer(json_bytes(prediction_json(found)))


def predict_routes(predictor: VersionPredictor, files: FileRequests) -> Blueprint:
    """Return the routes that Flask answers: table files, and the signature."""
    routes = Blueprint("predict", __name__)
    routes.post("/predict")(files.answer)

    @routes.get("/predict/signature")
    def get_signature() -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query("model", "version")
        model, version = request.args.get("model") or None, request.args.get("version") or None
        return json_response(asdict(predictor.signature(model=model, version=version)))

    return routes


def _read(body: bytes, request: Request) -> tuple[NumbersRequest | TableRequest, list[list[float]] | Instances]:
    """Return the request and its rows. Numbers are tried first because they decode fastest. Raises `InvalidRequest`."""
    try:
        numbers = decoded(_NUMBERS, body, request)
        return numbers, numbers.instances
    except msgspec.ValidationError:
        pass
    try:
        table = decoded(_TABLE, body, request)
    except msgspec.ValidationError as error:
        raise unreadable(body) or refusal(body, TableRequest) from error
    return table, Instances(table.instances)
