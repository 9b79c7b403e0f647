"""A request as it arrives from the WSGI server, and an answer to it."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from layerwise_service.errors import InvalidRequest, TooLarge, UnsupportedMedia

JSON = "application/json"

_DRAINED = (
    128 * 2**20
)  # bytes of a body beyond the limit that are read and dropped, so that its sender reads the answer
_CHUNK = 2**20
_CODINGS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""By the name of a content coding: zlib's `wbits`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back. The gateway adds the headers that every answer has."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Sequence[tuple[str, str]] = ()
    packable: bool = True
    """Whether it is sent in gzip or deflate to a caller that accepts that, if it is long enough to gain by it."""


class Request:
    """A request: the environment of WSGI, with the parts that are used read once."""

    __slots__ = ("_max_body_bytes", "environ", "method", "parameters", "path", "request_id")

    def __init__(self, environ: dict[str, Any], *, request_id: str, max_body_bytes: int) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ.get("PATH_INFO", "")
        self.request_id = request_id
        self.parameters: Collection[str] = ()  # of the query: what an error may be about besides the body
        self._max_body_bytes = max_body_bytes

    def header(self, name: str) -> str:
        """Return the header `name`, "" if there is none."""
        found: str = self.environ.get(f"HTTP_{name.upper().replace('-', '_')}", "")
        return found

    @property
    def mimetype(self) -> str:
        """The type of the body, in lower case and without parameters; "" if the request does not say it."""
        given: str = self.environ.get("CONTENT_TYPE") or ""
        return given if given == JSON else given.partition(";")[0].strip().lower()

    def query(self, *known: str) -> dict[str, str]:
        """Return the query parameters. Raises `InvalidRequest` for one that is not `known`, or is given twice."""
        text: str = self.environ.get("QUERY_STRING", "")
        found: dict[str, str] = {}
        given = parse_qsl(text, keep_blank_values=True) if text else []
        self.parameters = {*known, *(name[:64] for name, _ in given)}
        for name, value in given:
            if name not in known:
                takes = f"takes {', '.join(known)}" if known else "takes none with such a body"
                detail = f"unknown query parameter; this address {takes}"
                raise InvalidRequest(detail, pointer=name[:64], reason="UNKNOWN_FIELD")
            if name in found:
                raise InvalidRequest("expected this query parameter once, got it twice", pointer=name)
            found[name] = value
        return found

    def body(self) -> bytes:
        """Return the whole body, unpacked if it is in gzip or deflate.

        Raises `TooLarge` if it is larger than a body may be, packed or unpacked, `InvalidRequest`, `UnsupportedMedia`.
        """
        coding = self.header("Content-Encoding").lower()
        if not coding or coding == "identity":
            return self._sent()
        if coding not in _CODINGS:
            raise UnsupportedMedia(f"expected a body as it is, or in gzip or deflate, got one in {coding[:40]!r}")
        return self._unpacked(self._sent(), coding)

    def _sent(self) -> bytes:
        length = content_length(self.environ)
        most, stream = self._max_body_bytes, self.environ["wsgi.input"]
        if length is None:  # in chunks, or no body at all
            body = _read(stream, most + 1)
        elif length > most:
            body = b""
        else:
            body = stream.read(length)
            if len(body) < length:
                body += _read(stream, length - len(body))
        if len(body) > most or (length is not None and length > most):
            drain(stream)
            raise self._too_large("")
        if length is not None and len(body) < length:
            raise InvalidRequest(f"expected a body of {length} bytes, got {len(body)}")
        return body

    def _unpacked(self, packed: bytes, coding: str) -> bytes:
        most = self._max_body_bytes
        unpacking = zlib.decompressobj(_CODINGS[coding])
        try:
            body = unpacking.decompress(packed, most + 1)
        except zlib.error as error:
            raise InvalidRequest(f"the body is not in {coding}, which its Content-Encoding says: {error}") from error
        if len(body) > most:
            raise self._too_large(" when it is unpacked")
        if not unpacking.eof:
            raise InvalidRequest(f"the body is cut off: it ends before the end of its {coding}")
        return body

    def _too_large(self, when: str) -> TooLarge:
        detail = f"a body may have {self._max_body_bytes} bytes{when}; send the rows in several requests"
        return TooLarge(detail, reason="BODY_TOO_LARGE")


def content_length(environ: Mapping[str, Any]) -> int | None:
    """Return the header Content-Length, None without a valid one."""
    text: str = environ.get("CONTENT_LENGTH") or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def packed_answer(answer: Answer, accepted: str) -> Answer:
    """Return `answer` in the coding that the header Accept-Encoding asks for, if one is known and saves bytes."""
    names = [part.partition(";")[0].strip().lower() for part in accepted.split(",") if part[-3:] != "q=0"]
    coding = next((name for name in ("gzip", "deflate") if name in names), "")
    if not coding:
        return answer
    packing = zlib.compressobj(1, zlib.DEFLATED, _CODINGS[coding])
    body = packing.compress(answer.body) + packing.flush()
    headers = (*answer.headers, ("Content-Encoding", coding), ("Vary", "Accept-Encoding"))
    return Answer(body, answer.status, answer.content_type, headers)


def _read(stream: Any, most: int) -> bytes:
    parts: list[bytes] = []
    while most > 0 and (part := stream.read(most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def drain(stream: Any) -> None:
    """Read and drop what is still sent, up to a limit: a caller in mid-send would not see the answer else."""
    left = _DRAINED
    while left > 0 and (part := stream.read(_CHUNK)):
        left -= len(part)
