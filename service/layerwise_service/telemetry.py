"""What Prometheus sees. Serving processes count into files of one folder, which are added up at each scrape.

The folder is named by the environment variable PROMETHEUS_MULTIPROC_DIR, set before this module is imported.
"""

from __future__ import annotations

import os
from functools import cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from layerwise_service.processes import METRICS_FOLDER

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

PREDICT_SECONDS = Histogram(
    "layerwise_predict_seconds", "Time in the model, per request", ["model", "version"], buckets=_SECONDS
)
PREDICT_ROWS = Counter("layerwise_predict_rows", "Rows predicted", ["model", "version"])
HTTP_REQUESTS = Counter("layerwise_http_requests", "Answers of the REST service", ["method", "route", "status"])
HTTP_SECONDS = Histogram("layerwise_http_seconds", "Time to answer a REST request", ["route"], buckets=_SECONDS)


@cache  # finding a series by its labels costs more than counting
def predictions_of(model: str, version: int) -> tuple[Histogram, Counter]:
    """The seconds and the rows of one version."""
    labels = (model, str(version))
    return PREDICT_SECONDS.labels(*labels), PREDICT_ROWS.labels(*labels)


@cache
def answers_of(method: str, route: str, status: int) -> tuple[Histogram, Counter]:
    """The seconds of a route, and its answers with this status."""
    return HTTP_SECONDS.labels(route), HTTP_REQUESTS.labels(method, route, str(status))


def scrape(*more: Collector) -> bytes:
    """The counts of all processes, and what `more` collects, in Prometheus' text format."""
    registry = CollectorRegistry()
    if METRICS_FOLDER in os.environ:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:  # a process alone, as in tests
        registry.register(REGISTRY)
    for collector in more:
        registry.register(collector)
    return generate_latest(registry)


def gauge(name: str, documentation: str, values: dict[str, float], *, label: str = "") -> GaugeMetricFamily:
    """A gauge with a value for each of `values`' keys, or one value under the key "" if it has no label."""
    family = GaugeMetricFamily(name, documentation, labels=[label] if label else [])
    for key, value in values.items():
        family.add_metric([key] if label else [], value)
    return family
