"""A case of the comparison with Triton over REST: requests that are sent one after the other, and their answers."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from helpers.triton.statistics import growth, without_numbers

HEADERS = ("content-type", "content-encoding", "accept-encoding", "inference-header-content-length")
UNPACK: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress}


@dataclass(frozen=True)
class Step:
    """One request."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RestCase:
    """Requests in their order; with `counted`, what they add to the model's statistics is recorded as well."""

    name: str
    steps: tuple[Step, ...]
    counted: bool = False


Send = Callable[[Step], tuple[int, Iterable[tuple[str, str]], bytes]]
"""What sends a request: its answer's status, headers and body."""


def case(name: str, *steps: Step, counted: bool = False) -> RestCase:
    return RestCase(name, steps, counted)


def get(name: str, path: str, **headers: str) -> RestCase:
    return case(name, Step("GET", path, headers=_header_names(headers)))


def post(name: str, path: str, body: Any, **headers: str) -> RestCase:
    return case(name, post_step(path, body, **headers))


def post_step(path: str, body: Any, **headers: str) -> Step:
    """A request with headers such as `Content_Type`; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Step("POST", path, data, _header_names(headers))


def _header_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def answers(send: Send, case: RestCase) -> Any:
    """The answers of a case as they are recorded: of one request its answer, of more a list."""
    if case.counted:
        return growth(lambda: _statistics(send), lambda: [_answer(send, step) for step in case.steps])
    found = [_answer(send, step) for step in case.steps]
    return found[0] if len(found) == 1 else found


def _statistics(send: Send) -> dict[str, Any]:
    _, _, body = send(Step("GET", "/v2/models/bench/versions/1/stats"))
    found: dict[str, Any] = json.loads(body)["model_stats"][0]
    return found


def _answer(send: Send, step: Step) -> dict[str, Any]:
    """The answer as it is recorded: JSON as it is, other bytes in base64."""
    status, pairs, body = send(step)
    headers = {name.lower(): value for name, value in pairs if name.lower() in HEADERS}
    body = UNPACK.get(headers.get("content-encoding", ""), bytes)(body)
    length = headers.pop("inference-header-content-length", None)
    text, binary = (body, b"") if length is None else (body[: int(length)], body[int(length) :])
    found: dict[str, Any] = {"status": status, "headers": headers, "body": without_numbers(_json(text))}
    return found if length is None else found | {"binary": base64.b64encode(binary).decode()}


def _json(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return {"base64": base64.b64encode(text).decode()}
