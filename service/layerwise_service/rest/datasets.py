"""/api/datasets and /api/uploads: table files in, datasets out."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import cast

from flask import Blueprint, Response, request

from layerwise_service.domain.table_datasets import DatasetRows, TableDataset
from layerwise_service.errors import InvalidRequest
from layerwise_service.rest.file_bodies import (
    UploadPlaces,
    body_chunks,
    body_name,
    body_size,
    check_coding,
    form_file,
    is_form,
)
from layerwise_service.rest.query import (
    PAGE,
    as_csv,
    check_query,
    json_object,
    page,
    read_task,
    true_or_false,
    whole_number,
)
from layerwise_service.rest.responses import dataset_json, json_response, page_json
from layerwise_service.usecases.dataset_headers import FileHeader, read_as
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.profiles import Profiles

_READING = ("formats", "read_as", "transient")


def dataset_routes(datasets: Datasets, profiles: Profiles, places: UploadPlaces) -> Blueprint:
    """Return the routes, which call these use-cases."""
    routes = Blueprint("datasets", __name__, url_prefix="/api")

    @routes.post("/datasets")
    def create_dataset() -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query("name", "upload_id", "offset", "sha256", *_READING, repeated=("gaps",))
        check_coding()
        with places.taken():
            dataset = _form(datasets) if is_form() else _body(datasets)
        return json_response(dataset_json(dataset), 201)

    @routes.get("/uploads/<upload_id>")
    def get_upload(upload_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response({"upload_id": upload_id, "offset": datasets.offset(upload_id)})

    @routes.get("/datasets")
    def list_datasets() -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query(*PAGE)
        return json_response(page_json("datasets", datasets.page(**page()), dataset_json))

    @routes.get("/datasets/<dataset>")
    def get_dataset(dataset: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response(dataset_json(datasets.get(dataset)))

    @routes.get("/datasets/<dataset>/rows")
    def list_rows(dataset: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query("offset", "limit", "format")
        if as_csv():
            for name in ("offset", "limit"):
                if name in request.args:
                    raise InvalidRequest("all rows are sent as CSV; leave it out, or ask for JSON", pointer=name)
            return Response(datasets.csv(dataset), content_type="text/csv; charset=utf-8")
        return json_response(
            _rows_json(datasets.rows(dataset, offset=whole_number("offset"), limit=whole_number("limit")))
        )

    @routes.get("/datasets/<dataset>/profile")
    def get_profile(dataset: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query("target", "validation", "task", "quick", repeated=("ignore",))
        given = request.args
        found = profiles.get(
            dataset,
            target=given.get("target", ""),
            validation=given.get("validation", ""),
            task=read_task(given.get("task")),
            ignore=given.getlist("ignore"),
            quick=true_or_false("quick"),
        )
        return json_response(asdict(found))

    @routes.delete("/datasets/<dataset>")
    def delete_dataset(dataset: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        datasets.delete(dataset)
        return Response(status=204)

    return routes


def _header(size: int | None, name: str) -> FileHeader:
    """Return what this request says of its file, whose own name is `name`."""
    given = request.args
    model, _, version = given.get("read_as", "").partition("/")
    return FileHeader(
        size=size,
        upload_id=given.get("upload_id", ""),
        name=given.get("name") or name,
        sha256=given.get("sha256", ""),
        formats=json_object("formats"),
        gaps=tuple(given.getlist("gaps")),
        read_as=read_as(model, version),
        transient=true_or_false("transient"),
    )


def _body(datasets: Datasets) -> TableDataset:
    """Return the dataset of the file that is the body of this request."""
    offset = whole_number("offset")
    header = _header(offset + body_size(), body_name())
    with closing(datasets.upload(header)) as upload:
        for chunk in body_chunks():
            upload.add(chunk, offset=offset)
            offset += len(chunk)
        return upload.submit()


def _form(datasets: Datasets) -> TableDataset:
    """Return the dataset of the file in the form that is the body of this request."""
    for name in ("upload_id", "offset"):
        if name in request.args:
            raise InvalidRequest("only a file that is the whole body can go on; this body is a form", pointer=name)
    parts = form_file()
    name = cast("str", next(parts))
    header = _header(None, name)
    with closing(datasets.upload(header)) as upload:
        for chunk in parts:
            upload.add(cast("bytes", chunk), offset=upload.offset)
        return upload.submit()


def _rows_json(rows: DatasetRows) -> dict[str, object]:
    cells = zip(*rows.columns.values(), strict=True)
    return {
        "columns": list(rows.columns),
        "rows": list(cells),
        "offset": rows.offset,
        "next_offset": rows.next_offset,
    }
