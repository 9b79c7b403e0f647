"""The Flask application: its routes, its limits, and the one place where errors become problem+json."""

from __future__ import annotations

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from layerwise_service.errors import InvalidRequest, MethodNotAllowed, NotFound, forget_frames
from layerwise_service.rest.aliases import alias_routes
from layerwise_service.rest.api import api_routes
from layerwise_service.rest.body_queue import BodyQueue
from layerwise_service.rest.datasets import dataset_routes
from layerwise_service.rest.docs_page import docs_routes
from layerwise_service.rest.file_bodies import UploadPlaces
from layerwise_service.rest.gateway import ROUTE, Gateway, said
from layerwise_service.rest.health import HealthChecks, health_routes
from layerwise_service.rest.hosts import Hosts
from layerwise_service.rest.jobs import job_routes
from layerwise_service.rest.mlflow import Mlflow
from layerwise_service.rest.new_jobs import NewJobs
from layerwise_service.rest.oip import OipDialect
from layerwise_service.rest.predict import Predict, predict_routes
from layerwise_service.rest.predict_file import FileRequests
from layerwise_service.rest.query import NamedInPath
from layerwise_service.rest.responses import flask_response, problem_answer
from layerwise_service.rest.row_requests import RowRequests
from layerwise_service.rest.tf_serving import TfServing
from layerwise_service.rest.version_files import version_file_routes
from layerwise_service.rest.wsgi import Wsgi, wsgi_request
from layerwise_service.settings import Settings
from layerwise_service.usecases.aliases import Aliases
from layerwise_service.usecases.dataset_jobs import DatasetJobs
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.file_prediction import FilePredictor
from layerwise_service.usecases.model_files import ModelFiles
from layerwise_service.usecases.oip.facade import Oip
from layerwise_service.usecases.prediction import VersionPredictor
from layerwise_service.usecases.profiles import Profiles
from layerwise_service.usecases.registry import Registry
from layerwise_service.usecases.training import TrainingJobs


def create_app(
    *,
    predictor: VersionPredictor,
    file_predictor: FilePredictor,
    registry: Registry,
    aliases: Aliases,
    training: TrainingJobs,
    model_files: ModelFiles,
    datasets: Datasets,
    dataset_jobs: DatasetJobs,
    profiles: Profiles,
    health: HealthChecks,
    oip: Oip,
    settings: Settings,
) -> Flask:
    """Return the application, which calls these use-cases."""
    app = Flask("layerwise", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.strict_slashes = False
    places = UploadPlaces()
    files = FileRequests(file_predictor, places, max_bytes=settings.max_body_bytes)
    app.register_blueprint(predict_routes(predictor, files))
    app.register_blueprint(api_routes(registry))
    app.url_map.converters["alias"] = NamedInPath
    app.url_map.converters["job"] = NamedInPath
    new_jobs = NewJobs(datasets, dataset_jobs, places, max_body_bytes=settings.max_body_bytes)
    app.register_blueprint(job_routes(registry, training, new_jobs))
    app.register_blueprint(alias_routes(aliases))
    app.register_blueprint(version_file_routes(model_files, places))
    app.register_blueprint(dataset_routes(datasets, profiles, places))
    app.register_blueprint(health_routes(health))
    app.register_blueprint(docs_routes())
    app.before_request(_tell_route)
    app.register_error_handler(Exception, _answer_error)
    queue = BodyQueue(settings.max_body_bytes)
    requests = RowRequests(predictor, settings, queue)
    gateway = Gateway(
        app.wsgi_app,
        [
            Predict(requests),
            OipDialect(oip, settings, queue),
            TfServing(requests),
            Mlflow(requests, health.predictions),
        ],
        hosts=Hosts(settings.rest_address, settings.further_hosts),
        max_body_bytes=settings.max_body_bytes,
    )
    app.wsgi_app = Wsgi(gateway)  # type: ignore[method-assign]
    return app


def gateway_of(app: Flask) -> Gateway:
    """Return what stands in front of the application."""
    assert isinstance(app.wsgi_app, Wsgi)
    return app.wsgi_app.gateway


def _tell_route() -> None:
    request.environ[ROUTE] = request.url_rule.rule if request.url_rule else "none"


def _answer_error(error: Exception) -> Response:
    own = _from_werkzeug(error) if isinstance(error, HTTPException) else error
    try:
        asked = wsgi_request(request.environ)
        asked.parameters = {*g.get("parameters", ()), *(request.view_args or ())}
        return flask_response(problem_answer(said(own, asked.request_id, asked.path), asked))
    finally:
        forget_frames(error)


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
