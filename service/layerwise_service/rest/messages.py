"""A request, whatever server it comes from, and an answer to it."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

from layerwise_service.errors import InvalidRequest, TooLarge, UnsupportedMedia

JSON = "application/json"
SMALL = 2**16
"""Bytes of a body that arrives whatever else does."""

_CODINGS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""By the name of a content coding: zlib's `wbits`."""
_MOST_RATIO = 1_032
"""How many bytes a packed byte may stand for: deflate packs 258 into two bits."""


class Headers(Protocol):
    """The headers of a request by their names."""

    def get(self, name: str, default: str, /) -> Any:
        """Return a header, `default` if there is none."""
        ...

    def __contains__(self, name: str, /) -> bool: ...


@dataclass(slots=True)
class Answer:
    """What is sent back. The gateway adds the headers that every answer has."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Sequence[tuple[str, str]] = ()
    packable: bool = True
    """Whether it is sent in gzip or deflate to a caller that accepts that, if it is long enough to gain by it."""


class Body(Protocol):
    """A body that arrives, read in an event loop; or at once, where reading blocks."""

    async def whole(self, length: int | None, most: int) -> bytes:
        """Return all of it, `length` bytes if that is said, or what has arrived of them if it is cut off.

        Of one that has more than `most` bytes, it may return more than that instead. Raises `InvalidRequest` if its
        chunks are cut off or cannot be read, or if it stops coming.
        """
        ...

    async def drop(self) -> None:
        """Read and drop what is still sent, up to a limit: a caller in mid-send would not see the answer else."""
        ...


class Request:
    """A request, whatever server it comes from. The names of `headers` are in lower case."""

    __slots__ = (
        "_body",
        "_max_body_bytes",
        "_received",
        "_unpacked",
        "headers",
        "method",
        "parameters",
        "path",
        "query_string",
        "request_id",
        "version",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query_string: str,
        headers: Headers,
        body: Body | None = None,
        *,
        version: str = "1.1",
        request_id: str = "",
        max_body_bytes: int = 0,
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers
        self.version = version
        """That of HTTP."""
        self.request_id = request_id
        self.parameters: Collection[str] = ()  # of the query: what an error may be about besides the body
        self._body = body
        self._max_body_bytes = max_body_bytes
        self._received: bytes | None = None
        self._unpacked = False

    def header(self, name: str) -> str:
        """Return the header `name`, which is in lower case; "" if there is none."""
        found: str = self.headers.get(name, "")
        return found

    @property
    def mimetype(self) -> str:
        """The type of the body, in lower case and without parameters; "" if the request does not say it."""
        given = self.header("content-type")
        return given if given == JSON else given.partition(";")[0].strip().lower()

    def query(self, *known: str) -> dict[str, str]:
        """Return the query parameters. Raises `InvalidRequest` for one that is not `known`, or is given twice."""
        text = self.query_string
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

    @property
    def is_packed(self) -> bool:
        """Whether the body is in gzip or deflate, and may be larger than what is kept of it."""
        return not self._unpacked and self._coding not in ("", "identity")

    @property
    def most_bytes(self) -> int:
        """How many bytes the body that was received may have when it is unpacked."""
        size = len(self._received or b"")
        return min(self._max_body_bytes, _MOST_RATIO * size) if self.is_packed else size

    @property
    def _coding(self) -> str:
        return self.header("content-encoding").lower()

    async def receive(self) -> bytes:
        """Return the whole body as it was sent, and keep it for `body`.

        Raises `TooLarge` if it is larger than a body may be, and `InvalidRequest` if it is cut off.
        """
        if self._received is None:
            self._received = await self._arrived()
        return self._received

    def body(self) -> bytes:
        """Return the body that was received, unpacked if it is in gzip or deflate.

        Raises `TooLarge` if it is larger than a body may be, `InvalidRequest`, `UnsupportedMedia`.
        """
        assert self._received is not None
        if self.is_packed:
            body = self._plain(self._received, self._max_body_bytes)
            if body is None:
                raise self._too_large(" when it is unpacked")
            return body
        return self._received

    def unpack(self, most: int) -> None:
        """Unpack the body that was received, if it then has at most `most` bytes. Raises what `body` raises."""
        assert self._received is not None
        if (body := self._plain(self._received, min(most, self._max_body_bytes))) is not None:
            self._received, self._unpacked = body, True

    async def _arrived(self) -> bytes:
        length, most, source = self.length, self._max_body_bytes, self._body
        if source is None or (length is None and "transfer-encoding" not in self.headers):
            return b""
        if length is None or length <= most:
            body = await source.whole(length, most)
            if length is not None and len(body) < length:
                raise InvalidRequest(f"expected a body of {length} bytes, it was cut off before that")
            if len(body) <= most:
                return body
        raise self._too_large("")

    async def discard(self) -> None:
        """Drop a body that was not received, up to a limit, so that its sender reads the answer.

        A sender that waits for a go-ahead (Expect: 100-continue) gets none.
        """
        if self._received is None and self._body is not None and "expect" not in self.headers:
            await self._body.drop()

    @property
    def may_be_large(self) -> bool:
        """Whether the body has more than `SMALL` bytes, or does not say how many."""
        length = self.length
        return "transfer-encoding" in self.headers if length is None else length > SMALL

    @property
    def length(self) -> int | None:
        """The header Content-Length, None without a valid one."""
        text = self.header("content-length")
        return int(text) if text.isascii() and text.isdecimal() and len(text.lstrip("0")) < 19 else None

    def _plain(self, packed: bytes, most: int) -> bytes | None:
        """Return an unpacked body, None if it has more than `most` bytes."""
        coding = self._coding
        if coding not in _CODINGS:
            raise UnsupportedMedia(f"expected a body as it is, or in gzip or deflate, got one in {coding[:40]!r}")
        parts, rest = list[bytes](), packed
        while rest or not parts:  # in gzip, one member may follow another
            unpacking = zlib.decompressobj(_CODINGS[coding])
            try:
                parts.append(unpacking.decompress(rest, most + 1))
            except zlib.error as error:
                detail = f"the body is not in {coding}, which its Content-Encoding says: {error}"
                raise InvalidRequest(detail) from error
            most -= len(parts[-1])
            if most < 0:
                return None
            if not unpacking.eof:
                raise InvalidRequest(f"the body is cut off: it ends before the end of its {coding}")
            rest = unpacking.unused_data
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_large(self, when: str) -> TooLarge:
        detail = f"a body may have {self._max_body_bytes} bytes{when}; send fewer in one request"
        return TooLarge(detail, reason="BODY_TOO_LARGE")


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
