"""/livez, /readyz, /readyz/predictions, /metrics, /openapi.json and /."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from itertools import islice

from flask import Blueprint, Response
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from layerwise_service.errors import ServiceError
from layerwise_service.process.counts import OF_VERSIONS, Series
from layerwise_service.process.gathering import OTHER, Reporter
from layerwise_service.process.loops import Loop, late
from layerwise_service.process.stopping import is_stopping
from layerwise_service.process.telemetry import exposition, gauge
from layerwise_service.rest.openapi import OPENAPI
from layerwise_service.rest.responses import json_response
from layerwise_service.stores.job_store import JobStore
from layerwise_service.usecases.readiness import Readiness
from layerwise_service.usecases.registry import VersionResolver

_MOST_UNUSABLE = 20  # models that an answer lists


class HealthChecks:
    """The checks behind /livez and /readyz, and the metrics from the stores."""

    def __init__(
        self,
        jobs: JobStore,
        resolver: VersionResolver,
        readiness: Readiness,
        *,
        worker_silent_seconds: float,
        loops: Sequence[Loop],
        reporter: Reporter,
    ) -> None:
        self._jobs = jobs
        self._resolver = resolver
        self._readiness = readiness
        self._worker_silent_seconds = worker_silent_seconds
        self._loops = loops
        self._reporter = reporter

    def loops(self) -> str:
        """Return "ok", or the background loops of this process that hang, which a restart would cure."""
        return "; ".join(late(self._loops)) or "ok"

    def whole(self) -> dict[str, str]:
        """Return each check of the whole service, with "ok" or what is wrong."""
        return {**self._readiness.whole(), **self._of_process()}

    def predictions(self) -> dict[str, str]:
        """Return each check of what predictions need, with "ok" or what is wrong."""
        return {**self._readiness.predictions(), **self._of_process()}

    def _of_process(self) -> dict[str, str]:
        stopping = {"service": "it is being stopped"} if is_stopping() else {}
        return {"loops": self.loops(), **stopping}

    def unusable(self) -> dict[str, str]:
        """Return why the newest versions of some models cannot be served, by the names of the models."""
        return dict(islice(sorted(self._resolver.unusable.items()), _MOST_UNUSABLE))

    def metrics(self) -> bytes:
        """Return counts and gauges in Prometheus' text format, without those that cannot be read now.

        A version that was deleted has none.
        """
        totals = self._reporter.totals() or []
        return exposition([each for each in totals if self._exists(each[0])], _Gauges(self))

    def _exists(self, series: Series) -> bool:
        """Return whether a series is of no version, or of one that there is."""
        if series[0] not in OF_VERSIONS or series[2] in ("", OTHER[1]):
            return True
        model = self._resolver.models.get(series[1])
        return model is not None and series[2] in map(str, model.artifacts)

    def gauges(self) -> list[GaugeMetricFamily]:
        """Return the numbers of jobs by state, workers, models and versions."""
        states = {state.lower(): float(count) for state, count in self._jobs.count_by_state().items()}
        models = self._resolver.models
        versions = {"": float(sum(len(model.artifacts) for model in models.values()))}
        workers = {"": float(self._jobs.workers_seen(seconds=self._worker_silent_seconds))}
        return [
            gauge("layerwise_jobs", "Jobs in each state", states, label="state"),
            gauge("layerwise_workers", "Workers that have shown a sign of life recently", workers),
            gauge("layerwise_models", "Models with at least one version", {"": float(len(models))}),
            gauge("layerwise_model_versions", "Versions of all models", versions),
        ]


def health_routes(health: HealthChecks) -> Blueprint:
    """Return the routes, which run these checks."""
    routes = Blueprint("health", __name__)

    @routes.get("/livez")
    def livez() -> Response:  # pyright: ignore[reportUnusedFunction]
        loops = health.loops()
        if loops != "ok":
            return json_response({"status": "not live", "checks": {"loops": loops}}, 503)
        return json_response({"status": "ok"})

    @routes.get("/readyz")
    def readyz() -> Response:  # pyright: ignore[reportUnusedFunction]
        return _ready(health.whole())

    @routes.get("/readyz/predictions")
    def readyz_predictions() -> Response:  # pyright: ignore[reportUnusedFunction]
        return _ready(health.predictions(), health.unusable())

    @routes.get("/metrics")
    def metrics() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response(health.metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @routes.get("/openapi.json")
    def openapi() -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response(OPENAPI)

    @routes.get("/")
    def index() -> Response:  # pyright: ignore[reportUnusedFunction]
        see = ["/docs", "/openapi.json", "/api/models", "/api/jobs", "/readyz", "/metrics"]
        about = {"name": "layerwise", "version": version("layerwise"), "status": "alive", "see": see}
        return json_response(about)  # clients of KServe v1 look for the status

    return routes


class _Gauges(Collector):
    def __init__(self, health: HealthChecks) -> None:
        self._health = health

    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            return self._health.gauges()
        except ServiceError:  # without the database there are still the counts of requests
            return []


def _ready(checks: dict[str, str], unusable: dict[str, str] | None = None) -> Response:
    ready = all(outcome == "ok" for outcome in checks.values())
    answer: dict[str, object] = {"status": "ok" if ready else "not ready", "checks": checks}
    if unusable:
        answer["unusable"] = unusable
    return json_response(answer, 200 if ready else 503)
