"""Rows below the header that belong to it: units, or the questions of a survey."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import duckdb

from layerwise.checks import counted, shown
from layerwise.tables.cells import GAPS
from layerwise.tables.doubt import Doubt
from layerwise_service.reading.cell_sql import cells_of, first_cell, quoted, trimmed
from layerwise_service.reading.schema import ColumnSchema

_MOST_ROWS = 3
_MOST_SHOWN = 40


def second_header(database: duckdb.DuckDBPyConnection, columns: Sequence[ColumnSchema]) -> tuple[Doubt, ...]:
    """Return what is said of a second header: the first rows alone have odd texts, in two columns or more."""
    found: Counter[int] = Counter()
    for i, column in enumerate(columns):
        if not any(doubt.reason == "ODD_TEXTS" for doubt in column.doubts):
            continue
        odd = ", ".join(quoted(word) for word in column.format.gaps if word not in GAPS)
        query = f"SELECT count(*), max(rowid) FROM {cells_of(i)} AS cells WHERE {trimmed(i)} IN ({odd})"
        count, last = cast("tuple[int, int | None]", database.execute(query).fetchone())
        if last is not None and count == last + 1 <= _MOST_ROWS:
            found[count] += 1
    rows, own = max(found.items(), key=lambda pair: pair[1], default=(0, 0))
    if own < 2:
        return ()
    first = "the first row has" if rows == 1 else f"the first {counted(rows, 'row')} have"
    said = (
        f"{first} texts, such as {shown(first_cell(database, 0)[:_MOST_SHOWN])}, in {own} columns of numbers or dates"
    )
    return (Doubt("SECOND_HEADER", f"{said}: if they explain the columns, remove them from the file"),)
