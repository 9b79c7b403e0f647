"""Columns without a name that number the rows, such as the index that `DataFrame.to_csv` writes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import cast

import duckdb

from layerwise.tables.doubt import Doubt
from layerwise.tables.names import INDEX_LEVEL
from layerwise_service.reading.cell_sql import cells_of, trimmed
from layerwise_service.reading.schema import ColumnSchema

_INDEX = Doubt(
    "INDEX",
    "has no name, and another whole number in every row, like the index of a DataFrame, so it is left out unless it is"
    " chosen",
    "number",
)
_MOST_DIFFERENT = 0.8  # of the rows: the number of different cells may be an estimate


def mark_indexes(
    database: duckdb.DuckDBPyConnection,
    columns: Sequence[ColumnSchema],
    doubts: Sequence[Doubt],
    *,
    chosen: Collection[str],
    rows: int,
) -> tuple[tuple[ColumnSchema, ...], tuple[Doubt, ...]]:
    """Return the columns, the indexes among them with a doubt that says so, and the `doubts` about the file.

    The doubt takes the place of the one about a column without a name. Columns whose format is `chosen` are wanted.
    """
    unnamed = {doubt.column for doubt in doubts if doubt.reason == "NO_NAME"}
    indexes = {
        column.name
        for i, column in enumerate(columns)
        if (column.name in unnamed or INDEX_LEVEL.fullmatch(column.name))
        and column.name not in chosen
        and _numbers_rows(database, i, column, rows)
    }
    marked = (replace(each, doubts=(*each.doubts, _INDEX)) if each.name in indexes else each for each in columns)
    return tuple(marked), tuple(each for each in doubts if each.reason != "NO_NAME" or each.column not in indexes)


def _numbers_rows(database: duckdb.DuckDBPyConnection, i: int, column: ColumnSchema, rows: int) -> bool:
    """Return whether a column has a whole number of at least 0 in each row, all different, in any order."""
    if column.kind != "number" or not column.all_plain or column.gaps or column.distinct < _MOST_DIFFERENT * rows:
        return False
    query = (
        "SELECT count(DISTINCT number) = count(*) AND bool_and(number >= 0 AND number = floor(number))"
        f" FROM (SELECT CAST({trimmed(i)} AS DOUBLE) AS number FROM {cells_of(i)} AS cells)"
    )
    (found,) = cast("tuple[bool | None]", database.execute(query).fetchone())
    return bool(found)
