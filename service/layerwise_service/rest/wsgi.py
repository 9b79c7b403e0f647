"""The application for servers of WSGI, and for Flask's own routes, which run in threads: PEP 3333."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from werkzeug.datastructures import EnvironHeaders

from layerwise_service.process.threads import run_now
from layerwise_service.rest.gateway import REQUEST_ID, Gateway, StartResponse
from layerwise_service.rest.messages import Request


class Wsgi:
    """A gateway as an application of WSGI. `service` serves it as one of RSGI, which is faster."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request = self.gateway.request(
            environ["REQUEST_METHOD"],
            environ.get("PATH_INFO", ""),
            environ.get("QUERY_STRING", ""),
            EnvironHeaders(environ),
            WsgiBody(environ["wsgi.input"]),
            version=environ["SERVER_PROTOCOL"].removeprefix("HTTP/"),
        )
        answer = run_now(self.gateway.answer(request, None))
        if answer is None:
            return self.gateway.leave(request, environ, start_response)
        status, headers, body = answer
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return (body,)


class WsgiBody:
    """A body whose reading blocks."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def whole(self, length: int | None, most: int) -> bytes:
        parts: list[bytes] = []
        left = most + 1 if length is None else length
        while left > 0 and (part := self._stream.read(left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    async def drop(self) -> None:
        """Do nothing: what to do with a body that was not read is left to the server."""


def wsgi_request(environ: dict[str, Any], *, max_body_bytes: int = 0) -> Request:
    """Return the request that Flask answers."""
    return Request(
        environ["REQUEST_METHOD"],
        environ.get("PATH_INFO", ""),
        environ.get("QUERY_STRING", ""),
        EnvironHeaders(environ),
        WsgiBody(environ["wsgi.input"]),
        request_id=environ[REQUEST_ID],
        max_body_bytes=max_body_bytes,
    )
