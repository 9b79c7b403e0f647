"""Whether numbers vary, or differ by rounding alone: the one tolerance for inputs, columns and targets."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ULPS = 2
"""Units in the last place of the data's own type by which equal values may differ: 0.3 and 0.1 + 0.2 are one apart."""
_EPSILON = float(np.finfo(np.float64).eps)


def negligible(deviation: ArrayLike, magnitude: ArrayLike, count: int, dtype: Any = np.float64) -> NDArray[np.bool_]:
    """Whether a standard deviation is rounding alone, elementwise: the numbers do not vary.

    It is if it is at most 2 units in the last place of `dtype`, the type that the numbers came in, or what summing
    `count` of them in float64 may be off by, which grows with the root of `count` (Higham 2002, section 4.2).

    Parameters
    ----------
    deviation, magnitude : floats or arrays of one shape
        The standard deviation, and the largest absolute value or the mean.
    count : int
        How many numbers the deviation is of.
    """
    rounding = _ULPS * float(np.finfo(dtype).eps) + _EPSILON * float(np.sqrt(count))
    found: NDArray[np.bool_] = np.asarray(deviation) <= rounding * np.abs(np.asarray(magnitude))
    return found


def unvaried(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Which columns of `numbers` (n, k), of at least one row, differ by rounding alone."""
    wide = numbers.astype(np.float64)
    unit = np.abs(wide).max(axis=0)
    wide /= np.where(unit > 0, unit, 1.0)  # lest squares overflow
    dtype = numbers.dtype if numbers.dtype.kind == "f" else np.float64
    return negligible(wide.std(axis=0), (unit > 0).astype(np.float64), len(numbers), dtype)
