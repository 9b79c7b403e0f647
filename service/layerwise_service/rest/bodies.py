"""Reading JSON bodies: typed and strict, with the place of an error in the body."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

import msgspec

from layerwise.checks import shown
from layerwise.errors import Place
from layerwise.wording import did_you_mean
from layerwise_service.domain.json_words import JSON_WORDS, json_word
from layerwise_service.errors import InvalidRequest, UnsupportedMedia
from layerwise_service.process.threads import run_now
from layerwise_service.rest.messages import JSON, Request

T = TypeVar("T")
Struct = TypeVar("Struct", bound=msgspec.Struct)


def check_json_type(request: Request, types: Sequence[str] = ()) -> None:
    """Raise `UnsupportedMedia` if a body is neither JSON nor of one of the `types`."""
    mime = request.mimetype
    if mime and mime != JSON and not mime.endswith("+json") and mime not in types:
        detail = f"expected a body of application/json, got {mime}"
        hint = "curl sends one with -H 'Content-Type: application/json', or a table file with text/csv"
        raise UnsupportedMedia(f"{detail}; {hint}")


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return the `body` of a request, decoded by `decoder`.

    Raises `InvalidRequest` if it is not JSON, msgspec's ValidationError if it does not have the types of `decoder`.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if (found := unreadable(body)) is not None:
            raise found from error
        detail = f"not valid JSON: {error}" if body else "expected a JSON object, got an empty body"
        raise InvalidRequest(detail, reason="INVALID_JSON") from error


def decoded_as(decoders: Sequence[msgspec.json.Decoder[Any]], body: bytes) -> Any:
    """Return the `body` of a request, decoded by the first of `decoders` that can. Raises `InvalidRequest`."""
    for decoder in decoders[:-1]:
        with suppress(msgspec.ValidationError):
            return decoded(decoder, body)
    try:
        return decoded(decoders[-1], body)
    except msgspec.ValidationError as error:
        raise unreadable(body) or refused_body(body, decoders[-1].type) from error


def read_json(kind: type[Struct], request: Request) -> Struct:
    """Return the JSON body of a request in a thread, a small one, as `kind`.

    Raises what `check_json_type`, `Request.receive`, `Request.body` and `decoded` raise.
    """
    check_json_type(request)
    run_now(request.receive())
    body = request.body()
    found: Struct = decoded_as((msgspec.json.Decoder(kind),), body)
    json.loads(body, parse_int=float, object_pairs_hook=_with_distinct_keys)
    return found


def check_keys(body: bytes, fields: Iterable[bytes]) -> None:
    """Raise `InvalidRequest` if an object of `body` has a key twice, of which decoding would take the last.

    Bodies without objects in them that name each of `fields` at most once pass unread.
    """
    # a key may be written with escapes
    if b"\\u" in body or body.count(b"{") > 1 or any(body.count(field) > 1 for field in fields):
        json.loads(body, parse_int=float, object_pairs_hook=_with_distinct_keys)


def _with_distinct_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequest(f"the key {shown(name)} is repeated in one object", reason="INVALID_JSON")
        found[name] = value
    return found


_DEEPEST = 16


class _Constant(str):
    """NaN, Infinity or -Infinity in a body."""

    __slots__ = ()


def unreadable(body: bytes) -> InvalidRequest | None:
    """Return the error for the first value that Python's reader of JSON takes, but this service does not.

    That is NaN, Infinity, a number beyond every float such as 1e400, and text with half of a surrogate pair; many
    programs write the first two. Returns None if there are none, or if the body is not JSON even with them.
    """
    try:
        found = json.loads(body.decode(), parse_int=float, parse_constant=_Constant)
        for steps, value in _values(found, ()):
            if (error := _unreadable_value(steps, value)) is not None:
                return error
    except (ValueError, RecursionError):
        pass
    return None


def _unreadable_value(steps: tuple[str | int, ...], value: object) -> InvalidRequest | None:
    if isinstance(value, str) and not isinstance(value, _Constant):
        try:
            value.encode()
        except UnicodeEncodeError:
            detail = f"expected text in Unicode, got half of a surrogate pair: {value[:64]!r}"
            return InvalidRequest(detail, pointer=Place(steps), reason="INVALID_JSON")
    elif isinstance(value, _Constant) or (isinstance(value, float) and not math.isfinite(value)):
        got = value if isinstance(value, _Constant) else "one beyond every float"
        if len(steps) < 2:  # a field of the request, and no value in its rows
            detail = f"expected a JSON value, got the number {got}"
            return InvalidRequest(detail, pointer=Place(steps), reason="INVALID_JSON")
        hint = "; null stands for a missing value" if isinstance(steps[-1], str) and got == "NaN" else ""
        detail = f"expected a finite number, got {got}{hint}"
        return InvalidRequest(detail, pointer=Place(steps), reason="NOT_FINITE")
    return None


def _values(value: object, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yield the names and values in `value`, each with the steps of its place; no finite numbers.

    What is nested more deeply than any request has it is left out: each value would take as many steps as it is deep.
    """
    if len(steps) > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, item in cast("dict[str, object]", value).items():
            yield (*steps, name), name
            yield from _values(item, (*steps, name))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            if not (type(item) is float and math.isfinite(item)):  # there may be millions of these
                yield from _values(item, (*steps, index))
    else:
        yield steps, value


