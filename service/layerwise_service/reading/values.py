"""The values of a column, as they come out of DuckDB."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.tables.format import Format
from layerwise.tables.formats import CategoryFormat, TextFormat

Values = NDArray[Any] | list[str | None]


def values_of(found: Any, column_format: Format) -> Values:
    """Return a column of DuckDB's result as the values that `TableFile.blocks` promises."""
    if isinstance(column_format, TextFormat | CategoryFormat):
        return cast("list[str | None]", found.tolist())  # masked ones are None
    numbers = np.ma.filled(found.astype(np.float64), np.nan)
    if column_format.kind != "date":
        return cast("NDArray[np.float64]", numbers)
    dates = np.full(len(numbers), "NaT", "M8[s]")
    there = ~np.isnan(numbers)
    dates[there] = numbers[there].astype(np.int64).astype("M8[s]")
    return dates
