"""Rows without any value at the end of a table, as spreadsheets write them."""

from __future__ import annotations

from typing import cast

import duckdb

from layerwise.checks import counted
from layerwise.tables.doubt import Doubt
from layerwise_service.reading.cell_sql import BLANKS, cells_of, tables_of


def drop_empty_rows(database: duckdb.DuckDBPyConnection, columns: int) -> tuple[Doubt, ...]:
    """Delete these rows, and return what is said of them. A row of a single column may be a missing value: it stays."""
    (rows,) = cast("tuple[int]", database.execute(f"SELECT count(*) FROM {cells_of(0)}").fetchone())
    if not rows or columns == 1 or _last_row(database, columns, since=rows - 1) is not None:
        return ()
    last = _last_row(database, columns, since=0)
    kept = 0 if last is None else last + 1
    for table, _ in tables_of(columns):
        database.execute(f"DELETE FROM {table} WHERE rowid >= {kept}")
    said = f"{counted(rows - kept, 'row')} without any value at the end left out, from row {kept + 1} on"
    return (Doubt("LINES_SKIPPED", said),)


def _last_row(database: duckdb.DuckDBPyConnection, columns: int, *, since: int) -> int | None:
    """Return the last row with a value, from row `since` on, None if there is none."""
    found: list[int] = []
    for table, own in tables_of(columns):
        value = " OR ".join(f"trim(c{i}, $blanks) <> ''" for i in own)
        query = f"SELECT max(rowid) FROM {table} WHERE rowid >= {since} AND ({value})"
        (last,) = cast("tuple[int | None]", database.execute(query, {"blanks": BLANKS}).fetchone())
        found += [] if last is None else [last]
    return max(found, default=None)
