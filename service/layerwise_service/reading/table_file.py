"""A table file, read by DuckDB: its schema, and its rows as typed columns in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import duckdb
import numpy as np

from layerwise.checks import shown
from layerwise.errors import Place
from layerwise.tables.column_texts import InferredFormat
from layerwise.tables.doubt import Doubt
from layerwise.tables.format import Format
from layerwise.tables.formats import CategoryFormat, NumberFormat, TextFormat
from layerwise.tables.inference import infer_format
from layerwise.tables.number_inference import decimal_of
from layerwise_service.errors import InvalidRequest
from layerwise_service.reading.cell_sql import cells_of, first_cell, is_plain, quoted, trimmed, with_newlines
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.counting import TOGETHER, CellCounts, count_cells
from layerwise_service.reading.file_kind import FileKind, table_text
from layerwise_service.reading.indexes import with_indexes
from layerwise_service.reading.loading import load
from layerwise_service.reading.schema import ColumnSchema, TableSchema
from layerwise_service.reading.second_header import second_header
from layerwise_service.reading.values import Values, values_of

BLOCK_ROWS = 65_536
BLOCK_CELLS = 2**21
"""Most cells of a block, if it has more than `LEAST_ROWS` rows: 16 MiB of numbers."""
LEAST_ROWS = 1_024
MOST_TEXTS = 100_000
"""The most texts of a column, other than plain numbers, from which its format is inferred: the most frequent."""
MEMORY, THREADS = "400MB", 2
"""Of DuckDB. A third thread would hold more memory, and gains little: what reads cells in Python has one."""
_WORDS = (CategoryFormat, TextFormat)


class TableFile:
    """The table in the file at `path`; a context manager.

    DuckDB works inside the file's folder and reads nothing else.
    Raises `InvalidRequest`, and `TooLarge` at the first row beyond `max_rows`.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        max_columns: int | None = None,
        max_rows: int | None = None,
        choices: ReadingChoices | None = None,
    ) -> None:
        choices = choices or ReadingChoices()
        limits = {"max_columns": max_columns, "max_rows": max_rows}
        text = table_text(path, max_bytes=max_bytes, **limits)
        folder = path.parent
        self._database = duckdb.connect(
            str(folder / "table.duckdb"), config={"threads": THREADS, "memory_limit": MEMORY}
        )
        try:
            self._database.execute("SET temp_directory = $folder", {"folder": str(folder / "temporary")})
            self._database.execute("SET allowed_directories = [$folder]", {"folder": str(folder)})
            self._database.execute("SET enable_external_access = false")
            self._database.execute("SET lock_configuration = true")
            self._names, typed, doubts = load(self._database, path, text, choices, **limits)
            self._rows = self._one(f"SELECT count(*) FROM {cells_of(0)}")
            chosen = choices.formats_of(self._names, typed)
            self._gaps = [chosen[name].gaps if name in chosen else choices.usual_gaps for name in self._names]
            counted = list(count_cells(self._database, self._rows, self._gaps))
            found = [
                self._inferred(i, chosen.get(name), counted[i], decimal="." if name in typed else "")
                for i, name in enumerate(self._names)
            ]
            if decimal := decimal_of(form for form, _ in found):
                undecided = [i for i, (form, _) in enumerate(found) if form.is_undecided]
                for i in undecided:
                    found[i] = self._inferred(i, None, counted[i], decimal=decimal)
            columns = tuple(column for _, column in found)
            doubts = (*doubts, *second_header(self._database, columns))
            if text.kind is FileKind.CSV and self._seems_without_header(columns):
                first = ", ".join(map(shown, self._names[:3]))
                said = f"the first line, {first}, …, seems to be a row: if so, put a line with names before it"
                doubts = (*doubts, Doubt("NO_HEADER", said))
            self.schema = TableSchema(columns, self._rows, doubts)
            self.schema = with_indexes(self.schema, chosen=chosen, numbers_rows=self._numbers_rows)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> TableFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()

    def blocks(self) -> Iterator[dict[str, Values]]:
        """Yield the rows in blocks: float64 of numbers and booleans, datetime64[s] of dates, else lists of texts.

        A missing value is NaN, NaT or None; times of day are numbers, in seconds since midnight.
        """
        queries = [self._query(start) for start in range(0, len(self._names), TOGETHER)]
        count = max(LEAST_ROWS, min(BLOCK_ROWS, BLOCK_CELLS // len(self._names)))
        for start in range(0, self.schema.rows, count):
            where = f"WHERE cells.rowid >= {start} AND cells.rowid < {start + count} ORDER BY cells.rowid"
            found: dict[str, Any] = {}
            for query in queries:
                found |= self._database.execute(f"{query} {where}").fetchnumpy()
            block = {
                column.name: values_of(found[f"c{i}"], column.format) for i, column in enumerate(self.schema.columns)
            }
            self._check_finite(block, start)
            yield block

    def _query(self, start: int) -> str:
        """Return the SQL of the values of the columns from `start` on that are read together."""
        expressions: list[str] = []
        joins: list[str] = []
        for i, column in enumerate(self.schema.columns[start : start + TOGETHER], start):
            expression, join = self._read_by(i, column.format, all_plain=column.all_plain)
            expressions.append(f"{expression} AS c{i}")
            joins += join
        return f"SELECT {', '.join(expressions)} FROM {cells_of(start)} AS cells {' '.join(joins)}"

    def _inferred(
        self, i: int, chosen: Format | None, cells: CellCounts, *, decimal: str
    ) -> tuple[InferredFormat, ColumnSchema]:
        """Return the format of a column, and what is known of it; `decimal` is the sign of other columns, or ""."""
        others = cells.rows - cells.plain.rows
        texts = self._texts(i) if others else {}
        found = (
            InferredFormat(chosen) if chosen else infer_format(texts, cells.plain, gaps=self._gaps[i], decimal=decimal)
        )
        gaps = sum(count for text, count in texts.items() if found.format.is_gap(text.strip()))
        distinct, estimated = min(cells.distinct, cells.rows), cells.estimated
        if not cells.plain.rows and len(texts) < MOST_TEXTS:  # all are here to be counted
            strip = getattr(found.format, "strip", True)
            estimated = False
            distinct = len({text.strip() if strip else text for text in texts} - {*found.format.gaps})
        is_gap = found.format.is_gap(cells.example.strip())
        example = first_cell(self._database, i, found.format.gaps) if is_gap else cells.example
        return found, ColumnSchema(
            self._names[i],
            found.format,
            gaps + self._rows - cells.rows,
            distinct,
            example,
            found.doubts,
            all_plain=not others,
            distinct_estimated=estimated,
        )

    def _numbers_rows(self, i: int) -> bool:
        """Return whether a column without gaps has a whole number of at least 0 in each row, all different."""
        if not self.schema.columns[i].all_plain:
            return False
        query = (
            "SELECT (count(DISTINCT number) = count(*) AND bool_and(number >= 0 AND number = floor(number)))::INTEGER"
            f" FROM (SELECT CAST({trimmed(i)} AS DOUBLE) AS number FROM {cells_of(i)} AS cells)"
        )
        return self.schema.rows > 0 and self._one(query) == 1

    def _seems_without_header(self, columns: Sequence[ColumnSchema]) -> bool:
        """Return whether each name could be a cell of its column, and some are numbers or dates."""
        counts = [list(map(str, range(first, first + len(columns)))) for first in (0, 1)]
        if list(self._names) in counts or all(isinstance(each.format, _WORDS) for each in columns):
            return False
        for i, column in enumerate(columns):
            if isinstance(column.format, _WORDS):
                if not self._one(f"SELECT count(*) FROM {cells_of(i)} WHERE trim(c{i}) = $name", name=column.name):
                    return False
                continue
            try:
                column.format.read(column.name)
            except (ValueError, OverflowError):
                return False
        return True

    def _texts(self, i: int) -> dict[str, int]:
        """Return the texts of a column other than plain numbers, and how many rows each has."""
        found = self._database.execute(
            f"SELECT c{i}, count(*) AS n FROM {cells_of(i)} AS cells WHERE c{i} IS NOT NULL"
            f" AND NOT {is_plain(i, self._gaps[i])} GROUP BY c{i} ORDER BY n DESC, c{i} LIMIT $most",
            {"most": MOST_TEXTS},
        ).fetchall()
        return dict(cast("list[tuple[str, int]]", found))

    def _read_by(self, i: int, column_format: Format, *, all_plain: bool) -> tuple[str, list[str]]:
        """Return the SQL of a column's values, and the join that it needs.

        Plain numbers are cast, and categories trimmed, by DuckDB; every other text is read by the format itself.
        """
        cell = trimmed(i)
        if isinstance(column_format, TextFormat) or (
            isinstance(column_format, CategoryFormat) and not column_format.numeric
        ):
            gaps = ", ".join(quoted(word) for word in column_format.gaps)
            text = cell if getattr(column_format, "strip", True) else f"cells.c{i}"
            return f"CASE WHEN {text} IN ({gaps}) THEN NULL ELSE {with_newlines(text)} END", []
        point = isinstance(column_format, NumberFormat) and column_format.decimal == "."
        # DuckDB's cast leaves all blanks out but U+00A0, so that few cells are trimmed
        cast_number = f"coalesce(TRY_CAST(cells.c{i} AS DOUBLE), TRY_CAST({cell} AS DOUBLE))"
        if point and all_plain:
            return cast_number, []
        self._read_texts(i, column_format)
        join = f"LEFT JOIN values{i} ON values{i}.text = cells.c{i}"
        if point:
            return f"CASE WHEN values{i}.text IS NULL THEN {cast_number} ELSE values{i}.value END", [join]
        return f"values{i}.value", [join]

    def _read_texts(self, i: int, column_format: Format) -> None:
        """Make the table `values<i>` of the texts of a column and the values that its format gives them."""
        kind = "VARCHAR" if isinstance(column_format, CategoryFormat) else "DOUBLE"
        self._database.execute(f"CREATE OR REPLACE TEMP TABLE values{i} (text VARCHAR, value {kind})")
        plain_too = column_format.kind != "number" or getattr(column_format, "decimal", ".") != "."
        only = "" if plain_too else f"AND NOT {is_plain(i, self._gaps[i])}"
        read = column_format.reader()
        reader = self._database.cursor()
        texts = reader.execute(f"SELECT DISTINCT c{i} FROM {cells_of(i)} AS cells WHERE c{i} IS NOT NULL {only}")
        while block := texts.fetchmany(BLOCK_ROWS):
            keys = [text for (text,) in block]
            values = [self._value(i, text, column_format, read) for text in keys]
            self._database.execute(
                f"INSERT INTO values{i} SELECT unnest($keys), unnest($values)", {"keys": keys, "values": values}
            )
        reader.close()

    def _value(self, i: int, text: str, column_format: Format, read: Callable[[object], object]) -> object:
        try:
            return read(text)
        except (ValueError, OverflowError):
            row = self._one(f"SELECT rowid FROM {cells_of(i)} WHERE c{i} = $text ORDER BY rowid LIMIT 1", text=text)
            raise self._bad_cell(row, self._names[i], column_format.wanted, text) from None

    def _check_finite(self, block: Mapping[str, Values], start: int) -> None:
        """Raise `InvalidRequest` for a number beyond float64, such as 1e999, which DuckDB reads as infinite."""
        for i, (name, values) in enumerate(block.items()):
            if isinstance(values, np.ndarray) and values.dtype.kind == "f" and (infinite := np.isinf(values)).any():
                row = start + int(np.argmax(infinite))
                text = self._database.execute(f"SELECT c{i} FROM {cells_of(i)} WHERE rowid = {row}").fetchone()
                wanted = "a finite number, or a code in a column of kind category"
                raise self._bad_cell(row, name, wanted, cast("tuple[str]", text)[0])

    def _bad_cell(self, row: int, name: str, wanted: str, text: str) -> InvalidRequest:
        detail = f"expected {wanted}, got {shown(text)}: change it, or name it as a word for a missing value"
        return InvalidRequest(detail, pointer=Place("rows", row, name), reason="BAD_CELL")

    def _one(self, query: str, **given: object) -> int:
        found = self._database.execute(query, given or None).fetchone()
        return int(cast("tuple[int]", found)[0])
