"""Model files over REST: POST …/versions brings one in, GET …/versions/V/file brings one out."""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from layerwise_service.domain.models import Version
from layerwise_service.errors import NotAsRequired, OutOfRange
from layerwise_service.rest.file_bodies import (
    CHUNK,
    UploadPlaces,
    body_chunks,
    body_size,
    check_plain,
    form_file,
    is_form,
)
from layerwise_service.rest.query import check_query
from layerwise_service.rest.responses import json_response, version_json
from layerwise_service.usecases.file_upload import FileUpload
from layerwise_service.usecases.model_files import Imported, ModelFileHeader, ModelFiles


def version_file_routes(files: ModelFiles, places: UploadPlaces) -> Blueprint:
    """Return the routes, which call these use-cases."""
    routes = Blueprint("version_files", __name__, url_prefix="/api/models/<model>/versions")

    @routes.post("")
    def import_version(model: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query("sha256")
        check_plain()
        form, sha256 = is_form(), request.args.get("sha256", "")
        with places.taken():
            header = ModelFileHeader(model=model, size=None if form else body_size(), sha256=sha256)
            with closing(files.upload(header)) as upload:
                imported = _received(upload, form=form)
        return json_response(version_json(imported.version), 201 if imported.created else 200)

    @routes.get("/<version>/file")
    def get_file(model: str, version: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        found, file = files.open(model, version)
        if not _is_one_range():
            request.environ.pop("HTTP_RANGE", None)  # what is not understood is ignored: RFC 9110
        content = wrap_file(request.environ, file, CHUNK)
        response = Response(content, mimetype="application/octet-stream", direct_passthrough=True)
        response.call_on_close(file.close)
        response.content_length = found.size_bytes
        response.headers["Content-Disposition"] = f'attachment; filename="{_file_name(found)}"'
        response.set_etag(found.sha256)
        try:
            response.make_conditional(request.environ, accept_ranges=True, complete_length=found.size_bytes)
        except RequestedRangeNotSatisfiable as error:
            response.close()
            detail = f"expected a range within the {found.size_bytes} bytes of the file"
            raise OutOfRange(detail, pointer="Range") from error
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            response.close()
            raise NotAsRequired(f'the ETag of the file is "{found.sha256}"', pointer="If-Match")
        return response

    return routes


def _is_one_range() -> bool:
    asked = request.range
    return asked is not None and asked.units == "bytes" and len(asked.ranges) == 1


def _received(upload: FileUpload[Imported], *, form: bool) -> Imported:
    for chunk in form_file() if form else body_chunks():
        if isinstance(chunk, bytes):  # the name of the file in a form tells nothing
            upload.add(chunk, offset=upload.offset)
    return upload.submit()


def _file_name(version: Version) -> str:
    return f"{version.model}-{version.number}.npz"
