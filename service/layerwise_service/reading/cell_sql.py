"""SQL expressions about the cells of the columns c0, c1, … of a table `cells`."""

from __future__ import annotations

from collections.abc import Iterator

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
