"""What stands in front of Flask: it answers predictions itself, and leaves everything else to Flask.

Flask costs several times what a prediction of one row costs. So the addresses that predict are a few dialects, each a
decoder and an encoder, and what is common to all addresses stands here: request ids, the check of the host, counting,
and the headers of every answer.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from random import getrandbits
from typing import Any, Protocol

import structlog

from layerwise_service.errors import ErrorKind, MethodNotAllowed, NotFound, ServiceError, forget_frames
from layerwise_service.process.counts import ANSWERS, COUNTS
from layerwise_service.process.prediction_request import PredictionRequest
from layerwise_service.process.step_threads import StepThreads
from layerwise_service.process.stopping import is_stopping
from layerwise_service.rest.hosts import PROBES, Hosts
from layerwise_service.rest.messages import Answer, Body, Headers, Request, packed_answer
from layerwise_service.rest.responses import problem_answer

log = structlog.get_logger()

Handler = Callable[..., Answer]
"""Answers a request, whose body has been received, and the parameters of its path."""
Predicting = Callable[..., Awaitable[Answer | None]]
"""Answers a request for predictions, in an event loop; None leaves the request to Flask."""
Sent = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers and body of an answer."""
StartResponse = Callable[..., Any]
WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

REQUEST_ID = "layerwise.request_id"
"""The key of the request id in the environment of WSGI."""
ROUTE = "layerwise.route"
"""The key of the route that Flask found."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KNOWN_PATHS, _USUAL_PATH = 4_096, 256  # paths whose places are kept, and characters of one
_PACKED_AT_ONCE = 2**16  # bytes of an answer; larger ones are packed in a thread
_LEAST_PACKED = 1_024  # bytes of an answer; smaller ones gain nothing


@dataclass(frozen=True, slots=True)
class Route:
    """An address of a dialect: `pattern` is a path such as "/v2/models/{model}/infer".

    What answers may take its time if it is a `Handler`. What predicts is counted as such.
    """

    method: str
    pattern: str
    handler: Handler | None = None
    predicting: Predicting | None = None


class Dialect(Protocol):
    """A way to ask for predictions."""

    @property
    def routes(self) -> Sequence[Route]:
        """Its addresses."""
        ...

    @property
    def prefix(self) -> str:
        """The first segment of paths that are all its own: an unknown one gets an error in its shape. "": none."""
        ...

    def problem(self, error: ServiceError, request: Request) -> Answer:
        """Return the answer that tells of `error`."""
        ...


@dataclass(slots=True)
class _Place:
    """What is known of the paths that begin with certain segments."""

    below: dict[str, _Place] = field(default_factory=dict[str, "_Place"])
    parameter: tuple[str, _Place] | None = None
    """The name of a segment that may be anything, and what is below it."""
    dialect: Dialect | None = None
    pattern: str = ""
    routes: dict[str, Route] = field(default_factory=dict[str, Route])


class Gateway:
    """The application: the addresses of `dialects`, and `flask` for all others."""

    def __init__(self, flask: WsgiApp, dialects: Sequence[Dialect], *, hosts: Hosts, max_body_bytes: int) -> None:
        self._flask = flask
        self._hosts = hosts
        self._max_body_bytes = max_body_bytes
        self.dialects = tuple(dialects)
        self._root = _Place()
        self._known = lru_cache(_KNOWN_PATHS)(self._find)  # each model has few, and every request looks for one
        self._prefixes = {dialect.prefix: dialect for dialect in dialects if dialect.prefix}
        for dialect in dialects:
            for route in dialect.routes:
                self._add(dialect, route)

    def request(
        self, method: str, path: str, query_string: str, headers: Headers, body: Body, *, version: str
    ) -> Request:
        """Return the request that arrives, with the id that its caller gave it, or a new one."""
        given: str = headers.get("x-request-id", "")
        request_id = given if given and _GIVEN_ID.fullmatch(given) else f"{getrandbits(64):016x}"
        return Request(
            method,
            path,
            query_string,
            headers,
            body,
            version=version,
            request_id=request_id,
            max_body_bytes=self._max_body_bytes,
        )

    async def answer(self, request: Request, threads: StepThreads | None) -> Sent | None:
        """Return the answer; None if Flask has to give it.

        Steps that take long are made in `threads`, or here if that is None.
        """
        start = time.perf_counter()
        path = request.path
        place, names = self._known(path) if len(path) <= _USUAL_PATH else self._find(path)
        try:
            if request.path not in PROBES:
                self._hosts.check(request)
            answer = await self._answer(request, place, names, threads)
        except Exception as error:  # noqa: BLE001 - the boundary of every request
            answer = self._failure(error, request, place)
            await request.discard()
        if answer is None:
            return None
        if len(answer.body) > _PACKED_AT_ONCE and threads and request.header("accept-encoding"):
            answer = await asyncio.get_running_loop().run_in_executor(threads, _packed, answer, request)
        else:
            answer = _packed(answer, request)
        return self._sent(answer, request, place.pattern if place else "none", start)

    def failed(self, error: Exception, request: Request) -> Sent:
        """Return the answer to a request that failed outside of the gateway."""
        start = time.perf_counter()
        answer = problem_answer(said(error, request.request_id, request.path), request)
        forget_frames(error)
        return self._sent(answer, request, "none", start)

    def _add(self, dialect: Dialect, route: Route) -> None:
        place = self._root
        for step in _steps(route.pattern):
            if step.startswith("{"):
                place.parameter = place.parameter or (step.strip("{}"), _Place())
                place = place.parameter[1]
            else:
                place = place.below.setdefault(step, _Place())
        place.dialect, place.pattern = dialect, route.pattern
        place.routes[route.method] = route

    def _find(self, path: str) -> tuple[_Place | None, Mapping[str, str]]:
        """Return the place of a path, None if it has none, and the parameters in it."""
        return _find(self._root, _steps(path), 0) or (None, {})

    async def _answer(
        self, request: Request, place: _Place | None, names: Mapping[str, str], threads: StepThreads | None
    ) -> Answer | None:
        if place is None:
            if self._prefixed(request) is None:
                return None
            raise NotFound(f"nothing is at {request.path[:200]}; GET /openapi.json lists all addresses")
        route = place.routes.get(request.method)
        if route is None:
            if request.method == "OPTIONS":
                return Answer(b"", headers=(("Allow", _allowed(place)),))
            route = _without_own(request, place)
        if route.predicting:
            with PredictionRequest(threads=threads):
                return await route.predicting(request, **names)
        assert route.handler
        await request.receive()
        call = partial(route.handler, request, **names)
        return call() if threads is None else await asyncio.get_running_loop().run_in_executor(threads, call)

    def _prefixed(self, request: Request) -> Dialect | None:
        """Return the dialect to which all paths that begin like this one belong."""
        return self._prefixes.get(request.path.partition("/")[2].partition("/")[0])

    def _failure(self, error: Exception, request: Request, place: _Place | None) -> Answer:
        dialect = place.dialect if place else self._prefixed(request)
        try:
            return (dialect.problem if dialect else problem_answer)(
                said(error, request.request_id, request.path), request
            )
        finally:
            forget_frames(error)

    def _sent(self, answer: Answer, request: Request, route: str, start: float) -> Sent:
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
            *_common_headers(request),
        ]
        _count(request.method, route, answer.status, start)
        return answer.status, headers, answer.body

    def leave(self, request: Request, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Let Flask answer, in a thread. The answer counts when its first bytes are there."""
        start = time.perf_counter()
        environ[REQUEST_ID] = request.request_id
        began = [0]

        def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            began[0] = int(status[:3])
            return start_response(status, [*headers, *_common_headers(request)], *rest)

        answer = self._flask(environ, begin)
        _count(request.method, environ.get(ROUTE, "none"), began[0], start)
        return answer


