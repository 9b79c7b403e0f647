"""Use-case of evaluating versions on the rows of a dataset, the same rows for all."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import MLP, InvalidInput, metric_name
from layerwise.data.targets import check_range
from layerwise.evaluation.outputs import evaluate_outputs
from layerwise.randomness import EVALUATION, stream
from layerwise_service.domain.jobs import JSONObject
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.usecases.file_prediction import DatasetRequest, FilePredictor
from layerwise_service.usecases.loaded_version import LoadedVersion
from layerwise_service.usecases.registry import Registry
from layerwise_service.usecases.table_prediction import MeasuredRows, TablePrediction

EVALUATIONS_AT_ONCE = 2
"""The most evaluations that a process makes at the same time: each takes the memory of `MOST_OUTPUTS`."""
MOST_VERSIONS = 10
MOST_ROWS = 100_000
MOST_OUTPUTS = 2**24  # of the rows evaluated, for each version: 64 MiB
MOST_CLASSES = 50
MOST_UNKNOWN = 20
NORMAL_95 = 1.959964
"""The quantile of the normal distribution for an interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better a version is than the first by the `metric`, with the interval of 95 %.

    The rows are the same, so that the interval is that of the mean of their differences, by the normal approximation.
    That of R² takes the variance of the targets as given.
    """

    metric: str
    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class VersionEvaluation:
    """The JSON form of the `layerwise.Evaluation` of a version, and its `difference` from the first version."""

    model: str
    version: int
    evaluation: JSONObject
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class DatasetEvaluation:
    """Evaluations on the same rows; `without_target` of the rows looked at have no value in the `target`."""

    target: str
    without_target: int
    versions: tuple[VersionEvaluation, ...]


class Evaluations:
    """Evaluates versions on datasets."""

    def __init__(self, files: FilePredictor, registry: Registry) -> None:
        self._files = files
        self._registry = registry

    def evaluate(self, dataset: str, target: str, versions: Sequence[tuple[str, str]]) -> DatasetEvaluation:
        """Evaluate `versions`, each a model and a number, an alias or "", on the rows of a dataset.

        `target` may be "" if the first version was trained on a file. Rows without a target, and with a label that one
        of the versions does not know, are left out for all. Raises `InvalidRequest`, and what `FilePredictor.predict`
        raises.
        """
        if not 0 < len(versions) <= MOST_VERSIONS:
            detail = f"expected 1 to {MOST_VERSIONS} versions, got {len(versions)}"
            raise (TooLarge if versions else InvalidRequest)(detail, pointer="versions")
        target = target or self._target_of(*versions[0])
        asked = [DatasetRequest(dataset, model, version or None, target=target) for model, version in versions]
        tables = [self._files.predict(request) for request in asked]
        networks = [table.version.network for table in tables]
        if len({network.is_classifier for network in networks}) > 1:
            raise InvalidRequest("expected versions that all predict classes, or all amounts", pointer="versions")
        numbers = _sample(tables[0].rows, max(network.architecture.outputs for network in networks))
        measured = [table.measure(numbers) for table in tables]
        known = np.logical_and.reduce([each.known for each in measured])
        if not known.any():
            detail = f"no row has a value in {target!r}"
            raise InvalidRequest(
                f"{detail} that every version knows" if any(each.unknown for each in measured) else detail,
                pointer="target",
                reason="NO_TARGET",
            )
        sampled_from = tables[0].rows if len(numbers) < tables[0].rows else None
        without = int(np.isnan(measured[0].truth).sum())
        found: list[VersionEvaluation] = []
        scores = [_scores(table.version.network, each, known) for table, each in zip(tables, measured, strict=True)]
        unit = 1.0 if networks[0].is_classifier else float(np.var(measured[0].truth[known]))
        for table, each, own in zip(tables, measured, scores, strict=True):
            form = _evaluation(table, each, known, target=target, sampled_from=sampled_from)
            metric = metric_name(str(form["loss_name"]))
            difference = None if own is scores[0] or not unit else _difference((own - scores[0]) / unit, metric)
            found.append(VersionEvaluation(table.version.model, table.version.version, form, difference))
        return DatasetEvaluation(target, without, tuple(found))

    def _target_of(self, model: str, version: str) -> str:
        source = self._registry.source(model, self._registry.version(model, version).number)
        if source is None:
            detail = f"name the column with the true values: {model} was not trained on a file, which would tell it"
            raise InvalidRequest(detail, pointer="target", reason="NO_TARGET")
        return source.target


def _sample(rows: int, outputs: int) -> NDArray[np.intp]:
    """Return the numbers of the rows to evaluate, chosen at random, always the same, if there are many."""
    most = max(1, min(MOST_ROWS, MOST_OUTPUTS // outputs))
    if rows <= most:
        return np.arange(rows, dtype=np.intp)
    chosen: NDArray[np.intp] = stream(0, EVALUATION).choice(rows, most, replace=False, shuffle=False)
    return np.sort(chosen)


def _evaluation(
    table: TablePrediction,
    measured: MeasuredRows,
    known: NDArray[np.bool_],
    *,
    target: str,
    sampled_from: int | None,
) -> JSONObject:
    network, version = table.version.network, table.version
    targets = _targets(network, measured.truth[known])
    try:
        if targets.ndim > 1 and network.plan is not None:
            check_range(targets[:, 0], network.plan.loss, dtype=network.dtype, at="target")
        labels = network.labels if network.is_classifier else None
        found = evaluate_outputs(network, measured.outputs[known], targets, labels=labels, most_classes=MOST_CLASSES)
    except InvalidInput as error:
        raise InvalidRequest(error.detail, pointer="target") from error
    unknown = measured.unknown.most_common(MOST_UNKNOWN)
    form = replace(
        found,
        target=target,
        sampled_from=sampled_from,
        unknown_labels=dict(unknown) or None,
        unknown_rows=measured.unknown.total() or None,
    ).to_json()
    try:
        json.dumps(form, allow_nan=False)
    except ValueError as error:
        raise _not_finite(version) from error
    return form


def _targets(network: MLP, truth: NDArray[np.float64]) -> NDArray[Any]:
    if network.is_classifier:
        return truth.astype(np.intp)
    with np.errstate(over="ignore"):  # infinite ones are refused as figures that are not finite
        return truth[:, None].astype(network.dtype)


def _scores(network: MLP, measured: MeasuredRows, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what each row adds to the metric: 1 if its label is right, or less its squared error."""
    truth, outputs = measured.truth[known], measured.outputs[known]
    if network.is_classifier:
        chosen: NDArray[Any] = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > 0
        right: NDArray[np.bool_] = chosen == truth
        return right.astype(np.float64)
    with np.errstate(over="ignore"):
        errors: NDArray[np.float64] = (network.decide(outputs).reshape(len(truth)) - truth) ** 2
        return -errors


def _difference(rows: NDArray[np.float64], metric: str) -> Difference:
    """Return the mean of the differences in the `rows`, and its interval."""
    mean = float(rows.mean())
    error = float(rows.std(ddof=1)) / math.sqrt(len(rows)) if len(rows) > 1 else math.inf
    return Difference(metric, mean, mean - NORMAL_95 * error, mean + NORMAL_95 * error)


def _not_finite(version: LoadedVersion) -> InvalidRequest:
    detail = f"the figures of version {version.version} of {version.model} are not finite: its errors are too large"
    return InvalidRequest(detail, pointer="target", reason="NOT_FINITE")
