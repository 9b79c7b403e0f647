"""Errors of predicted values. Below, d is y - ŷ; means are weighted, and rows of weight 0 do not count."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from layerwise.checks import real_number
from layerwise.errors import InvalidInput
from layerwise.metrics.arguments import Values, mean, read_values
from layerwise.metrics.explained import explained_variance_of_outputs, r2_of_outputs, target_dtype, weighted_rows


@dataclass(frozen=True, slots=True, eq=False)
class RegressionScores:
    """Scores of each of k outputs, returned by `regression_scores`.

    Attributes
    ----------
    mean_squared_error, root_mean_squared_error : ndarray (k,)
    mean_absolute_error, median_absolute_error, max_error : ndarray (k,)
    r2, explained_variance : ndarray (k,)
    """

    mean_squared_error: Values
    root_mean_squared_error: Values
    mean_absolute_error: Values
    median_absolute_error: Values
    max_error: Values
    r2: Values
    explained_variance: Values


def regression_scores(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> RegressionScores:
    """Return the scores of each output.

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual and predicted values.
    weights : array-like (n,), optional
        Row weights, at least 0.

    Returns
    -------
    RegressionScores

    Raises
    ------
    InvalidInput
        If the arguments do not fit together; the error names the row.
    """
    true, other, own = read_values(y, predicted, weights)
    squared = mean((true - other) ** 2, own)
    return RegressionScores(
        mean_squared_error=squared,
        root_mean_squared_error=np.sqrt(squared),
        mean_absolute_error=mean(np.abs(true - other), own),
        median_absolute_error=_medians(np.abs(true - other), own),
        max_error=weighted_rows(np.abs(true - other), own).max(axis=0),
        r2=r2_of_outputs(true, other, own, target_dtype(y)),
        explained_variance=explained_variance_of_outputs(true, other, own, target_dtype(y)),
    )


def mean_squared_error(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the mean of d².

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
    >>> from layerwise.metrics import mean_squared_error
    >>> mean_squared_error([1.0, 2.0, 3.0], [1.0, 2.0, 6.0])
    3.0
    """
    true, other, own = read_values(y, predicted, weights)
    return float(np.mean(mean((true - other) ** 2, own)))


def root_mean_squared_error(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return √(mean of d²), computed for each output by itself.

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
    return float(np.mean(np.sqrt(mean((true - other) ** 2, own))))


def mean_absolute_error(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the mean of |d|.

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
    >>> from layerwise.metrics import mean_absolute_error
    >>> mean_absolute_error([1.0, 2.0, 3.0], [1.0, 2.0, 6.0])
    1.0
    """
    true, other, own = read_values(y, predicted, weights)
    return float(np.mean(mean(np.abs(true - other), own)))


def median_absolute_error(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the weighted median of |d|.

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
    return float(np.mean(_medians(np.abs(true - other), own)))


def max_error(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the largest |d| of all rows and outputs.

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual and predicted values.
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
    return float(weighted_rows(np.abs(true - other), own).max())


def quantile_loss(
    y: ArrayLike, predicted: ArrayLike, *, quantile: float = 0.5, weights: ArrayLike | None = None
) -> float:
    """Return the pinball loss: the mean of q d where d ≥ 0, else (q - 1) d.

    It is least for the q-quantile. Koenker and Bassett 1978.

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual and predicted values; of k outputs the mean of their scores is returned.
    quantile : float, default 0.5
        q, from 0 to 1.
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
    q = real_number("quantile", quantile, least=0)
    if q > 1:
        raise InvalidInput("quantile", f"expected a number from 0 to 1, got {q}")
    true, other, own = read_values(y, predicted, weights)
    d = true - other
    return float(np.mean(mean(np.where(d >= 0, q * d, (q - 1) * d), own)))


def _medians(values: Values, weights: Values | None) -> Values:
    """Return the weighted median of each column of `values` (n, k)."""
    if weights is None:
        return np.median(values, axis=0)
    values, weights = weighted_rows(values, weights), weights[weights > 0]
    columns: int = values.shape[1]
    found = np.empty(columns)
    for column in range(columns):
        order = np.argsort(values[:, column])
        ranked: Values = values[order, column]
        below: Values = np.cumsum(weights[order])
        half = float(below[-1]) / 2
        at = min(int(np.searchsorted(below, half)), len(ranked) - 1)
        beyond = float(below[at]) - half > np.finfo(np.float64).eps
        found[column] = ranked[at] if beyond else (ranked[at] + ranked[min(at + 1, len(ranked) - 1)]) / 2
    return found