def refused_body(body: bytes, kind: type[msgspec.Struct]) -> InvalidRequest:
    """Return the error for the first wrong value of `body`, which msgspec refused to decode as `kind`.

    msgspec gives the place of a wrong value only in its message. So `body` is decoded without types, and msgspec is
    asked of each part whether it has the right type.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        return InvalidRequest(f"a value cannot be read: {error}")
    return _refusal(value, kind, Place())


def _refusal(value: object, kind: Any, at: Place) -> InvalidRequest:
    got, kind = json_word(value), _meant(value, kind)
    parts: Iterable[tuple[str | int, object, Any]] = ()
    if isinstance(value, dict) and issubclass(get_origin(kind) or kind, msgspec.Struct):
        given = cast("dict[str, object]", value)
        known = {field.name: field for field in msgspec.structs.fields(kind)}
        for name in given:
            if name not in known:
                detail = f"unknown field; the fields are {', '.join(known)}{did_you_mean(name, known)}"
                return InvalidRequest(detail, pointer=Place(at, name), reason="UNKNOWN_FIELD")
        for name, field in known.items():
            if field.required and name not in given:
                return InvalidRequest("required, but missing", pointer=Place(at, name))
        parts = ((name, item, known[name].type) for name, item in given.items())
    elif isinstance(value, list) and get_origin(kind) is list:
        parts = ((index, item, get_args(kind)[0]) for index, item in enumerate(cast("list[object]", value)))
    elif isinstance(value, dict) and get_origin(kind) is dict:
        given = cast("dict[str, object]", value)
        parts = ((name, item, get_args(kind)[1]) for name, item in given.items())
    for step, item, wanted in parts:
        if not _fits(item, wanted):
            return _refusal(item, wanted, Place(at, step))
    return InvalidRequest(f"expected {_words_of(kind)}, got {got}", pointer=at)


def _meant(value: object, kind: Any) -> Any:
    """Return the list, or the object, of several types that a list or an object must be meant for."""
    outer = (list,) if isinstance(value, list) else (dict, msgspec.Struct) if isinstance(value, dict) else ()
    if len(kinds := _kinds_of(kind)) > 1:
        for each in kinds:
            if get_origin(each) is not Literal and issubclass(get_origin(each) or each, outer):
                return each
    return kind


def _kinds_of(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type."""
    return get_args(kind) if get_origin(kind) in (UnionType, Union) else (kind,)


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _words_of(kind: Any) -> str:
    """Return the name of a type for an error message: "a string or null" for `str | None`."""
    kinds = _kinds_of(kind)
    words = [json.dumps(word) for each in kinds if get_origin(each) is Literal for word in get_args(each)]
    plain = {get_origin(each) or each for each in kinds}
    words += [word for each, word in JSON_WORDS.items() if each in plain]
    return " or ".join(words) or "an object"
