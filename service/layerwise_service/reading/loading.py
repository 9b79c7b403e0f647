"""Loading of a file into DuckDB, as one table `cells` of texts: c0, c1, … in the order of the file's columns."""

from __future__ import annotations

import csv
import errno
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import cast

import duckdb

from layerwise.checks import counted, shown
from layerwise.errors import Place
from layerwise.tables.inference import Doubt
from layerwise_service.errors import InvalidRequest
from layerwise_service.reading.file_kind import FileKind

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
MOST_SHOWN = 120
LONGEST_LINE = 2**24
LEAST_FREE = 2**25
"""Bytes. With less on the disk, an error of DuckDB's is taken for one of the disk."""
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


def load(database: duckdb.DuckDBPyConnection, path: Path, kind: FileKind) -> tuple[tuple[str, ...], tuple[Doubt, ...]]:
    """Load the file, and return the names of its columns and what was done to them.

    Raises `InvalidRequest`, and MemoryError.
    """
    try:
        if kind is FileKind.CSV:
            return _load_csv(database, path)
        return _load_typed(database, path, kind)
    except duckdb.OutOfMemoryException as error:
        raise MemoryError from error
    except duckdb.Error as error:
        check_room(path.parent, error)
        first = str(error).partition("\n")[0]
        raise InvalidRequest(f"the file cannot be read as a table: {first}", reason="NOT_A_TABLE") from error


def check_room(folder: Path, error: duckdb.Error) -> None:
    """Raise OSError if an `error` of DuckDB's came from a full disk, which its type does not say."""
    if shutil.disk_usage(folder).free < LEAST_FREE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


def _load_csv(database: duckdb.DuckDBPyConnection, path: Path) -> tuple[tuple[str, ...], tuple[Doubt, ...]]:
    delimiter, skipped = _dialect(database, path)
    options = (
        f"delim = {_quoted(delimiter)}, quote = '\"', escape = '\"', all_varchar = true, max_line_size = {LONGEST_LINE}"
    )
    with path.open(encoding="utf-8", newline="") as file:
        for _ in range(skipped):
            file.readline()
        header: list[str] = next(csv.reader(file, delimiter=delimiter), cast("list[str]", []))
    names, doubts = _names(header)
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
    database.execute(
        f"CREATE TABLE cells AS SELECT * FROM read_csv($path, {options}, header = true, skip = {skipped},"
        f" auto_detect = false, columns = {{{columns}}}, store_rejects = true, rejects_limit = 100)",
        {"path": str(path)},
    )
    _check_rows(database, len(names), delimiter)
    if skipped:
        doubts = (Doubt("LINES_SKIPPED", f"{counted(skipped, 'line')} before the header were left out"), *doubts)
    return names, doubts


def _dialect(database: duckdb.DuckDBPyConnection, path: Path) -> tuple[str, int]:
    """Return the delimiter, and how many lines stand before the header."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        first = file.readline(LONGEST_LINE)
    try:
        found = database.execute(
            "SELECT Delimiter, SkipRows FROM sniff_csv($path, sample_size = -1, all_varchar = true,"
            f" max_line_size = {LONGEST_LINE})",
            {"path": str(path)},
        ).fetchone()
    except duckdb.Error:  # a line that fits no dialect, which the reader names; or too many columns to compare dialects
        return max(DELIMITERS, key=first.count), 0
    delimiter, skipped = cast("tuple[str, int]", found)
    if delimiter in first:
        return delimiter, 0  # the sniffer also skips rows that are shorter than others
    if not skipped:  # a single column, unless lines of other lengths made it seem so
        likely = max(DELIMITERS, key=first.count)
        return likely if likely in first else delimiter, 0
    return delimiter, skipped


def _check_rows(database: duckdb.DuckDBPyConnection, width: int, delimiter: str) -> None:
    """Raise `InvalidRequest` if a line of the file has another number of cells than the header."""
    wrong = database.execute(
        "SELECT line, error_type::VARCHAR, csv_line, error_message, count(*) OVER ()"
        " FROM reject_errors ORDER BY line LIMIT 1"
    ).fetchone()
    if wrong is None:
        return
    line, kind, text, message, count = cast("tuple[int, str, str, str, int]", wrong)
    shown_line = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
    if kind in ("MISSING COLUMNS", "TOO MANY COLUMNS"):
        got = message.rpartition(" ")[2]
        name = DELIMITERS.get(delimiter, repr(delimiter))
        detail = f"expected {counted(width, 'cell')}, as in the header, divided by {name}; got {got}: {shown_line}"
    elif kind == "UNQUOTED VALUE":
        detail = f'a cell begins with " and does not end with it: {shown_line}'
    else:
        detail = f"{kind.lower()}: {shown_line}"
    more = f" ({counted(count, 'such line')} in all)" if count > 1 else ""
    raise InvalidRequest(f"{detail}{more}", pointer=Place("line", line), reason="BAD_LINE")


def _names(given: list[str]) -> tuple[tuple[str, ...], tuple[Doubt, ...]]:
    """Return the names of columns, made visible and different, and what was changed."""
    doubts: list[Doubt] = []
    names: list[str] = []
    for i, name in enumerate(given):
        clean = " ".join(name.translate(dict.fromkeys(map(ord, INVISIBLE))).split())
        if not clean:
            clean = f"column{i + 1}"
            doubts.append(Doubt("NO_NAME", f"the column {i + 1} has no name and is called {clean}", "ignore"))
        elif clean != name.strip(" "):
            doubts.append(Doubt("RENAMED", f"{shown(name)} is called {shown(clean)}: blanks or invisible characters"))
        names.append(clean)
    for name, count in Counter(names).items():
        if count > 1:
            raise InvalidRequest(
                f"expected different names of columns, got {shown(name)} {counted(count, 'time')}: rename all but one",
                reason="SAME_NAME",
            )
    return tuple(names), tuple(doubts)


def _load_typed(
    database: duckdb.DuckDBPyConnection, path: Path, kind: FileKind
) -> tuple[tuple[str, ...], tuple[Doubt, ...]]:
    """Load Parquet or JSON Lines: their values as texts in plain notation. Nested columns are refused."""
    reader = "read_parquet($path)" if kind is FileKind.PARQUET else "read_json($path, format = 'newline_delimited')"
    described = database.execute(f"DESCRIBE SELECT * FROM {reader}", {"path": str(path)}).fetchall()
    columns = [(str(row[0]), str(row[1])) for row in described]
    for name, column_type in columns:
        if column_type.endswith("]") or column_type.startswith(("STRUCT", "MAP", "UNION", "BLOB")):
            detail = f"expected a single value in each row, got {column_type}: leave the column out"
            raise InvalidRequest(detail, pointer=Place("columns", name), reason="NESTED_COLUMN")
    names, doubts = _names([name for name, _ in columns])
    parts = ", ".join(f"CAST({_identifier(name)} AS VARCHAR) AS c{i}" for i, (name, _) in enumerate(columns))
    database.execute(f"CREATE TABLE cells AS SELECT {parts} FROM {reader}", {"path": str(path)})
    return names, doubts


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
