"""POST /predict, and what it takes."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import asdict

import msgspec
from flask import Blueprint, Response, request

from layerwise_service.rest.answers import NPY, prediction_answer
from layerwise_service.rest.array_body import read_array
from layerwise_service.rest.bodies import check_keys, decoded_as, json_body
from layerwise_service.rest.body_queue import BodyQueue
from layerwise_service.rest.gateway import Route
from layerwise_service.rest.json_limits import check_rows
from layerwise_service.rest.many_numbers import LEAST_BYTES, read_many_numbers
from layerwise_service.rest.messages import Answer, Request
from layerwise_service.rest.predict_file import TABLE_TYPES, FileRequests
from layerwise_service.rest.predict_options import OPTIONS, Options, options_of
from layerwise_service.rest.query import check_query
from layerwise_service.rest.responses import json_response, problem_answer
from layerwise_service.settings import Settings
from layerwise_service.usecases.prediction import Instances, Rows, VersionPredictor


class NumbersRequest(Options):
    """Rows of numbers."""

    instances: list[list[float]]


class TableRequest(Options):
    """Rows of a table: objects by column name, or lists in the order of the columns."""

    instances: list[dict[str, object] | list[object]]


_LARGE = 2**20  # bytes of a body; smaller ones do not wait in the queue
_FIELDS = [f'"{name}"'.encode() for name in NumbersRequest.__struct_fields__]
_NO_QUEUE = nullcontext()
_NUMBERS = msgspec.json.Decoder(NumbersRequest)
_TABLE = msgspec.json.Decoder(TableRequest)


class Predict:
    """POST /predict with rows in JSON, or an array of NumPy. Table files are left to Flask."""

    prefix = ""

    def __init__(self, predictor: VersionPredictor, settings: Settings, queue: BodyQueue) -> None:
        self._predictor = predictor
        self._settings = settings
        self._queue = queue
        self.routes = (Route("POST", "/predict", self._predict, predicts=True),)
        self.problem = problem_answer

    def _predict(self, request: Request) -> Answer | None:
        mime = request.mimetype
        if mime in TABLE_TYPES:
            return None
        if mime == NPY:
            return self._predict_array(request)
        request.query()
        data = json_body(request)
        with self._queue.turn(len(data)) if len(data) > _LARGE else _NO_QUEUE:
            check_rows(
                data,
                most_rows=self._settings.max_predict_rows,
                most_values=self._settings.max_predict_values,
                most_in_row=self._settings.max_features,
            )
            options, rows = _read(data, request)
            del data  # free the body: only its rows are needed
            return self._answer(request, options, rows)

    def _predict_array(self, request: Request) -> Answer:
        """Answer an array; the options are in the query."""
        options = options_of(request.query(*OPTIONS))
        return self._answer(request, options, read_array(request.body()))

    def _answer(self, request: Request, options: Options, rows: Rows) -> Answer:
        wanted = options.wanted()
        found = self._predictor.predict(
            rows, model=options.model, version=options.version, wanted=wanted, explain=options.explain
        )
        return prediction_answer(found, request.header("Accept"), wanted=wanted)


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


def _read(body: bytes, request: Request) -> tuple[Options, Rows]:
    """Return what is asked for, and the rows. Numbers are tried first: they decode fastest. Raises `InvalidRequest`."""
    if len(body) >= LEAST_BYTES and (found := read_many_numbers(body, "instances")):
        with suppress(msgspec.ValidationError):
            return msgspec.convert(found[0], Options), found[1]
    if len(body) <= LEAST_BYTES:
        check_keys(body, _FIELDS)
    found = decoded_as((_NUMBERS, _TABLE), body, request)
    return found, found.instances if isinstance(found, NumbersRequest) else Instances(found.instances)
