"""POST /predict with a table file as the body; the answer is JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from flask import Response, request
from numpy.typing import NDArray

from layerwise.tables.cells import number_text
from layerwise.wording import distinct_names
from layerwise_service.domain.table_datasets import Cell, as_text
from layerwise_service.errors import TooLarge
from layerwise_service.rest.file_bodies import UploadPlaces, body_chunks, body_size, check_coding, form_file, is_form
from layerwise_service.rest.query import check_query, true_or_false
from layerwise_service.rest.responses import json_response, prediction_json
from layerwise_service.usecases.file_prediction import LARGER_FILES, FilePredictor
from layerwise_service.usecases.prediction import Prediction
from layerwise_service.usecases.table_prediction import PredictedTable

TABLE_TYPES = frozenset(
    {
        "text/csv",
        "text/tab-separated-values",
        "application/x-ndjson",
        "application/jsonl",
        "application/vnd.apache.parquet",
        "application/gzip",
        "application/octet-stream",
        "multipart/form-data",
    }
)
"""Types of bodies that are table files. What a file is, its first bytes say."""
_JSON, _CSV = "application/json", "text/csv"
_EXACT = 2**53


class FileRequests:
    """Answers requests whose body is a table file of at most `max_bytes`."""

    def __init__(self, files: FilePredictor, places: UploadPlaces, *, max_bytes: int) -> None:
        self._files = files
        self._places = places
        self._max_bytes = max_bytes

    def answer(self) -> Response:
        """Return the answer to this request. Raises `ServiceError`."""
        check_query("model", "version", "explain", repeated=("keep",))
        check_coding()
        given = request.args
        keep = tuple(dict.fromkeys(given.getlist("keep")))
        with self._places.taken():
            found = self._files.predict_file(
                self._chunks(),
                model=given.get("model") or None,
                version=given.get("version") or None,
                keep=keep,
                explain=true_or_false("explain"),
            )
        if request.accept_mimetypes.best_match([_JSON, _CSV]) == _CSV:
            warnings = {"X-Layerwise-Warnings": str(len(found.prediction.warnings))}
            return Response(_csv(found), headers=warnings, mimetype=_CSV)
        answer = prediction_json(found.prediction) | {"unused": found.unused}
        return json_response(answer | ({"kept": found.kept} if keep else {}))

    def _chunks(self) -> Iterator[bytes]:
        """Yield the file of this request. Raises `TooLarge`, `InvalidRequest`."""
        if body_size() > self._max_bytes:
            detail = f"a body may have {self._max_bytes} bytes; {LARGER_FILES}"
            raise TooLarge(detail, reason="BODY_TOO_LARGE")
        if not is_form():
            yield from body_chunks()
            return
        for part in form_file():
            if isinstance(part, bytes):
                yield part


def _csv(found: PredictedTable) -> str:
    """Return the kept columns, the predictions, the probability of each class, and the contributions on request."""
    prediction = found.prediction
    names, columns = list(found.kept), [map(_text, cells) for cells in found.kept.values()]
    for name, values in _prediction_columns(prediction):
        names.append(name)
        columns.append(map(_text, values))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(distinct_names(names))
    writer.writerows(zip(*columns, strict=True))
    return stream.getvalue()


def _prediction_columns(prediction: Prediction) -> Iterator[tuple[str, Sequence[Any]]]:
    yield from _columns("prediction", prediction.predictions)
    if (probabilities := prediction.probabilities) is not None:
        if prediction.classes is None:
            yield from _columns("probability", probabilities)
        else:
            yield from zip(map(_text, prediction.classes), _short(probabilities.T), strict=True)
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
