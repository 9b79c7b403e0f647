"""The rows of a dataset as CSV, which its formats read as the same values."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.tables.cells import number_text
from layerwise_service.domain.table_datasets import Cell, DatasetColumn, as_text, cells


def csv_of(
    columns: Sequence[DatasetColumn], blocks: Iterable[Mapping[str, NDArray[np.float64] | list[str]]]
) -> Iterator[bytes]:
    """Yield the header, then the rows of each of the `blocks` of stored values."""
    written = {column.name: _writer(column) for column in columns}
    yield _lines([written])
    for block in blocks:
        shown = (map(written[column.name], cells(column.kind, block[column.name])) for column in columns)
        yield _lines(zip(*shown, strict=True))


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _writer(column: DatasetColumn) -> Callable[[Cell], str]:
    """Return the function that writes a cell of a column."""
    form: Mapping[str, Any] = column.format
    words = {True: next(iter(form.get("true", ())), "1"), False: next(iter(form.get("false", ())), "0")}

    def write(cell: Cell) -> str:
        if isinstance(cell, bool):
            return words[cell]
        if isinstance(cell, float):
            return number_text(cell).replace(".", form.get("decimal", "."))
        return as_text(cell)

    return write
