"""The statistics of the Open Inference Protocol, over all processes and all ways in."""

from __future__ import annotations

from typing import Any

from layerwise_service.errors import InvalidRequest, ServiceError, Unavailable
from layerwise_service.process.counts import INFERENCES, LAST, Inferences
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
        numbers = {series: values for series, values in totals if series[0] in (INFERENCES, LAST)}
        return [
            _statistics(
                name,
                str(number),
                Inferences(*numbers.get((INFERENCES, name, str(number)), ())),
                numbers.get((LAST, name, str(number)), [0.0])[0],
            )
            for name, number in chosen
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


def _statistics(model: str, version: str, numbers: Inferences, last: float) -> dict[str, Any]:
    successes = numbers.successes

    def duration(count: float, seconds: float) -> dict[str, int]:
        return {"count": int(count), "ns": int(seconds * 1e9)}

    return {
        "name": model,
        "version": version,
        "last_inference": int(last * 1e3),
        "inference_count": int(numbers.rows),
        "execution_count": int(numbers.executions),
        "inference_stats": {
            "success": duration(successes, numbers.success_seconds),
            "fail": duration(numbers.failures, numbers.failure_seconds),
            "queue": duration(successes, numbers.queue_seconds),
            "compute_input": duration(successes, numbers.input_seconds),
            "compute_infer": duration(successes, numbers.infer_seconds),
            "compute_output": duration(successes, numbers.output_seconds),
            "cache_hit": duration(0, 0.0),
            "cache_miss": duration(0, 0.0),
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    }
