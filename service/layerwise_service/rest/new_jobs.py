"""POST /api/jobs: a job on a dataset, or on rows in the body, which become a dataset."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager, nullcontext
from threading import BoundedSemaphore
from typing import Any

import msgspec
from flask import g, request

from layerwise.errors import Place
from layerwise_service.domain.job_notes import Notes
from layerwise_service.domain.jobs import Job
from layerwise_service.errors import AlreadyExists, Exhausted, InvalidRequest
from layerwise_service.rest.bodies import read_json
from layerwise_service.rest.file_bodies import UploadPlaces, body_size
from layerwise_service.rest.messages import SMALL
from layerwise_service.rest.query import read_task
from layerwise_service.rest.wsgi import wsgi_request
from layerwise_service.usecases.dataset_headers import FileHeader
from layerwise_service.usecases.dataset_jobs import DatasetJobs
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.job_request import DatasetJob

_AT_ONCE = 2  # jobs that are made at the same time in each process: their rows are read and encoded
_KEY = "Idempotency-Key"


class JobBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What to train, on what, and what is said of it."""

    model: str
    dataset: str = ""
    rows: list[dict[str, Any]] | None = None
    target: str
    architecture: dict[str, Any]
    plan: dict[str, Any] = {}
    ignore: list[str] = []
    weight: str = ""
    task: str | None = None
    encoder: dict[str, Any] | None = None
    start_from: str | None = None
    validation_dataset: str = ""
    validation_column: str = ""
    labels: dict[str, str] = {}
    note: str = ""
    priority: int = 0


class NewJobs:
    """Makes the jobs that bodies ask for."""

    def __init__(
        self, datasets: Datasets, dataset_jobs: DatasetJobs, places: UploadPlaces, *, max_body_bytes: int
    ) -> None:
        self._datasets = datasets
        self._dataset_jobs = dataset_jobs
        self._places = places
        self._max_body_bytes = max_body_bytes
        self._free = BoundedSemaphore(_AT_ONCE)

    def create(self) -> Job:
        """Return the job that this request asks for. Raises `ServiceError`."""
        with nullcontext() if body_size() <= SMALL else self._places.taken():
            body = read_json(JobBody, wsgi_request(request.environ, max_body_bytes=self._max_body_bytes))
        if (body.rows is None) is not bool(body.dataset):
            raise InvalidRequest("expected either the dataset, by its id or name, or rows", pointer="dataset")
        with self._taken(), _about_the_key():
            dataset = body.dataset if body.rows is None else self._stored(body.rows, body.model)
            return self._dataset_jobs.create(
                DatasetJob(
                    model=body.model,
                    dataset=dataset,
                    target=body.target,
                    architecture=body.architecture,
                    plan=body.plan,
                    ignore=tuple(body.ignore),
                    weight=body.weight,
                    task=read_task(body.task),
                    encoder=body.encoder,
                    request_id=request.headers.get(_KEY),
                    start_from=None if body.start_from is None else _start(body.start_from),
                    validation_dataset=body.validation_dataset,
                    validation_column=body.validation_column,
                    notes=Notes(body.labels, body.note, body.priority),
                )
            )

    def _stored(self, rows: list[dict[str, Any]], model: str) -> str:
        """Return the id of the dataset that the rows become: they are read as a file of JSON Lines is."""
        if not rows:
            raise InvalidRequest("expected at least one row", pointer="rows")
        for number, row in enumerate(rows):
            for name, cell in row.items():
                if isinstance(cell, dict | list):
                    detail = "expected a number, a text, true, false or null"
                    raise InvalidRequest(detail, pointer=Place("rows", number, name))
        lines = msgspec.json.Encoder().encode_lines(rows)
        header = FileHeader(size=len(lines), name=f"rows for {model}"[:255], transient=True)
        with closing(self._datasets.upload(header)) as upload:
            upload.add(lines, offset=0)
            return upload.submit().id

    @contextmanager
    def _taken(self) -> Generator[None]:
        if not self._free.acquire(blocking=False):
            raise Exhausted(f"{_AT_ONCE} jobs are being made, the most allowed; try again", retry_after=2)
        try:
            yield
        finally:
            self._free.release()


@contextmanager
def _about_the_key() -> Generator[None]:
    """Let errors about the id of the request name its header."""
    try:
        yield
    except (AlreadyExists, InvalidRequest) as error:
        if error.place != Place("request_id"):
            raise
        g.parameters = {_KEY}
        raise type(error)(error.detail, pointer=_KEY, reason=error.reason) from error


def _start(text: str) -> tuple[str, str]:
    model, slash, version = text.partition("/")
    if not model or (slash and not version):
        detail = f"expected a model, or model/version, got {text[:128]!r}"
        raise InvalidRequest(detail, pointer="start_from")
    return model, version
