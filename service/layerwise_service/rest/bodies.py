"""How JSON bodies are read: typed and strict, an error saying where in the body it is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import TypeVar, cast

import msgspec
from flask import request

from layerwise_service.errors import InvalidRequest, TooLarge, UnsupportedMedia

T = TypeVar("T")

_WANTED = {
    "float": "a number",
    "int": "a whole number",
    "str": "a string",
    "array": "a list",
    "object": "an object",
    "bool": "true or false",
    "null": "null",
}


def read_body() -> bytes:
    """The body of this request, which says that it is JSON. Raises `InvalidRequest`."""
    mime = request.mimetype
    if mime and mime != "application/json" and not mime.endswith("+json"):
        detail = (
            f"expected a body of application/json, got {mime}; curl sends one with -H 'Content-Type: application/json'"
        )
        raise UnsupportedMedia(detail)
    if coding := request.headers.get("Content-Encoding"):
        raise UnsupportedMedia(f"expected a body as it is, got one in the coding {coding[:40]}")
    return _whole_body()


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """`body` as `decoder` types it. Raises `InvalidRequest` for what is no JSON, else msgspec's ValidationError."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if (refusal := not_finite(body)) is not None:
            raise refusal from error
        detail = f"not valid JSON: {error}" if body else "expected a JSON object, got an empty body"
        raise InvalidRequest(detail, reason="INVALID_JSON") from error


def _whole_body() -> bytes:
    """The whole body, whether its length was told or it comes in chunks. Raises `TooLarge`, `InvalidRequest`."""
    told, most = request.content_length, request.max_content_length or 0
    body = b""
    if told is None or told <= most:
        stream, wanted = request.environ["wsgi.input"], most + 1 if told is None else told
        parts: list[bytes] = []
        while wanted and (part := stream.read(wanted)):
            parts.append(part)
            wanted -= len(part)
        body = b"".join(parts)
    if max(told or 0, len(body)) > most:
        raise TooLarge(f"a body may have {most} bytes; send the rows in several requests", reason="BODY_TOO_LARGE")
    if told is not None and len(body) < told:
        raise InvalidRequest(f"expected a body of {told} bytes, got {len(body)}")
    return body


class _Constant(str):
    """NaN, Infinity or -Infinity, as it stands in a body."""

    __slots__ = ()


def not_finite(body: bytes) -> InvalidRequest | None:
    """The error of the first value of `instances` that is no finite float: NaN, Infinity, 1e400.

    JSON has no such numbers, but many programs write them. None if the body has none, or is no JSON apart from them.
    """
    try:
        found = json.loads(body.decode(), parse_int=float, parse_constant=_Constant)
    except (ValueError, RecursionError):
        return None
    rows = cast("dict[str, object]", found).get("instances") if isinstance(found, dict) else None
    for index, row in enumerate(cast("list[object]", rows) if isinstance(rows, list) else ()):
        for place, value in _cells(row):
            if isinstance(value, _Constant) or (isinstance(value, float) and not math.isfinite(value)):
                got = value if isinstance(value, _Constant) else "one beyond every float"
                hint = "; null stands for a missing value" if isinstance(row, dict) and got == "NaN" else ""
                detail = f"expected a finite number, got {got}{hint}"
                return InvalidRequest(detail, pointer=f"instances[{index}]{place}", reason="NOT_FINITE")
    return None


def _cells(row: object) -> Iterator[tuple[str, object]]:
    """The values of a row, each with its place in it."""
    if isinstance(row, dict):
        for name, value in cast("dict[str, object]", row).items():
            yield f".{name}", value
    elif isinstance(row, list):
        for index, value in enumerate(cast("list[object]", row)):
            yield f"[{index}]", value
    else:
        yield "", row


def invalid(error: msgspec.ValidationError) -> InvalidRequest:
    """msgspec's "Expected `float`, got `str` - at `$.instances[3][1]`" in our words."""
    text, _, path = str(error).partition(" - at `$")
    pointer = path.rstrip("`").lstrip(".").replace("[...]", "")  # of an object by any names, which msgspec leaves open
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", text, re.DOTALL):
        name = match[1]
        return InvalidRequest("unknown field", pointer=f"{pointer}.{name}".lstrip("."), reason="UNKNOWN_FIELD")
    if match := re.fullmatch(r"Object missing required field `(.*)`", text):
        return InvalidRequest("required, but missing", pointer=f"{pointer}.{match[1]}".lstrip("."))
    if match := re.fullmatch(r"Expected `(.*)`, got `(.*)`", text):
        kinds = match[1].split(" | ")
        words = [word for kind, word in _WANTED.items() if kind in kinds and not (kind == "int" and "float" in kinds)]
        wanted = " or ".join(words)
        return InvalidRequest(f"expected {wanted}, got {_WANTED.get(match[2], match[2])}", pointer=pointer)
    if text == "Number out of range":
        return InvalidRequest("expected a finite number within float32", pointer=pointer, reason="NOT_FINITE")
    return InvalidRequest(text[:1].lower() + text[1:], pointer=pointer)
