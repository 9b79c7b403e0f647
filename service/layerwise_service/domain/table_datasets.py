"""Datasets made of files and tables: typed columns with the formats of their cells, without a target."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.tables.doubt import Doubt
from layerwise.tables.format import Format
from layerwise.tables.formats import BooleanFormat, CategoryFormat, NumberFormat
from layerwise_service.domain.datasets import StoredColumn

MOST_ROWS_SHOWN = 1_000
"""Most rows of a dataset in one answer."""
TEXTS = ("category", "text")
"""The kinds of columns that are stored as texts; the others are stored as numbers."""
_EPOCH = datetime(1970, 1, 1)
Cell = float | bool | str | None


@dataclass(frozen=True, slots=True)
class DatasetColumn:
    """A column as it was read.

    `format` is the JSON form of a class of `layerwise.tables.formats`. `gaps` is the number of rows without a value,
    `distinct` that of different texts, which may be estimated, and `example` the beginning of a cell as it was in the
    file.
    """

    name: str
    kind: str
    format: Mapping[str, Any]
    gaps: int
    distinct: int
    example: str
    doubts: tuple[Doubt, ...]
    distinct_estimated: bool = False

    @property
    def is_index(self) -> bool:
        """Whether it numbers the rows, like the index of a DataFrame: a training leaves it out unless it is chosen."""
        return any(doubt.reason == "INDEX" for doubt in self.doubts)


@dataclass(frozen=True, slots=True)
class TableDatasetSummary:
    """A dataset without its columns. `id` is the SHA-256 of its canonical bytes.

    `file_sha256` is that of the file, "" if a table was sent instead. A `transient` one is not listed, and is removed
    after a while.
    """

    id: str
    name: str
    rows: int
    column_count: int
    size_bytes: int
    file_sha256: str
    created: float
    transient: bool


@dataclass(frozen=True, slots=True)
class TableDataset(TableDatasetSummary):
    """A dataset with its columns. `doubts` are about the table as a whole."""

    columns: tuple[DatasetColumn, ...]
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, slots=True)
class ReadTable:
    """What was read of a file or a table: the id of the dataset, and all that is known of its columns."""

    id: str
    rows: int
    size_bytes: int
    columns: tuple[DatasetColumn, ...]
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, slots=True)
class DatasetRows:
    """Some rows of a dataset, by the names of its columns. `next_offset` is None at the end of the dataset."""

    kinds: Mapping[str, str]
    columns: Mapping[str, Sequence[Cell]]
    offset: int
    next_offset: int | None


def stored_columns(columns: Sequence[DatasetColumn]) -> tuple[StoredColumn, ...]:
    """Return how the columns are stored: booleans, dates and times of day are numbers."""
    return tuple(StoredColumn(each.name, "texts" if each.kind in TEXTS else "numbers") for each in columns)


def table_sha256(rows: int, columns: Sequence[DatasetColumn], digests: Sequence[Sequence[str]]) -> str:
    """Return the id of a dataset: that of its values, as `Digests.rows` has them, and of how its columns are taken."""
    header = {
        "format": "layerwise-table-1",
        "rows": rows,
        "columns": [
            {"name": column.name, "format": column.format, "sha256": list(own)}
            | ({"index": True} if column.is_index else {})  # it is another dataset where the same column was chosen
            for column, own in zip(columns, digests, strict=True)
        ],
    }
    return hashlib.sha256(json.dumps(header, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def schema_json(columns: Sequence[DatasetColumn], doubts: Sequence[Doubt]) -> dict[str, Any]:
    """Return the JSON form of a schema."""
    return {"columns": [asdict(column) for column in columns], "doubts": [asdict(doubt) for doubt in doubts]}


def read_schema(form: Mapping[str, Any]) -> tuple[tuple[DatasetColumn, ...], tuple[Doubt, ...]]:
    """Return columns and doubts from the JSON form of a schema."""
    columns = tuple(
        replace(DatasetColumn(**column), doubts=tuple(Doubt(**each) for each in column["doubts"]))
        for column in form["columns"]
    )
    return columns, tuple(Doubt(**each) for each in form["doubts"])


def cells(kind: str, stored: NDArray[np.float64] | list[str]) -> list[Cell]:
    """Return the stored values of a column of this `kind` as they are shown; None where one is missing.

    Dates are texts in ISO 8601, as short as possible, times of day are texts like 14:05:30.
    """
    if isinstance(stored, list):
        return [text or None for text in stored]
    if (show := _SHOWN.get(kind)) is None:
        return [None if math.isnan(value) else value for value in stored.tolist()]
    different, places = np.unique(stored, return_inverse=True)  # to show a date takes long
    shown = [None if math.isnan(value) else show(value) for value in different.tolist()]
    return [shown[place] for place in places.tolist()]


def as_sent(kind: str, stored: NDArray[np.float64] | list[str]) -> NDArray[np.float64] | list[str]:
    """Return the stored values of a column as a caller would send them: numbers, or texts, "" where one is missing."""
    if isinstance(stored, list) or kind == "number":
        return stored
    return [as_text(cell) for cell in cells(kind, stored)]


def as_read_by(
    form: Format | None, kind: str, stored: NDArray[np.float64] | list[str]
) -> NDArray[np.float64] | list[str]:
    """Return the stored values of a column as a format reads them; None if it is not known.

    Booleans are the numbers 1 and 0 to formats of booleans and numbers, and "true" and "false" to others.
    """
    numeric = isinstance(form, BooleanFormat | NumberFormat) or (isinstance(form, CategoryFormat) and form.numeric)
    if kind == "boolean" and numeric:
        return stored
    return as_sent(kind, stored)


def as_text(cell: Cell) -> str:
    """Return a cell that is no number as a text, "" for None."""
    return "" if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell)


def _date(seconds: float) -> str:
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat()
    return text.removesuffix("T00:00:00")


def _time(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


_SHOWN: Mapping[str, Any] = {"boolean": bool, "date": _date, "time": _time}
