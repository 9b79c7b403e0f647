"""POST /predict with a table file as the body."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from flask import Response, request

from layerwise_service.errors import TooLarge
from layerwise_service.process.prediction_request import PredictionRequest
from layerwise_service.rest.answers import prediction_answer
from layerwise_service.rest.file_bodies import (
    UploadPlaces,
    body_size,
    check_coding,
    form_file,
    is_form,
    whole_body_chunks,
)
from layerwise_service.rest.messages import SMALL
from layerwise_service.rest.predict_options import OPTIONS, options_of
from layerwise_service.rest.query import check_query
from layerwise_service.rest.responses import flask_response
from layerwise_service.usecases.file_prediction import LARGER_FILES, FilePredictor

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


class FileRequests:
    """Answers requests whose body is a table file of at most `max_bytes`."""

    def __init__(self, files: FilePredictor, places: UploadPlaces, *, max_bytes: int) -> None:
        self._files = files
        self._places = places
        self._max_bytes = max_bytes

    def answer(self) -> Response:
        """Return the answer to this request. Raises `ServiceError`."""
        with PredictionRequest():
            return self._answer()

    def _answer(self) -> Response:
        check_query(*OPTIONS, repeated=("keep",))
        check_coding()
        options = options_of(request.args)
        wanted = options.wanted()
        keep = tuple(dict.fromkeys(request.args.getlist("keep")))
        with self._place():
            found = self._files.predict_file(
                self._chunks(),
                model=options.model,
                version=None if options.version is None else str(options.version),
                keep=keep,
                wanted=wanted,
                explain=options.explain,
            )
        extra = {"unused": found.unused} | ({"kept": found.kept} if keep else {})
        accepted = request.headers.get("Accept", "")
        return flask_response(
            prediction_answer(found.prediction, accepted, wanted=wanted, kept=found.kept, extra=extra)
        )

    def _place(self) -> AbstractContextManager[None]:
        """Return a place for a body that still arrives; a small one is here already."""
        size = request.content_length
        return nullcontext() if size is not None and size <= SMALL else self._places.taken()

    def _chunks(self) -> Iterator[bytes]:
        """Yield the file of this request. Raises `TooLarge`, `InvalidRequest`."""
        if body_size() > self._max_bytes:
            detail = f"a body may have {self._max_bytes} bytes; {LARGER_FILES}"
            raise TooLarge(detail, reason="BODY_TOO_LARGE")
        if not is_form():
            yield from whole_body_chunks()
            return
        for part in form_file():
            if isinstance(part, bytes):
                yield part
