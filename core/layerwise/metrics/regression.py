"""How far predicted numbers are from those that were there.

y and the prediction are (n,), or (n, k) of k outputs, whose mean is what a function gives; `weights` (n,) is what the
rows weigh. Rows that weigh nothing do not count. d is y - ŷ, and a mean over rows is Σ w … / Σ w.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from layerwise.checks import real_number
from layerwise.data.variation import negligible
from layerwise.errors import InvalidInput
from layerwise.metrics.arguments import Values, mean, read_values


@dataclass(frozen=True, slots=True, eq=False)
class RegressionScores:
    """The scores of each of k outputs, all (k,)."""

    mean_squared_error: Values
    root_mean_squared_error: Values
    mean_absolute_error: Values
    median_absolute_error: Values
    max_error: Values
    r2: Values
    explained_variance: Values


def regression_scores(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> RegressionScores:
    """The scores of each output, arrays (k,), where the functions give the mean of them. Raises InvalidInput."""
    true, other, own = read_values(y, predicted, weights)
    squared = mean((true - other) ** 2, own)
    return RegressionScores(
        mean_squared_error=squared,
        root_mean_squared_error=np.sqrt(squared),
        mean_absolute_error=mean(np.abs(true - other), own),
        median_absolute_error=_medians(np.abs(true - other), own),
        max_error=_counting(np.abs(true - other), own).max(axis=0),
        r2=_r2(true, other, own, _dtype(y)),
        explained_variance=_explained(true, other, own, _dtype(y)),
    )


def mean_squared_error(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """The mean of d². Raises InvalidInput."""
    true, other, own = read_values(y, predicted, weights)
    return float(np.mean(mean((true - other) ** 2, own)))


def root_mean_squared_error(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """√(mean of d²), of each output by itself. Raises InvalidInput."""
    true, other, own = read_values(y, predicted, weights)
    return float(np.mean(np.sqrt(mean((true - other) ** 2, own))))


def mean_absolute_error(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """The mean of |d|. Raises InvalidInput."""
    true, other, own = read_values(y, predicted, weights)
    return float(np.mean(mean(np.abs(true - other), own)))


def median_absolute_error(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """The median of |d|: the least that half of the weight does not exceed, or midway to the next if it is just half.

    Raises InvalidInput.
    """
    true, other, own = read_values(y, predicted, weights)
    return float(np.mean(_medians(np.abs(true - other), own)))


def max_error(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """The largest |d| of all rows and outputs. Raises InvalidInput."""
    true, other, own = read_values(y, predicted, weights)
    return float(_counting(np.abs(true - other), own).max())


def r2(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """1 - Σ w d² / Σ w (y - ȳ)², the coefficient of determination.

    Of targets that are all equal, a single row among them, it is 1 if the prediction is perfect, else 0. Raises
    InvalidInput.
    """
    true, other, own = read_values(y, predicted, weights)
    return float(np.mean(_r2(true, other, own, _dtype(y))))


def explained_variance(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """1 - var(d) / var(y): R², but an error that all rows share is none.

    Of targets that are all equal it is 1 if d is, else 0. Raises InvalidInput.
    """
    true, other, own = read_values(y, predicted, weights)
    return float(np.mean(_explained(true, other, own, _dtype(y))))


def quantile_loss(
    y: ArrayLike, predicted: ArrayLike, *, quantile: float = 0.5, weights: ArrayLike | None = None
) -> float:
    """The mean of q d where d >= 0, else (q - 1) d, of q = `quantile`, 0 <= q <= 1: the pinball loss.

    It is least where the prediction is the q-quantile. Koenker and Bassett 1978. Raises InvalidInput.
    """
    q = real_number("quantile", quantile, least=0)
    if q > 1:
        raise InvalidInput("quantile", f"expected a number from 0 to 1, got {q}")
    true, other, own = read_values(y, predicted, weights)
    d = true - other
    return float(np.mean(mean(np.where(d >= 0, q * d, (q - 1) * d), own)))


def mean_poisson_deviance(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """The mean of 2 (y log(y/ŷ) - d), of counts y >= 0 and ŷ > 0, where 0 log 0 is 0. Raises InvalidInput."""
    return mean_tweedie_deviance(y, predicted, power=1.0, weights=weights)


def mean_gamma_deviance(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """The mean of 2 (log(ŷ/y) + y/ŷ - 1), of amounts y > 0 and ŷ > 0. Raises InvalidInput."""
    return mean_tweedie_deviance(y, predicted, power=2.0, weights=weights)


def mean_tweedie_deviance(
    y: ArrayLike, predicted: ArrayLike, *, power: float = 1.5, weights: ArrayLike | None = None
) -> float:
    """The mean of 2 (max(y, 0)²⁻ᵖ / ((1-p)(2-p)) - y ŷ¹⁻ᵖ / (1-p) + ŷ²⁻ᵖ / (2-p)), p = `power`.

    p is 0, where it is d²; below 0, for any y; 1 (Poisson) to below 2, for y >= 0; or from 2 (gamma) on, for y > 0.
    ŷ is above 0 unless p is 0. Jørgensen 1987. Raises InvalidInput.
    """
    p = real_number("power", power)
    if 0 < p < 1:
        raise InvalidInput("power", f"expected a number of at most 0 or of at least 1, got {p}")
    true, other, own = read_values(y, predicted, weights)
    name = f"for power {p:g}"
    if p:
        _check(other <= 0, other, "predicted", f"a number above 0 {name}")
    if p >= 2:
        _check(true <= 0, true, "y", f"a number above 0 {name}")
    elif p >= 1:
        _check(true < 0, true, "y", f"a number of at least 0 {name}")
    return float(np.mean(mean(_deviance(true, other, p), own)))


def _deviance(y: Values, mu: Values, p: float) -> Values:
    if p == 0:
        return (y - mu) ** 2
    if p == 1:
        return 2 * (y * np.log(np.where(y > 0, y / mu, 1.0)) - y + mu)
    if p == 2:
        return 2 * (np.log(mu / y) + y / mu - 1)
    one, two = 1 - p, 2 - p
    above = np.maximum(y, 0.0)
    return 2 * (above**two / (one * two) - y * mu**one / one + mu**two / two)


def _check(wrong: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], values: Values, pointer: str, wanted: str) -> None:
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        where = f"{pointer}[{row}]" + (f"[{column}]" if values.shape[1] > 1 else "")
        raise InvalidInput(where, f"expected {wanted}, got {values[row, column]}")


def _counting(values: Values, weights: Values | None) -> Values:
    """The rows of `values` (n, k) that weigh something."""
    return values if weights is None else values[weights > 0]


def _medians(values: Values, weights: Values | None) -> Values:
    """The weighted median of each column of `values` (n, k)."""
    if weights is None:
        return np.median(values, axis=0)
    values, weights = _counting(values, weights), weights[weights > 0]
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


def _dtype(y: ArrayLike) -> np.dtype[Any]:
    """The type of float that the targets came in, float64 of all else: their rounding is told by it."""
    return y.dtype if isinstance(y, np.ndarray) and y.dtype.kind == "f" else np.dtype(np.float64)


def _r2(y: Values, predicted: Values, weights: Values | None, dtype: np.dtype[Any]) -> Values:
    error = mean((y - predicted) ** 2, weights)
    return _explained_share(error, _variance(y, weights, dtype))


def _explained(y: Values, predicted: Values, weights: Values | None, dtype: np.dtype[Any]) -> Values:
    return _explained_share(_variance(y - predicted, weights), _variance(y, weights, dtype))


def _explained_share(left: Values, whole: Values) -> Values:
    """1 - left / whole; where the whole is zero 1 if nothing is left, else 0."""
    none = whole == 0
    return np.where(none, np.where(left == 0, 1.0, 0.0), 1 - left / np.where(none, 1.0, whole))


def _variance(values: Values, weights: Values | None, dtype: DTypeLike = np.float64) -> Values:
    """The mean of squared deviations from the mean, exactly 0 of numbers that differ by rounding in `dtype` alone."""
    counting = _counting(values, weights)
    deviations: Values = mean((values - mean(values, weights)) ** 2, weights)
    magnitude = np.abs(counting).max(axis=0)
    equal = counting.min(axis=0) == counting.max(axis=0)
    return np.where(equal | negligible(np.sqrt(deviations), magnitude, len(counting), dtype), 0.0, deviations)
