"""What is counted of the cells of a table before the formats of its columns are inferred."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import duckdb

from layerwise.tables.column_texts import GROUPED, PlainNumbers
from layerwise_service.reading.cell_sql import BLANKS, cells_of, codes_of, first_cell, is_plain, matches

MOST_COUNTED = 2**15
"""The most rows whose different cells are counted; those of more rows are estimated, within a few percent."""
FEW = 200
"""So few different cells are counted in any case, as soon as they are estimated: it takes a few milliseconds."""
TOGETHER = 8
"""The most columns in one query, a divisor of `GROUP`: planning a query takes more than proportionally longer."""
LOOKED_AT = 1_024
"""The first rows, in which most columns have an example."""


@dataclass(frozen=True, slots=True)
class CellCounts:
    """What is counted of a column: cells with a text, plain numbers among them, different texts, an example."""

    rows: int
    plain: PlainNumbers
    distinct: int
    estimated: bool
    """Whether `distinct` is an estimate."""
    example: str


def count_cells(
    database: duckdb.DuckDBPyConnection, rows: int, gaps: Sequence[tuple[str, ...]]
) -> Iterator[CellCounts]:
    """Yield what is counted of the cells of each column, whose words for a gap are `gaps`."""
    # to plan count(DISTINCT) takes twenty times as long for a wide table
    exact = rows <= MOST_COUNTED
    distinct = "coalesce(len(list_distinct(list({0}))), 0)" if exact else "approx_count_distinct({0})"
    for start in range(0, len(gaps), TOGETHER):
        own = range(start, min(start + TOGETHER, len(gaps)))
        plain = ", ".join(f"c{i}, {is_plain(i, gaps[i])} AS p{i}" for i in own)
        codes = ", ".join(map(codes_of, own))
        wanted = ", ".join(
            f"count(c{i}), count(*) FILTER (p{i}), count(*) FILTER (z{i}), min(c{i}) FILTER (z{i}),"
            f" min(c{i}) FILTER (p{i} AND contains(c{i}, '.')), min(c{i}) FILTER (l{i}), {distinct.format(f'c{i}')}"
            for i in own
        )
        examples = _examples(database, own)
        cells = f"SELECT {plain} FROM {cells_of(start)} AS cells"
        row = database.execute(f"SELECT {wanted} FROM (SELECT *, {codes} FROM ({cells}))").fetchone()
        counts = cast("tuple[Any, ...]", row)
        for place, i in enumerate(own):
            texts, numbers, padded, *found, different = counts[7 * place : 7 * place + 7]
            code, fraction, long = ((text or "").strip(BLANKS) for text in found)
            grouped = GROUPED.fullmatch(fraction) is not None and _are_grouped(database, i, gaps[i])
            plain_numbers = PlainNumbers(numbers, padded, code, fraction, not grouped, long)
            estimated = not exact and different > FEW
            if not exact and not estimated:
                counted = database.execute(f"SELECT count(DISTINCT c{i}) FROM {cells_of(i)}").fetchone()
                (different,) = cast("tuple[int]", counted)
            yield CellCounts(texts, plain_numbers, different, estimated, examples[i])


def _examples(database: duckdb.DuckDBPyConnection, own: range) -> dict[int, str]:
    """Return the first text of each column, "" if it has none: any_value of two threads would vary."""
    columns = ", ".join(f"c{i}" for i in own)
    rows = database.execute(f"SELECT {columns} FROM {cells_of(own.start)} LIMIT {LOOKED_AT}").fetchall()
    found: dict[int, str] = {}
    for place, i in enumerate(own):
        texts = (row[place] for row in rows if row[place] is not None)
        if not (text := next(texts, "")) and len(rows) == LOOKED_AT:
            text = first_cell(database, i)
        found[i] = text
    return found


def _are_grouped(database: duckdb.DuckDBPyConnection, i: int, gaps: tuple[str, ...]) -> bool:
    """Return whether in all plain numbers of a column a point may stand between groups of three digits."""
    other = f"{is_plain(i, gaps)} AND NOT {matches(f'cells.c{i}', GROUPED.pattern)}"
    return database.execute(f"SELECT 1 FROM {cells_of(i)} AS cells WHERE {other} LIMIT 1").fetchone() is None
