"""The application for granian: RSGI, where an event loop reads requests and answers predictions.

A caller that sends slowly costs the loop nothing. What Flask answers runs in threads. See
https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import IO, Any

from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # not in an __all__
from werkzeug.wsgi import FileWrapper

from layerwise_service.process.step_threads import StepThreads
from layerwise_service.rest.arriving import RsgiBody, SmallBodies, stream_for_thread
from layerwise_service.rest.gateway import Gateway, Sent
from layerwise_service.rest.hosts import PROBES
from layerwise_service.rest.large_answers import LARGE, LargeAnswers
from layerwise_service.rest.messages import Request
from layerwise_service.rest.piped import Piped, Pipes, remove_own_pipes
from layerwise_service.rest.room import Room

THREADS = 64
"""Of a process, for what Flask answers; and as many for what takes long in requests for predictions."""
_PROBING_THREADS = 4
_GONE = 499
"""The status for a caller that has gone, as nginx has it. Nobody sees it."""
_FILE = "layerwise.file"
"""The key of the file that is the answer, in the environment of WSGI."""


class Rsgi:
    """A gateway as an application of RSGI.

    The body of a request may pause for `idle_seconds`; large bodies that are held at the same time may have
    `large_bytes` in total, and so may large answers.
    """

    def __init__(self, gateway: Gateway, *, idle_seconds: float, large_bytes: int) -> None:
        self._gateway = gateway
        self._small = SmallBodies(idle_seconds)
        self._predicting = StepThreads(THREADS, name="predict")
        self._others = ThreadPoolExecutor(THREADS, thread_name_prefix="flask")
        # free when all others are taken
        self._probing = ThreadPoolExecutor(_PROBING_THREADS, thread_name_prefix="probe")
        self._pipes = Pipes(THREADS)
        self._room = Room(large_bytes)
        self._large_answers = LargeAnswers(large_bytes, seconds=idle_seconds)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer a request."""
        pairs = scope.headers.items()
        headers = dict(pairs)
        if len(headers) < len(pairs):
            headers = _joined(pairs)
        version = "1.0" if scope.http_version == "1" else scope.http_version
        body = RsgiBody(protocol, self._room, self._small)
        request = self._gateway.request(scope.method, scope.path, scope.query_string, headers, body, version=version)
        answering = self._gateway.answer(request, self._predicting)
        try:
            answer = await (_while_there(protocol, answering) if request.may_be_large else answering)
        finally:
            body.close()
        if answer is not None:
            await self._send(protocol, answer, request)
            return
        try:
            status, sent, content = await self._leave(request, body, _environ(request, headers, scope))
            if status >= HTTPStatus.BAD_REQUEST:
                await request.discard()
            if isinstance(content, bytes):
                protocol.response_bytes(status, sent, content)
            else:
                content.send(protocol, status, sent)
        except Exception as error:  # noqa: BLE001 - nothing else answers it
            protocol.response_bytes(*self._gateway.failed(error, request))

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Clean up before the process ends."""
        remove_own_pipes()

    async def _send(self, protocol: HTTPProtocol, answer: Sent, request: Request) -> None:
        if len(answer[2]) > LARGE and request.method != "HEAD":
            try:
                await self._large_answers.send(protocol, *answer)
            except Exception as error:  # noqa: BLE001 - nothing else answers it
                answer = self._gateway.failed(error, request)
            else:
                return
        protocol.response_bytes(*answer)

    async def _leave(
        self, request: Request, body: RsgiBody, environ: dict[str, Any]
    ) -> tuple[int, list[tuple[str, str]], bytes | _File | Piped]:
        """Return status, headers and content of Flask's answer, which it gives in a thread."""
        length = request.length
        if length is None and "transfer-encoding" not in request.headers:
            environ["wsgi.input"] = io.BytesIO()
        else:
            environ["wsgi.input"] = await stream_for_thread(body, length)
        threads = self._probing if request.path in PROBES else self._others
        return await asyncio.get_running_loop().run_in_executor(threads, self._in_flask, request, environ)

    def _in_flask(
        self, request: Request, environ: dict[str, Any]
    ) -> tuple[int, list[tuple[str, str]], bytes | _File | Piped]:
        began: list[tuple[int, list[tuple[str, str]]]] = []

        def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> None:
            began[:] = [(int(status[:3]), headers)]

        answer = self._gateway.leave(request, environ, begin)
        close = getattr(answer, "close", None)
        content: bytes | _File | Piped = b""
        try:
            ((status, headers),) = began
            file: _File | None = environ.get(_FILE)
            if file is not None and status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT) and request.method != "HEAD":
                content = file
            else:
                chunks = iter(answer)
                first, second = next(chunks, b""), next(chunks, None)
                content = first if second is None else self._pipes.piped(chain((first, second), chunks), close)
        finally:
            if close and not isinstance(content, Piped):
                close()
        return status, headers, content


async def _while_there(protocol: HTTPProtocol, answering: Coroutine[Any, Any, Sent | None]) -> Sent | None:
    """Return the answer to a large request; if its caller goes away, it is cancelled as a call of gRPC is."""
    asking = asyncio.current_task()
    assert asking is not None
    gone = asyncio.ensure_future(protocol.client_disconnect())

    def cancel(gone: asyncio.Future[None]) -> None:
        if not gone.cancelled():
            asking.cancel()

    gone.add_done_callback(cancel)
    try:
        return await answering
    except asyncio.CancelledError:
        if not gone.done():
            raise
        asking.uncancel()
        return _GONE, [], b""
    finally:
        gone.remove_done_callback(cancel)
        gone.cancel()


class _File(FileWrapper):
    """An answer that is a file, or a part of one, which granian sends as fast as its reader takes it."""

    def __init__(self, environ: dict[str, Any], file: IO[bytes], buffer_size: int = 8192) -> None:
        super().__init__(file, buffer_size)
        self._path = str(file.name)
        environ[_FILE] = self

    def send(self, protocol: HTTPProtocol, status: int, headers: list[tuple[str, str]]) -> None:
        part = next((value for name, value in headers if name.lower() == "content-range"), None)
        if part is None:
            protocol.response_file(status, headers, self._path)
        else:
            start, _, stop = part.removeprefix("bytes ").partition("/")[0].partition("-")
            protocol.response_file_range(status, headers, self._path, int(start), int(stop) + 1)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers of which some come more than once, those as lists with commas."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _environ(request: Request, headers: Mapping[str, str], scope: Scope) -> dict[str, Any]:
    """Return the environment of a request as PEP 3333 defines it, without the body.

    Names with underscores are left out: there they would take the place of those with hyphens.
    """
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
        if "_" not in name:
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ
