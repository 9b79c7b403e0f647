"""Loading of a file into DuckDB, as texts: the columns c0, c1, … in their order, `GROUP` of them in each table."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import duckdb

from layerwise.checks import counted, shown
from layerwise.errors import Place
from layerwise.tables.doubt import Doubt
from layerwise.tables.format import Format
from layerwise.tables.formats import CategoryFormat, NumberFormat, TextFormat
from layerwise.tables.names import column_names, name_doubts
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.reading.arrow_schema import durations
from layerwise_service.reading.cell_sql import cells_of, quoted, tables_of
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.dialect import DELIMITERS, LINE, LONGEST_LINE, find_dialect, notes_after
from layerwise_service.reading.empty_rows import drop_empty_rows
from layerwise_service.reading.file_kind import FileKind, TableText
from layerwise_service.reading.nested import DURATION, MIXED, Part, parts_of, without_nested
from layerwise_service.reading.schema import too_many_columns

MOST_SHOWN = 120
MOST_REJECTED = 10_000
"""The most lines with another number of cells that DuckDB keeps: those of blanks alone are left out."""
BUFFER_BYTES = 2 * LONGEST_LINE
"""Of the file, held at once. DuckDB would take sixteen of the longest lines: two such buffers fill its memory."""
_LOOKED_AT = 1_000  # lines of JSON
LEAST_FREE = 2**25
"""Bytes. With less on the disk, an error of DuckDB's is taken for one of the disk."""
BLANKS = " \t\n\r\v\f\u00a0\u001a"


def load(
    database: duckdb.DuckDBPyConnection,
    path: Path,
    text: TableText,
    choices: ReadingChoices,
    *,
    max_columns: int | None = None,
    max_rows: int | None = None,
) -> tuple[tuple[str, ...], Mapping[str, str], tuple[Doubt, ...]]:
    """Load the file, and return the names of its columns, the types that it gives them, and what was done to them.

    Parquet, JSON Lines and arrays say "whole", "number" or "boolean" of columns that are no texts.
    Raises `InvalidRequest`, `TooLarge` at the first row beyond `max_rows`, and MemoryError.
    """
    typed: Mapping[str, str] = {}
    try:
        if text.kind is FileKind.CSV:
            names, doubts = _load_csv(database, path, max_columns, max_rows)
            typed = {name: each for name, each in zip(names, text.types, strict=False) if each}
        else:
            names, typed, doubts = _load_typed(
                database, path, text.kind, choices, max_columns=max_columns, max_rows=max_rows
            )
        _check_rows(database, max_rows)
        if text.kind is FileKind.CSV and not text.types:
            doubts = (*drop_empty_rows(database, len(names)), *doubts)
    except duckdb.OutOfMemoryException as error:
        raise MemoryError from error
    except duckdb.Error as error:
        check_room(path.parent, error)
        if text.kind is FileKind.JSON_LINES:
            _check_json_lines(path)
        first = str(error).partition("\n")[0].replace(str(path), "the file")
        raise InvalidRequest(f"the file cannot be read as a table: {first}", reason="NOT_A_TABLE") from error
    return names, typed, (*text.doubts, *doubts)


def _check_rows(database: duckdb.DuckDBPyConnection, max_rows: int | None) -> None:
    if max_rows is None:
        return
    (rows,) = cast("tuple[int]", database.execute(f"SELECT count(*) FROM {cells_of(0)}").fetchone())
    if rows > max_rows:
        raise TooLarge(f"expected at most {counted(max_rows, 'row')}, the file has more", reason="TOO_MANY_ROWS")


def check_room(folder: Path, error: duckdb.Error) -> None:
    """Raise OSError if an `error` of DuckDB's came from a full disk, which its type does not say."""
    if shutil.disk_usage(folder).free < LEAST_FREE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


def _load_csv(
    database: duckdb.DuckDBPyConnection, path: Path, max_columns: int | None, max_rows: int | None
) -> tuple[tuple[str, ...], tuple[Doubt, ...]]:
    dialect = find_dialect(path)
    if not dialect.header:
        detail = (
            "expected a line with the names of the columns, it cannot be divided into cells: is a quote not closed?"
        )
        raise InvalidRequest(detail, pointer=Place("line", 1), reason="BAD_LINE")
    names, doubts = _names(dialect.header, max_columns)
    options = (
        f"delim = {quoted(dialect.delimiter)}, quote = {quoted(dialect.quote)}, escape = {quoted(dialect.escape)},"
        f" header = false, skip = {dialect.skip}, auto_detect = false, max_line_size = {LONGEST_LINE},"
        f" buffer_size = {BUFFER_BYTES}"
    )
    notes = notes_after(path, dialect)
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
    options = f"{options}, columns = {{{columns}}}, store_rejects = true, rejects_limit = {MOST_REJECTED}"
    for table, own in tables_of(len(names)):
        database.execute(
            f"CREATE TABLE {table} AS SELECT {', '.join(f'c{i}' for i in own)} FROM read_csv($path, {options})"
            f"{_limit(max_rows)}",
            {"path": str(path)},
        )
        _check_lines(database, len(names), dialect.delimiter, notes)
    for lines, place in ((notes, "after the table"), (dialect.left_out, "before the header")):
        if lines:
            said = f"{counted(len(lines), 'line')} {place} left out, from {shown(lines[0][:MOST_SHOWN])} on"
            doubts = (Doubt("LINES_SKIPPED", said), *doubts)
    if len(names) == 1 and (signs := [sign for sign in " :^~" if sign in names[0]]):
        said = f"the file has one column, {shown(names[0])}: if {shown(signs[0])} divides columns, save it with commas"
        doubts = (*doubts, Doubt("ONE_COLUMN", said))
    return names, doubts


def _check_lines(database: duckdb.DuckDBPyConnection, width: int, delimiter: str, notes: Sequence[str]) -> None:
    """Raise `InvalidRequest` if a line, other than the `notes`, has another number of cells than the header."""
    wrong = database.execute(
        "SELECT line, error_type::VARCHAR, csv_line, error_message, count(DISTINCT line) OVER () FROM reject_errors"
        " WHERE NOT list_contains($left_out, trim(csv_line, $blanks)) ORDER BY line LIMIT 1",
        {"blanks": BLANKS, "left_out": ["", *notes]},
    ).fetchone()
    if wrong is None:
        (blank,) = cast("tuple[int]", database.execute("SELECT count(*) FROM reject_errors").fetchone())
        if blank >= MOST_REJECTED:  # there may be others that were not kept
            raise InvalidRequest("expected no lines of blanks alone, got too many: remove them", reason="BAD_LINE")
        return
    line, kind, text, message, count = cast("tuple[int, str, str, str, int]", wrong)
    text = text.strip("\r\n")
    shown_line = shown(text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…")
    if kind in ("MISSING COLUMNS", "TOO MANY COLUMNS"):
        got = message.rpartition(" ")[2]
        name = DELIMITERS.get(delimiter, repr(delimiter))
        detail = f"expected {counted(width, 'cell')}, as in the header, divided by {name}; got {got}: {shown_line}"
    elif kind == "UNQUOTED VALUE":
        detail = f'expected " only around a cell, and "" within it, got {shown_line}'
    elif kind == "LINE SIZE OVER MAXIMUM":
        detail = f"expected {LINE} It begins with {shown_line}"
    else:
        detail = f"{kind.lower()}: {shown_line}"
    more = f" ({counted(count, 'such line')} in all)" if count > 1 else ""
    raise InvalidRequest(f"{detail}{more}", pointer=Place("line", line), reason="BAD_LINE")


def _names(given: Sequence[str], max_columns: int | None) -> tuple[tuple[str, ...], tuple[Doubt, ...]]:
    if max_columns is not None and len(given) > max_columns:
        raise too_many_columns(max_columns, f"{len(given):,}")
    names = column_names(given)
    return tuple(names), tuple(name_doubts(given, names))


def _load_typed(
    database: duckdb.DuckDBPyConnection,
    path: Path,
    kind: FileKind,
    choices: ReadingChoices,
    *,
    max_columns: int | None,
    max_rows: int | None,
) -> tuple[tuple[str, ...], Mapping[str, str], tuple[Doubt, ...]]:
    """Load Parquet or JSON Lines: their values as texts in plain notation. The parts of objects become columns."""
    is_json = kind is FileKind.JSON_LINES
    options = f"{_JSON_LINES}, sample_size = {-1 if max_rows is None else max_rows + 1}"
    reader = f"read_json($path, {options})" if is_json else "read_parquet($path)"
    given = {"path": str(path)}
    if is_json and max_columns is not None:
        _check_keys(database, given, max_columns)
    described = database.sql(f"SELECT * FROM {reader}", params=given)
    parts = parts_of(described.columns, described.types)
    if is_json:  # with the types, texts that look like dates, times or UUIDs would be written anew
        reader = f"read_json($path, {options}, maximum_depth = 1)"
        mixed = [part for part in parts if part.type == "JSON"]  # values of several types
        nested = [part for part in mixed if _is_nested(database, reader, given, part)]
        parts = [replace(part, type=MIXED) if part in nested else part for part in parts]
    else:
        lengths = durations(database, path)
        parts = [replace(part, type=DURATION) if part.name in lengths else part for part in parts]
    parts, remarks = without_nested(parts)
    names, doubts = _names([part.name for part in parts], max_columns)
    if is_json:
        formats = choices.formats_of(names, {})
        cells = [
            _mixed(_json_cell(part), formats.get(name)) if part.type == "JSON" else f"{_json_cell(part)}->>'$'"
            for part, name in zip(parts, names, strict=True)
        ]
    else:
        cells = [f"CAST({'.'.join(map(_identifier, part.path))} AS VARCHAR)" for part in parts]
    selected = [f"{cell} AS c{i}" for i, cell in enumerate(cells)]
    for table, own in tables_of(len(names)):
        columns = ", ".join(selected[i] for i in own)
        database.execute(f"CREATE TABLE {table} AS SELECT {columns} FROM {reader}{_limit(max_rows)}", given)
    types = zip(names, (part.type for part in parts), strict=True)
    typed = {name: kind for name, each in types for pattern, kind in _TYPED.items() if pattern.match(each)}
    return names, typed, (*remarks, *doubts)


_TYPED = {
    re.compile("BOOLEAN"): "boolean",
    re.compile("U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$"): "whole",
    re.compile("FLOAT|DOUBLE|DECIMAL"): "number",
}
_JSON_LINES = (
    f"format = 'newline_delimited', records = true, map_inference_threshold = -1, maximum_object_size = {LONGEST_LINE}"
)


def _mixed(cell: str, form: Format | None) -> str:
    """Return the SQL of the text of a JSON value in a column of several types, as `form` reads texts."""
    number = truth = text = f"{cell}->>'$'"
    if isinstance(form, NumberFormat):
        number = f"replace({text}, '.', {quoted(form.decimal)})"
        truth = f"CAST(CAST(({text}) = 'true' AS INTEGER) AS VARCHAR)"
    elif isinstance(form, CategoryFormat | TextFormat):  # 2007.0 is 2007
        number = f"regexp_replace({text}, '\\.0+$', '')"
    return f"CASE json_type({cell}) WHEN 'VARCHAR' THEN {text} WHEN 'BOOLEAN' THEN {truth} ELSE {number} END"


def _is_nested(database: duckdb.DuckDBPyConnection, reader: str, given: Mapping[str, str], part: Part) -> bool:
    """Return whether some values of a JSON column of several types are objects or lists."""
    wanted = f"json_type({_json_cell(part)}) IN ('OBJECT', 'ARRAY')"
    return database.execute(f"SELECT 1 FROM {reader} WHERE {wanted} LIMIT 1", given).fetchone() is not None


def _json_cell(part: Part) -> str:
    """Return the SQL of a JSON value; the way into an object is a JSON pointer."""
    column, *inner = part.path
    pointer = "".join(f"/{name.replace('~', '~0').replace('/', '~1')}" for name in inner)
    return f"({_identifier(column)}->{quoted(pointer)})" if inner else _identifier(column)


def _check_json_lines(path: Path) -> None:
    """Raise `InvalidRequest` for the first line that is no object, or has a key twice."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line, text in enumerate(file, 1):
            try:
                fits = not text.strip() or isinstance(json.loads(text, object_pairs_hook=_different), dict)
            except (ValueError, RecursionError):
                fits = False
            if not fits:
                detail = "expected an object on each line (JSON Lines), each key once"
                detail = f"{detail}, got {shown(text.strip()[:MOST_SHOWN])}"
                raise InvalidRequest(detail, pointer=Place("line", line), reason="BAD_LINE")


def _different(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError
    return found


def _check_keys(database: duckdb.DuckDBPyConnection, given: Mapping[str, str], max_columns: int) -> None:
    """Raise `TooLarge` if the first lines of JSON have too many keys: to find types for 100,000 takes a minute."""
    lines = f"SELECT json FROM read_ndjson_objects($path, maximum_object_size = {LONGEST_LINE}) LIMIT {_LOOKED_AT}"
    keys = f"SELECT DISTINCT unnest(json_keys(json)) FROM ({lines}) LIMIT {max_columns + 1}"
    (count,) = cast("tuple[int]", database.execute(f"SELECT count(*) FROM ({keys})", given).fetchone())
    if count > max_columns:
        raise too_many_columns(max_columns, "more")


def _limit(max_rows: int | None) -> str:
    return "" if max_rows is None else f" LIMIT {max_rows + 1}"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
