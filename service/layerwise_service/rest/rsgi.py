"""The application for granian: RSGI, where an event loop reads requests and answers predictions.

A caller that sends slowly costs the loop nothing. What Flask answers runs in threads. See
https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import IO, Any, TypeVar

from granian.rsgi import HTTPProtocol, ProtocolClosed, Scope  # type: ignore[attr-defined]  # not in an __all__
from werkzeug.wsgi import FileWrapper

from layerwise_service.rest.gateway import Gateway, said
from layerwise_service.rest.messages import Request
from layerwise_service.rest.responses import problem_answer

T = TypeVar("T")

THREADS = 64
"""Of a process, for what Flask answers; and as many for what takes long in requests for predictions."""
_SMALL = 2**16  # bytes of a body that arrives whatever else does
_LARGE_AT_ONCE = 64  # larger bodies that arrive at the same time
_DROPPED = 128 * 2**20
"""Bytes of a body beyond the limit that are read and dropped."""


_FILE = "layerwise.file"
"""The key of the file that is the answer, in the environment of WSGI."""


class Rsgi:
    """A gateway as an application of RSGI."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._predicting = ThreadPoolExecutor(THREADS, thread_name_prefix="predict")
        self._others = ThreadPoolExecutor(THREADS, thread_name_prefix="flask")
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer a request."""
        pairs = scope.headers.items()
        headers = dict(pairs)
        if len(headers) < len(pairs):
            headers = _joined(pairs)
        version = "1.0" if scope.http_version == "1" else scope.http_version
        body = RsgiBody(protocol, self._large)
        request = self._gateway.request(scope.method, scope.path, scope.query_string, headers, body, version=version)
        answer = await self._gateway.answer(request, self._predicting)
        if answer is not None:
            protocol.response_bytes(*answer)
            return
        try:
            await self._leave(request, _environ(request, headers, scope), protocol)
        except Exception as error:  # noqa: BLE001 - nothing else answers it
            problem = problem_answer(said(error, request.request_id, request.path), request)
            protocol.response_bytes(problem.status, [("Content-Type", problem.content_type)], problem.body)

    async def _leave(self, request: Request, environ: dict[str, Any], protocol: HTTPProtocol) -> None:
        """Let Flask answer, in a thread."""
        loop = asyncio.get_running_loop()
        length = request.length
        if length is None and "transfer-encoding" not in request.headers:
            environ["wsgi.input"] = io.BytesIO()
        elif length is not None and length <= _SMALL:
            environ["wsgi.input"] = io.BytesIO(await _whole(protocol))
        else:
            environ["wsgi.input"] = io.BufferedReader(_Stream(protocol, loop))
        status, headers, content = await loop.run_in_executor(self._others, self._in_flask, request, environ)
        if isinstance(content, _File):
            _send_file(protocol, status, headers, content.path)
        else:
            protocol.response_bytes(status, headers, content)

    def _in_flask(self, request: Request, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes | _File]:
        """Return status, headers and content of Flask's answer."""
        began: list[tuple[int, list[tuple[str, str]]]] = []

        def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> None:
            began[:] = [(int(status[:3]), headers)]

        answer = self._gateway.leave(request, environ, begin)
        try:
            ((status, headers),) = began
            file: _File | None = environ.get(_FILE)
            if file is not None and status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT) and request.method != "HEAD":
                return status, headers, file
            return status, headers, b"".join(answer)
        finally:
            if close := getattr(answer, "close", None):
                close()


class _File(FileWrapper):
    """An answer that is a file, or a part of one, which granian sends as fast as its reader takes it."""

    def __init__(self, environ: dict[str, Any], file: IO[bytes], buffer_size: int = 8192) -> None:
        super().__init__(file, buffer_size)
        self.path = str(file.name)
        environ[_FILE] = self


def _send_file(protocol: HTTPProtocol, status: int, headers: list[tuple[str, str]], path: str) -> None:
    part = next((value for name, value in headers if name.lower() == "content-range"), None)
    if part is None:
        protocol.response_file(status, headers, path)
    else:
        start, _, stop = part.removeprefix("bytes ").partition("/")[0].partition("-")
        protocol.response_file_range(status, headers, path, int(start), int(stop) + 1)


class RsgiBody:
    """A body that the event loop receives."""

    def __init__(self, protocol: HTTPProtocol, large: asyncio.Semaphore) -> None:
        self._protocol = protocol
        self._large = large
        self._chunks: AsyncIterator[bytes] | None = None

    async def whole(self, length: int | None, most: int) -> bytes:
        if length is not None and length <= _SMALL:
            return await _whole(self._protocol)
        async with self._large:
            chunks: list[bytes] = []
            size = 0
            async for chunk in self._arriving():
                chunks.append(chunk)
                size += len(chunk)
                if size > most:
                    break
            return b"".join(chunks)

    async def drop(self) -> None:
        left = _DROPPED
        async for chunk in self._arriving():
            left -= len(chunk)
            if left < 0:
                return

    def _arriving(self) -> AsyncIterator[bytes]:
        self._chunks = self._chunks or _chunks(self._protocol)
        return self._chunks


class _Stream(io.RawIOBase):
    """A body that a thread reads while the event loop receives it."""

    def __init__(self, protocol: HTTPProtocol, loop: asyncio.AbstractEventLoop) -> None:
        self._chunks = _chunks(protocol)
        self._loop = loop
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived, as much as fits; 0: the body has ended."""
        if not self._rest:
            self._rest = memoryview(_in_loop(self._loop, anext(self._chunks, b"")))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


async def _whole(protocol: HTTPProtocol) -> bytes:
    """Return a body; nothing if it is cut off."""
    try:
        return await protocol()
    except ProtocolClosed:
        return b""


async def _chunks(protocol: HTTPProtocol) -> AsyncIterator[bytes]:
    """Yield a body as it arrives. One that is cut off, or cannot be read, ends early."""
    async for chunk in protocol:
        if chunk:
            yield chunk


def _in_loop(loop: asyncio.AbstractEventLoop, steps: Awaitable[T]) -> T:
    """Return the result of what only the event loop can await, in a thread."""

    async def wait() -> T:
        return await steps

    return asyncio.run_coroutine_threadsafe(wait(), loop).result()


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers of which some come more than once, those as lists with commas."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _environ(request: Request, headers: Mapping[str, str], scope: Scope) -> dict[str, Any]:
    """Return the environment of a request as PEP 3333 defines it, without the body."""
    host, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode().decode("latin-1"),
        "QUERY_STRING": request.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    environ["wsgi.file_wrapper"] = partial(_File, environ)
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ
