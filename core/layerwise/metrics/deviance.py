"""Deviances of predicted counts and amounts."""

import numpy as np
from numpy.typing import ArrayLike

from layerwise.checks import real_number
from layerwise.errors import InvalidInput, Place
from layerwise.metrics.arguments import Flags, Values, mean, read_values


def mean_poisson_deviance(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the mean of 2 (y log(y/ŷ) - y + ŷ), with 0 log 0 = 0.

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Counts of at least 0, and predictions above 0.
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
    return mean_tweedie_deviance(y, predicted, power=1.0, weights=weights)


def mean_gamma_deviance(y: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the mean of 2 (log(ŷ/y) + y/ŷ - 1).

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Amounts and predictions above 0.
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
    return mean_tweedie_deviance(y, predicted, power=2.0, weights=weights)


def mean_tweedie_deviance(
    y: ArrayLike, predicted: ArrayLike, *, power: float = 1.5, weights: ArrayLike | None = None
) -> float:
    """Return the mean of 2 (max(y, 0)²⁻ᵖ / ((1-p)(2-p)) - y ŷ¹⁻ᵖ / (1-p) + ŷ²⁻ᵖ / (2-p)), p being the power.

    Jørgensen 1987.

    Parameters
    ----------
    y, predicted : array-like (n,) or (n, k)
        Actual values: any for p ≤ 0, at least 0 for 1 ≤ p < 2, above 0 for p ≥ 2. Predictions above 0, any for p = 0.
    power : float, default 1.5
        0 (squared error) or less, 1 (Poisson), between 1 and 2 (compound), 2 (gamma) or more.
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


def _check(wrong: Flags, values: Values, pointer: str, wanted: str) -> None:
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        index = (row, column) if values.shape[1] > 1 else (row,)
        raise InvalidInput(Place(pointer, index), f"expected {wanted}, got {values[row, column]}")
