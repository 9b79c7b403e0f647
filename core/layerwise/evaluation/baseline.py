"""Metrics of the best constant prediction, to compare a network with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.labels import Label
from layerwise.evaluation.result import Baseline
from layerwise.metrics.arguments import mean


def baseline_of_classes(targets: NDArray[Any], labels: tuple[Label, ...], weights: NDArray[Any] | None) -> Baseline:
    """Return the metrics of the most frequent of `labels`, and of their shares as probabilities, for all rows."""
    counts = np.bincount(targets, weights, len(labels)).astype(np.float64)
    shares = counts / counts.sum()
    some = shares[shares > 0]
    most = int(shares.argmax())
    entropy = max(0.0, -float(some @ np.log(some)))  # not -0.0 for a single class
    return Baseline(label=labels[most], accuracy=float(shares[most]), log_loss=entropy)


def baseline_of_flags(targets: NDArray[np.bool_], weights: NDArray[Any] | None) -> Baseline:
    """Return the accuracy of the more frequent value of each flag."""
    shares = mean(targets, weights)
    return Baseline(accuracy=float(np.maximum(shares, 1 - shares).mean()))


def baseline_of_values(targets: NDArray[Any], weights: NDArray[Any] | None) -> Baseline:
    """Return the metrics of the mean of each output."""
    values = targets.astype(np.float64)
    means = mean(values, weights)
    away = np.abs(values - means)
    return Baseline(
        values=tuple(means.tolist()),
        root_mean_squared_error=float(np.sqrt(mean(away**2, weights)).mean()),
        mean_absolute_error=float(mean(away, weights).mean()),
    )
