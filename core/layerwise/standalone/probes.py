"""Rows for the self-check of a program: ordinary ones and, for an encoder, its special cases."""

import math

import numpy as np

from layerwise.model import MLP
from layerwise.tables import (
    BooleanFormat,
    CategoryColumn,
    Hashing,
    Log,
    NumberColumn,
    TableEncoder,
    TextColumn,
    TimeFormat,
)
from layerwise.types import Floats

ROWS = 8
"""Number of rows; with an encoder, one has unseen categories, and one lacks all values that may be missing."""
UNSEEN_ROW, MISSING_ROW = 5, 6
MOST_LOGARITHM = 88.0
"""Its exponential is still within float32."""
DATES = (
    "2000-02-29",
    "1999-12-31T23:59:59",
    "2024-03-01T06:30",
    "1969-07-20T20:17:40",
    "2013-01-31",
    "2010-11-05T12:00",
    "2019-08-15",
    "2031-05-09T18:45",
)


def probe_rows(model: MLP) -> Floats:
    """Return rows (ROWS, inputs) that enter the network with about zero mean and unit variance."""
    architecture = model.architecture
    inside = np.random.default_rng(0).standard_normal((ROWS, architecture.inputs))
    rows: Floats = ((inside - architecture.input_shift) / architecture.input_scale).astype(model.dtype)
    return rows


def probe_table(encoder: TableEncoder) -> list[dict[str, object]]:
    """Return ROWS rows of the columns that `encoder` was fitted on."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = [{} for _ in range(ROWS)]
    for column in encoder.columns:
        z = rng.standard_normal(ROWS)
        for i, row in enumerate(rows):
            if i == MISSING_ROW and column.encoding.missing != "error":
                value: object = None
            elif isinstance(column.format, BooleanFormat):
                value = i % 2 == 0
            elif isinstance(column, NumberColumn):
                value = _number(column, float(z[i]))
            elif isinstance(column, CategoryColumn):
                value = _category(column, i)
            elif isinstance(column, TextColumn):
                value = f"Some {'good ' * (i % 3)}words, {i} in number"
            else:
                value = f"{3 * i}:{7 * i:02}:{5 * i:02}" if isinstance(column.format, TimeFormat) else DATES[i]
            row[column.name] = value
    return rows


def _number(column: NumberColumn, z: float) -> float:
    """Return a number of the column for a standard normal `z`."""
    if column.quantiles:
        least, most = column.quantiles[0], column.quantiles[-1]
        return least + (most - least) * (math.tanh(z) + 1) / 2
    number = column.shift + column.scale * z
    return max(0.0, math.expm1(min(number, MOST_LOGARITHM))) if isinstance(column.encoding, Log) else number


def _category(column: CategoryColumn, i: int) -> str:
    if isinstance(column.encoding, Hashing):
        return f"category {i}"
    if i == UNSEEN_ROW and column.unseen != "error":
        return "-".join(column.categories)[:50] + "-"
    return column.categories[i % len(column.categories)]
