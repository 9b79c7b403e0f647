"""The tolerance within which inputs, columns and targets count as constant."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ULPS = 2
"""Units in the last place by which equal values may differ: 0.3 and 0.1 + 0.2 differ by one."""
_EPSILON = float(np.finfo(np.float64).eps)


def negligible(deviation: ArrayLike, magnitude: ArrayLike, count: int, dtype: Any = np.float64) -> NDArray[np.bool_]:
    """Return, elementwise, whether a standard deviation is due to rounding alone.

    It is if it is at most 2 units in the last place of `dtype`, the type of the original numbers, or the error of
    summing `count` numbers in float64, which grows with the root of `count` (Higham 2002, section 4.2). `magnitude` is
    the largest absolute value or the mean.
    """
    rounding = _ULPS * float(np.finfo(dtype).eps) + _EPSILON * float(np.sqrt(count))
    found: NDArray[np.bool_] = np.asarray(deviation) <= rounding * np.abs(np.asarray(magnitude))
    return found


def is_constant(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which columns of `numbers` (n, k), n > 0, are constant up to rounding."""
    wide = numbers.astype(np.float64)
    unit = np.abs(wide).max(axis=0)
    wide /= np.where(unit > 0, unit, 1.0)  # avoids overflow of the squares
    dtype = numbers.dtype if numbers.dtype.kind == "f" else np.float64
    return negligible(wide.std(axis=0), (unit > 0).astype(np.float64), len(numbers), dtype)
