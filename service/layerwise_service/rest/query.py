"""Query parameters."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, TypedDict

import msgspec
from flask import g, request
from werkzeug.routing import BaseConverter

from layerwise_service.domain.jobs import Task
from layerwise_service.domain.pages import wrong_page_size
from layerwise_service.errors import InvalidRequest
from layerwise_service.rest.messages import SMALL, Request
from layerwise_service.rest.wsgi import wsgi_request

PAGE = ("page_size", "page_token")
"""The parameters of a list."""


class Page(TypedDict):
    """The page of a list that the query asks for."""

    page_size: int
    page_token: str


def check_query(*known: str, repeated: Collection[str] = ()) -> None:
    """Raise `InvalidRequest` at the first query parameter of this request that is not in `known` or `repeated`.

    Only those in `repeated` may be there several times.

    Errors of this request about any of them name a parameter, and not a place in the body.
    """
    known = (*known, *repeated)
    g.parameters = {*known, *(name[:64] for name in request.args)}
    for name, values in request.args.lists():
        if name not in known:
            detail = f"unknown query parameter; this address takes {', '.join(known) or 'none'}"
            raise InvalidRequest(detail, pointer=name[:64], reason="UNKNOWN_FIELD")
        if len(values) > 1 and name not in repeated:
            raise InvalidRequest(f"expected this query parameter once, got it {len(values)} times", pointer=name)


def page() -> Page:
    """Return the page that the query asks for. Raises `InvalidRequest`."""
    text = request.args.get("page_size", "0")
    if not is_whole(text):
        raise wrong_page_size(text[:64] or "nothing")
    return {"page_size": int(text), "page_token": request.args.get("page_token", "")}


class NamedInPath(BaseConverter):
    """The name of something in a path. What is behind a colon is a verb."""

    regex = "[^/:]+"


def small_request() -> Request:
    """Return this request, whose body must be small: a larger one would keep a thread while it arrives."""
    return wsgi_request(request.environ, max_body_bytes=SMALL)


def has_body() -> bool:
    """Return whether this request has a body."""
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def whole_number(name: str) -> int:
    """Return the whole number of the parameter `name`, 0 if it is left out. Raises `InvalidRequest`."""
    text = request.args.get(name, "0")
    if not is_whole(text):
        raise InvalidRequest(f"expected a whole number of at least 0, got {text[:64] or 'nothing'}", pointer=name)
    return int(text)


def true_or_false(name: str) -> bool:
    """Return the parameter `name`, false if it is left out. Raises `InvalidRequest`."""
    text = request.args.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidRequest(f"expected true or false, got {text[:64] or 'nothing'}", pointer=name)
    return text == "true"


def read_task(text: str | None) -> Task | None:
    """Return the task with this name, None if there is none. Raises `InvalidRequest`."""
    if text is not None and text not in list(Task):
        raise InvalidRequest(f"expected {' or '.join(Task)}, got {text[:64] or 'nothing'}", pointer="task")
    return None if text is None else Task(text)


def as_csv() -> bool:
    """Return whether the answer shall be CSV: by `format`, else by the header Accept. Raises `InvalidRequest`."""
    text = request.args.get("format")
    if text not in (None, "json", "csv"):
        raise InvalidRequest(f"expected json or csv, got {text[:64] or 'nothing'}", pointer="format")
    if text is not None:
        return text == "csv"
    return request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv"


def json_object(name: str) -> dict[str, Any]:
    """Return the JSON object of the parameter `name`, empty if it is left out. Raises `InvalidRequest`."""
    text = request.args.get(name, "{}")
    try:
        found = msgspec.json.decode(text, type=dict[str, Any])
        json.loads(text, object_pairs_hook=_distinct)
    except (msgspec.DecodeError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidRequest(f"expected a JSON object: {why}", pointer=name) from error
    except _Repeated as error:
        raise InvalidRequest(f"expected each name once, got {str(error)[:64]!r} twice", pointer=name) from error
    return found


class _Repeated(ValueError):
    """A name that is twice in an object."""


def _distinct(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise _Repeated(name)
        seen.add(name)


def is_whole(text: str) -> bool:
    """Return whether `text` is a whole number of at least 0 and at most 18 digits."""
    return text.isascii() and text.isdecimal() and len(text) <= 18
