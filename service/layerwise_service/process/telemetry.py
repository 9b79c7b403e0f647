"""Metrics for Prometheus: the totals of all processes as families of series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from layerwise_service.process.counts import (
    ANSWERS,
    BOUNDS,
    FAILURES,
    LOADED,
    LOST_LINES,
    PREDICTIONS,
    STAGES,
    WARNINGS,
    WHOLE,
    Predictions,
    Series,
)
from layerwise_service.process.triton_metrics import triton_exposition

_BUCKETS = [*(str(bound) for bound in BOUNDS), "+Inf"]


def exposition(totals: Collection[tuple[Series, Sequence[float]]], *more: Collector) -> bytes:
    """Return the totals, and the metrics of the collectors `more`, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(totals))
    for collector in more:
        registry.register(collector)
    return generate_latest(registry) + triton_exposition(totals)


class _Families(Collector):
    def __init__(self, totals: Iterable[tuple[Series, Sequence[float]]]) -> None:
        self._kinds: dict[str, dict[tuple[str, ...], Sequence[float]]] = defaultdict(dict)
        for (kind, *labels), numbers in totals:
            self._kinds[kind][tuple(labels)] = numbers

    def collect(self) -> Iterable[Metric]:
        predictions = {labels: Predictions(numbers) for labels, numbers in self._kinds[PREDICTIONS].items()}
        answers = self._kinds[ANSWERS]
        yield _histogram(
            "layerwise_predict_seconds",
            "Time to answer a request for predictions",
            ["model", "version"],
            {labels: found.histograms[WHOLE] for labels, found in predictions.items()},
        )
        yield _histogram(
            "layerwise_predict_stage_seconds",
            "Parts of that time: waiting, reading and encoding rows, in the network, writing the answer",
            ["model", "version", "stage"],
            {(*labels, stage): found.histograms[stage] for labels, found in predictions.items() for stage in STAGES},
            every=2,  # half of the lines, since there are four stages of each version
        )
        rows = {labels: found.rows for labels, found in predictions.items()}
        yield _counter("layerwise_predict_rows", "Rows predicted", ["model", "version"], rows)
        failures = {labels: numbers[0] for labels, numbers in self._kinds[FAILURES].items()}
        yield _counter(
            "layerwise_predict_errors",
            "Requests for predictions that failed; without model and version if these were not known",
            ["model", "version", "reason"],
            failures,
        )
        loaded = [sum(numbers) for numbers in zip((0.0, 0.0), *self._kinds[LOADED].values(), strict=True)]
        yield gauge("layerwise_loaded_models", "Models in memory, in all processes together", {"": loaded[0]})
        yield gauge("layerwise_loaded_bytes", "Bytes of the models in memory", {"": loaded[1]})
        unusual = {labels: numbers[0] for labels, numbers in self._kinds[WARNINGS].items()}
        yield _counter(
            "layerwise_predict_warnings",
            "Cells of rows to predict that are unlike those of the training",
            ["model", "version", "reason"],
            unusual,
        )
        requests = {labels: sum(numbers[:-1]) for labels, numbers in answers.items()}
        yield _counter(
            "layerwise_http_requests", "Answers of the REST service", ["method", "route", "status"], requests
        )
        routes: dict[tuple[str, ...], Sequence[float]] = {}
        for (_, route, _), numbers in answers.items():
            known = routes.get((route,), [0.0] * len(numbers))
            routes[(route,)] = [a + b for a, b in zip(known, numbers, strict=True)]
        yield _histogram("layerwise_http_seconds", "Time to answer a REST request", ["route"], routes)
        lost = {labels: numbers[0] for labels, numbers in self._kinds[LOST_LINES].items()}
        yield _counter("layerwise_log_lines_lost", "Lines of the log that could not be written", ["process"], lost)


def _histogram(
    name: str,
    documentation: str,
    labels: Sequence[str],
    values: Mapping[tuple[str, ...], Sequence[float]],
    *,
    every: int = 1,
) -> Metric:
    """Return a family of histograms; with `every`, only so many of the bounds are shown, and the last."""
    family = HistogramMetricFamily(name, documentation, labels=labels)
    for key, (*buckets, seconds) in values.items():
        family.add_metric(key, list(zip(_BUCKETS, accumulate(buckets), strict=True))[::every], seconds)
    return family


def _counter(name: str, documentation: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def gauge(name: str, documentation: str, values: dict[str, float], *, label: str = "") -> GaugeMetricFamily:
    """Return a gauge with a value for each key of `values`; without a `label`, with the value of the key ""."""
    family = GaugeMetricFamily(name, documentation, labels=[label] if label else [])
    for key, value in values.items():
        family.add_metric([key] if label else [], value)
    return family
