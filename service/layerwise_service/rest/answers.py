"""Predictions as answers of POST /predict: JSON, CSV or an array of NumPy, as the caller accepts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from layerwise.tables.cells import number_text
from layerwise.wording import distinct_names
from layerwise_service.domain.table_datasets import Cell, as_text
from layerwise_service.errors import InvalidRequest
from layerwise_service.rest.messages import JSON, Answer
from layerwise_service.rest.responses import json_bytes
from layerwise_service.rest.row_requests import warnings_of
from layerwise_service.usecases.outputs import PREDICTIONS, PROBABILITIES, USUAL, Prediction, Wanted

CSV, NPY = "text/csv", "application/x-npy"
_CSV_TYPE = f"{CSV}; charset=utf-8"  # some clients read text without one as Latin-1
_EXACT = 2**53


def prediction_answer(
    prediction: Prediction,
    accepted: str,
    *,
    wanted: Wanted = USUAL,
    kept: Mapping[str, Sequence[Cell]] | None = None,
    extra: Mapping[str, object] | None = None,
) -> Answer:
    """Return `prediction` in the form that the header Accept asks for.

    Of a file, CSV begins with the columns in `kept`, and JSON also has the fields in `extra`.
    """
    form = _form(accepted)
    if form == JSON:
        return Answer(json_bytes({**_fields(prediction, wanted), **(extra or {})}))
    headers = (("X-Layerwise-Warnings", str(len(prediction.warnings))),)
    if form == CSV:
        return Answer(_csv(prediction, wanted, kept or {}).encode(), content_type=_CSV_TYPE, headers=headers)
    of = ("X-Layerwise-Model", prediction.model), ("X-Layerwise-Version", str(prediction.version))
    return Answer(_npy(prediction, wanted), content_type=NPY, headers=(*of, *headers))


def _form(accepted: str) -> str:
    if accepted in ("", "*/*", JSON):
        return JSON
    return parse_accept_header(accepted, MIMEAccept).best_match([JSON, CSV, NPY]) or JSON


def _fields(prediction: Prediction, wanted: Wanted) -> dict[str, object]:
    """Return the fields of the answer in JSON."""
    answer: dict[str, object] = {"model": prediction.model, "version": prediction.version}
    is_classifier = prediction.classes is not None
    if wanted.predictions:
        answer[PREDICTIONS] = prediction.predictions.tolist() if is_classifier else prediction.predictions
    if prediction.probabilities is not None:
        answer[PROBABILITIES] = prediction.probabilities
    if prediction.logits is not None:
        answer["logits"] = prediction.logits
    if (top := prediction.top) is not None:
        rows = zip(top.labels.tolist(), top.values.astype(str).astype(float).tolist(), strict=True)
        answer["top"] = [[{"class": label, top.kind: value} for label, value in zip(*row, strict=True)] for row in rows]
    if is_classifier and (prediction.probabilities is not None or wanted.top_k == 0):
        answer["classes"] = prediction.classes
    if (explained := prediction.contributions) is not None:
        answer["contributions"] = {field.name: getattr(explained, field.name) for field in fields(explained)}
    return answer | warnings_of(prediction)


def _npy(prediction: Prediction, wanted: Wanted) -> bytes:
    """Return the one array that is asked for: by default the probabilities, or else the predictions."""
    if wanted is USUAL and prediction.contributions is None:
        found = prediction.predictions if prediction.probabilities is None else prediction.probabilities
    else:
        given = [prediction.predictions] if wanted.predictions else []
        given += [each for each in (prediction.probabilities, prediction.logits) if each is not None]
        if len(given) != 1 or prediction.top or prediction.contributions is not None:
            detail = f"expected one output, which an answer of {NPY} can hold; ask for JSON to get several"
            raise InvalidRequest(detail, pointer="outputs")
        (found,) = given
    file = io.BytesIO()
    np.save(file, np.asarray(found.tolist()) if found.dtype == object else found, allow_pickle=False)
    return file.getvalue()


def _csv(prediction: Prediction, wanted: Wanted, kept: Mapping[str, Sequence[Cell]]) -> str:
    """Return the kept columns, the predictions, the probability of each class, and what else was asked for."""
    names, columns = list(kept), [map(_text, cells) for cells in kept.values()]
    for name, values in _prediction_columns(prediction, wanted):
        names.append(name)
        columns.append(map(_text, values))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(distinct_names(names))
    writer.writerows(zip(*columns, strict=True))
    return stream.getvalue()


def _prediction_columns(prediction: Prediction, wanted: Wanted) -> Iterator[tuple[str, Sequence[Any]]]:
    if wanted.predictions:
        yield from _columns("prediction", prediction.predictions)
    if (probabilities := prediction.probabilities) is not None:
        if prediction.classes is None:
            yield from _columns("probability", probabilities)
        else:
            yield from zip(map(_text, prediction.classes), _short(probabilities.T), strict=True)
    if prediction.logits is not None:
        yield from _columns("logit", prediction.logits)
    if (top := prediction.top) is not None:
        for place, (labels, values) in enumerate(zip(top.labels.T, top.values.T, strict=True), 1):
            yield f"top_{place}", labels.tolist()
            yield f"top_{place}_{top.kind}", _short(values)
    if (explained := prediction.contributions) is not None:
        yield "baseline", _short(explained.baselines)
        for name, values in zip(explained.columns, explained.values.T, strict=True):
            yield f"contribution:{name}", _short(values)


def _columns(name: str, values: NDArray[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield one column, or several with numbers behind their names."""
    if values.ndim == 1:
        yield name, _short(values)
    else:
        yield from ((f"{name}_{index}", _short(column)) for index, column in enumerate(values.T))


def _short(values: NDArray[Any]) -> Sequence[Any]:
    """Return float32 numbers with the fewest digits that identify them, others as they are."""
    found: Sequence[Any] = (values.astype(str) if values.dtype == np.float32 else values).tolist()
    return found


def _text(value: Cell) -> str:
    """Return the text of a cell; a number that may have lost its last digits keeps its exponent."""
    return number_text(value) if isinstance(value, float) and abs(value) <= _EXACT else as_text(value)
