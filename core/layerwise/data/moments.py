"""Mean and variance of the columns of a table, computed block by block."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.arrays import blocks
from layerwise.data.splits import RowNumbers
from layerwise.data.variation import negligible


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments of k columns divided by their `unit`, each (k,).

    Units are powers of two near the largest numbers, so that nothing overflows and no digit is lost.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    constant: NDArray[np.bool_]
    """Whether a column is constant up to rounding."""
    unit: NDArray[np.float64]


def moments(table: NDArray[Any], rows: RowNumbers, weights: NDArray[Any] | None = None) -> Moments:
    """Return the weighted moments of the columns of `table[rows]`, of (n, k), with `weights[rows]`.

    All are zero if the weights are.
    """
    columns: int = table.shape[1]
    steps = list(blocks(len(rows), columns))

    def weights_of(part: NDArray[np.intp]) -> NDArray[np.float64]:
        row_weights: NDArray[np.float64] = np.ones(len(part))
        if weights is not None:
            np.copyto(row_weights, weights[part])
        return row_weights

    largest: NDArray[np.float64] = np.zeros(columns)
    for step in steps:
        part = rows[step]
        sizes = np.abs(table[part][weights_of(part) > 0].astype(np.float64))
        np.maximum(largest, sizes.max(axis=0, initial=0.0), out=largest)
    with np.errstate(invalid="ignore"):
        unit = np.ldexp(1.0, np.where(np.isfinite(largest), np.frexp(largest)[1], 0))

    def mean(power: int, center: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of (number - center)^power of each column."""
        total, weight = np.zeros(columns), 0.0
        for step in steps:
            part = rows[step]
            row_weights = weights_of(part)
            total += np.dot(row_weights, (table[part] / unit - center) ** power)
            weight += float(np.add.reduce(row_weights))
        return total / weight if weight else np.zeros(columns)

    with np.errstate(over="ignore", invalid="ignore"):
        center = mean(1, np.zeros(columns))
        variance = mean(2, center)
        dtype = table.dtype if table.dtype.kind == "f" else np.float64
        constant = negligible(np.sqrt(variance), largest / unit, len(rows), dtype)
        return Moments(center, variance, constant, unit)
