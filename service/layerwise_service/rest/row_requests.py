"""Requests for predictions in any dialect of JSON: read within the limits, checked and predicted in one way."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from layerwise_service.process.prediction_request import current_request
from layerwise_service.process.threads import in_thread_if_many, in_turn, run_now
from layerwise_service.rest.bodies import check_json_type, check_keys, decoded_as
from layerwise_service.rest.body_queue import LARGE, BodyQueue
from layerwise_service.rest.json_limits import check_rows
from layerwise_service.rest.many_numbers import LEAST_BYTES, read_many_numbers
from layerwise_service.rest.messages import Answer, Request
from layerwise_service.rest.sent_rows import Sent, csv_rows
from layerwise_service.settings import Settings
from layerwise_service.usecases.oip.signature import LABEL, OUTPUT, PROBABILITIES
from layerwise_service.usecases.outputs import Prediction
from layerwise_service.usecases.prediction import VersionPredictor

T = TypeVar("T")

AT_ONCE = 2**16
"""Bytes of a body that is read in the event loop; larger ones are read in a thread."""


class Form:
    """What a body may be: structs with the same fields, of which the first decodes fastest and the last accepts most.

    `matrices` are fields that may be rows of numbers; if there are several, each may be left out.
    """

    def __init__(self, *kinds: type[msgspec.Struct], matrices: Sequence[str] = ()) -> None:
        self.decoders: Sequence[msgspec.json.Decoder[Any]] = [msgspec.json.Decoder(kind) for kind in kinds]
        self.keys = [f'"{name}"'.encode() for name in kinds[0].__struct_fields__]
        self.matrices = {name: re.compile(rf'"{name}"\s*:\s*\[\s*\['.encode()) for name in matrices}


class RowRequests:
    """Reads requests with rows, and predicts these."""

    def __init__(self, predictor: VersionPredictor, settings: Settings, queue: BodyQueue) -> None:
        self.predictor = predictor
        self.queue = queue
        self._settings = settings

    async def predict(
        self,
        request: Request,
        form: Form,
        sent: Callable[[Any], Sent],
        *,
        model: str | None,
        version: str | None,
        types: Sequence[str] = (),
    ) -> tuple[Any, Prediction]:
        """Return the body of `request`, in one of the structs of `form`, and the prediction for the rows `sent` in it.

        `model` and `version` are as for `VersionPredictor.predict_soon`; `types` are those of a body besides JSON's.
        """

        async def answer(body: Any) -> tuple[Any, Prediction]:
            return body, await self._predict(sent(body), model, version)

        return await self.answered(request, form, answer, types=types)

    async def answered(
        self,
        request: Request,
        form: Form,
        answer: Callable[[Any], Coroutine[Any, Any, T]],
        *,
        at: str = "",
        types: Sequence[str] = (),
    ) -> T:
        """Return what `answer` makes of the body of `request`, in one of the structs of `form`.

        It is called when a large body has its turn. `at` is the field that errors about the number of rows name, and
        `types` are those of a body besides JSON's.
        """
        check_json_type(request, types)
        return await quickly(request, self.queue, self._read_and_answer, form, answer, at)

    async def predict_csv(self, request: Request, *, model: str | None, version: str | None) -> Prediction:
        """Return the prediction for the rows of a body in CSV."""
        return await quickly(request, self.queue, self._read_and_predict_csv, model, version)

    async def _read_and_answer(
        self, request: Request, form: Form, answer: Callable[[Any], Coroutine[Any, Any, T]], at: str
    ) -> T:
        data = request.body()
        body = self._read(data, form, at)
        del data  # free it: only its rows are needed
        return await answer(body)

    async def _read_and_predict_csv(self, request: Request, model: str | None, version: str | None) -> Prediction:
        settings = self._settings
        data = request.body()
        sent = csv_rows(data, most_rows=settings.max_predict_rows, most_values=settings.max_predict_values)
        del data
        return await self._predict(sent, model, version)

    def _read(self, data: bytes, form: Form, at: str) -> Any:
        """Return a body as one of the structs of `form`. Raises `InvalidRequest`, `TooLarge`."""
        settings = self._settings
        if len(data) >= LEAST_BYTES and (body := _with_matrix(data, form, self._within_limits)) is not None:
            return body
        check_rows(
            data,
            most_rows=settings.max_predict_rows,
            most_values=settings.max_predict_values,
            most_in_row=settings.max_features,
            at=at,
        )
        body = decoded_as(form.decoders, data)
        if len(data) <= AT_ONCE:
            check_keys(data, form.keys)
        return body

    def _within_limits(self, rows: int, width: int) -> bool:
        most = self._settings
        return rows <= most.max_predict_rows and width <= most.max_features and rows * width <= most.max_predict_values

    async def _predict(self, sent: Sent, model: str | None, version: str | None) -> Prediction:
        if sent.is_matrix:
            rows: Any = sent.values
            return await self.predictor.predict_soon(rows, model=model, version=version, at=sent.at)
        found = await self.predictor.load_soon(model=model, version=version)
        encoder = found.network.encoder
        rows, at = sent.for_version(None if encoder is None else [column.name for column in encoder.columns])
        with sent.placing():
            return await found.predict_soon(rows, at=at)


async def quickly(
    request: Request, queue: BodyQueue, answer: Callable[..., Coroutine[Any, Any, T]], *arguments: Any
) -> T:
    """Receive the body of `request`, and return what `answer` makes of it and the `arguments`.

    It is called here if the body is small and not packed; else in a thread, for a large body when it has its turn in
    the `queue`. Raises what `Request.receive` and `Request.unpack` raise.
    """
    size = len(await request.receive())
    if (size <= AT_ONCE and not request.is_packed) or current_request().threads is None:
        return await answer(request, *arguments)
    if request.is_packed:
        await in_turn(request.unpack, LARGE)
    async with queue.turn(request.most_bytes):
        return await in_turn(lambda: run_now(answer(request, *arguments)))


async def written(prediction: Prediction, write: Callable[..., Answer], *arguments: Any) -> Answer:
    """Return what `write` makes of `prediction` and the `arguments`: here if it has few values, else in a thread."""
    return await in_thread_if_many(prediction.values, write, prediction, *arguments)


def _with_matrix(data: bytes, form: Form, within: Callable[[int, int], bool]) -> Any:
    """Return a large body whose rows are an array; None if its rows are no matrix of numbers within the limits."""
    for name, begin in form.matrices.items():
        if begin.search(data) and (found := read_many_numbers(data, name, within)):
            with suppress(msgspec.ValidationError):
                body = msgspec.convert({**found[0], name: []}, form.decoders[0].type)
                setattr(body, name, found[1])
                return body
    return None


def warnings_of(prediction: Prediction) -> dict[str, Any]:
    """Return the field of an answer in JSON that tells what is unusual about the rows; none, if nothing is."""
    return {"warnings": prediction.warnings} if prediction.warnings else {}


def outputs_of(prediction: Prediction) -> dict[str, Any]:
    """Return the outputs of a prediction by their names in the Open Inference Protocol.

    These are the `probabilities`, if the version gives any, and the `label` or the `output`.
    """
    found: dict[str, Any] = {}
    if prediction.probabilities is not None:
        found[PROBABILITIES] = prediction.probabilities
    if prediction.classes is not None:
        found[LABEL] = prediction.predictions.tolist()
    else:
        found[OUTPUT] = prediction.predictions
    return found
