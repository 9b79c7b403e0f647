"""Files in the bodies of requests, chunk by chunk: the body as it is, or the one file of a form."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import NEED_DATA, Data, Epilogue, Field, File, MultipartDecoder

from layerwise_service.errors import Exhausted, InvalidRequest, UnsupportedMedia

CHUNK = 2**20
"""Bytes in memory at a time."""
_FORM = "multipart/form-data"
_MOST_UPLOADS = 16  # of a process: a quarter of its threads


class UploadPlaces:
    """Places for callers that send files: few, since others would wait for a thread."""

    def __init__(self) -> None:
        self._free = BoundedSemaphore(_MOST_UPLOADS)

    @contextmanager
    def taken(self) -> Generator[None]:
        """Run the block, which reads a body, in one of the places. Raises `Exhausted` if there is none."""
        if not self._free.acquire(blocking=False):
            detail = f"{_MOST_UPLOADS} callers are sending files, the most allowed; try again"
            raise Exhausted(detail, reason="TOO_MANY_UPLOADS", retry_after=5)
        try:
            yield
        finally:
            self._free.release()


def is_form() -> bool:
    """Return whether the body of this request is a form."""
    return request.mimetype == _FORM


def body_size() -> int:
    """Return the size of the body of this request. Raises `InvalidRequest` if that is not said."""
    size = request.content_length
    if size is None and "Transfer-Encoding" not in request.headers:
        return 0
    if size is None:
        detail = "expected the header Content-Length, which shows whether the file is complete"
        raise InvalidRequest(detail, reason="LENGTH_REQUIRED")
    return size


def body_name() -> str:
    """Return the name of the file in the header Content-Disposition, "" if there is none."""
    _, options = parse_options_header(request.headers.get("Content-Disposition"))
    return options.get("filename", "")


def check_coding() -> None:
    """Raise `UnsupportedMedia` for a body in a coding other than gzip, which files may have as well."""
    if (coding := request.headers.get("Content-Encoding", "identity")) not in ("identity", "gzip"):
        raise UnsupportedMedia(f"expected a body as it is, or in gzip, got one in the coding {coding[:40]}")


def check_plain() -> None:
    """Raise `UnsupportedMedia` for a body in any coding."""
    if (coding := request.headers.get("Content-Encoding", "identity")) != "identity":
        raise UnsupportedMedia(f"expected a body as it is, got one in the coding {coding[:40]}")


def body_chunks() -> Iterator[bytes]:
    """Yield the body of this request, as much of it as arrives."""
    left = body_size()
    while left and (chunk := request.environ["wsgi.input"].read(min(left, CHUNK))):
        left -= len(chunk)
        yield chunk


def whole_body_chunks() -> Iterator[bytes]:
    """Yield the body of this request. Raises `InvalidRequest` at its end if it is cut off."""
    left = body_size()
    for chunk in body_chunks():
        left -= len(chunk)
        yield chunk
    if left:
        detail = f"expected a body of {body_size()} bytes, it was cut off {left} bytes before its end"
        raise InvalidRequest(detail, reason="CUT_OFF")


def form_file() -> Iterator[str | bytes]:
    """Yield the name of the file in the form of this request, then the file. Raises `InvalidRequest`."""
    decoder = MultipartDecoder(request.mimetype_params.get("boundary", "").encode(), 4 * CHUNK, max_parts=10)
    chunks, is_file, files, ended = body_chunks(), False, 0, False
    try:
        while not ended:
            match decoder.next_event():
                case File() as part:
                    is_file, files = True, files + 1
                    if files > 1:
                        raise InvalidRequest("expected a form with one file, got several", reason="NOT_ONE_FILE")
                    yield part.filename or ""
                case Field() as part:
                    name = part.name[:64]
                    detail = f"expected nothing but a file in the form; put this into the address, as ?{name}=…"
                    raise InvalidRequest(detail, pointer=name, reason="UNKNOWN_FIELD")
                case Data() as data if is_file:
                    yield bytes(data.data)
                case Epilogue():
                    ended = True
                case event if event is NEED_DATA:
                    decoder.receive_data(next(chunks, None))
                case _:
                    pass
    except (ValueError, RequestEntityTooLarge) as error:
        raise InvalidRequest(f"the form cannot be read; it may be cut off: {error}", reason="INVALID_FORM") from error
    if not files:
        raise InvalidRequest("expected a form with one file, got none", reason="NOT_ONE_FILE")
