"""SQL about the cells of the columns c0, c1, … of a table `cells`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import duckdb

from layerwise.tables.cells import PLAIN
from layerwise.tables.column_texts import LONG
from layerwise.tables.format import numbers_in

GROUP = 2_000
"""The columns of the tables `cells0`, `cells1`, …: DuckDB takes 32 KiB and more of memory for each column at a time."""
BLANKS = " \t\n\r\v\f\u00a0"


def trimmed(i: int) -> str:
    """Return the SQL of a column's cell without blanks around it. `trim` itself takes four times as long as a look."""
    cell = f"cells.c{i}"
    return f"CASE WHEN regexp_matches({cell}, '^[{BLANKS}]|[{BLANKS}]$') THEN trim({cell}, '{BLANKS}') ELSE {cell} END"


def matches(text: str, pattern: str) -> str:
    """Return the SQL of whether a `text`, but for blanks around it, matches a `pattern` of an expression."""
    return f"regexp_full_match({text}, '[{BLANKS}]*({pattern})[{BLANKS}]*')"


def codes_of(i: int) -> str:
    """Return the SQL of whether a cell that is a plain number, `p<i>`, is padded, `z<i>`, and long, `l<i>`.

    A padded number has several digits and begins with 0; a long one is whole and not held exactly by float64.
    """
    cell = f"c{i}"
    # a text from '1' to '9…' is not padded: no need to look at it more closely
    padded = f"CASE WHEN p{i} AND {cell} NOT BETWEEN '1' AND ':' THEN {matches(cell, '0[0-9]+')} END AS z{i}"
    inexact = f"TRY_CAST(TRY_CAST({cell} AS DOUBLE) AS HUGEINT) != TRY_CAST({cell} AS HUGEINT)"
    is_long = f"p{i} AND length({cell}) > 15 AND {matches(cell, LONG.pattern)}"
    return f"{padded}, CASE WHEN {is_long} THEN {inexact} END AS l{i}"


def is_plain(i: int, gaps: tuple[str, ...]) -> str:
    """Return the SQL of whether a column's stripped cell is a plain number, and none that means a gap."""
    numbers = ", ".join(map(str, numbers_in(gaps)))
    without = f" AND coalesce(TRY_CAST({trimmed(i)} AS DOUBLE) NOT IN ({numbers}), true)" if numbers else ""
    return f"({matches(f'cells.c{i}', PLAIN.pattern)}{without})"


def with_newlines(text: str) -> str:
    """Return the SQL of a `text` with one kind of line end."""
    uniform = f"replace(replace({text}, chr(13) || chr(10), chr(10)), chr(13), chr(10))"
    return f"CASE WHEN contains({text}, chr(13)) THEN {uniform} ELSE {text} END"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def cells_of(column: int) -> str:
    """Return the table that has a column."""
    return f"cells{column // GROUP}"


def tables_of(columns: int) -> Iterator[tuple[str, range]]:
    """Yield the names of the tables, and their columns."""
    for start in range(0, columns, GROUP):
        yield cells_of(start), range(start, min(start + GROUP, columns))


def first_cell(database: duckdb.DuckDBPyConnection, i: int, without: Sequence[str] = ("",)) -> str:
    """Return the first cell of a column that is none of the words `without`, "" if there is none."""
    words = ", ".join(map(quoted, without))
    query = f"SELECT c{i} FROM {cells_of(i)} AS cells WHERE {trimmed(i)} NOT IN ({words}) LIMIT 1"
    found = database.execute(query).fetchone()
    return "" if found is None else cast("tuple[str]", found)[0]
