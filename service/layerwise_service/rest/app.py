"""The Flask application: its routes, its limits, and the one place where errors become problem+json."""

from __future__ import annotations

import re
import secrets
import time

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from layerwise_service.errors import ErrorKind, InvalidRequest, MethodNotAllowed, NotFound, ServiceError, forget_frames
from layerwise_service.process.counts import ANSWERS, COUNTS
from layerwise_service.rest.api import api_routes
from layerwise_service.rest.datasets import dataset_routes
from layerwise_service.rest.file_bodies import UploadPlaces
from layerwise_service.rest.health import HealthChecks, health_routes
from layerwise_service.rest.hosts import PROBES, Hosts
from layerwise_service.rest.predict import predict_routes
from layerwise_service.rest.predict_file import FileRequests
from layerwise_service.rest.responses import problem
from layerwise_service.settings import Settings
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.file_prediction import FilePredictor
from layerwise_service.usecases.prediction import VersionPredictor
from layerwise_service.usecases.profiles import Profiles
from layerwise_service.usecases.registry import Registry
from layerwise_service.usecases.training import TrainingJobs

log = structlog.get_logger()

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def create_app(
    *,
    predictor: VersionPredictor,
    file_predictor: FilePredictor,
    registry: Registry,
    training: TrainingJobs,
    datasets: Datasets,
    profiles: Profiles,
    health: HealthChecks,
    settings: Settings,
) -> Flask:
    """Return the application, which calls these use-cases."""
    app = Flask("layerwise", static_folder=None)
    hosts = Hosts(settings.rest_address, settings.further_hosts)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.strict_slashes = False
    places = UploadPlaces()
    files = FileRequests(file_predictor, places, max_bytes=settings.max_body_bytes)
    app.register_blueprint(predict_routes(predictor, files, settings))
    app.register_blueprint(api_routes(registry, training))
    app.register_blueprint(dataset_routes(datasets, profiles, places))
    app.register_blueprint(health_routes(health))
    app.before_request(_begin)
    app.before_request(lambda: None if request.path in PROBES else hosts.check(request.environ))
    app.after_request(_end)
    app.register_error_handler(Exception, _answer_error)
    return app


def _begin() -> None:
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    g.start = time.perf_counter()


def _end(response: Response) -> Response:
    rule = request.url_rule
    series = ANSWERS, _method(request.method), rule.rule if rule else "none", str(response.status_code)
    COUNTS.observe(series, time.perf_counter() - g.start)
    response.headers["X-Request-Id"] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _method(given: str) -> str:
    """Return a usual method, or "other": callers may send any word, and each would become a series of its own."""
    return given if given in _METHODS else "other"


def _answer_error(error: Exception) -> Response:
    try:
        return _problem_of(error)
    finally:
        forget_frames(error)


def _problem_of(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        error = _from_werkzeug(error)
    if not isinstance(error, ServiceError):
        log.error("request_failed", request_id=g.request_id, path=request.path, exc_info=error)
        error = ServiceError("internal error; search the service's log for the request id")
    elif error.kind is ErrorKind.DATA_LOSS:
        log.error("data_loss", request_id=g.request_id, detail=str(error))
    in_query = bool(error.place) and error.place[0] in g.get("parameters", ())
    in_body = request.method not in _BODILESS and not in_query
    return problem(error, request_id=g.request_id, in_body=in_body)


def _from_werkzeug(error: HTTPException) -> Exception:
    match error.code:
        case 404:
            return NotFound(f"nothing is at {request.path[:200]}; GET /openapi.json lists all addresses")
        case 405:
            allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
            return MethodNotAllowed(f"{request.path[:200]} takes {allowed}, not {request.method[:20]}", allowed=allowed)
        case int(code) if 400 <= code < 500:
            return InvalidRequest(error.description or "the request cannot be read")
        case _:
            return error
