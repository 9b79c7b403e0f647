"""The statistics of the Open Inference Protocol, over all processes and all ways in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from layerwise_service.errors import InvalidRequest, ServiceError, Unavailable
from layerwise_service.process.counts import FAILURES, PREDICTIONS, WHOLE, Predictions, Series
from layerwise_service.process.gathering import Reporter
from layerwise_service.usecases.registry import VersionResolver


class Statistics:
    """What versions have predicted since the service started, as `reporter` gathers it from all processes."""

    def __init__(self, resolver: VersionResolver, reporter: Reporter) -> None:
        self._resolver = resolver
        self._reporter = reporter

    def of(self, model: str, version: str) -> list[dict[str, Any]]:
        """Return the statistics of a version, of all versions of a model, or of all models, in Triton's JSON form.

        `model` and `version` are "" for all. Raises `InvalidRequest`, `Unavailable`.
        """
        chosen = self._chosen(model, version)
        totals = self._reporter.totals()
        if totals is None:
            raise Unavailable("the process that keeps the counts does not answer; try again")
        predicted = {series[1:]: numbers for series, numbers in totals if series[0] == PREDICTIONS}
        failed: defaultdict[Series, list[Sequence[float]]] = defaultdict(list)
        for (kind, *names), numbers in totals:
            if kind == FAILURES:
                failed[names[0], names[1]].append(numbers)
        return [
            _statistics(name, version, predicted.get((name, version)), failed.get((name, version), ()))
            for name, version in ((name, str(number)) for name, number in chosen)
        ]

    def _chosen(self, model: str, version: str) -> list[tuple[str, int]]:
        models = self._resolver.current()
        if not model:
            return [(name, number) for name in sorted(models) for number in sorted(models[name].artifacts)]
        try:
            found = self._resolver.resolve(model, version or None)
        except ServiceError as error:  # Triton answers so, rather than with "not found"
            raise InvalidRequest(f"requested model '{model[:64]}' is not available: {error.detail}") from error
        if version:
            return [(found.model, found.version)]
        return [(model, number) for number in sorted(models[model].artifacts)]


def _statistics(
    model: str, version: str, predicted: Sequence[float] | None, failed: Iterable[Sequence[float]]
) -> dict[str, Any]:
    found = Predictions() if predicted is None else Predictions(predicted)
    failures, failed_seconds = (sum(numbers) for numbers in zip((0.0, 0.0), *failed, strict=True))

    def duration(count: float, seconds: float) -> dict[str, int]:
        return {"count": int(count), "ns": int(seconds * 1e9)}

    def stage(name: str) -> dict[str, int]:
        return duration(found.requests, found.seconds(name))

    return {
        "name": model,
        "version": version,
        "last_inference": int(found.last * 1e3),
        "inference_count": int(found.rows),
        "execution_count": int(found.executions),
        "inference_stats": {
            "success": stage(WHOLE),
            "fail": duration(failures, failed_seconds),
            "queue": stage("queue"),
            "compute_input": stage("decode"),
            "compute_infer": stage("compute"),
            "compute_output": stage("encode"),
            "cache_hit": duration(0, 0.0),
            "cache_miss": duration(0, 0.0),
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    }
