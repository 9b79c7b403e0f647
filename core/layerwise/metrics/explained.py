"""Shares of the variance of the targets that predictions explain."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from layerwise.data.variation import negligible
from layerwise.metrics.arguments import Values, mean, read_values


def r2(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the coefficient of determination, 1 - Σ w d² / Σ w (y - ȳ)².

    For constant targets it is 1 if every prediction is exact, else 0.

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual and predicted values; of k outputs the mean of their scores is returned.
    weights : array-like (n,), optional
        Row weights, at least 0.

    Returns
    -------
    float

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.

    Examples
    --------
    >>> from layerwise.metrics import r2
    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    0.5
    """
    true, other, own = read_values(y, predicted, weights)
    return float(np.mean(r2_of_outputs(true, other, own, target_dtype(y))))


def explained_variance(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return 1 - var(d) / var(y): R² that ignores an error common to all rows.

    For constant targets it is 1 if d is constant, else 0.

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual and predicted values; of k outputs the mean of their scores is returned.
    weights : array-like (n,), optional
        Row weights, at least 0.

    Returns
    -------
    float

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.
    """
    true, other, own = read_values(y, predicted, weights)
    return float(np.mean(explained_variance_of_outputs(true, other, own, target_dtype(y))))


def weighted_rows(values: Values, weights: Values | None) -> Values:
    """Return the rows of `values` (n, k) that have a positive weight."""
    return values if weights is None else values[weights > 0]


def target_dtype(y: ArrayLike) -> np.dtype[Any]:
    """Return the float type of the targets, which sets the tolerance for rounding; float64 for other types."""
    return y.dtype if isinstance(y, np.ndarray) and y.dtype.kind == "f" else np.dtype(np.float64)


def r2_of_outputs(y: Values, predicted: Values, weights: Values | None, dtype: np.dtype[Any]) -> Values:
    error = mean((y - predicted) ** 2, weights)
    return _explained_share(error, _variance(y, weights, dtype))


def explained_variance_of_outputs(y: Values, predicted: Values, weights: Values | None, dtype: np.dtype[Any]) -> Values:
    return _explained_share(_variance(y - predicted, weights), _variance(y, weights, dtype))


def _explained_share(left: Values, whole: Values) -> Values:
    """Return 1 - left / whole; where the whole is zero, 1 if nothing is left, else 0."""
    none = whole == 0
    return np.where(none, np.where(left == 0, 1.0, 0.0), 1 - left / np.where(none, 1.0, whole))


def _variance(values: Values, weights: Values | None, dtype: DTypeLike = np.float64) -> Values:
    """Return the variance of each column, exactly 0 if its numbers differ only by rounding in `dtype`."""
    counting = weighted_rows(values, weights)
    deviations: Values = mean((values - mean(values, weights)) ** 2, weights)
    magnitude = np.abs(counting).max(axis=0)
    equal = counting.min(axis=0) == counting.max(axis=0)
    return np.where(equal | negligible(np.sqrt(deviations), magnitude, len(counting), dtype), 0.0, deviations)