def said(error: Exception, request_id: str, path: str) -> ServiceError:
    """Return what a caller is told of `error`, and log what the operator has to know."""
    if not isinstance(error, ServiceError):
        log.error("request_failed", request_id=request_id, path=path, exc_info=error)
        return ServiceError("internal error; search the service's log for the request id")
    if error.kind is ErrorKind.DATA_LOSS:
        log.error("data_loss", request_id=request_id, detail=str(error))
    return error


def _count(method: str, route: str, status: int, start: float) -> None:
    """Count an answer. Callers may send any word as the method, and each would become a series of its own."""
    series = ANSWERS, method if method in _METHODS else "other", route, str(status)
    COUNTS.observe(series, time.perf_counter() - start)


def _common_headers(request: Request) -> tuple[tuple[str, str], ...]:
    found = ("X-Request-Id", request.request_id), ("X-Content-Type-Options", "nosniff")
    return (*found, ("Connection", "close")) if is_stopping() else found


def _packed(answer: Answer, request: Request) -> Answer:
    if len(answer.body) >= _LEAST_PACKED and answer.packable and (accepted := request.header("accept-encoding")):
        return packed_answer(answer, accepted)
    return answer


def _allowed(place: _Place) -> str:
    return ", ".join(sorted({*place.routes, "OPTIONS"}))


def _without_own(request: Request, place: _Place) -> Route:
    """Return what answers a method that has no route of its own. Raises `MethodNotAllowed`."""
    if request.method == "HEAD" and "GET" in place.routes:
        return place.routes["GET"]
    allowed = _allowed(place)
    raise MethodNotAllowed(f"{request.path[:200]} takes {allowed}, not {request.method[:20]}", allowed=allowed)


def _steps(path: str) -> list[str]:
    """Return the segments of a path; a verb behind a colon is one of its own."""
    return path.removesuffix("/")[1:].replace(":", "/:").split("/")


def _find(place: _Place, steps: Sequence[str], start: int) -> tuple[_Place, dict[str, str]] | None:
    """Return the place that the steps from `start` on lead to, and the parameters among them."""
    if start == len(steps):
        return (place, {}) if place.routes else None
    step = steps[start]
    if (below := place.below.get(step)) and (found := _find(below, steps, start + 1)):
        return found
    if place.parameter and step and (found := _find(place.parameter[1], steps, start + 1)):
        found[1][place.parameter[0]] = step
        return found
    return None
