"""Metrics with the names, types and labels of Triton's, so that dashboards made for a Triton work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from layerwise_service.process.counts import FAILURES, PREDICTIONS, WAITING, WHOLE, Predictions, Series

_CANCELED, _REJECTED, _BACKEND, _OTHER = _REASONS = ("CANCELED", "REJECTED", "BACKEND", "OTHER")
_REASON_OF: Mapping[str, str] = {
    "CANCELLED": _CANCELED,
    "DEADLINE_EXCEEDED": _REJECTED,
    "RESOURCE_EXHAUSTED": _REJECTED,
    "TOO_MANY_LARGE_REQUESTS": _REJECTED,
    "TOO_MANY_WAITING": _REJECTED,
    "UNAVAILABLE": _REJECTED,
    "INTERNAL": _BACKEND,
    "MODEL_DAMAGED": _BACKEND,
    "MODEL_MISSING": _BACKEND,
    "MODEL_NOT_REPRODUCED": _BACKEND,
    "OUTPUT_NOT_FINITE": _BACKEND,
}
"""Triton's word for a reason; for all others it is OTHER."""


def _microseconds(part: str) -> Callable[[Predictions], float]:
    return lambda found: found.seconds(part) * 1e6


_COUNTERS: Sequence[tuple[str, str, Callable[[Predictions], float]]] = (
    (
        "nv_inference_request_success",
        "Number of successful inference requests, all batch sizes",
        lambda found: found.requests,
    ),
    (
        "nv_inference_count",
        "Number of inferences performed (does not include cached requests)",
        lambda found: found.rows,
    ),
    (
        "nv_inference_exec_count",
        "Number of model executions performed (does not include cached requests)",
        lambda found: found.executions,
    ),
    (
        "nv_inference_request_duration_us",
        "Cumulative inference request duration in microseconds (includes cached requests)",
        _microseconds(WHOLE),
    ),
    (
        "nv_inference_queue_duration_us",
        "Cumulative inference queuing duration in microseconds (includes cached requests)",
        _microseconds("queue"),
    ),
    (
        "nv_inference_compute_input_duration_us",
        "Cumulative compute input duration in microseconds (does not include cached requests)",
        _microseconds("decode"),
    ),
    (
        "nv_inference_compute_infer_duration_us",
        "Cumulative compute inference duration in microseconds (does not include cached requests)",
        _microseconds("compute"),
    ),
    (
        "nv_inference_compute_output_duration_us",
        "Cumulative inference compute output duration in microseconds (does not include cached requests)",
        _microseconds("encode"),
    ),
)


def triton_exposition(totals: Iterable[tuple[Series, Sequence[float]]]) -> bytes:
    """Return the metrics of all versions that were asked for predictions, in Prometheus' text format.

    The library for that format would add `_total` to the names of counters, which Triton's do not have.
    """
    predictions: dict[tuple[str, str], Predictions] = {}
    waiting: defaultdict[tuple[str, str], float] = defaultdict(float)
    failures: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(lambda: dict.fromkeys(_REASONS, 0.0))
    for (kind, *labels), numbers in totals:
        if kind in (PREDICTIONS, FAILURES) and labels[1]:  # the version is known
            model, version, *reasons = labels
            predictions.setdefault((model, version), Predictions())
            if kind == PREDICTIONS:
                predictions[model, version] = Predictions(numbers)
            for reason in reasons:
                failures[model, version][_REASON_OF.get(reason, _OTHER)] += numbers[0]
        elif kind == WAITING:
            waiting[labels[1], labels[2]] += numbers[0]
    lines: list[str] = []

    def begin(name: str, documentation: str, kind: str) -> None:
        lines.extend((f"# HELP {name} {documentation}", f"# TYPE {name} {kind}"))

    def add(name: str, value: float, **labels: str) -> None:
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{shown}}} {value:.0f}")

    for name, documentation, value in _COUNTERS:
        begin(name, documentation, "counter")
        for (model, version), found in predictions.items():
            add(name, value(found), model=model, version=version)
    name = "nv_inference_request_failure"
    begin(name, "Number of failed inference requests, all batch sizes", "counter")
    for model, version in predictions:
        for reason, count in failures[model, version].items():
            add(name, count, model=model, reason=reason, version=version)
    name = "nv_inference_pending_request_count"
    begin(name, "Instantaneous number of pending requests awaiting execution per-model.", "gauge")
    for model, version in predictions:
        add(name, waiting[model, version], model=model, version=version)
    return "".join(f"{line}\n" for line in lines).encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
