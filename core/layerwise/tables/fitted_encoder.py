"""The fitted columns of an encoder, and the encoding of tables by them."""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from layerwise.data.arrays import blocks
from layerwise.tables.column import Unusual
from layerwise.tables.fitting import AnyColumn
from layerwise.tables.outputs import copied, dtype_of_outputs, unique_names, zeroed
from layerwise.tables.reading import first_row
from layerwise.tables.rows import UnusualCells, rows_writer
from layerwise.tables.table import RawColumn, TableLike, columns_of
from layerwise.tables.unusual import TableWarning
from layerwise.types import Floats

FEW_ROWS = 32
"""Up to this many rows are encoded row by row, which is then faster than column by column."""
BLOCK_NUMBERS = 2**18
"""Outputs written at once: a block that stays in the processor's cache from the first column to the last."""


class FittedEncoder:
    """Encodes tables with the fitted `columns`; they may have further columns in `extra`, or any if that is None."""

    def __init__(self, columns: Sequence[AnyColumn], extra: Collection[str] | None) -> None:
        self.columns = tuple(columns)
        self._extra = extra
        self._names = [column.name for column in columns]
        starts = np.cumsum([0, *(column.width for column in columns)]).tolist()
        self.width = int(starts[-1])
        self._slices = [slice(*ends) for ends in pairwise(starts)]
        pairs = zip(columns, starts[:-1], strict=True)
        self.constant: NDArray[np.intp] = np.array(
            [start + output for column, start in pairs for output in column.constant], np.intp
        )
        self._write_rows = rows_writer(columns, extra)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, all different."""
        return unique_names([name for column in self.columns for name in column.names])

    def source_of(self, output: int) -> str:
        """Return the name of the column that has the `output`, counted from 0 over all columns."""
        found = next(c for c, part in zip(self.columns, self._slices, strict=True) if output < part.stop)
        return found.name

    def encode(
        self, table: TableLike, out: Floats | None, dtype: DTypeLike | None, warnings: list[TableWarning] | None
    ) -> Floats:
        """Return the inputs (n, width) of the network for a table, in `out` if there is one. Raises InvalidInput.

        Warnings about the table are added to `warnings`.
        """
        kind = dtype_of_outputs(dtype, out)
        rows = cast(list[object], table)
        if type(rows) is list and len(rows) <= FEW_ROWS:
            target: Floats = np.zeros((len(rows), self.width), kind)
            if (cells := self._write_rows(rows, target)) is not None:
                if cells and warnings is not None:
                    warnings += self._warnings_of_rows(rows, cells)
                if len(self.constant):
                    target[:, self.constant] = 0
                return target if out is None else copied(target, out)
        read: list[NDArray[Any]] = []
        count = 0
        for column, given in zip(self.columns, columns_of(rows, self._names, extra=self._extra), strict=True):
            count = len(given)
            unusual = None if warnings is None else Unusual()
            read.append(column.read(given, unusual))
            if warnings is not None and unusual:
                warnings += _warnings_of_column(column, given, unusual)
        shape = (count, self.width)
        found: Floats = np.zeros(shape, kind) if out is None else zeroed(out, shape)
        for block in blocks(count, self.width, BLOCK_NUMBERS):
            for column, part, values in zip(self.columns, self._slices, read, strict=True):
                column.write(values[block], found[block, part])
            if len(self.constant):
                found[block, self.constant] = 0
        return found

    def _warnings_of_rows(self, rows: list[Any], cells: UnusualCells) -> list[TableWarning]:
        """Return the warnings about unusual cells of a few rows."""
        places: dict[tuple[int, str], list[int]] = {}
        for row, place, reason in cells:
            places.setdefault((place, reason), []).append(row)
        found: list[TableWarning] = []
        for (place, reason), there in sorted(places.items()):
            column, first = self.columns[place], there[0]
            found.append(column.warning(reason, rows=len(there), row=first, cell=rows[first][column.name]))
        return found


def _warnings_of_column(column: AnyColumn, given: RawColumn, unusual: Unusual) -> list[TableWarning]:
    """Return the warnings about the rows of a column."""
    found: list[TableWarning] = []
    for reason, rows in sorted(unusual.items()):
        if count := int(np.count_nonzero(rows)):
            row = first_row(rows)
            found.append(column.warning(reason, rows=count, row=row, cell=given.cell(row)))
    return found
