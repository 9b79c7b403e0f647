"""POST /predict, and what it takes."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from flask import Blueprint, Response, request

from layerwise_service.rest.answers import NPY, prediction_answer
from layerwise_service.rest.array_body import read_array
from layerwise_service.rest.bodies import check_json_type
from layerwise_service.rest.gateway import Route
from layerwise_service.rest.messages import Answer, Request
from layerwise_service.rest.predict_file import TABLE_TYPES, FileRequests
from layerwise_service.rest.predict_options import OPTIONS, Options, options_of
from layerwise_service.rest.query import check_query
from layerwise_service.rest.responses import json_response, problem_answer
from layerwise_service.rest.row_requests import Form, RowRequests, quickly, written
from layerwise_service.usecases.loaded_version import Instances, Rows
from layerwise_service.usecases.prediction import VersionPredictor


class NumbersRequest(Options):
    """Rows of numbers."""

    instances: list[list[float]]


class TableRequest(Options):
    """Rows of a table: objects by column name, or lists in the order of the columns."""

    instances: list[dict[str, object] | list[object]]


_FORM = Form(NumbersRequest, TableRequest, matrices=("instances",))


class Predict:
    """POST /predict with rows in JSON, or an array of NumPy. Table files are left to Flask."""

    prefix = ""

    def __init__(self, requests: RowRequests) -> None:
        self._requests = requests
        self.routes = (Route("POST", "/predict", predicting=self._predict),)
        self.problem = problem_answer

    async def _predict(self, request: Request) -> Answer | None:
        mime = request.mimetype
        if mime in TABLE_TYPES:
            return None
        if mime == NPY:
            return await self._predict_array(request)
        check_json_type(request)  # before the query, which is that of other types
        request.query()

        async def answer(body: NumbersRequest | TableRequest) -> Answer:
            rows = body.instances if isinstance(body, NumbersRequest) else Instances(body.instances)
            return await self._answer(request, body, rows)

        return await self._requests.answered(request, _FORM, answer, at="instances")

    async def _predict_array(self, request: Request) -> Answer:
        """Answer an array; the options are in the query."""
        options = options_of(request.query(*OPTIONS))

        return await quickly(request, self._requests.queue, self._read_array_and_answer, options)

    async def _read_array_and_answer(self, request: Request, options: Options) -> Answer:
        return await self._answer(request, options, read_array(request.body()))

    async def _answer(self, request: Request, options: Options, rows: Rows) -> Answer:
        wanted = options.wanted()
        found = await self._requests.predictor.predict_soon(
            rows, model=options.model, version=options.version, wanted=wanted, explain=options.explain
        )
        return await written(found, partial(prediction_answer, accepted=request.header("accept"), wanted=wanted))


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
